//! `mqadmin store`, on a store of the reference.

use std::path::{Path, PathBuf};

use super::fake::{Script, run};
use super::golden::words;

/// Unpacks a store into a directory of its own, which stays until the system cleans up.
fn unpack(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("sansmq-cli-store-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/store/{name}.tar.gz"));
    let status =
        std::process::Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&dir).status().unwrap();
    assert!(status.success());
    dir.join("store")
}

#[test]
fn verify_tells_intact_from_damaged() {
    let (good, bad) = (unpack("a-clean"), unpack("e6"));
    let outcome = run(&words(&format!("store verify {}", good.display())), &Script::default());
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.stdout.ends_with("no damage found\n"), "{}", outcome.stdout);
    let outcome = run(&words(&format!("store verify {} --json", bad.display())), &Script::default());
    assert_eq!(outcome.status, 1);
    let json = sansmq_core::json::parse(outcome.stdout.as_bytes()).unwrap();
    assert_eq!(json.get("damaged"), Some(&sansmq_core::json::Json::Bool(true)));
    let findings = json.get("findings").and_then(|all| all.as_array()).unwrap();
    assert!(findings.iter().any(|f| f.get("what").and_then(|w| w.as_str()).unwrap().contains("checksum")));
    let outcome = run(&words(&format!("store inspect {}", bad.display())), &Script::default());
    assert_eq!(outcome.status, 0);
}

#[test]
fn export_prints_a_record_a_line() {
    let dir = unpack("b-kill9");
    let outcome =
        run(&words(&format!("store export {} --topic TopicLoad --max 3", dir.display())), &Script::default());
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!((outcome.status, lines.len()), (0, 3));
    for line in lines {
        let record = sansmq_core::json::parse(line.as_bytes()).unwrap();
        assert_eq!(record.get("topic").and_then(|topic| topic.as_str()), Some("TopicLoad"));
    }
}

#[test]
fn mistakes_are_explained() {
    for line in ["store", "store --help"] {
        let outcome = run(&words(line), &Script::default());
        assert!(outcome.status == 0 && outcome.stdout.starts_with("usage: mqadmin store"), "{line}");
    }
    for line in ["store verify", "store burn x", "store inspect /nowhere/at/all", "store export x --max y"] {
        let outcome = run(&words(line), &Script::default());
        assert!(outcome.status == 1 && outcome.stderr.starts_with("mqadmin: store: "), "{line}");
    }
}
