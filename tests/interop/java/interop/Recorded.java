package interop;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONArray;
import com.alibaba.fastjson2.JSONObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The life of two crosswise containers as it was captured from the reference (captures {@code 2m2s-*}): every command prints, line by
 * line, what it printed then, but for measured numbers and times.
 */
final class Recorded {
    private static final String RECORDED_TOPIC = "TopicX";

    private final Containers tool;
    /** Another one for each tool: both live in the same containers. */
    private final String topic;
    /** Our address: the one in the captures. */
    private final Map<String, String> addresses = new LinkedHashMap<>();

    private Recorded(Containers tool, String topic) throws Exception {
        this.tool = tool;
        this.topic = topic;
        String[][] known = {{"broker-a", "21430"}, {"broker-a-slave", "21450"}, {"broker-b", "21460"}, {"broker-b-slave", "21440"}};
        for (String[] one : known) {
            String address = Containers.place(one[0]);
            int port = Integer.parseInt(one[1]);
            addresses.put(address, "127.0.0.1:" + port);
            addresses.put("127.0.0.1:" + (Integer.parseInt(address.split(":")[1]) + 1), "127.0.0.1:" + (port + 1));
        }
    }

    static void register() {
        for (boolean ours : new boolean[] {false, true}) {
            String name = "container-recorded:" + (ours ? "ours" : "java");
            Suite.add("recorded", name, Suite.Lane.ALONE, 200, env -> new Recorded(new Containers(env, ours), ours ? "TopicO" : "TopicJ").live());
        }
    }

    private void live() throws Exception {
        lines("updateTopic", Recorded::created, "updateTopic", "-c", "DefaultCluster", "-t", topic, "-r", "2", "-w", "2");
        route("topicRoute");
        for (String broker : List.of("broker-a", "broker-b")) {
            tool.eventually("#InSyncSlaveNum\t1", "haStatus", "-b", Containers.place(broker));
        }
        lines("haStatus", Recorded::masked, "haStatus", "-b", Containers.place("broker-a"));
        lines("haStatus-slave", Recorded::masked, "haStatus", "-b", Containers.place("broker-a-slave"));
        sends("m1");
        sends("m2");

        Suite.control("stop-container 1 KILL");
        route("topicRoute-after-kill");
        lines("clusterList-after-kill", Recorded::rows, "clusterList");
        lines("brokerStatus-acting", Recorded::masked, "brokerStatus", "-b", Containers.place("broker-a-slave"));

        Suite.control("start-container 1");
        route("topicRoute-after-restart");
        sends("m3");
        lines("topicStatus", Recorded::dated, "topicStatus", "-t", topic);
    }

    /** The captures have time-outs for the first message: the reference waited for a slave that was not there yet. */
    private void sends(String body) throws Exception {
        for (String broker : List.of("broker-a", "broker-b")) {
            String capture = "send-" + broker.substring(broker.length() - 1) + (body.equals("m1") ? "2" : body.substring(1));
            lines(capture, Recorded::sent, "sendMessage", "-t", topic, "-p", body, "-b", broker, "-i", "0");
        }
    }

    // ------------------------------------------------------------ what is compared

    private interface Form {
        List<String> of(String text);
    }

    private static List<String> split(String text) {
        return text.lines().map(String::stripTrailing).filter(line -> !line.isEmpty()).collect(Collectors.toList());
    }

    /** Lines by name of the broker: the order is that of a hash table. Another broker of the captures' cluster is left out. */
    private static List<String> created(String text) {
        return split(text).stream().filter(line -> !line.contains(":21485")).sorted().collect(Collectors.toList());
    }

    /** Without measured numbers; the port of the slave's own connection, and the root of its store, are other ones each time. */
    private static List<String> masked(String text) {
        String same = text.replaceAll("(?m)^127\\.0\\.0\\.1:\\d+ .* OK ", "SLAVE OK ").replaceAll("DiskRatio_\\S+: ", "DiskRatio_PATH: ")
            .replaceAll("[KMGT]iB|\\d B\\b", "UNIT").replaceAll("\\d{4}-\\d\\d-\\d\\d [0-9:,]+", "TIME");
        return split(same).stream().map(line -> line.contains("MasterAddr") || line.contains("brokerVersion") ? line : numbers(line))
            .collect(Collectors.toList());
    }

    private static String numbers(String line) {
        return line.replaceAll("(?<![\\w.~\\[<])\\d+(\\.\\d+)?(E-?\\d+)?(?![\\w~])", "N").replaceAll("\\s+", " ");
    }

    /** A cluster's table; measured are all numbers with a fraction, and times. */
    private static List<String> rows(String text) {
        return split(text).stream().filter(line -> line.startsWith("#") || line.startsWith("DefaultCluster"))
            .map(line -> line.replaceAll("(?<![.\\d])\\d+\\.\\d+(?![.\\d])", "N").replaceAll("\\s+", " ")).collect(Collectors.toList());
    }

    private static List<String> sent(String text) {
        return split(text).stream().map(line -> line.replaceAll("[0-9A-F]{32,56}", "ID")).collect(Collectors.toList());
    }

    private static List<String> dated(String text) {
        return split(text).stream().map(line -> line.replaceAll("\\d{4}-\\d\\d-\\d\\d [0-9:,]+", "TIME").replaceAll("TPS: .*", "TPS: N"))
            .collect(Collectors.toList());
    }

    /** A route with its brokers in the order of their names. */
    private static List<String> json(String text) {
        JSONObject route = JSON.parseObject(text);
        List<String> parts = new ArrayList<>();
        for (String table : List.of("brokerDatas", "queueDatas")) {
            JSONArray all = route.getJSONArray(table);
            List<JSONObject> brokers = new ArrayList<>();
            for (int i = 0; i < all.size(); i++) {
                if (!all.getJSONObject(i).getString("brokerName").equals("broker-e")) {
                    brokers.add(all.getJSONObject(i));
                }
            }
            brokers.sort(Comparator.comparing(broker -> broker.getString("brokerName")));
            brokers.forEach(broker -> parts.add(new TreeMap<>(broker).toString()));
        }
        route.remove("brokerDatas");
        route.remove("queueDatas");
        parts.add(route.toString());
        return parts;
    }

    // ------------------------------------------------------------ comparing

    private void route(String capture) throws Exception {
        lines(capture, Recorded::json, "topicRoute", "-t", topic);
    }

    /** What the captured run printed, without its command line and exit status. */
    private static String captured(String name) throws Exception {
        String text = Files.readString(Path.of(System.getProperty("interop.captures"), "2m2s-" + name + ".txt"));
        String out = text.substring(text.indexOf('\n') + 1).split("--- stderr", 2)[0];
        return out.replaceAll("(?m)^exit=\\d+\\R?", "");
    }

    private void lines(String capture, Form form, String... words) throws Exception {
        List<String> wanted = form.of(captured(capture));
        List<String> got = new ArrayList<>();
        try {
            // The cluster needs its time for what a capture shows.
            Env.await(60, capture, () -> {
                String text = tool.run(words);
                for (Map.Entry<String, String> one : addresses.entrySet()) {
                    text = text.replace(one.getKey(), one.getValue());
                }
                text = text.replace(topic, RECORDED_TOPIC);
                got.clear();
                got.addAll(form.of(text));
                return got.equals(wanted);
            });
        } catch (AssertionError late) {
            throw new AssertionError(String.join(" ", words) + " prints\n" + String.join("\n", got) + "\ninstead of\n" + String.join("\n", wanted));
        }
    }
}
