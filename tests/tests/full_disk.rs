//! A broker whose store is on a file system that really is full.
//!
//! Needs a mount namespace of its own; where none can be had the tests say so and do nothing.

use sansmq_core::wire::code::response;
use sansmq_tests::{
    Client, Folder, Frontend, Pull, Server, bodies, eventually, on_both_frontends, send, send_to,
};

on_both_frontends!(
    a_full_disk_refuses_sends_and_serves_pulls_until_there_is_room,
    the_limit_in_the_configuration_counts_before_the_disk_is_full,
    a_start_on_a_full_disk_serves_what_is_there,
);

/// Nothing but the want of room itself stops this broker, and it deletes nothing to get some.
const TO_THE_LAST_BYTE: &str = "diskSpaceWarningLevelRatio=100\ndiskSpaceCleanForciblyRatio=100\n\
    cleanFileForciblyEnable=false\ndiskMaxUsedSpaceRatio=95\n";

const LARGE: usize = 256 * 1024;

fn refused_for_the_disk(client: &mut Client, topic: &str) -> bool {
    let answer = client.call(&send(topic, vec![b'x'; LARGE]));
    if answer.code == response::SUCCESS {
        return false;
    }
    let remark = answer.remark.as_deref().unwrap_or_default();
    assert_eq!(answer.code, response::SERVICE_NOT_AVAILABLE, "{remark}");
    assert!(remark.contains("the broker's disk is full [CL: "), "{remark}");
    true
}

/// Sends until the disk is full; how many messages got in.
fn fill(server: &Server, client: &mut Client) -> usize {
    for sent in 0..1000 {
        if refused_for_the_disk(client, "T") {
            return sent;
        }
    }
    panic!("the disk never fills up: {}", server.log());
}

fn assert_pulls(client: &mut Client, count: usize) {
    let mut offset = 0;
    while offset < count {
        let answer = client.must(&Pull { max: 4, ..Pull::from("T", offset as i64) }.command());
        let found = bodies(&answer);
        assert!(!found.is_empty() && found.iter().all(|body| body.len() == LARGE), "at {offset}");
        offset += found.len();
    }
    assert_eq!(offset, count);
}

fn a_full_disk_refuses_sends_and_serves_pulls_until_there_is_room(frontend: Frontend) {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("before")).expect("the temporary folder is writable");
    std::fs::write(folder.join("before/ballast"), vec![1; 24 << 20]).expect("there is room here");
    let Some(mut server) = Server::broker_on_small_disk(frontend, TO_THE_LAST_BYTE, 64, folder, false) else {
        return not_run();
    };
    let mut client = server.client();
    let sent = fill(&server, &mut client);
    assert!(sent > 60, "only {sent} messages found room");
    assert_pulls(&mut client, sent);
    for _ in 0..20 {
        assert!(refused_for_the_disk(&mut client, "T"), "still full");
    }
    assert_pulls(&mut client, sent);
    std::fs::remove_file(server.store_file("ballast")).expect("it is there");
    eventually(20, "sends work again without a restart", || !refused_for_the_disk(&mut client, "T"));
    client.must(&send_to("Other", 1, "another queue"));
    assert_pulls(&mut client, sent + 1);
    assert!(server.stop().success());
    assert!(!server.log().contains("panicked"));
}

fn the_limit_in_the_configuration_counts_before_the_disk_is_full(frontend: Frontend) {
    let config = "diskSpaceWarningLevelRatio=60\ncleanFileForciblyEnable=false\n";
    let Some(server) = Server::broker_on_small_disk(frontend, config, 64, Folder::new(), false) else {
        return not_run();
    };
    let mut client = server.client();
    client.must(&send("T", vec![b'x'; LARGE]));
    std::fs::write(server.store_file("ballast"), vec![1; 40 << 20]).expect("there is room for it");
    eventually(20, "the limit is noticed", || refused_for_the_disk(&mut client, "U"));
    assert_pulls(&mut client, 1);
    std::fs::remove_file(server.store_file("ballast")).expect("it is there");
    eventually(20, "sends work again without a restart", || !refused_for_the_disk(&mut client, "U"));
}

fn a_start_on_a_full_disk_serves_what_is_there(frontend: Frontend) {
    for in_order in [true, false] {
        let mut first = Server::broker(frontend, "");
        let mut client = first.client();
        (0..9).for_each(|_| drop(client.must(&send("T", vec![b'x'; LARGE]))));
        if in_order {
            assert!(first.stop().success());
        } else {
            first.kill();
        }
        let folder = first.take_folder();
        std::fs::rename(folder.join("data/store"), folder.join("before")).expect("both are in one folder");
        let Some(server) = Server::broker_on_small_disk(frontend, TO_THE_LAST_BYTE, 64, folder, true) else {
            return not_run();
        };
        let mut client = server.client();
        assert_pulls(&mut client, 9);
        let sent = 9 + fill(&server, &mut client);
        assert_pulls(&mut client, sent);
        std::fs::remove_file(server.store_file("ballast")).expect("it is there");
        eventually(20, "sends work", || !refused_for_the_disk(&mut client, "T"));
        assert_pulls(&mut client, sent + 1);
        assert!(server.store_file("abort").exists(), "a crash now is seen as one");
    }
}

fn not_run() {
    println!("not run: no mount namespace with a file system of its own can be had here");
}
