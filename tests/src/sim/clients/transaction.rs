//! Half messages: a producer ends most of them at once, forgets some, and answers when a broker asks.

use sansmq_core::message::record;
use sansmq_core::wire::Command;

use super::Call;
use super::requests::{self, HalfPlace, number};
use crate::sim::ledger::Kind;
use crate::sim::world::World;

impl World {
    /// What was decided about a half message.
    fn decision(&self, message: u64) -> Option<bool> {
        match self.oracle.ledger.get(message)?.kind {
            Kind::Half { commit } => Some(commit),
            _ => None,
        }
    }

    pub(super) fn half_is_stored(&mut self, app: usize, addr: &str, message: u64, place: HalfPlace) {
        self.client.halves.insert(message, place);
        let decision = self.decision(message);
        match self.dice.workload.roll(4) {
            // it is forgotten, and the broker will ask
            0 => {}
            1 => {
                let command = requests::end(message, place, decision, false).oneway();
                self.client_sends(app, addr, &command);
            }
            _ => {
                let command = requests::end(message, place, decision, false);
                self.client_calls(app, addr, command, Call::End { message });
            }
        }
    }

    pub(super) fn ended(&mut self, _app: usize, message: u64, answer: Option<Command>) {
        let code = answer.as_ref().map(|answer| answer.code);
        self.say(&format!("the end of {message} is answered with {code:?}"));
        if code == Some(0) {
            self.client.halves.remove(&message);
        }
    }

    /// A broker asks what became of a half message, and is told, sometimes at the second time.
    pub(super) fn checked(&mut self, app: usize, link: u64, command: &Command) {
        let Some(addr) = self.address_of(app, link) else { return };
        let place = number(command, "tranStateTableOffset").zip(number(command, "commitLogOffset"));
        let found = record::decode(&command.body).ok();
        let message = found.and_then(|found| self.oracle.ledger.find(found.body)).map(|message| message.id);
        let (Some(place), Some(message)) = (place, message) else {
            return self.oracle.fail(format!("{addr} asks about a half message that is none"));
        };
        let known = !self.dice.workload.one_in(4);
        let decision = self.decision(message).filter(|_| known);
        self.say(&format!("{addr} asks about {message} and is told {decision:?}"));
        self.client_sends(app, &addr, &requests::end(message, place, decision, true).oneway());
    }
}
