//! `mqadmin store inspect|verify|export DIR`: looks into the directory of a stopped (or running) broker's store.
//! Nothing is changed or locked. `verify` exits with 1 when it finds damage.

mod args;
mod json;
mod text;

use std::io::{self, Write};

use sansmq_store::tools;

use crate::app::World;
use args::{Action, Args};

const USAGE: &str = "\
usage: mqadmin store inspect DIR [--json] [--log DIR[,DIR...]]
       mqadmin store verify DIR [--json] [--log DIR[,DIR...]]
       mqadmin store export DIR [--topic TOPIC] [--from BYTE] [--max COUNT] [--log DIR[,DIR...]]

DIR is the broker's storePathRootDir; --log names its storePathCommitLog when that lies elsewhere.
inspect  shows the files of log, queues and index, and what is obviously wrong with them
verify   also compares checksums, and queue entries with records; exit status 1 when there is damage
export   prints the records in order, one JSON object a line, from byte BYTE of the log on
";

/// Runs `store` with the words behind it and returns the exit status.
///
/// # Errors
/// Only when the output cannot be written.
pub fn run(words: &[String], world: &mut World) -> io::Result<u8> {
    let args = match args::parse(words) {
        Ok(Some(args)) => args,
        Ok(None) => {
            world.out.write_all(USAGE.as_bytes())?;
            return Ok(0);
        }
        Err(problem) => {
            write!(world.err, "mqadmin: store: {problem}\n{USAGE}")?;
            return Ok(1);
        }
    };
    let outcome = match args.action {
        Action::Export => export(&args, world).map(|()| 0),
        Action::Inspect | Action::Verify => look(&args, world),
    };
    world.out.flush()?;
    outcome.or_else(|error| {
        writeln!(world.err, "mqadmin: store: {}: {error}", args.dir.display())?;
        Ok(1)
    })
}

fn look(args: &Args, world: &mut World) -> io::Result<u8> {
    let verify = args.action == Action::Verify;
    let report = tools::look(&args.dir, &args.log, verify)?;
    if args.json {
        writeln!(world.out, "{}", json::report(&report))?;
    } else {
        text::print(&report, verify, &mut world.out)?;
    }
    Ok(u8::from(verify && report.is_damaged()))
}

fn export(args: &Args, world: &mut World) -> io::Result<()> {
    let mut left = args.max;
    let out = &mut world.out;
    tools::for_each_record(&args.dir, &args.log, args.from, &mut |record| {
        let wanted = args.topic.as_ref().is_none_or(|topic| record.topic == topic.as_bytes());
        if wanted && left > 0 {
            left -= 1;
            writeln!(out, "{}", json::record(record))?;
        }
        Ok(left > 0)
    })
}
