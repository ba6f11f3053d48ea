//! `queryMsgByKey`: finds messages by one of their keys.

use std::io::Write;

use super::values::number;
use crate::admin::KeyQuery;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct QueryMsgByKey;

static SPEC: Spec = Spec {
    name: "queryMsgByKey",
    about: "Query Message by Key.",
    options: &[
        arg("b", "beginTimestamp", "Begin timestamp(ms). default:0, eg:1676730526212"),
        arg("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        arg("e", "endTimestamp", "End timestamp(ms). default:Long.MAX_VALUE, eg:1676730526212"),
        arg("k", "msgKey", "Message Key").required(),
        arg("m", "maxNum", "The maximum number of messages returned by the query, default:64"),
        arg("t", "topic", "Topic name").required(),
    ],
};

impl Command for QueryMsgByKey {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let query = KeyQuery {
            unique: false,
            max: number(args, "m", 64)?,
            begin: number(args, "b", 0)?,
            end: number(args, "e", i64::MAX)?,
        };
        let route = args.get("c").unwrap_or(topic);
        let found = world.query_messages(topic, route, args.get("k").unwrap_or_default(), &query)?;
        writeln!(world.out, "{:<50} {:>4} {:>40}", "#Message ID", "#QID", "#Offset")?;
        for message in found {
            writeln!(world.out, "{:<50} {:>4} {:>40}", message.id(), message.queue_id, message.queue_offset)?;
        }
        Ok(())
    }
}
