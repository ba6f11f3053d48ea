//! The JSON dialect of the reference (fastjson 1.2.83).
//!
//! In: bytes from the network or from a file; [`parse`] accepts what the reference accepts (unquoted names,
//! integer and object keys, single quotes, stray commas, comments) and never panics; nesting is bounded.
//! Out: text as the reference writes it ([`write_compact`], [`write_pretty`]); members of structs come sorted
//! by name, absent values are left out. [`ToJson`] and [`FromJson`] carry Rust types over; [`json_struct!`]
//! and [`json_enum!`] declare them one line per member.
//!
//! [`json_struct!`]: crate::json_struct
//! [`json_enum!`]: crate::json_enum

mod convert;
mod macros;
mod parse;
mod write;

#[cfg(test)]
mod tests;

pub use convert::{FromJson, MapKey, ShapeError, ToJson, struct_from_key};
pub use parse::{JsonError, MAX_DEPTH, parse};
pub use write::{Style, write_compact, write_pretty};

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json {
    /// `null`; also what an absent member reads as.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// `[..]`.
    Array(Vec<Json>),
    /// `{..}`, in the order written; of equal keys the last one counts.
    Object(Vec<(Key, Json)>),
}

/// The left side of a member: the reference writes map keys that are no strings without quotes.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A name, quoted or not.
    Name(String),
    /// A bare whole number.
    Int(i64),
    /// A bare object (or array).
    Object(Box<Json>),
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Key::Name(name.to_owned())
    }
}

impl Json {
    /// An object with the given named members, those that are null left out.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
        let kept = members.into_iter().filter(|(_, v)| *v != Json::Null);
        Json::Object(kept.map(|(k, v)| (Key::from(k), v)).collect())
    }

    /// The member of that name, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        members.iter().rev().find(|(k, _)| matches!(k, Key::Name(n) if n == name)).map(|(_, v)| v)
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The number, if this is a whole one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(a) => Some(a),
            _ => None,
        }
    }
}

/// Why bytes did not become a value of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error(transparent)]
    Syntax(#[from] JsonError),
    /// JSON of a hopelessly different shape.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Parses and converts in one step.
pub fn from_slice<T: FromJson>(bytes: &[u8]) -> Result<T, DecodeError> {
    Ok(T::from_json(&parse(bytes)?)?)
}

/// The compact text of a value.
#[must_use]
pub fn to_vec<T: ToJson + ?Sized>(value: &T, style: Style) -> Vec<u8> {
    write_compact(&value.to_json(), style).into_bytes()
}

/// The pretty text of a value, as configuration files are stored.
#[must_use]
pub fn to_pretty<T: ToJson + ?Sized>(value: &T) -> String {
    write_pretty(&value.to_json())
}
