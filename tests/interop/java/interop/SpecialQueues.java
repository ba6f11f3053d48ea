package interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/**
 * Queues whose entries are not those of ordinary messages: light queues, queues of batches, queues with extension units. What is
 * written to them by one broker has to be read from them by the next.
 */
final class SpecialQueues {
    /** A topic of the golden stores has this type too. */
    private static final String BATCH = "FreshBatch";
    private static final String PARENT = "FreshLightParent";
    private static final String TAGGED = "FreshTagged";
    private static final String GROUP = "golden-special";
    /** The first is one of a golden store; the last appears with its first message. */
    private static final String[] LIGHT = {"%LMQ%alpha", "%LMQ%beta", "%LMQ%fresh"};
    private static final String[] TAGS = {"TagA", "TagB", "TagC"};

    private final Env env;
    private final RawBroker broker;
    private final DefaultMQProducer producer;
    private final boolean light;
    private final boolean filtered;
    private final boolean timers;
    /** Light queue -> bodies that have to be there once. */
    private final Map<String, TreeSet<String>> inLight = new TreeMap<>();
    /** Offset a light group has committed. */
    private long committed;
    /** Answer to each batch -> its bodies. */
    private final Map<SendResult, List<String>> batches = new HashMap<>();
    /** Tag -> bodies. */
    private final Map<String, TreeSet<String>> tagged = new TreeMap<>();
    private final TreeSet<String> small = new TreeSet<>();
    private final Set<String> consumed = ConcurrentHashMap.newKeySet();

    SpecialQueues(Env env, RawBroker broker, DefaultMQProducer producer, Properties conf) throws Exception {
        this.env = env;
        this.broker = broker;
        this.producer = producer;
        light = "true".equals(conf.getProperty("enableLmq")) && "true".equals(conf.getProperty("enableMultiDispatch"));
        timers = !"false".equals(conf.getProperty("timerWheelEnable"));
        filtered = "true".equals(conf.getProperty("enablePropertyFilter"));
    }

    void start() throws Exception {
        SubscriptionGroupConfig group = new SubscriptionGroupConfig();
        group.setGroupName(GROUP);
        env.admin.createAndUpdateSubscriptionGroupConfig(env.broker, group);
        TopicConfig config = new TopicConfig(BATCH, 2, 2);
        config.getAttributes().put("+queue.type", "BatchCQ");
        env.admin.createAndUpdateTopicConfig(env.broker, config);
        env.awaitRoute(BATCH);
        env.topic(TAGGED, 2);
    }

