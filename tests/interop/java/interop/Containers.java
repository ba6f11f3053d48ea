package interop;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Two containers crosswise: ours has the master of broker-a and the slave of broker-b, Java's the others. Every command is given by
 * the reference's mqadmin and by ours, and says what the captures of the reference's own containers say.
 */
final class Containers {
    /** One for all: a slave copies a new topic within 10 s. */
    private static final String TOPIC = "Crosswise";

    private final Env env;
    private final boolean ours;
    /** What {@code start_containers} in lib.sh wrote down: addresses, by name. */
    private static final java.util.Properties PLACES = new java.util.Properties();

    Containers(Env env, boolean ours) {
        this.env = env;
        this.ours = ours;
    }

    static void register() {
        for (boolean ours : new boolean[] {false, true}) {
            String who = ours ? "ours" : "java";
            Suite.add("container", "container-requests:" + who, Suite.Lane.ALONE, 120, env -> new Containers(env, ours).requests());
            Suite.add("container", "container-crosswise:" + who, Suite.Lane.ALONE, 120, env -> new Containers(env, ours).whole());
        }
        Suite.add("container", "container-ours-is-lost", Suite.Lane.ALONE, 260, env -> lost(env, "1", "broker-a", "broker-b"));
        Suite.add("container", "container-java-is-lost", Suite.Lane.ALONE, 180, env -> lost(env, "2", "broker-b", "broker-a"));
    }

    static String place(String name) throws Exception {
        if (PLACES.isEmpty()) {
            try (var in = Files.newBufferedReader(Path.of(System.getProperty("interop.places")))) {
                PLACES.load(in);
            }
        }
        String place = PLACES.getProperty(name);
        Env.check("a place is named " + name, place != null);
        return place;
    }

    // ------------------------------------------------------------ running commands

    private static final class Fresh extends MQAdminStartup {
        static void commands() {
            SUB_COMMANDS.clear();
        }
    }

    /** Everything a command prints, on stdout and stderr. */
    String run(String... words) throws Exception {
        if (ours && System.getProperty("interop.mqadmin", "").isEmpty()) {
            throw new Suite.Skipped("no path of our mqadmin given (--mqadmin FILE)");
        }
        List<String> line = new ArrayList<>(Arrays.asList(words));
        line.add(1, "-n");
        line.add(2, env.namesrv);
        if (ours) {
            line.add(0, System.getProperty("interop.mqadmin"));
            File out = File.createTempFile("mqadmin", ".out");
            try {
                Process process = new ProcessBuilder(line).redirectErrorStream(true).redirectOutput(out).start();
                process.getOutputStream().close();
                Env.check("it ends: " + line, process.waitFor(30, TimeUnit.SECONDS));
                return Files.readString(out.toPath());
            } finally {
                Files.delete(out.toPath());
            }
        }
        synchronized (MQAdminStartup.class) {
            PrintStream outBefore = System.out;
            PrintStream errBefore = System.err;
            ByteArrayOutputStream caught = new ByteArrayOutputStream();
            PrintStream both = new PrintStream(caught, true, StandardCharsets.UTF_8);
            System.setOut(both);
            System.setErr(both);
            try {
                Fresh.commands();
                MQAdminStartup.main0(line.toArray(new String[0]), null);
            } finally {
                both.flush();
                System.setOut(outBefore);
                System.setErr(errBefore);
            }
            return caught.toString(StandardCharsets.UTF_8);
        }
    }

    /** What the command printed has this text somewhere. */
    private String says(String wanted, String... words) throws Exception {
        String text = run(words);
        if (!text.contains(wanted)) {
            throw new AssertionError(String.join(" ", words) + ": no <" + wanted + ">; it printed\n" + text);
        }
        return text;
    }

    void eventually(String wanted, String... words) throws Exception {
        String[] last = {""};
        try {
            Env.await(60, wanted, () -> (last[0] = run(words)).contains(wanted));
        } catch (AssertionError e) {
            throw new AssertionError(String.join(" ", words) + ": no <" + wanted + ">; it printed\n" + last[0]);
        }
    }

    // ------------------------------------------------------------ what a container answers

