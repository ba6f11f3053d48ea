package interop;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import java.io.File;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageExt;

/** What a golden store is expected to hold, and whether a broker on it shows that. */
final class Golden {
    /** A queue that is read record by record. */
    static final class Queue {
        final String topic;
        final int id;
        final long min;
        final long max;
        /** Queue offset -> how the digest of the record begins. */
        final Map<Long, String> records = new TreeMap<>();

        Queue(JSONObject json) {
            topic = json.getString("topic");
            id = json.getIntValue("queueId");
            min = json.containsKey("min") ? json.getLongValue("min") : json.getLongValue("minOffset");
            max = json.containsKey("max") ? json.getLongValue("max") : json.getLongValue("maxOffset");
        }

        @Override
        public String toString() {
            return topic + "/" + id;
        }
    }

    /** A topic whose queues are of type BatchCQ. */
    static final String BATCHES = "TopicInnerBatch";
    private static final long MARGIN_MS = 120_000;
    final List<Queue> queues = new ArrayList<>();
    /** Topic and key of delayed messages -> how many will be due soon or some day, by when that is. */
    final Map<String, List<Long>> delayed = new HashMap<>();
    private final JSONObject json;
    private final JSONObject offsets;
    private final long[] levels;
    /** Queues may begin earlier than in the reference, which forgets what it could have rebuilt. */
    private final boolean damaged;

    Golden(String expected, Properties conf) throws Exception {
        json = JSON.parseObject(Files.readString(new File(expected).toPath()));
        damaged = json.containsKey("entries");
        Map<String, Queue> byName = new HashMap<>();
        for (Object one : json.getJSONArray("queues")) {
            Queue queue = new Queue((JSONObject) one);
            // Which queue of a batch topic a damaged store shows is said in other terms there.
            if (!damaged || !queue.topic.equals(BATCHES)) {
                queues.add(queue);
                byName.put(queue.toString(), queue);
            }
        }
        for (Object one : json.containsKey("messages") ? json.getJSONArray("messages") : new JSONArray()) {
            JSONObject message = (JSONObject) one;
            Queue queue = byName.get(message.getString("topic") + "/" + message.getIntValue("queueId"));
            if (queue != null) {
                queue.records.put(offset(queue.topic, message), message.getString("recordSha256"));
            }
        }
        for (Object one : damaged ? json.getJSONArray("entries") : new JSONArray()) {
            String[] parts = ((String) one).split("\\|", -1);
            Queue queue = byName.get(parts[0] + "/" + parts[1]);
            if (queue != null) {
                queue.records.put(Long.parseLong(parts[2]), parts[parts.length - 1]);
            }
        }
        boolean light = "true".equals(conf.getProperty("enableLmq"));
        File table = new File(conf.getProperty("storePathRootDir"), "config/" + (light ? "lmqConsumerOffset.json" : "consumerOffset.json"));
        offsets = table.exists() ? JSON.parseObject(Files.readString(table.toPath())).getJSONObject("offsetTable") : new JSONObject();
        levels = levels("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h");
    }

    /** The expected file names a record of a light queue by its offset in its own queue. */
    private static long offset(String topic, JSONObject message) {
        if (!topic.startsWith("%LMQ%")) {
            return message.getLongValue("queueOffset");
        }
        JSONObject properties = message.getJSONObject("properties");
        List<String> names = List.of(properties.getString("INNER_MULTI_DISPATCH").split(","));
        return Long.parseLong(properties.getString("INNER_MULTI_QUEUE_OFFSET").split(",")[names.indexOf(topic)]);
    }

    private static long[] levels(String text) {
        return java.util.Arrays.stream(text.split(" ")).mapToLong(level -> {
            long number = Long.parseLong(level.substring(0, level.length() - 1));
            return number * (level.endsWith("s") ? 1000 : level.endsWith("m") ? 60_000 : 3_600_000);
        }).toArray();
    }

    static boolean isSystem(String topic) {
        return topic.equals("SCHEDULE_TOPIC_XXXX") || topic.startsWith("RMQ_SYS_") || topic.startsWith("rmq_sys_")
            || topic.equals("TRANS_CHECK_MAX_TIME_TOPIC");
    }

    /** A topic of a producer in the store. */
    Queue ordinary() {
        return queues.stream().filter(queue -> !isSystem(queue.topic) && !queue.topic.startsWith("%")).findFirst().orElseThrow();
    }

    /** Every old record at its place, byte by byte; what came behind them is handed back. */
    List<MessageExt> checkRecords(RawBroker broker) throws Exception {
        List<MessageExt> behind = new ArrayList<>();
        for (Queue queue : queues) {
            long min = broker.min(queue.topic, queue.id);
            Env.check("minimum of " + queue + ": " + min + ", expected " + queue.min, min == queue.min || damaged && min < queue.min);
            Env.await(10, "maximum of " + queue + " at least " + queue.max, () -> broker.max(queue.topic, queue.id) >= queue.max);
            Map<Long, String> found = new TreeMap<>();
            for (RawBroker.Stored stored : broker.read(queue.topic, queue.id)) {
                long offset = stored.offsetIn(queue.topic);
                if (offset >= queue.max) {
                    behind.addAll(stored.messages());
                } else if (offset >= queue.min) {
                    Env.check("record " + offset + " of " + queue + " twice", found.put(offset, stored.sha256()) == null);
                    noteDelayed(stored.message);
                }
            }
            Env.checkEquals("records of " + queue, queue.records.size(), found.size());
            queue.records.forEach((offset, digest) ->
                Env.check("record " + offset + " of " + queue + " is not that of the golden store", found.get(offset).startsWith(digest)));
        }
        return behind;
    }

