//! Outgoing `extFields`.

use std::borrow::Cow;

/// A value in its own type; written as Java's `toString` would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtValue {
    Text(Cow<'static, str>),
    Int(i64),
    Bool(bool),
}

/// `extFields` of a frame to be sent, in the order they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ext(Vec<(Cow<'static, str>, ExtValue)>);

impl Ext {
    #[must_use]
    pub fn new() -> Self {
        Ext(Vec::new())
    }

    #[must_use]
    pub fn with_capacity(fields: usize) -> Self {
        Ext(Vec::with_capacity(fields))
    }

    /// Adds a field and gives the list back, for building in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<ExtValue>) -> Self {
        self.put(key, value);
        self
    }

    pub fn put(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<ExtValue>) {
        self.0.push((key.into(), value.into()));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &ExtValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// The last value given for `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&ExtValue> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl core::fmt::Display for ExtValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ExtValue::Text(text) => f.write_str(text),
            ExtValue::Int(number) => write!(f, "{number}"),
            ExtValue::Bool(flag) => write!(f, "{flag}"),
        }
    }
}

impl From<&'static str> for ExtValue {
    fn from(text: &'static str) -> Self {
        ExtValue::Text(Cow::Borrowed(text))
    }
}
impl From<String> for ExtValue {
    fn from(text: String) -> Self {
        ExtValue::Text(Cow::Owned(text))
    }
}
impl From<Cow<'static, str>> for ExtValue {
    fn from(text: Cow<'static, str>) -> Self {
        ExtValue::Text(text)
    }
}
impl From<i32> for ExtValue {
    fn from(number: i32) -> Self {
        ExtValue::Int(i64::from(number))
    }
}
impl From<i64> for ExtValue {
    fn from(number: i64) -> Self {
        ExtValue::Int(number)
    }
}
impl From<bool> for ExtValue {
    fn from(flag: bool) -> Self {
        ExtValue::Bool(flag)
    }
}
