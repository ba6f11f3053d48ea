//! From words to an exit status: finds the command, parses its options, runs it, reports its failure.

use sansmq_core::wire::Encoding;
use std::io::Write;
use std::path::PathBuf;

use crate::client::Client;
use crate::clock::{self, Zone};
use crate::cmd;
use crate::failure::Failure;
use crate::options::{self, Matches, Spec, usage};
use crate::store;

/// What a command may touch.
pub struct World {
    pub out: Box<dyn Write>,
    pub err: Box<dyn Write>,
    pub client: Client,
    /// The name servers used without `-n`.
    pub default_names: Option<String>,
    pub zone: Zone,
    /// Milliseconds since the Unix epoch.
    pub now: fn() -> i64,
    /// Where message bodies are written to.
    pub bodies: PathBuf,
}

impl World {
    /// The world of a real process.
    #[must_use]
    pub fn real(encoding: Encoding) -> Self {
        World {
            out: Box::new(std::io::BufWriter::new(std::io::stdout())),
            err: Box::new(std::io::stderr()),
            client: Client::new(encoding),
            default_names: std::env::var("NAMESRV_ADDR").ok(),
            zone: Zone::Local,
            now: clock::now_ms,
            bodies: PathBuf::from("/tmp/rocketmq/msgbodys"),
        }
    }
}

/// A command.
pub trait Command: Sync {
    fn spec(&self) -> &'static Spec;
    /// Does the work; what is written before a failure stays written.
    ///
    /// # Errors
    /// [`Failure`] becomes a line on stderr and exit status 1.
    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure>;
}

/// Runs the command line `words` (without the program's name) and returns the exit status.
pub fn run(words: &[String], world: &mut World) -> u8 {
    let status = dispatch(words, world);
    match (status, world.out.flush()) {
        (Ok(status), Ok(())) => status,
        _ => 1,
    }
}

fn dispatch(words: &[String], world: &mut World) -> std::io::Result<u8> {
    if let [first, rest @ ..] = words
        && first == "store"
    {
        return store::run(rest, world);
    }
    let (help, rest) = match words {
        [] => return list(world).map(|()| 0),
        [help, rest @ ..] if help == "help" && !rest.is_empty() => (true, rest),
        all => (false, all),
    };
    match find(rest) {
        Some((command, [])) if help => help_for(command.spec(), world).map(|()| 0),
        Some((command, words)) if !help => execute(command, words, world),
        _ => {
            writeln!(world.err, "The sub command {} not exist.", rest[0])?;
            Ok(1)
        }
    }
}

/// The command whose name the words start with, and the words behind it; a name may have several words.
fn find(words: &[String]) -> Option<(&'static dyn Command, &[String])> {
    cmd::ALL.iter().copied().find_map(|command| {
        let mut rest = words;
        for part in command.spec().name.split(' ') {
            rest = rest.split_first().filter(|(word, _)| word.eq_ignore_ascii_case(part))?.1;
        }
        Some((command, rest))
    })
}

fn list(world: &mut World) -> std::io::Result<()> {
    writeln!(world.out, "The most commonly used mqadmin commands are:")?;
    for command in cmd::ALL {
        let spec = command.spec();
        writeln!(world.out, "   {:<35} {}", spec.name, spec.about)?;
    }
    writeln!(world.out, "\nSee 'mqadmin help <command>' for more information on a specific command.")
}

fn help_for(spec: &Spec, world: &mut World) -> std::io::Result<()> {
    let program = format!("mqadmin {}", spec.name);
    world.out.write_all(usage::text(&program, spec).as_bytes())
}

fn execute(command: &dyn Command, words: &[String], world: &mut World) -> std::io::Result<u8> {
    let spec = command.spec();
    let args = match options::parse(spec, words) {
        Ok(args) => args,
        Err(error) => {
            writeln!(world.err, "{error}")?;
            help_for(spec, world)?;
            return Ok(1);
        }
    };
    if args.has("h") {
        help_for(spec, world)?;
        return Ok(0);
    }
    let names = args.get("n").map(str::to_owned).or_else(|| world.default_names.clone());
    if let Some(names) = names {
        world.client.set_names(&names);
    }
    let outcome = command.run(&args, world);
    if matches!(outcome, Err(Failure::NoTarget)) {
        help_for(spec, world)?;
    }
    world.out.flush()?;
    if let Err(failure) = outcome {
        writeln!(world.err, "mqadmin: {}: {failure}", spec.name)?;
        return Ok(1);
    }
    Ok(0)
}
