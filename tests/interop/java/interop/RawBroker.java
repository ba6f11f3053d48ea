package interop;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyRemotingClient;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.header.GetConsumerListByGroupResponseBody;

/** One broker by its plain requests: records as they are on its disk, of any topic, which no client gives. */
final class RawBroker implements AutoCloseable {
    /** A record with the place it was read from. */
    static final class Stored {
        final byte[] bytes;
        final MessageExt message;

        private Stored(byte[] bytes) throws Exception {
            this.bytes = bytes;
            this.message = MessageDecoder.decode(ByteBuffer.wrap(bytes), true, false);
        }

        /** Its offset in a queue; that of a light queue stands in a list. */
        long offsetIn(String topic) {
            String names = message.getProperty(MessageConst.PROPERTY_INNER_MULTI_DISPATCH);
            String offsets = message.getProperty(MessageConst.PROPERTY_INNER_MULTI_QUEUE_OFFSET);
            if (!topic.startsWith("%LMQ%") || names == null || offsets == null) {
                return message.getQueueOffset();
            }
            int place = Arrays.asList(names.split(",")).indexOf(topic);
            Env.check(topic + " is not in " + names, place >= 0);
            return Long.parseLong(offsets.split(",")[place]);
        }

        /** The messages of a batch, or the one. */
        List<MessageExt> messages() throws Exception {
            if ((message.getSysFlag() & MessageSysFlag.INNER_BATCH_FLAG) == 0) {
                return List.of(message);
            }
            List<MessageExt> all = new ArrayList<>();
            MessageDecoder.decodeMessage(message, all);
            return all;
        }

        String sha256() throws Exception {
            StringBuilder text = new StringBuilder();
            for (byte one : MessageDigest.getInstance("SHA-256").digest(bytes)) {
                text.append(String.format("%02x", one));
            }
            return text.toString();
        }
    }

    private final NettyRemotingClient client = new NettyRemotingClient(new NettyClientConfig());
    private final String address;

    RawBroker(String address) {
        this.address = address;
        client.start();
    }

    @Override
    public void close() {
        client.shutdown();
    }

