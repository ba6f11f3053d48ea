package interop;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that wait: for a time, or for their producer to say what becomes of them. */
final class Waiting {
    static void register() {
        Suite.add("timer", Suite.Lane.SLOW, 40, Waiting::timer);
        Suite.add("timer-recall", Suite.Lane.SLOW, 40, Waiting::recall);
        Suite.add("transaction-check", Suite.Lane.SLOW, 90, Waiting::check);
    }

    private static void timer(Env env) throws Exception {
        String topic = env.topic(2);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "TagW");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        DefaultMQProducer producer = env.producer();
        // A consumer that has just started may be turned away until its next heartbeat; that is not the timer's delay.
        producer.send(new Message(topic, "TagW", "warm-up", Env.bytes("warm-up")));
        inbox.awaitExactly(1, 20);
        Map<String, Long> due = new ConcurrentHashMap<>();
        for (String kind : List.of("seconds", "milliseconds", "time", "past")) {
            Message message = new Message(topic, "TagW", kind, Env.bytes(kind));
            long now = System.currentTimeMillis();
            if (kind.equals("seconds")) {
                message.setDelayTimeSec(2);
                due.put(kind, now + 2000);
            } else if (kind.equals("milliseconds")) {
                message.setDelayTimeMs(3500);
                due.put(kind, now + 3500);
            } else {
                long time = kind.equals("time") ? now + 5000 : now - 1000;
                message.setDeliverTimeMs(time);
                due.put(kind, time);
            }
            SendResult result = producer.send(message);
            Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
            Env.check("handle of " + kind, (result.getRecallHandle() != null) == !kind.equals("past"));
        }
        inbox.awaitExactly(5, 20);
        for (Inbox.Arrival arrival : inbox.arrivals()) {
            String kind = Env.text(arrival.message);
            if (kind.equals("warm-up")) {
                continue;
            }
            long late = arrival.at - due.get(kind);
            // The second is rounded down and then waited out; nothing may come before its time.
            Env.check(kind + " came " + late + " ms after its time", late >= 0 && late < 3000);
            Env.checkEquals("topic", topic, arrival.message.getTopic());
            Env.checkEquals("key", kind, arrival.message.getKeys());
            if (!kind.equals("past")) {
                Env.checkEquals("real topic", topic, arrival.message.getProperty("REAL_TOPIC"));
                Env.check("out time", arrival.message.getProperty("TIMER_OUT_MS") != null);
                Env.check("dequeue time", arrival.message.getProperty("TIMER_DEQUEUE_MS") != null);
            }
        }
        Message far = new Message(topic, Env.bytes("far"));
        far.setDelayTimeSec(4L * 24 * 3600);
        Env.checkCode("four days", 13, () -> producer.send(far));
    }

    private static void recall(Env env) throws Exception {
        String topic = env.topic(1);
        DefaultMQProducer producer = env.producer();
        Message first = new Message(topic, Env.bytes("taken back"));
        first.setDelayTimeSec(4);
        Message second = new Message(topic, Env.bytes("kept"));
        second.setDelayTimeSec(4);
        SendResult taken = producer.send(first);
        producer.send(second);
        Env.checkEquals("id", taken.getMsgId(), producer.recallMessage(topic, taken.getRecallHandle()));
        Env.await(15, "one message", () -> env.total(topic, 1) == 1);
        Thread.sleep(2000);
        List<MessageExt> messages = env.readAll(List.of(Env.queue(topic, 0)), 1);
        Env.checkEquals("bodies", List.of("kept"), Env.bodies(messages));
        Env.checkCode("after its time", 604, () -> producer.recallMessage(topic, taken.getRecallHandle()));
        Env.checkCode("no handle", -1, () -> producer.recallMessage(topic, "bm9uc2Vuc2U="));
    }

    private static void check(Env env) throws Exception {
        String topic = env.topic(1);
        AtomicInteger checks = new AtomicInteger();
        TransactionMQProducer producer = env.newUndecided("PG-" + env.name, message -> {
            checks.incrementAndGet();
            int times = Integer.parseInt(message.getProperty("TRANSACTION_CHECK_TIMES"));
            boolean undecided = Env.text(message).equals("later") && times < 2;
            return undecided ? LocalTransactionState.UNKNOW
                : Env.text(message).equals("rollback") ? LocalTransactionState.ROLLBACK_MESSAGE
                : LocalTransactionState.COMMIT_MESSAGE;
        });
        env.started(producer);
        for (String body : List.of("commit", "rollback", "later")) {
            producer.sendMessageInTransaction(new Message(topic, "TagT", Env.bytes(body)), null);
        }
        Env.await(60, "two committed messages", () -> env.total(topic, 1) == 2);
        Thread.sleep(5000);
        List<MessageExt> messages = env.readAll(List.of(Env.queue(topic, 0)), 2);
        Env.checkOnce("bodies", List.of("commit", "later"), Env.bodies(messages));
        Env.check(checks.get() + " checks", checks.get() == 4);
    }

    private Waiting() {
    }
}
