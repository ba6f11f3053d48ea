//! Two masters and a slave as processes, with acting masters and remote escape: a master is killed, its slave gives what
//! comes due to the other master, the master comes back and nobody's progress goes back.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use sansmq_core::wire::Command;
use sansmq_core::wire::code::{request, response};
use sansmq_tests::{Client, Frontend, Got, Pull, Server, bodies, eventually, ext, on_both_frontends, send};

on_both_frontends!(
    a_slave_acts_for_its_master_until_that_comes_back,
    a_returning_master_calls_its_slave_back,
);

struct Set {
    namesrv: Server,
    /// Of `broker-a`.
    master: Server,
    slave: Server,
}

const COMMON: &str = "brokerIP2=127.0.0.1\nregisterNameServerPeriod=10000\nenableSlaveActingMaster=true\n\
    enableRemoteEscape=true\nbrokerNotActiveTimeoutMillis=3000\nslaveReadEnable=true\ntotalReplicas=2\n\
    inSyncReplicas=2\nenableAutoInSyncReplicas=true\nflushConsumerOffsetInterval=1000\n\
    transactionCheckInterval=1000\ntransactionTimeOut=500\ntransactionOpBatchInterval=100\n";

impl Set {
    fn start(frontend: Frontend) -> Self {
        let config = "bindAddress=127.0.0.1\nsupportActingMaster=true\nnotifyMinBrokerIdChanged=true\n";
        let namesrv = Server::start(frontend, "namesrv", config, &[]);
        let common = common(&namesrv);
        let master = Server::broker(frontend, &format!("{common}brokerRole=SYNC_MASTER\n"));
        let slave = Server::broker(frontend, &format!("{common}brokerRole=SLAVE\nbrokerId=1\n"));
        Set { namesrv, master, slave }
    }

    fn route(&self) -> String {
        let ask = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext("topic=T"));
        String::from_utf8_lossy(&self.namesrv.client().call(&ask).body).into_owned()
    }

    fn follows(&self) -> bool {
        let status = Command::request(request::GET_BROKER_HA_STATUS, ext(""));
        let text = self.master.client().must(&status).body;
        String::from_utf8_lossy(&text).contains("\"diff\":0,\"inSync\":true")
    }
}

fn common(namesrv: &Server) -> String {
    format!("{COMMON}namesrvAddr={}\n", namesrv.addr())
}

fn with(properties: &[(&str, &str)], body: &str) -> Command {
    let text: String = properties.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect();
    let born = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let fields = format!(
        "producerGroup=pg topic=T defaultTopic=TBW102 defaultTopicQueueNums=4 queueId=0 sysFlag=0 \
         bornTimestamp={born} flag=0 properties={text} reconsumeTimes=0 unitMode=false batch=false"
    );
    Command::request(request::SEND_MESSAGE, ext(&fields)).with_body(body.to_owned())
}

/// How often each body is in the first queues of `T`.
fn found(client: &mut Client) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for queue in 0..4 {
        let answer = client.call(&Pull { queue, ..Pull::from("T", 0) }.command());
        for body in bodies(&answer) {
            *all.entry(String::from_utf8_lossy(&body).into_owned()).or_default() += 1;
        }
    }
    all
}

fn commit(server: &Server, offset: i64) {
    let fields = format!("consumerGroup=CG topic=T queueId=0 commitOffset={offset}");
    server.client().must(&Command::request(request::UPDATE_CONSUMER_OFFSET, ext(&fields)));
}

fn committed(server: &Server) -> Option<String> {
    let ask = Command::request(request::QUERY_CONSUMER_OFFSET, ext("consumerGroup=CG topic=T queueId=0"));
    server.client().call(&ask).ext_text("offset")
}

fn active(server: &Server) -> bool {
    let answer = server.client().must(&Command::request(request::GET_BROKER_RUNTIME_INFO, ext("")));
    String::from_utf8_lossy(&answer.body).contains("\"brokerActive\":\"true\"")
}

