package interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Messages that are on their way while brokers change: orderly ones, delayed ones of both kinds, and half messages nobody
 * has decided about. Producers try again until they are answered.
 *
 * What counts as lost: an answered message without a copy in the log. What counts as doubled in the log: a message with more
 * copies than sends that were not answered explain; for what the broker itself stores a second time (delayed, committed)
 * copies stored within WINDOW_MS of a kill are explained by it, since progress is written in periods. What counts as
 * doubled at the consumer: a second delivery more than WINDOW_MS after a first one that no change of brokers followed.
 */
final class Traffic {
    /** Offsets reach the broker every 5 s and its disk every 5 to 10 s. */
    private static final long WINDOW_MS = 16_000;
    private static final int QUEUES = 2;

    private interface Send {
        SendResult send() throws Exception;
    }

    private final String orderly;
    private final String waiting;
    private final Env env;
    private final DefaultMQProducer producer;
    private final TransactionMQProducer transactions;
    private final Inbox inbox = new Inbox();
    private final List<Thread> threads = new ArrayList<>();
    /** Body -> sends it took. */
    private final Map<String, Integer> acknowledged = new ConcurrentHashMap<>();
    private final List<Long> ends = Collections.synchronizedList(new ArrayList<>());
    private final List<Long> kills = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean over;

    Traffic(Env env) throws Exception {
        this.env = env;
        orderly = env.topic("T-" + env.name + "-orderly", QUEUES);
        waiting = env.topic("T-" + env.name + "-waiting", QUEUES);
        producer = env.newProducer();
        producer.setSendMsgTimeout(2000);
        producer.setRetryTimesWhenSendFailed(0);
        env.started(producer);
        transactions = new TransactionMQProducer("PG-" + env.name + "-x");
        transactions.setNamesrvAddr(env.namesrv);
        transactions.setInstanceName("x-" + Env.instance());
        transactions.setSendMsgTimeout(2000);
        transactions.setRetryTimesWhenSendFailed(0);
        transactions.setHeartbeatBrokerInterval(2000);
        transactions.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
                return LocalTransactionState.UNKNOW;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return Env.text(message).startsWith("rollback") ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.COMMIT_MESSAGE;
            }
        });
        transactions.start();
        env.onClose(() -> Env.later(transactions::shutdown));
        DefaultMQPushConsumer consumer = env.newPush(env.group() + "-orderly");
        consumer.subscribe(orderly, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            inbox.put(messages);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        env.started(consumer);
        env.onClose(() -> over = true);
        for (int queue = 0; queue < QUEUES; queue++) {
            int id = queue;
            loop(20, n -> keep("q" + id + " " + n, body -> () -> producer.send(new Message(orderly, Env.bytes(body)), Env.queue(orderly, id))));
        }
        loop(400, n -> {
            keep("level " + n, body -> () -> {
                Message message = new Message(waiting, Env.bytes(body));
                message.setDelayTimeLevel(2);
                return producer.send(message);
            });
            keep("timer " + n, body -> () -> {
                Message message = new Message(waiting, Env.bytes(body));
                message.setDelayTimeMs(4000);
                return producer.send(message);
            });
            String kind = n % 3 == 2 ? "rollback " : "commit ";
            keep(kind + n, body -> () -> transactions.sendMessageInTransaction(new Message(waiting, Env.bytes(body)), null));
        });
    }

    private interface Round {
        void run(int n) throws InterruptedException;
    }

    private void loop(long pause, Round round) {
        Thread thread = new Thread(() -> {
            try {
                for (int n = 0; !over; n++) {
                    round.run(n);
                    Thread.sleep(pause);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "traffic");
        thread.setDaemon(true);
        thread.start();
        threads.add(thread);
    }

    /** Sends until it is answered. */
    private void keep(String body, java.util.function.Function<String, Send> how) throws InterruptedException {
        for (int sends = 1;; sends++) {
            try {
                if (how.apply(body).send().getSendStatus() == SendStatus.SEND_OK) {
                    acknowledged.put(body, sends);
                    return;
                }
            } catch (Exception e) {
                Thread.sleep(100);
            }
        }
    }

    /** The broker is about to end. */
    void ending(boolean kill) {
        ends.add(System.currentTimeMillis());
        if (kill) {
            kills.add(System.currentTimeMillis());
        }
    }

    void finish() throws Exception {
        over = true;
        for (Thread thread : threads) {
            thread.join(30_000);
            Env.check("a producer is not answered any more", !thread.isAlive());
        }
        Map<String, List<MessageExt>> log = new TreeMap<>();
        Env.await(90, "all answered messages in the log", () -> {
            log.clear();
            for (String topic : List.of(orderly, waiting)) {
                for (MessageExt message : env.readAll(Env.queues(topic, QUEUES), 0)) {
                    log.computeIfAbsent(Env.text(message), body -> new ArrayList<>()).add(message);
                }
            }
            List<String> missing = missing(log);
            if (System.currentTimeMillis() % 10 == 0) {
                System.err.println("missing " + missing);
            }
            return missing.isEmpty();
        });
        checkLog(log);
        long total = log.values().stream().flatMap(List::stream).filter(message -> message.getTopic().equals(orderly)).count();
        Env.await(60, total + " orderly messages delivered", () -> inbox.messages().stream()
            .map(message -> message.getQueueId() + " " + message.getQueueOffset()).distinct().count() == total);
        checkDeliveries();
    }

    private List<String> missing(Map<String, List<MessageExt>> log) {
        List<String> missing = new ArrayList<>();
        for (String body : acknowledged.keySet()) {
            if (!body.startsWith("rollback") && !log.containsKey(body)) {
                missing.add(body);
            }
        }
        return missing;
    }

    private void checkLog(Map<String, List<MessageExt>> log) {
        int explained = 0;
        for (Map.Entry<String, List<MessageExt>> one : log.entrySet()) {
            String body = one.getKey();
            Env.check("rolled back and delivered: " + body, !body.startsWith("rollback"));
            int most = acknowledged.getOrDefault(body, Integer.MAX_VALUE);
            List<MessageExt> copies = one.getValue();
            int beyond = copies.size() - most;
            if (beyond <= 0) {
                continue;
            }
            long inWindow = copies.stream().filter(copy -> !copy.getTopic().equals(orderly))
                .filter(copy -> kills.stream().anyMatch(kill -> Math.abs(copy.getStoreTimestamp() - kill) < WINDOW_MS))
                .count();
            Env.check(copies.size() + " copies of " + body + " in the log after " + most + " sends", beyond <= inWindow);
            explained += beyond;
        }
        System.err.println(log.size() + " messages in the log, " + explained + " stored twice around a kill");
    }

    private void checkDeliveries() {
        Map<Integer, Long> last = new HashMap<>();
        Map<String, Long> first = new HashMap<>();
        int again = 0;
        for (Inbox.Arrival arrival : inbox.arrivals()) {
            int queue = arrival.message.getQueueId();
            long offset = arrival.message.getQueueOffset();
            long before = last.getOrDefault(queue, -1L);
            Env.check("offset " + offset + " of queue " + queue + " comes after " + before, offset <= before + 1);
            last.put(queue, offset);
            Long firstAt = first.putIfAbsent(queue + " " + offset, arrival.at);
            if (firstAt != null) {
                again++;
                Env.check("offset " + offset + " of queue " + queue + " came again and no broker had ended",
                    ends.stream().anyMatch(end -> firstAt > end - WINDOW_MS && arrival.at >= end));
            }
        }
        System.err.println(first.size() + " orderly messages, " + again + " delivered again after a change of brokers");
    }
}
