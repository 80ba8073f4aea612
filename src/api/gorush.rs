//! What gorush's callers post to `/api/push`, as a body of `POST /push`.
//!
//! Pure: no I/O, no clock. Fields that have gorush's names here too are handed on as they are, and
//! so are unknown ones, which are told as ignored. Facts from gorush's README and from the fields
//! of its `PushNotification`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

mod answer;

pub(super) use answer::{ENTRIES_MAX, answer, malformed};

use super::plan::NATIVE_MAX;
use super::request::{NOTIFICATIONS, STRICT, names};
use crate::provider::ValueSchema;
use crate::provider::apns::LIVE_ACTIVITY_EVENTS;

/// The members of an object, of equal names the last, as they were written.
type GorushMembers<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// The body of `POST /push` that asks for the same. Of notifications the first `most` are looked
/// at, and the others counted, which is enough to refuse them.
///
/// # Errors
///
/// Why the body is malformed.
pub(super) fn translated(body: &[u8], most: usize) -> Result<Vec<u8>, serde_json::Error> {
    let text = super::request::text_of(body);
    let mut outermost = GorushBody {
        // Names of ours may be a little longer, and for want of room it would be twice as large.
        out: Vec::with_capacity(text.len().saturating_add(text.len() / 8)),
        most,
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    json.deserialize_map(&mut outermost)?;
    json.end()?;
    Ok(outermost.out)
}

/// The outermost object, and the same for `POST /push`.
struct GorushBody {
    out: Vec<u8>,
    most: usize,
}

impl<'de> Visitor<'de> for &mut GorushBody {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with notifications")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.out.push(b'{');
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.out.len() > 1 {
                self.out.push(b',');
            }
            put(&mut self.out, &name);
            self.out.push(b':');
            if names(&name, NOTIFICATIONS) {
                map.next_value_seed(NotificationList(self))?;
            } else if names(&name, STRICT) {
                let value = map.next_value::<&'de RawValue>()?;
                self.out.extend_from_slice(value.get().as_bytes());
            } else {
                // Only its name is told.
                map.next_value::<IgnoredAny>()?;
                put(&mut self.out, &0);
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// The list of notifications.
struct NotificationList<'a>(&'a mut GorushBody);

impl<'de> DeserializeSeed<'de> for NotificationList<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for NotificationList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of notifications")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        put(&mut self.0.out, &[0; 0]);
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(GorushBody { out, most }) = self;
        out.push(b'[');
        for count in 0_usize.. {
            let before = out.len();
            if count > 0 {
                out.push(b',');
            }
            let is_there = if count < *most {
                seq.next_element_seed(NotificationObject(out))?.is_some()
            } else {
                out.extend_from_slice(b"{}");
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !is_there {
                out.truncate(before);
                break;
            }
        }
        out.push(b']');
        Ok(())
    }
}

/// One notification. What is not gorush's is handed on without being kept, however much it is.
struct NotificationObject<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for NotificationObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NotificationObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a notification")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(out) = self;
        let mut said = GorushMembers::new();
        out.push(b'{');
        let begin = out.len();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let value = map.next_value::<&'de RawValue>()?;
            if GORUSH_MEMBERS.iter().any(|(known, _)| *known == name) {
                said.insert(name, Cow::Borrowed(value));
            } else {
                put_member(out, begin, &name, value);
            }
        }
        for (name, value) in notification(said) {
            put_member(out, begin, &name, &value);
        }
        out.push(b'}');
        Ok(())
    }
}

/// Appends a member to an object whose first one stands at `begin`.
fn put_member(out: &mut Vec<u8>, begin: usize, name: &str, value: &RawValue) {
    if out.len() > begin {
        out.push(b',');
    }
    put(out, &name);
    out.push(b':');
    out.extend_from_slice(value.get().as_bytes());
}

