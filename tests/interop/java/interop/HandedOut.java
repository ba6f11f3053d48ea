package interop;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;

/**
 * Messages a master of the reference has handed out by POP when it dies. Those nobody acknowledged come again, from its acting slave
 * or from the other master its check points went to; the others do not.
 */
final class HandedOut {
    private static final String GROUP = "POP-G";

    private final Env env;
    private final String other;
    private final String topic;
    private final String retry;
    /** Body by queue offset. */
    private final Map<Long, String> handed = new LinkedHashMap<>();

    HandedOut(Env env, String other) throws Exception {
        this.env = env;
        this.other = other;
        this.topic = env.topic("T-popped", 1);
        this.retry = "%RETRY%" + GROUP + "_" + topic;
        env.admin.createAndUpdateTopicConfig(other, new TopicConfig(topic, 1, 1));
        var group = new org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig();
        group.setGroupName(GROUP);
        env.admin.createAndUpdateSubscriptionGroupConfig(env.broker, group);
    }

    /** Whether the slave has the tables that are needed. */
    boolean isKnownAt(String slave) throws Exception {
        return env.admin.getAllTopicConfig(slave, 3000).getTopicConfigTable().containsKey(topic)
            && env.admin.getAllSubscriptionGroup(slave, 3000).getSubscriptionGroupTable().containsKey(GROUP);
    }

    /** Six messages: four have to be acknowledged long after the master is gone, two right then; one of each is. */
    void handOut(DefaultMQProducer producer) throws Exception {
        for (int i = 0; i < 6; i++) {
            producer.send(new Message(topic, Env.bytes("popped" + i)), new MessageQueue(topic, Env.BROKER_NAME, 0));
        }
        try (RawBroker master = new RawBroker(env.broker)) {
            Env.checkEquals("handed out for long", 4, pop(master, 4, 25000).size());
            Map<Long, String> soon = pop(master, 2, 4000);
            Env.checkEquals("handed out for a short time", 2, soon.size());
        }
    }

    private Map<Long, String> pop(RawBroker master, int count, long invisible) throws Exception {
        RemotingCommand reply = master.call(RequestCode.POP_MESSAGE, "consumerGroup", GROUP, "topic", topic, "queueId", 0, "maxMsgNums", count,
            "invisibleTime", invisible, "pollTime", 0, "bornTime", System.currentTimeMillis(), "initMode", 0, "order", false);
        Env.checkEquals("code of a pop", 0, reply.getCode());
        Map<String, String> head = reply.getExtFields();
        String start = head.get("startOffsetInfo").split(" ")[2];
        Map<Long, String> found = new LinkedHashMap<>();
        for (RawBroker.Stored one : RawBroker.split(reply.getBody())) {
            found.put(one.message.getQueueOffset(), Env.text(one.message));
        }
        long acked = found.keySet().iterator().next();
        String receipt = String.join(" ", start, head.get("popTime"), head.get("invisibleTime"), head.get("reviveQid"), "0", Env.BROKER_NAME, "0",
            Long.toString(acked));
        RemotingCommand ack = master.call(RequestCode.ACK_MESSAGE, "consumerGroup", GROUP, "topic", topic, "queueId", 0, "extraInfo", receipt,
            "offset", acked);
        Env.checkEquals("code of an acknowledgement", 0, ack.getCode());
        found.forEach((offset, body) -> {
            if (offset != acked) {
                handed.put(offset, body);
            }
        });
        return found;
    }

    /** At the other master, once each, nothing else. */
    void areRevived() throws Exception {
        List<String> wanted = new ArrayList<>(handed.values());
        wanted.sort(null);
        List<String> found = new ArrayList<>();
        Env.await(90, "handed-out messages in " + retry + ": " + wanted, () -> {
            found.clear();
            try (RawBroker broker = new RawBroker(other)) {
                for (RawBroker.Stored one : broker.read(retry, 0)) {
                    Env.checkEquals("times consumed", 1, one.message.getReconsumeTimes());
                    found.add(Env.text(one.message));
                }
            } catch (AssertionError | Exception notYet) {
                return false;
            }
            found.sort(null);
            return found.size() >= wanted.size();
        });
        Env.checkEquals("revived", wanted, found);
    }
}
