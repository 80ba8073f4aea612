//! What callers say in the fields that Gaurun did not have, read by type: what is wrong is told
//! with its place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, QUOTE_MAX};
use crate::push::Native;
use crate::texts;

/// A value of a notification, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct SaidValue<'a> {
    at: Cow<'static, str>,
    raw: &'a RawValue,
}

impl<'a> SaidValue<'a> {
    /// The value of a field, if it was said.
    pub(super) fn of(native: &'a Native, name: &'static str) -> Option<Self> {
        Some(Self {
            at: Cow::Borrowed(name),
            raw: native.get(name)?,
        })
    }

    /// Where it stands, as a JSON pointer below the notification without the slash in front.
    pub(super) fn at(&self) -> &Cow<'static, str> {
        &self.at
    }

    /// It as its caller wrote it.
    pub(super) fn raw(&self) -> &'a RawValue {
        self.raw
    }

    /// The letters of it as its caller wrote it.
    pub(super) fn json(&self) -> &'a str {
        self.raw.get()
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        self.json().starts_with('{')
    }

    /// Whether it is a string.
    pub(super) fn is_text(&self) -> bool {
        self.json().starts_with('"')
    }

    /// That something is wrong with it: the error goes on from its name.
    pub(super) fn fault(&self, error: impl AsRef<str>) -> Fault {
        Fault {
            pointer: self.at.clone(),
            error: format!("{} {}", self.at, error.as_ref()),
        }
    }

    /// That it is not what it must be.
    pub(super) fn is_not(&self, expected: &str) -> Fault {
        let there = match self.json().bytes().next() {
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "an array".to_owned(),
            Some(b'"') => "a string".to_owned(),
            _ => texts::shortened(self.json(), QUOTE_MAX).into_owned(),
        };
        self.fault(format!("is {there}, and must be {expected}"))
    }

    fn read<T: Deserialize<'a>>(&self, expected: &str) -> Result<T, Fault> {
        serde_json::from_str(self.json()).map_err(|_| self.is_not(expected))
    }

    /// A string.
    pub(super) fn text(&self) -> Result<String, Fault> {
        self.read("a string")
    }

    /// A string that is not empty.
    pub(super) fn word(&self) -> Result<String, Fault> {
        let text = self.text()?;
        if text.is_empty() {
            return Err(self.fault("is empty"));
        }
        Ok(text)
    }

    /// One of these strings.
    pub(super) fn one_of(&self, words: &[&'static str]) -> Result<&'static str, Fault> {
        let text = self.text()?;
        let found = words.iter().find(|word| **word == text);
        found.copied().ok_or_else(|| {
            let quoted = words.iter().map(|word| format!("{word:?}"));
            let words: Vec<_> = quoted.collect();
            let there = texts::first(&text, QUOTE_MAX);
            self.fault(format!(
                "is {there:?}, and must be one of {}",
                words.join(", ")
            ))
        })
    }

    /// A flag; 1 and 0 are as good as `true` and `false`.
    pub(super) fn flag(&self) -> Result<bool, Fault> {
        match self.json() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.is_not("true or false")),
        }
    }

    /// An integer that is not negative.
    pub(super) fn natural(&self) -> Result<u64, Fault> {
        let number = self.json().parse();
        number.map_err(|_| self.is_not("an integer of 0 or more"))
    }

    /// A number.
    pub(super) fn number(&self) -> Result<f64, Fault> {
        self.read("a number")
    }

    /// An array of strings.
    pub(super) fn texts(&self) -> Result<Vec<String>, Fault> {
        self.read("an array of strings")
    }

    /// Seconds since the Unix epoch, from a number or a time of RFC 3339.
    pub(super) fn unix_secs(&self) -> Result<u32, Fault> {
        self.unix_time().map(|(secs, _)| secs)
    }

    /// The first whole second since the Unix epoch that is not before what [`Self::unix_secs`]
    /// reads.
    pub(super) fn unix_secs_from(&self) -> Result<u32, Fault> {
        let (secs, has_more) = self.unix_time()?;
        Ok(secs.saturating_add(u32::from(has_more)))
    }

    /// Whole seconds since the Unix epoch, and whether there is a part of one more.
    fn unix_time(&self) -> Result<(u32, bool), Fault> {
        const EXPECTED: &str = "seconds since the Unix epoch, or a time as 2026-11-30T09:00:00Z";
        let (secs, has_more) = if self.is_text() {
            let time = self.text()?.parse::<jiff::Timestamp>();
            let time = time.map_err(|_| self.is_not(EXPECTED))?;
            let secs = u64::try_from(time.as_second()).unwrap_or_default();
            (secs, time.subsec_nanosecond() > 0)
        } else {
            let secs = self.json().parse::<u64>();
            (secs.map_err(|_| self.is_not(EXPECTED))?, false)
        };
        let secs = u32::try_from(secs);
        let secs =
            secs.map_err(|_| self.fault("lies beyond the year 2106; is it in milliseconds?"));
        Ok((secs?, has_more))
    }

    /// The members of an object by their names; of two with one name the last counts.
    pub(super) fn members(&self) -> Result<Members<'a>, Fault> {
        let members: BTreeMap<String, &'a RawValue> = self.read("an object")?;
        let said = |(name, raw): (String, &'a RawValue)| {
            let at = format!("{}/{}", self.at, texts::reference(&name));
            (name, Self { at: at.into(), raw })
        };
        Ok(members.into_iter().map(said).collect())
    }
}

