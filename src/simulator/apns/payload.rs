//! What APNs looks at in a payload: that it is a JSON object, whether it is one for the background,
//! and whether there is more in it than most have.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Facts about a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Payload {
    /// `aps` holds `"content-available": 1`.
    pub(super) content_available: bool,
    /// `aps` holds members that most have not, or one of another form.
    pub(super) has_more: bool,
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
    /// That of a text in most payloads.
    Text,
    /// That of a number.
    Count,
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
                    "alert" | "sound" | "category" => Key::Text,
                    "badge" | "mutable-content" => Key::Count,
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
            match key {
                Key::ContentAvailable => {
                    self.0.content_available = map.next_value::<One>()?.0;
                    self.0.has_more |= !self.0.content_available;
                }
                Key::Text => self.0.has_more |= map.next_value::<Form>()? != Form::Text,
                Key::Count => self.0.has_more |= map.next_value::<Form>()? != Form::Count,
                Key::Aps | Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    self.0.has_more = true;
                }
            }
        }
        Ok(())
    }
}

/// What a value is, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Count,
    Other,
}

impl<'de> serde::Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Form;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E>(self, _: &str) -> Result<Form, E> {
                Ok(Form::Text)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Form, E> {
                Ok(Form::Count)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Form, E> {
                Ok(Form::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Form, E> {
                Ok(Form::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Form, E> {
                Ok(Form::Other)
            }

            fn visit_unit<E>(self) -> Result<Form, E> {
                Ok(Form::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Form, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Form::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Form::Other)
            }
        }
        deserializer.deserialize_any(Any)
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
        for (text, content_available, has_more) in [
            (
                r#"{"aps":{"alert":"hi","badge":1,"sound":"s"}}"#,
                false,
                false,
            ),
            (r#"{"aps":{"alert":{"body":[{}]}}}"#, false, true),
            (r#"{"aps":{"badge":-1}}"#, false, true),
            (
                r#"{"aps":{"sound":1.5,"category":null,"alert":[true]}}"#,
                false,
                true,
            ),
            (
                r#"{"aps":{"content-available":1,"x":[1,{"y":null}]},"z":"\u00e9"}"#,
                true,
                true,
            ),
            (r#"{"aps":{"content-available":0}}"#, false, true),
            (r#"{"aps":{"content-available":-1}}"#, false, true),
            (r#"{"aps":{"content-available":true}}"#, false, true),
            (r#"{"content-available":1}"#, false, false),
            (r#"{"mdm":"magic"}"#, false, false),
            (" {} \n", false, false),
        ] {
            assert_eq!(
                Payload::read(text.as_bytes()),
                Some(Payload {
                    content_available,
                    has_more
                }),
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
