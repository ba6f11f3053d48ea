//! `updateOrderConf`: the order configuration of a topic.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateOrderConf;

static SPEC: Spec = Spec {
    name: "updateOrderConf",
    about: "Create or update or delete order conf.",
    options: &[
        arg("m", "method", "option type [eg. put|get|delete").required(),
        arg("t", "topic", "topic name").required(),
        arg("v", "orderConf", "set order conf [eg. brokerName1:num;brokerName2:num]"),
    ],
};

impl Command for UpdateOrderConf {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        match args.get("m").unwrap_or_default() {
            "get" => {
                let conf = world.order_conf(topic)?;
                write!(world.out, "get orderConf success. topic=[{topic}], orderConf=[{conf}] ")?;
            }
            "put" => {
                let conf = args.get("v").filter(|conf| !conf.is_empty());
                let conf = conf.ok_or_else(|| Failure::input("please set orderConf with option -v."))?;
                world.set_order_conf(topic, conf)?;
                write!(world.out, "update orderConf success. topic=[{topic}], orderConf=[{conf}]")?;
            }
            "delete" => {
                world.drop_order_conf(topic)?;
                write!(world.out, "delete orderConf success. topic=[{topic}]")?;
            }
            other => return Err(Failure::input(format!("-m is [{other}], expected put, get or delete"))),
        }
        Ok(())
    }
}
