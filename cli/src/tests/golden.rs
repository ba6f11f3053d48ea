//! The captures under `tests/golden/mqadmin`.

use std::path::PathBuf;

/// One captured run.
pub struct Capture {
    /// The words behind `mqadmin`.
    pub words: Vec<String>,
    pub stdout: String,
    pub stderr: String,
}

/// Stands in for `$IP`; as long as the address that was there, so that columns fit.
const CLIENT_IP: &str = "192.0.2.2";

pub fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/mqadmin")
}

pub fn read(path: &str) -> String {
    let path = dir().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.replace("$IP", CLIENT_IP)
}

/// A capture: command line, stdout, `--- stderr` and stderr, `exit=N`.
pub fn capture(name: &str) -> Capture {
    let text = read(&format!("{name}.txt"));
    let (command, rest) = text.split_once('\n').unwrap();
    let (output, _) = rest.rsplit_once("exit=").unwrap();
    let (stdout, stderr) = match output.split_once("--- stderr\n") {
        Some((stdout, stderr)) => (stdout, stderr),
        None => (output, ""),
    };
    let stdout = match stdout.strip_suffix("\n(no newline at end of output)\n") {
        Some(cut) => cut.to_owned(),
        None => stdout.to_owned(),
    };
    Capture { words: words(command).split_off(1), stdout, stderr: stderr.to_owned() }
}

/// Words of a command line; single quotes hold words together.
pub fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => all.extend(part.split_whitespace().map(str::to_owned)),
            _ => all.push(part.to_owned()),
        }
    }
    all
}
