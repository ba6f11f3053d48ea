//! Rust types to and from [`Json`], as forgiving as the reference: a number may come as a string, null and
//! absent read as the default, unknown members are ignored. Only a hopeless shape (an object where a number
//! belongs) is an error.

use super::{Json, Key, Style, parse, write_compact};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash};

/// A value of a shape that cannot be what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JSON: expected {expected}{}", .field.map(|f| format!(" in \"{f}\"")).unwrap_or_default())]
pub struct ShapeError {
    /// What was expected.
    pub expected: &'static str,
    /// The innermost member, when known.
    pub field: Option<&'static str>,
}

impl ShapeError {
    /// An error that names no member yet.
    #[must_use]
    pub const fn expected(expected: &'static str) -> Self {
        ShapeError { expected, field: None }
    }

    /// The same error, placed in a member unless it is placed already.
    #[must_use]
    pub fn within(self, field: &'static str) -> Self {
        ShapeError { field: self.field.or(Some(field)), ..self }
    }
}

/// Can be written.
pub trait ToJson {
    /// The value; [`Json::Null`] means "leave the member out".
    fn to_json(&self) -> Json;
}

/// Can be read.
pub trait FromJson: Sized {
    /// Converts; the caller handles absent and null members.
    fn from_json(json: &Json) -> Result<Self, ShapeError>;
}

/// Can be the key of a map.
pub trait MapKey: Sized {
    /// As written.
    fn to_key(&self) -> Key;
    /// As read, quoted or bare.
    fn from_key(key: &Key) -> Result<Self, ShapeError>;
}

impl ToJson for Json {
    fn to_json(&self) -> Json {
        self.clone()
    }
}

impl FromJson for Json {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        Ok(json.clone())
    }
}

impl ToJson for bool {
    fn to_json(&self) -> Json {
        Json::Bool(*self)
    }
}

impl FromJson for bool {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        match json {
            Json::Bool(b) => Ok(*b),
            Json::Int(n) => Ok(*n == 1),
            Json::Str(s) => Ok(s.eq_ignore_ascii_case("true") || s == "1"),
            Json::Null => Ok(false),
            _ => Err(ShapeError::expected("true or false")),
        }
    }
}

macro_rules! whole_numbers {
    ($($t:ty),*) => { $(
        impl ToJson for $t {
            fn to_json(&self) -> Json {
                Json::Int(i64::from(*self))
            }
        }

        impl FromJson for $t {
            fn from_json(json: &Json) -> Result<Self, ShapeError> {
                whole(json)
                    .and_then(|n| <$t>::try_from(n).ok())
                    .ok_or(ShapeError::expected("a whole number"))
            }
        }

        impl MapKey for $t {
            fn to_key(&self) -> Key {
                Key::Int(i64::from(*self))
            }

            fn from_key(key: &Key) -> Result<Self, ShapeError> {
                match key {
                    Key::Int(n) => <$t>::try_from(*n).ok(),
                    Key::Name(s) => s.trim().parse().ok(),
                    Key::Object(_) => None,
                }
                .ok_or(ShapeError::expected("a whole number as key"))
            }
        }
    )* };
}

whole_numbers!(i32, i64);

fn whole(json: &Json) -> Option<i64> {
    match json {
        Json::Int(n) => Some(*n),
        // Beyond 2^63 the cast saturates; such a value is no identifier of ours.
        Json::Float(x) if x.abs() < 9.2e18 => Some(*x as i64),
        Json::Bool(b) => Some(i64::from(*b)),
        Json::Null => Some(0),
        Json::Str(s) if s.is_empty() || s.eq_ignore_ascii_case("null") => Some(0),
        Json::Str(s) => s.trim().parse().ok(),
        _ => None,
    }
}

impl ToJson for f64 {
    fn to_json(&self) -> Json {
        Json::Float(*self)
    }
}

