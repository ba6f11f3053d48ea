package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.admin.ConsumeStats;
import org.apache.rocketmq.remoting.protocol.route.BrokerData;

/**
 * A classic master is killed, its slave (of the other kind) acts for it, the master comes back: what came due meanwhile went to
 * another master, consumers went on with the slave, and nobody's offset went back.
 */
final class ActingMaster {
    static void register() {
        Suite.add("acting", "acting-master", Suite.Lane.ALONE, 400, ActingMaster::run);
    }

    private static Map<Long, String> members(Env env, String topic) throws Exception {
        for (BrokerData data : env.admin.examineTopicRouteInfo(topic).getBrokerDatas()) {
            if (data.getBrokerName().equals(Env.BROKER_NAME)) {
                return data.getBrokerAddrs();
            }
        }
        return Map.of();
    }

    private static void run(Env env) throws Exception {
        String other = System.getProperty("interop.other");
        String topic = env.topic(2);
        Env.await(60, "the other master", () -> {
            try {
                env.admin.createAndUpdateTopicConfig(other, new TopicConfig(topic, 2, 2));
                return env.admin.examineTopicRouteInfo(topic).getBrokerDatas().size() == 2;
            } catch (Exception e) {
                return false;
            }
        });
        // Only a master of the reference hands messages out by POP.
        HandedOut handedOut = System.getProperty("interop.acting").equals("java") ? null : new HandedOut(env, other);
        Map<String, List<String>> seen = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.setPersistConsumerOffsetInterval(1000);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                seen.computeIfAbsent(Env.text(message), body -> new ArrayList<>()).add(message.getBrokerName() + "@" + message.getQueueOffset());
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        env.started(consumer);
        DefaultMQProducer producer = env.producer();
        boolean[] decided = {false};
        TransactionMQProducer transactions = env.newUndecided("PG-" + env.name + "-x",
            message -> decided[0] ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.UNKNOW);
        env.started(transactions);
        plain(producer, topic, "before", 10);
        Env.await(60, "messages before", () -> has(seen, "before", 10));
        Env.await(120, "slave in the route", () -> members(env, topic).containsKey(1L));
        // The reference's slave looks at its master's tables for the first time after a minute.
        String slave = members(env, topic).get(1L);
        Env.await(150, "tables of the slave", () -> {
            try {
                return env.admin.getAllTopicConfig(slave, 3000).getTopicConfigTable().containsKey(topic)
                    && env.admin.getAllSubscriptionGroup(slave, 3000).getSubscriptionGroupTable().containsKey(env.group())
                    && (handedOut == null || handedOut.isKnownAt(slave));
            } catch (Exception e) {
                return false;
            }
        });
        consumer.suspend();
        Thread.sleep(2000);
        plain(producer, topic, "unread", 10);
        for (int i = 0; i < 5; i++) {
            Message delayed = new Message(topic, Env.bytes("delayed" + i));
            delayed.setDelayTimeLevel(3);
            send(producer, topic, delayed);
            Message timed = new Message(topic, Env.bytes("timed" + i));
            timed.setDelayTimeSec(12);
            send(producer, topic, timed);
        }
        // Half messages go where the producer likes; those of the dead master are asked about by the other one.
        for (int i = 0; i < 4; i++) {
            transactions.sendMessageInTransaction(new Message(topic, Env.bytes("half" + i)), null);
        }
        if (handedOut != null) {
            handedOut.handOut(producer);
            // The check point of those that are due soon comes out of the timer, and waits for acknowledgements.
            Thread.sleep(2500);
        }
        Thread.sleep(1500);

        Suite.control("stop-broker KILL");
        decided[0] = true;
        consumer.resume();
        Env.await(40, "slave in its master's place", () -> slave.equals(members(env, topic).get(0L)));
        Env.await(60, "unread messages, from the slave", () -> has(seen, "unread", 10));
        Env.await(90, "what came due, at the other master; there are " + seen.keySet(),
            () -> has(seen, "delayed", 5) && has(seen, "timed", 5) && has(seen, "half", 4));
        if (handedOut != null) {
            handedOut.areRevived();
        }
        Thread.sleep(4000);

        Suite.control("start-broker");
        Env.await(60, "master in the route", () -> env.broker.equals(members(env, topic).get(0L)));
        ConsumeStats stats = env.admin.examineConsumeStats(env.group(), topic);
        for (Map.Entry<MessageQueue, org.apache.rocketmq.remoting.protocol.admin.OffsetWrapper> entry : stats.getOffsetTable().entrySet()) {
            if (entry.getKey().getBrokerName().equals(Env.BROKER_NAME)) {
                Env.checkEquals("offset of " + entry.getKey(), entry.getValue().getBrokerOffset(), entry.getValue().getConsumerOffset());
            }
        }
        plain(producer, topic, "after", 5);
        Env.await(60, "messages after", () -> has(seen, "after", 5));
        Thread.sleep(8000);
        List<String> twice = new ArrayList<>();
        // The reference's slave, when it begins to act, may have a timer message in its wheel twice (its own log counts one more).
        boolean reference = System.getProperty("interop.acting").equals("java");
        seen.forEach((body, places) -> {
            if (places.size() > (reference && body.startsWith("timed") ? 2 : 1)) {
                twice.add(body + " " + places);
            }
        });
        Env.check("more than once: " + twice, twice.isEmpty());
    }

    private static boolean has(Map<String, List<String>> seen, String prefix, int count) {
        for (int i = 0; i < count; i++) {
            if (!seen.containsKey(prefix + i)) {
                return false;
            }
        }
        return true;
    }

    private static void plain(DefaultMQProducer producer, String topic, String prefix, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            send(producer, topic, new Message(topic, Env.bytes(prefix + i)));
        }
    }

    /** To the set under test, as soon as a producer may write there. */
    private static void send(DefaultMQProducer producer, String topic, Message message) throws Exception {
        Env.await(60, "send", () -> {
            try {
                return producer.send(message, new MessageQueue(topic, Env.BROKER_NAME, 0)).getSendStatus() == SendStatus.SEND_OK;
            } catch (Exception e) {
                return false;
            }
        });
    }

    private ActingMaster() {
    }
}
