//! Every message the clients have written, by number. The number leads the body, so that whoever sees a body knows
//! which message it is, and that it is whole.

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// One of a key, of which the next is sent when this one is promised.
    Keyed {
        key: usize,
    },
    /// Delivered so many milliseconds later, by level.
    Delayed {
        ms: i64,
    },
    /// The same, by the timer.
    Timed {
        ms: i64,
    },
    /// A half message, and what its producer has decided.
    Half {
        commit: bool,
    },
}

impl Kind {
    /// Whether it is first kept in another topic than the one it is for.
    #[must_use]
    pub fn is_held(self) -> bool {
        matches!(self, Kind::Delayed { .. } | Kind::Timed { .. } | Kind::Half { .. })
    }
}

#[derive(Clone, Debug)]
pub struct Message {
    pub id: u64,
    pub kind: Kind,
    pub topic: &'static str,
    pub queue: usize,
    /// A producer was told that it is kept.
    pub promised: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    messages: Vec<Message>,
}

impl Ledger {
    /// Writes a message down; its number.
    pub fn write(&mut self, kind: Kind, topic: &'static str, queue: usize) -> u64 {
        let id = self.messages.len() as u64;
        self.messages.push(Message { id, kind, topic, queue, promised: false });
        id
    }

    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Message> {
        self.messages.get(usize::try_from(id).ok()?)
    }

    /// A producer was told that it is kept.
    pub fn promise(&mut self, id: u64) {
        if let Some(message) = usize::try_from(id).ok().and_then(|index| self.messages.get_mut(index)) {
            message.promised = true;
        }
    }

    /// The message with this body; `None` when nobody has written it like that.
    #[must_use]
    pub fn find(&self, body: &[u8]) -> Option<&Message> {
        let digits = body.iter().position(|byte| *byte == b' ')?;
        let id = std::str::from_utf8(&body[..digits]).ok()?.parse().ok()?;
        self.get(id).filter(|_| body_of(id).as_bytes() == body)
    }
}

/// The body of a message: of a length that depends on its number.
#[must_use]
pub fn body_of(id: u64) -> String {
    let length = (id * 37 % 120) as usize;
    format!("{id} {}", "x".repeat(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_message_only_when_it_is_whole() {
        let mut ledger = Ledger::default();
        ledger.write(Kind::Plain, "T", 0);
        let id = ledger.write(Kind::Keyed { key: 1 }, "T", 1);
        let body = body_of(id);
        assert_eq!(ledger.find(body.as_bytes()).map(|message| message.id), Some(id));
        assert!(ledger.find(&body.as_bytes()[..body.len() - 1]).is_none());
        assert!(ledger.find(b"7 xxx").is_none() && ledger.find(b"no number").is_none());
    }
}
