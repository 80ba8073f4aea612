//! The body of `POST /push`, read as leniently as Go's `encoding/json` reads it.
//!
//! Pure: no I/O, no clock. Names match whatever their case, of unknown ones it is kept which they
//! were, `null` leaves what was there, the last of two equal names wins. A value of the wrong type
//! (`1.0` for an integer, too) makes the whole request malformed. What is not UTF-8, lone
//! surrogates included, becomes U+FFFD.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

mod fields;
mod names;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::push::{ExtendValue, Native};
pub use fields::{REQUEST_FIELDS, RequestField, TARGET_FIELDS, field};
pub(super) use names::names;
use names::{FieldKey, FieldNames};
pub(super) use values::is_json;
use values::{Each, Fill};
pub use values::{Platform, Sound, Text, Tokens, WordOrNumber};

/// What the caller asked, before anything in it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The notifications, as many as are let in.
    pub notifications: Vec<Asked>,
    /// How many the body held.
    pub count: usize,
    /// What stands beside them.
    pub unknown: Unknown,
    /// Whether the body has them, if only as an empty array.
    pub are_named: bool,
    /// Whether what would be ignored is an error.
    pub strict: bool,
    /// Whether it was translated from what gorush's callers post.
    pub is_of_gorush: bool,
    /// Unknown names that are kept of the notifications.
    kept: usize,
}

/// Names that are no fields: how many, and the first of them as JSON pointers (RFC 6901) below
/// their object, without the slash in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// At most 16.
    pub paths: Vec<Text>,
    /// Of all.
    pub count: usize,
}

impl Unknown {
    fn note(&mut self, path: Text) {
        self.count = self.count.saturating_add(1);
        if self.paths.len() < UNKNOWN_MAX {
            self.paths.push(path);
        }
    }
}

impl Batch {
    /// How many targets it names, well formed or not; one for a notification that names none in a
    /// list.
    pub fn targets(&self) -> usize {
        let each = self.notifications.iter().map(Asked::targets);
        each.fold(0, usize::saturating_add)
    }

    fn push(&mut self, mut asked: Asked, most: usize) {
        self.count = self.count.saturating_add(1);
        for unknown in [&mut asked.unknown, &mut asked.extend.unknown] {
            self.kept = self.kept.saturating_add(unknown.paths.len());
            if self.kept > UNKNOWN_KEPT {
                unknown.paths = Vec::new();
            }
        }
        if self.notifications.len() < most {
            self.notifications.push(asked);
        }
    }
}

/// One notification as the caller wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields of push::Notification, by their wire names"
)]
pub struct Asked {
    pub token: Option<Tokens>,
    /// The same by another name.
    pub tokens: Option<Tokens>,
    pub platform: Platform,
    pub message: Text,
    pub identifier: Text,
    pub title: Text,
    pub subtitle: Text,
    pub category: Text,
    pub sound: Sound,
    pub push_type: Text,
    pub collapse_key: Text,
    pub priority: WordOrNumber,
    pub badge: Option<i64>,
    pub expiry: i64,
    pub time_to_live: i64,
    pub content_available: bool,
    pub mutable_content: bool,
    pub delay_while_idle: bool,
    pub extend: AskedExtend,
    /// What Gaurun did not have.
    pub native: Native,
    /// What else it has.
    pub unknown: Unknown,
}

impl Asked {
    fn targets(&self) -> usize {
        let tokens = [&self.token, &self.tokens].into_iter().flatten();
        let tokens = tokens.map(|tokens| tokens.list.len());
        let others = TARGET_FIELDS
            .iter()
            .filter_map(|name| self.native.get(name));
        let others = others.map(|list| {
            let list = serde_json::from_str::<Vec<IgnoredAny>>(list.get());
            list.map_or(0, |list| list.len())
        });
        tokens.chain(others).fold(0, usize::saturating_add).max(1)
    }
}

