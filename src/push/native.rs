//! The fields of a notification that Gaurun did not have, and the values that it did not take.
//!
//! Pure: no file, no clock, no thread.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The fields of a notification that Gaurun did not have, as their caller wrote them: each provider
/// reads those that it has a use for. None of them costs no allocation.
#[derive(Clone, Debug, Default)]
pub struct Native(Vec<(&'static str, Box<RawValue>)>);

impl Native {
    /// Sets a field; of two values the last counts.
    pub fn set(&mut self, name: &'static str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, former)) => *former = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }

    /// The value of a field, if it was said.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| &**value)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all values.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, value)| value.get().len()).sum()
    }

    /// The fields in the order in which they were first said.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &RawValue)> {
        self.0.iter().map(|(name, value)| (*name, &**value))
    }
}

/// By the letter of their values, which have no other equality.
impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        let texts = |native: &Self| -> Vec<_> {
            let fields = native.0.iter();
            let texts = fields.map(|(name, value)| (*name, value.get().to_owned()));
            texts.collect()
        };
        self.0.len() == other.0.len() && (self.is_empty() || texts(self) == texts(other))
    }
}

impl Eq for Native {}

/// The value of a key that the caller adds to the payload.
#[derive(Clone, Debug)]
pub enum ExtendValue {
    /// A string, as Gaurun takes it.
    Text(Box<str>),
    /// Another value, as its caller wrote it.
    Json(Box<RawValue>),
}

impl ExtendValue {
    /// The string, or the JSON of another value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Json(json) => json.get(),
        }
    }
}

impl Default for ExtendValue {
    fn default() -> Self {
        Self::Text(Box::default())
    }
}

impl From<&str> for ExtendValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl PartialEq for ExtendValue {
    fn eq(&self, other: &Self) -> bool {
        let is_text = |value: &Self| matches!(value, Self::Text(_));
        is_text(self) == is_text(other) && self.as_str() == other.as_str()
    }
}

impl Eq for ExtendValue {}

impl Serialize for ExtendValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Json(json) => json.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_values_the_last_counts_and_the_order_is_the_first() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let mut native = Native::default();
        assert!(native.is_empty() && native.get("ttl").is_none());
        for (name, value) in [("ttl", "1"), ("data", "{}"), ("ttl", "2")] {
            native.set(name, raw(value));
        }
        let said: Vec<_> = native.iter().map(|(name, raw)| (name, raw.get())).collect();
        assert_eq!(said, [("ttl", "2"), ("data", "{}")]);
        assert_ne!(native, Native::default());
        assert_eq!(native, native.clone());
        native.remove("ttl");
        assert_eq!(native.get("ttl").map(RawValue::get), None);
    }
}
