//! Which groups have consumed a message.

use sansmq_core::body::{ConsumeType, MessageModel};
use sansmq_core::wire::code::response;
use std::fmt;
use std::io::Write;

use crate::app::World;
use crate::bodies::ConsumerConnection;
use crate::failure::Failure;
use crate::message::Message;
use crate::text;

/// What is known about one group and one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub group: String,
    /// `CONSUMED`, `NOT_CONSUME_YET`, ...
    pub kind: &'static str,
    pub exception: Option<String>,
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exception = text::or_null(self.exception.as_ref());
        write!(
            f,
            "MessageTrack [consumerGroup={}, trackType={}, exceptionDesc={exception}]",
            self.group, self.kind
        )
    }
}

impl World {
    /// What each group subscribed to the message's topic has done with it.
    ///
    /// # Errors
    /// When the groups cannot be asked for; failures about a single group end up in its track.
    pub fn tracks(&mut self, message: &Message) -> Result<Vec<Track>, Failure> {
        let groups = self.groups_of(&message.topic)?;
        Ok(groups.into_iter().map(|group| self.track(message, group)).collect())
    }

    /// Prints the tracks below a message; `line_end` follows each.
    ///
    /// # Errors
    /// Only when the output fails.
    pub fn print_tracks(&mut self, message: &Message, line_end: &str) -> Result<(), Failure> {
        match self.tracks(message) {
            Ok(tracks) if tracks.is_empty() => write!(self.out, "\n\nWARN: No Consumer")?,
            Ok(tracks) => {
                write!(self.out, "\n\n")?;
                for track in tracks {
                    write!(self.out, "{track}{line_end}")?;
                }
            }
            Err(failure) => writeln!(self.err, "mqadmin: consumers of the message: {failure}")?,
        }
        Ok(())
    }

    fn track(&mut self, message: &Message, group: String) -> Track {
        let connection = match self.consumer_connection(&group, None) {
            Ok(connection) => connection,
            Err(Failure::Refused { code: response::CONSUMER_NOT_ONLINE, desc, .. }) => {
                let exception = Some(format!("CODE:{} DESC:{desc}", response::CONSUMER_NOT_ONLINE));
                return Track { group, kind: "NOT_ONLINE", exception };
            }
            Err(failure) => return Track { group, kind: "UNKNOWN", exception: Some(failure.to_string()) },
        };
        let kind = match (connection.message_model, connection.consume_type) {
            (MessageModel::Broadcasting, _) => "CONSUME_BROADCASTING",
            (_, ConsumeType::Actively) => "PULL",
            _ => match self.has_consumed(message, &group) {
                Ok(true) if filtered(message, &connection) => "CONSUMED_BUT_FILTERED",
                Ok(true) => "CONSUMED",
                Ok(false) => "NOT_CONSUME_YET",
                Err(failure) => {
                    return Track { group, kind: "UNKNOWN", exception: Some(failure.to_string()) };
                }
            },
        };
        Track { group, kind, exception: None }
    }

    fn has_consumed(&mut self, message: &Message, group: &str) -> Result<bool, Failure> {
        let stats = self.consume_stats(group, None, None)?;
        let clusters = self.clusters()?;
        let host = message.store_host.to_string();
        Ok(stats.offsets.iter().any(|(queue, progress)| {
            let master = clusters.brokers.get(&queue.broker_name).and_then(|b| b.broker_addrs.get(&0));
            queue.topic == message.topic
                && queue.queue_id == message.queue_id
                && master.is_some_and(|addr| *addr == host)
                && progress.consumer_offset > message.queue_offset
        }))
    }
}

/// Whether the group's tags leave the message out.
fn filtered(message: &Message, connection: &ConsumerConnection) -> bool {
    let Some(subscription) = connection.subscriptions.get(&message.topic) else {
        return false;
    };
    let tags = &subscription.tags_set;
    let tag = message.property("TAGS").unwrap_or_default();
    !tags.is_empty() && !tags.contains("*") && !tags.contains(tag)
}
