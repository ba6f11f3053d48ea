//! `clusterList`: one line per broker with its load, or with its message counts.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::values::number;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg, flag};
use crate::text::fixed;

/// The command.
pub struct ClusterList;

static SPEC: Spec = Spec {
    name: "clusterList",
    about: "List cluster infos.",
    options: &[
        arg("c", "clusterName", "which cluster"),
        arg("i", "interval", "specify intervals numbers, it is in seconds"),
        flag("m", "moreStats", "Print more stats"),
    ],
};

type Figures = BTreeMap<String, String>;

impl Command for ClusterList {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let interval: u64 = number(args, "i", 0)?;
        loop {
            let failed = print_once(world, args.get("c"), args.has("m"))?;
            if interval == 0 {
                return if failed == 0 { Ok(()) } else { Err(Failure::Partly(failed)) };
            }
            writeln!(world.out)?;
            world.out.flush()?;
            std::thread::sleep(Duration::from_secs(interval));
        }
    }
}

/// Prints the table; brokers that do not answer get a row with blanks and are counted.
fn print_once(world: &mut World, only: Option<&str>, counts: bool) -> Result<usize, Failure> {
    let info = world.clusters()?;
    if let Some(cluster) = only.filter(|name| !info.clusters.contains_key(*name)) {
        return Err(Failure::input(format!("the cluster [{cluster}] does not exist")));
    }
    if counts {
        counts_header(world)?;
    } else {
        load_header(world)?;
    }
    let mut failed = 0;
    for (cluster, names) in info.clusters.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        for set in names.iter().filter_map(|name| info.brokers.get(name)) {
            for (id, addr) in &set.broker_addrs {
                let figures = world.runtime(addr).or_else(|failure| {
                    failed += 1;
                    writeln!(world.err, "mqadmin: clusterList: {addr}: {failure}")?;
                    Ok::<_, Failure>(Figures::new())
                })?;
                if counts {
                    counts_row(world, cluster, &set.broker_name, &figures)?;
                } else {
                    load_row(world, [cluster, &set.broker_name, &id.to_string(), addr], &figures)?;
                }
            }
        }
    }
    Ok(failed)
}

fn load_header(world: &mut World) -> Result<(), Failure> {
    writeln!(
        world.out,
        "{:<22}  {:<22}  {:<4}  {:<22} {:<16}  {:>16}  {:>30}  {:<22}  {:<11}  {:<12}  {:<8}  {:<10}",
        "#Cluster Name",
        "#Broker Name",
        "#BID",
        "#Addr",
        "#Version",
        "#InTPS(LOAD)",
        "#OutTPS(LOAD)",
        "#Timer(Progress)",
        "#PCWait(ms)",
        "#Hour",
        "#SPACE",
        "#ACTIVATED"
    )?;
    Ok(())
}

fn load_row(world: &mut World, who: [&str; 4], figures: &Figures) -> Result<(), Failure> {
    let [cluster, name, id, addr] = who;
    let get = |key: &str| figures.get(key).map(String::as_str).unwrap_or_default();
    let parsed = |key: &str| get(key).parse::<f64>().unwrap_or(0.0);
    let first = |key: &str| get(key).split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    let whole = |key: &str| get(key).parse::<i64>().unwrap_or(0);
    let input = format!(
        "{:>9}({},{}ms)",
        fixed(first("putTps"), 2),
        get("sendThreadPoolQueueSize"),
        get("sendThreadPoolQueueHeadWaitTimeMills")
    );
    let output = format!(
        "{:>9}({},{}ms|{},{}ms)",
        fixed(first("getTransferredTps"), 2),
        get("pullThreadPoolQueueSize"),
        get("pullThreadPoolQueueHeadWaitTimeMills"),
        get("ackThreadPoolQueueSize"),
        get("ackThreadPoolQueueHeadWaitTimeMills")
    );
    let timer = format!(
        "{}-{}({}w, {}, {})",
        whole("timerReadBehind"),
        whole("timerOffsetBehind"),
        fixed(parsed("timerCongestNum") / 10_000.0, 1),
        fixed(parsed("timerEnqueueTps"), 1),
        fixed(parsed("timerDequeueTps"), 1)
    );
    let hours = match get("earliestMessageTimeStamp").parse::<i64>() {
        // Whole seconds first, as the reference divides.
        Ok(earliest) => ((world.now)().saturating_sub(earliest) / 1000) as f64 / 3600.0,
        Err(_) => 0.0,
    };
    let active = get("brokerActive").eq_ignore_ascii_case("true");
    writeln!(
        world.out,
        "{cluster:<22}  {name:<22}  {id:<4}  {addr:<22} {:<16}  {input:>16}  {output:>30}  {timer:<22}  {:>11}  \
         {:<12}  {:<8}  {active:>10}",
        get("brokerVersionDesc"),
        get("pageCacheLockTimeMills"),
        fixed(hours, 2),
        fixed(parsed("commitLogDiskRatio"), 4),
    )?;
    Ok(())
}

fn counts_header(world: &mut World) -> Result<(), Failure> {
    writeln!(
        world.out,
        "{:<16}  {:<32} {:>14} {:>14} {:>14} {:>14}",
        "#Cluster Name", "#Broker Name", "#InTotalYest", "#OutTotalYest", "#InTotalToday", "#OutTotalToday"
    )?;
    Ok(())
}

fn counts_row(world: &mut World, cluster: &str, name: &str, figures: &Figures) -> Result<(), Failure> {
    let get = |key: &str| figures.get(key).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    writeln!(
        world.out,
        "{cluster:<16}  {name:<32} {:>14} {:>14} {:>14} {:>14}",
        get("msgPutTotalTodayMorning") - get("msgPutTotalYesterdayMorning"),
        get("msgGetTotalTodayMorning") - get("msgGetTotalYesterdayMorning"),
        get("msgPutTotalTodayNow") - get("msgPutTotalTodayMorning"),
        get("msgGetTotalTodayNow") - get("msgGetTotalTodayMorning")
    )?;
    Ok(())
}
