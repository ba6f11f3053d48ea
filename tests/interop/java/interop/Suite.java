package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Runs many scenarios against one pair of servers. Arguments: nameserver address, broker address, names.
 * Talks to the shell in lines that begin with @ (see run_suite in lib.sh); everything else goes to stderr.
 */
public final class Suite {
    interface Body {
        void run(Env env) throws Exception;
    }

    /** How a scenario may overlap with others. */
    enum Lane {
        /** One after the other, on the main lane. */
        MAIN,
        /** Mostly waits: has a thread of its own beside the main lane. */
        SLOW,
        /** Stops servers or captures the process's stdout: after all others, one after the other. */
        ALONE
    }

    private static final class Scenario {
        final String set;
        final Lane lane;
        final int limitSeconds;
        final Body body;

        Scenario(String set, Lane lane, int limitSeconds, Body body) {
            this.set = set;
            this.lane = lane;
            this.limitSeconds = limitSeconds;
            this.body = body;
        }
    }

    static final class Skipped extends RuntimeException {
        Skipped(String why) {
            super(why);
        }
    }

    private static final Map<String, Scenario> ALL = new LinkedHashMap<>();
    private static final PrintStream REPORT = System.out;
    private static BufferedReader answers;

    static void add(String name, Lane lane, int limitSeconds, Body body) {
        add("core", name, lane, limitSeconds, body);
    }

    static void add(String set, String name, Lane lane, int limitSeconds, Body body) {
        if (ALL.put(name, new Scenario(set, lane, limitSeconds, body)) != null) {
            throw new IllegalStateException("two scenarios " + name);
        }
    }

    public static void main(String[] args) throws Exception {
        Sending.register();
        Waiting.register();
        Consuming.register();
        Retrying.register();
        Lookups.register();
        AdminTools.register();
        Restarts.register();
        GoldenHandover.register();
        Containers.register();
        Recorded.register();
        ActingMaster.register();
        if (args.length == 1 && args[0].equals("--list")) {
            ALL.forEach((name, scenario) -> REPORT.println(scenario.set + " " + name));
            return;
        }
        System.setOut(System.err);
        answers = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Env env = new Env(args[0], args[1]);
        Set<String> wanted = new LinkedHashSet<>(Arrays.asList(args).subList(2, args.length));
        env.awaitBroker();
        List<Thread> slow = new ArrayList<>();
        for (String name : wanted) {
            if (ALL.get(name).lane == Lane.SLOW) {
                Thread thread = new Thread(() -> supervise(name, env), "lane-" + name);
                thread.start();
                slow.add(thread);
            }
        }
        for (String name : wanted) {
            if (ALL.get(name).lane == Lane.MAIN) {
                supervise(name, env);
            }
        }
        for (Thread thread : slow) {
            thread.join();
        }
        for (String name : wanted) {
            if (ALL.get(name).lane == Lane.ALONE) {
                supervise(name, env);
            }
        }
        env.close();
        // Threads of a scenario that hangs, or of a client nobody closed, must not keep the process alive.
        System.exit(0);
    }

    private static void supervise(String name, Env env) {
        Scenario scenario = ALL.get(name);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        long start = System.nanoTime();
        Thread thread = new Thread(() -> {
            try (Env own = env.child(name)) {
                scenario.body.run(own);
            } catch (Throwable e) {
                failure.set(e);
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
        try {
            thread.join(scenario.limitSeconds * 1000L);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Throwable error = failure.get();
        if (thread.isAlive()) {
            error = new AssertionError("not finished after " + scenario.limitSeconds + " s, was at");
            error.setStackTrace(thread.getStackTrace());
            thread.interrupt();
        }
        String seconds = String.format(Locale.ROOT, "%.1f", (System.nanoTime() - start) / 1e9);
        synchronized (REPORT) {
            if (error == null) {
                REPORT.println("@ok " + name + " " + seconds);
            } else if (error instanceof Skipped) {
                REPORT.println("@skip " + name + " " + error.getMessage());
            } else {
                REPORT.println("@failed " + name + " " + seconds);
                describe(error);
            }
            REPORT.flush();
        }
    }

    private static void describe(Throwable error) {
        for (Throwable e = error; e != null; e = e.getCause()) {
            String head = (e == error ? "" : "caused by ") + (e.getClass() == AssertionError.class ? "" : e.getClass().getName() + ": ");
            for (String line : (head + e.getMessage()).split("\n")) {
                REPORT.println("@| " + line);
            }
        }
        int shown = 0;
        for (StackTraceElement frame : error.getStackTrace()) {
            if (frame.getClassName().startsWith("interop.") && !frame.getMethodName().startsWith("check") && shown++ < 4) {
                REPORT.println("@|   at " + frame);
            }
        }
    }

    /** Asks the shell to do something to the servers and waits for it. */
    static void control(String request) throws IOException {
        synchronized (REPORT) {
            REPORT.println("@control " + request);
            REPORT.flush();
        }
        String answer = answers.readLine();
        if (!"done".equals(answer)) {
            throw new AssertionError(request + ": " + answer);
        }
    }

    private Suite() {
    }
}
