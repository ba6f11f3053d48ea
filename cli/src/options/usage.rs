//! The help text: a usage line and one line per option, wrapped at 110 columns with the reference's rules.

use super::{Opt, Spec};

const WIDTH: usize = 110;
/// Blanks before an option and between the option column and the description.
const LEFT: usize = 1;
const GAP: usize = 3;

/// The help text of a command, called as `program`.
#[must_use]
pub fn text(program: &str, spec: &Spec) -> String {
    let mut options: Vec<&Opt> = spec.all().collect();
    options.sort_by_key(|o| o.key().to_lowercase());
    let mut out = String::new();
    wrap(&synopsis(program, &options), "usage: ".len(), &mut out);
    let columns: Vec<String> = options.iter().map(|o| column(o)).collect();
    let widest = columns.iter().map(String::len).max().unwrap_or(0);
    for (option, column) in options.iter().zip(&columns) {
        let line = format!("{column:<width$}{}", option.text, width = widest + GAP);
        wrap(&line, widest + GAP, &mut out);
    }
    out
}

fn synopsis(program: &str, options: &[&Opt]) -> String {
    let group: Vec<String> = options.iter().filter(|o| o.either).map(|o| call(o)).collect();
    let mut group_done = false;
    let parts: Vec<String> = options
        .iter()
        .map(|option| match option {
            o if o.either && group_done => String::new(),
            o if o.either => {
                group_done = true;
                group.join(" | ")
            }
            o if o.required => call(o),
            o => format!("[{}]", call(o)),
        })
        .collect();
    format!("usage: {program} {}", parts.join(" "))
}

fn call(option: &Opt) -> String {
    let hyphens = if option.short.is_empty() { "--" } else { "-" };
    let value = if option.takes_value { " <arg>" } else { "" };
    format!("{hyphens}{}{value}", option.key())
}

fn column(option: &Opt) -> String {
    let left = " ".repeat(LEFT);
    let name = if option.short.is_empty() {
        format!("   --{}", option.long)
    } else {
        format!("-{},--{}", option.short, option.long)
    };
    let value = if option.takes_value { " <arg>" } else { "" };
    format!("{left}{name}{value}")
}

/// Appends `line` cut at blanks, or at line ends within it; what follows a cut is indented. A word too long
/// for a line is cut at the margin.
fn wrap(line: &str, indent: usize, out: &mut String) {
    let mut line = line.to_owned();
    let mut first = true;
    while let Some(mut at) = cut(&line) {
        if !first && at + 1 == indent {
            at = floor(&line, WIDTH);
        }
        let (head, tail) = line.split_at(at);
        out.push_str(head.trim_end());
        out.push('\n');
        line = format!("{}{}", " ".repeat(indent), tail.trim());
        first = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Where to cut, `None` when the line fits.
fn cut(line: &str) -> Option<usize> {
    if let Some(end) = line.find('\n').filter(|end| *end <= WIDTH) {
        return Some(end + 1);
    }
    if line.len() <= WIDTH {
        return None;
    }
    let end = floor(line, WIDTH);
    let head = line.get(..=end).unwrap_or(line);
    Some(head.rfind(' ').filter(|blank| *blank > 0).unwrap_or(end))
}

/// The last character boundary at or before `at`.
fn floor(line: &str, at: usize) -> usize {
    (0..=at.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0)
}
