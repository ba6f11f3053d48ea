package interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.body.Connection;
import org.apache.rocketmq.remoting.protocol.body.ConsumerConnection;
import org.apache.rocketmq.remoting.protocol.body.ConsumerRunningInfo;
import org.apache.rocketmq.remoting.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

final class Consuming {
    static void register() {
        Suite.add("push-concurrent", Suite.Lane.MAIN, 40, Consuming::concurrent);
        Suite.add("push-orderly", Suite.Lane.MAIN, 60, Consuming::orderly);
        Suite.add("lite-pull-subscribe", Suite.Lane.MAIN, 40, Consuming::litePullSubscribe);
        Suite.add("lite-pull-assign", Suite.Lane.MAIN, 40, Consuming::litePullAssign);
        Suite.add("rebalance", Suite.Lane.MAIN, 60, Consuming::rebalance);
        Suite.add("broadcast", Suite.Lane.MAIN, 40, Consuming::broadcast);
        Suite.add("tag-filter", Suite.Lane.SLOW, 40, Consuming::tagFilter);
        Suite.add("long-poll", Suite.Lane.MAIN, 40, Consuming::longPoll);
        Suite.add("offset-persist-push", Suite.Lane.MAIN, 40, Consuming::offsetPersistPush);
        Suite.add("offset-persist-pull", Suite.Lane.MAIN, 40, Consuming::offsetPersistPull);
        Suite.add("offset-reset", Suite.Lane.SLOW, 40, Consuming::offsetReset);
        Suite.add("client-visible", Suite.Lane.MAIN, 40, Consuming::clientVisible);
    }

    /** Consumer and producer at work at the same time. */
    private static void concurrent(Env env) throws Exception {
        String topic = env.topic(4);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.setConsumeMessageBatchMaxSize(8);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        env.send(env.producer(), topic, "TagA", "live ", 500);
        inbox.awaitExactly(500, 20);
        Env.checkOnce("bodies", Env.names("live ", 0, 500), inbox.bodies());
        Map<Integer, Set<Long>> seen = new HashMap<>();
        for (MessageExt message : inbox.messages()) {
            Env.check("offset twice", seen.computeIfAbsent(message.getQueueId(), id -> new HashSet<>()).add(message.getQueueOffset()));
        }
    }