    private void noteDelayed(MessageExt message) {
        String real = message.getProperty("REAL_TOPIC");
        boolean byLevel = message.getTopic().equals("SCHEDULE_TOPIC_XXXX");
        if (real == null || !byLevel && !message.getTopic().equals("rmq_sys_wheel_timer")) {
            return;
        }
        long due = byLevel ? message.getStoreTimestamp() + levels[message.getQueueId()] : Long.parseLong(message.getProperty("TIMER_OUT_MS"));
        delayed.computeIfAbsent(real + " " + message.getProperty("UNIQ_KEY"), key -> new ArrayList<>()).add(due);
    }

    /** Messages by key as the reference finds them; others with the same key may have come since. */
    void checkKeys(RawBroker broker) throws Exception {
        for (Object one : json.containsKey("byKey") ? json.getJSONArray("byKey") : new JSONArray()) {
            JSONObject query = (JSONObject) one;
            String topic = query.getString("topic");
            if (topic.equals(BATCHES)) {
                continue;
            }
            List<Long> wanted = query.getJSONArray("commitLogOffsets") == null ? null : query.getJSONArray("commitLogOffsets").toJavaList(Long.class);
            List<Long> found = new ArrayList<>();
            for (RawBroker.Stored stored : broker.byKey(topic, query.getString("key"), false)) {
                found.add(stored.message.getCommitLogOffset());
            }
            if (wanted != null && wanted.size() < 64) {
                Env.check("key " + query.getString("key") + " of " + topic + " finds " + found + ", expected " + wanted, found.containsAll(wanted));
            }
        }
        for (Object one : json.containsKey("messages") ? json.getJSONArray("messages").subList(0, 10) : new JSONArray()) {
            JSONObject message = (JSONObject) one;
            RawBroker.Stored stored = broker.at(message.getLongValue("commitLogOffset"));
            Env.checkEquals("record at " + message.getLongValue("commitLogOffset"), message.getString("recordSha256"), stored.sha256());
        }
    }

    void checkTimes(RawBroker broker) throws Exception {
        for (Object one : json.containsKey("byTime") ? json.getJSONArray("byTime") : new JSONArray()) {
            JSONObject query = (JSONObject) one;
            String topic = query.getString("topic");
            int id = query.getIntValue("queueId");
            Queue queue = queues.stream().filter(q -> q.topic.equals(topic) && q.id == id).findFirst().orElse(null);
            for (String boundary : List.of("lower", "upper")) {
                long wanted = query.getLongValue(boundary);
                // What comes behind the last old record moves the answers about later times.
                if (queue == null || queue.records.keySet().stream().allMatch(offset -> offset <= wanted)) {
                    continue;
                }
                long found = broker.atTime(topic, id, query.getLongValue("timestamp"), boundary.toUpperCase(java.util.Locale.ROOT));
                Env.checkEquals(boundary + " boundary of " + queue + " at " + query.getLongValue("timestamp"), wanted, found);
            }
        }
    }

    void checkOffsets(RawBroker broker) throws Exception {
        for (String name : offsets.keySet()) {
            String topic = name.substring(0, name.indexOf('@'));
            String group = name.substring(name.indexOf('@') + 1);
            if (group.startsWith("CID_RMQ_SYS_")) {
                continue;
            }
            JSONObject table = offsets.getJSONObject(name);
            for (String queue : table.keySet()) {
                Env.checkEquals("offset of " + group + " in " + topic + "/" + queue, table.getLong(queue),
                    (Long) broker.committed(group, topic, Integer.parseInt(queue)));
            }
        }
    }

    /**
     * Delayed messages of the store are delivered once and only when they are due. `behind` is what was stored since;
     * taken out of it is what is explained by that.
     */
    void checkDelayed(RawBroker broker, List<MessageExt> behind) throws Exception {
        long now = System.currentTimeMillis();
        Map<String, Integer> delivered = new HashMap<>();
        for (Queue queue : queues) {
            if (!isSystem(queue.topic) && !queue.topic.startsWith("%LMQ%")) {
                for (RawBroker.Stored stored : broker.read(queue.topic, queue.id)) {
                    if (stored.message.getProperty("REAL_TOPIC") != null && stored.message.getProperty("TRAN_MSG") == null) {
                        delivered.merge(queue.topic + " " + stored.message.getProperty("UNIQ_KEY"), 1, Integer::sum);
                    }
                }
            }
        }
        var taken = new java.util.HashSet<String>();
        for (Queue queue : queues) {
            if (queue.topic.equals("rmq_sys_wheel_timer")) {
                for (RawBroker.Stored stored : broker.read(queue.topic, queue.id)) {
                    String target = stored.message.getProperty("TIMER_DEL_UNIQKEY");
                    if (target != null) {
                        taken.add(target.replaceFirst("\\+", " "));
                    }
                }
            }
        }
        for (Map.Entry<String, List<Long>> one : delayed.entrySet()) {
            long sure = taken.contains(one.getKey()) ? 0 : one.getValue().stream().filter(due -> due < now - MARGIN_MS).count();
            long most = taken.contains(one.getKey()) ? 0 : one.getValue().stream().filter(due -> due < now + MARGIN_MS).count();
            int count = delivered.getOrDefault(one.getKey(), 0);
            Env.check("delayed message " + one.getKey() + " delivered " + count + " times, expected " + sure, count >= sure && count <= most);
        }
        behind.removeIf(message -> isSystem(message.getTopic()) || delayed.containsKey(message.getTopic() + " " + message.getProperty("UNIQ_KEY")));
    }
}
