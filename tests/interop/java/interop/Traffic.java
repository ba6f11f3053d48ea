package interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Messages that are on their way while brokers change: orderly ones, delayed ones of both kinds, and half messages nobody
 * has decided about. Producers try again until they are answered.
 *
 * Lost: an answered message without a copy in the log. Doubled in the log: a message with more copies than sends. A send
 * that was not answered explains one copy more. So does a kill, for what the broker itself stores under the real topic,
 * because it writes down in periods how far it is, and what happened since the last time happens again: a delivery by
 * level within LEVEL_MS before the kill, a delivery by the timer or its entry in the timer log within TIMER_MS, a commit
 * within COMMIT_MS. These are the periods of the reference (and ours are not longer); nothing after a kill explains a copy.
 * Doubled at the consumer: an offset again although no change of brokers came within OFFSETS_MS after its last delivery.
 */
final class Traffic {
    /** Time a loaded machine may take for a write that is due. */
    private static final long WRITE_MS = 1_000;
    /** `flushDelayOffsetInterval`. */
    private static final long LEVEL_MS = 10_000 + WRITE_MS;
    /** `timerFlushIntervalMs`. */
    private static final long TIMER_MS = 1_000 + WRITE_MS;
    /** `timerPrecisionMs`. */
    private static final long SLOT_MS = 1_000;
    /** `transactionOpBatchInterval` of this suite's brokers. */
    private static final long COMMIT_MS = 1_000 + WRITE_MS;
    /** Offsets reach the broker every 5 s (the first time after 10 s) and its disk every 5 s. */
    private static final long OFFSETS_MS = 15_000 + WRITE_MS;
    private static final int QUEUES = 2;

    private interface Send {
        SendResult send() throws Exception;
    }

    private final String orderly;
    private final String waiting;
    private final Env env;
    private final DefaultMQProducer producer;
    private final TransactionMQProducer transactions;
    private final DefaultMQPushConsumer consumer;
    private final Inbox inbox = new Inbox();
    private final List<Thread> threads = new ArrayList<>();
    /** Body -> sends it took. */
    private final Map<String, Integer> acknowledged = new ConcurrentHashMap<>();
    private final List<Long> ends = Collections.synchronizedList(new ArrayList<>());
    /** From the order to kill until the process was gone. */
    private final List<long[]> kills = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean over;

