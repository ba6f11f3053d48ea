//! The language a peer says it is written in (`LanguageCode`).

/// One byte in the binary header, the constant's name in the JSON header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    #[default]
    Java = 0,
    Cpp = 1,
    Dotnet = 2,
    Python = 3,
    Delphi = 4,
    Erlang = 5,
    Ruby = 6,
    Other = 7,
    Http = 8,
    Go = 9,
    Php = 10,
    Oms = 11,
    Rust = 12,
    NodeJs = 13,
}

const ALL: [(Language, &str); 14] = [
    (Language::Java, "JAVA"),
    (Language::Cpp, "CPP"),
    (Language::Dotnet, "DOTNET"),
    (Language::Python, "PYTHON"),
    (Language::Delphi, "DELPHI"),
    (Language::Erlang, "ERLANG"),
    (Language::Ruby, "RUBY"),
    (Language::Other, "OTHER"),
    (Language::Http, "HTTP"),
    (Language::Go, "GO"),
    (Language::Php, "PHP"),
    (Language::Oms, "OMS"),
    (Language::Rust, "RUST"),
    (Language::NodeJs, "NODE_JS"),
];

impl Language {
    /// `None` for a number the reference does not know; harmless there and here.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        ALL.get(usize::from(code)).map(|entry| entry.0)
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        ALL[self as usize].1
    }
}
