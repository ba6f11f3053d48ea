package interop;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.CommunicationMode;
import org.apache.rocketmq.client.impl.producer.DefaultMQProducerImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.header.SendMessageRequestHeader;

final class Sending {
    static void register() {
        Suite.add("quickstart", Suite.Lane.MAIN, 60, Sending::quickstart);
        Suite.add("send-async", Suite.Lane.MAIN, 30, Sending::async);
        Suite.add("send-oneway", Suite.Lane.MAIN, 30, Sending::oneway);
        Suite.add("send-batch", Suite.Lane.MAIN, 30, Sending::batch);
        Suite.add("send-fast-port", Suite.Lane.MAIN, 30, Sending::fastPort);
        Suite.add("auto-create-topic", Suite.Lane.MAIN, 30, Sending::autoCreate);
        Suite.add("send-errors", Suite.Lane.MAIN, 30, Sending::errors);
        Suite.add("large-body", Suite.Lane.MAIN, 30, Sending::largeBody);
        Suite.add("compressed-body", Suite.Lane.MAIN, 30, Sending::compressedBody);
        Suite.add("delay-level", Suite.Lane.SLOW, 40, Sending::delayLevel);
        Suite.add("transaction", Suite.Lane.MAIN, 30, Sending::transaction);
    }

    /** Queue offsets of the answers: 0, 1, 2 .. in each queue. Returns how many each queue got. */
    private static Map<Integer, Integer> checkDense(List<SendResult> results) {
        Map<Integer, List<Long>> offsets = new TreeMap<>();
        for (SendResult result : results) {
            offsets.computeIfAbsent(result.getMessageQueue().getQueueId(), id -> new ArrayList<>()).add(result.getQueueOffset());
        }
        Map<Integer, Integer> counts = new TreeMap<>();
        offsets.forEach((id, list) -> {
            Collections.sort(list);
            for (int i = 0; i < list.size(); i++) {
                Env.checkEquals("offset " + i + " of queue " + id, (long) i, list.get(i));
            }
            counts.put(id, list.size());
        });
        return counts;
    }

