//! Both benchmarks against a server that answers everything.

use sansmq_core::json::{Json, parse};
use sansmq_core::wire::code::request;
use std::net::TcpListener;

use super::fake::{Script, answer, any, run};
use super::golden::words;

/// A broker with a topic of two queues of 1000 messages; every pull finds ten of them.
fn broker(send_code: i32) -> (String, Script) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let topic = br#"{"topicName":"T","readQueueNums":2,"writeQueueNums":2,"perm":6}"#;
    let records = b"\0\0\0\x08body".repeat(10);
    let sent = || answer(send_code, (send_code != 0).then_some("too busy"), &[], b"");
    let mut exchanges = vec![
        any(&addr, request::UPDATE_AND_CREATE_TOPIC, answer(0, None, &[], b"")),
        any(&addr, request::GET_TOPIC_CONFIG, answer(0, None, &[], topic)),
        any(&addr, request::GET_MIN_OFFSET, answer(0, None, &[field("offset", "0")], b"")),
        any(&addr, request::GET_MAX_OFFSET, answer(0, None, &[field("offset", "1000")], b"")),
        any(&addr, request::SEND_MESSAGE_V2, sent()),
        any(&addr, request::SEND_BATCH_MESSAGE, sent()),
    ];
    for start in 0..1000 {
        let next = field("nextBeginOffset", &(start + 10).to_string());
        let mut pull = any(&addr, request::PULL_MESSAGE, answer(0, Some("FOUND"), &[next], &records));
        pull.fields.push(field("queueOffset", &start.to_string()));
        exchanges.push(pull);
    }
    let script = Script::new(exchanges);
    script.clone().listen(listener, 12);
    (addr, script)
}

fn measured(options: &str, send_code: i32) -> (Json, u8, String) {
    let (addr, script) = broker(send_code);
    let line = format!("benchmark {options} -b {addr} -t T --connections 3 --depth 4 --json");
    let ours = run(&words(&line), &script);
    (parse(ours.stdout.as_bytes()).unwrap_or_default(), ours.status, ours.stderr)
}

fn number(json: &Json, name: &str) -> Option<i64> {
    json.get(name).and_then(Json::as_i64)
}

#[test]
fn messages_sent_one_by_one_and_in_batches() {
    for (options, messages, requests) in [
        ("producer --messages 500 --size 10", 500, 500),
        ("producer --messages 500 --size 10 --headers binary --batch 50", 500, 10),
    ] {
        let (json, status, stderr) = measured(options, 0);
        assert_eq!((status, stderr.as_str()), (0, ""), "{options}");
        assert_eq!(number(&json, "messages"), Some(messages), "{options}");
        assert_eq!(number(&json, "requests"), Some(requests), "{options}");
    }
}

#[test]
fn every_message_is_pulled_once() {
    let (json, status, stderr) = measured("consumer --batch 10", 0);
    assert_eq!((status, stderr.as_str()), (0, ""));
    // This broker ignores how many messages a pull asks for, so a segment's last pull brings a few too many.
    let pulled = number(&json, "messages").unwrap();
    assert!((2000..2100).contains(&pulled), "{pulled}");
}

#[test]
fn refusals_are_counted_and_fail_the_run() {
    let (json, status, stderr) = measured("producer --messages 20", 2);
    let errors = json.get("errors").and_then(|errors| number(errors, "2"));
    assert_eq!((status, number(&json, "messages"), errors), (1, Some(0), Some(20)));
    assert_eq!(stderr, "mqadmin: benchmark producer: CODE: 2  DESC: too busy\n");
}

#[test]
fn a_suite_writes_its_table_and_names_what_it_leaves_out() {
    let (addr, script) = broker(0);
    let out = std::env::temp_dir().join(format!("sansmq-suite-{}", std::process::id()));
    let line = format!(
        "benchmark suite -b {addr} --seconds 0.05 --runs 2 --cases send-128-c1-d8,pull-1k --label fake --out {}",
        out.display()
    );
    let ours = run(&words(&line), &script);
    assert_eq!(ours.status, 0, "{}", ours.stderr);
    assert!(ours.stderr.contains("pull-1k-cold: left out, there is no --before-cold"), "{}", ours.stderr);
    let json = std::fs::read(out.with_extension("json")).unwrap();
    let text = std::fs::read_to_string(out.with_extension("md")).unwrap();
    for end in ["json", "md"] {
        std::fs::remove_file(out.with_extension(end)).unwrap();
    }
    assert_eq!(text, ours.stdout);
    let json = parse(&json).unwrap_or_default();
    assert_eq!(json.get("label").and_then(Json::as_str), Some("fake"));
    let Some(Json::Array(cases)) = json.get("cases") else { panic!("no cases: {json:?}") };
    let names: Vec<_> = cases.iter().filter_map(|case| case.get("case").and_then(Json::as_str)).collect();
    assert_eq!(names, ["send-128-c1-d8-batch32", "pull-1k"]);
    assert!(cases.iter().all(|case| number(case, "messages").is_some_and(|count| count > 0)), "{text}");
}

#[test]
fn a_suite_refuses_what_it_does_not_know() {
    let (addr, script) = broker(0);
    for (options, why) in [
        ("--cases fly", "--cases fly: no case begins like that; there are send-128-c1-d1, "),
        ("--pid 4194304", "--pid 4194304: no such process"),
        ("--runs none", "--runs none: expected a number from 1 to 1000"),
    ] {
        let ours = run(&words(&format!("benchmark suite -b {addr} {options}")), &script);
        assert_eq!(ours.status, 1);
        assert!(ours.stderr.contains(why), "{}", ours.stderr);
    }
}