    /** Extension fields are pairs of name and value. */
    RemotingCommand call(int code, Object... fields) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        for (int i = 0; i < fields.length; i += 2) {
            request.addExtField((String) fields[i], String.valueOf(fields[i + 1]));
        }
        return client.invokeSync(address, request, 5000);
    }

    private long number(int code, String topic, int queue, Object... more) throws Exception {
        Object[] fields = new Object[4 + more.length];
        fields[0] = "topic";
        fields[1] = topic;
        fields[2] = "queueId";
        fields[3] = queue;
        System.arraycopy(more, 0, fields, 4, more.length);
        RemotingCommand reply = call(code, fields);
        Env.check("request " + code + " about " + topic + "/" + queue + ": " + reply.getCode() + " " + reply.getRemark(), reply.getCode() == 0);
        return Long.parseLong(reply.getExtFields().get("offset"));
    }

    long min(String topic, int queue) throws Exception {
        return number(RequestCode.GET_MIN_OFFSET, topic, queue);
    }

    long max(String topic, int queue) throws Exception {
        return number(RequestCode.GET_MAX_OFFSET, topic, queue);
    }

    long atTime(String topic, int queue, long time, String boundary) throws Exception {
        return number(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, topic, queue, "timestamp", time, "boundaryType", boundary);
    }

    /** The offset a group has; -1 when the broker knows none. */
    long committed(String group, String topic, int queue) throws Exception {
        RemotingCommand reply = call(RequestCode.QUERY_CONSUMER_OFFSET, "consumerGroup", group, "topic", topic, "queueId", queue,
            "setZeroIfNotFound", false);
        return reply.getCode() == 0 ? Long.parseLong(reply.getExtFields().get("offset")) : -1;
    }

    void commit(String group, String topic, int queue, long offset) throws Exception {
        RemotingCommand reply = call(RequestCode.UPDATE_CONSUMER_OFFSET, "consumerGroup", group, "topic", topic, "queueId", queue,
            "commitOffset", offset);
        Env.checkEquals("code of a commit", 0, reply.getCode());
    }

    /** How many members of a group are there. */
    int consumers(String group) throws Exception {
        RemotingCommand reply = call(RequestCode.GET_CONSUMER_LIST_BY_GROUP, "consumerGroup", group);
        return reply.getCode() == 0 ? GetConsumerListByGroupResponseBody.decode(reply.getBody(), GetConsumerListByGroupResponseBody.class)
            .getConsumerIdList().size() : 0;
    }

    private RemotingCommand pulled(String topic, int queue, long offset, String filter, String type) throws Exception {
        return call(RequestCode.PULL_MESSAGE, "consumerGroup", "RAW-READER", "topic", topic, "queueId", queue,
            "queueOffset", offset, "maxMsgNums", 32, "sysFlag", 4, "commitOffset", 0, "suspendTimeoutMillis", 0,
            "subscription", filter, "subVersion", 0, "expressionType", type);
    }

    /** What one pull finds; it must find something. */
    List<Stored> pull(String topic, int queue, long offset, String filter, String type) throws Exception {
        RemotingCommand reply = pulled(topic, queue, offset, filter, type);
        Env.check("pull at " + offset + " of " + topic + "/" + queue + ": " + reply.getCode() + " " + reply.getRemark(),
            reply.getCode() == 0);
        return split(reply.getBody());
    }

    /** All records of a queue. */
    List<Stored> read(String topic, int queue) throws Exception {
        return read(topic, queue, "*", "TAG");
    }

    /** All records of a queue that match a filter of the broker's. */
    List<Stored> read(String topic, int queue, String filter, String type) throws Exception {
        List<Stored> all = new ArrayList<>();
        long max = max(topic, queue);
        for (long offset = min(topic, queue); offset < max;) {
            RemotingCommand reply = pulled(topic, queue, offset, filter, type);
            // Nothing that matches, or nothing up to where the broker looked.
            boolean none = !filter.equals("*")
                && (reply.getCode() == ResponseCode.PULL_RETRY_IMMEDIATELY || reply.getCode() == ResponseCode.PULL_NOT_FOUND);
            Env.check("pull at " + offset + " of " + topic + "/" + queue + " with maximum " + max + ": " + reply.getCode() + " "
                + reply.getRemark(), none || reply.getCode() == 0);
            if (!none) {
                all.addAll(split(reply.getBody()));
            }
            long next = Long.parseLong(reply.getExtFields().get("nextBeginOffset"));
            Env.check("offset after a pull at " + offset + " of " + topic + "/" + queue + ": " + next, next > offset);
            offset = next;
        }
        return all;
    }

    /**
     * The records with a key; empty when there are none. After a kill the reference takes the record at which its last full index
     * file ends into the next file as well, and finds it twice.
     */
    List<Stored> byKey(String topic, String key, boolean unique) throws Exception {
        RemotingCommand reply = call(RequestCode.QUERY_MESSAGE, "topic", topic, "key", key, "maxNum", 64, "beginTimestamp", 0,
            "endTimestamp", Long.MAX_VALUE, "_UNIQUE_KEY_QUERY", unique);
        Map<Long, Stored> found = new LinkedHashMap<>();
        for (Stored stored : reply.getCode() == 0 ? split(reply.getBody()) : List.<Stored>of()) {
            found.putIfAbsent(stored.message.getCommitLogOffset(), stored);
        }
        return List.copyOf(found.values());
    }

    Stored at(long physicalOffset) throws Exception {
        RemotingCommand reply = call(RequestCode.VIEW_MESSAGE_BY_ID, "offset", physicalOffset);
        Env.check("record at " + physicalOffset + ": " + reply.getCode() + " " + reply.getRemark(), reply.getCode() == 0);
        return new Stored(reply.getBody());
    }

    static List<Stored> split(byte[] body) throws Exception {
        List<Stored> all = new ArrayList<>();
        ByteBuffer buffer = ByteBuffer.wrap(body);
        while (buffer.hasRemaining()) {
            byte[] record = new byte[buffer.getInt(buffer.position())];
            buffer.get(record);
            all.add(new Stored(record));
        }
        return all;
    }
}
