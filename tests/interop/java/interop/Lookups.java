package interop;

import java.util.List;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

final class Lookups {
    static void register() {
        Suite.add("offsets", Suite.Lane.MAIN, 30, Lookups::offsets);
        Suite.add("query", Suite.Lane.MAIN, 30, Lookups::query);
    }

    private static void offsets(Env env) throws Exception {
        String topic = env.topic(1);
        MessageQueue mq = Env.queue(topic, 0);
        Env.checkEquals("minimum of an empty queue", 0L, env.admin.minOffset(mq));
        Env.checkEquals("maximum of an empty queue", 0L, env.admin.maxOffset(mq));
        DefaultMQProducer producer = env.producer();
        List<SendResult> early = env.send(producer, topic, "TagA", "early ", 3);
        Thread.sleep(600);
        List<SendResult> late = env.send(producer, topic, "TagA", "late ", 3);
        Env.checkEquals("minimum", 0L, env.admin.minOffset(mq));
        Env.await(5, "maximum of 6", () -> env.admin.maxOffset(mq) == 6);
        long firstAt = env.admin.viewMessage(topic, early.get(0).getOffsetMsgId()).getStoreTimestamp();
        long fourthAt = env.admin.viewMessage(topic, late.get(0).getOffsetMsgId()).getStoreTimestamp();
        Env.checkEquals("at the beginning of time", 0L, env.admin.searchOffset(mq, 0));
        Env.checkEquals("at the first message", 0L, env.admin.searchOffset(mq, firstAt));
        Env.checkEquals("at the fourth message", 3L, env.admin.searchOffset(mq, fourthAt));
        Env.checkEquals("between third and fourth", 3L, env.admin.searchOffset(mq, fourthAt - 200));
        Env.checkEquals("in the future", 6L, env.admin.searchOffset(mq, fourthAt + 3_600_000));
        Env.checkEquals("lower boundary between third and fourth", 3L, env.admin.searchLowerBoundaryOffset(mq, fourthAt - 200));
        Env.checkEquals("upper boundary between third and fourth", 2L, env.admin.searchUpperBoundaryOffset(mq, fourthAt - 200));
        Env.checkEquals("store time of the oldest", firstAt, env.admin.earliestMsgStoreTime(mq));
        var stats = env.admin.examineTopicStats(topic).getOffsetTable().get(mq);
        Env.checkEquals("minimum in the statistics", 0L, stats.getMinOffset());
        Env.checkEquals("maximum in the statistics", 6L, stats.getMaxOffset());
    }

    private static void query(Env env) throws Exception {
        String topic = env.topic(4);
        DefaultMQProducer producer = env.producer();
        long begin = System.currentTimeMillis() - 1000;
        for (int i = 0; i < 20; i++) {
            Message message = new Message(topic, "TagA", "key" + i + " shared" + i % 2, Env.bytes("query " + i));
            producer.send(message);
        }
        SendResult last = producer.send(new Message(topic, "TagB", "single", Env.bytes("last")));
        // The index is built behind the log.
        Env.await(10, "index of the last message", () -> count(env, topic, "single", begin) == 1);
        Env.checkEquals("messages with a key", 1, count(env, topic, "key7", begin));
        Env.checkEquals("messages with a shared key", 10, count(env, topic, "shared1", begin));
        QueryResult found = env.admin.queryMessage(topic, "key7", 32, begin, Long.MAX_VALUE);
        Env.checkEquals("body by key", "query 7", Env.text(found.getMessageList().get(0)));
        Env.check("time of the index", found.getIndexLastUpdateTimestamp() >= begin);
        Env.checkEquals("at most 3", 3, env.admin.queryMessage(topic, "shared1", 3, begin, Long.MAX_VALUE).getMessageList().size());
        Env.checkCode("unknown key", 208, () -> env.admin.queryMessage(topic, "nokey", 32, begin, Long.MAX_VALUE));
        Env.checkCode("before all messages", 208, () -> env.admin.queryMessage(topic, "key7", 32, 0, begin - 3_600_000));
        MessageExt byUnique = env.admin.viewMessage(topic, last.getMsgId());
        Env.checkEquals("body by unique key", "last", Env.text(byUnique));
        Env.checkEquals("one by unique key", 1,
            env.admin.queryMessageByUniqKey(Env.CLUSTER, topic, last.getMsgId(), 32, begin, Long.MAX_VALUE).getMessageList().size());
        MessageExt byOffset = env.admin.viewMessage(topic, last.getOffsetMsgId());
        Env.checkEquals("body by offset id", "last", Env.text(byOffset));
        Env.checkEquals("queue offset", last.getQueueOffset(), byOffset.getQueueOffset());
        Env.checkEquals("id", last.getMsgId(), byOffset.getMsgId());
    }

    private static int count(Env env, String topic, String key, long begin) throws Exception {
        try {
            return env.admin.queryMessage(topic, key, 32, begin, Long.MAX_VALUE).getMessageList().size();
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            return 0;
        }
    }

    private Lookups() {
    }
}
