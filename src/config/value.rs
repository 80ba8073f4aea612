//! The values of keys: how settings of each type are taken from the file, and how they are shown.
//!
//! Pure.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::key::Key;
use super::{ProviderUrl, Secret};
use crate::push::{ApnsEnvironment, Node};
use crate::texts::{toml_list, toml_string};

/// A key and what is in force for it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The app whose section the key stands in; empty for the default one, and where it is no
    /// app's.
    pub app: &'static str,
    /// The key.
    pub key: &'static Key,
    /// Its value.
    pub value: Value,
}

impl Setting {
    /// The section that the key stands in, without brackets: `ios`, `apps.shop.ios`.
    pub fn section(&self) -> String {
        self.key.section_in(self.app)
    }

    /// The key with its section, as messages name it: `core.port`, `apps.shop.ios.topic`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section(), self.key.name)
    }
}

/// What is in force for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: what the key's absence means.
    Absent,
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A string.
    Text(String),
    /// A URL in whose path a secret may stand: that is not shown.
    Url(String),
    /// A string that names a file, a directory or a socket.
    Path(PathBuf),
    /// Strings.
    List(Vec<String>),
    /// A string that is not shown.
    Secret(Secret),
}

/// As the file would have it, secrets apart.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("\"\""),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&toml_string(text)),
            Self::Url(url) => f.write_str(&toml_string(&pathless(url))),
            Self::Path(path) => f.write_str(&toml_string(&path.display().to_string())),
            Self::List(texts) => f.write_str(&toml_list(texts)),
            Self::Secret(_) => f.write_str("(not shown)"),
        }
    }
}

/// A URL less its path.
pub fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(host..).unwrap_or_default();
    let end = rest.find('/').map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or_default()
}

/// A URL with a mark in the place of its path, if it has one.
fn pathless(url: &str) -> String {
    let origin = origin(url);
    match url.strip_prefix(origin) {
        None | Some("" | "/") => url.to_owned(),
        Some(_) => format!("{origin}/…"),
    }
}

impl Value {
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Absent => serde_json::Value::Null,
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Url(url) => pathless(url).into(),
            Self::Path(path) => path.display().to_string().into(),
            Self::List(texts) => texts.as_slice().into(),
            Self::Secret(_) => "(not shown)".into(),
        }
    }
}

/// A type of settings that the file has a value for.
pub(super) trait FromFile: Sized {
    /// Takes the key's value. `None` for reasons now noted.
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self>;
}

/// A type of settings that can be shown.
pub(super) trait ToValue {
    /// The setting as the file would have it.
    fn value(&self) -> Value;
}

impl FromFile for bool {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        Some(document.flag(key))
    }
}

impl ToValue for bool {
    fn value(&self) -> Value {
        Value::Flag(*self)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl FromFile for $type {
            fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
                Self::try_from(document.number(key)?).ok()
            }
        }

        impl ToValue for $type {
            fn value(&self) -> Value {
                Value::Number(u64::from(*self))
            }
        }
    )* };
}
numbers!(u16, u32);

impl FromFile for u64 {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        document.number(key)
    }
}

impl ToValue for u64 {
    fn value(&self) -> Value {
        Value::Number(*self)
    }
}

impl FromFile for NonZeroUsize {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        let number = usize::try_from(document.number(key)?).ok()?;
        Self::new(number)
    }
}

impl ToValue for NonZeroUsize {
    fn value(&self) -> Value {
        Value::Number(u64::try_from(self.get()).unwrap_or(u64::MAX))
    }
}

impl ToValue for NonZeroU32 {
    fn value(&self) -> Value {
        Value::Number(self.get().into())
    }
}

impl FromFile for Node {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        Self::new(u16::take(document, key)?)
    }
}

impl ToValue for Node {
    fn value(&self) -> Value {
        self.number().value()
    }
}

/// In seconds.
impl FromFile for Duration {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        document.number(key).map(Self::from_secs)
    }
}

impl ToValue for Duration {
    fn value(&self) -> Value {
        Value::Number(self.as_secs())
    }
}

/// Of a key that has a default.
impl FromFile for String {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        document.text(key)
    }
}

impl ToValue for String {
    fn value(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl ToValue for Vec<String> {
    fn value(&self) -> Value {
        Value::List(self.clone())
    }
}

impl ToValue for Vec<ApnsEnvironment> {
    fn value(&self) -> Value {
        Value::List(self.iter().map(|it| it.word().to_owned()).collect())
    }
}

impl FromFile for Option<PathBuf> {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        Some(if key.names_a_credential() {
            document.file(key)
        } else {
            document.text(key).map(PathBuf::from)
        })
    }
}

impl ToValue for PathBuf {
    fn value(&self) -> Value {
        Value::Path(self.clone())
    }
}

/// One that cannot be used is noted, and absent.
impl FromFile for Option<ProviderUrl> {
    fn take(document: &mut Document<'_>, key: &'static Key) -> Option<Self> {
        let Some(text) = document.text(key) else {
            return Some(None);
        };
        let parsed = text.parse();
        Some(
            parsed
                .map_err(|reason: &str| document.refuse_because(key, reason))
                .ok(),
        )
    }
}

impl ToValue for ProviderUrl {
    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl ToValue for Secret {
    fn value(&self) -> Value {
        Value::Secret(self.clone())
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Absent, ToValue::value)
    }
}

/// The mode of a file as the file of keys has it.
pub(super) fn of_mode(mode: u32) -> Value {
    Value::Text(format!("{mode:04o}"))
}
