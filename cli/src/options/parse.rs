//! Words to [`Matches`], step by step as the reference's parser takes them.

use super::{Matches, Opt, Spec};

/// Why a command line is refused; the texts are the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error("Unrecognized option: {0}")]
    Unrecognized(String),
    #[error("Missing argument for option: {0}")]
    MissingArgument(&'static str),
    #[error("Missing required option{}: {}", if .0.len() == 1 { "" } else { "s" }, .0.join(", "))]
    MissingRequired(Vec<String>),
    #[error(
        "The option '{given}' was specified but an option from this group has already been selected: '{earlier}'"
    )]
    AlreadySelected { given: &'static str, earlier: &'static str },
    #[error("Ambiguous option: '{word}'  (could be: {})",
        .candidates.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "))]
    Ambiguous { word: String, candidates: Vec<&'static str> },
}

/// Parses the words that follow the command's name. Words that belong to no option are ignored.
///
/// # Errors
/// [`OptionError`], also when `-h` was given but a required option was not.
pub fn parse(spec: &Spec, words: &[String]) -> Result<Matches, OptionError> {
    let mut parser = Parser { spec, found: Matches::default(), open: None, either: None };
    let mut only_words = false;
    for word in words {
        if only_words {
        } else if word == "--" {
            only_words = true;
        } else if parser.open.is_some() && parser.is_argument(word) {
            parser.take(unquoted(word));
        } else if word.starts_with("--") {
            parser.long(word, word)?;
        } else if word.len() > 1 && word.starts_with('-') {
            parser.short_or_long(word)?;
        }
    }
    parser.finish_open()?;
    parser.check_required()?;
    Ok(parser.found)
}

struct Parser<'a> {
    spec: &'a Spec,
    found: Matches,
    /// The option that waits for its value.
    open: Option<&'static str>,
    /// The member of the required group that was given.
    either: Option<&'static str>,
}

impl Parser<'_> {
    fn short(&self, name: &str) -> Option<Opt> {
        self.spec.all().find(|o| !o.short.is_empty() && o.short == name).copied()
    }

    /// The option of exactly that long name, or all whose names start so.
    fn matching(&self, word: &str) -> Vec<Opt> {
        let name = without_hyphens(word);
        match self.spec.all().find(|o| o.long == name) {
            Some(exact) => vec![*exact],
            None => self.spec.all().filter(|o| o.long.starts_with(name)).copied().collect(),
        }
    }

    /// The option whose long name starts the word, the value glued behind it.
    fn glued(&self, name: &str) -> Option<(Opt, String)> {
        (1..name.len().saturating_sub(1)).rev().find_map(|end| {
            let prefix = name.get(..end)?;
            let option = self.spec.all().find(|o| o.long == prefix)?;
            Some((*option, name.get(end..)?.to_owned()))
        })
    }

    fn is_argument(&self, word: &str) -> bool {
        !self.is_option(word) || word.parse::<f64>().is_ok()
    }

    fn is_option(&self, word: &str) -> bool {
        if !word.starts_with('-') || word.len() == 1 {
            return false;
        }
        let name = word.split('=').next().unwrap_or(word);
        let first = without_hyphens(word).chars().next().map(String::from).unwrap_or_default();
        !self.matching(name).is_empty()
            || (!word.starts_with("--") && self.glued(without_hyphens(word)).is_some())
            || self.short(name.get(1..).unwrap_or_default()).is_some()
            || (!word.starts_with("--") && self.short(&first).is_some())
    }

    /// `--name`, `--name=value` or an unambiguous beginning of it; `whole` is the word as typed.
    fn long(&mut self, word: &str, whole: &str) -> Result<(), OptionError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let candidates = self.matching(name);
        let option = match candidates.as_slice() {
            [] => return Err(OptionError::Unrecognized(whole.to_owned())),
            [one] => *one,
            many => {
                return Err(OptionError::Ambiguous {
                    word: name.to_owned(),
                    candidates: many.iter().map(|o| o.long).collect(),
                });
            }
        };
        match value {
            None => self.option(option),
            Some(value) if option.takes_value => {
                self.option(option)?;
                self.take(value);
                Ok(())
            }
            Some(_) => Err(OptionError::Unrecognized(whole.to_owned())),
        }
    }

    fn short_or_long(&mut self, word: &str) -> Result<(), OptionError> {
        let name = without_hyphens(word);
        if let Some((key, value)) = name.split_once('=') {
            return match self.short(key).filter(|o| o.takes_value && key.len() == 1) {
                Some(option) => {
                    self.option(option)?;
                    self.take(value);
                    Ok(())
                }
                None if key.len() == 1 => Err(OptionError::Unrecognized(word.to_owned())),
                None => self.long(word, word),
            };
        }
        if let Some(option) = self.short(name) {
            return self.option(option);
        }
        if name.chars().count() > 1 && !self.matching(name).is_empty() {
            return self.long(word, word);
        }
        match self.glued(name).filter(|(option, _)| option.takes_value) {
            Some((option, value)) => {
                self.option(option)?;
                self.take(&value);
                Ok(())
            }
            None => self.concatenated(word, name),
        }
    }

    /// `-abc`: letters one after the other, the rest of the word being the value of the first that takes one.
    fn concatenated(&mut self, word: &str, name: &str) -> Result<(), OptionError> {
        for (at, letter) in name.char_indices() {
            let Some(option) = self.short(letter.encode_utf8(&mut [0; 4])) else {
                return Err(OptionError::Unrecognized(word.to_owned()));
            };
            self.option(option)?;
            let rest = &name[at + letter.len_utf8()..];
            if self.open.is_some() && !rest.is_empty() {
                self.take(unquoted(rest));
                break;
            }
        }
        Ok(())
    }

    fn option(&mut self, option: Opt) -> Result<(), OptionError> {
        self.finish_open()?;
        let key = option.key();
        if option.either {
            match self.either {
                Some(earlier) if earlier != key => {
                    return Err(OptionError::AlreadySelected { given: key, earlier });
                }
                _ => self.either = Some(key),
            }
        }
        self.found.push(key);
        self.open = option.takes_value.then_some(key);
        Ok(())
    }

    fn take(&mut self, value: &str) {
        self.found.set(value);
        self.open = None;
    }

    fn finish_open(&mut self) -> Result<(), OptionError> {
        self.open.take().map_or(Ok(()), |key| Err(OptionError::MissingArgument(key)))
    }

    fn check_required(&self) -> Result<(), OptionError> {
        let group: Vec<String> = self
            .spec
            .options
            .iter()
            .filter(|o| o.either)
            .map(|o| format!("-{} {}", o.key(), o.text))
            .collect();
        let mut missing = Vec::new();
        if !group.is_empty() && self.either.is_none() {
            missing.push(format!("[{}]", group.join(", ")));
        }
        let single = self.spec.options.iter().filter(|o| o.required && !self.found.has(o.key()));
        missing.extend(single.map(|o| o.key().to_owned()));
        if missing.is_empty() { Ok(()) } else { Err(OptionError::MissingRequired(missing)) }
    }
}

