package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;

final class Retrying {
    static void register() {
        Suite.add("retry", Suite.Lane.SLOW, 60, Retrying::retry);
        Suite.add("retry-dlq", Suite.Lane.SLOW, 60, Retrying::dlq);
    }

    private static void retry(Env env) throws Exception {
        String topic = env.topic(2);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.subscribe(topic, "TagR");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            inbox.put(messages);
            return messages.get(0).getReconsumeTimes() == 0 && Env.text(messages.get(0)).startsWith("retry")
                ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        env.started(consumer);
        List<SendResult> sent = env.send(env.producer(), topic, "TagR", "retry ", 3);
        env.send(env.producer(), topic, "TagR", "fine ", 3);
        inbox.awaitExactly(9, 40);
        Map<String, List<Inbox.Arrival>> byBody = new TreeMap<>();
        inbox.arrivals().forEach(one -> byBody.computeIfAbsent(Env.text(one.message), body -> new ArrayList<>()).add(one));
        for (int i = 0; i < 3; i++) {
            Env.checkEquals("deliveries of fine " + i, 1, byBody.get("fine " + i).size());
            List<Inbox.Arrival> two = byBody.get("retry " + i);
            Env.checkEquals("deliveries of retry " + i, 2, two.size());
            MessageExt first = two.get(0).message;
            MessageExt second = two.get(1).message;
            Env.checkEquals("first time", 0, first.getReconsumeTimes());
            Env.checkEquals("second time", 1, second.getReconsumeTimes());
            Env.checkEquals("topic", topic, second.getTopic());
            Env.checkEquals("tag", "TagR", second.getTags());
            Env.checkEquals("key", "retry " + i, second.getKeys());
            Env.checkEquals("id", sent.get(i).getMsgId(), second.getMsgId());
            Env.checkEquals("id of the origin", sent.get(i).getOffsetMsgId(), second.getProperty("ORIGIN_MESSAGE_ID"));
            long pause = two.get(1).at - two.get(0).at;
            Env.check("pause of " + pause + " ms", pause >= 9_800 && pause < 20_000);
        }
        env.commit(consumer, topic, 0);
        env.commit(consumer, "%RETRY%" + env.group(), 0);
    }

    private static void dlq(Env env) throws Exception {
        String topic = env.topic(2);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = env.newPush(env.group());
        consumer.setMaxReconsumeTimes(2);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            inbox.put(messages);
            // Level 1 is a second; a negative level means straight to the dead letters.
            context.setDelayLevelWhenNextConsume(Env.text(messages.get(0)).startsWith("direct") ? -1 : 1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        env.started(consumer);
        List<SendResult> sent = env.send(env.producer(), topic, "TagX", "dead ", 2);
        env.send(env.producer(), topic, "TagX", "direct ", 1);
        String dead = "%DLQ%" + env.group();
        env.awaitRoute(dead);
        Env.await(30, "three dead letters", () -> env.total(dead, 1) == 3);
        List<String> deliveries = inbox.bodies();
        Env.checkEquals("deliveries", 7, deliveries.size());
        List<MessageExt> letters = env.readAll(List.of(Env.queue(dead, 0)), 3);
        Env.checkOnce("dead letters", List.of("dead 0", "dead 1", "direct 0"), Env.bodies(letters));
        for (MessageExt letter : letters) {
            Env.checkEquals("topic", dead, letter.getTopic());
            Env.checkEquals("tag", "TagX", letter.getTags());
            Env.checkEquals("topic it came from", topic, letter.getProperty("RETRY_TOPIC"));
            if (Env.text(letter).equals("dead 0")) {
                Env.checkEquals("id", sent.get(0).getMsgId(), letter.getMsgId());
                Env.checkEquals("id of the origin", sent.get(0).getOffsetMsgId(), letter.getProperty("ORIGIN_MESSAGE_ID"));
            }
        }
        Env.checkEquals("queues of the dead letter topic", 1,
            env.admin.examineTopicRouteInfo(dead).getQueueDatas().get(0).getReadQueueNums());
    }

    private Retrying() {
    }
}
