//! A history from the first start to the verdict.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::coverage::Coverage;
use super::dice::Dice;
use super::scenarios::Scenario;
use super::schedule::Schedule;
use super::story::Story;
use super::swarm::Classes;
use super::world::{Settings, World};
use super::{CLIENT, MS};

/// What a history is made of; the same plan is the same history.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub seed: u64,
    pub scenario: Scenario,
    /// The classes of faults a random history has, in place of those the seed chooses.
    pub only: Option<Classes>,
    /// Indices of the schedule that come true; all if there is no list.
    pub keep: Option<Vec<usize>>,
    /// How long faults come, in place of what the seed chooses.
    pub ms: Option<u64>,
    /// Print every line of the trace as it happens.
    pub loud: bool,
}

/// How a history ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub seed: u64,
    /// A hash of everything that happened.
    pub trace: u64,
    /// What does not hold; empty for a good history.
    pub broken: Vec<String>,
    pub lines: Vec<String>,
    pub story: Story,
    pub coverage: Coverage,
    pub steps: u64,
    /// Virtual milliseconds.
    pub ms: u64,
    /// Requests of clients that were answered or given up.
    pub operations: u64,
    pub acknowledged: u64,
    pub refused: u64,
    /// Virtual milliseconds from the end of the faults to the next acknowledgement, and to three replicas in the set.
    pub available_ms: u64,
    pub whole_ms: u64,
}

/// Until everything is as it was before the faults.
const FIRST_LIMIT_MS: u64 = 30_000;
const AVAILABLE_LIMIT_MS: u64 = 30_000;
const WHOLE_LIMIT_MS: u64 = 90_000;

/// Lives one history.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut dice = Dice::named(plan.seed, "settings");
    let lossy = plan.scenario.may_lose();
    // Without a flush before the acknowledgement only processes may die, as the durability table says.
    let sync = dice.one_in(2) || plan.only.is_some_and(|only| only.that_spare_memory().is_empty());
    let flush = if sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let sets =
        ["allAckInSyncStateSet=true\n", "inSyncReplicas=2\nminInSyncReplicas=2\nallAckInSyncStateSet=true\n"];
    let latency = dice.pick(&[(MS / 10, MS), (MS, 5 * MS), (MS / 10, 30 * MS)]);
    let settings = Settings {
        brokers: format!("flushDiskType={flush}\n{}{}", dice.pick(&sets), plan.scenario.broker_lines()),
        controllers: format!("enableElectUncleanMaster={}\n", plan.scenario.is_unclean()),
        latency,
    };
    let skew = dice.pick(&[0, 0, 20]);
    let mut world = World::new(plan.seed, settings, skew, plan.loud);
    world.oracle.may_lose = lossy;
    world.client.pace_ms = dice.pick(&[20, 60, 200]);
    let mut report = Report { seed: plan.seed, ..Report::default() };
    live(&mut world, plan, sync, &mut report);
    report.trace = world.trace.hash();
    report.lines = world.trace.lines();
    world.note_broken();
    world.story.end = world.time;
    report.story = std::mem::take(&mut world.story);
    report.coverage = std::mem::take(&mut world.coverage);
    report.broken = std::mem::take(&mut world.oracle.broken);
    report.steps = world.steps;
    report.ms = world.time / MS;
    report.acknowledged = world.oracle.acked.len() as u64;
    report.operations = world.client.operations;
    report.refused = world.oracle.refused;
    report
}

/// The faults of a random history.
#[must_use]
pub fn schedule(plan: &Plan, sync: bool) -> Schedule {
    let swarm = || Classes::swarm(&mut Dice::named(plan.seed, "swarm"));
    let classes = plan.only.unwrap_or_else(swarm);
    let classes = if sync { classes } else { classes.that_spare_memory() };
    Schedule::draw(plan.seed, classes).only(plan.keep.as_deref(), plan.ms)
}

fn live(world: &mut World, plan: &Plan, power: bool, report: &mut Report) {
    (0..CLIENT).for_each(|machine| world.boot(machine));
    if !world.run_until(FIRST_LIMIT_MS, |world| world.whole().is_some()) {
        return world
            .oracle
            .fail(format!("the cluster is not whole {FIRST_LIMIT_MS} ms after its first start"));
    }
    world.say("the cluster is whole");
    world.client_starts();
    if !world.run_until(FIRST_LIMIT_MS, |world| world.oracle.acked.len() >= 5) {
        return world.oracle.fail("nothing is acknowledged though nothing is wrong".to_owned());
    }
    if plan.scenario == Scenario::Random {
        let schedule = schedule(plan, power);
        world.await_faults(&schedule);
        world.pass(schedule.ms);
    } else {
        world.play(plan.scenario, power);
    }
    world.heal();
    let (healed, before) = (world.time, world.oracle.acked.len());
    world.client.pace_ms = 50;
    if !world.run_until(AVAILABLE_LIMIT_MS, |world| world.oracle.acked.len() > before + 3) {
        return world
            .oracle
            .fail(format!("nothing is acknowledged {AVAILABLE_LIMIT_MS} ms after the faults"));
    }
    report.available_ms = (world.time - healed) / MS;
    if !world.run_until(WHOLE_LIMIT_MS, |world| world.whole().is_some()) {
        world.picture();
        world.picture_links();
        return world.oracle.fail(format!("the cluster is not whole {WHOLE_LIMIT_MS} ms after the faults"));
    }
    report.whole_ms = (world.time - healed) / MS;
    world.pass(500);
    world.client.busy = false;
    // the last answers, and their replication
    world.pass(3_200);
    match world.whole() {
        Some(master) => world.examine(master),
        None => world.oracle.fail("the cluster falls apart by itself".to_owned()),
    }
}

/// Many histories, added up.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub histories: u64,
    pub steps: u64,
    pub ms: u64,
    pub operations: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub slowest_available_ms: u64,
    pub slowest_whole_ms: u64,
    pub coverage: Coverage,
    pub failed: Vec<Report>,
}

impl Tally {
    fn add(&mut self, report: Report) {
        self.histories += 1;
        self.steps += report.steps;
        self.ms += report.ms;
        self.operations += report.operations;
        self.acknowledged += report.acknowledged;
        self.refused += report.refused;
        self.coverage.add(&report.coverage);
        self.slowest_available_ms = self.slowest_available_ms.max(report.available_ms);
        self.slowest_whole_ms = self.slowest_whole_ms.max(report.whole_ms);
        if !report.broken.is_empty() {
            self.failed.push(report);
        }
    }
}

/// Lives this many histories on so many threads, with seeds that count up.
#[must_use]
pub fn run_many(first: &Plan, histories: u64, threads: u64) -> Tally {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= histories {
                        break;
                    }
                    let plan = Plan { seed: first.seed.wrapping_add(number), ..first.clone() };
                    // what a server asserts is a verdict as well
                    let lived = std::panic::catch_unwind(|| run(&plan)).unwrap_or_else(|_| Report {
                        seed: plan.seed,
                        broken: vec!["it panicked; the message is above".to_owned()],
                        ..Report::default()
                    });
                    tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(lived);
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.failed.sort_by_key(|report| report.seed);
    tally
}
