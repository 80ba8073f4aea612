//! The fields of a message, as Google documents them: one table, by which a caller's objects are
//! read, checked and written.
//!
//! Names are taken in snake case and in camel case, and written in snake case. What stands in the
//! table as a map of texts takes numbers, flags and nested values, too, and makes texts of them.

use std::borrow::Cow;

use super::fields::{MessageFields, MessageValue};
use super::text::{is_reserved, whole_secs};
use crate::provider::said::{Members, SaidValue};
use crate::provider::{Fault, QUOTE_MAX, Unused};
use crate::texts;

/// A field of an object: its name in snake case, what it holds, and what else has to be so.
#[derive(Clone, Copy, Debug)]
pub struct MessageField {
    /// In snake case.
    pub name: &'static str,
    /// What its value is.
    pub kind: FieldKind,
    /// What else has to be so.
    pub rule: Rule,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// A text.
    Text,
    /// A flag.
    Flag,
    /// An integer from 0 that fits 32 bits with a sign.
    Count,
    /// An integer that fits 32 bits with a sign.
    Integer,
    /// A number from 0 to 1.
    Fraction,
    /// A text `#rrggbb`.
    Color,
    /// A text of at most 50 letters, digits and `-_.~%`.
    Label,
    /// A text that begins with `https://`.
    Https,
    /// A text of digits, perhaps with decimals, and an `s`.
    Duration,
    /// A text that is a time by RFC 3339.
    Time,
    /// One of these words, in any case, and with or without this in front of them.
    Word(&'static str, &'static [&'static str]),
    /// An array of texts.
    Texts,
    /// An array of durations.
    Durations,
    /// An object of texts.
    TextMap,
    /// An object of texts that the app is given: some keys are Google's.
    Data,
    /// The header fields of RFC 8030.
    PushHeaders,
    /// An object of any members.
    Object,
    /// An object of these fields.
    MessageFields(&'static [MessageField]),
}

/// What has to be so of a field beside its kind.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Nothing.
    None,
    /// This one stands beside it.
    With(&'static str),
    /// All of its fields are there.
    Whole,
    /// One of these is among its fields, and no other of them.
    OneOf(&'static [&'static str]),
}

const fn field(name: &'static str, kind: FieldKind) -> MessageField {
    MessageField {
        name,
        kind,
        rule: Rule::None,
    }
}

const fn ruled(name: &'static str, kind: FieldKind, rule: Rule) -> MessageField {
    MessageField { name, kind, rule }
}

/// The objects of a message that callers give as they are, by the names that they have in a request
/// and in a message.
pub const MESSAGE: &[MessageField] = &[
    field("notification", FieldKind::MessageFields(NOTIFICATION)),
    field("android", FieldKind::MessageFields(ANDROID)),
    ruled(
        "android_v2",
        FieldKind::MessageFields(ANDROID_V2),
        Rule::OneOf(&["remote_notification", "background_sync"]),
    ),
    field("apns", FieldKind::MessageFields(APNS)),
    field("webpush", FieldKind::MessageFields(WEBPUSH)),
    field("fcm_options", FieldKind::MessageFields(OPTIONS)),
];

const NOTIFICATION: &[MessageField] = &[
    field("title", FieldKind::Text),
    field("body", FieldKind::Text),
    field("image", FieldKind::Https),
];

const OPTIONS: &[MessageField] = &[field("analytics_label", FieldKind::Label)];

const ANDROID: &[MessageField] = &[
    field("collapse_key", FieldKind::Text),
    field("priority", FieldKind::Word("", &["NORMAL", "HIGH"])),
    field("ttl", FieldKind::Duration),
    field("restricted_package_name", FieldKind::Text),
    field("data", FieldKind::Data),
    field(
        "notification",
        FieldKind::MessageFields(ANDROID_NOTIFICATION),
    ),
    field("fcm_options", FieldKind::MessageFields(OPTIONS)),
    field("direct_boot_ok", FieldKind::Flag),
    field("bandwidth_constrained_ok", FieldKind::Flag),
    field("restricted_satellite_ok", FieldKind::Flag),
];

const ANDROID_V2: &[MessageField] = &[
    field("collapse_key", FieldKind::Text),
    field("ttl", FieldKind::Duration),
    field("restricted_package_name", FieldKind::Text),
    field("data", FieldKind::Data),
    field("fcm_options", FieldKind::MessageFields(OPTIONS)),
    field("direct_boot_ok", FieldKind::Flag),
    field("bandwidth_constrained_ok", FieldKind::Flag),
    field("restricted_satellite_ok", FieldKind::Flag),
    field(
        "remote_notification",
        FieldKind::MessageFields(REMOTE_NOTIFICATION),
    ),
    field("background_sync", FieldKind::MessageFields(&[])),
];

const REMOTE_NOTIFICATION: &[MessageField] = &[
    field(
        "notification",
        FieldKind::MessageFields(ANDROID_NOTIFICATION_V2),
    ),
    field("mutable_content", FieldKind::Flag),
    field("use_as_v1_data_message", FieldKind::Flag),
];

pub(super) const IMAGE: MessageField = field("image", FieldKind::Https);

/// The fields of Android's notification: those that it has in both objects, and further ones.
macro_rules! android_notification {
    ($($further:expr),*) => {
        &[
            field("title", FieldKind::Text),
            field("body", FieldKind::Text),
            IMAGE,
            field("icon", FieldKind::Text),
            field("color", FieldKind::Color),
            field("sound", FieldKind::Text),
            field("tag", FieldKind::Text),
            field("click_action", FieldKind::Text),
            field("title_loc_key", FieldKind::Text),
            ruled("title_loc_args", FieldKind::Texts, Rule::With("title_loc_key")),
            field("body_loc_key", FieldKind::Text),
            ruled("body_loc_args", FieldKind::Texts, Rule::With("body_loc_key")),
            field("channel_id", FieldKind::Text),
            field("ticker", FieldKind::Text),
            field("sticky", FieldKind::Flag),
            field("event_time", FieldKind::Time),
            field("local_only", FieldKind::Flag),
            field("notification_priority", NOTIFICATION_PRIORITY),
            field("default_sound", FieldKind::Flag),
            field("default_vibrate_timings", FieldKind::Flag),
            field("default_light_settings", FieldKind::Flag),
            field("vibrate_timings", FieldKind::Durations),
            ruled(
                "light_settings",
                FieldKind::MessageFields(LIGHT_SETTINGS),
                Rule::Whole,
            ),
            field("visibility", VISIBILITY),
            field("notification_count", FieldKind::Count),
            $($further),*
        ]
    };
}

const ANDROID_NOTIFICATION: &[MessageField] = android_notification![
    field("proxy", PROXY),
    field("bypass_proxy_notification", FieldKind::Flag)
];

const ANDROID_NOTIFICATION_V2: &[MessageField] =
    android_notification![field("id", FieldKind::Integer)];

const NOTIFICATION_PRIORITY: FieldKind = FieldKind::Word(
    "PRIORITY_",
    &["UNSPECIFIED", "MIN", "LOW", "DEFAULT", "HIGH", "MAX"],
);

const VISIBILITY: FieldKind = FieldKind::Word(
    "",
    &["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"],
);

const PROXY: FieldKind = FieldKind::Word(
    "",
    &["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"],
);

const LIGHT_SETTINGS: &[MessageField] = &[
    field("color", FieldKind::MessageFields(LIGHT_COLOR)),
    field("light_on_duration", FieldKind::Duration),
    field("light_off_duration", FieldKind::Duration),
];

const LIGHT_COLOR: &[MessageField] = &[
    field("red", FieldKind::Fraction),
    field("green", FieldKind::Fraction),
    field("blue", FieldKind::Fraction),
    field("alpha", FieldKind::Fraction),
];

const APNS: &[MessageField] = &[
    field("headers", FieldKind::TextMap),
    field("payload", FieldKind::Object),
    field(
        "fcm_options",
        FieldKind::MessageFields(&[
            field("analytics_label", FieldKind::Label),
            field("image", FieldKind::Https),
        ]),
    ),
    field("live_activity_token", FieldKind::Text),
];

const WEBPUSH: &[MessageField] = &[
    field("headers", FieldKind::PushHeaders),
    field("data", FieldKind::TextMap),
    field("notification", FieldKind::Object),
    field(
        "fcm_options",
        FieldKind::MessageFields(&[
            field("link", FieldKind::Https),
            field("analytics_label", FieldKind::Label),
        ]),
    ),
];

/// Longest analytics label, in characters, as Google documents it.
pub const LABEL_MAX: usize = 50;

/// Longest `Topic` of a web push, in characters (RFC 8030).
pub const WEB_TOPIC_MAX: usize = 32;

impl MessageField {
    /// Whether a key names this field, in snake case or in camel case.
    pub fn is_named(&self, key: &str) -> bool {
        let mut raise = false;
        let name = self.name.chars().filter_map(|c| {
            let raised = std::mem::replace(&mut raise, c == '_');
            (c != '_').then(|| if raised { c.to_ascii_uppercase() } else { c })
        });
        self.name == key || name.eq(key.chars())
    }
}

/// Reads a value of that field; nothing for `null`.
pub(super) fn read<'a>(
    field: &MessageField,
    said: &SaidValue<'a>,
    unused: &mut Unused,
) -> Result<Option<MessageValue<'a>>, Fault> {
    if said.json() == "null" {
        return Ok(None);
    }
    let as_given = || MessageValue::Json(Cow::Borrowed(said.json()));
    let text = |fits: fn(&str) -> bool, expected: &str| {
        let text = said.text()?;
        if fits(&text) {
            return Ok(as_given());
        }
        let there = texts::first(&text, QUOTE_MAX);
        Err(said.fault(format!("is {there:?}, and must be {expected}")))
    };
    let node = match field.kind {
        FieldKind::Text => text(|_| true, "")?,
        FieldKind::Flag => {
            let flag = said.flag()?;
            MessageValue::Json(Cow::Borrowed(if flag { "true" } else { "false" }))
        }
        FieldKind::Count => {
            let number = said.natural()?;
            if i32::try_from(number).is_err() {
                return Err(said.fault(format!("is {number}, and must be at most {}", i32::MAX)));
            }
            as_given()
        }
        FieldKind::Integer => {
            if said.json().parse::<i32>().is_err() {
                return Err(said.fault("must be an integer that fits 32 bits"));
            }
            as_given()
        }
        FieldKind::Fraction => {
            if !(0.0..=1.0).contains(&said.number()?) {
                return Err(said.fault("must be between 0 and 1"));
            }
            as_given()
        }
        FieldKind::Color => text(is_color, "a colour such as \"#ff8800\"")?,
        FieldKind::Label => text(is_label, "1 to 50 letters, digits and -_.~%")?,
        FieldKind::Https => text(|text| text.starts_with("https://"), "an https:// address")?,
        FieldKind::Duration => text(|text| whole_secs(text).is_some(), A_DURATION)?,
        FieldKind::Time => text(
            |text| text.parse::<jiff::Timestamp>().is_ok(),
            "a time such as 2026-11-30T09:00:00Z",
        )?,
        FieldKind::Word(front, words) => word(said, front, words)?,
        FieldKind::Texts => {
            said.texts()?;
            as_given()
        }
        FieldKind::Durations => {
            let durations = said.texts()?;
            if let Some(other) = durations.iter().find(|text| whole_secs(text).is_none()) {
                let there = texts::first(other, QUOTE_MAX);
                return Err(said.fault(format!("has {there:?}, and each must be {A_DURATION}")));
            }
            as_given()
        }
        FieldKind::TextMap => MessageValue::Texts(texts_of(&said.members()?)?),
        FieldKind::Data => {
            let members = said.members()?;
            for (key, member) in &members {
                if is_reserved(key) {
                    return Err(member.fault("is a key that FCM reserves"));
                }
            }
            MessageValue::Texts(texts_of(&members)?)
        }
        FieldKind::PushHeaders => {
            let members = said.members()?;
            members
                .iter()
                .try_for_each(|(name, said)| check_web_header(name, said))?;
            MessageValue::Texts(texts_of(&members)?)
        }
        FieldKind::Object => {
            said.members()?;
            as_given()
        }
        FieldKind::MessageFields(known) => {
            MessageValue::Object(object(known, field.rule, said, unused)?)
        }
    };
    Ok(Some(node))
}

