//! Calls to other servers and pushes to clients: whose they are, when they give up, and what waits for a
//! connection that is being dialled.

use std::collections::{BTreeSet, HashMap};

use crate::time::Mono;
use crate::wire::{Command, ConnId};

/// A call or one-way command that waits for its connection.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Node token and time-out in milliseconds; `None` for one-way commands.
    pub call: Option<(u64, u64)>,
    pub command: Command,
}

/// A connection to another server.
#[derive(Debug)]
pub(super) struct Dialled {
    pub conn: ConnId,
    pub connected: bool,
    pub waiting: Vec<Waiting>,
}

#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Node token -> role and the role's own token.
    owners: HashMap<u64, (usize, u64)>,
    next_token: u64,
    deadlines: BTreeSet<(Mono, ConnId)>,
    pub dialled: HashMap<String, Dialled>,
}

impl Calls {
    /// Gives a call of `role` a token that is unique in the node.
    pub fn own(&mut self, role: usize, token: u64) -> u64 {
        self.next_token += 1;
        self.owners.insert(self.next_token, (role, token));
        self.next_token
    }

    pub fn owner(&mut self, token: u64) -> Option<(usize, u64)> {
        self.owners.remove(&token)
    }

    /// Nobody is there any more for the answers to calls of `role`.
    pub fn forget(&mut self, role: usize) {
        self.owners.retain(|_, owner| owner.0 != role);
    }

    pub fn expect_by(&mut self, deadline: Mono, conn: ConnId) {
        self.deadlines.insert((deadline, conn));
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|entry| entry.0)
    }

    /// A connection that has a call due by now.
    pub fn due(&mut self, now: Mono) -> Option<ConnId> {
        let first = *self.deadlines.first()?;
        (first.0 <= now).then(|| {
            self.deadlines.remove(&first);
            first.1
        })
    }

    /// The entry of the server this connection goes to.
    pub fn by_conn(&mut self, conn: ConnId) -> Option<(String, &mut Dialled)> {
        let entry = self.dialled.iter_mut().find(|(_, dialled)| dialled.conn == conn);
        entry.map(|(addr, dialled)| (addr.clone(), dialled))
    }
}
