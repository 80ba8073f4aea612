//! The names of an object's fields, found as Go's `encoding/json` finds them.
//!
//! Pure: no I/O, no clock.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::texts::reference;

/// Whether a key names a field, as Go folds it: ASCII case, and the two letters outside of ASCII
/// whose simple folding lies in it.
pub(in super::super) fn names(key: &str, field: &str) -> bool {
    let mut wanted = field.chars();
    key.chars().all(|c| {
        let folded = match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        };
        wanted.next() == Some(folded)
    }) && wanted.next().is_none()
}

/// A key of the JSON objects we read: which of `F`'s names it is, or what it is.
pub(super) struct FieldKey<F>(
    pub(super) Result<&'static str, Box<str>>,
    pub(super) PhantomData<F>,
);

/// Something with named fields.
pub(super) trait FieldNames {
    const NAMES: &'static [&'static str];

    /// The name that is spelled so to the letter, as most are.
    fn exact(key: &str) -> Option<&'static str>;

    /// The name that Go would find.
    fn find(key: &str) -> Option<&'static str> {
        let fold = || Self::NAMES.iter().find(|name| names(key, name)).copied();
        Self::exact(key).or_else(fold)
    }
}

impl<'de, F: FieldNames> Deserialize<'de> for FieldKey<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor<F>(PhantomData<F>);
        impl<F: FieldNames> Visitor<'_> for KeyVisitor<F> {
            type Value = FieldKey<F>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, key: &str) -> Result<FieldKey<F>, E> {
                let field = F::find(key).ok_or_else(|| reference(key));
                Ok(FieldKey(field, PhantomData))
            }
        }
        deserializer.deserialize_str(KeyVisitor(PhantomData))
    }
}
