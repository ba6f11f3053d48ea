//! Types a setting can have.

use core::ops::RangeBounds;

/// A setting's type: how its text is read, shown and checked.
pub trait Value: Sized + PartialOrd {
    /// What the text should be, after "is not ".
    const WANTED: &'static str;

    /// Reads the text.
    fn read(text: &str) -> Option<Self>;

    /// Shows the value; nothing for an absent one, which is not listed.
    fn show(&self) -> Option<String>;

    /// Whether a value makes sense where the default is `default`; a range given with the key replaces this.
    fn plausible(&self, _default: &Self) -> bool {
        true
    }
}

/// Checks against an explicit range.
pub(super) fn within<T: PartialOrd>(value: &T, range: &impl RangeBounds<T>) -> bool {
    range.contains(value)
}

impl Value for bool {
    const WANTED: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            t if t.eq_ignore_ascii_case("true") => Some(true),
            t if t.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! numbers {
    ($($t:ty: $wanted:literal),*) => { $(
        impl Value for $t {
            const WANTED: &'static str = $wanted;

            fn read(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }

            fn show(&self) -> Option<String> {
                Some(format!("{self:?}"))
            }

            /// Where the default is not negative, negative numbers mean nothing.
            fn plausible(&self, default: &Self) -> bool {
                *self >= <$t>::default() || *default < <$t>::default()
            }
        }
    )* };
}

numbers!(i32: "a whole number", i64: "a whole number", f64: "a number");

impl Value for String {
    const WANTED: &'static str = "text";

    fn read(text: &str) -> Option<Self> {
        Some(text.trim().to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl Value for Option<String> {
    const WANTED: &'static str = "text";

    fn read(text: &str) -> Option<Self> {
        Some(Some(text.trim().to_owned()))
    }

    fn show(&self) -> Option<String> {
        self.clone()
    }
}

/// Makes a [`json_enum!`](crate::json_enum) usable as a setting: by name or by number.
macro_rules! enum_value {
    ($name:ident, $wanted:literal) => {
        impl $crate::config::Value for $name {
            const WANTED: &'static str = $wanted;

            fn read(text: &str) -> Option<Self> {
                let text = text.trim();
                $name::from_name(&text.to_ascii_uppercase())
                    .or_else(|| text.parse().ok().and_then($name::from_number))
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    };
}

pub(super) use enum_value;
