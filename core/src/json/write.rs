//! [`Json`] to text, as the reference writes it.

use super::{Json, Key};
use core::fmt::Write;

/// Which of the reference's two spellings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Integer and object keys bare, text beyond ASCII raw: bodies and files.
    #[default]
    Fastjson,
    /// Every key quoted, text beyond ASCII as `\uXXXX`: route replies to new clients.
    Standard,
}

/// One line without blanks.
#[must_use]
pub fn write_compact(json: &Json, style: Style) -> String {
    let mut w = Writer { out: String::new(), style, indent: None };
    w.value(json);
    w.out
}

/// The reference's pretty form: tabs, `"k":v` without blanks, arrays of plain values on one line, maps with
/// keys that are no strings on one line but for the closing brace.
#[must_use]
pub fn write_pretty(json: &Json) -> String {
    let mut w = Writer { out: String::new(), style: Style::Fastjson, indent: Some(0) };
    w.value(json);
    w.out
}

struct Writer {
    out: String,
    style: Style,
    indent: Option<usize>,
}

impl Writer {
    fn value(&mut self, json: &Json) {
        match json {
            Json::Null => self.out.push_str("null"),
            Json::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Json::Int(n) => put(&mut self.out, format_args!("{n}")),
            Json::Float(x) => float(&mut self.out, *x),
            Json::Str(s) => self.string(s),
            Json::Array(items) => self.array(items),
            Json::Object(members) => self.object(members),
        }
    }

    fn array(&mut self, items: &[Json]) {
        let spread = items.iter().any(|i| matches!(i, Json::Object(_) | Json::Array(_)));
        self.out.push('[');
        self.shift(spread, 1);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.line(spread);
            self.value(item);
        }
        self.shift(spread, -1);
        self.line(spread);
        self.out.push(']');
    }

    fn object(&mut self, members: &[(Key, Json)]) {
        self.out.push('{');
        self.shift(true, 1);
        for (i, (key, value)) in members.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.line(matches!(key, Key::Name(_)));
            self.key(key);
            self.out.push(':');
            self.value(value);
        }
        self.shift(true, -1);
        self.line(!members.is_empty());
        self.out.push('}');
    }

    fn key(&mut self, key: &Key) {
        match (key, self.style) {
            (Key::Name(name), _) => self.string(name),
            (Key::Int(n), Style::Fastjson) => put(&mut self.out, format_args!("{n}")),
            (Key::Int(n), Style::Standard) => put(&mut self.out, format_args!("\"{n}\"")),
            (Key::Object(json), Style::Fastjson) => self.value(json),
            (Key::Object(json), Style::Standard) => {
                let text = write_compact(json, Style::Fastjson);
                self.string(&text);
            }
        }
    }

    fn shift(&mut self, wanted: bool, by: isize) {
        if let (true, Some(n)) = (wanted, &mut self.indent) {
            *n = n.saturating_add_signed(by);
        }
    }

    fn line(&mut self, wanted: bool) {
        if let (true, Some(n)) = (wanted, self.indent) {
            self.out.push('\n');
            self.out.extend(core::iter::repeat_n('\t', n));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\u{8}' => self.out.push_str("\\b"),
                '\t' => self.out.push_str("\\t"),
                '\n' => self.out.push_str("\\n"),
                '\u{c}' => self.out.push_str("\\f"),
                '\r' => self.out.push_str("\\r"),
                _ if self.is_escaped(c) => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        put(&mut self.out, format_args!("\\u{unit:04X}"));
                    }
                }
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn is_escaped(&self, c: char) -> bool {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}')
            || (self.style == Style::Standard && !c.is_ascii())
    }
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A double as Java prints it: `0.0`, `1.5`, `1.0E10`.
fn float(out: &mut String, x: f64) {
    let size = x.abs();
    if !x.is_finite() {
        out.push_str("null");
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        put(out, format_args!("{x:?}"));
    } else {
        let text = format!("{x:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if mantissa.contains('.') { "" } else { ".0" };
        put(out, format_args!("{mantissa}{point}E{exponent}"));
    }
}
