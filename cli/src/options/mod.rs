//! Command-line options as the reference's parser treats them (`spec/mqadmin.md` section 1).
//!
//! A command declares its options as data ([`Spec`]); [`parse`] turns words into [`Matches`] or into the
//! reference's error message; [`usage::text`] prints the help text. Nothing here touches the process.

mod parse;
pub mod usage;

pub use parse::parse;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt {
    /// One letter, or empty for an option that has a long name only.
    pub short: &'static str,
    pub long: &'static str,
    pub text: &'static str,
    pub takes_value: bool,
    pub required: bool,
    /// Member of the command's required group: exactly one of them has to be given.
    pub either: bool,
}

/// An option with a value.
#[must_use]
pub const fn arg(short: &'static str, long: &'static str, text: &'static str) -> Opt {
    Opt { short, long, text, takes_value: true, required: false, either: false }
}

/// An option without a value.
#[must_use]
pub const fn flag(short: &'static str, long: &'static str, text: &'static str) -> Opt {
    Opt { short, long, text, takes_value: false, required: false, either: false }
}

impl Opt {
    #[must_use]
    pub const fn required(self) -> Self {
        Opt { required: true, ..self }
    }

    #[must_use]
    pub const fn either(self) -> Self {
        Opt { either: true, ..self }
    }

    /// What messages call the option: the letter, or the long name when there is none.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        if self.short.is_empty() { self.long } else { self.short }
    }
}

/// A command as far as its options go.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub name: &'static str,
    pub about: &'static str,
    pub options: &'static [Opt],
}

/// The options every command has.
pub const COMMON: [Opt; 2] = [
    flag("h", "help", "Print help"),
    arg("n", "namesrvAddr", "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
];

impl Spec {
    /// All options, common ones first; a command may word a common one its own way.
    pub fn all(&self) -> impl Iterator<Item = &Opt> {
        let own = |common: &&Opt| !self.options.iter().any(|o| o.key() == common.key());
        COMMON.iter().filter(own).chain(self.options)
    }
}

/// The options found in a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches(Vec<(&'static str, Option<String>)>);

impl Matches {
    /// Whether the option of that key was given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == key)
    }

    /// The first value given, blanks at both ends removed.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.raw(key).map(str::trim)
    }

    /// The first value given, as it is.
    #[must_use]
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key).and_then(|(_, value)| value.as_deref())
    }

    /// Whether the value says `true`, in any case; absent is false.
    #[must_use]
    pub fn truth(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn push(&mut self, key: &'static str) {
        self.0.push((key, None));
    }

    fn set(&mut self, value: &str) {
        if let Some(last) = self.0.last_mut() {
            last.1 = Some(value.to_owned());
        }
    }
}
