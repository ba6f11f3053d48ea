package interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/**
 * A producer and a push consumer that live through everything that is done to the servers. Produces until its
 * standard input ends (the words `pause` and `resume` there are answered when they hold), then waits for the consumer and tells whether it got all that was acknowledged.
 * Arguments: the NameServers, and for how many seconds the consumer may stay behind at the end.
 */
public final class FailoverLoad {
    private static final String TOPIC = "FailoverJava";
    private static final int PRODUCERS = 2;
    private static final long POLL_MS = 500;

    private FailoverLoad() {
    }

    public static void main(String[] args) throws Exception {
        Set<String> consumed = ConcurrentHashMap.newKeySet();
        Set<String> acknowledged = ConcurrentHashMap.newKeySet();
        AtomicLong repeated = new AtomicLong();
        AtomicLong longestPause = new AtomicLong();
        AtomicBoolean stop = new AtomicBoolean();
        // Held for writing while nothing may be on its way.
        ReadWriteLock pause = new ReentrantReadWriteLock();
        AtomicLong pauses = new AtomicLong();

        DefaultMQProducer producer = new DefaultMQProducer("failover-load");
        producer.setNamesrvAddr(args[0]);
        producer.setPollNameServerInterval((int) POLL_MS);
        producer.setSendMsgTimeout(2000);
        producer.start();

        CountDownLatch first = new CountDownLatch(1);
        Thread[] threads = new Thread[PRODUCERS];
        for (int p = 0; p < PRODUCERS; p++) {
            int number = p;
            threads[p] = new Thread(() -> {
                long last = System.nanoTime();
                long pausesBefore = 0;
                for (long n = 0; !stop.get(); n++) {
                    String body = number + "/" + n;
                    pause.readLock().lock();
                    try {
                        if (producer.send(new Message(TOPIC, body.getBytes()), 1000).getSendStatus() != SendStatus.SEND_OK) {
                            continue;
                        }
                    } catch (Exception failed) {
                        pause(20);
                        continue;
                    } finally {
                        pause.readLock().unlock();
                    }
                    acknowledged.add(body);
                    long now = System.nanoTime();
                    boolean wasPaused = pauses.get() != pausesBefore;
                    pausesBefore = pauses.get();
                    if (first.getCount() == 0 && !wasPaused) {
                        longestPause.accumulateAndGet(TimeUnit.NANOSECONDS.toMillis(now - last), Math::max);
                    }
                    last = now;
                    first.countDown();
                    pause(2);
                }
            });
            threads[p].start();
        }
        if (!first.await(60, TimeUnit.SECONDS)) {
            System.out.println("no message gets through");
            System.exit(1);
        }

        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("failover-load-readers");
        consumer.setNamesrvAddr(args[0]);
        consumer.setPollNameServerInterval((int) POLL_MS);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> {
                if (!consumed.add(new String(message.getBody()))) {
                    repeated.incrementAndGet();
                }
            });
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        System.out.println("ready");

        BufferedReader words = new BufferedReader(new InputStreamReader(System.in));
        for (String word = words.readLine(); word != null; word = words.readLine()) {
            if (word.equals("pause")) {
                pause.writeLock().lock();
                pauses.incrementAndGet();
            } else if (word.equals("resume")) {
                pause.writeLock().unlock();
            }
            System.out.println(word);
        }
        stop.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
        long end = System.currentTimeMillis() + TimeUnit.SECONDS.toMillis(Long.parseLong(args[1]));
        while (!consumed.containsAll(acknowledged) && System.currentTimeMillis() < end) {
            pause(100);
        }
        long missing = acknowledged.stream().filter(body -> !consumed.contains(body)).count();
        System.out.printf("%d acknowledged, %d consumed, %d repeated, %d never consumed, longest pause of a producer %d ms%n",
            acknowledged.size(), consumed.size(), repeated.get(), missing, longestPause.get());
        System.exit(missing == 0 ? 0 : 1);
    }

    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