const A_DURATION: &str = "seconds such as \"3.5s\"";

/// Reads an object of these fields. What is none of them is told as ignored.
fn object<'a>(
    known: &'static [MessageField],
    rule: Rule,
    said: &SaidValue<'a>,
    unused: &mut Unused,
) -> Result<MessageFields<'a>, Fault> {
    let members = said.members()?;
    let mut fields = MessageFields::default();
    for field in known {
        let mut named = members.iter().filter(|(name, _)| field.is_named(name));
        let Some((_, value)) = named.next() else {
            continue;
        };
        if let Some((_, other)) = named.next() {
            return Err(other.fault(format!("stands beside {}: say one", value.at())));
        }
        if let Some(node) = read(field, value, unused)? {
            fields.set(field.name, node);
        }
    }
    for (name, value) in &members {
        if !known.iter().any(|field| field.is_named(name)) {
            unused.note_part(value.at());
        }
    }
    for field in known {
        if let Rule::With(other) = field.rule
            && fields.has(field.name)
            && !fields.has(other)
        {
            return Err(said.fault(format!("has {}, and no {other}", field.name)));
        }
    }
    match rule {
        Rule::None | Rule::With(_) => {}
        Rule::Whole => {
            if let Some(missing) = known.iter().find(|field| !fields.has(field.name)) {
                return Err(said.fault(format!("has no {}, which it must have", missing.name)));
            }
        }
        Rule::OneOf(names) => {
            let there = names.iter().filter(|name| fields.has(name)).count();
            if there != 1 {
                let names = names.join(" and ");
                return Err(said.fault(format!("must have one of {names}, and has {there}")));
            }
        }
    }
    Ok(fields)
}

