//! A story as lanes of spans: what a picture of a history is made of.

use super::CLIENT;
use super::story::{Story, What};

/// What a machine was for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    Hangs,
    /// In this epoch.
    Master(i32),
    Slave(i32),
    Leads,
}

/// Virtual nanoseconds, from and to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span<T> {
    pub from: u64,
    pub to: u64,
    pub what: T,
}

/// One machine's life.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    pub name: String,
    /// When its process ran.
    pub up: Vec<Span<State>>,
    pub hangs: Vec<Span<State>>,
    /// What it took itself for.
    pub roles: Vec<Span<State>>,
}

/// Spans of one kind, one after the other.
struct Row<T> {
    done: Vec<Span<T>>,
    open: Option<(u64, T)>,
}

impl<T: PartialEq> Row<T> {
    fn new() -> Self {
        Row { done: Vec::new(), open: None }
    }

    fn becomes(&mut self, at: u64, what: Option<T>) {
        if let Some((from, what)) = self.open.take() {
            self.done.push(Span { from, to: at, what });
        }
        self.open = what.map(|what| (at, what));
    }
}

/// Lanes of the machines.
#[must_use]
pub fn lanes(story: &Story) -> Vec<Lane> {
    let lane = |(machine, name): (usize, &String)| {
        let (mut up, mut hangs, mut roles) = (Row::new(), Row::new(), Row::new());
        for mark in story.marks.iter().filter(|mark| mark.machine == Some(machine)) {
            match mark.what {
                What::Up => up.becomes(mark.at, Some(State::Up)),
                What::Down => {
                    [&mut up, &mut hangs, &mut roles].into_iter().for_each(|row| row.becomes(mark.at, None))
                }
                What::Hangs => hangs.becomes(mark.at, Some(State::Hangs)),
                What::GoesOn => hangs.becomes(mark.at, None),
                What::Role(epoch, true) => roles.becomes(mark.at, Some(State::Master(epoch))),
                What::Role(epoch, false) => roles.becomes(mark.at, Some(State::Slave(epoch))),
                What::Leads(leads) => roles.becomes(mark.at, leads.then_some(State::Leads)),
                _ => {}
            }
        }
        [&mut up, &mut hangs, &mut roles].into_iter().for_each(|row| row.becomes(story.end, None));
        Lane { name: name.clone(), up: up.done, hangs: hangs.done, roles: roles.done }
    };
    story.names.iter().enumerate().take(CLIENT).map(lane).collect()
}

/// The set of whoever was master, as the master knew it.
#[must_use]
pub fn sets(story: &Story) -> Vec<Span<Vec<i64>>> {
    let mut row = Row::new();
    for mark in &story.marks {
        if let What::Set(members) = &mark.what {
            row.becomes(mark.at, Some(members.clone()));
        }
    }
    row.becomes(story.end, None);
    row.done
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A master in two epochs, a fault between them.
    pub fn example() -> Story {
        let mut story = Story { names: (0..7).map(|n| format!("machine-{n}")).collect(), ..Story::default() };
        story.mark(1, Some(0), What::Up, "starts".to_owned());
        story.mark(2, Some(0), What::Leads(true), "leads".to_owned());
        story.mark(3, Some(4), What::Up, "starts".to_owned());
        story.mark(5, Some(4), What::Role(1, true), "is MASTER in epoch 1".to_owned());
        story.mark(5, Some(4), What::Set(vec![1, 2]), "set".to_owned());
        story.mark(7, Some(4), What::Hangs, "hangs".to_owned());
        story.mark(8, None, What::Fault, "Kill(4, <5>)".to_owned());
        story.mark(8, Some(4), What::Down, "is killed".to_owned());
        story.mark(11, Some(4), What::Up, "starts".to_owned());
        story.mark(12, Some(4), What::Role(2, false), "is slave in epoch 2".to_owned());
        story.mark(13, None, What::Broken, "BROKEN: lost & gone".to_owned());
        story.sends = vec![(3, 1), (0, 4)];
        story.end = 20;
        story
    }

    #[test]
    fn a_life_ends_with_its_process() {
        let story = example();
        let lanes = lanes(&story);
        assert_eq!(lanes.len(), CLIENT);
        let span = |from, to, what| Span { from, to, what };
        assert_eq!(lanes[4].up, [span(3, 8, State::Up), span(11, 20, State::Up)]);
        assert_eq!(lanes[4].hangs, [span(7, 8, State::Hangs)]);
        assert_eq!(lanes[4].roles, [span(5, 8, State::Master(1)), span(12, 20, State::Slave(2))]);
        assert_eq!(lanes[0].roles, [span(2, 20, State::Leads)]);
        assert_eq!(sets(&story), [Span { from: 5, to: 20, what: vec![1, 2] }]);
    }
}