    private static void orderly(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        int keys = 10;
        int perKey = 30;
        for (int i = 0; i < perKey; i++) {
            for (int key = 0; key < keys; key++) {
                producer.send(new Message(topic, Env.bytes(key + ":" + i)), (queues, message, arg) -> queues.get((Integer) arg % queues.size()), key);
            }
        }
        Inbox inbox = new Inbox();
        AtomicBoolean suspended = new AtomicBoolean();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.setSuspendCurrentQueueTimeMillis(200);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            // Refused once: must come again, before everything behind it.
            if (Env.text(messages.get(0)).equals("3:5") && suspended.compareAndSet(false, true)) {
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            inbox.put(messages);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        env.started(consumer);
        inbox.awaitExactly(keys * perKey, 40);
        Env.check("never suspended", suspended.get());
        Map<Integer, Long> nextOffset = new HashMap<>();
        Map<String, Integer> nextOfKey = new HashMap<>();
        for (MessageExt message : inbox.messages()) {
            long offset = nextOffset.getOrDefault(message.getQueueId(), 0L);
            Env.checkEquals("offset in queue " + message.getQueueId(), offset, message.getQueueOffset());
            nextOffset.put(message.getQueueId(), offset + 1);
            String[] parts = Env.text(message).split(":");
            int expected = nextOfKey.getOrDefault(parts[0], 0);
            Env.checkEquals("next of key " + parts[0], expected, Integer.parseInt(parts[1]));
            nextOfKey.put(parts[0], expected + 1);
        }
    }

    private static List<MessageExt> pollUntil(DefaultLitePullConsumer consumer, int count) {
        List<MessageExt> all = new ArrayList<>();
        long end = System.currentTimeMillis() + 20_000;
        while (all.size() < count && System.currentTimeMillis() < end) {
            all.addAll(consumer.poll(200));
        }
        return all;
    }

    private static void litePullSubscribe(Env env) throws Exception {
        String topic = env.topic(4);
        env.send(env.producer(), topic, "TagA", "lite ", 200);
        DefaultLitePullConsumer consumer = env.newPull(env.group());
        consumer.subscribe(topic, "*");
        env.started(consumer);
        List<MessageExt> got = pollUntil(consumer, 200);
        Env.checkOnce("bodies", Env.names("lite ", 0, 200), Env.bodies(got));
        Env.checkEquals("too many", 0, consumer.poll(300).size());
        env.commit(consumer, got, topic, 0);
    }

    private static void litePullAssign(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        MessageQueue first = Env.queue(topic, 0);
        MessageQueue last = Env.queue(topic, 3);
        for (int i = 0; i < 40; i++) {
            producer.send(new Message(topic, Env.bytes("first " + i)), first);
            producer.send(new Message(topic, Env.bytes("last " + i)), last);
        }
        DefaultLitePullConsumer consumer = env.started(env.newPull(env.group()));
        Env.checkEquals("queues", new HashSet<>(Env.queues(topic, 4)), new HashSet<>(consumer.fetchMessageQueues(topic)));
        consumer.assign(List.of(first, last));
        consumer.seek(first, 30);
        // Seen once: the connection closed under this call. Presumably seek() interrupts the client's own pull,
        // which then closes the connection they share; it did not come again when looked for.
        Env.await(10, "seek to the beginning", () -> {
            try {
                consumer.seekToBegin(last);
                return true;
            } catch (MQClientException gone) {
                return false;
            }
        });
        TreeSet<String> expected = Env.names("last ", 0, 40);
        expected.addAll(Env.names("first ", 30, 40));
        List<String> got = new ArrayList<>();
        // Not within 20 s once, when nothing else was slow. A pull of the client whose connection closed under it is given up
        // after 30 s; whether it was one has not been seen.
        Env.await(45, "what was sought", () -> {
            got.addAll(Env.bodies(consumer.poll(500)));
            return got.containsAll(expected);
        });
        // assign() begins to pull at once, so the client may hand out a batch from before the seek.
        got.removeAll(Env.names("first ", 0, 30));
        Env.checkOnce("bodies", expected, got);
        Env.await(5, "committed offset", () -> {
            consumer.commit(Map.of(first, 40L, last, 17L), true);
            return consumer.committed(last) == 17L && consumer.committed(first) == 40L;
        });
        consumer.seekToEnd(last);
        producer.send(new Message(topic, Env.bytes("newest")), last);
        Env.checkEquals("after the end", List.of("newest"), Env.bodies(pollUntil(consumer, 1)));
    }

    private static void awaitOwned(String topic, int total, DefaultMQPushConsumer... consumers) throws Exception {
        Env.await(25, "split of " + total + " queues over " + consumers.length + " consumers", () -> {
            Set<Integer> all = new HashSet<>();
            int sum = 0;
            for (DefaultMQPushConsumer consumer : consumers) {
                TreeSet<Integer> own = Inbox.owned(consumer, topic);
                if (own.size() != total / consumers.length) {
                    return false;
                }
                all.addAll(own);
                sum += own.size();
            }
            return sum == total && all.size() == total;
        });
    }

    private static void rebalance(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        List<Inbox> inboxes = List.of(new Inbox(), new Inbox());
        List<DefaultMQPushConsumer> consumers = new ArrayList<>();
        for (Inbox inbox : inboxes) {
            DefaultMQPushConsumer consumer = env.newPush(env.group());
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener(inbox.listener());
            consumers.add(env.started(consumer));
        }
        DefaultMQPushConsumer stays = consumers.get(0);
        DefaultMQPushConsumer leaves = consumers.get(1);
        awaitOwned(topic, 4, stays, leaves);
        env.send(producer, topic, "TagA", "both ", 200);
        Env.await(15, "200 messages", () -> inboxes.get(0).size() + inboxes.get(1).size() >= 200);
        Thread.sleep(200);
        List<String> all = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Set<Integer> from = new TreeSet<>();
            inboxes.get(i).messages().forEach(message -> from.add(message.getQueueId()));
            Env.checkEquals("queues consumer " + i + " got messages from", Inbox.owned(consumers.get(i), topic), from);
            all.addAll(inboxes.get(i).bodies());
        }
        Env.checkOnce("bodies", Env.names("both ", 0, 200), all);
        // Leaving: the broker tells the other, which must not wait for its timer (6 s here).
        inboxes.forEach(Inbox::clear);
        long left = System.currentTimeMillis();
        Env.later(leaves::shutdown);
        awaitOwned(topic, 4, stays);
        long took = System.currentTimeMillis() - left;
        env.send(producer, topic, "TagA", "alone ", 200);
        inboxes.get(0).awaitExactly(200, 15);
        Env.checkOnce("bodies after one left", Env.names("alone ", 0, 200), inboxes.get(0).bodies());
        Env.checkEquals("messages of the one that left", 0, inboxes.get(1).size());
        Env.check("taking over took " + took + " ms", took < 4_000);
    }

