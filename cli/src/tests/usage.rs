//! Usage texts, the list of commands and the option parser's messages.

use super::fake::{Script, run};
use super::golden::{capture, read, words};
use crate::cmd::ALL;

fn of_the_reference() -> Vec<&'static str> {
    ALL.iter().map(|command| command.spec().name).filter(|name| !name.starts_with("benchmark ")).collect()
}

#[test]
fn usage_of_every_command() {
    for name in of_the_reference() {
        let golden = read(&format!("help/{name}.txt"));
        let expected = golden.split_once('\n').unwrap().1.strip_suffix("exit=0\n").unwrap();
        let outcome = run(&words(&format!("help {name}")), &Script::default());
        assert_eq!(outcome.stdout, expected, "{name}");
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    }
}

#[test]
fn list_of_commands() {
    let golden = capture("no-arguments");
    let ours = run(&[], &Script::default());
    let kept = of_the_reference();
    let expected: Vec<&str> = golden
        .stdout
        .lines()
        .filter(|line| !line.starts_with("   ") || kept.contains(&line.split_whitespace().next().unwrap()))
        .collect();
    let printed: Vec<&str> = ours.stdout.lines().filter(|line| !line.starts_with("   benchmark ")).collect();
    assert_eq!(printed, expected);
    assert_eq!(ours.status, 0);
}

#[test]
fn refused_command_lines() {
    for name in [
        "dash-h",
        "dash-h-with-required-options",
        "unknown-option",
        "updateTopic-missing-required",
        "updateTopic-both-b-and-c",
    ] {
        let golden = capture(name);
        let ours = run(&golden.words, &Script::default());
        assert_eq!((ours.stdout, ours.stderr.as_str()), (golden.stdout, golden.stderr.as_str()), "{name}");
        assert_eq!(ours.status, u8::from(!golden.stderr.is_empty()), "{name}");
    }
}

#[test]
fn unknown_commands_fail() {
    for name in ["help-of-no-such-command", "no-such-command"] {
        let golden = capture(name);
        let ours = run(&golden.words, &Script::default());
        assert_eq!((ours.stderr, ours.status), (golden.stdout, 1), "{name}");
    }
}

#[test]
fn names_are_matched_in_any_case_and_name_servers_are_needed() {
    let outcome = run(&words("TOPICLIST"), &Script::default());
    assert_eq!(outcome.status, 1);
    assert_eq!(
        outcome.stderr,
        "mqadmin: topicList: no name server address: give one with -n or in NAMESRV_ADDR\n"
    );
}
