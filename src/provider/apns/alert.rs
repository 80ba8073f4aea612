//! What an APNs push shows: the `alert` of its payload, and its sound.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::Object;
use crate::provider::said::{Members, SaidValue};
use crate::provider::{Fault, SchemaMember, Unused, ValueSchema};
use crate::push::Notification;

/// Apple's members of an alert.
const ALERT_MEMBERS: &[SchemaMember] = &[
    SchemaMember::of("title", ValueSchema::Text),
    SchemaMember::of("subtitle", ValueSchema::Text),
    SchemaMember::of("body", ValueSchema::Text),
    SchemaMember::of("title-loc-key", ValueSchema::Text),
    SchemaMember::of("title-loc-args", ValueSchema::Texts),
    SchemaMember::of("subtitle-loc-key", ValueSchema::Text),
    SchemaMember::of("subtitle-loc-args", ValueSchema::Texts),
    SchemaMember::of("loc-key", ValueSchema::Text),
    SchemaMember::of("loc-args", ValueSchema::Texts),
    SchemaMember::of("launch-image", ValueSchema::Text),
    SchemaMember::of("action", ValueSchema::Text),
    SchemaMember::of("action-loc-key", ValueSchema::Text),
];

/// What the `alert` of a notification is.
pub const ALERT_SCHEMA: ValueSchema =
    ValueSchema::Either(&ValueSchema::Text, &ValueSchema::Members(ALERT_MEMBERS));

/// The texts that notifications have as fields too, by their names in an alert.
const TEXTS: [&str; 3] = ["title", "subtitle", "body"];

/// Members of a sound, of which it has one at least.
pub const SOUND_MEMBERS: &[SchemaMember] = &[
    SchemaMember::of("critical", ValueSchema::Flag),
    SchemaMember::of("name", ValueSchema::Word),
    SchemaMember::of("volume", ValueSchema::Number { is_fraction: true }),
];

/// The arguments that are of no use without their key.
const ARGUMENTS: [(&str, &str); 3] = [
    ("title-loc-args", "title-loc-key"),
    ("subtitle-loc-args", "subtitle-loc-key"),
    ("loc-args", "loc-key"),
];

/// Apple's name of a member that callers may write with underscores.
pub(super) fn hyphened(name: &str) -> Cow<'_, str> {
    if name.contains('_') {
        name.replace('_', "-").into()
    } else {
        name.into()
    }
}

/// The members of an object by Apple's names, in which a hyphen is as good as an underscore.
pub(super) fn by_apples_names<'a>(said: &SaidValue<'a>) -> Result<Members<'a>, Fault> {
    let mut members = Members::new();
    for (name, member) in said.members()? {
        if member.json() == "null" {
            continue;
        }
        let name = hyphened(&name).into_owned();
        if let Some(former) = members.insert(name, member) {
            return Err(former.fault("stands there twice, with hyphens and with underscores"));
        }
    }
    Ok(members)
}