impl FromJson for f64 {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        match json {
            Json::Float(x) => Some(*x),
            Json::Str(s) if !s.is_empty() => s.trim().parse().ok(),
            other => whole(other).map(|n| n as f64),
        }
        .ok_or(ShapeError::expected("a number"))
    }
}

impl ToJson for str {
    fn to_json(&self) -> Json {
        Json::Str(self.to_owned())
    }
}

impl ToJson for String {
    fn to_json(&self) -> Json {
        Json::Str(self.clone())
    }
}

impl FromJson for String {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        Ok(match json {
            Json::Str(s) => s.clone(),
            Json::Null => String::new(),
            other => write_compact(other, Style::Fastjson),
        })
    }
}

impl MapKey for String {
    fn to_key(&self) -> Key {
        Key::Name(self.clone())
    }

    fn from_key(key: &Key) -> Result<Self, ShapeError> {
        Ok(match key {
            Key::Name(s) => s.clone(),
            Key::Int(n) => n.to_string(),
            Key::Object(json) => write_compact(json, Style::Fastjson),
        })
    }
}

/// Reads a struct that serves as map key: bare, or as the text of its JSON.
pub fn struct_from_key<T: FromJson>(key: &Key) -> Result<T, ShapeError> {
    match key {
        Key::Object(json) => T::from_json(json),
        Key::Name(text) => match parse(text.as_bytes()) {
            Ok(json) => T::from_json(&json),
            Err(_) => Err(ShapeError::expected("an object as key")),
        },
        Key::Int(_) => Err(ShapeError::expected("an object as key")),
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Json {
        self.as_ref().map_or(Json::Null, ToJson::to_json)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        match json {
            Json::Null => Ok(None),
            other => T::from_json(other).map(Some),
        }
    }
}

impl<T: ToJson> ToJson for [T] {
    fn to_json(&self) -> Json {
        Json::Array(self.iter().map(ToJson::to_json).collect())
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Json {
        self.as_slice().to_json()
    }
}

impl<T: ToJson> ToJson for BTreeSet<T> {
    fn to_json(&self) -> Json {
        Json::Array(self.iter().map(ToJson::to_json).collect())
    }
}

fn elements<T: FromJson, C: FromIterator<T> + Default>(json: &Json) -> Result<C, ShapeError> {
    match json {
        Json::Array(items) => items.iter().map(T::from_json).collect(),
        Json::Null => Ok(C::default()),
        _ => Err(ShapeError::expected("an array")),
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        elements(json)
    }
}

impl<T: FromJson + Ord> FromJson for BTreeSet<T> {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        elements(json)
    }
}

fn entries<K: MapKey, V: FromJson, M: FromIterator<(K, V)> + Default>(json: &Json) -> Result<M, ShapeError> {
    let Json::Object(members) = json else {
        return if *json == Json::Null { Ok(M::default()) } else { Err(ShapeError::expected("an object")) };
    };
    members.iter().map(|(k, v)| Ok((K::from_key(k)?, V::from_json(v)?))).collect()
}

impl<K: MapKey, V: ToJson> ToJson for BTreeMap<K, V> {
    fn to_json(&self) -> Json {
        Json::Object(self.iter().map(|(k, v)| (k.to_key(), v.to_json())).collect())
    }
}

impl<K: MapKey + Ord, V: FromJson> FromJson for BTreeMap<K, V> {
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        entries(json)
    }
}

impl<K: MapKey + Ord, V: ToJson, S> ToJson for HashMap<K, V, S> {
    /// Sorted by key, so that equal maps give equal text.
    fn to_json(&self) -> Json {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        Json::Object(sorted.into_iter().map(|(k, v)| (k.to_key(), v.to_json())).collect())
    }
}

impl<K, V, S> FromJson for HashMap<K, V, S>
where
    K: MapKey + Eq + Hash,
    V: FromJson,
    S: BuildHasher + Default,
{
    fn from_json(json: &Json) -> Result<Self, ShapeError> {
        entries(json)
    }
}
