package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.route.BrokerData;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What a scenario works with: clients (closed with the scenario), topics, checks. */
final class Env implements AutoCloseable {
    static final String BROKER_NAME = "broker-a";
    static final String CLUSTER = "DefaultCluster";
    private static final AtomicInteger INSTANCES = new AtomicInteger();

    interface Closing {
        void close() throws Exception;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    final String namesrv;
    final String broker;
    final String name;
    final DefaultMQAdminExt admin;
    /** The environment that lives as long as the process. */
    final Env root;
    private final Deque<Closing> closings = new ArrayDeque<>();

    /** The root: owns the admin client all scenarios share. */
    Env(String namesrv, String broker) throws Exception {
        this.namesrv = namesrv;
        this.broker = broker;
        this.name = "root";
        this.root = this;
        this.admin = newAdmin();
    }

    private Env(Env root, String name) {
        this.namesrv = root.namesrv;
        this.broker = root.broker;
        this.name = name;
        this.root = root;
        this.admin = root.admin;
    }

    Env child(String scenario) {
        return new Env(this, scenario.replaceAll("[^A-Za-z0-9]", "-"));
    }

    void onClose(Closing closing) {
        synchronized (closings) {
            closings.push(closing);
        }
    }

    @Override
    public void close() {
        while (true) {
            Closing next;
            synchronized (closings) {
                next = closings.poll();
            }
            if (next == null) {
                return;
            }
            try {
                next.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }
    }

    // ------------------------------------------------------------ clients

    static String instance() {
        return "i" + INSTANCES.incrementAndGet();
    }

    DefaultMQAdminExt newAdmin() throws Exception {
        DefaultMQAdminExt client = new DefaultMQAdminExt(5000);
        client.setNamesrvAddr(namesrv);
        client.setInstanceName("admin-" + instance());
        client.start();
        onClose(() -> later(client::shutdown));
        return client;
    }

    DefaultMQProducer newProducer() {
        DefaultMQProducer producer = new DefaultMQProducer("PG-" + name);
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName("p-" + instance());
        producer.setSendMsgTimeout(10_000);
        return producer;
    }

    DefaultMQProducer producer() throws Exception {
        return started(newProducer());
    }

    /** A producer whose transactions are open until the broker asks about them; its group must not be another one's. */
    TransactionMQProducer newUndecided(String group, Function<MessageExt, LocalTransactionState> answer) {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        producer.setNamesrvAddr(namesrv);
        producer.setInstanceName("x-" + instance());
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
                return LocalTransactionState.UNKNOW;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return answer.apply(message);
            }
        });
        return producer;
    }

    DefaultMQProducer started(DefaultMQProducer producer) throws Exception {
        producer.start();
        onClose(() -> later(producer::shutdown));
        return producer;
    }

    DefaultMQPushConsumer newPush(String group) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName("c-" + instance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPollNameServerInterval(2000);
        // Each change of a consumer's queues makes a new version of its subscription. The client drops the heartbeat that tells it
        // when another one is on its way, and the broker refuses pulls with the new version until the next.
        consumer.setHeartbeatBrokerInterval(2000);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        return consumer;
    }

    DefaultMQPushConsumer started(DefaultMQPushConsumer consumer) throws Exception {
        consumer.start();
        onClose(() -> later(consumer::shutdown));
        return consumer;
    }

    DefaultLitePullConsumer newPull(String group) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName("l-" + instance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setAutoCommit(false);
        consumer.setPullThreadNums(4);
        return consumer;
    }

    DefaultLitePullConsumer started(DefaultLitePullConsumer consumer) throws Exception {
        consumer.start();
        onClose(() -> later(consumer::shutdown));
        return consumer;
    }

    /**
     * Ends a client without waiting: one of its threads looks at its stop flag every 3 s only, and shutdown() joins it.
     * Commits and the good-bye to the broker are done before that.
     */
    static void later(Closing shutdown) {
        Thread thread = new Thread(() -> {
            try {
                shutdown.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }, "shutdown");
        thread.setDaemon(true);
        thread.start();
    }

    String group() {
        return "CG-" + name;
    }

    // ------------------------------------------------------------ topics and messages

    /** A topic of this scenario, created on the broker and visible in the route. */
    String topic(int queues) throws Exception {
        return topic("T-" + name, queues);
    }

    String topic(String topic, int queues) throws Exception {
        TopicConfig config = new TopicConfig(topic, queues, queues);
        admin.createAndUpdateTopicConfig(broker, config);
        awaitRoute(topic);
        return topic;
    }

    /**
     * The reference's broker may print its boot line without being registered: when its first look at the nameservers has not
     * ended by then it leaves the registration to the next round, 10 s later.
     */
    void awaitBroker() throws Exception {
        await(45, "registration of the broker", () -> {
            try {
                BrokerData data = admin.examineBrokerClusterInfo().getBrokerAddrTable().get(BROKER_NAME);
                return data != null && broker.equals(data.getBrokerAddrs().get(0L));
            } catch (MQBrokerException | org.apache.rocketmq.remoting.exception.RemotingException e) {
                return false;
            }
        });
    }

    void awaitRoute(String topic) throws Exception {
        Exception[] last = {null};
        try {
            await(15, "route for " + topic, () -> {
                try {
                    return !admin.examineTopicRouteInfo(topic).getBrokerDatas().isEmpty();
                } catch (Exception e) {
                    last[0] = e;
                    return false;
                }
            });
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage(), last[0]);
        }
    }

    static MessageQueue queue(String topic, int id) {
        return new MessageQueue(topic, BROKER_NAME, id);
    }

    static List<MessageQueue> queues(String topic, int count) {
        List<MessageQueue> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(queue(topic, i));
        }
        return all;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(MessageExt message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    /** Sends bodies PREFIX0.. synchronously and checks each answer. */
    List<SendResult> send(DefaultMQProducer producer, String topic, String tag, String prefix, int count) throws Exception {
        List<SendResult> results = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Message message = new Message(topic, tag, bytes(prefix + i));
            message.setKeys(prefix + i);
            SendResult result = producer.send(message);
            checkEquals("status of send " + i, SendStatus.SEND_OK, result.getSendStatus());
            results.add(result);
        }
        return results;
    }

    long total(String topic, int queues) throws Exception {
        long sum = 0;
        for (MessageQueue mq : queues(topic, queues)) {
            sum += admin.maxOffset(mq) - admin.minOffset(mq);
        }
        return sum;
    }

    /**
     * Reads everything of some queues with plain pulls, queue by queue. The maximum follows the answer to a send a moment
     * later, so the caller says how many messages there must be at least.
     */
    List<MessageExt> readAll(Collection<MessageQueue> queues, int count) throws Exception {
        await(10, count + " messages in " + queues, () -> {
            long sum = 0;
            for (MessageQueue mq : queues) {
                sum += admin.maxOffset(mq) - admin.minOffset(mq);
            }
            return sum >= count;
        });
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("READ-" + name);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName("r-" + instance());
        consumer.start();
        List<MessageExt> all = new ArrayList<>();
        try {
            for (MessageQueue mq : queues) {
                long offset = admin.minOffset(mq);
                long max = admin.maxOffset(mq);
                while (offset < max) {
                    PullResult result = consumer.pull(mq, "*", offset, 32, 5000);
                    checkEquals("result of a pull at " + offset + " of " + mq + " with maximum " + max, PullStatus.FOUND, result.getPullStatus());
                    all.addAll(result.getMsgFoundList());
                    check("offset after a pull at " + offset + ": " + result.getNextBeginOffset(), result.getNextBeginOffset() > offset);
                    offset = result.getNextBeginOffset();
                }
            }
        } finally {
            later(consumer::shutdown);
        }
        return all;
    }

    /** How many messages of a topic a group has not committed; -1 while the broker knows no offset of it. */
    long lag(String group, String topic) throws Exception {
        try {
            return admin.examineConsumeStats(group, topic).computeTotalDiff();
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            checkEquals("code for a group without offsets", 206, e.getResponseCode());
            return -1;
        }
    }

    void awaitLag(int seconds, String group, String topic, long wanted) throws Exception {
        long[] last = {0};
        try {
            await(seconds, "commit", () -> (last[0] = lag(group, topic)) == wanted);
        } catch (AssertionError e) {
            throw new AssertionError("lag of " + group + " in " + topic + " stays at " + last[0] + ", expected " + wanted, e);
        }
    }

    /**
     * Commits until the broker knows it. The reference loses a commit now and then when the first ones of a group for a topic
     * arrive together: each makes a new table, and the last table stays.
     */
    void commit(DefaultMQPushConsumer consumer, String topic, long lag) throws Exception {
        await(10, "lag of " + lag + " after commits", () -> {
            consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
            return lag(consumer.getConsumerGroup(), topic) == lag;
        });
    }

    /** The same for what a pull consumer has taken. */
    void commit(DefaultLitePullConsumer consumer, Collection<MessageExt> taken, String topic, long lag) throws Exception {
        Map<MessageQueue, Long> offsets = new HashMap<>();
        for (MessageExt message : taken) {
            offsets.merge(queue(topic, message.getQueueId()), message.getQueueOffset() + 1, Math::max);
        }
        await(10, "lag of " + lag + " after commits", () -> {
            consumer.commit(offsets, true);
            return lag(consumer.getConsumerGroup(), topic) == lag;
        });
    }

    static TreeSet<String> names(String prefix, int from, int to) {
        TreeSet<String> set = new TreeSet<>();
        for (int i = from; i < to; i++) {
            set.add(prefix + i);
        }
        return set;
    }

    static List<String> bodies(Collection<MessageExt> messages) {
        return messages.stream().map(Env::text).collect(Collectors.toList());
    }

    // ------------------------------------------------------------ checks

    static void await(int seconds, String what, Condition condition) throws Exception {
        long end = System.currentTimeMillis() + seconds * 1000L;
        while (!condition.holds()) {
            if (System.currentTimeMillis() > end) {
                throw new AssertionError("no " + what + " within " + seconds + " s");
            }
            Thread.sleep(20);
        }
    }

    static void check(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void checkEquals(String what, Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }

    /** Every expected text exactly once, in any order. */
    static void checkOnce(String what, Collection<String> expected, Collection<String> actual) {
        List<String> left = new ArrayList<>(expected);
        List<String> extra = new ArrayList<>(actual);
        Collections.sort(left);
        Collections.sort(extra);
        if (left.equals(extra)) {
            return;
        }
        for (String one : actual) {
            if (left.remove(one)) {
                extra.remove(one);
            }
        }
        throw new AssertionError(what + ": missing " + cut(left) + ", twice or unexpected " + cut(extra));
    }

    private static String cut(List<String> list) {
        return list.size() <= 8 ? list.toString() : list.subList(0, 8) + " and " + (list.size() - 8) + " more";
    }

    interface Call {
        void run() throws Exception;
    }

    /** The call must fail with this response code from the broker or the nameserver. */
    static void checkCode(String what, int code, Call call) throws Exception {
        int got;
        try {
            call.run();
            throw new AssertionError(what + ": accepted, expected code " + code);
        } catch (MQBrokerException e) {
            got = e.getResponseCode();
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            got = e.getResponseCode();
        }
        checkEquals(what + ": response code", code, got);
    }
}
