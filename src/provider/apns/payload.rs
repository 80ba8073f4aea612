//! The APNs payload: `aps` first, the caller's keys beside it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::alert::{add_plain, alert, sound};
use super::live_activity;
use super::object::Object;
use crate::moment::Moment;
use crate::provider::said::SaidValue;
use crate::provider::shared::{Data, Datum, data};
use crate::provider::{Fault, Unused};
use crate::push::{ExtendValue, Notification, PushType};

/// Largest payload that APNs takes, in bytes, but for `VoIP` pushes and broadcasts.
pub const PAYLOAD_MAX: usize = 4096;

/// Largest payload that APNs takes for `VoIP` pushes and broadcasts, in bytes.
pub const LARGE_PAYLOAD_MAX: usize = 5120;

/// What has no place in a payload of that push type, of the fields that have one in others.
pub(super) fn unused_in(push_type: PushType) -> &'static [&'static str] {
    match push_type {
        PushType::LiveActivity => &[
            "badge",
            "category",
            "content_available",
            "mutable_content",
            "image",
            "thread_id",
            "click_action",
            "target_content_id",
            "interruption_level",
            "filter_criteria",
            "url_args",
        ],
        PushType::Widgets | PushType::Controls | PushType::Mdm | PushType::FileProvider => &[
            "message",
            "title",
            "subtitle",
            "badge",
            "category",
            "sound",
            "content_available",
            "mutable_content",
            "alert",
            "image",
            "thread_id",
            "click_action",
            "target_content_id",
            "interruption_level",
            "relevance_score",
            "filter_criteria",
            "url_args",
        ],
        _ => &[],
    }
}

/// Builds the payload, which is the same for all device tokens of the notification, and says
/// whether it is one of an alert by which nothing is shown or done.
///
/// A background push wakes the app and shows nothing: it has `content-available`, and a blank text
/// is no alert. `as_gaurun`, a blank text is one, and a badge that the caller left out is sent as
/// 0; else it is left out, which leaves the icon alone.
pub(super) fn payload(
    notification: &Notification,
    push_type: PushType,
    as_gaurun: bool,
    now: Moment,
    unused: &mut Unused,
) -> Result<(Vec<u8>, bool), Fault> {
    let mut is_idle = false;
    let mut beside = beside(notification)?;
    let mut payload = Object::new();
    match push_type {
        PushType::Mdm => check_key(&beside, "mdm", "data/mdm")?,
        PushType::FileProvider => {
            check_key(&beside, "container-identifier", "data/container-identifier")?;
        }
        PushType::LiveActivity => {
            payload.open("aps");
            live_activity::add_aps(notification, now, &mut payload, unused)?;
            payload.close();
        }
        PushType::Widgets | PushType::Controls => {
            payload.open("aps");
            payload.add("content-changed", &true);
            payload.close();
        }
        _ => {
            payload.open("aps");
            let aps = &mut payload;
            let shows = add_aps(notification, push_type, as_gaurun, &mut beside, aps, unused)?;
            is_idle = push_type == PushType::Alert && !shows;
            payload.close();
        }
    }
    for (name, value) in &beside {
        payload.add_named(name, value);
    }
    Ok((payload.end(), is_idle))
}

/// Refuses data without a text by the key that a push type needs.
fn check_key(beside: &Data<'_>, key: &str, at: &'static str) -> Result<(), Fault> {
    let is_text = match beside.get(key) {
        Some(Datum::Json(json)) => json.get().starts_with('"'),
        Some(Datum::Extended(value)) => matches!(value, ExtendValue::Text(_)),
        None => false,
    };
    if is_text {
        return Ok(());
    }
    Err(Fault {
        pointer: at.into(),
        error: format!("{at} must be a string in a push of that push type"),
    })
}

/// Adds to `aps` the members of what is no Live Activity. Whether by it anything is shown or done.
fn add_aps<'a>(
    notification: &'a Notification,
    push_type: PushType,
    as_gaurun: bool,
    beside: &mut Data<'a>,
    aps: &mut Object,
    unused: &mut Unused,
) -> Result<bool, Fault> {
    let native = |name| SaidValue::of(&notification.native, name);
    let badge = notification.badge.or(as_gaurun.then_some(0));
    if let Some(badge) = badge.filter(|&badge| badge < 0) {
        return Err(Fault {
            pointer: "badge".into(),
            error: format!("badge is {badge}, and must not be negative"),
        });
    }
    let said_alert = native("alert");
    let is_background = push_type == PushType::Background;
    if let Some(said) = said_alert.as_ref().filter(|_| is_background) {
        if has_own_alert(notification)? {
            return Err(said.fault("has no place in a background push, which shows nothing"));
        }
        unused.fields.push("alert");
    }
    let is_silent = is_background && !as_gaurun && has_blank_texts(notification);
    let has_alert = match &said_alert {
        _ if is_silent => false,
        None => add_plain(notification, aps),
        Some(said) => {
            let json = alert(notification, Some(said), None, unused)?;
            if let Some(json) = &json {
                aps.add_json("alert", json);
            }
            json.is_some()
        }
    };
    let mut mutable_content = notification.mutable_content;
    if let Some(image) = native("image") {
        image.word()?;
        if has_alert {
            mutable_content = true;
            let json = Datum::Json(image.raw());
            if beside.insert("image".into(), json).is_some() {
                return Err(image.fault("stands among data or extend, too"));
            }
        } else {
            unused.fields.push("image");
        }
    }
    if mutable_content && !has_alert && !as_gaurun {
        unused.fields.push("mutable_content");
    }
    if let Some(badge) = badge {
        aps.add("badge", &badge);
    }
    match native("sound") {
        Some(said) => aps.add_json("sound", &sound(&said)?),
        None if notification.sound.is_empty() => {}
        None => aps.add("sound", &notification.sound),
    }
    match category(notification)? {
        Some(category) => aps.add("category", &category),
        None if notification.category.is_empty() => {}
        None => aps.add("category", &notification.category),
    }
    if notification.content_available || is_background {
        aps.add("content-available", &1);
    }
    if mutable_content {
        aps.add("mutable-content", &1);
    }
    if !notification.native.is_empty() {
        add_rest(notification, aps)?;
    }
    let shows = has_alert
        || notification.badge.is_some()
        || !notification.sound.is_empty()
        || native("sound").is_some()
        || notification.content_available;
    Ok(shows)
}