    private static void quickstart(Env env) throws Exception {
        String topic = "TopicTest";
        DefaultMQProducer producer = env.producer();
        List<SendResult> results = env.send(producer, topic, "TagA", "Hello RocketMQ ", 1000);
        Env.checkEquals("messages per queue", Map.of(0, 250, 1, 250, 2, 250, 3, 250), checkDense(results));
        for (SendResult result : results) {
            Env.checkEquals("topic of the answer", topic, result.getMessageQueue().getTopic());
            Env.checkEquals("broker of the answer", Env.BROKER_NAME, result.getMessageQueue().getBrokerName());
            Env.check("offset id " + result.getOffsetMsgId(), result.getOffsetMsgId().matches("7F000001[0-9A-F]{24}"));
            Env.checkEquals("region", "DefaultRegion", result.getRegionId());
            Env.checkEquals("address in the offset id", env.broker,
                MessageDecoder.decodeMessageId(result.getOffsetMsgId()).getAddress().toString().replaceFirst("^/", ""));
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        inbox.awaitExactly(1000, 20);
        Env.checkOnce("bodies", Env.names("Hello RocketMQ ", 0, 1000), inbox.bodies());
        for (MessageExt message : inbox.messages()) {
            Env.checkEquals("topic", topic, message.getTopic());
            Env.checkEquals("tag", "TagA", message.getTags());
            Env.checkEquals("keys", Env.text(message), message.getKeys());
            Env.checkEquals("reconsume times", 0, message.getReconsumeTimes());
            Env.checkEquals("store host", "/" + env.broker, message.getStoreHost().toString());
            Env.checkEquals("cluster", Env.CLUSTER, message.getProperty("CLUSTER"));
        }
        env.commit(consumer, topic, 0);
    }

    private static void async(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        int count = 400;
        ConcurrentLinkedQueue<SendResult> results = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<Throwable> errors = new ConcurrentLinkedQueue<>();
        CountDownLatch open = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            producer.send(new Message(topic, Env.bytes("async " + i)), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    results.add(result);
                    open.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    errors.add(e);
                    open.countDown();
                }
            });
        }
        Env.check("answers missing: " + open.getCount(), open.await(20, TimeUnit.SECONDS));
        Env.check("errors " + errors, errors.isEmpty());
        for (SendResult result : results) {
            Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
        }
        checkDense(new ArrayList<>(results));
        Env.checkOnce("stored bodies", Env.names("async ", 0, count), Env.bodies(env.readAll(Env.queues(topic, 4), count)));
    }

    private static void oneway(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        for (int i = 0; i < 100; i++) {
            producer.sendOneway(new Message(topic, Env.bytes("oneway " + i)));
        }
        Env.await(10, "100 messages stored", () -> env.total(topic, 4) == 100);
        Env.checkOnce("stored bodies", Env.names("oneway ", 0, 100), Env.bodies(env.readAll(Env.queues(topic, 4), 100)));
    }

    private static void batch(Env env) throws Exception {
        String topic = env.topic(2);
        DefaultMQProducer producer = env.producer();
        producer.send(new Message(topic, "First", Env.bytes("first")), Env.queue(topic, 1));
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            Message message = new Message(topic, i % 2 == 0 ? "Even" : "Odd", Env.bytes("batch " + i));
            message.putUserProperty("number", Integer.toString(i));
            messages.add(message);
        }
        SendResult result = producer.send(messages, Env.queue(topic, 1));
        Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
        Env.checkEquals("offset of the first", 1L, result.getQueueOffset());
        Env.checkEquals("ids in the answer", 50, result.getMsgId().split(",").length);
        Env.checkEquals("offset ids in the answer", 50, result.getOffsetMsgId().split(",").length);
        List<MessageExt> stored = env.readAll(List.of(Env.queue(topic, 1)), 51);
        Env.checkEquals("stored messages", 51, stored.size());
        String[] offsetIds = result.getOffsetMsgId().split(",");
        for (int i = 0; i < 50; i++) {
            MessageExt message = stored.get(i + 1);
            Env.checkEquals("body", "batch " + i, Env.text(message));
            Env.checkEquals("tag", i % 2 == 0 ? "Even" : "Odd", message.getTags());
            Env.checkEquals("property", Integer.toString(i), message.getUserProperty("number"));
            Env.checkEquals("queue offset", i + 1L, message.getQueueOffset());
            Env.checkEquals("body by offset id", "batch " + i, Env.text(env.admin.viewMessage(topic, offsetIds[i])));
        }
    }

    /** The second port (listenPort - 2) takes sends and queries too. */
    private static void fastPort(Env env) throws Exception {
        String topic = env.topic(2);
        DefaultMQProducer producer = env.newProducer();
        producer.setVipChannelEnabled(true);
        producer.setSendMessageWithVIPChannel(true);
        env.started(producer);
        env.send(producer, topic, "TagA", "fast ", 20);
        Env.await(5, "maximum 10 by the fast port", () -> producer.maxOffset(Env.queue(topic, 0)) == 10);
        Env.checkOnce("stored bodies", Env.names("fast ", 0, 20), Env.bodies(env.readAll(Env.queues(topic, 2), 20)));
    }

    private static void autoCreate(Env env) throws Exception {
        String topic = "Auto-" + System.currentTimeMillis() % 100_000;
        DefaultMQProducer producer = env.newProducer();
        producer.setDefaultTopicQueueNums(3);
        env.started(producer);
        SendResult result = producer.send(new Message(topic, Env.bytes("auto")));
        Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
        env.awaitRoute(topic);
        var queues = env.admin.examineTopicRouteInfo(topic).getQueueDatas().get(0);
        Env.checkEquals("read queues", 3, queues.getReadQueueNums());
        Env.checkEquals("write queues", 3, queues.getWriteQueueNums());
        Env.checkEquals("permission", 6, queues.getPerm());
        // Each broker offers eight at most.
        DefaultMQProducer greedy = env.newProducer();
        greedy.setDefaultTopicQueueNums(20);
        env.started(greedy);
        greedy.send(new Message(topic + "-many", Env.bytes("auto")));
        env.awaitRoute(topic + "-many");
        Env.checkEquals("queues of a greedy producer's topic", 8,
            env.admin.examineTopicRouteInfo(topic + "-many").getQueueDatas().get(0).getWriteQueueNums());
    }

    /** Sends without the checks the client does before: the broker has to refuse. */
    private static void sendRaw(Env env, DefaultMQProducer producer, String topic, String defaultTopic, int queue, byte[] body) throws Exception {
        DefaultMQProducerImpl impl = producer.getDefaultMQProducerImpl();
        SendMessageRequestHeader header = new SendMessageRequestHeader();
        header.setProducerGroup(producer.getProducerGroup());
        header.setTopic(topic);
        header.setDefaultTopic(defaultTopic);
        header.setDefaultTopicQueueNums(4);
        header.setQueueId(queue);
        header.setSysFlag(0);
        header.setBornTimestamp(System.currentTimeMillis());
        header.setFlag(0);
        header.setProperties("");
        header.setReconsumeTimes(0);
        header.setUnitMode(false);
        header.setBatch(false);
        header.setBrokerName(Env.BROKER_NAME);
        impl.getMqClientFactory().getMQClientAPIImpl().sendMessage(env.broker, Env.BROKER_NAME, new Message(topic, body), header,
            5000, CommunicationMode.SYNC, null, impl);
    }

    private static void errors(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        byte[] body = Env.bytes("x");
        Env.checkCode("illegal characters in a topic", 29, () -> sendRaw(env, producer, "bad+name", "TBW102", 0, body));
        Env.checkCode("topic of 128 characters", 29, () -> sendRaw(env, producer, "a".repeat(128), "TBW102", 0, body));
        Env.checkCode("queue that is not there", 29, () -> sendRaw(env, producer, topic, "TBW102", 9, body));
        Env.checkCode("topic reserved for the broker", 16, () -> sendRaw(env, producer, "SCHEDULE_TOPIC_XXXX", "TBW102", 0, body));
        Env.checkCode("unknown topic, no template", 17, () -> sendRaw(env, producer, "Nowhere", "NoTemplate", 0, body));
        Env.checkCode("body over 4 MiB", 13, () -> sendRaw(env, producer, topic, "TBW102", 0, new byte[5 << 20]));
        Env.checkCode("topic with illegal characters by admin", 29,
            () -> env.admin.createAndUpdateTopicConfig(env.broker, new org.apache.rocketmq.common.TopicConfig("bad+name", 1, 1)));
        Env.checkCode("route of an unknown topic", 17, () -> env.admin.examineTopicRouteInfo("Nowhere"));
        sendRaw(env, producer, topic, "TBW102", 0, body);
        Env.await(5, "one good message", () -> env.total(topic, 4) == 1);
    }

    private static void largeBody(Env env) throws Exception {
        String topic = env.topic(1);
        DefaultMQProducer producer = env.newProducer();
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        env.started(producer);
        byte[] body = new byte[3 << 20];
        new Random(7).nextBytes(body);
        for (int i = 0; i < 3; i++) {
            body[0] = (byte) i;
            Env.checkEquals("status", SendStatus.SEND_OK, producer.send(new Message(topic, body)).getSendStatus());
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        inbox.awaitExactly(3, 20);
        List<MessageExt> messages = inbox.messages();
        messages.sort((a, b) -> Long.compare(a.getQueueOffset(), b.getQueueOffset()));
        for (int i = 0; i < 3; i++) {
            body[0] = (byte) i;
            Env.check("body " + i + " differs", Arrays.equals(body, messages.get(i).getBody()));
        }
    }

    private static void compressedBody(Env env) throws Exception {
        String topic = env.topic(1);
        ByteBuffer buffer = ByteBuffer.allocate(100_000);
        Random random = new Random(11);
        while (buffer.remaining() > 0) {
            buffer.put((byte) ('a' + random.nextInt(4)));
        }
        byte[] body = buffer.array();
        for (CompressionType type : CompressionType.values()) {
            DefaultMQProducer producer = env.newProducer();
            producer.setCompressType(type);
            env.started(producer);
            producer.send(new Message(topic, type.name(), body));
        }
        List<MessageExt> messages = env.readAll(List.of(Env.queue(topic, 0)), CompressionType.values().length);
        Env.checkEquals("messages", CompressionType.values().length, messages.size());
        for (MessageExt message : messages) {
            Env.check("body by " + message.getTags() + " differs", Arrays.equals(body, message.getBody()));
            Env.check("stored size by " + message.getTags() + " is " + message.getStoreSize(), message.getStoreSize() < 70_000);
        }
    }

    private static void delayLevel(Env env) throws Exception {
        String topic = env.topic(2);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "TagD");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        DefaultMQProducer producer = env.producer();
        for (int level = 1; level <= 2; level++) {
            Message message = new Message(topic, "TagD", Env.bytes("level " + level));
            message.setDelayTimeLevel(level);
            Env.checkEquals("status", SendStatus.SEND_OK, producer.send(message).getSendStatus());
        }
        inbox.awaitExactly(2, 20);
        for (Inbox.Arrival arrival : inbox.arrivals()) {
            long late = arrival.at - arrival.message.getBornTimestamp();
            long due = Env.text(arrival.message).equals("level 1") ? 1000 : 5000;
            Env.check(Env.text(arrival.message) + " came after " + late + " ms", late >= due - 100 && late < due + 4000);
            Env.checkEquals("topic", topic, arrival.message.getTopic());
            Env.checkEquals("tag", "TagD", arrival.message.getTags());
        }
    }

    private static void transaction(Env env) throws Exception {
        String topic = env.topic(1);
        TransactionMQProducer producer = new TransactionMQProducer("PG-" + env.name);
        producer.setNamesrvAddr(env.namesrv);
        producer.setInstanceName("x-" + Env.instance());
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object commit) {
                return (Boolean) commit ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return LocalTransactionState.UNKNOW;
            }
        });
        producer.start();
        env.onClose(() -> Env.later(producer::shutdown));
        for (int i = 0; i < 6; i++) {
            var result = producer.sendMessageInTransaction(new Message(topic, "TagT", Env.bytes("transaction " + i)), i % 2 == 0);
            Env.checkEquals("status", SendStatus.SEND_OK, result.getSendStatus());
        }
        Env.await(10, "three committed messages", () -> env.total(topic, 1) == 3);
        Thread.sleep(200);
        List<MessageExt> messages = env.readAll(List.of(Env.queue(topic, 0)), 3);
        // The commits are oneway requests: the broker may carry them out in any order.
        Env.checkOnce("bodies", List.of("transaction 0", "transaction 2", "transaction 4"), Env.bodies(messages));
        Env.checkEquals("topic", topic, messages.get(0).getTopic());
    }

    private Sending() {
    }
}
