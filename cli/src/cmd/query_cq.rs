//! `queryCq`: entries of a consume queue.

use sansmq_core::json::{Json, write_pretty};
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::admin;
use std::io::Write;

use super::values::number;
use crate::admin::read_body;
use crate::app::{Command, World};
use crate::bodies::QueueEntries;
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::or_null;

/// The command.
pub struct QueryCq;

static SPEC: Spec = Spec {
    name: "queryCq",
    about: "Query cq command.",
    options: &[
        arg("b", "broker", "broker addr."),
        arg("c", "count", "how many."),
        arg("g", "consumer", "consumer group."),
        arg("i", "index", "start queue index.").required(),
        arg("q", "queue", "queue num, ie. 1").required(),
        arg("t", "topic", "topic name").required(),
    ],
};

const LINE: &str = "======================================";

impl Command for QueryCq {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        const CODE: i32 = request::QUERY_CONSUME_QUEUE;
        let topic = args.get("t").unwrap_or_default();
        let broker = match args.get("b") {
            Some(broker) => broker.to_owned(),
            None => {
                let found = world.brokers_of(topic)?.into_iter().next();
                found.ok_or_else(|| Failure::input("No topic route data!"))?
            }
        };
        let first: i64 = number(args, "i", 0)?;
        let header = admin::QueryConsumeQueue {
            topic: Some(topic),
            queue_id: number(args, "q", 0)?,
            index: first,
            count: number(args, "c", 10)?,
            consumer_group: args.get("g"),
            ..Default::default()
        };
        let answer = world.ask(&broker, CODE, header.to_ext())?;
        let found: QueueEntries = read_body(CODE, &answer)?;
        let out = &mut world.out;
        if let Some(subscription) = found.subscription.filter(|json| *json != Json::Null) {
            writeln!(out, "Subscription data: \n{}\n{LINE}", write_pretty(&subscription))?;
        }
        if let Some(filter) = found.filter_data.filter(|text| !text.is_empty()) {
            writeln!(out, "Filter data: \n{filter}\n{LINE}")?;
        }
        writeln!(out, "Queue data: \nmax: {}, min: {}\n{LINE}", found.max, found.min)?;
        for (index, entry) in (first..).zip(&found.entries) {
            let [extend, bits, msg] =
                [&entry.extend_data, &entry.bit_map, &entry.msg].map(|t| or_null(t.as_ref()));
            writeln!(
                out,
                "idx: {index}\nConsumeQueueData{{physicOffset={}, physicSize={}, tagsCode={}, \
                 extendDataJson='{extend}', bitMap='{bits}', eval={}, msg='{msg}'}}\n{LINE}",
                entry.physic_offset, entry.physic_size, entry.tags_code, entry.eval
            )?;
        }
        Ok(())
    }
}
