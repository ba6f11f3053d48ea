//! Java properties text to key-value pairs that remember their lines.
//!
//! `#` and `!` begin comments; a key ends at `=`, `:` or a blank; a backslash escapes the next character or
//! continues the line; of equal keys the last one counts. An XML comment is skipped as well: the shipped
//! files begin with a licence in that form.

/// One pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key.
    pub key: String,
    /// The value, without trailing blanks.
    pub value: String,
    /// The line it begins on, counted from 1.
    pub line: usize,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<Property>,
}

impl Properties {
    /// Reads the text; any text is some set of properties.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut entries = Vec::new();
        let mut lines = text.lines().enumerate();
        let mut in_xml_comment = false;
        while let Some((at, first)) = lines.next() {
            let start = first.trim_start();
            if in_xml_comment || start.starts_with("<!--") {
                in_xml_comment = !start.contains("-->");
                continue;
            }
            if start.is_empty() || start.starts_with(['#', '!']) {
                continue;
            }
            let mut logical = start.to_owned();
            while ends_with_continuation(&logical) {
                logical.pop();
                match lines.next() {
                    Some((_, more)) => logical.push_str(more.trim_start()),
                    None => break,
                }
            }
            let (key, value) = split(&logical);
            entries.push(Property { key, value, line: at + 1 });
        }
        Properties { entries }
    }

    /// All pairs in order, repeated keys included.
    pub fn iter(&self) -> impl Iterator<Item = &Property> {
        self.entries.iter()
    }

    /// The value that counts for a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|p| p.key == key).map(|p| p.value.as_str())
    }

    /// Sets a key, in place of what it was.
    pub fn set(&mut self, key: &str, value: &str) {
        self.entries.retain(|p| p.key != key);
        self.entries.push(Property { key: key.to_owned(), value: value.to_owned(), line: 0 });
    }

    /// Whether there is no pair at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Writes pairs as configuration calls and files carry them: `key=value\n`, sorted by key, nothing escaped.
#[must_use]
pub fn plain_text<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
    sorted.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}

fn ends_with_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn split(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let stop = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = !escaped && c == '\\';
        stop
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (unescape(key), unescape(value.trim()))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => out.push(unicode(&mut rest)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// Up to four hexadecimal digits; anything that is no character becomes U+FFFD.
fn unicode(rest: &mut core::str::Chars<'_>) -> char {
    let mut code = 0;
    for _ in 0..4 {
        let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(16)) else { break };
        rest.next();
        code = code * 16 + digit;
    }
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}
