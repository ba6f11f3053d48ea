package interop;

import java.io.FileReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** A store the reference wrote goes to our broker and back, twice: after an orderly end and after a kill. */
final class GoldenHandover {
    private static final String FRESH = "FreshTopic";
    private static final String GROUP = "golden-group";

    static void register() {
        Suite.add("golden", "golden-handover", Suite.Lane.ALONE, 200, env -> {
            try (RawBroker broker = new RawBroker(env.broker)) {
                new GoldenHandover(env, broker).run();
            }
        });
    }

    private final Env env;
    private final RawBroker broker;
    private final Golden golden;
    private final Properties conf = new Properties();
    private final TransactionMQProducer producer;
    private final SpecialQueues special;
    /** What was acknowledged: body -> answer. Delayed and transactional messages have their answer's place elsewhere. */
    private final Map<String, SendResult> plain = new TreeMap<>();
    /** Bodies that have to be in a topic once, wherever. */
    private final Map<String, String> later = new TreeMap<>();
    private long committed;

    private GoldenHandover(Env env, RawBroker broker) throws Exception {
        this.env = env;
        this.broker = broker;
        try (FileReader reader = new FileReader(System.getProperty("interop.conf"))) {
            conf.load(reader);
        }
        golden = new Golden(System.getProperty("interop.golden"), conf);
        producer = new TransactionMQProducer("PG-golden");
        producer.setNamesrvAddr(env.namesrv);
        producer.setSendMsgTimeout(10_000);
        // A new broker asks about half messages once it knows the producer.
        producer.setHeartbeatBrokerInterval(2000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object verdict) {
                return (LocalTransactionState) verdict;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return LocalTransactionState.COMMIT_MESSAGE;
            }
        });
        producer.start();
        env.onClose(() -> Env.later(producer::shutdown));
        special = new SpecialQueues(env, broker, producer, conf);
    }

    private void run() throws Exception {
        String ours = System.getProperty("interop.broker");
        check("found by ours", ours);
        SubscriptionGroupConfig group = new SubscriptionGroupConfig();
        group.setGroupName(GROUP);
        env.admin.createAndUpdateSubscriptionGroupConfig(env.broker, group);
        special.start();
        String[] signals = System.getProperty("interop.golden.signals").split(" ");
        for (int i = 0; i < signals.length; i++) {
            write("ours" + i);
            pass(signals[i], "java");
            check("after ours ended by " + signals[i], "java");
            if (i + 1 < signals.length) {
                write("java" + i);
                pass("TERM", ours);
                check("after Java", ours);
            }
        }
    }

    private void pass(String signal, String next) throws Exception {
        if (signal.equals("KILL")) {
            // Offsets and the timer's checkpoint are written every second.
            Thread.sleep(2500);
        }
        Suite.control("stop-broker " + signal);
        Suite.control("start-broker " + next);
        env.awaitBroker();
        env.awaitRoute(golden.ordinary().topic);
    }

    private SendResult sent(SendResult result) {
        Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
        return result;
    }

    private Message message(String topic, String body) {
        return new Message(topic, "TagG", "key-" + body, Env.bytes(body));
    }

    private void write(String life) throws Exception {
        for (String topic : List.of(golden.ordinary().topic, FRESH, FRESH + life)) {
            String name = life + "-" + topic.hashCode() + "-";
            for (int i = 0; i < 12; i++) {
                plain.put(name + i, sent(producer.send(message(topic, name + i))));
            }
            List<Message> batch = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                batch.add(message(topic, name + "batch" + i));
                later.put(name + "batch" + i, topic);
            }
            sent(producer.send(batch));
            Message rolled = message(topic, name + "rollback");
            sent(producer.sendMessageInTransaction(rolled, LocalTransactionState.ROLLBACK_MESSAGE));
            later.put(name + "commit", topic);
            sent(producer.sendMessageInTransaction(message(topic, name + "commit"), LocalTransactionState.COMMIT_MESSAGE));
            // The next broker asks what becomes of it.
            later.put(name + "undecided", topic);
            sent(producer.sendMessageInTransaction(message(topic, name + "undecided"), LocalTransactionState.UNKNOW));
        }
        special.write(life);
        if (golden.queues.stream().anyMatch(queue -> queue.topic.equals(Golden.BATCHES))) {
            List<Message> batch = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                batch.add(message(Golden.BATCHES, life + "-old-batches" + i));
                later.put(life + "-old-batches" + i, Golden.BATCHES);
            }
            sent(producer.send(batch));
        }
        committed += 3;
        broker.commit(GROUP, FRESH, 0, committed);
        // These wait while the brokers change.
        for (int level : new int[] {2, 3}) {
            Message delayed = message(FRESH, life + "-level" + level);
            delayed.setDelayTimeLevel(level);
            later.put(life + "-level" + level, FRESH);
            sent(producer.send(delayed));
        }
        if (!"false".equals(conf.getProperty("timerWheelEnable"))) {
            Message timer = message(FRESH, life + "-timer");
            timer.setDelayTimeMs(6000);
            later.put(life + "-timer", FRESH);
            sent(producer.send(timer));
        }
    }

    private void check(String when, String kind) throws Exception {
        try {
            checkOld();
            checkNew();
            special.check(kind);
        } catch (AssertionError e) {
            throw new AssertionError(when + ": " + e.getMessage(), e);
        }
    }

    private void checkOld() throws Exception {
        golden.checkKeys(broker);
        golden.checkTimes(broker);
        golden.checkOffsets(broker);
        AssertionError last = null;
        // Old delayed messages that are due by now are on their way.
        for (long end = System.currentTimeMillis() + 15_000; System.currentTimeMillis() < end; Thread.sleep(500)) {
            golden.delayed.clear();
            List<MessageExt> behind = golden.checkRecords(broker);
            try {
                golden.checkDelayed(broker, behind);
                for (MessageExt message : behind) {
                    String body = Env.text(message);
                    Env.check("message nobody sent: " + message,
                        plain.containsKey(body) || later.containsKey(body) || special.knows(body));
                }
                return;
            } catch (AssertionError e) {
                last = e;
            }
        }
        throw last;
    }

    private void checkNew() throws Exception {
        if (plain.isEmpty()) {
            return;
        }
        TreeMap<String, Integer> counts = new TreeMap<>();
        long end = System.currentTimeMillis() + 45_000;
        do {
            Thread.sleep(500);
            counts.clear();
            for (String topic : new java.util.TreeSet<>(topics())) {
                for (MessageExt message : readTopic(topic)) {
                    counts.merge(Env.text(message), 1, Integer::sum);
                }
            }
        } while (!counts.keySet().containsAll(later.keySet()) && System.currentTimeMillis() < end);
        for (String body : later.keySet()) {
            Env.checkEquals("copies of " + body, 1, counts.getOrDefault(body, 0));
        }
        for (Map.Entry<String, SendResult> one : plain.entrySet()) {
            String body = one.getKey();
            SendResult result = one.getValue();
            Env.checkEquals("copies of " + body, 1, counts.getOrDefault(body, 0));
            MessageId id = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
            MessageExt message = broker.at(id.getOffset()).message;
            Env.checkEquals("body by offset id", body, Env.text(message));
            Env.checkEquals("queue offset of " + body, result.getQueueOffset(), message.getQueueOffset());
            Env.checkEquals("queue of " + body, result.getMessageQueue().getQueueId(), message.getQueueId());
        }
        for (String body : new ArrayList<>(plain.keySet()).subList(0, 12)) {
            SendResult result = plain.get(body);
            String topic = result.getMessageQueue().getTopic();
            Env.await(15, "message by key of " + body, () -> broker.byKey(topic, "key-" + body, false).size() == 1);
            Env.await(5, "message by unique key of " + body, () -> broker.byKey(topic, result.getMsgId(), true).size() == 1);
        }
        for (String body : counts.keySet()) {
            Env.check("rolled back and delivered: " + body, !body.endsWith("rollback"));
        }
        Env.checkEquals("offset of " + GROUP, committed, broker.committed(GROUP, FRESH, 0));
    }

    private List<String> topics() {
        List<String> all = new ArrayList<>(later.values());
        all.add(golden.ordinary().topic);
        return all;
    }

    private List<MessageExt> readTopic(String topic) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        int queues = env.admin.examineTopicRouteInfo(topic).getQueueDatas().get(0).getReadQueueNums();
        Map<Integer, Long> next = new HashMap<>();
        for (int queue = 0; queue < queues; queue++) {
            for (RawBroker.Stored stored : broker.read(topic, queue)) {
                for (MessageExt message : stored.messages()) {
                    long offset = message.getQueueOffset();
                    Long before = next.put(queue, offset + 1);
                    Env.check("offset " + offset + " of " + topic + "/" + queue + " follows " + before, before == null || before == offset);
                    all.add(message);
                }
            }
        }
        return all;
    }
}
