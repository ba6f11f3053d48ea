//! Commands that read or send messages, against records built for the purpose.

use sansmq_core::message::encode::{Placement, encode, encoded_len};
use sansmq_core::message::properties;
use sansmq_core::store::NewMessage;
use sansmq_core::wire::code::request;

use super::fake::{Script, run};
use super::golden::{capture, words};
use super::replay::script;

/// The record of the n-th message of the captured topic.
struct Sample {
    number: usize,
    queue_id: i32,
    queue_offset: i64,
    physical_offset: u64,
    times: (i64, i64),
    id: &'static str,
    tag: &'static str,
    color: &'static str,
}

const FIRST: Sample = Sample {
    number: 0,
    queue_id: 3,
    queue_offset: 0,
    physical_offset: 0,
    times: (1_795_309_460_392, 1_795_309_460_545),
    id: "FD0000000000000000000000000000024AEC30946E096C6073A60000",
    tag: "TagA",
    color: "red",
};

const SECOND: Sample = Sample {
    number: 1,
    queue_id: 0,
    queue_offset: 0,
    physical_offset: 272,
    times: (1_795_309_460_829, 1_795_309_460_840),
    id: "FD0000000000000000000000000000024AEC30946E096C60755D0001",
    tag: "TagB",
    color: "blue",
};

const THIRD: Sample = Sample {
    number: 3,
    queue_id: 2,
    queue_offset: 0,
    physical_offset: 818,
    times: (1_795_309_460_861, 1_795_309_460_866),
    id: "FD0000000000000000000000000000024AEC30946E096C60757D0003",
    tag: "TagB",
    color: "red",
};

fn record(sample: &Sample) -> Vec<u8> {
    let mut props = Vec::new();
    for (name, value) in [
        ("MSG_REGION", "DefaultRegion"),
        ("UNIQ_KEY", sample.id),
        ("CLUSTER", "DefaultCluster"),
        ("TAGS", sample.tag),
        ("color", sample.color),
        ("KEYS", &format!("KEY{}", sample.number)),
        ("WAIT", "true"),
        ("TRACE_ON", "true"),
    ] {
        properties::push(&mut props, name, value);
    }
    let body = format!("Hello {}", sample.number);
    let message = NewMessage {
        born_timestamp: sample.times.0,
        properties: &[&props],
        born_host: "127.0.0.1:40872".parse().unwrap(),
        store_host: "127.0.0.1:21411".parse().unwrap(),
        ..NewMessage::plain("TopicA", sample.queue_id, body.as_bytes())
    };
    let place = Placement {
        queue_offset: sample.queue_offset,
        physical_offset: sample.physical_offset,
        store_timestamp: sample.times.1,
    };
    let mut out = vec![0; encoded_len(&message, true).unwrap()];
    encode(&message, &place, true, &mut out).unwrap();
    out
}

/// The offsets cut short in the captures: all consumed.
const STATS: &str = r#"{"consumeTps":0.0,"offsetTable":{
    {"brokerName":"broker-a","queueId":3,"topic":"TopicA"}:{"brokerOffset":5,"consumerOffset":5,"pullOffset":5}}}"#;

/// The trace of the group the reference only thinks to exist names a Java class; the line is left out.
fn without_java(text: &str) -> String {
    let kept =
        text.lines().filter(|line| !line.contains("consumerGroup=TopicA") && !line.starts_with("See "));
    kept.map(|line| format!("{line}\n")).collect()
}

fn records_script(name: &str, code: i32, samples: &[&Sample]) -> Script {
    let body: Vec<u8> = samples.iter().flat_map(|sample| record(sample)).collect();
    let clusters = br#"{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:21411"},
        "brokerName":"broker-a","cluster":"DefaultCluster"}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}"#;
    script(name)
        .with_body(code, body)
        .with_body(request::GET_CONSUME_STATS, STATS)
        .with_body(request::GET_BROKER_CLUSTER_INFO, &clusters[..])
}

#[test]
fn messages_by_id() {
    for name in ["queryMsgById", "queryMsgById-bodyFormat"] {
        let golden = capture(name);
        let ours = run(&golden.words, &records_script(name, request::VIEW_MESSAGE_BY_ID, &[&FIRST]));
        assert_eq!(without_java(&ours.stdout), without_java(&golden.stdout), "{}", ours.stderr);
        assert_eq!(ours.status, 0);
    }
}