    /** It filters by property, which has the reference write bitmaps into extension units; ours does not take such consumers. */
    private DefaultMQPushConsumer smallNumbers() throws Exception {
        DefaultMQPushConsumer consumer = env.newPush(GROUP);
        consumer.subscribe(TAGGED, MessageSelector.bySql("n < 6"));
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> consumed.add(Env.text(message)));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Env.await(20, "consumer at the broker", () -> broker.consumers(GROUP) == 1);
        return consumer;
    }

    /** Whether one of these messages has this body. */
    boolean knows(String body) {
        return inLight.values().stream().anyMatch(bodies -> bodies.contains(body));
    }

    void write(String life) throws Exception {
        writeBatches(life);
        writeTagged(life);
        if (light) {
            writeLight(life);
        }
    }

    private void writeBatches(String life) throws Exception {
        for (int queue = 0; queue < 2; queue++) {
            for (int size : new int[] {1, 4, 7}) {
                List<Message> batch = new ArrayList<>();
                List<String> bodies = new ArrayList<>();
                for (int i = 0; i < size; i++) {
                    bodies.add(life + "-" + queue + "-of" + size + "-" + i);
                    batch.add(new Message(BATCH, "TagG", "key-" + bodies.get(i), Env.bytes(bodies.get(i))));
                }
                batches.put(sent(producer.send(batch, Env.queue(BATCH, queue))), bodies);
            }
        }
    }

    private void writeTagged(String life) throws Exception {
        DefaultMQPushConsumer consumer = filtered && life.startsWith("java") ? smallNumbers() : null;
        for (int i = 0; i < 12; i++) {
            String body = life + "-tagged" + i;
            Message message = new Message(TAGGED, TAGS[i % 3], "key-" + body, Env.bytes(body));
            message.putUserProperty("n", String.valueOf(i));
            sent(producer.send(message, Env.queue(TAGGED, i / 6)));
            tagged.computeIfAbsent(TAGS[i % 3], tag -> new TreeSet<>()).add(body);
            if (i < 6) {
                small.add(body);
            }
        }
        if (consumer != null) {
            Env.await(30, "small numbers at the consumer", () -> consumed.containsAll(small));
            Env.checkEquals("bodies the consumer got", small, new TreeSet<>(consumed));
            consumer.shutdown();
        }
    }

    private void writeLight(String life) throws Exception {
        for (int i = 0; i < 8; i++) {
            String body = life + "-light" + i;
            Message message = light(body, i % 2 == 0 ? LIGHT : new String[] {LIGHT[i % 3]});
            sent(producer.send(message));
        }
        // These reach the light queues when they are delivered, mostly by the next broker.
        Message delayed = light(life + "-light-level", LIGHT[0], LIGHT[2]);
        delayed.setDelayTimeLevel(2);
        sent(producer.send(delayed));
        if (timers) {
            Message timer = light(life + "-light-timer", LIGHT[1]);
            timer.setDelayTimeMs(6000);
            sent(producer.send(timer));
        }
        committed += 2;
        broker.commit(GROUP, LIGHT[2], 0, committed);
        broker.commit(LIGHT[0], LIGHT[0], 0, committed + 1);
    }

    private Message light(String body, String... queues) {
        Message message = new Message(PARENT, "TagL", "key-" + body, Env.bytes(body));
        MessageAccessor.putProperty(message, MessageConst.PROPERTY_INNER_MULTI_DISPATCH, String.join(",", queues));
        for (String queue : queues) {
            inLight.computeIfAbsent(queue, name -> new TreeSet<>()).add(body);
        }
        return message;
    }

    private static SendResult sent(SendResult result) {
        Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
        return result;
    }

    /** Of a broker of this kind. */
    void check(String kind) throws Exception {
        if (tagged.isEmpty()) {
            return;
        }
        checkBatches();
        checkTagged(kind);
        if (light) {
            checkLight();
        }
    }

    private void checkBatches() throws Exception {
        for (int queue = 0; queue < 2; queue++) {
            long next = 0;
            List<String> found = new ArrayList<>();
            for (RawBroker.Stored stored : broker.read(BATCH, queue)) {
                for (MessageExt message : stored.messages()) {
                    Env.checkEquals("offset in " + BATCH + "/" + queue, next, message.getQueueOffset());
                    found.add(Env.text(message));
                    next++;
                }
            }
            Env.checkEquals("maximum of " + BATCH + "/" + queue, next, broker.max(BATCH, queue));
            TreeSet<String> wanted = new TreeSet<>();
            for (Map.Entry<SendResult, List<String>> one : batches.entrySet()) {
                SendResult result = one.getKey();
                if (result.getMessageQueue().getQueueId() != queue) {
                    continue;
                }
                int first = (int) result.getQueueOffset();
                wanted.addAll(one.getValue());
                Env.checkEquals("batch at " + first, one.getValue(), found.subList(first, first + one.getValue().size()));
                // Whoever asks for a message in the midst of a batch gets the batch.
                RawBroker.Stored midst = broker.pull(BATCH, queue, first + one.getValue().size() - 1, "*", "TAG").get(0);
                Env.checkEquals("batch around " + result, (long) first, midst.message.getQueueOffset());
            }
            Env.checkOnce("messages in " + BATCH + "/" + queue, wanted, found);
        }
    }

    private void checkTagged(String kind) throws Exception {
        for (Map.Entry<String, TreeSet<String>> one : tagged.entrySet()) {
            List<String> found = new ArrayList<>();
            for (int queue = 0; queue < 2; queue++) {
                broker.read(TAGGED, queue, one.getKey(), "TAG").forEach(stored -> found.add(Env.text(stored.message)));
            }
            Env.checkOnce("messages with " + one.getKey(), one.getValue(), found);
        }
        if (filtered && kind.equals("java")) {
            List<String> found = new ArrayList<>();
            for (int queue = 0; queue < 2; queue++) {
                broker.read(TAGGED, queue, "n < 6", "SQL92").forEach(stored -> found.add(Env.text(stored.message)));
            }
            Env.checkOnce("messages with a small number", small, found);
        }
    }

    private void checkLight() throws Exception {
        for (String name : LIGHT) {
            TreeSet<String> wanted = inLight.get(name);
            Env.await(20, "delayed messages in " + name, () -> bodies(name).containsAll(wanted));
            List<String> found = new ArrayList<>(bodies(name));
            found.removeIf(body -> !knows(body));
            Env.checkOnce("messages in " + name, wanted, found);
        }
        Env.checkEquals("offset of " + GROUP, committed, broker.committed(GROUP, LIGHT[2], 0));
        Env.checkEquals("offset of " + LIGHT[0], committed + 1, broker.committed(LIGHT[0], LIGHT[0], 0));
    }

    /** Bodies in a light queue, at offsets without a gap. */
    private List<String> bodies(String name) throws Exception {
        List<String> found = new ArrayList<>();
        long next = broker.min(name, 0);
        for (RawBroker.Stored stored : broker.read(name, 0)) {
            Env.checkEquals("offset in " + name, next, stored.offsetIn(name));
            found.add(Env.text(stored.message));
            next++;
        }
        return found;
    }
}