/// The elements of `extend`. Of those with equal keys the last counts, as it does for Gaurun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedExtend {
    /// Each `val` by its `key`; none once they are over [`EXTEND_MAX`].
    pub entries: BTreeMap<Text, ExtendValue>,
    /// Bytes of the keys and the values.
    pub len: usize,
    /// What else the elements have.
    pub unknown: Unknown,
    /// How many there were.
    count: usize,
}

impl AskedExtend {
    fn push(&mut self, Pair { key, val, unknown }: Pair) {
        let unkept = unknown.count.saturating_sub(unknown.paths.len());
        self.unknown.count = self.unknown.count.saturating_add(unkept);
        for name in unknown.paths {
            let path = format!("extend/{}/{name}", self.count);
            self.unknown.note(path.into());
        }
        self.count = self.count.saturating_add(1);
        let len = key.len().saturating_add(val.as_str().len());
        self.len = self.len.saturating_add(len);
        if self.len > EXTEND_MAX && self.entries.is_empty() {
            return;
        }
        let former = self
            .entries
            .get(&key)
            .map(|val| key.len().saturating_add(val.as_str().len()));
        self.len = self.len.saturating_sub(former.unwrap_or_default());
        self.entries.insert(key, val);
        if self.len > EXTEND_MAX {
            self.entries.clear();
        }
    }
}

/// One element of `extend`.
#[derive(Default)]
struct Pair {
    key: Text,
    val: ExtendValue,
    unknown: Unknown,
}

/// What to do about text after the JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailing {
    /// Ignore it.
    Ignored,
    /// Refuse the request, as Gaurun does at log level `debug`.
    Refused,
}

/// Reads a body; keeps the first `most` notifications and counts the others.
///
/// Patches `body` in place where a lone surrogate is escaped in it.
///
/// # Errors
///
/// Why the body is malformed.
pub fn decode(
    body: &mut [u8],
    most: usize,
    trailing: Trailing,
) -> Result<Batch, serde_json::Error> {
    replace_lone_surrogates(body);
    decode_text(&text_of(body), most, trailing)
}

fn decode_text(text: &str, most: usize, trailing: Trailing) -> Result<Batch, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut batch = Batch::default();
    OutermostObject {
        batch: &mut batch,
        most,
    }
    .deserialize(&mut json)?;
    if trailing == Trailing::Refused {
        json.end()?;
    }
    Ok(batch)
}

/// The text, with U+FFFD for each byte that is not part of UTF-8.
pub(super) fn text_of(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(body) {
        return text.into();
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text.into()
}

/// Overwrites each `\uD800`…`\uDFFF` that is not half of a pair with `\ufffd`.
///
/// A backslash outside of a string is an error anyway, so strings need not be told apart.
fn replace_lone_surrogates(body: &mut [u8]) {
    // Most have none, which is found out many bytes at a time.
    if !body.contains(&b'\\') {
        return;
    }
    let mut at = 0;
    while let Some(offset) = body
        .get(at..)
        .and_then(|rest| rest.iter().position(|&o| o == b'\\'))
    {
        let escape = at.saturating_add(offset);
        let next = escape.saturating_add(ESCAPE);
        at = match (escaped_unit(body, escape), escaped_unit(body, next)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => next.saturating_add(ESCAPE),
            (Some(0xd800..=0xdfff), _) => {
                if let Some(digits) = body.get_mut(escape.saturating_add(2)..next) {
                    digits.copy_from_slice(b"fffd");
                }
                next
            }
            _ => escape.saturating_add(2),
        };
    }
}

/// The UTF-16 code unit of a `\uXXXX` at `at`.
fn escaped_unit(body: &[u8], at: usize) -> Option<u32> {
    let digits = body
        .get(at..at.checked_add(ESCAPE)?)?
        .strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | char::from(digit).to_digit(16)?)
    })
}

/// Length of `\uXXXX`.
const ESCAPE: usize = 6;