    private static void broadcast(Env env) throws Exception {
        String topic = env.topic(4);
        List<Inbox> inboxes = List.of(new Inbox(), new Inbox());
        List<DefaultMQPushConsumer> consumers = new ArrayList<>();
        for (Inbox inbox : inboxes) {
            DefaultMQPushConsumer consumer = env.newPush(env.group());
            consumer.setMessageModel(MessageModel.BROADCASTING);
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener(inbox.listener());
            consumers.add(env.started(consumer));
        }
        for (DefaultMQPushConsumer consumer : consumers) {
            awaitOwned(topic, 4, consumer);
        }
        env.send(env.producer(), topic, "TagA", "all ", 100);
        for (Inbox inbox : inboxes) {
            inbox.awaitExactly(100, 15);
            Env.checkOnce("bodies", Env.names("all ", 0, 100), inbox.bodies());
        }
    }

    private static void tagFilter(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        String[] tags = {"TagA", "TagB", "TagC", "TagD", null};
        TreeSet<String> expected = new TreeSet<>();
        for (int i = 0; i < 250; i++) {
            String tag = tags[i % tags.length];
            producer.send(new Message(topic, tag, Env.bytes("filter " + i)));
            if ("TagA".equals(tag) || "TagC".equals(tag)) {
                expected.add("filter " + i);
            }
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "TagA || TagC");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        inbox.awaitExactly(expected.size(), 20);
        Env.checkOnce("bodies", expected, inbox.bodies());
        // Messages that do not match move the offset all the same.
        // The client learns of it when its waiting pull ends, after 15 s.
        Thread.sleep(13_000);
        env.commit(consumer, topic, 0);
    }

    private static void longPoll(Env env) throws Exception {
        String topic = env.topic(1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        awaitOwned(topic, 1, consumer);
        Thread.sleep(1500);
        DefaultMQProducer producer = env.producer();
        List<Long> waits = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            Thread.sleep(250);
            long sent = System.currentTimeMillis();
            producer.send(new Message(topic, Env.bytes("poll " + i)));
            int expected = i + 1;
            Env.await(10, "message " + i, () -> inbox.size() == expected);
            waits.add(inbox.arrivals().get(i).at - sent);
        }
        // The middle one counts, so that a busy machine does not fail the test.
        Collections.sort(waits);
        Env.check("latencies with a waiting consumer are " + waits + " ms", waits.get(3) < 500);
    }

    private static void offsetPersistPush(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        env.send(producer, topic, "TagA", "before ", 100);
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(first.listener());
        env.started(consumer);
        first.awaitExactly(100, 15);
        env.commit(consumer, topic, 0);
        Env.later(consumer::shutdown);
        Env.await(5, "end of the first consumer", () -> !online(env, env.group()));
        env.send(producer, topic, "TagA", "after ", 100);
        Inbox second = new Inbox();
        consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(second.listener());
        env.started(consumer);
        second.awaitExactly(100, 15);
        Env.checkOnce("bodies after the restart", Env.names("after ", 0, 100), second.bodies());
        // The last act of a consumer is to commit.
        Env.later(consumer::shutdown);
        env.awaitLag(5, env.group(), topic, 0);
        // A new group that starts at the end still sees what is in memory and never cleaned: offset 0 is answered as known.
        Inbox late = new Inbox();
        DefaultMQPushConsumer newcomer = env.newPush(env.group() + "-late");
        newcomer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        newcomer.subscribe(topic, "*");
        newcomer.registerMessageListener(late.listener());
        env.started(newcomer);
        late.awaitExactly(200, 15);
    }

