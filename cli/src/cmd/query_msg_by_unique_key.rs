//! `queryMsgByUniqueKey`: finds messages by the producer's id.

use crate::admin::KeyQuery;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg, flag};

/// The command.
pub struct QueryMsgByUniqueKey;

static SPEC: Spec = Spec {
    name: "queryMsgByUniqueKey",
    about: "Query Message by Unique key.",
    options: &[
        flag("a", "showAll", "Print all message, the limit is 32"),
        arg("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        arg("d", "clientId", "The consumer's client id"),
        arg("g", "consumerGroup", "consumer group name"),
        arg("i", "msgId", "Message Id").required(),
        arg("t", "topic", "The topic of msg").required(),
    ],
};

/// How far back a message to be pushed is looked for: three days, in milliseconds.
const PUSH_WINDOW_MS: i64 = 3 * 24 * 3_600_000;

impl Command for QueryMsgByUniqueKey {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let (topic, id) = (args.get("t").unwrap_or_default(), args.get("i").unwrap_or_default());
        let route = args.get("c").unwrap_or(topic);
        if let (Some(group), Some(client)) = (args.get("g"), args.get("d")) {
            let query = KeyQuery { begin: (world.now)() - PUSH_WINDOW_MS, ..KeyQuery::unique() };
            let found = world.query_messages(topic, route, id, &query)?;
            return found.first().map_or(Ok(()), |message| world.push(group, client, topic, message));
        }
        let mut found = world.query_messages(topic, route, id, &KeyQuery::unique())?;
        if !args.has("a") {
            found.truncate(1);
        }
        for (index, message) in found.iter().enumerate() {
            let suffix = if index == 0 { String::new() } else { format!("_{index}") };
            world.print_details(message, false, &suffix, false)?;
            world.print_tracks(message, "")?;
        }
        Ok(())
    }
}
