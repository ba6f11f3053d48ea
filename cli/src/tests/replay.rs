//! Captured runs replayed: the requests have to be the captured ones, the output too.

use sansmq_core::wire::Encoding;
use sansmq_core::wire::code::request;

use super::fake::{Exchange, Script, answer, run, run_at};
use super::golden::{capture, read};

/// The script of a capture: `-> addr code NAME ext={..} body=..` and `<- addr NAME => code ..` lines.
pub fn script(name: &str) -> Script {
    let text = read(&format!("requests/{name}.txt"));
    let mut open: Vec<(String, Exchange)> = Vec::new();
    let mut done: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(5, ' ').collect();
        match parts.as_slice() {
            ["->", addr, code, request_name, rest] => {
                let sent = after(rest, " body=").map(|body| body.replace("\\n", "\n"));
                open.push((
                    (*request_name).to_owned(),
                    Exchange {
                        addr: (*addr).to_owned(),
                        code: code.parse().unwrap(),
                        fields: fields(rest),
                        sent: sent.filter(|body| !body.starts_with('{')),
                        answer: answer(0, None, &[], b""),
                        used: false,
                    },
                ));
            }
            ["<-", addr, request_name, "=>", rest] => {
                let Some(at) = open.iter().position(|(n, e)| n == request_name && e.addr == *addr) else {
                    continue;
                };
                let mut exchange = open.remove(at).1;
                let code = rest.split(' ').next().unwrap().parse().unwrap();
                let remark = after(rest, "remark=").map(|r| r.split(" ext=").next().unwrap());
                let remark = remark.map(|r| r.replace("\\n", "\n"));
                let body = after(rest, " body=").unwrap_or_default().replace("\\n", "\n");
                exchange.answer = answer(code, remark.as_deref(), &fields(rest), body.as_bytes());
                done.push(exchange);
            }
            _ => {}
        }
    }
    Script::new(done)
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// The pairs of `ext={a=b, c=d}`; `ReqT` tells the time zone of nothing and is left out.
fn fields(text: &str) -> Vec<(String, String)> {
    let inner = after(text, "ext={").unwrap_or_default();
    let inner = inner.split("} body=").next().unwrap();
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let pairs = inner.split(", ").filter_map(|pair| pair.split_once('='));
    pairs.filter(|(k, _)| *k != "ReqT").map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Runs a capture: equal output, line order aside where the reference's is that of a hash table; a failed
/// run prints the reference's code and text and exits with 1.
pub fn check(name: &str, script: &Script, any_order: bool) {
    let golden = capture(name);
    let ours = run(&golden.words, script);
    if any_order {
        assert_eq!(sorted(&ours.stdout), sorted(&golden.stdout), "{name}: {}", ours.stderr);
    } else {
        assert_eq!(ours.stdout, golden.stdout, "{name}: {}", ours.stderr);
    }
    if golden.stderr.is_empty() {
        assert_eq!((ours.status, ours.stderr.as_str()), (0, ""), "{name}");
        return;
    }
    let cause =
        golden.stderr.lines().find_map(|line| after(line.strip_prefix("Caused by")?, "Exception: ")).unwrap();
    let cause = cause.split(" BROKER: ").next().unwrap();
    assert_eq!((ours.status, ours.stderr.lines().count()), (1, 1), "{name}: {}", ours.stderr);
    let command = &golden.words[0];
    assert!(ours.stderr.starts_with(&format!("mqadmin: {command}: {cause}")), "{name}: {}", ours.stderr);
}

#[test]
fn whole_runs() {
    for name in [
        "updateTopic",
        "updateTopic-order",
        "updateTopic-cluster",
        "updateTopic-bad-topic",
        "deleteTopic",
        "topicList",
        "topicList-cluster",
        "topicRoute",
        "topicRoute-list",
        "topicRoute-unknown",
        "topicRoute-after-wipe",
        "topicStatus",
        "topicStatus-unknown",
        "2m2s-topicStatus",
        "topicClusterList",
        "consumerProgress-unknown",
        "queryMsgByKey-none",
        "queryMsgByOffset-none",
        "queryMsgByUniqueKey-none",
        "updateSubGroup",
        "updateSubGroup-cluster",
        "updateBrokerConfig",
        "updateBrokerConfig-cluster",
        "updateBrokerConfig-blacklist",
        "updateBrokerConfig-unknown-key",
        "updateNamesrvConfig",
        "updateNamesrvConfig-blacklist",
        "wipeWritePerm",
        "wipeWritePerm-unknown",
        "addWritePerm",
        "updateKvConfig",
        "deleteKvConfig",
        "consumerConnection-unknown",
        "consumerConnection-offline",
        "producerConnection",
        "producerConnection-unknown",
        "updateTopicPerm",
        "updateTopicPerm-cluster",
        "deleteSubGroup",
        "deleteSubGroup-cluster",
        "resetOffsetByTime-queue",
        "queryCq",
        "updateOrderConf",
        "updateOrderConf-get",
        "updateOrderConf-delete",
        "cleanExpiredCQ",
        "cleanExpiredCQ-cluster",
        "cleanUnusedTopic",
        "deleteExpiredCommitLog",
        "statsAll-topic",
        "addBroker",
        "addBroker-again",
        "addBroker-bad-replicas",
        "addBroker-no-file",
        "addBroker-same-port",
        "removeBroker",
        "removeBroker-slave",
        "removeBroker-not-exist",
    ] {
        check(name, &script(name), false);
    }
    for name in ["consumerConnection", "resetOffsetByTime", "skipAccumulatedMessage", "producer"] {
        check(name, &script(name), true);
    }
}

/// Where the reference fails with an exception of its virtual machine; nothing is sent either way.
#[test]
fn identities_that_are_none() {
    for (name, words) in [
        ("removeBroker-negative", "brokerId can't be negative"),
        ("removeBroker-not-a-number", "brokerId \"x\" is not a number"),
        ("removeBroker-two-parts", "has too few parts; expected clusterName:brokerName:brokerId"),
    ] {
        let ours = run(&capture(name).words, &Script::default());
        assert_eq!((ours.status, ours.stdout.as_str()), (1, ""), "{name}");
        assert!(ours.stderr.contains(words), "{name}: {}", ours.stderr);
    }
}

#[test]
fn binary_headers_work_as_well() {
    let golden = capture("topicStatus");
    let ours = run_at(&golden.words, &script("topicStatus"), Encoding::RocketMq, || 0);
    assert_eq!(ours.stdout, golden.stdout);
}

/// Bodies that the captures cut short, rebuilt from what the reference printed.
#[test]
fn run_time_figures() {
    for (name, skip) in [("brokerStatus", 0), ("brokerStatus-cluster", 25)] {
        let golden = capture(name);
        let pairs = golden.stdout.lines().map(|line| {
            let (key, value) = line[skip..].split_once(": ").unwrap();
            format!("\"{}\":\"{value}\"", key.trim())
        });
        let body = format!("{{\"table\":{{{}}}}}", pairs.collect::<Vec<_>>().join(","));
        check(name, &script(name).with_body(request::GET_BROKER_RUNTIME_INFO, body), false);
    }
    let body =
        r#"{"table":{"msgPutTotalTodayNow":"20","msgGetTotalTodayNow":"20","msgPutTotalTodayMorning":"0"}}"#;
    let name = "clusterList-moreStats";
    check(name, &script(name).with_body(request::GET_BROKER_RUNTIME_INFO, body), false);
}

#[test]
fn cluster_list_rows() {
    let body = r#"{"table":{"brokerActive":"true","putTps":"0.0 0.0 0.0","getTransferredTps":"0.0 1.0 2.0",
        "sendThreadPoolQueueSize":"0","sendThreadPoolQueueHeadWaitTimeMills":"0","pullThreadPoolQueueSize":"0",
        "pullThreadPoolQueueHeadWaitTimeMills":"0","ackThreadPoolQueueSize":"0",
        "ackThreadPoolQueueHeadWaitTimeMills":"0","pageCacheLockTimeMills":"0","timerReadBehind":"604752",
        "earliestMessageTimeStamp":"-1","commitLogDiskRatio":"0.17","brokerVersionDesc":"V5_3_3"}}"#;
    let words = ["clusterList", "-n", "127.0.0.1:21400"].map(str::to_owned);
    let script = script("clusterList-moreStats").with_body(request::GET_BROKER_RUNTIME_INFO, body);
    let ours = run_at(&words, &script, Encoding::Json, || 1_795_310_139_600);
    assert_eq!(
        ours.stdout,
        "#Cluster Name           #Broker Name            #BID  #Addr                  #Version              \
         #InTPS(LOAD)                   #OutTPS(LOAD)  #Timer(Progress)        #PCWait(ms)  #Hour         \
         #SPACE    #ACTIVATED\n\
         DefaultCluster          broker-a                0     127.0.0.1:21411        V5_3_3                 \
         0.00(0,0ms)               0.00(0,0ms|0,0ms)  604752-0(0.0w, 0.0, 0.0)            0  498697.26     \
         0.1700          true\n"
    );
}

