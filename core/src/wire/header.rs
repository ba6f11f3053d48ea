//! Typed headers: the `header!` macro turns one line per field into a borrowed struct that reads itself from
//! a frame's `extFields` and writes itself back.
//!
//! Reading is as tolerant as the reference (`spec/remoting.md` section 3): unknown keys are ignored, the last
//! of two equal keys counts, an unparsable value leaves the field at its default. The headers the reference
//! reads the fast way refuse an unparsable number instead: `parse_strict`.

use super::Ext;

/// A field whose value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("java.lang.NumberFormatException: For input string: \"{value}\", field {field}")]
pub struct FieldError {
    pub field: &'static str,
    pub value: String,
}

/// A type a header field can have.
pub trait Field<'a> {
    /// Sets the field from its text; false when the text does not parse (the field keeps its value).
    fn set(&mut self, text: &'a str) -> bool;
    fn put(&self, key: &'static str, ext: &mut Ext);
}

impl<'a> Field<'a> for Option<&'a str> {
    fn set(&mut self, text: &'a str) -> bool {
        *self = Some(text);
        true
    }
    fn put(&self, key: &'static str, ext: &mut Ext) {
        if let Some(text) = self {
            ext.put(key, (*text).to_owned());
        }
    }
}

macro_rules! scalar_field {
    ($($ty:ty),*) => {$(
        impl<'a> Field<'a> for $ty {
            fn set(&mut self, text: &'a str) -> bool {
                text.parse().map(|value| *self = value).is_ok()
            }
            fn put(&self, key: &'static str, ext: &mut Ext) {
                ext.put(key, *self);
            }
        }
        impl<'a> Field<'a> for Option<$ty> {
            fn set(&mut self, text: &'a str) -> bool {
                text.parse().map(|value| *self = Some(value)).is_ok()
            }
            fn put(&self, key: &'static str, ext: &mut Ext) {
                if let Some(value) = self {
                    ext.put(key, *value);
                }
            }
        }
    )*};
}
scalar_field!(i32, i64);

/// Anything but `true` (in any case) is false, as `Boolean.parseBoolean` has it.
impl<'a> Field<'a> for bool {
    fn set(&mut self, text: &'a str) -> bool {
        *self = text.eq_ignore_ascii_case("true");
        true
    }
    fn put(&self, key: &'static str, ext: &mut Ext) {
        ext.put(key, *self);
    }
}
impl<'a> Field<'a> for Option<bool> {
    fn set(&mut self, text: &'a str) -> bool {
        *self = Some(text.eq_ignore_ascii_case("true"));
        true
    }
    fn put(&self, key: &'static str, ext: &mut Ext) {
        if let Some(value) = self {
            ext.put(key, *value);
        }
    }
}

/// Declares a typed header: `Name { field: Type = "wireName", ... }`. Types: `Option<&'a str>`, `i32`,
/// `i64`, `bool` and their `Option`s; an optional `, or VALUE` sets a default other than zero.
#[macro_export]
macro_rules! header {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident : $ty:ty = $wire:literal $(or $default:expr)?),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            $($(#[$doc])* pub $field: $ty,)*
            #[doc(hidden)]
            pub borrowed: core::marker::PhantomData<&'a str>,
        }
        impl Default for $name<'_> {
            fn default() -> Self {
                #[allow(unused_mut)]
                let mut header = Self { $($field: Default::default(),)* borrowed: core::marker::PhantomData };
                $($(header.$field = $default;)?)*
                header
            }
        }
        impl<'a> $name<'a> {
            /// Reads the header as tolerantly as the reference does.
            #[must_use]
            pub fn parse(frame: &$crate::wire::Frame<'a>) -> Self {
                let mut header = Self::default();
                for (key, value) in frame.ext_iter() {
                    match key {
                        $($wire => { $crate::wire::header::Field::set(&mut header.$field, value); })*
                        _ => {}
                    }
                }
                header
            }
            /// Reads the header and refuses a value that does not parse.
            ///
            /// # Errors
            /// Names the field and its text.
            #[allow(clippy::collapsible_match)] // a guard would let a bad value fall through to "unknown key"
            pub fn parse_strict(frame: &$crate::wire::Frame<'a>) -> Result<Self, $crate::wire::header::FieldError> {
                let mut header = Self::default();
                for (key, value) in frame.ext_iter() {
                    match key {
                        $($wire => if !$crate::wire::header::Field::set(&mut header.$field, value) {
                            return Err($crate::wire::header::FieldError { field: $wire, value: value.to_owned() });
                        })*
                        _ => {}
                    }
                }
                Ok(header)
            }
            /// The header as `extFields`; absent optional fields are left out.
            #[must_use]
            pub fn to_ext(&self) -> $crate::wire::Ext {
                #[allow(unused_mut)]
                let mut ext = $crate::wire::Ext::new();
                $($crate::wire::header::Field::put(&self.$field, $wire, &mut ext);)*
                ext
            }
        }
    };
}