/// A text of an alert: the notification's field, or the alert's member of that name.
fn text(
    field: (&'static str, &str),
    member: Option<&SaidValue<'_>>,
    has_places: bool,
) -> Result<Option<Box<RawValue>>, Fault> {
    let (name, field) = field;
    let Some(member) = member else {
        let text = Some(field).filter(|field| !field.is_empty());
        return Ok(text.and_then(|text| serde_json::value::to_raw_value(text).ok()));
    };
    let value = if has_places && member.is_object() {
        placed(member)?
    } else {
        let text = member.text()?;
        if text.is_empty() && field.is_empty() {
            return Ok(None);
        }
        if text == field {
            return Ok(serde_json::value::to_raw_value(&text).ok());
        }
        serde_json::value::to_raw_value(&text).ok()
    };
    if !field.is_empty() {
        return Err(member.fault(format!("stands beside {name}, which says something else")));
    }
    Ok(value)
}

/// A text of a Live Activity's alert by its key in the app's tables.
fn placed(said: &SaidValue<'_>) -> Result<Option<Box<RawValue>>, Fault> {
    let members = by_apples_names(said)?;
    let key = members.get("loc-key");
    let key = key
        .ok_or_else(|| said.fault("must have a loc_key"))?
        .word()?;
    let mut object = Object::new();
    object.add("loc-key", &key);
    if let Some(args) = members.get("loc-args") {
        object.add("loc-args", &args.texts()?);
    }
    if let Some(other) = members.iter().find(|(name, _)| !name.starts_with("loc-")) {
        return Err(other
            .1
            .fault("is no member of such a text: loc_key and loc_args are"));
    }
    let json = String::from_utf8(object.end()).ok();
    Ok(json.and_then(|json| RawValue::from_string(json).ok()))
}

/// The alert as JSON, unless all its texts are empty: a silent push must not have one. That of a
/// Live Activity is always an object, its texts may have their places, and its sound is in it.
pub(super) fn alert(
    notification: &Notification,
    said: Option<&SaidValue<'_>>,
    of_activity: Option<&[u8]>,
    unused: &mut Unused,
) -> Result<Option<Vec<u8>>, Fault> {
    let message = &*notification.message;
    let (title, subtitle) = (&*notification.title, &*notification.subtitle);
    let members = match said {
        Some(said) if said.is_text() => {
            let mut members = Members::new();
            members.insert("body".to_owned(), said.clone());
            members
        }
        Some(said) if said.is_object() => by_apples_names(said)?,
        Some(said) => return Err(said.fault("must be a string or an object")),
        None => Members::new(),
    };
    let is_text = members.keys().all(|name| name == "body");
    if title.is_empty() && subtitle.is_empty() && is_text && of_activity.is_none() {
        let body = text(("message", message), members.get("body"), false)?;
        return Ok(body.map(|body| body.get().as_bytes().to_vec()));
    }
    let mut object = Object::new();
    for (name, field) in [
        ("title", ("title", title)),
        ("subtitle", ("subtitle", subtitle)),
        ("body", ("message", message)),
    ] {
        let text = text(field, members.get(name), of_activity.is_some())?;
        if let Some(text) = text {
            object.add(name, &text);
        }
    }
    for SchemaMember { name, value, .. } in ALERT_MEMBERS {
        let Some(said) = members.get(*name).filter(|_| !TEXTS.contains(name)) else {
            continue;
        };
        let lacks = |(args, key): &(&str, &str)| args == name && !members.contains_key(*key);
        match value {
            ValueSchema::Texts if ARGUMENTS.iter().any(lacks) => {
                said.texts()?;
                unused.note_part(said.at());
            }
            ValueSchema::Texts => object.add(name, &said.texts()?),
            _ => object.add(name, &said.text()?),
        }
    }
    for (name, said) in &members {
        let is_known = ALERT_MEMBERS.iter().any(|known| known.name == name);
        let is_sound = name == "sound" && of_activity.is_some();
        if !is_known && !is_sound {
            unused.note_part(said.at());
        }
    }
    let own_sound = members.get("sound").filter(|_| of_activity.is_some());
    match (own_sound, of_activity) {
        (Some(own), Some(sound)) if !sound.is_empty() => {
            return Err(own.fault("stands beside sound, and one of them is enough"));
        }
        (Some(own), _) => object.add_json("sound", &sound(own)?),
        (None, Some(sound)) if !sound.is_empty() && !object.is_empty() => {
            object.add_json("sound", sound);
        }
        _ => {}
    }
    Ok((!object.is_empty()).then(|| object.end()))
}

/// Adds the alert of a notification that says nothing of it but its texts, as most do: without a
/// buffer of its own. Whether it has one.
pub(super) fn add_plain(notification: &Notification, aps: &mut Object) -> bool {
    let [title, subtitle, body] = [
        &*notification.title,
        &notification.subtitle,
        &notification.message,
    ];
    if title.is_empty() && subtitle.is_empty() {
        if !body.is_empty() {
            aps.add("alert", body);
        }
        return !body.is_empty();
    }
    aps.open("alert");
    for (name, text) in [("title", title), ("subtitle", subtitle), ("body", body)] {
        if !text.is_empty() {
            aps.add(name, text);
        }
    }
    aps.close();
    true
}

/// A text as JSON.
pub(super) fn json(text: &str) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() + 2);
    // Writing to a vector does not fail.
    let _written = serde_json::to_writer(&mut json, text);
    json
}

/// A sound as JSON: a file's name, or a dictionary for one that sounds whatever the device is set
/// to.
pub(super) fn sound(said: &SaidValue<'_>) -> Result<Vec<u8>, Fault> {
    if said.is_text() {
        return Ok(json(&said.word()?));
    }
    if !said.is_object() {
        return Err(said.fault("must be a string or an object"));
    }
    let members = said.members()?;
    let mut object = Object::new();
    if let Some(critical) = members.get("critical")
        && critical.flag()?
    {
        object.add("critical", &1);
    }
    if let Some(name) = members.get("name") {
        object.add("name", &name.word()?);
    }
    if let Some(volume) = members.get("volume") {
        if !(0.0..=1.0).contains(&volume.number()?) {
            return Err(volume.fault("must be between 0 and 1"));
        }
        object.add_json("volume", volume.json().as_bytes());
    }
    let is_known = |name: &str| SOUND_MEMBERS.iter().any(|known| known.name == name);
    if let Some((_, other)) = members.iter().find(|(name, _)| !is_known(name)) {
        return Err(other.fault("is no member of a sound: critical, name and volume are"));
    }
    if object.is_empty() {
        return Err(said.fault("must have a name, volume or critical"));
    }
    Ok(object.end())
}