#[test]
fn settings() {
    let name = "getBrokerConfig";
    let golden = capture(name);
    let lines = golden.stdout.lines().filter_map(|line| line.split_once("=  "));
    let body: Vec<String> = lines.map(|(key, value)| format!("{}={value}\n", key.trim())).collect();
    check(name, &script(name).with_body(request::GET_BROKER_CONFIG, body.concat()), false);
}

#[test]
fn group_configuration() {
    let name = "getConsumerConfig";
    let body = r#"{"subscriptionGroupTable":{"CG_A":{"groupName":"CG_A","consumeFromMinEnable":false,
        "consumeBroadcastEnable":false,"groupRetryPolicy":{"type":"CUSTOMIZED"}}}}"#;
    check(name, &script(name).with_body(request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, body), false);
}

#[test]
fn progress_of_groups() {
    let queue = |topic: &str, id: i32, offset: i64, last: i64| {
        format!(
            r#"{{"brokerName":"broker-a","queueId":{id},"topic":"{topic}"}}:{{"brokerOffset":{offset},
            "consumerOffset":{offset},"lastTimestamp":{last},"pullOffset":{offset}}}"#
        )
    };
    let mut all: Vec<String> = (0..4).map(|id| queue("TopicA", id, 5, 1_795_309_461_411)).collect();
    all.push(queue("%RETRY%CG_A", 0, 0, 0));
    let body = format!(r#"{{"consumeTps":0.0,"offsetTable":{{{}}}}}"#, all.join(","));
    for name in ["consumerProgress", "consumerProgress-group"] {
        check(name, &script(name).with_body(request::GET_CONSUME_STATS, body.clone()), false);
    }
}

#[test]
fn a_server_that_closes_is_a_failure() {
    let words = ["topicList", "-n", "127.0.0.1:1"].map(str::to_owned);
    let ours = run(&words, &Script::default());
    assert_eq!(ours.status, 1);
    assert!(
        ours.stderr.starts_with("mqadmin: topicList: CODE: 1  DESC: unexpected request 206"),
        "{}",
        ours.stderr
    );
}