    private void requests() throws Exception {
        String container = place("container1");
        String confs = place("confs");
        String added = "add broker to " + container + " success";
        says(added, "addBroker", "-c", container, "-b", confs + "/e1.conf");
        String[][] refused = {
            {"e1", "DefaultCluster_broker-e_0 has already been added to current broker container"},
            {"e2same-port", "Failed to initialize master broker DefaultCluster_broker-e2_0"},
            {"e3same-store", "start broker failed, "},
            {"e4dup", "Can not add broker to container when duplicationEnable is true currently"},
            {"e5slave0", "slave broker id must be > 0"},
            {"e6repl", "invalid replicas number"},
            {"e7ctl", "add broker return null"},
            {"nofile", "addBroker properties empty"},
        };
        for (String[] one : refused) {
            says("CODE: 1  DESC: " + one[1], "addBroker", "-c", container, "-b", confs + "/" + one[0] + ".conf");
        }
        says(added, "addBroker", "-c", container, "-b", confs + "/e8slave.conf");
        for (String broker : List.of("broker-e", "broker-e-slave")) {
            Env.await(30, "row of " + broker, () -> run("clusterList").contains(place(broker)));
        }
        String config = says("============" + container + "============", "getBrokerConfig", "-b", container);
        keys("container-getBrokerConfig", config);
        says("update broker config success, " + container, "updateBrokerConfig", "-b", container, "-k", "fetchNamesrvAddrInterval", "-v", "20000");
        Env.check("the change is shown", keyed(run("getBrokerConfig", "-b", container), "fetchNamesrvAddrInterval").equals("20000"));
        says("CODE: 16  DESC: Can not update config in black list. BROKER: " + container,
            "updateBrokerConfig", "-b", container, "-k", "brokerConfigPaths", "-v", "/x");
        String inner = run("getBrokerConfig", "-b", place("broker-e"));
        keys("container-inner-getBrokerConfig", inner);
        Env.checkEquals("isInBrokerContainer", "true", keyed(inner, "isInBrokerContainer"));
        says("brokerId can't be negative", "removeBroker", "-c", container, "-b", "DefaultCluster:broker-e:-1");
        says("CODE: 211  DESC: Broker not exist", "removeBroker", "-c", container, "-b", "DefaultCluster:nobroker:0");
        String removed = "remove broker from " + container + " success";
        says(removed, "removeBroker", "-c", container, "-b", "DefaultCluster:broker-e:1");
        says(removed, "removeBroker", "-c", container, "-b", "DefaultCluster:broker-e:0");
        Env.check("it has unregistered first", !run("clusterList").contains("broker-e "));
    }

    private static String keyed(String text, String key) {
        Matcher found = Pattern.compile("(?m)^" + key + " +=  (.*)$").matcher(text);
        return found.find() ? found.group(1).trim() : "";
    }

    /** Every key of the reference's capture is there; further ones come from the files. */
    private static void keys(String capture, String text) throws Exception {
        Pattern row = Pattern.compile("(?m)^(\\w+) +=  ");
        TreeSet<String> missing = new TreeSet<>();
        Matcher wanted = row.matcher(Files.readString(Path.of(System.getProperty("interop.captures"), capture + ".txt")));
        while (wanted.find()) {
            missing.add(wanted.group(1));
        }
        Env.check(capture + " has keys", missing.size() > 30);
        Matcher found = row.matcher(text);
        while (found.find()) {
            missing.remove(found.group(1));
        }
        // Those were in the files of the capture, and nobody knows them.
        missing.removeAll(List.of("someUnknownKey", "myOwnKey"));
        Env.check(capture + ": not shown: " + missing, missing.isEmpty());
    }

    // ------------------------------------------------------------ crosswise

    private static String data(String broker, String addresses) {
        return "\"brokerAddrs\":{" + addresses + "\n\t\t\t},\n\t\t\t\"brokerName\":\"" + broker + "\",\n\t\t\t\"cluster\":\"DefaultCluster\",\n\t\t\t\"enableActingMaster\":true";
    }

    private String both(String broker) throws Exception {
        return data(broker, "0:\"" + place(broker) + "\",1:\"" + place(broker + "-slave") + "\"");
    }

