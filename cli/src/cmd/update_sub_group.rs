//! `updateSubGroup`: creates or changes a consumer group.

use sansmq_core::body::{GroupRetryPolicy, SubscriptionGroupConfig};
use sansmq_core::json::from_slice;
use std::io::Write;

use super::values::{attributes, number};
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateSubGroup;

static SPEC: Spec = Spec {
    name: "updateSubGroup",
    about: "Update or create subscription group.",
    options: &[
        arg("a", "notifyConsumerIdsChanged", "notify consumerId changed"),
        arg("", "attributes", "attribute(+a=b,+c=d,-e)"),
        arg("b", "brokerAddr", "create subscription group to which broker"),
        arg("c", "clusterName", "create subscription group to which cluster"),
        arg("d", "consumeBroadcastEnable", "broadcast"),
        arg("g", "groupName", "consumer group name").required(),
        arg("i", "brokerId", "consumer from which broker id"),
        arg("m", "consumeFromMinEnable", "from min offset"),
        arg("o", "consumeMessageOrderly", "consume message orderly"),
        arg(
            "p",
            "groupRetryPolicy",
            "the json string of retry policy ( exp: {\"type\":\"EXPONENTIAL\",\"exponentialRetryPolicy\":{\"initial\":5000,\"max\":7200000,\"multiplier\":2}} {\"type\":\"CUSTOMIZED\",\"customizedRetryPolicy\":{\"next\":[1000,5000,10000]}} )",
        ),
        arg("q", "retryQueueNums", "retry queue nums"),
        arg("r", "retryMaxTimes", "retry max times"),
        arg("s", "consumeEnable", "consume enable"),
        arg("w", "whichBrokerWhenConsumeSlowly", "which broker id when consume slowly"),
    ],
};

impl Command for UpdateSubGroup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let config = config(args)?;
        for broker in world.broker_or_masters(args.get("b"), args.get("c"))? {
            world.put_group(&broker, &config)?;
            writeln!(world.out, "create subscription group to {broker} success.")?;
        }
        write!(world.out, "{config}")?;
        Ok(())
    }
}

fn config(args: &Matches) -> Result<SubscriptionGroupConfig, Failure> {
    let usual = SubscriptionGroupConfig::default();
    let truth = |key: &str, usual: bool| if args.has(key) { args.truth(key) } else { usual };
    let group_retry_policy = match args.get("p") {
        None => GroupRetryPolicy::default(),
        Some(text) => from_slice(text.as_bytes())
            .map_err(|error| Failure::input(format!("-p is no retry policy: {error}")))?,
    };
    Ok(SubscriptionGroupConfig {
        group_name: args.get("g").unwrap_or_default().to_owned(),
        consume_enable: truth("s", true),
        consume_from_min_enable: truth("m", false),
        consume_broadcast_enable: truth("d", false),
        consume_message_orderly: truth("o", false),
        retry_queue_nums: number(args, "q", usual.retry_queue_nums)?,
        retry_max_times: number(args, "r", usual.retry_max_times)?,
        group_retry_policy,
        broker_id: number(args, "i", usual.broker_id)?,
        which_broker_when_consume_slowly: number(args, "w", usual.which_broker_when_consume_slowly)?,
        notify_consumer_ids_changed_enable: truth("a", true),
        attributes: attributes(args.get("attributes").unwrap_or_default())?,
        ..usual
    })
}
