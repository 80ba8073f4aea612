//! A section of the file as a table, in which a key is one row.
//!
//! Pure.

use super::document::Document;
use super::key::Key;
use super::value::Setting;
use super::{Environment, Overrides};

/// What the sections are read with, besides the file.
pub(super) struct Surroundings<'e> {
    pub(super) overrides: Overrides,
    pub(super) environment: &'e Environment,
}

/// The keys of a section, and what is done with all of them.
pub(super) trait Section: 'static {
    /// What the section says, once it is read.
    type Typed;

    /// Its keys, in the order of the documentation.
    fn keys(&'static self) -> Vec<&'static Key>;

    /// Takes the section. `None` if it is not in use, or cannot be for reasons now noted.
    fn take(
        &'static self,
        document: &mut Document<'_>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Self::Typed>;

    /// What is in force for each of its keys that has an effect.
    fn settings(&'static self, typed: &Self::Typed) -> Vec<Setting>;

    /// What is new, but for the keys that stay as they were.
    fn reloaded(
        &'static self,
        was: &Self::Typed,
        new: Self::Typed,
        stays: &dyn Fn(&Key) -> bool,
    ) -> Self::Typed;
}

/// What a reload makes of a setting.
pub(super) fn reloaded<T: Clone>(stays: bool, was: &T, new: T) -> T {
    if stays { was.clone() } else { new }
}

/// Makes of a table the keys of a section, the struct of what it says, and what is done with both.
///
/// A row is `pub setting: Type = key;` where the setting is the key's value. Behind the type may
/// stand in braces how it is taken, if not as all of that type are, and behind the key, after
/// `shown`, what is in force for it, if that is no value of that type or there may be nothing. A
/// key that only has a part in a setting has no type: its setting stands among the `parts`, by the
/// key that says whether a reload changes it.
macro_rules! section {
    (
        $(#[$about:meta])*
        pub struct $typed:ident, keys $keys:ident of ($($given:ident: $given_type:ty),*),
        by ($these:ident, $document:ident, $surroundings:ident), shown of $this:ident:
        $(
            $( $(#[$doc:meta])+ pub )? $row:ident $(: $type:ty $($taken:block)?)? = $key:expr
            $(, shown $shown:expr)?;
        )*
        => parts:
        $(
            $(#[$part_doc:meta])+ pub $part:ident: $part_type:ty $part_taken:block
            of $whole:ident;
        )*
    ) => {
        $(#[$about])*
        pub struct $typed {
            $( $( $(#[$doc])+ pub $row: $type, )? )*
            $( $(#[$part_doc])+ pub $part: $part_type, )*
        }

        pub(super) struct $keys {
            $( pub(super) $given: $given_type, )*
            $( pub(super) $row: $crate::config::Key, )*
        }

        impl $keys {
            pub(super) const fn of(section: &'static str, $($given: $given_type),*) -> Self {
                Self {
                    $( $row: $key.named(section, stringify!($row)), )*
                    $( $given, )*
                }
            }
        }

        impl $crate::config::section::Section for $keys {
            type Typed = $typed;

            fn keys(&'static self) -> Vec<&'static $crate::config::Key> {
                vec![ $( &self.$row, )* ]
            }

            fn take(
                &'static self,
                $document: &mut $crate::config::document::Document<'_>,
                $surroundings: &$crate::config::section::Surroundings<'_>,
            ) -> Option<$typed> {
                let $these = self;
                // All of them, so that what is wrong with any is found.
                $( $(
                    let $row: Option<$type> =
                        section!(@take $document, &$these.$row $(, $taken)?);
                )? )*
                $( let $part: Option<$part_type> = $part_taken; )*
                Some($typed {
                    $( $( $row: section!(@typed $type, $row?), )? )*
                    $( $part: $part?, )*
                })
            }

            fn settings(&'static self, $this: &$typed) -> Vec<$crate::config::Setting> {
                let values = [
                    $( (&self.$row, section!(@value $this.$row $(, $shown)?)), )*
                ];
                let shown = values.into_iter();
                shown
                    .filter_map(|(key, value)| {
                        let (app, value) = ("", value?);
                        Some($crate::config::Setting { app, key, value })
                    })
                    .collect()
            }

            fn reloaded(
                &'static self,
                was: &$typed,
                new: $typed,
                stays: &dyn Fn(&$crate::config::Key) -> bool,
            ) -> $typed {
                use $crate::config::section::reloaded;
                $typed {
                    $( $(
                        $row: reloaded::<$type>(stays(&self.$row), &was.$row, new.$row),
                    )? )*
                    $( $part: reloaded(stays(&self.$whole), &was.$part, new.$part), )*
                }
            }
        }
    };
    (@typed $type:ty, $value:expr) => { $value };
    (@value $this:ident . $row:ident) => {
        Some($crate::config::value::ToValue::value(&$this.$row))
    };
    (@value $this:ident . $row:ident, $shown:expr) => { $shown };
    (@take $document:ident, $key:expr) => {
        $crate::config::value::FromFile::take($document, $key)
    };
    (@take $document:ident, $key:expr, $taken:block) => { $taken };
}
pub(super) use section;