    private static String queue(String broker, int perm) {
        return "\"brokerName\":\"" + broker + "\",\n\t\t\t\"perm\":" + perm + ",";
    }

    /** The route of a topic, where everything has its place. */
    private void isWhole(String topic) throws Exception {
        for (String broker : List.of("broker-a", "broker-b")) {
            eventually(both(broker), "topicRoute", "-t", topic);
            eventually(queue(broker, 6), "topicRoute", "-t", topic);
        }
    }

    private void write(String topic, String broker, int queue, String body) throws Exception {
        Env.await(40, "sending to " + broker, () -> {
            String text = run("sendMessage", "-t", topic, "-p", body, "-b", broker, "-i", Integer.toString(queue));
            return text.contains("SEND_OK") && text.contains(broker);
        });
    }

    private void whole() throws Exception {
        String topic = TOPIC;
        String created = says("create topic to " + place("broker-a") + " success.", "updateTopic", "-c", "DefaultCluster", "-t", topic, "-r", "2", "-w", "2");
        Env.check("both masters have it", created.contains("create topic to " + place("broker-b") + " success."));
        Env.check("its settings are printed", created.contains("TopicConfig [topicName=" + topic + ", readQueueNums=2, writeQueueNums=2, perm=RW-, "
            + "topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false, attributes={}]"));
        isWhole(topic);
        for (String broker : List.of("broker-a", "broker-b")) {
            eventually("#InSyncSlaveNum\t1", "haStatus", "-b", place(broker));
            says("#MasterAddr\t", "haStatus", "-b", place(broker + "-slave"));
            write(topic, broker, 0, "m1");
            eventually("#SlaveNum\t1", "haStatus", "-b", place(broker));
        }
        String status = run("topicStatus", "-t", topic);
        for (String broker : List.of("broker-a", "broker-b")) {
            Pattern row = Pattern.compile("(?m)^" + broker + " +0 +0 +[1-9][0-9]* +\\d{4}-");
            Env.check("topicStatus has " + broker + ":\n" + status, row.matcher(status).find());
        }
    }

    /** A container dies, and comes back if it is to: its master's slave is shown as its master, and read from; the other master is written to. */
    private static void lost(Env env, String container, String gone, String left) throws Exception {
        Containers tool = new Containers(env, false);
        String topic = TOPIC;
        tool.says("success.", "updateTopic", "-c", "DefaultCluster", "-t", topic, "-r", "2", "-w", "2");
        tool.isWhole(topic);
        tool.write(topic, gone, 1, "kept");
        // A slave of ours learns of a new topic within 10 s; one of the reference begins to copy a minute after its start.
        String slave = place(gone + "-slave");
        Env.await(100, "the slave has topic and message", () -> {
            try {
                var stats = env.admin.examineTopicStats(slave, topic).getOffsetTable();
                return stats.entrySet().stream().anyMatch(one -> one.getKey().getQueueId() == 1 && one.getValue().getMaxOffset() > 0);
            } catch (Exception e) {
                return false;
            }
        });
        Suite.control("stop-container " + container + " KILL");
        tool.eventually(data(gone, "0:\"" + slave + "\""), "topicRoute", "-t", topic);
        tool.eventually(queue(gone, 4), "topicRoute", "-t", topic);
        tool.eventually(queue(left, 6), "topicRoute", "-t", topic);
        tool.eventually("BODY: kept", "consumeMessage", "-t", topic, "-b", gone, "-i", "1", "-o", "0", "-c", "1");
        tool.write(topic, left, 0, "goes on");
        String row = tool.run("clusterList");
        Pattern acting = Pattern.compile("(?m)^DefaultCluster +" + gone + " +1 +" + slave + " +V5_3_3 .* true *$");
        Env.check("the acting slave is listed with its id:\n" + row, acting.matcher(row).find());
        Suite.control("start-container " + container);
        tool.isWhole(topic);
        tool.write(topic, gone, 1, "after");
        tool.eventually("BODY: kept", "consumeMessage", "-t", topic, "-b", gone, "-i", "1", "-o", "0", "-c", "1");
    }
}