/// Adds what Gaurun had no like of.
fn add_rest(notification: &Notification, aps: &mut Object) -> Result<(), Fault> {
    let native = |name| SaidValue::of(&notification.native, name);
    for (field, name) in [
        ("thread_id", "thread-id"),
        ("target_content_id", "target-content-id"),
    ] {
        if let Some(said) = native(field) {
            aps.add(name, &said.word()?);
        }
    }
    if let Some(said) = native("interruption_level") {
        aps.add("interruption-level", said.one_of(&INTERRUPTION_LEVELS)?);
    }
    if let Some(said) = native("relevance_score") {
        if !(0.0..=1.0).contains(&said.number()?) {
            return Err(said.fault("must be between 0 and 1, but for a Live Activity"));
        }
        aps.add_json("relevance-score", said.json().as_bytes());
    }
    if let Some(said) = native("filter_criteria") {
        aps.add("filter-criteria", &said.word()?);
    }
    if let Some(said) = native("url_args") {
        aps.add("url-args", &said.texts()?);
    }
    Ok(())
}

/// Apple's interruption levels.
pub const INTERRUPTION_LEVELS: [&str; 4] = ["passive", "active", "time-sensitive", "critical"];

/// The category, if it was said by the name that it has for both providers.
fn category(notification: &Notification) -> Result<Option<String>, Fault> {
    let Some(said) = SaidValue::of(&notification.native, "click_action") else {
        return Ok(None);
    };
    let action = said.word()?;
    if !notification.category.is_empty() && *notification.category != *action {
        return Err(said.fault("stands beside category, which says something else"));
    }
    Ok(Some(action))
}

/// Whether an alert comes of the field of that name.
pub(super) fn has_own_alert(notification: &Notification) -> Result<bool, Fault> {
    let Some(said) = SaidValue::of(&notification.native, "alert") else {
        return Ok(false);
    };
    let made = alert(notification, Some(&said), None, &mut Unused::default())?;
    Ok(made.is_some())
}

pub(super) fn has_blank_texts(notification: &Notification) -> bool {
    let texts = [
        &notification.message,
        &notification.title,
        &notification.subtitle,
    ];
    texts.iter().all(|text| text.trim().is_empty())
}

/// The caller's keys by name.
///
/// Gaurun let `aps` be overwritten. The value is always a string, and Apple wants a dictionary:
/// such a push showed nothing, so it is refused where the caller sees it.
fn beside(notification: &Notification) -> Result<Data<'_>, Fault> {
    let beside = data(notification)?;
    match beside.get("aps") {
        None => Ok(beside),
        Some(Datum::Json(_)) => Err(Fault {
            pointer: "data/aps".into(),
            error: "data must not have the key \"aps\", which holds the notification itself"
                .to_owned(),
        }),
        Some(Datum::Extended(_)) => Err(Fault {
            pointer: "extend".into(),
            error: "extend must not have the key \"aps\", which holds the notification itself"
                .to_owned(),
        }),
    }
}

/// Refuses a payload that is too large: by how much, and what takes most of it.
pub(super) fn check_size(payload: &[u8], most: usize) -> Result<(), String> {
    let len = payload.len();
    if len <= most {
        return Ok(());
    }
    let text = str::from_utf8(payload).unwrap_or_default();
    let parts = members(text)
        .into_iter()
        .flat_map(|(name, json)| match &*name {
            "aps" => members(json.get())
                .into_iter()
                .map(|(name, json)| (format!("aps.{name}"), json.get().len()))
                .collect(),
            _ => vec![(name, json.get().len())],
        });
    let largest = parts.max_by_key(|(_, len)| *len);
    let largest = largest.map_or_else(String::new, |(name, len)| {
        format!("; {name:?} has most of it, {len} bytes")
    });
    let over = len.saturating_sub(most);
    Err(format!(
        "the payload is {len} bytes, and APNs takes at most {most}: {over} too many{largest}"
    ))
}

/// The members of an object; none of what is no object.
fn members(json: &str) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests;
