//! Reads a `messages:send` body against the schema, in one pass and without a tree.
//!
//! The first violation ends it. Proto-JSON's leniencies hold: camel case, `null` for absent, the
//! last of two equal keys wins.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use serde::Deserialize as _;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::form;
use super::schema::{Kind, Meter, REQUEST, Rule, Target};

/// What is known of a body that keeps to the schema.
#[derive(Debug, Default)]
pub(super) struct Message<'de> {
    /// Whom it is for.
    pub(super) target: Option<(Target, Cow<'de, str>)>,
    /// The text of `android.ttl`, where it is plain.
    pub(super) ttl: Option<&'de str>,
    /// Whether it is a trial run.
    pub(super) validate_only: bool,
    /// Bytes of keys and values by [`Meter`].
    metered: [usize; 3],
    /// Bytes of what Android's notification has in the place of the common one's, there and here.
    overridden: [[usize; 2]; OVERRIDDEN.len()],
    present: bool,
    /// `android` and `android_v2` are there.
    androids: [bool; 2],
    /// `remote_notification` and `background_sync` are there.
    kinds: [bool; 2],
}

/// What both notifications of a message may have.
const OVERRIDDEN: [&str; 3] = ["title", "body", "image"];

/// What is wrong with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// It is not JSON.
    Syntax(String),
    /// A field is not of the schema.
    Schema { field: String, description: String },
    /// A field is of the schema, but FCM itself refuses its value.
    Rule { field: String, description: String },
}

impl<'de> Message<'de> {
    /// Reads a body.
    pub(super) fn read(body: &'de [u8]) -> Result<Self, Violation> {
        let text = str::from_utf8(body).map_err(|error| Violation::Syntax(error.to_string()))?;
        let mut walk = Walk::default();
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Node {
            kind: &Kind::Message(REQUEST),
            walk: &mut walk,
        }
        .deserialize(&mut json)
        .and_then(|()| json.end());
        match (walk.violation, read) {
            (Some(violation), _) => return Err(violation),
            (None, Err(error)) => return Err(Violation::Syntax(error.to_string())),
            (None, Ok(())) => {}
        }
        let message = walk.message;
        let rule = |description: &str| {
            let (field, description) = ("message".to_owned(), description.to_owned());
            Err(Violation::Rule { field, description })
        };
        if !message.present {
            rule("Message is required.")
        } else if message.target.is_none() {
            rule("Recipient of the message is not set.")
        } else if message.androids == [true, true] {
            rule("Only one of 'android' and 'android_v2' may be set.")
        } else {
            Ok(message)
        }
    }

    /// Bytes that count against the limit on size. Android's `data` replaces the common one, and
    /// what its notification has that of the common one.
    pub(super) fn size(&self) -> usize {
        let [notification, data, android_data] = self.metered;
        let replaced = self.overridden.iter().filter(|[_, own]| *own > 0);
        let replaced: usize = replaced.map(|[common, _]| common).sum();
        notification - replaced + if android_data > 0 { android_data } else { data }
    }
}

/// Steps of the path to the common notification.
const COMMON_DEPTH: usize = 2;

/// Where the reading stands.
#[derive(Default)]
struct Walk<'de> {
    message: Message<'de>,
    path: Vec<Part>,
    meter: Option<Meter>,
    violation: Option<Violation>,
}

/// A step of the path to a value.
#[derive(Clone, Copy)]
enum Part {
    Field(&'static str),
    Element(usize),
    Entry(usize),
}

impl Walk<'_> {
    fn path(&self) -> String {
        let mut path = String::new();
        for part in &self.path {
            let dot = if path.is_empty() { "" } else { "." };
            // Writing to a string cannot fail.
            let _ = match part {
                Part::Field(name) => write!(path, "{dot}{name}"),
                Part::Element(index) => write!(path, "[{index}]"),
                Part::Entry(index) => write!(path, "[{index}].value"),
            };
        }
        path
    }

    /// The value here is not of its type.
    fn mistyped<E: de::Error>(&mut self, kind: Kind, value: impl Display) -> E {
        let field = self.path();
        let description = format!("Invalid value at '{field}' ({}), {value}", kind.type_name());
        self.fail(Violation::Schema { field, description })
    }

    /// The value here is of its type, but refused.
    fn refused<E: de::Error>(&mut self, description: String) -> E {
        let field = self.path();
        self.fail(Violation::Rule { field, description })
    }

    fn fail<E: de::Error>(&mut self, violation: Violation) -> E {
        self.violation.get_or_insert(violation);
        E::custom("violation")
    }

