//! Ranges of queues and where groups are put in them.

use sansmq_core::body::MessageQueue;
use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::admin;
use std::collections::BTreeMap;
use std::io::Write;

use super::{Queue, read_body};
use crate::app::World;
use crate::bodies::ResetOffsets;
use crate::failure::Failure;
use crate::options::Matches;

impl World {
    /// Where to start and to end reading a queue: its ends, or the offsets of two points in time.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn range(
        &mut self,
        queue: &Queue,
        begin: Option<i64>,
        end: Option<i64>,
    ) -> Result<(i64, i64), Failure> {
        let (mut min, mut max) = (self.min_offset(queue)?, self.max_offset(queue)?);
        if let Some(ms) = begin {
            min = self.offset_at(queue, ms)?;
        }
        if let Some(ms) = end {
            max = self.offset_at(queue, ms)?;
        }
        Ok((min, max))
    }

    /// Moves a group to a point in time on all queues of a topic; returns where it is now.
    ///
    /// # Errors
    /// The refusal of the first broker that does not do it.
    pub fn reset_offsets(
        &mut self,
        group: &str,
        topic: &str,
        route: Option<&str>,
        timestamp: i64,
        force: bool,
    ) -> Result<BTreeMap<MessageQueue, i64>, Failure> {
        let mut moved = BTreeMap::new();
        for set in self.route(route.unwrap_or(topic))?.broker_datas {
            let Some(master) = set.broker_addrs.get(&0) else { continue };
            let header = admin::ResetOffset {
                group: Some(group),
                topic: Some(topic),
                queue_id: -1,
                offset: Some(-1),
                timestamp,
                is_force: force,
                ..Default::default()
            };
            moved.extend(self.invoke_reset(master, header.to_ext())?);
        }
        Ok(moved)
    }

    /// Puts a group at an offset of one queue.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn reset_queue(&mut self, queue: &Queue, group: &str, offset: i64) -> Result<(), Failure> {
        let header = admin::ResetOffset {
            group: Some(group),
            topic: Some(&queue.topic),
            queue_id: queue.id,
            offset: Some(offset),
            timestamp: 0,
            is_force: false,
            ..Default::default()
        };
        self.invoke_reset(&queue.broker, header.to_ext()).map(drop)
    }

    fn invoke_reset(&mut self, broker: &str, ext: Ext) -> Result<BTreeMap<MessageQueue, i64>, Failure> {
        const CODE: i32 = request::INVOKE_BROKER_TO_RESET_OFFSET;
        let answer = self.ask(broker, CODE, ext)?;
        read_body(CODE, &answer).map(|body: ResetOffsets| body.offsets)
    }

    /// The table of offsets after a reset.
    ///
    /// # Errors
    /// Only when the output fails.
    pub fn print_offsets(&mut self, offsets: &BTreeMap<MessageQueue, i64>) -> Result<(), Failure> {
        writeln!(self.out, "{:<40}  {:<40}  {:<40}", "#brokerName", "#queueId", "#offset")?;
        for (queue, offset) in offsets {
            writeln!(self.out, "{:<40}  {:<40}  {offset:<40}", queue.broker_name, queue.queue_id)?;
        }
        Ok(())
    }

    /// One of the requests that make brokers clean up: `-b` one broker, `-c` the masters of a cluster, or the
    /// masters of all clusters. Prints `success` or `false`.
    ///
    /// # Errors
    /// The refusal of the last broker that did not do it.
    pub fn clean(&mut self, code: i32, args: &Matches) -> Result<(), Failure> {
        let brokers = match (args.get("b"), args.get("c")) {
            (None, None) => {
                let clusters = self.clusters()?;
                clusters.brokers.values().filter_map(|set| set.broker_addrs.get(&0)).cloned().collect()
            }
            (broker, cluster) => self.broker_or_masters(broker, cluster)?,
        };
        let mut outcome = Ok(());
        for broker in brokers {
            if let Err(failure) = self.ask(&broker, code, Ext::new()) {
                outcome = Err(failure);
            }
        }
        write!(self.out, "{}", if outcome.is_ok() { "success" } else { "false" })?;
        outcome
    }
}