    private static void offsetPersistPull(Env env) throws Exception {
        String topic = env.topic(2);
        env.send(env.producer(), topic, "TagA", "half ", 200);
        DefaultLitePullConsumer consumer = env.newPull(env.group());
        consumer.setPullBatchSize(10);
        consumer.subscribe(topic, "*");
        env.started(consumer);
        List<MessageExt> part = pollUntil(consumer, 100);
        List<String> got = new ArrayList<>(Env.bodies(part));
        Env.check("took " + got.size() + ", wanted a part", got.size() >= 100 && got.size() < 200);
        int taken = got.size();
        env.commit(consumer, part, topic, 200 - taken);
        Env.later(consumer::shutdown);
        Env.await(5, "end of the first consumer", () -> !online(env, env.group()));
        consumer = env.newPull(env.group());
        consumer.subscribe(topic, "*");
        env.started(consumer);
        got.addAll(Env.bodies(pollUntil(consumer, 200 - taken)));
        Env.checkEquals("too many", 0, consumer.poll(300).size());
        Env.checkOnce("bodies of both parts", Env.names("half ", 0, 200), got);
    }

    /** A running consumer is sent back to the beginning by the admin. */
    private static void offsetReset(Env env) throws Exception {
        String topic = env.topic(2);
        env.send(env.producer(), topic, "TagA", "again ", 60);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        inbox.awaitExactly(60, 15);
        env.commit(consumer, topic, 0);
        inbox.clear();
        Map<MessageQueue, Long> table = env.admin.resetOffsetByTimestamp(topic, env.group(), 0, true);
        Env.checkEquals("answer of the reset", Map.of(Env.queue(topic, 0), 0L, Env.queue(topic, 1), 0L), table);
        inbox.awaitExactly(60, 30);
        Env.checkOnce("bodies after the reset", Env.names("again ", 0, 60), inbox.bodies());
    }

    private static boolean online(Env env, String group) throws Exception {
        try {
            env.admin.examineConsumerConnectionInfo(group);
            return true;
        } catch (org.apache.rocketmq.client.exception.MQBrokerException e) {
            Env.checkEquals("code for a group without consumers", 206, e.getResponseCode());
            return false;
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            // The client's own words for a group with no connection left.
            Env.checkEquals("code for a group without connections", 206, e.getResponseCode());
            return false;
        }
    }

    private static void clientVisible(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        env.send(producer, topic, "TagA", "seen ", 1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "TagA || TagB");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        inbox.awaitExactly(1, 15);
        ConsumerConnection connection = env.admin.examineConsumerConnectionInfo(env.group());
        Env.checkEquals("consume type", ConsumeType.CONSUME_PASSIVELY, connection.getConsumeType());
        Env.checkEquals("model", MessageModel.CLUSTERING, connection.getMessageModel());
        Env.checkEquals("start", ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, connection.getConsumeFromWhere());
        Env.checkEquals("subscription", "TagA || TagB", connection.getSubscriptionTable().get(topic).getSubString());
        Env.checkEquals("topics", Set.of(topic, "%RETRY%" + env.group()), connection.getSubscriptionTable().keySet());
        Env.checkEquals("connections", 1, connection.getConnectionSet().size());
        Connection client = connection.getConnectionSet().iterator().next();
        String id = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
        Env.checkEquals("client id", id, client.getClientId());
        Env.checkEquals("language", LanguageCode.JAVA, client.getLanguage());
        Env.checkEquals("version", 479, client.getVersion());
        Env.check("address " + client.getClientAddr(), client.getClientAddr().matches("127\\.0\\.0\\.1:\\d+"));
        Set<Connection> producers = env.admin.examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet();
        Env.checkEquals("producers", 1, producers.size());
        Env.checkEquals("version of the producer", 479, producers.iterator().next().getVersion());
        consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
        Env.await(5, "group in the list of the topic's groups",
            () -> env.admin.queryTopicConsumeByWho(topic).getGroupList().contains(env.group()));
        // This one is relayed to the client and back.
        ConsumerRunningInfo info = env.admin.getConsumerRunningInfo(env.group(), id, false);
        Env.checkEquals("queues of the running consumer", 4L,
            info.getMqTable().keySet().stream().filter(mq -> mq.getTopic().equals(topic)).count());
        Env.later(consumer::shutdown);
        Env.await(10, "end of the connection", () -> !online(env, env.group()));
    }

    private Consuming() {
    }
}