/// Members of a notification that are not handed on as they are, or with which others are not; with
/// what they hold where it is not what we have by that name.
pub(super) const GORUSH_MEMBERS: &[(&str, Option<ValueSchema>)] = &[
    ("alert", None),
    ("android", None),
    ("content-state", Some(ValueSchema::Object)),
    ("development", Some(ValueSchema::Flag)),
    ("dismissal-date", Some(ValueSchema::Time)),
    ("dry_run", Some(ValueSchema::Flag)),
    ("event", Some(ValueSchema::OneOf(&LIVE_ACTIVITY_EVENTS))),
    ("expiration", Some(ValueSchema::Time)),
    ("image", None),
    ("message", None),
    ("name", Some(ValueSchema::Word)),
    ("notif_id", Some(ValueSchema::Text)),
    ("notification", None),
    ("platform", Some(ValueSchema::Integer(Some(1), Some(2)))),
    ("production", Some(ValueSchema::Flag)),
    ("restricted_package_name", Some(ValueSchema::Text)),
    ("sound", None),
    ("stale-date", Some(ValueSchema::Time)),
    ("thread-id", Some(ValueSchema::Word)),
    ("timestamp", Some(ValueSchema::Time)),
    ("title", None),
    ("to", Some(ValueSchema::Word)),
    ("token", None),
    ("tokens", None),
    ("url-args", Some(ValueSchema::Texts)),
    ("volume", Some(ValueSchema::Number { is_fraction: true })),
];

