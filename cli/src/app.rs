//! From words to an exit status: finds the command, parses its options, runs it, reports its failure.

use sansmq_core::wire::Encoding;
use std::io::Write;
use std::path::PathBuf;

use crate::client::Client;
use crate::clock::{self, Zone};
use crate::cmd;
use crate::failure::Failure;
use crate::options::{self, Matches, Spec, usage};

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
    match words {
        [] => list(world).map(|()| 0),
        [help, name] if help == "help" => match find(name) {
            Some(command) => help_for(command.spec(), world).map(|()| 0),
            None => unknown(name, world),
        },
        [name, rest @ ..] => match find(name) {
            Some(command) => execute(command, rest, world),
            None => unknown(name, world),
        },
    }
}

fn find(name: &str) -> Option<&'static dyn Command> {
    cmd::ALL.iter().copied().find(|command| command.spec().name.eq_ignore_ascii_case(name))
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

fn unknown(name: &str, world: &mut World) -> std::io::Result<u8> {
    writeln!(world.err, "The sub command {name} not exist.")?;
    Ok(1)
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
    world.out.flush()?;
    if let Err(failure) = outcome {
        writeln!(world.err, "mqadmin: {}: {failure}", spec.name)?;
        return Ok(1);
    }
    Ok(0)
}
