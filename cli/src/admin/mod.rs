//! Requests as the commands need them: typed in, typed out, an error code being a [`Failure`].
//!
//! `names` asks name servers for routes and clusters, `broker` asks one broker, `controller` asks controllers and
//! about replication, `group` asks about consumer groups across brokers, `messages` reads and sends messages,
//! `offsets` moves groups, `tracks` tells who has consumed a message.

mod broker;
mod controller;
mod group;
mod messages;
mod names;
mod offsets;
mod tracks;

pub use broker::properties;
pub use messages::{KeyQuery, PullStatus, Queue, SendOutcome};
pub use names::{RETRY_PREFIX, address_of, retry_topic};

use sansmq_core::json::{FromJson, from_slice};
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};

use std::time::Duration;

use crate::app::World;
use crate::client::CALL_TIMEOUT;
use crate::failure::Failure;

/// Reads the body of an answer.
///
/// # Errors
/// [`Failure::Body`] when it is not what the request should bring.
pub fn read_body<T: FromJson>(code: i32, answer: &Command) -> Result<T, Failure> {
    from_slice(&answer.body).map_err(|error| Failure::Body { request: request::name(code), error })
}

impl World {
    /// Asks a broker; an error code is a failure that names the broker.
    ///
    /// # Errors
    /// [`Failure::Refused`] or a client error.
    pub fn ask(&mut self, broker: &str, code: i32, ext: Ext) -> Result<Command, Failure> {
        self.ask_with(broker, Command::request(code, ext))
    }

    /// As [`World::ask`], for a request that has a body.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn ask_with(&mut self, broker: &str, command: Command) -> Result<Command, Failure> {
        self.ask_within(broker, command, CALL_TIMEOUT)
    }

    /// As [`World::ask_with`], with a time limit of its own.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn ask_within(
        &mut self,
        server: &str,
        command: Command,
        timeout: Duration,
    ) -> Result<Command, Failure> {
        let answer = self.client.call_within(server, command, timeout)?;
        accepted(answer, Some(server))
    }
}

/// The answer if its code is 0.
fn accepted(answer: Command, broker: Option<&str>) -> Result<Command, Failure> {
    if answer.code == response::SUCCESS {
        return Ok(answer);
    }
    let desc = answer.remark.as_deref().unwrap_or_default().to_owned();
    Err(Failure::Refused { code: answer.code, desc, broker: broker.map(str::to_owned) })
}
