package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Servers end and come back while clients stay. The shell does the ending and starting. */
final class Restarts {
    static void register() {
        Suite.add("restart", "restart-term", Suite.Lane.ALONE, 120, env -> brokerRestart(env, "TERM"));
        Suite.add("restart", "restart-kill", Suite.Lane.ALONE, 120, env -> brokerRestart(env, "KILL"));
        Suite.add("restart", "restart-namesrv", Suite.Lane.ALONE, 120, Restarts::namesrvRestart);
        Suite.add("handover", "store-handover", Suite.Lane.ALONE, 400, Restarts::handover);
    }

    private static SendResult sendUntilAccepted(DefaultMQProducer producer, Message message) throws Exception {
        List<SendResult> result = new ArrayList<>();
        Env.await(30, "accepted send", () -> {
            try {
                result.add(producer.send(message));
                return true;
            } catch (Exception e) {
                return false;
            }
        });
        Env.checkEquals("status", SendStatus.SEND_OK, result.get(0).getSendStatus());
        return result.get(0);
    }

    /** What one life of the broker leaves behind: all messages of a prefix, and half of them consumed by a group. */
    private static final class Life {
        final Env env;
        final String topic;
        final String group;
        final DefaultMQProducer producer;
        final List<SendResult> acked = new ArrayList<>();
        final List<String> consumed = new ArrayList<>();

        Life(Env env, String topic, String group, DefaultMQProducer producer) {
            this.env = env;
            this.topic = topic;
            this.group = group;
            this.producer = producer;
        }

        /** Blanks separate keys. */
        private static String key(String body) {
            return "key-" + body.replace(' ', '-');
        }

        void produce(String prefix, int count) throws Exception {
            for (int i = 0; i < count; i++) {
                Message message = new Message(topic, "TagA", key(prefix + i), Env.bytes(prefix + i));
                acked.add(sendUntilAccepted(producer, message));
            }
        }

        void consumeAtLeast(int count) throws Exception {
            DefaultLitePullConsumer consumer = env.newPull(group);
            consumer.setPullBatchSize(10);
            consumer.subscribe(topic, "*");
            consumer.start();
            try {
                long end = System.currentTimeMillis() + 30_000;
                List<MessageExt> taken = new ArrayList<>();
                while (taken.size() < count && System.currentTimeMillis() < end) {
                    taken.addAll(consumer.poll(200));
                }
                Env.check("took " + taken.size() + ", wanted " + count, taken.size() >= count);
                consumed.addAll(Env.bodies(taken));
                env.commit(consumer, taken, topic, acked.size() - consumed.size());
            } finally {
                consumer.shutdown();
            }
        }

        /** The maximum offsets when they cover all that was acknowledged. */
        List<Long> settled() throws Exception {
            Env.await(10, acked.size() + " messages in the queues", () -> env.total(topic, 4) == acked.size());
            return maxima();
        }

        List<Long> maxima() throws Exception {
            List<Long> list = new ArrayList<>();
            for (var mq : Env.queues(topic, 4)) {
                list.add(env.admin.maxOffset(mq));
            }
            return list;
        }

        void checkAllThere(List<Long> maxima, TreeSet<String> names) throws Exception {
            Env.await(10, "maximum offsets " + maxima, () -> maxima.equals(maxima()));
            List<MessageExt> all = env.readAll(Env.queues(topic, 4), names.size());
            Env.checkOnce("messages after the restart", names, Env.bodies(all));
            SendResult some = acked.get(acked.size() / 2);
            String body = Env.text(env.admin.viewMessage(topic, some.getOffsetMsgId()));
            Env.check("body by offset id: " + body, names.contains(body));
            String key = key(body);
            Env.await(15, "message by key " + key, () -> {
                try {
                    return env.admin.queryMessage(topic, key, 32, 0, Long.MAX_VALUE).getMessageList().size() == 1;
                } catch (org.apache.rocketmq.client.exception.MQClientException e) {
                    return false;
                }
            });
        }

