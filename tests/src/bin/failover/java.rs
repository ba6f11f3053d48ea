//! A Java producer and consumer that live through all rounds.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::cluster::Cluster;

pub struct JavaClients {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl JavaClients {
    /// Compiles and starts them; returns when messages get through.
    pub fn start(jars: &Path, cluster: &Cluster) -> Self {
        let classes = cluster.folder.join("classes");
        let path = format!("{}/*", jars.display());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/java/interop/FailoverLoad.java");
        let compiled = Command::new("javac").args(["-d", &classes, "-cp", &path, source]).status();
        assert!(compiled.is_ok_and(|status| status.success()), "{source} does not compile");
        let home = cluster.folder.join("clients");
        let mut command = Command::new("java");
        command.args(["-Xmx256m", &format!("-Duser.home={home}"), "-cp", &format!("{classes}:{path}")]);
        command.args(["interop.FailoverLoad", &cluster.addresses.namesrvs.join(";"), "60"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("java can be run");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut clients = JavaClients { child, lines };
        clients.wait_for("ready");
        clients
    }

    fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            let read = self.lines.read_line(&mut line).expect("java writes text");
            assert!(read > 0, "the Java clients have ended");
        }
    }

    fn say(&mut self, word: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped and open");
        writeln!(stdin, "{word}").expect("the Java clients live");
        self.wait_for(word);
    }

    /// No message is on its way until [`JavaClients::resume`].
    pub fn pause(&mut self) {
        self.say("pause");
    }

    pub fn resume(&mut self) {
        self.say("resume");
    }

    /// Stops producing, waits for the consumer; prints its tally and tells whether it has everything.
    pub fn finish(mut self) -> bool {
        drop(self.child.stdin.take());
        let last = (&mut self.lines).lines().map_while(Result::ok).last().unwrap_or_default();
        println!("java clients: {last}");
        self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for JavaClients {
    fn drop(&mut self) {
        // It fails for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
