//! Clients that come and go, their offsets and locks.

use super::*;
use crate::wire::code::response;

const HEARTBEAT: &str = r#"{"clientID":"@client","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",
    "consumeType":"CONSUME_PASSIVELY","groupName":"cg","messageModel":"CLUSTERING","subscriptionDataSet":[
    {"codeSet":[2598919],"expressionType":"TAG","subString":"TagA","subVersion":5,"tagsSet":["TagA"],"topic":"T"}]}],
    "heartbeatFingerprint":0,"producerDataSet":[{"groupName":"pg"}],"withoutSub":false}"#;

fn heartbeat(bench: &mut Bench, conn: u64, id: &str) -> Reply {
    bench.ask_from(conn, request::HEART_BEAT, &[], HEARTBEAT.replace("@client", id).as_bytes())
}

#[test]
fn members_hear_of_each_other() {
    let mut bench = Bench::new();
    let reply = heartbeat(&mut bench, 1, "one");
    assert_eq!((reply.code, text(&reply, "IS_SUPPORT_HEART_BEAT_V2")), (response::SUCCESS, "true".into()));
    let told: Vec<u64> = bench.oneways().iter().map(|(conn, _)| *conn).collect();
    assert_eq!(told, [1]);
    heartbeat(&mut bench, 2, "two");
    let told = bench.oneways();
    assert_eq!(told.iter().map(|(conn, _)| *conn).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(told[0].1.code, request::NOTIFY_CONSUMER_IDS_CHANGED);
    assert_eq!(told[0].1.ext_text("consumerGroup").as_deref(), Some("cg"));
    heartbeat(&mut bench, 2, "two");
    assert!(bench.oneways().is_empty(), "a heartbeat that changes nothing tells nobody");
    let list = bench.ask(request::GET_CONSUMER_LIST_BY_GROUP, &[("consumerGroup", "cg")], b"");
    assert_eq!(String::from_utf8_lossy(&bytes(&list)), r#"{"consumerIdList":["one","two"]}"#);
    bench.handle(ServerIn::Closed(ConnId(1)));
    assert_eq!(bench.oneways().iter().map(|(conn, _)| *conn).collect::<Vec<_>>(), [2]);
    bench.ask_from(2, request::UNREGISTER_CLIENT, &[("clientID", "two"), ("consumerGroup", "cg")], b"");
    let gone = bench.ask(request::GET_CONSUMER_LIST_BY_GROUP, &[("consumerGroup", "cg")], b"");
    assert_eq!(remark(&gone), "no consumer for this group, cg");
}

#[test]
fn a_heartbeat_makes_the_group_its_retry_topic_and_its_filter() {
    let mut bench = Bench::new();
    heartbeat(&mut bench, 1, "one");
    assert!(bench.broker.topics.get("%RETRY%cg").is_some());
    bench.put("T", 0, "TAGS\u{1}TagB\u{2}", "b");
    bench.put("T", 0, "TAGS\u{1}TagA\u{2}", "a");
    let fields = pull_fields("T", 0, 0, "", 0, 0);
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(bodies(&bench.ask(request::PULL_MESSAGE, &fields, b"")), ["a"]);
    let newer: Vec<_> = fields.iter().map(|(k, v)| (*k, if *k == "subVersion" { "6" } else { *v })).collect();
    assert_eq!(bench.ask(request::PULL_MESSAGE, &newer, b"").code, response::SUBSCRIPTION_NOT_LATEST);
}

#[test]
fn clients_that_fall_silent_are_dropped() {
    let mut bench = Bench::new();
    heartbeat(&mut bench, 1, "one");
    bench.other.clear();
    bench.pass(140_000);
    assert!(bench.other.iter().any(|out| matches!(out, ServerOut::Close(ConnId(1)))));
    assert!(bench.broker.consumers.get("cg").is_none());
}

#[test]
fn heartbeats_of_other_clients_are_read_as_they_are() {
    let mut bench = Bench::new();
    let odd = br#"{"clientID":"x","consumerDataSet":[{"groupName":"g2","consumeType":1,"messageModel":"1",
        "consumeFromWhere":4,"subscriptionDataSet":[{"topic":"T","subString":"*","subVersion":"3","codeSet":null}]}]}"#;
    assert_eq!(bench.ask(request::HEART_BEAT, &[], odd).code, response::SUCCESS);
    let reply = bench.ask(request::GET_CONSUMER_CONNECTION_LIST, &[("consumerGroup", "g2")], b"");
    let body = String::from_utf8_lossy(&bytes(&reply)).into_owned();
    assert!(body.contains(r#""consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING""#), "{body}");
    assert_eq!(bench.ask(request::HEART_BEAT, &[], b"{broken").code, response::SYSTEM_ERROR);
}

#[test]
fn offsets_are_found_committed_and_refused_as_the_reference_does() {
    let mut bench = Bench::new();
    let query = [("consumerGroup", "cg"), ("topic", "T"), ("queueId", "0")];
    assert_eq!(bench.ask(request::QUERY_CONSUMER_OFFSET, &query, b"").code, response::QUERY_NOT_FOUND);
    let commit = [query[0], query[1], query[2], ("commitOffset", "7")];
    let unknown = bench.ask(request::UPDATE_CONSUMER_OFFSET, &commit, b"");
    assert_eq!(
        (unknown.code, remark(&unknown)),
        (response::SUBSCRIPTION_GROUP_NOT_EXIST, "Group cg not exist!".into())
    );
    heartbeat(&mut bench, 1, "one");
    let unknown = bench.ask(request::UPDATE_CONSUMER_OFFSET, &commit, b"");
    assert_eq!(remark(&unknown), "Topic T not exist!");
    bench.put("T", 0, "", "x");
    assert_eq!(text(&bench.ask(request::QUERY_CONSUMER_OFFSET, &query, b""), "offset"), "0");
    let strict = [query[0], query[1], query[2], ("setZeroIfNotFound", "false")];
    assert_eq!(bench.ask(request::QUERY_CONSUMER_OFFSET, &strict, b"").code, response::QUERY_NOT_FOUND);
    assert_eq!(bench.ask(request::UPDATE_CONSUMER_OFFSET, &commit, b"").code, response::SUCCESS);
    assert_eq!(text(&bench.ask(request::QUERY_CONSUMER_OFFSET, &query, b""), "offset"), "7");
    bench.pass(5_000);
    assert!(bench.saved.iter().any(|path| path.ends_with("consumerOffset.json")));
}

#[test]
fn only_one_consumer_holds_a_queue() {
    let mut bench = Bench::new();
    let body = |client: &str| {
        format!(
            r#"{{"clientId":"{client}","consumerGroup":"cg","mqSet":[{{"brokerName":"broker-a","queueId":0,"topic":"T"}}],"onlyThisBroker":false}}"#
        )
    };
    let held = bench.ask(request::LOCK_BATCH_MQ, &[], body("one").as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&bytes(&held)),
        r#"{"lockOKMQSet":[{"brokerName":"broker-a","queueId":0,"topic":"T"}]}"#
    );
    let refused = bench.ask(request::LOCK_BATCH_MQ, &[], body("two").as_bytes());
    assert_eq!(String::from_utf8_lossy(&bytes(&refused)), r#"{"lockOKMQSet":[]}"#);
    bench.ask(request::UNLOCK_BATCH_MQ, &[], body("one").as_bytes());
    let held = bench.ask(request::LOCK_BATCH_MQ, &[], body("two").as_bytes());
    assert!(String::from_utf8_lossy(&bytes(&held)).contains("queueId"));
}

#[test]
fn requests_to_a_consumer_are_passed_on_and_its_answer_passed_back() {
    let mut bench = Bench::new();
    heartbeat(&mut bench, 4, "one");
    bench.other.clear();
    let fields = [("consumerGroup", "cg"), ("clientId", "one"), ("jstackEnable", "false")];
    let opaque = bench.send_from(1, command(request::GET_CONSUMER_RUNNING_INFO, &fields, b""), false);
    let call = bench.other.iter().find_map(|out| match out {
        ServerOut::Call { to: Target::Conn(ConnId(4)), token, command, .. } => Some((*token, command.code)),
        _ => None,
    });
    let (token, code) = call.expect("a call to the consumer");
    assert_eq!(code, request::GET_CONSUMER_RUNNING_INFO);
    assert!(bench.reply_to(opaque).is_none());
    let answer = Command::response(0, 9).with_body("{\"info\":1}");
    bench.handle(ServerIn::Answer { token, result: Ok(answer) });
    assert_eq!(bytes(&bench.reply_to(opaque).expect("passed back")), b"{\"info\":1}");
    let offline =
        bench.ask(request::GET_CONSUMER_RUNNING_INFO, &[("consumerGroup", "cg"), ("clientId", "two")], b"");
    assert_eq!(remark(&offline), "The Consumer <cg> <two> not online");
}