    Traffic(Env env) throws Exception {
        this.env = env;
        orderly = env.topic("T-" + env.name + "-orderly", QUEUES);
        waiting = env.topic("T-" + env.name + "-waiting", QUEUES);
        producer = env.newProducer();
        producer.setSendMsgTimeout(2000);
        producer.setRetryTimesWhenSendFailed(0);
        env.started(producer);
        transactions = env.newUndecided("PG-" + env.name + "-x", message ->
            Env.text(message).startsWith("rollback") ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.COMMIT_MESSAGE);
        transactions.setSendMsgTimeout(2000);
        transactions.setRetryTimesWhenSendFailed(0);
        transactions.setHeartbeatBrokerInterval(2000);
        env.started(transactions);
        consumer = env.newPush(env.group() + "-orderly");
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

    /** Ends the broker and remembers when. */
    void end(String signal) throws Exception {
        long before = System.currentTimeMillis();
        ends.add(before);
        Suite.control("stop-broker " + signal);
        if (signal.equals("KILL")) {
            kills.add(new long[] {before, System.currentTimeMillis()});
        }
    }

    void finish() throws Exception {
        over = true;
        for (Thread thread : threads) {
            thread.join(30_000);
            Env.check("a producer is not answered any more", !thread.isAlive());
        }
        Map<String, List<MessageExt>> log = new TreeMap<>();
        List<String> missing;
        long end = System.currentTimeMillis() + 60_000;
        do {
            Thread.sleep(3000);
            log.clear();
            for (String topic : List.of(orderly, waiting)) {
                for (MessageExt message : env.readAll(Env.queues(topic, QUEUES), 0)) {
                    log.computeIfAbsent(Env.text(message), body -> new ArrayList<>()).add(message);
                }
            }
            missing = missing(log);
        } while (!missing.isEmpty() && System.currentTimeMillis() < end);
        Env.check("answered and not in the log: " + missing, missing.isEmpty());
        checkLog(log);
        long total = log.values().stream().flatMap(List::stream).filter(message -> message.getTopic().equals(orderly)).count();
        try {
            // The client's own repairs come one after the other: 10 s until a queue with a bad offset is given up, 20 s until
            // it is locked again, and 120 s until a queue that is no longer pulled from is given up.
            Env.await(150, total + " orderly messages delivered", () -> delivered().size() == total);
        } catch (AssertionError | RuntimeException e) {
            throw new AssertionError(e.getMessage() + ": " + undelivered(log), e);
        }
        checkDeliveries();
    }

    /** Queue and offset of each orderly message that was delivered. */
    private TreeSet<String> delivered() {
        return inbox.messages().stream().map(Traffic::place).collect(Collectors.toCollection(TreeSet::new));
    }

    private static String place(MessageExt message) {
        return message.getQueueId() + " " + message.getQueueOffset();
    }

    /** What the consumer lacks, and what it is doing. */
    private String undelivered(Map<String, List<MessageExt>> log) {
        TreeSet<String> delivered = delivered();
        Map<Integer, TreeSet<Long>> lacking = new TreeMap<>();
        log.values().stream().flatMap(List::stream)
            .filter(message -> message.getTopic().equals(orderly) && !delivered.contains(place(message)))
            .forEach(message -> lacking.computeIfAbsent(message.getQueueId(), id -> new TreeSet<>()).add(message.getQueueOffset()));
        StringBuilder text = new StringBuilder();
        lacking.forEach((queue, offsets) -> text.append("queue ").append(queue).append(" lacks ").append(offsets.size()).append(" from ")
            .append(offsets.first()).append(" to ").append(offsets.last()).append("; "));
        long now = System.currentTimeMillis();
        List<Inbox.Arrival> arrivals = inbox.arrivals();
        if (!arrivals.isEmpty()) {
            text.append("last delivery ").append(now - arrivals.get(arrivals.size() - 1).at).append(" ms ago; ");
        }
        consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().forEach((queue, state) -> text.append(queue.getTopic())
            .append(' ').append(queue.getQueueId()).append(" locked=").append(state.isLocked()).append(" dropped=").append(state.isDropped())
            .append(" cached=").append(state.getMsgCount()).append(" pulled ").append(now - state.getLastPullTimestamp()).append(" ms ago; "));
        return text.toString();
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
            long again = copies.stream().filter(this::mayComeAgain).count();
            Env.check(copies.size() + " copies of " + body + " in the log after " + most + " sends, " + describe(copies), beyond <= again);
            explained += beyond;
        }
        System.err.println(log.size() + " messages in the log, " + explained + " copies because of a kill");
    }

    private boolean mayComeAgain(MessageExt copy) {
        String body = Env.text(copy);
        if (body.startsWith("level")) {
            return beforeKill(copy.getStoreTimestamp(), LEVEL_MS);
        }
        if (body.startsWith("timer")) {
            String taken = copy.getProperty("TIMER_ENQUEUE_MS");
            // Rounded down to whole slots.
            return beforeKill(copy.getStoreTimestamp(), TIMER_MS) || taken != null && beforeKill(Long.parseLong(taken), TIMER_MS + SLOT_MS);
        }
        return body.startsWith("commit") && beforeKill(copy.getStoreTimestamp(), COMMIT_MS);
    }

    private boolean beforeKill(long time, long within) {
        return kills.stream().anyMatch(kill -> time > kill[0] - within && time <= kill[1]);
    }

    private String describe(List<MessageExt> copies) {
        StringBuilder text = new StringBuilder("stored (taken in) at");
        for (MessageExt copy : copies) {
            text.append(' ').append(copy.getStoreTimestamp()).append(" (").append(copy.getProperty("TIMER_ENQUEUE_MS")).append(')');
        }
        for (long[] kill : kills) {
            text.append(", kill at ").append(kill[0]).append(" to ").append(kill[1]);
        }
        return text.toString();
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
                    ends.stream().anyMatch(end -> firstAt > end - OFFSETS_MS && arrival.at >= end));
            }
        }
        System.err.println(first.size() + " orderly messages, " + again + " delivered again after a change of brokers");
    }
}
