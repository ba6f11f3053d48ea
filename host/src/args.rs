//! The command line: a command (or the name the program was called by) and the reference's options.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::HostError;
use crate::usage;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Standalone,
    Namesrv,
    Broker,
    Controller,
    Container,
}

/// What to print instead of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// `-p`
    AllItems,
    /// `-m`
    ImportantItems,
}

/// The command line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    pub mode: Mode,
    pub config_file: Option<String>,
    /// Configuration files of a container's brokers, `:` between them.
    pub broker_files: Option<String>,
    pub name_servers: Option<String>,
    pub print: Option<Print>,
    pub data: Option<String>,
    pub log_dir: Option<String>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Run(Args),
    /// Print this and exit with 0.
    Help(String),
}

/// Parses `argv`, the program's name included.
///
/// # Errors
/// [`HostError::Usage`] for what is not understood.
pub fn parse(argv: impl IntoIterator<Item = String>) -> Result<Asked, HostError> {
    let mut argv = argv.into_iter();
    let called = argv.next().unwrap_or_default();
    let program = called.rsplit('/').next().unwrap_or_default().to_owned();
    let mut rest: Vec<String> = argv.collect();
    let mode = match by_program(&program) {
        Some(mode) => mode,
        None => match rest.first().filter(|word| !word.starts_with('-')).cloned() {
            Some(word) => {
                rest.remove(0);
                by_command(&word).ok_or_else(|| HostError::Usage {
                    message: format!(
                        "Unknown command: {word}; expected standalone, namesrv, broker, controller or container"
                    ),
                    usage: usage::overview(&program),
                })?
            }
            None if rest.iter().any(|word| word == "-h" || word == "--help") => {
                return Ok(Asked::Help(usage::overview(&program)));
            }
            None => Mode::Standalone,
        },
    };
    let usage = match mode {
        Mode::Namesrv => usage::text("mqnamesrv"),
        Mode::Broker => usage::text("mqbroker"),
        Mode::Container => usage::text("mqbrokercontainer"),
        Mode::Controller => usage::text("mqcontroller"),
        _ => usage::overview(&program),
    };
    let words = std::iter::once(program).chain(rest);
    match definition(mode).try_get_matches_from(words) {
        Ok(found) if found.get_flag("help") => Ok(Asked::Help(usage)),
        Ok(found) => Ok(Asked::Run(args(mode, &found))),
        Err(error) => Err(HostError::Usage { message: message(&error), usage }),
    }
}

fn by_program(program: &str) -> Option<Mode> {
    match program {
        "mqnamesrv" => Some(Mode::Namesrv),
        "mqbroker" => Some(Mode::Broker),
        "mqcontroller" => Some(Mode::Controller),
        "mqbrokercontainer" => Some(Mode::Container),
        _ => None,
    }
}

fn by_command(word: &str) -> Option<Mode> {
    match word {
        "standalone" => Some(Mode::Standalone),
        "namesrv" => Some(Mode::Namesrv),
        "broker" => Some(Mode::Broker),
        "controller" => Some(Mode::Controller),
        "container" => Some(Mode::Container),
        _ => None,
    }
}

fn definition(mode: Mode) -> Command {
    let value = |id: &'static str, long: &'static str| Arg::new(id).long(long).num_args(1);
    let flag = |id: &'static str, long: &'static str| Arg::new(id).long(long).action(ArgAction::SetTrue);
    let command = Command::new("sansmq")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(value("config", "configFile").short('c'))
        .arg(value("namesrv", "namesrvAddr").short('n'))
        .arg(flag("items", "printConfigItem").short('p'))
        .arg(flag("help", "help").short('h'))
        .arg(value("data", "data"))
        .arg(value("log_dir", "log-dir"));
    let command = match mode {
        Mode::Container => command.arg(value("brokers", "brokerConfigFiles").short('b')),
        _ => command,
    };
    if matches!(mode, Mode::Namesrv | Mode::Controller) {
        command
    } else {
        command.arg(flag("important", "printImportantConfig").short('m'))
    }
}

fn args(mode: Mode, found: &ArgMatches) -> Args {
    let text = |id: &str| found.get_one::<String>(id).cloned();
    let important = !matches!(mode, Mode::Namesrv | Mode::Controller) && found.get_flag("important");
    let print = match (found.get_flag("items"), important) {
        (true, _) => Some(Print::AllItems),
        (false, true) => Some(Print::ImportantItems),
        (false, false) => None,
    };
    Args {
        mode,
        config_file: text("config"),
        broker_files: if mode == Mode::Container { text("brokers") } else { None },
        name_servers: text("namesrv"),
        print,
        data: text("data"),
        log_dir: text("log_dir"),
    }
}

/// The reference's words for the usual mistakes.
fn message(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.split(' ').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument => format!("Unrecognized option: {argument}"),
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues => {
            format!("Missing argument for option: {}", argument.trim_start_matches('-'))
        }
        _ => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Asked, HostError> {
        parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn commands_and_names_select_the_mode() {
        let mode = |words: &[&str]| match run(words) {
            Ok(Asked::Run(args)) => Some(args.mode),
            _ => None,
        };
        assert_eq!(mode(&["sansmq-mio"]), Some(Mode::Standalone));
        assert_eq!(mode(&["/x/sansmq-mio", "namesrv", "-p"]), Some(Mode::Namesrv));
        assert_eq!(mode(&["bin/mqbroker", "-n", "a:1;b:2"]), Some(Mode::Broker));
        assert_eq!(mode(&["mqnamesrv", "-c", "f"]), Some(Mode::Namesrv));
        let Ok(Asked::Run(args)) = run(&["mqbrokercontainer", "-c", "f", "-b", "a:b"]) else {
            panic!("a container takes -b")
        };
        assert_eq!((args.mode, args.broker_files.as_deref()), (Mode::Container, Some("a:b")));
        assert!(run(&["mqbroker", "-b", "a"]).is_err());
    }

    #[test]
    fn mistakes_are_told_in_the_references_words() {
        let told = |words: &[&str]| run(words).err().map(|error| error.to_string());
        assert_eq!(told(&["mqnamesrv", "-z"]), Some("Unrecognized option: -z".into()));
        assert!(
            told(&["sansmq-mio", "nonsense"])
                .is_some_and(|text| text.starts_with("Unknown command: nonsense"))
        );
        assert!(
            matches!(run(&["mqbroker", "-h"]), Ok(Asked::Help(text)) if text.starts_with("usage: mqbroker"))
        );
    }
}