fn without_hyphens(word: &str) -> &str {
    word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(word)
}

/// One pair of double quotes around the whole value is dropped.
fn unquoted(word: &str) -> &str {
    match word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('"') => inner,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{arg, flag};
    use super::*;

    const SPEC: Spec = Spec {
        name: "x",
        about: "",
        options: &[
            arg("b", "brokerAddr", "which broker").either(),
            arg("c", "clusterName", "which cluster").either(),
            arg("t", "topic", "topic").required(),
            arg("", "topicKind", "kind"),
            arg("o", "order", "order"),
            flag("l", "list", "list"),
        ],
    };

    fn run(line: &str) -> Result<Matches, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&SPEC, &words).map_err(|error| error.to_string())
    }

    #[test]
    fn every_way_to_say_it() {
        for line in [
            "-t T -b B",
            "-tT -bB",
            "--topic T --brokerAddr B",
            "--topic=T --broker=B",
            "-t=T -brokerAddr=B",
            "-topic T -b \"B\"",
            "word --topic T more -b B",
            "-ltT -bB",
        ] {
            let found = run(line).unwrap();
            assert_eq!((found.get("t"), found.get("b")), (Some("T"), Some("B")), "{line}");
        }
        assert!(run("-b B -t T -l").unwrap().has("l"));
        assert_eq!(run("-b B -t -1").unwrap().get("t"), Some("-1"));
        assert_eq!(run("-b B -t -x").unwrap().get("t"), Some("-x"));
        assert_eq!(run("-b B -t T -- -zz").unwrap().get("t"), Some("T"));
        assert_eq!(run("-b B -t T --topicKind k").unwrap().get("topicKind"), Some("k"));
    }

    #[test]
    fn refusals() {
        let error = |line| run(line).unwrap_err();
        assert_eq!(error("-b B"), "Missing required option: t");
        assert_eq!(error("-l"), "Missing required options: [-b which broker, -c which cluster], t");
        assert_eq!(error("-zz"), "Unrecognized option: -zz");
        assert_eq!(error("--nope=1"), "Unrecognized option: --nope=1");
        assert_eq!(error("--list=1"), "Unrecognized option: --list=1");
        assert_eq!(error("-b B -t"), "Missing argument for option: t");
        assert_eq!(error("-t -b B"), "Missing argument for option: t");
        assert_eq!(error("--top T"), "Ambiguous option: '--top'  (could be: 'topic', 'topicKind')");
        assert_eq!(
            error("-b B -c C -t T"),
            "The option 'c' was specified but an option from this group has already been selected: 'b'"
        );
    }
}