/// One of these words.
fn word<'a>(
    said: &SaidValue<'_>,
    front: &'static str,
    words: &'static [&'static str],
) -> Result<MessageValue<'a>, Fault> {
    let text = said.text()?;
    let bare = match text.get(..front.len()) {
        Some(begin) if begin.eq_ignore_ascii_case(front) => text.get(front.len()..),
        _ => None,
    };
    let bare = bare.unwrap_or(&text);
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(bare));
    let Some(found) = found else {
        let there = texts::first(&text, QUOTE_MAX);
        let words: Vec<_> = words.iter().map(|word| format!("{front}{word}")).collect();
        let words = words.join(", ");
        return Err(said.fault(format!("is {there:?}, and must be one of {words}")));
    };
    Ok(MessageValue::Json(format!("\"{front}{found}\"").into()))
}

/// Texts of all members but those that are `null`: numbers, flags and nested values as their JSON.
fn texts_of<'a>(members: &Members<'a>) -> Result<Vec<(String, Cow<'a, str>)>, Fault> {
    let mut texts = Vec::with_capacity(members.len());
    for (name, member) in members {
        if let Some(text) = text_of(member)? {
            texts.push((name.clone(), text));
        }
    }
    Ok(texts)
}

/// A value as a text; nothing for `null`.
pub(super) fn text_of<'a>(said: &SaidValue<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    Ok(match said.json() {
        "null" => None,
        _ if said.is_text() => Some(said.text()?.into()),
        json => Some(json.into()),
    })
}

