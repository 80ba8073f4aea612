//! What APNs looks at in a payload: that it is a JSON object, and whether it is one for the
//! background.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Facts about a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Payload {
    /// `aps` holds `"content-available": 1`.
    pub(super) content_available: bool,
}

impl Payload {
    /// Reads a payload; `None` if it is not a JSON object, or its `aps` is not one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let mut payload = Self::default();
        let mut json = serde_json::Deserializer::from_str(text);
        Top(&mut payload).deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(payload)
    }
}

/// A key, told apart without an allocation.
enum Key {
    Aps,
    ContentAvailable,
    Other,
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(match text {
                    "aps" => Key::Aps,
                    "content-available" => Key::ContentAvailable,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The payload's top level.
struct Top<'a>(&'a mut Payload);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key>()? {
            if matches!(key, Key::Aps) {
                map.next_value_seed(Aps(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The `aps` dictionary.
struct Aps<'a>(&'a mut Payload);

impl<'de> DeserializeSeed<'de> for Aps<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Aps<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the aps dictionary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key>()? {
            if matches!(key, Key::ContentAvailable) {
                self.0.content_available = map.next_value::<One>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a value is the number 1.
struct One(bool);

impl<'de> serde::Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = One;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<One, E> {
                Ok(One(number == 1))
            }

            fn visit_i64<E>(self, _: i64) -> Result<One, E> {
                Ok(One(false))
            }

            fn visit_bool<E>(self, _: bool) -> Result<One, E> {
                Ok(One(false))
            }

            fn visit_unit<E>(self) -> Result<One, E> {
                Ok(One(false))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn a_json_object_is_a_payload() {
        for (text, content_available) in [
            (r#"{"aps":{"alert":"hi"}}"#, false),
            (
                r#"{"aps":{"content-available":1,"x":[1,{"y":null}]},"z":"\u00e9"}"#,
                true,
            ),
            (r#"{"aps":{"content-available":0}}"#, false),
            (r#"{"aps":{"content-available":-1}}"#, false),
            (r#"{"aps":{"content-available":true}}"#, false),
            (r#"{"content-available":1}"#, false),
            (r#"{"mdm":"magic"}"#, false),
            (" {} \n", false),
        ] {
            assert_eq!(
                Payload::read(text.as_bytes()),
                Some(Payload { content_available }),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "[]",
            "1",
            "\"text\"",
            "{",
            "{}x",
            r#"{"aps":1}"#,
            r#"{"aps":[]}"#,
            "{'a':1}",
            "nul",
        ] {
            assert_eq!(Payload::read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Payload::read(b"{\"a\":\"\xff\"}"), None, "not UTF-8");
    }

    #[test]
    fn depth_is_bounded_and_not_a_crash() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(2_000), "]".repeat(2_000));
        assert!(
            Payload::read(deep.as_bytes()).is_some(),
            "values are skipped without recursion"
        );
    }
}