    fn count(&mut self, meter: Option<Meter>, bytes: usize) {
        if let Some(bytes_so_far) =
            meter.and_then(|meter| self.message.metered.get_mut(meter as usize))
        {
            *bytes_so_far += bytes;
        }
    }
}

/// One value and what it has to be.
struct Node<'a, 'de> {
    kind: &'static Kind,
    walk: &'a mut Walk<'de>,
}

impl<'de> DeserializeSeed<'de> for Node<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !matches!(self.kind, Kind::Object) {
            return deserializer.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('{') || raw == "null" {
            let is_for_apns = matches!(
                self.walk.path.as_slice(),
                [_, Part::Field("apns"), Part::Field("payload")]
            );
            if is_for_apns && written_len(raw) > MAX_APNS_PAYLOAD {
                return Err(self
                    .walk
                    .refused("The payload for APNs is too large.".to_owned()));
            }
            Ok(())
        } else {
            Err(self.walk.mistyped(*self.kind, raw))
        }
    }
}

impl<'de> Node<'_, 'de> {
    /// Judges a string. `borrowed` is the same text where the body has it unescaped.
    fn text<E: de::Error>(self, text: &str, borrowed: Option<&'de str>) -> Result<(), E> {
        let Self { kind, walk } = self;
        walk.count(walk.meter, text.len());
        let good = match kind {
            Kind::Text => true,
            Kind::Duration => form::duration_secs(text).is_some(),
            Kind::Timestamp => text.parse::<jiff::Timestamp>().is_ok(),
            Kind::Enum(_, words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            Kind::Ttl if form::duration_secs(text).is_some() => {
                walk.message.ttl = borrowed;
                if !form::is_ttl(text) {
                    return Err(walk.refused(format!("Invalid time to live: {text}")));
                }
                true
            }
            Kind::Label | Kind::Https | Kind::Color => {
                let good = match kind {
                    Kind::Label => form::is_label(text),
                    Kind::Color => form::is_color(text),
                    _ => text.starts_with("https://"),
                };
                if !good {
                    return Err(walk.refused(format!("Invalid value: {text}")));
                }
                true
            }
            // Proto-JSON takes numbers in quotes.
            Kind::Count => text.parse::<i32>().is_ok_and(|number| number >= 0),
            Kind::Int32 => text.parse::<i32>().is_ok(),
            Kind::Fraction => text
                .parse::<f64>()
                .is_ok_and(|number| (0.0..=1.0).contains(&number)),
            Kind::Target(target) => {
                let value = borrowed.map_or_else(|| text.to_owned().into(), Cow::Borrowed);
                return walk.aim(*target, value);
            }
            _ => false,
        };
        if good {
            Ok(())
        } else {
            Err(walk.mistyped(*kind, format_args!("\"{text}\"")))
        }
    }

    fn object<A: MapAccess<'de>>(
        self,
        rules: &'static [Rule],
        map: &mut A,
    ) -> Result<(), A::Error> {
        let Self { kind, walk } = self;
        let mut seen = 0_u32;
        while let Some(Key(key)) = map.next_key()? {
            let Some(index) = rules.iter().position(|rule| rule.is_named(&key)) else {
                let field = walk.path();
                let place = if field.is_empty() {
                    String::new()
                } else {
                    format!(" at '{field}'")
                };
                let description = format!(
                    "Invalid JSON payload received. Unknown name \"{key}\"{place}: \
                     Cannot find field."
                );
                return Err(walk.fail(Violation::Schema { field, description }));
            };
            let Some(rule) = rules.get(index) else {
                continue;
            };
            seen |= 1 << index;
            let [before, ..] = walk.message.metered;
            walk.count(walk.meter, key.len());
            walk.path.push(Part::Field(rule.name));
            map.next_value_seed(Node {
                kind: &rule.kind,
                walk,
            })?;
            walk.path.pop();
            let mut overridden = OVERRIDDEN.iter().zip(&mut walk.message.overridden);
            if let Kind::Notification(_) = kind
                && let Some((_, [common, own])) = overridden.find(|(name, _)| **name == rule.name)
            {
                let is_own = walk.path.len() > COMMON_DEPTH;
                let [after, ..] = walk.message.metered;
                let len = after - before;
                // An empty text says nothing.
                *(if is_own { own } else { common }) = if len > key.len() { len } else { 0 };
            }
        }
        if matches!(kind, Kind::Complete(_)) && seen.count_ones() as usize != rules.len() {
            return Err(walk.refused("A required field is missing.".to_owned()));
        }
        match walk.path.as_slice() {
            [Part::Field("message")] => walk.message.present = true,
            [Part::Field("message"), Part::Field("android")] => walk.message.androids[0] = true,
            [Part::Field("message"), Part::Field("android_v2")] => {
                walk.message.androids[1] = true;
                let [remote_notification, background_sync] = walk.message.kinds;
                if remote_notification == background_sync {
                    let description = "Exactly one of 'remote_notification' and \
                                       'background_sync' must be set.";
                    return Err(walk.refused(description.to_owned()));
                }
            }
            [
                _,
                Part::Field("android_v2"),
                Part::Field("remote_notification"),
            ] => {
                walk.message.kinds[0] = true;
            }
            [_, Part::Field("android_v2"), Part::Field("background_sync")] => {
                walk.message.kinds[1] = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn map_of_strings<A: MapAccess<'de>>(self, map: &mut A) -> Result<(), A::Error> {
        let Self { kind, walk } = self;
        let meter = if let Kind::Data(meter) = kind {
            Some(*meter)
        } else {
            None
        };
        let mut index = 0;
        while let Some(Key(key)) = map.next_key()? {
            if meter.is_some() && form::is_reserved(&key) {
                return Err(walk.refused(format!("Invalid data payload key: {key}")));
            }
            walk.count(meter, key.len());
            walk.path.push(Part::Entry(index));
            let outer = std::mem::replace(&mut walk.meter, meter);
            map.next_value_seed(Node {
                kind: &Kind::Text,
                walk,
            })?;
            walk.meter = outer;
            walk.path.pop();
            index += 1;
        }
        Ok(())
    }
}

impl<'de> Walk<'de> {
    /// Notes whom the message is for; it may be told once.
    fn aim<E: de::Error>(&mut self, target: Target, value: Cow<'de, str>) -> Result<(), E> {
        if self
            .message
            .target
            .as_ref()
            .is_some_and(|(known, _)| *known != target)
        {
            let name = match self.path.last() {
                Some(Part::Field(name)) => name,
                _ => "target",
            };
            self.path.pop();
            let field = self.path();
            let description = format!(
                "Invalid value at '{field}' (oneof), oneof field 'target' is already set. \
                 Cannot set '{name}'"
            );
            return Err(self.fail(Violation::Schema { field, description }));
        }
        self.message.target = Some((target, value));
        Ok(())
    }
}

impl<'de> Visitor<'de> for Node<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the schema")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<(), E> {
        self.text(text, Some(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text, None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        match self.kind {
            Kind::Bool => Ok(()),
            Kind::ValidateOnly => {
                self.walk.message.validate_only = value;
                Ok(())
            }
            kind => Err(self.walk.mistyped(*kind, value)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        match self.kind {
            Kind::Count | Kind::Int32 if i32::try_from(number).is_ok() => Ok(()),
            Kind::Fraction if number <= 1 => Ok(()),
            kind => Err(self.walk.mistyped(*kind, number)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        match self.kind {
            Kind::Int32 if i32::try_from(number).is_ok() => Ok(()),
            kind => Err(self.walk.mistyped(*kind, number)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        match self.kind {
            Kind::Fraction if (0.0..=1.0).contains(&number) => Ok(()),
            kind => Err(self.walk.mistyped(*kind, number)),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        match self.walk.path.last() {
            Some(Part::Entry(_) | Part::Element(_)) => Err(self.walk.mistyped(*self.kind, "null")),
            _ => Ok(()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match *self.kind {
            Kind::Message(rules) | Kind::Complete(rules) => self.object(rules, &mut map),
            Kind::Notification(rules) => {
                let walk = self.walk;
                let outer = walk.meter.replace(Meter::Notification);
                Node {
                    kind: self.kind,
                    walk,
                }
                .object(rules, &mut map)?;
                walk.meter = outer;
                Ok(())
            }
            Kind::TextMap | Kind::Data(_) => self.map_of_strings(&mut map),
            kind => Err(self
                .walk
                .mistyped(kind, "Starting an object on a scalar field")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { kind, walk } = self;
        let Kind::List(element) = kind else {
            return Err(walk.mistyped(*kind, "Proto field is not repeating, cannot start list."));
        };
        for index in 0.. {
            walk.path.push(Part::Element(index));
            if seq
                .next_element_seed(Node {
                    kind: element,
                    walk,
                })?
                .is_none()
            {
                break;
            }
            walk.path.pop();
        }
        walk.path.pop();
        Ok(())
    }
}

/// Bytes of a payload that APNs takes.
const MAX_APNS_PAYLOAD: usize = 4_096;

/// Bytes of JSON without blanks.
fn written_len(json: &str) -> usize {
    let read = serde_json::from_str::<serde_json::Value>(json);
    read.map_or(0, |value| value.to_string().len())
}

/// A key, borrowed where it is plain.
struct Key<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests;
