//! Containers that hold each other's replicas are killed under load, one after the other, and come back.
//!
//!     cargo run --release -p sansmq-tests --bin containers -- [--rounds 10] [--replicas 2]
//!         [--frontend mio|async] [--own-loops]
//!
//! Prints for each round how long it took until none of the lost brokers was in a route, until everything
//! acknowledged before could be read, and until all other masters acknowledged again; then a tally. The exit status
//! is 0 only if nothing acknowledged is missing, neither right after its round nor at the end, and routes took less
//! than 1 s, reading and writing less than 5 s each time.

use std::time::Duration;

use sansmq_tests::containers::{Containers, Loss};
use sansmq_tests::{Frontend, Writers, Written, eventually};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let number = |name: &str, usual: usize| match value(name).map(|text| text.parse()) {
        None => usual,
        Some(Ok(number)) => number,
        Some(Err(_)) => stop(&format!("{name} takes a number")),
    };
    let (rounds, replicas) = (number("--rounds", 10), number("--replicas", 2));
    if !(2..=5).contains(&replicas) {
        stop(&format!("--replicas {replicas}: expected 2 to 5"));
    }
    let frontend = match value("--frontend").map(String::as_str) {
        Some("async") => Frontend::AsyncStd,
        Some("mio") | None => Frontend::Mio,
        Some(other) => stop(&format!("--frontend {other}: expected mio or async")),
    };
    let own = if args.iter().any(|arg| arg == "--own-loops") { "brokerOwnsLoop=true\n" } else { "" };
    let mut all = Containers::start(frontend, replicas, "", own);
    all.wait_until_level();
    let (mut ever, mut missing, mut late): (Vec<Written>, usize, usize) = (Vec::new(), 0, 0);
    let zero = Some(Duration::ZERO);
    let mut worst = Loss { routes: zero, readable: zero, writes: zero };
    for round in 0..rounds {
        let writers = Writers::start(&all.masters(), Duration::from_millis(1));
        // Another moment in each round.
        std::thread::sleep(Duration::from_millis(400 + round as u64 * 37 % 200));
        let at = round % replicas;
        let loss = all.lose(at, &writers);
        all.bring_back(at, &writers);
        let written = writers.end();
        eventually(60, "all replicas have everything again", || all.is_level());
        let lost = all.missing(&written).len();
        println!("{} (container {at}): {} acknowledged, {lost} missing, {loss:?}", round + 1, written.len());
        missing += lost;
        late += usize::from(!loss.is_short());
        let later = |a: Option<Duration>, b: Option<Duration>| Some(a?.max(b?));
        worst = Loss {
            routes: later(worst.routes, loss.routes),
            readable: later(worst.readable, loss.readable),
            writes: later(worst.writes, loss.writes),
        };
        ever.extend(written);
    }
    missing += all.missing(&ever).len();
    println!(
        "{rounds} rounds: {} acknowledged, {missing} missing, {late} late, at worst {worst:?}",
        ever.len()
    );
    if missing + late > 0 {
        all.folder.keep();
        std::process::exit(1);
    }
}

fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}