        void checkRest(TreeSet<String> names) throws Exception {
            TreeSet<String> rest = new TreeSet<>(names);
            rest.removeAll(consumed);
            Inbox inbox = new Inbox();
            DefaultMQPushConsumer consumer = env.newPush(group);
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener(inbox.listener());
            env.started(consumer);
            inbox.awaitExactly(rest.size(), 40);
            Env.checkOnce("messages the group had left", rest, inbox.bodies());
            consumer.shutdown();
            consumed.addAll(rest);
        }
    }

    private static void brokerRestart(Env env, String signal) throws Exception {
        String topic = env.topic(4);
        Life life = new Life(env, topic, env.group(), env.producer());
        // A consumer that lives through the restart.
        Inbox live = new Inbox();
        DefaultMQPushConsumer survivor = env.newPush(env.group() + "-live");
        survivor.subscribe(topic, "*");
        survivor.registerMessageListener(live.listener());
        env.started(survivor);
        life.produce("one ", 300);
        life.consumeAtLeast(120);
        Env.check("everything consumed already", life.consumed.size() < 300);
        live.awaitExactly(300, 20);
        List<Long> maxima = life.settled();
        if (signal.equals("KILL")) {
            // Consumer offsets reach the disk every 5 s; the first time 10 s after the broker's start.
            Thread.sleep(11_000);
        }
        Suite.control("stop-broker " + signal);
        Suite.control("start-broker");
        env.awaitBroker();
        env.awaitRoute(topic);
        life.checkAllThere(maxima, Env.names("one ", 0, 300));
        life.produce("two ", 100);
        TreeSet<String> all = Env.names("one ", 0, 300);
        all.addAll(Env.names("two ", 0, 100));
        life.checkRest(all);
        Env.checkEquals("sum of the offsets", 400L, env.total(topic, 4));
        Env.await(40, "the living consumer to get the new messages",
            () -> new TreeSet<>(live.bodies()).containsAll(all));
        if (signal.equals("TERM")) {
            TreeSet<String> fresh = new TreeSet<>(live.bodies().stream().filter(body -> body.startsWith("two")).collect(Collectors.toList()));
            Env.checkEquals("new messages of the living consumer", 100, fresh.size());
        }
    }

    private static void namesrvRestart(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        env.started(consumer);
        env.send(producer, topic, "TagA", "up ", 50);
        inbox.awaitExactly(50, 20);
        Suite.control("stop-namesrv KILL");
        env.send(producer, topic, "TagA", "down ", 50);
        inbox.awaitExactly(100, 20);
        Suite.control("start-namesrv");
        // Brokers register every 30 s.
        env.awaitBroker();
        env.awaitRoute(topic);
        DefaultMQProducer newcomer = env.producer();
        env.send(newcomer, topic, "TagA", "back ", 50);
        inbox.awaitExactly(150, 20);
    }

    /** The store goes to another implementation of the broker and back under traffic, after clean ends and after kills. */
    private static void handover(Env env) throws Exception {
        String taker = System.getProperty("interop.handover");
        String origin = System.getProperty("interop.broker");
        String topic = env.topic(4);
        Life life = new Life(env, topic, env.group(), env.producer());
        Traffic traffic = new Traffic(env);
        TreeSet<String> all = new TreeSet<>();
        String[][] steps = {{"a ", "TERM", taker}, {"b ", "TERM", origin}, {"c ", "KILL", taker}, {"d ", "KILL", origin}};
        for (String[] step : steps) {
            life.produce(step[0], 100);
            all.addAll(Env.names(step[0], 0, 100));
            life.consumeAtLeast(50);
            List<Long> maxima = life.settled();
            if (step[1].equals("KILL")) {
                Thread.sleep(11_000);
            }
            traffic.end(step[1]);
            Suite.control("start-broker " + step[2]);
            env.awaitBroker();
            env.awaitRoute(topic);
            life.checkAllThere(maxima, all);
        }
        life.checkRest(all);
        traffic.finish();
    }

    private Restarts() {
    }
}
