//! What holds after any sequence of events.

use super::actions::Action;
use super::*;
use crate::body::TopicRouteData;
use crate::json::from_slice;
use quickcheck::quickcheck;

fn bench() -> Bench {
    Bench::new(NamesrvConfig {
        support_acting_master: true,
        notify_min_broker_id_changed: true,
        ..NamesrvConfig::default()
    })
}

quickcheck! {
    /// The tables are checked after every single event (in [`Bench::handle`]).
    fn tables_stay_consistent(actions: Vec<Action>) -> bool {
        let mut bench = bench();
        actions.into_iter().for_each(|action| action.run(&mut bench));
        true
    }

    fn every_topic_has_a_route_that_leads_somewhere(actions: Vec<Action>) -> bool {
        let mut bench = bench();
        actions.into_iter().for_each(|action| action.run(&mut bench));
        let topics = bench.ns.tables().all_topics().topics;
        topics.iter().all(|topic| {
            let reply = bench.ask(105, &[("topic", topic)], b"");
            let route: TopicRouteData = from_slice(text(&reply).as_bytes()).expect("a route");
            route.queue_datas.iter().all(|queue| {
                route.broker_datas.iter().any(|b| b.broker_name == queue.broker_name && !b.broker_addrs.is_empty())
            })
        })
    }

    fn nothing_outlives_its_connections(actions: Vec<Action>) -> bool {
        let mut bench = bench();
        actions.into_iter().for_each(|action| action.run(&mut bench));
        (0..5).for_each(|conn| drop(bench.handle(ServerIn::Closed(ConnId(conn)))));
        let tables = bench.ns.tables();
        tables.brokers.is_empty() && tables.topics.is_empty() && tables.clusters.is_empty() && tables.live.is_empty()
    }

    fn nothing_outlives_silence(actions: Vec<Action>) -> bool {
        let mut bench = bench();
        actions.into_iter().for_each(|action| action.run(&mut bench));
        bench.pass(130_000);
        bench.ns.tables().live.is_empty() && bench.ns.tables().brokers.is_empty()
    }

    fn any_request_is_answered(code: u16, keys: Vec<u8>, body: Vec<u8>) -> bool {
        const KEYS: [(&str, &str); 10] = [
            ("brokerName", "a"), ("brokerAddr", "h:1"), ("clusterName", "C"), ("brokerId", "0"), ("topic", "T"),
            ("namespace", "N"), ("key", "k"), ("value", "v"), ("cluster", "C"), ("heartbeatTimeoutMillis", "-1"),
        ];
        let ext: Vec<_> = keys.iter().map(|k| KEYS[usize::from(*k) % KEYS.len()]).collect();
        let mut bench = bench();
        [i32::from(code), 100 + i32::from(code % 7), 205 + i32::from(code % 20), 304 + i32::from(code % 24)]
            .into_iter()
            .all(|code| !text(&bench.ask(code, &ext, &body)).contains('\u{fffd}'))
    }
}