fn a_slave_acts_for_its_master_until_that_comes_back(frontend: Frontend) {
    let mut set = Set::start(frontend);
    let common = common(&set.namesrv);
    // A set of one: nobody to wait for.
    let other = Server::broker(
        frontend,
        &format!("{common}brokerName=broker-b\ntotalReplicas=1\ninSyncReplicas=1\n"),
    );
    let mut producer = other.client();
    producer.must(&send("T", "of the other"));
    let heartbeat = br#"{"clientID":"p","producerDataSet":[{"groupName":"pg"}],"consumerDataSet":[]}"#;
    producer.must(&Command::request(request::HEART_BEAT, ext("")).with_body(&heartbeat[..]));
    let group = Command::request(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, ext(""));
    set.master.client().must(&group.with_body(&br#"{"groupName":"CG"}"#[..]));
    let mut client = set.master.client();
    client.must(&send("T", "m0"));
    eventually(20, "master and slave are in the route", || {
        let route = set.route();
        [&set.master, &set.slave, &other].iter().all(|server| route.contains(&server.addr()))
    });
    eventually(20, "the slave follows and counts", || {
        set.follows() && client.call(&send("T", "m")).code == 0
    });
    commit(&set.master, 1);
    let file = set.slave.folder.join("data/store/config/consumerOffset.json");
    eventually(20, "the slave has the master's tables", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("T@CG"))
            && committed(&set.slave).as_deref() == Some("1")
    });
    assert!(active(&set.master) && !active(&set.slave));
    for n in 0..3 {
        let (delayed, timed) = (format!("delayed{n}"), format!("timed{n}"));
        client.must(&with(&[("DELAY", "2"), ("UNIQ_KEY", &delayed)], &delayed));
        client.must(&with(&[("TIMER_DELAY_SEC", "6"), ("UNIQ_KEY", &timed)], &timed));
    }
    client.must(&with(&[("TRAN_MSG", "true"), ("PGROUP", "pg"), ("UNIQ_KEY", "half")], "half"));
    client.must(&with(&[("DELAY", "6"), ("UNIQ_KEY", "long")], "two minutes"));
    eventually(10, "the slave has all of it", || set.follows());

    set.master.kill();
    let mut checked = None;
    eventually(30, "the other master asks about the open transaction", || {
        if let Got::Frame(command) = producer.wait(std::time::Duration::from_millis(200)) {
            checked = Some(*command).filter(|command| command.code == request::CHECK_TRANSACTION_STATE);
        }
        checked.is_some()
    });
    let check = checked.expect("it came");
    let field = |name: &str| check.ext_text(name).unwrap_or_default();
    let fields = format!(
        "producerGroup=pg tranStateTableOffset={} commitLogOffset={} commitOrRollback=8 fromTransactionCheck=true \
         msgId={}",
        field("tranStateTableOffset"),
        field("commitLogOffset"),
        field("msgId"),
    );
    let mut client = other.client();
    client.must(&Command::request(request::END_TRANSACTION, ext(&fields)));
    let mut wanted: Vec<String> =
        ["delayed", "timed"].iter().flat_map(|kind| (0..3).map(move |n| format!("{kind}{n}"))).collect();
    wanted.push("half".to_owned());
    eventually(30, "what came due is with the other master", || {
        let found = found(&mut client);
        wanted.iter().all(|body| found.contains_key(body))
    });
    assert!(active(&set.slave));
    assert_eq!(
        set.slave.client().call(&Pull::from("T", 0).command()).code,
        0,
        "readers go on with the slave"
    );
    commit(&set.slave, 2);

    set.master.restart();
    eventually(20, "the master is in the route again", || set.route().contains(&set.master.addr()));
    assert_eq!(committed(&set.master).as_deref(), Some("2"), "nobody's offset goes back");
    eventually(10, "the slave does nothing for it any more", || !active(&set.slave) && active(&set.master));
    eventually(20, "the slave follows", || set.follows());
    std::thread::sleep(std::time::Duration::from_secs(2));
    let here = found(&mut set.master.client());
    let there = found(&mut client);
    for body in &wanted {
        let times = (here.get(body).copied().unwrap_or(0), there.get(body).copied().unwrap_or(0));
        assert_eq!(times, (0, 1), "{body}");
    }
    assert!(!here.contains_key("two minutes") && !there.contains_key("two minutes"), "it is not time");
    let scheduled = set.master.client().must(&Command::request(request::GET_ALL_DELAY_OFFSET, ext("")));
    let text = String::from_utf8_lossy(&scheduled.body).into_owned();
    assert!(text.contains("2:3"), "the level the slave has delivered: {text}");
}

/// A slave that was led elsewhere follows the master that comes back, before anybody hears of that.
fn a_returning_master_calls_its_slave_back(frontend: Frontend) {
    let mut set = Set::start(frontend);
    set.master.client().must(&send("T", "m0"));
    eventually(20, "both are in the route", || {
        set.route().contains(&set.master.addr()) && set.route().contains(&set.slave.addr())
    });
    set.master.stop();
    // The slave follows somebody else: nobody comes to the master's replication port.
    let answer = set.slave.client().call(&Command::request(
        request::EXCHANGE_BROKER_HA_INFO,
        ext("masterHaAddress=127.0.0.1:1 masterFlushOffset=0 masterAddress=127.0.0.1:2"),
    ));
    assert_eq!(answer.code, response::SUCCESS);
    eventually(20, "the slave is alone", || !set.route().contains(&set.master.addr()));
    set.master.restart();
    eventually(20, "the slave was called and the master is online", || {
        set.route().contains(&set.master.addr()) && set.follows()
    });
}
