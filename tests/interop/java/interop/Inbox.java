package interop;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Collects what a push consumer gets. */
final class Inbox {
    static final class Arrival {
        final MessageExt message;
        final long at = System.currentTimeMillis();

        Arrival(MessageExt message) {
            this.message = message;
        }
    }

    private final List<Arrival> arrivals = new ArrayList<>();

    synchronized void put(Collection<MessageExt> messages) {
        for (MessageExt message : messages) {
            arrivals.add(new Arrival(message));
        }
    }

    synchronized int size() {
        return arrivals.size();
    }

    synchronized List<Arrival> arrivals() {
        return new ArrayList<>(arrivals);
    }

    List<MessageExt> messages() {
        return arrivals().stream().map(arrival -> arrival.message).collect(Collectors.toList());
    }

    List<String> bodies() {
        return Env.bodies(messages());
    }

    synchronized void clear() {
        arrivals.clear();
    }

    /** A listener that takes everything. */
    MessageListenerConcurrently listener() {
        return (messages, context) -> {
            put(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
    }

    /** Waits for a number of messages, then a moment longer for some too many. */
    void awaitExactly(int count, int seconds) throws Exception {
        long end = System.currentTimeMillis() + seconds * 1000L;
        while (size() < count && System.currentTimeMillis() < end) {
            Thread.sleep(10);
        }
        Thread.sleep(200);
        Env.checkEquals("messages received", count, size());
    }

    /** Ids of the queues of a topic that a push consumer owns now. */
    static TreeSet<Integer> owned(DefaultMQPushConsumer consumer, String topic) {
        TreeSet<Integer> ids = new TreeSet<>();
        for (MessageQueue mq : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (mq.getTopic().equals(topic)) {
                ids.add(mq.getQueueId());
            }
        }
        return ids;
    }
}
