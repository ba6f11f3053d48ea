//! Where the load goes: brokers and queues of a topic.

use sansmq_core::body::{TopicConfig, perm};
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::admin;

use super::options::Plan;
use crate::admin::{Queue, read_body};
use crate::app::World;
use crate::failure::Failure;

impl World {
    /// The queues the plan's topic is written to or read from.
    ///
    /// # Errors
    /// Code 17 for an unknown topic, [`Failure::Input`] for one without such queues.
    pub fn target_queues(&mut self, plan: &Plan, writing: bool) -> Result<Vec<Queue>, Failure> {
        let queues = match (&plan.broker, writing) {
            (Some(broker), _) => self.queues_on(broker, &plan.topic, writing)?,
            (None, false) => self.read_queues(&plan.topic, &plan.topic)?,
            (None, true) => self.all_write_queues(&plan.topic)?,
        };
        if queues.is_empty() {
            return Err(Failure::input(format!("topic {} has no queue to use", plan.topic)));
        }
        Ok(queues)
    }

    fn queues_on(&mut self, broker: &str, topic: &str, writing: bool) -> Result<Vec<Queue>, Failure> {
        const CODE: i32 = request::GET_TOPIC_CONFIG;
        let header = admin::Topic { topic: Some(topic), ..Default::default() };
        let config: TopicConfig = read_body(CODE, &self.ask(broker, CODE, header.to_ext())?)?;
        let count = if writing { config.write_queue_nums } else { config.read_queue_nums };
        let queue =
            |id| Queue { broker: broker.to_owned(), broker_name: String::new(), topic: topic.to_owned(), id };
        Ok((0..count).map(queue).collect())
    }

    fn all_write_queues(&mut self, topic: &str) -> Result<Vec<Queue>, Failure> {
        let route = self.route(topic)?;
        let mut queues = Vec::new();
        for data in route.queue_datas.iter().filter(|data| data.perm & perm::WRITE != 0) {
            let set = route.broker_datas.iter().find(|set| set.broker_name == data.broker_name);
            let Some(master) = set.and_then(|set| set.broker_addrs.get(&0)) else { continue };
            queues.extend((0..data.write_queue_nums).map(|id| Queue {
                broker: master.clone(),
                broker_name: data.broker_name.clone(),
                topic: topic.to_owned(),
                id,
            }));
        }
        Ok(queues)
    }
}

/// Deals connections out to brokers: the broker's address of each connection, and the queues of each broker.
#[must_use]
pub fn deal(queues: Vec<Queue>, connections: usize) -> Vec<(String, Vec<Queue>)> {
    let mut brokers: Vec<(String, Vec<Queue>)> = Vec::new();
    for queue in queues {
        match brokers.iter_mut().find(|(addr, _)| *addr == queue.broker) {
            Some((_, list)) => list.push(queue),
            None => brokers.push((queue.broker.clone(), vec![queue])),
        }
    }
    let count = connections.max(brokers.len());
    brokers.iter().cycle().take(count).cloned().collect()
}