impl<'de> Fill<'de> for AskedExtend {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        *self = Self::default();
        map.next_value_seed(Each::of(|pair| self.push(pair)))
    }
}

/// The outermost object.
struct OutermostObject<'a> {
    batch: &'a mut Batch,
    most: usize,
}

pub(super) const NOTIFICATIONS: &str = "notifications";
pub(super) const STRICT: &str = "strict";

impl FieldNames for OutermostObject<'_> {
    const NAMES: &'static [&'static str] = &[NOTIFICATIONS, STRICT];

    fn exact(key: &str) -> Option<&'static str> {
        match key {
            NOTIFICATIONS => Some(NOTIFICATIONS),
            STRICT => Some(STRICT),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for OutermostObject<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OutermostObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with notifications")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(FieldKey(field, _)) = map.next_key::<FieldKey<Self>>()? {
            match field {
                Ok(STRICT) => {
                    self.batch.strict.fill(&mut map)?;
                    continue;
                }
                Ok(_) => {}
                Err(name) => {
                    self.batch.unknown.note(name);
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            }
            *self.batch = Batch {
                unknown: std::mem::take(&mut self.batch.unknown),
                strict: self.batch.strict,
                are_named: true,
                ..Batch::default()
            };
            map.next_value_seed(Each::of(|asked| self.batch.push(asked, self.most)))?;
        }
        Ok(())
    }
}

impl Pair {
    /// There are none.
    fn fill_other<'de, A: MapAccess<'de>>(
        _: &mut Self,
        _: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }
}

impl Asked {
    fn fill_other<'de, A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let Some(value) = map.next_value::<Option<&'de RawValue>>()? {
            self.native.set(name, value.to_owned());
        }
        Ok(())
    }
}

/// Reads an object into a value of its type: each field through [`Fill`], and the others that have
/// a name as they are.
macro_rules! read_object {
    ($type:ident, $expecting:literal, [$($field:ident)*] $(, others [$($other:ident)*])?) => {
        impl FieldNames for $type {
            const NAMES: &'static [&'static str] =
                &[$(stringify!($field),)* $($(stringify!($other),)*)?];

            fn exact(key: &str) -> Option<&'static str> {
                match key {
                    $(stringify!($field) => Some(stringify!($field)),)*
                    $($(stringify!($other) => Some(stringify!($other)),)*)?
                    _ => None,
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> Visitor<'de> for ObjectVisitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$type, A::Error> {
                        let mut object = $type::default();
                        while let Some(FieldKey(field, _)) = map.next_key::<FieldKey<$type>>()? {
                            match field {
                                $(Ok(stringify!($field)) => object.$field.fill(&mut map)?,)*
                                Ok(other) => $type::fill_other(&mut object, other, &mut map)?,
                                Err(name) => {
                                    object.unknown.note(name);
                                    map.next_value::<IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

read_object!(Asked, "a notification", [
    token tokens platform message identifier title subtitle category sound push_type collapse_key
    priority badge expiry time_to_live content_available mutable_content delay_while_idle extend
], others [
    data image ttl expires_at collapse_id thread_id click_action tag channel_id
    alert target_content_id interruption_level relevance_score filter_criteria content_changed
    url_args live_activity topic apns_id apns
    notification android android_v2 webpush fcm_options fid condition validate_only fcm
    app environment class channel send_at
]);
read_object!(Pair, "an extend object", [key val]);

/// The fields of a notification.
pub const FIELDS: &[&str] = Asked::NAMES;

/// Our limit: unknown names that are kept of one object.
const UNKNOWN_MAX: usize = 16;

/// Our limit: unknown names that are kept of all notifications of a request.
const UNKNOWN_KEPT: usize = 256;

/// Our limit: bytes of the keys and values of `extend`: what a provider takes of them, and as much
/// again.
pub const EXTEND_MAX: usize = 8192;

#[cfg(test)]
mod tests;
