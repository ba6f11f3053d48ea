//! Declarations of JSON types, one line per member.

/// Declares a struct with [`ToJson`](crate::json::ToJson) and [`FromJson`](crate::json::FromJson).
///
/// Each member is `pub field: Type = "jsonName",`. The struct needs a `Default` (derived or by hand): absent
/// and null members keep its values. Members are written sorted by name, those that are null left out.
///
/// ```
/// sansmq_core::json_struct! {
///     /// A point.
///     #[derive(Clone, Debug, Default, PartialEq)]
///     pub struct Point {
///         /// Across.
///         pub across: i32 = "x",
///         /// A label.
///         pub label: Option<String> = "label",
///     }
/// }
/// let p: Point = sansmq_core::json::from_slice(b"{x:'7'}").unwrap();
/// assert_eq!(p, Point { across: 7, label: None });
/// ```
#[macro_export]
macro_rules! json_struct {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty = $json:literal ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[$field_meta])* $field_vis $field: $type, )*
        }

        impl $crate::json::ToJson for $name {
            fn to_json(&self) -> $crate::json::Json {
                let mut members = vec![
                    $( ($json, $crate::json::ToJson::to_json(&self.$field)), )*
                ];
                members.sort_by_key(|(name, _)| *name);
                $crate::json::Json::object(members)
            }
        }

        impl $crate::json::FromJson for $name {
            fn from_json(json: &$crate::json::Json) -> Result<Self, $crate::json::ShapeError> {
                if !matches!(json, $crate::json::Json::Object(_)) {
                    return Err($crate::json::ShapeError::expected("an object"));
                }
                let mut out = <$name as Default>::default();
                $(
                    match json.get($json) {
                        None | Some($crate::json::Json::Null) => {}
                        Some(value) => {
                            out.$field = $crate::json::FromJson::from_json(value)
                                .map_err(|e: $crate::json::ShapeError| e.within($json))?;
                        }
                    }
                )*
                Ok(out)
            }
        }
    };
}

/// Declares an enumeration that travels by name and is also read by number, as the reference does.
///
/// Each variant is `Variant = "NAME" | number,`; the first one is the default, which also stands for unknown
/// names. `as_str` gives the name, `Display` prints it.
#[macro_export]
macro_rules! json_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(#[$first_meta:meta])* $first:ident = $first_text:literal | $first_number:literal,
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal | $number:literal ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $(#[$first_meta])* #[default] $first = $first_number,
            $( $(#[$variant_meta])* $variant = $number, )*
        }

        impl $name {
            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $name::$first => $first_text,
                    $( $name::$variant => $text, )*
                }
            }

            /// The variant of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $first_text => Some($name::$first),
                    $( $text => Some($name::$variant), )*
                    _ => None,
                }
            }

            /// The variant of that number.
            #[must_use]
            pub fn from_number(number: i64) -> Option<Self> {
                match number {
                    $first_number => Some($name::$first),
                    $( $number => Some($name::$variant), )*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::json::ToJson for $name {
            fn to_json(&self) -> $crate::json::Json {
                $crate::json::Json::Str(self.as_str().to_owned())
            }
        }

        impl $crate::json::FromJson for $name {
            fn from_json(json: &$crate::json::Json) -> Result<Self, $crate::json::ShapeError> {
                Ok(match json {
                    $crate::json::Json::Str(s) => {
                        $name::from_name(s).or_else(|| s.parse().ok().and_then($name::from_number))
                    }
                    $crate::json::Json::Int(n) => $name::from_number(*n),
                    $crate::json::Json::Null => None,
                    _ => return Err($crate::json::ShapeError::expected("a name")),
                }
                .unwrap_or_default())
            }
        }
    };
}
