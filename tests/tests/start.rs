//! Starts that cannot work end at once, with words that help and a status that is not 0.

use std::net::TcpListener;

use sansmq_tests::{Folder, Frontend, Server, free_ports, on_both_frontends};

on_both_frontends!(
    wrong_configuration_names_file_and_line,
    missing_configuration_is_named,
    wrong_commands_show_the_usage,
    a_port_in_use_is_named,
    a_store_in_use_is_named,
    damaged_tables_are_not_overwritten,
    what_is_not_served_is_refused,
    settings_are_printed,
);

/// Runs a broker on this configuration; what it said on standard error and its exit status.
fn broker(frontend: Frontend, folder: &Folder, config: &str) -> (String, Option<i32>) {
    let file = folder.write("broker.conf", config);
    let out = Server::run(frontend, &["broker", "-c", &file, "--data", &folder.join("data")]);
    (String::from_utf8_lossy(&out.stderr).into_owned(), out.status.code())
}

fn assert_says((said, status): &(String, Option<i32>), words: &[&str]) {
    assert!(status.is_some_and(|code| code != 0), "{status:?}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

fn wrong_configuration_names_file_and_line(frontend: Frontend) {
    let folder = Folder::new();
    let said = broker(frontend, &folder, "# a comment\nbrokerNam=x\nlistenPort=many\n");
    assert_says(
        &said,
        &["broker.conf:2:", "brokerNam", "did you mean \"brokerName\"", "broker.conf:3:", "many"],
    );
    let said = broker(frontend, &folder, "\n\nbrokerRole=KING\n");
    assert_says(&said, &["broker.conf:3:", "KING", "SLAVE"]);
    let said = broker(frontend, &folder, "messageDelayLevel=1s 5x\n");
    assert_says(&said, &["messageDelayLevel", "5x"]);
    assert!(!folder.path().join("data/store").exists(), "nothing is begun");
}

fn missing_configuration_is_named(frontend: Frontend) {
    let out = Server::run(frontend, &["namesrv", "-c", "/nonexistent/namesrv.conf"]);
    let said = (String::from_utf8_lossy(&out.stderr).into_owned(), out.status.code());
    assert_says(&said, &["/nonexistent/namesrv.conf", "No such file"]);
}

fn wrong_commands_show_the_usage(frontend: Frontend) {
    for args in [&["serve"][..], &["namesrv", "-z"], &["broker", "-c"]] {
        let out = Server::run(frontend, args);
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&out.stdout).contains("usage:"), "{args:?}");
        assert!(!out.stderr.is_empty(), "{args:?}");
    }
    let out = Server::run(frontend, &["--help"]);
    assert_eq!(out.status.code(), Some(0));
}

fn a_port_in_use_is_named(frontend: Frontend) {
    let folder = Folder::new();
    let port = free_ports();
    for taken in [port, port - 2] {
        let _taken = TcpListener::bind(("127.0.0.1", taken)).expect("it was free");
        let config = format!("bindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nlistenPort={port}\n");
        let said = broker(frontend, &folder, &config);
        assert_says(&said, &["cannot listen on", &format!("127.0.0.1:{taken}"), "in use"]);
    }
}

fn a_store_in_use_is_named(frontend: Frontend) {
    let first = Server::broker(frontend, "");
    let port = free_ports();
    let config = format!(
        "bindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nlistenPort={port}\nstorePathRootDir={}\n",
        first.folder.join("data/store")
    );
    let said = broker(frontend, &Folder::new(), &config);
    assert_says(&said, &["data/store", "locked"]);
    drop(first.client());
}

fn damaged_tables_are_not_overwritten(frontend: Frontend) {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("data/store/config")).expect("the folder is writable");
    let damaged = "{\"topicConfigTable\":{\"T\"";
    for name in ["topics.json", "topics.json.bak"] {
        folder.write(&format!("data/store/config/{name}"), damaged);
    }
    let config = format!("bindAddress=127.0.0.1\nlistenPort={}\n", free_ports());
    assert_says(&broker(frontend, &folder, &config), &["topics.json", "Restore"]);
    let left = std::fs::read_to_string(folder.join("data/store/config/topics.json"));
    assert_eq!(left.ok().as_deref(), Some(damaged));
}

fn what_is_not_served_is_refused(frontend: Frontend) {
    let folder = Folder::new();
    let said = broker(frontend, &folder, "storeType=defaultRocksDB\n");
    assert_says(&said, &["storeType", "defaultRocksDB", "not served"]);
    let said = broker(frontend, &folder, "enableDLegerCommitLog=true\n");
    assert_says(&said, &["enableDLegerCommitLog", "not served"]);
}

fn settings_are_printed(frontend: Frontend) {
    let folder = Folder::new();
    let file = folder.write("namesrv.conf", "listenPort=12345\n");
    let out = Server::run(frontend, &["namesrv", "-c", &file, "-p"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&out.stdout).lines().any(|line| line == "listenPort=12345"));
}