#[test]
fn message_pushed_to_a_consumer() {
    let name = "queryMsgById-push";
    let golden = capture(name);
    let info = r#"{"mqTable":{},"properties":{}}"#;
    let script = records_script(name, request::VIEW_MESSAGE_BY_ID, &[&FIRST])
        .with_body(request::GET_CONSUMER_RUNNING_INFO, info);
    let ours = run(&golden.words, &script);
    assert_eq!((ours.stdout, ours.stderr.as_str()), (golden.stdout, ""));
}

#[test]
fn messages_by_key() {
    let golden = capture("queryMsgByKey");
    let script = records_script("queryMsgByKey", request::QUERY_MESSAGE, &[&THIRD, &FIRST]);
    assert_eq!(run(&golden.words, &script).stdout, golden.stdout);
}

#[test]
fn message_by_unique_key() {
    let golden = capture("queryMsgByUniqueKey");
    let script = records_script("queryMsgByUniqueKey", request::QUERY_MESSAGE, &[&FIRST]);
    let ours = run(&golden.words, &script);
    let head = |text: &str| text.split("MessageTrack").next().unwrap().to_owned();
    assert_eq!(head(&ours.stdout), head(&golden.stdout), "{}", ours.stderr);
    let last = "MessageTrack [consumerGroup=CG_A, trackType=CONSUMED, exceptionDesc=null]";
    assert!(ours.stdout.ends_with(last) && golden.stdout.ends_with(last));
}

#[test]
fn message_by_offset() {
    let golden = capture("queryMsgByOffset");
    let script = records_script("queryMsgByOffset", request::PULL_MESSAGE, &[&SECOND]);
    let ours = run(&golden.words, &script);
    assert_eq!((ours.stdout, ours.stderr.as_str()), (golden.stdout, ""));
}

#[test]
fn messages_of_a_queue() {
    let golden = capture("printMsgByQueue");
    let script = records_script("printMsgByQueue", request::PULL_MESSAGE, &[&SECOND]);
    let ours = run(&golden.words, &script);
    let lines: Vec<&str> = ours.stdout.lines().collect();
    assert_eq!(lines[0], golden.stdout.lines().next().unwrap());
    assert_eq!(lines[1], golden.stdout.lines().last().unwrap().replace("Count: 5", "Count: 1"));
    assert_eq!(lines.len(), 2);
}

#[test]
fn messages_of_a_topic_or_from_an_offset() {
    for (name, sample) in [("consumeMessage", &FIRST), ("consumeMessage-queue", &SECOND)] {
        let golden = capture(name);
        let ours = run(&golden.words, &records_script(name, request::PULL_MESSAGE, &[sample]));
        let expected: Vec<&str> = golden.stdout.lines().take(2).collect();
        assert_eq!(ours.stdout.lines().take(2).collect::<Vec<_>>(), expected, "{}", ours.stderr);
        let id = format!("MSGID: {} MessageExt", sample.id);
        assert!(ours.stdout.lines().nth(2).unwrap().starts_with(&id), "{}", ours.stdout);
    }
}

#[test]
fn sending() {
    for name in ["sendMessage", "sendMessage-queue"] {
        let golden = capture(name);
        // Ids, times and properties differ from run to run.
        let ours =
            run(&golden.words, &script(name).only_fields(&["b", "c", "d", "f", "h", "j", "k", "m", "n"]));
        let shown = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.chars().take(64).collect::<String>()).collect()
        };
        assert_eq!(shown(&ours.stdout), shown(&golden.stdout), "{}", ours.stderr);
        let id = ours.stdout.trim_end().rsplit(' ').next().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
    let golden = capture("sendMessage-broker-without-queue");
    let ours = run(&golden.words, &Script::default());
    assert_eq!((ours.status, ours.stderr), (1, format!("mqadmin: sendMessage: {}\n", golden.stdout)));
}

#[test]
fn bad_values_are_named() {
    for (line, text) in [
        ("consumeMessage -t T -c 0", "Please input a positive messageNumber!"),
        ("consumeMessage -t T -c x", "-c x: not a number in range"),
        ("consumeMessage -t T -i 1", "Please set the brokerName before queueId!"),
        ("printMsg -t T -b soon", "-b soon: neither milliseconds nor yyyy-MM-dd#HH:mm:ss:SSS"),
        ("updateSubGroup -g G", "either -b or -c has to be given"),
        ("getBrokerConfig", "either -b or -c has to be given"),
    ] {
        let ours = run(&words(line), &Script::default());
        let command = line.split(' ').next().unwrap();
        assert_eq!((ours.status, ours.stderr), (1, format!("mqadmin: {command}: {text}\n")));
    }
}
