//! The controllers: which of them leads, and whether any of them elects from outside the SyncStateSet.

use crate::time::{Mono, earliest};

/// While no leader is known every controller is asked this often.
const SEARCH_MS: u64 = 200;
/// So soon they are asked again after the leader was lost.
const AGAIN_MS: u64 = 20;
/// Settings of the controllers are read again this often.
const SETTINGS_MS: u64 = 30_000;

#[derive(Debug)]
struct Controller {
    addr: String,
    /// Token of the discovery under way.
    asking: Option<u64>,
    due: Mono,
    settings_due: Mono,
    reading: Option<u64>,
    /// Whether it takes masters from the SyncStateSet only; `None` until it has said so.
    clean: Option<bool>,
}

/// All controllers of the configuration.
#[derive(Debug)]
pub(super) struct Controllers {
    all: Vec<Controller>,
    leader: Option<String>,
    refresh_ms: u64,
}

impl Controllers {
    pub fn new(addrs: Vec<String>, refresh_ms: u64) -> Self {
        let all = addrs.into_iter().map(|addr| Controller {
            addr,
            asking: None,
            due: Mono(0),
            settings_due: Mono(0),
            reading: None,
            clean: None,
        });
        Controllers { all: all.collect(), leader: None, refresh_ms: refresh_ms.max(SEARCH_MS) }
    }

    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// Every controller, and the leader if it goes by another address.
    pub fn heartbeat_addrs(&self) -> Vec<String> {
        let mut addrs: Vec<String> = self.all.iter().map(|controller| controller.addr.clone()).collect();
        if let Some(leader) = self.leader.as_ref().filter(|leader| !addrs.contains(leader)) {
            addrs.push(leader.clone());
        }
        addrs
    }

    /// Whether every controller has said that it keeps to the SyncStateSet.
    pub fn elect_clean_only(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|controller| controller.clean == Some(true))
    }

    /// Controllers to be asked for the leader now; `token` gives each question its token.
    pub fn ask_due(&mut self, now: Mono, mut token: impl FnMut() -> u64) -> Vec<(u64, String)> {
        let wait_ms = if self.leader.is_some() { self.refresh_ms } else { SEARCH_MS };
        let due = self.all.iter_mut().filter(|c| c.asking.is_none() && c.due <= now);
        due.map(|controller| {
            let token = token();
            controller.asking = Some(token);
            controller.due = now.plus_ms(wait_ms);
            (token, controller.addr.clone())
        })
        .collect()
    }

    /// Controllers whose settings are to be read now.
    pub fn read_due(&mut self, now: Mono, mut token: impl FnMut() -> u64) -> Vec<(u64, String)> {
        let due = self.all.iter_mut().filter(|c| c.reading.is_none() && c.settings_due <= now);
        due.map(|controller| {
            let token = token();
            controller.reading = Some(token);
            controller.settings_due = now.plus_ms(SETTINGS_MS);
            (token, controller.addr.clone())
        })
        .collect()
    }

    /// A question for the leader was answered, with what it says of it; whether that changed who leads.
    pub fn told(&mut self, token: u64, found: Option<(String, bool)>) -> bool {
        let Some(by) = self.all.iter_mut().find(|controller| controller.asking == Some(token)) else {
            return false;
        };
        by.asking = None;
        // A follower may still name the last leader: only the leader itself is believed against what is known.
        match found {
            Some((leader, is_leader))
                if self.leader.is_none() || is_leader && self.leader.as_ref() != Some(&leader) =>
            {
                self.leader = Some(leader);
                true
            }
            _ => false,
        }
    }

    /// A controller's settings were answered, or not.
    pub fn settings(&mut self, now: Mono, token: u64, unclean: Option<bool>) {
        let Some(by) = self.all.iter_mut().find(|controller| controller.reading == Some(token)) else {
            return;
        };
        by.reading = None;
        match unclean {
            Some(unclean) => by.clean = Some(!unclean),
            // What it said before stands; until it has said anything it is asked often.
            None if by.clean.is_none() => by.settings_due = now.plus_ms(1_000),
            None => {}
        }
    }

    /// The leader does not answer or says it is none: all are asked again at once.
    pub fn forget_leader(&mut self, now: Mono) {
        self.leader = None;
        for controller in &mut self.all {
            controller.due = controller.due.min(now.plus_ms(AGAIN_MS));
        }
    }

    pub fn deadline(&self) -> Option<Mono> {
        let asks = self.all.iter().filter(|c| c.asking.is_none()).map(|c| c.due);
        let reads = self.all.iter().filter(|c| c.reading.is_none()).map(|c| c.settings_due);
        asks.chain(reads).fold(None, |first, due| earliest(first, Some(due)))
    }
}