fn check_web_header(name: &str, said: &SaidValue<'_>) -> Result<(), Fault> {
    let Some(text) = text_of(said)? else {
        return Ok(());
    };
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let (is_fine, expected) = match &*name.to_ascii_lowercase() {
        "ttl" => (
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
            "seconds such as \"600\"",
        ),
        "urgency" => (
            ["very-low", "low", "normal", "high"].contains(&&*text),
            "very-low, low, normal or high",
        ),
        "topic" => (
            (1..=WEB_TOPIC_MAX).contains(&text.len()) && text.bytes().all(is_base64),
            "1 to 32 letters, digits and -_",
        ),
        _ => (true, ""),
    };
    if is_fine {
        return Ok(());
    }
    let there = texts::first(&text, QUOTE_MAX);
    Err(said.fault(format!("is {there:?}, and must be {expected}")))
}

fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_label(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
    (1..=LABEL_MAX).contains(&text.len()) && text.bytes().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_in_snake_or_camel_case() {
        for (key, is_named) in [
            ("click_action", true),
            ("clickAction", true),
            ("clickaction", false),
            ("click_Action", false),
            ("clickActions", false),
            ("clickActio", false),
            ("", false),
            ("Click_action", false),
        ] {
            let click_action = field("click_action", FieldKind::Text);
            assert_eq!(click_action.is_named(key), is_named, "{key}");
        }
    }

    #[test]
    fn the_second_android_notification_is_the_first_less_the_proxies_with_a_number() {
        let names =
            |fields: &[MessageField]| fields.iter().map(|field| field.name).collect::<Vec<_>>();
        let mut first = names(ANDROID_NOTIFICATION);
        first.retain(|name| !name.contains("proxy"));
        first.push("id");
        assert_eq!(first, names(ANDROID_NOTIFICATION_V2));
    }
}
