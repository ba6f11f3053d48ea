//! What is known of half messages from the first open one on: pure bookkeeping.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Ends remembered after their half messages were passed, for ends that come again.
const SETTLED_MAX: usize = 50_000;

/// Why a half message needs no more attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// It was ended; whether it was committed, when that is known.
    Ended(Option<bool>),
    /// A copy further on stands for it, or it was given up.
    Moved,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    gone: Gone,
    /// The op message that names it.
    op: Option<i64>,
}

/// The state between the first open half message and the end of its queue.
#[derive(Debug)]
pub(super) struct Progress {
    /// Half messages below need no attention.
    half: i64,
    /// The next op message to read.
    next_op: i64,
    gone: BTreeMap<i64, Entry>,
    /// Op messages not used up: how many of the half messages they name are at or behind `half`.
    open_ops: BTreeMap<i64, u32>,
    /// Transaction id -> the copy that stands for it, where a half message was stored again.
    copies: HashMap<Box<str>, i64>,
    settled: HashMap<Box<str>, bool>,
    settled_order: VecDeque<Box<str>>,
}

impl Progress {
    pub fn new(half: i64, next_op: i64) -> Self {
        Progress {
            half,
            next_op,
            gone: BTreeMap::new(),
            open_ops: BTreeMap::new(),
            copies: HashMap::new(),
            settled: HashMap::new(),
            settled_order: VecDeque::new(),
        }
    }

    pub fn half(&self) -> i64 {
        self.half
    }

    pub fn next_op(&self) -> i64 {
        self.next_op
    }

    /// The op offset to start from after a restart.
    pub fn op_to_commit(&self) -> i64 {
        self.open_ops.keys().next().copied().unwrap_or(self.next_op)
    }

    /// Takes in an op message that was read back.
    pub fn read_op(&mut self, op: i64, halves: impl Iterator<Item = i64>) {
        self.next_op = op + 1;
        let mut named = 0;
        for offset in halves.filter(|offset| *offset >= self.half) {
            let entry = self.gone.entry(offset).or_insert(Entry { gone: Gone::Ended(None), op: None });
            if entry.op.is_none() {
                entry.op = Some(op);
                named += 1;
            }
        }
        if named > 0 {
            self.open_ops.insert(op, named);
        }
    }

    pub fn is_gone(&self, offset: i64) -> bool {
        self.gone.contains_key(&offset)
    }

    /// How a half message ended: `Some(None)` when only that it did is known.
    pub fn ended(&self, offset: i64, id: &str) -> Option<Option<bool>> {
        match self.gone.get(&offset) {
            Some(Entry { gone: Gone::Ended(how), .. }) => Some(*how),
            _ => self.settled.get(id).map(|how| Some(*how)),
        }
    }

    /// Notes an end; the other queue offsets that ended with it.
    pub fn end(&mut self, offset: i64, id: &str, committed: bool) -> Option<i64> {
        self.set(offset, Gone::Ended(Some(committed)));
        self.settle(id, committed);
        let copy = self.copies.remove(id)?;
        self.set(copy, Gone::Ended(Some(committed)));
        (copy != offset).then_some(copy)
    }

    fn settle(&mut self, id: &str, committed: bool) {
        if id.is_empty() {
            return;
        }
        if self.settled.insert(id.into(), committed).is_none() {
            self.settled_order.push_back(id.into());
        }
        if self.settled_order.len() > SETTLED_MAX
            && let Some(oldest) = self.settled_order.pop_front()
        {
            self.settled.remove(&oldest);
        }
    }

    fn set(&mut self, offset: i64, gone: Gone) {
        if offset >= self.half {
            let op = self.gone.get(&offset).and_then(|entry| entry.op);
            self.gone.insert(offset, Entry { gone, op });
        }
    }

    /// A half message needs no more attention where it is: nobody asks about it any more, or a copy further on
    /// takes its place.
    pub fn give_up(&mut self, offset: i64, id: &str) {
        if !self.is_gone(offset) {
            self.set(offset, Gone::Moved);
        }
        if self.copies.get(id) == Some(&offset) {
            self.copies.remove(id);
        }
    }

    /// A half message was stored again.
    pub fn moved(&mut self, from: i64, to: i64, id: &str) {
        self.set(from, Gone::Moved);
        self.stands_for(id, to);
    }

    /// `offset` is the newest copy of a half message that was stored again.
    pub fn stands_for(&mut self, id: &str, offset: i64) {
        if id.is_empty() {
            return;
        }
        self.settled.remove(id);
        if let Some(older) = self.copies.insert(id.into(), offset)
            && older != offset
        {
            self.set(older, Gone::Moved);
        }
    }

    /// Everything below `half` is done with.
    pub fn advance(&mut self, half: i64) {
        if half <= self.half {
            return;
        }
        self.half = half;
        let open = self.gone.split_off(&half);
        for entry in core::mem::replace(&mut self.gone, open).into_values() {
            let Some(op) = entry.op else { continue };
            if let Some(left) = self.open_ops.get_mut(&op) {
                *left -= 1;
                if *left == 0 {
                    self.open_ops.remove(&op);
                }
            }
        }
        self.copies.retain(|_, offset| *offset >= half);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_messages_are_kept_until_all_they_name_is_passed() {
        let mut progress = Progress::new(10, 3);
        progress.read_op(3, [9, 10, 12].into_iter());
        progress.read_op(4, [11].into_iter());
        assert!(progress.is_gone(10) && !progress.is_gone(9) && !progress.is_gone(13));
        assert_eq!(progress.op_to_commit(), 3);
        progress.advance(12);
        assert_eq!(progress.op_to_commit(), 3);
        progress.advance(13);
        assert_eq!((progress.op_to_commit(), progress.half()), (5, 13));
    }

    #[test]
    fn an_end_reaches_the_copy_that_stands_for_a_half_message() {
        let mut progress = Progress::new(0, 0);
        progress.moved(0, 5, "id");
        progress.moved(5, 9, "id");
        assert!(progress.is_gone(0) && progress.is_gone(5) && !progress.is_gone(9));
        assert_eq!(progress.ended(0, "id"), None);
        assert_eq!(progress.end(0, "id", true), Some(9));
        assert!(progress.is_gone(9));
        progress.advance(10);
        assert_eq!(progress.ended(9, "id"), Some(Some(true)), "the answer to the last check is late");
        assert_eq!(progress.ended(9, "other"), None);
    }

    #[test]
    fn ends_are_remembered_only_so_many() {
        let mut progress = Progress::new(0, 0);
        for n in 0..=SETTLED_MAX {
            progress.stands_for(&n.to_string(), 1);
            progress.end(1, &n.to_string(), false);
        }
        assert_eq!((progress.settled.len(), progress.ended(7, "0")), (SETTLED_MAX, None));
    }
}
