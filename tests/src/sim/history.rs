//! A history from the first start to the verdict.

use sansmq_core::planted;

use super::coverage::Coverage;
use super::dice::Dice;
use super::scenarios::Scenario;
use super::schedule::{Schedule, Strike};
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
    /// A bug the servers have.
    pub planted: Option<&'static str>,
}

impl Plan {
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        Plan { seed, ..self.clone() }
    }

    /// The faults of it, if it is a random history.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        if self.scenario == Scenario::Random {
            schedule(self, given(self).power)
        } else {
            Schedule::default()
        }
    }

    /// The command that lives it again.
    #[must_use]
    pub fn command(&self) -> String {
        let mut text = format!("sim --replay {}", self.seed);
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(" --{key} {value}"));
            }
        };
        let random = self.scenario == Scenario::Random;
        add("scenario", (!random).then(|| self.scenario.name().to_owned()));
        add("only", self.only.map(|only| only.to_string()));
        let join = |keep: &Vec<usize>| keep.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        add("keep", self.keep.as_ref().map(join));
        add("planted", self.planted.map(str::to_owned));
        add("ms", self.ms.map(|ms| ms.to_string()));
        text
    }
}

/// How a history ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub plan: Plan,
    /// What the seed has chosen, in words.
    pub about: String,
    pub schedule: Vec<Strike>,
    /// How long faults came, virtual milliseconds.
    pub faults_ms: u64,
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
/// A random history has at least so many operations of clients; what the faults have left undone comes after them.
pub const OPERATIONS: u64 = 2_000;
const BUSY_LIMIT_MS: u64 = 60_000;

/// What the seed chooses beside the faults.
struct Given {
    settings: Settings,
    /// Clocks are wrong by at most so many thousandths.
    skew: u64,
    pace_ms: u64,
    /// Messages are flushed before they are acknowledged. Otherwise only processes may die, as the durability table
    /// says.
    power: bool,
    /// A master acknowledges what it has alone, as is the default: messages may be lost, but still only one master may
    /// acknowledge, and its lease alone sees to that.
    alone: bool,
    about: String,
}

fn given(plan: &Plan) -> Given {
    let mut dice = Dice::named(plan.seed, "settings");
    let power = dice.one_in(2)
        || plan.scenario == Scenario::Kf10
        || plan.only.is_some_and(|only| only.that_spare_memory().is_empty());
    let flush = if power { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let sets = [
        "",
        "allAckInSyncStateSet=true\n",
        "allAckInSyncStateSet=true\n",
        "inSyncReplicas=2\nminInSyncReplicas=2\nallAckInSyncStateSet=true\n",
    ];
    // what a scenario shows must not be lost by configuration
    let acks = dice.pick(match plan.scenario {
        Scenario::Random | Scenario::Kf06 => &sets[..],
        // half of them alone: where everybody has to have a message, the next master lacks none of the old one's
        Scenario::Handover => &sets[..2],
        _ => &sets[1..],
    });
    let latency = dice.pick(&[(MS / 10, MS), (MS, 5 * MS), (MS / 10, 30 * MS)]);
    let mut settings = Settings {
        brokers: format!("flushDiskType={flush}\n{}{}", acks, plan.scenario.broker_lines()),
        controllers: format!("enableElectUncleanMaster={}\n", plan.scenario.is_unclean()),
        latency,
        containers: false,
    };
    let (skew, pace_ms) = (dice.pick(&[0, 0, 20]), dice.pick(&[20, 60, 200]));
    settings.containers = dice.one_in(4) && plan.scenario == Scenario::Random;
    let about = format!(
        "seed {}: {}{}; {}; latency {} to {} us; clocks wrong by up to {skew} in a thousand; a message in {pace_ms} ms",
        plan.seed,
        plan.scenario.name(),
        if settings.containers { ", brokers in containers" } else { "" },
        settings.brokers.trim().replace('\n', ", "),
        latency.0 / 1_000,
        latency.1 / 1_000
    );
    Given { alone: acks.is_empty(), settings, skew, pace_ms, power, about }
}

/// Lives one history.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    planted::plant(plan.planted);
    let given = given(plan);
    let mut world = World::new(plan.seed, given.settings, given.skew, plan.loud);
    world.oracle.may_lose = plan.scenario.may_lose() || given.alone;
    world.client.pace_ms = given.pace_ms;
    let schedule =
        if plan.scenario == Scenario::Random { schedule(plan, given.power) } else { Schedule::default() };
    let mut report = Report { seed: plan.seed, plan: plan.clone(), about: given.about, ..Report::default() };
    live(&mut world, plan.scenario, &schedule, given.power, &mut report);
    (report.schedule, report.faults_ms) = (schedule.strikes, schedule.ms);
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

/// Lives one history; what a server asserts is a verdict as well.
#[must_use]
pub fn run_caught(plan: &Plan) -> Report {
    std::panic::catch_unwind(|| run(plan)).unwrap_or_else(|_| Report {
        seed: plan.seed,
        plan: plan.clone(),
        broken: vec!["it panicked; the message is above".to_owned()],
        ..Report::default()
    })
}

/// The faults of a random history.
fn schedule(plan: &Plan, sync: bool) -> Schedule {
    let swarm = || Classes::swarm(&mut Dice::named(plan.seed, "swarm"));
    let classes = plan.only.unwrap_or_else(swarm);
    let classes = if sync { classes } else { classes.that_spare_memory() };
    Schedule::draw(plan.seed, classes).only(plan.keep.as_deref(), plan.ms)
}

fn live(world: &mut World, scenario: Scenario, schedule: &Schedule, power: bool, report: &mut Report) {
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
    if scenario == Scenario::Random {
        world.client.meddles = true;
        world.await_faults(schedule);
        world.pass(schedule.ms);
    } else {
        world.play(scenario, power);
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
    if scenario == Scenario::Random {
        world.client.pace_ms = 10;
        if !world.run_until(BUSY_LIMIT_MS, |world| world.client.operations >= OPERATIONS) {
            let done = world.client.operations;
            return world.oracle.fail(format!("only {done} operations {BUSY_LIMIT_MS} ms after the faults"));
        }
    }
    world.pass(500);
    world.wind_up();
    match world.whole() {
        Some(master) => world.examine(master),
        None => world.oracle.fail("the cluster falls apart by itself".to_owned()),
    }
}