/// The members of an object.
pub(super) type Members<'a> = BTreeMap<String, SaidValue<'a>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn native(value: &str) -> Native {
        let mut native = Native::default();
        native.set("ttl", RawValue::from_string(value.to_owned()).unwrap());
        native
    }

    /// What becomes of a value that is read so.
    fn read(value: &str, how: impl Fn(&SaidValue<'_>) -> String) -> String {
        how(&SaidValue::of(&native(value), "ttl").unwrap())
    }

    fn told<T: std::fmt::Debug>(read: Result<T, Fault>) -> String {
        read.map_or_else(
            |fault| {
                assert_eq!(fault.pointer, "ttl");
                fault.error
            },
            |value| format!("{value:?}"),
        )
    }

    #[test]
    fn what_is_of_another_type_is_told_with_what_it_is_and_must_be() {
        for (found, expected) in [
            (
                read("1", |said| told(said.text())),
                "ttl is 1, and must be a string",
            ),
            (read("\"\"", |said| told(said.word())), "ttl is empty"),
            (
                read("{}", |said| told(said.flag())),
                "ttl is an object, and must be true or false",
            ),
            (read("1", |said| told(said.flag())), "true"),
            (
                read("1.5", |said| told(said.natural())),
                "ttl is 1.5, and must be an integer of 0 or more",
            ),
            (
                read("-1", |said| told(said.natural())),
                "ttl is -1, and must be an integer of 0 or more",
            ),
            (
                read("[]", |said| told(said.number())),
                "ttl is an array, and must be a number",
            ),
            (
                read("1e999", |said| told(said.number())),
                "ttl is 1e999, and must be a number",
            ),
            (read("1e2", |said| told(said.number())), "100.0"),
            (
                read("[1]", |said| told(said.texts())),
                "ttl is an array, and must be an array of strings",
            ),
            (
                read("true", |said| told(said.members())),
                "ttl is true, and must be an object",
            ),
            (
                read("\"c\"", |said| told(said.one_of(&["a", "b"]))),
                "ttl is \"c\", and must be one of \"a\", \"b\"",
            ),
            (
                read("\"2026-11-30T10:00:00+01:00\"", |said| {
                    told(said.unix_secs())
                }),
                "1796029200",
            ),
            (
                read("1796029200", |said| told(said.unix_secs())),
                "1796029200",
            ),
            (
                read("\"2026-11-30T09:00:00.5Z\"", |said| {
                    told(said.unix_secs()) + " " + &told(said.unix_secs_from())
                }),
                "1796029200 1796029201",
            ),
            (
                read("\"1969-01-01T00:00:00Z\"", |said| told(said.unix_secs())),
                "0",
            ),
            (
                read("1796029200000", |said| told(said.unix_secs())),
                "ttl lies beyond the year 2106; is it in milliseconds?",
            ),
            (
                read("\"soon\"", |said| told(said.unix_secs())),
                "ttl is a string, and must be seconds since the Unix epoch, or a time as \
                 2026-11-30T09:00:00Z",
            ),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn members_have_their_own_places() {
        let native = native(r#"{"a":1,"b/~":[2],"a":"x"}"#);
        let members = SaidValue::of(&native, "ttl").unwrap().members().unwrap();
        let told: Vec<_> = members
            .values()
            .map(|said| (&**said.at(), said.json()))
            .collect();
        assert_eq!(told, [("ttl/a", "\"x\""), ("ttl/b~1~0", "[2]")]);
    }
}
