//! The words behind `mqadmin store`.

use std::path::PathBuf;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Inspect,
    Verify,
    Export,
}

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    pub action: Action,
    pub dir: PathBuf,
    pub log: Vec<PathBuf>,
    pub json: bool,
    pub topic: Option<String>,
    /// Byte of the log the export starts at.
    pub from: u64,
    /// Most records to export.
    pub max: u64,
}

/// Parses the words; `None` when help is asked for.
pub fn parse(words: &[String]) -> Result<Option<Args>, String> {
    let mut words = words.iter().map(String::as_str);
    let action = match words.next() {
        Some("inspect") => Action::Inspect,
        Some("verify") => Action::Verify,
        Some("export") => Action::Export,
        Some("-h" | "--help" | "help") | None => return Ok(None),
        Some(other) => return Err(format!("{other} is not known; expected inspect, verify or export")),
    };
    let mut args = Args {
        action,
        dir: PathBuf::new(),
        log: Vec::new(),
        json: false,
        topic: None,
        from: 0,
        max: u64::MAX,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: &str| text.parse().map_err(|_| format!("{word}: {text} is not a number"));
        match word {
            "-h" | "--help" => return Ok(None),
            "--json" if action != Action::Export => args.json = true,
            "--log" => args.log = value()?.split(',').map(PathBuf::from).collect(),
            "--topic" if action == Action::Export => args.topic = Some(value()?.to_owned()),
            "--from" if action == Action::Export => args.from = number(value()?)?,
            "--max" if action == Action::Export => args.max = number(value()?)?,
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            dir if args.dir.as_os_str().is_empty() => args.dir = dir.into(),
            extra => return Err(format!("unexpected {extra}")),
        }
    }
    if args.dir.as_os_str().is_empty() {
        return Err("the directory of the store is missing".into());
    }
    Ok(Some(args))
}