/// One notification, with the names that its members have in `POST /push`.
fn notification(mut said: GorushMembers<'_>) -> GorushMembers<'_> {
    // It is refused for that: nothing is taken apart before.
    let is_large = |name: &&str| {
        said.get(*name)
            .is_some_and(|it| it.get().len() > NATIVE_MAX)
    };
    let is_too_large = TAKEN_APART.iter().any(is_large);
    let is_ios = said.get("platform").is_some_and(|said| said.get() == "1");
    for (theirs, ours) in RENAMED {
        if let Some(value) = said.remove(*theirs) {
            said.insert((*ours).into(), value);
        }
    }
    add_to(&mut said, is_ios);
    if is_too_large {
        return said;
    }
    add_sound(&mut said);
    add_time(&mut said);
    add_environment(&mut said);
    add_live_activity(&mut said);
    if is_ios {
        prefer_alert(&mut said);
    } else {
        add_android(&mut said);
    }
    said
}

/// Objects of which the members are looked at, or which have a member put in.
const TAKEN_APART: [&str; 5] = ["alert", "android", "content-state", "notification", "sound"];

/// gorush's names, and ours.
const RENAMED: &[(&str, &str)] = &[
    ("notif_id", "identifier"),
    ("tokens", "token"),
    ("thread-id", "thread_id"),
    ("url-args", "url_args"),
    ("dry_run", "validate_only"),
];

/// `to` is one more token, or on Android a topic.
fn add_to(said: &mut GorushMembers<'_>, is_ios: bool) {
    let Some(to) = said.get("to").and_then(|to| text(to)) else {
        return;
    };
    said.remove("to");
    if let Some(topic) = to.strip_prefix("/topics/").filter(|_| !is_ios) {
        said.insert("topic".into(), raw(&topic));
        return;
    }
    let to = raw(&to);
    let others = said.get("token").map_or("[]", |tokens| tokens.get());
    let Some(others) = others.strip_prefix('[').and_then(|it| it.strip_suffix(']')) else {
        return;
    };
    let comma = if others.trim().is_empty() { "" } else { "," };
    let tokens = format!("[{others}{comma}{}]", to.get());
    if let Ok(tokens) = RawValue::from_string(tokens) {
        said.insert("token".into(), Cow::Owned(tokens));
    }
}

/// `name` and `volume` are members of the sound.
fn add_sound(said: &mut GorushMembers<'_>) {
    let parts = ["name", "volume"].map(|name| said.remove(name).map(|value| (name.into(), value)));
    if parts.iter().all(Option::is_none) {
        return;
    }
    let sound = said.remove("sound");
    let name = sound.as_ref().and_then(|sound| text(sound));
    let mut sound = match (&sound, name) {
        (_, Some(name)) => GorushMembers::from([("name".into(), raw(&name))]),
        (Some(sound), None) => members(sound),
        (None, None) => GorushMembers::new(),
    };
    sound.extend(parts.into_iter().flatten());
    let sound = raw(&sound);
    said.insert("sound".into(), sound);
}

/// `expiration` is Apple's: seconds since the Unix epoch, and 0 for one attempt.
fn add_time(said: &mut GorushMembers<'_>) {
    if let Some(expiration) = said.remove("expiration") {
        let ours = if expiration.get() == "0" {
            "ttl"
        } else {
            "expires_at"
        };
        said.insert(ours.into(), expiration);
    }
}

fn add_environment(said: &mut GorushMembers<'_>) {
    let mut environment = None;
    for (theirs, ours) in [("development", "sandbox"), ("production", "production")] {
        let is_said = said.remove(theirs).is_some_and(|said| said.get() == "true");
        environment = is_said.then_some(ours).or(environment);
    }
    if let Some(environment) = environment {
        said.insert("environment".into(), raw(&environment));
    }
}

/// What gorush has of a Live Activity beside the other fields.
fn add_live_activity(said: &mut GorushMembers<'_>) {
    let mut activity = GorushMembers::new();
    for name in [
        "event",
        "content-state",
        "timestamp",
        "stale-date",
        "dismissal-date",
    ] {
        if let Some(value) = said.remove(name) {
            activity.insert(name.into(), value);
        }
    }
    if !activity.is_empty() {
        let activity = raw(&activity);
        said.insert("live_activity".into(), activity);
    }
}

/// What the alert says stands for the fields that say the same.
fn prefer_alert(said: &mut GorushMembers<'_>) {
    let Some(alert) = said.get("alert") else {
        return;
    };
    let alert = members(alert);
    let says = |name: &str| {
        let member = alert.get(name).and_then(|member| text(member));
        member.is_some_and(|text| !text.is_empty())
    };
    let (has_body, has_title) = (says("body"), says("title"));
    for (name, is_said) in [("message", has_body), ("title", has_title)] {
        if is_said {
            said.remove(name);
        }
    }
}

/// Whatever is said to show is a notification there; members that Google's `notification` does not
/// have are Android's.
fn add_android(said: &mut GorushMembers<'_>) {
    let mut android = said.get("android").map(|android| members(android));
    if let Some(package) = said.remove("restricted_package_name") {
        let android = android.get_or_insert_default();
        android.insert("restricted_package_name".into(), own(&package));
    }
    let notification = said.get("notification").filter(|said| said.get() != "null");
    let notification = notification.map(|notification| members(notification));
    let (common, of_android) = match notification {
        Some(notification) => parted(notification),
        None => (GorushMembers::new(), GorushMembers::new()),
    };
    if !of_android.is_empty() {
        let android = android.get_or_insert_default();
        let before = android.get("notification").map(|said| members(said));
        let mut all = before.unwrap_or_default();
        all.extend(of_android);
        let all = raw(&all);
        android.insert("notification".into(), all);
    }
    let shows = ["message", "title", "image"].iter().any(|name| {
        let value = said.get(*name).and_then(|value| text(value));
        value.is_some_and(|text| !text.is_empty())
    });
    let android = android.map(|android| raw(&android));
    let common = raw(&common);
    if let Some(android) = android {
        said.insert("android".into(), android);
    }
    if said.contains_key("notification") && common.get() != "{}" {
        said.insert("notification".into(), common);
    } else if shows {
        said.insert("notification".into(), raw(&true));
    } else {
        said.remove("notification");
    }
}

/// The members of a `notification` that Google has in it, and those that stand in Android's.
fn parted(notification: GorushMembers<'_>) -> (GorushMembers<'static>, GorushMembers<'static>) {
    let (mut common, mut of_android) = (GorushMembers::new(), GorushMembers::new());
    for (name, value) in notification {
        let name = Cow::Owned(name.into_owned());
        if ["title", "body", "image"].contains(&&*name) {
            common.insert(name, own(&value));
            continue;
        }
        // Where the arguments of a text were a list within a text, they are a list.
        let list = text(&value).filter(|_| name.ends_with("_loc_args"));
        let list = list.and_then(|list| serde_json::from_str::<Vec<String>>(&list).ok());
        let value = list.map_or_else(|| own(&value), |list| raw(&list));
        of_android.insert(name, value);
    }
    (common, of_android)
}

/// The members of an object; none if it is something else, or more than a notification may say.
fn members(object: &RawValue) -> GorushMembers<'static> {
    let object = Some(object.get()).filter(|object| object.len() <= NATIVE_MAX);
    let members: BTreeMap<String, Box<RawValue>> = object
        .and_then(|object| serde_json::from_str(object).ok())
        .unwrap_or_default();
    let members = members.into_iter();
    let members = members.map(|(name, value)| (name.into(), Cow::Owned(value)));
    members.collect()
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn own(value: &RawValue) -> Cow<'static, RawValue> {
    Cow::Owned(value.to_owned())
}

fn raw(value: &impl Serialize) -> Cow<'static, RawValue> {
    // Texts, and what was JSON before, can be written.
    Cow::Owned(to_raw_value(value).unwrap_or_default())
}

fn put(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to a vector does not fail.
    let _written = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests;
