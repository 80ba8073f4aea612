//! The APNs payload: `aps` first, the caller's keys beside it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{BACKGROUND, push_type};
use crate::push::{Content, Notification, PushType};

/// Largest payload that APNs takes for `alert` and `background` pushes, in bytes.
pub const PAYLOAD_MAX: usize = 4096;

/// The whole payload.
#[derive(Serialize)]
struct Payload<'a> {
    aps: Aps<'a>,
    /// The caller's keys; of equal ones the last counts.
    #[serde(flatten)]
    extend: BTreeMap<&'a str, &'a str>,
}

/// Apple's part of it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<Alert<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sound: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_available: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutable_content: Option<u8>,
}

/// What is shown: a plain string means the body alone.
#[derive(Serialize)]
#[serde(untagged)]
enum Alert<'a> {
    Body(&'a str),
    Full {
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        subtitle: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        body: &'a str,
    },
}

/// Builds the payload, which is the same for all device tokens of the notification.
///
/// A background push wakes the app and shows nothing: it has `content-available`, and a blank text
/// is no alert. `as_gaurun`, a blank text is one, and a badge that the caller left out is sent as
/// 0; else it is left out, which leaves the icon alone.
///
/// # Errors
///
/// A text that names what the caller has to change.
pub fn payload(notification: &Notification, as_gaurun: bool) -> Result<Content, String> {
    let badge = notification.badge.or(as_gaurun.then_some(0));
    if let Some(badge) = badge.filter(|&badge| badge < 0) {
        return Err(format!("badge is {badge}, and must not be negative"));
    }
    let extend = extend(notification)?;
    let is_background = push_type(notification) == PushType::Background;
    let is_silent = is_background && !as_gaurun && has_blank_texts(notification);
    let content_available = notification.content_available || is_background;
    let payload = Payload {
        aps: Aps {
            alert: alert(notification).filter(|_| !is_silent),
            badge,
            sound: &notification.sound,
            category: &notification.category,
            content_available: content_available.then_some(1),
            mutable_content: notification.mutable_content.then_some(1),
        },
        extend,
    };
    let bytes = serde_json::to_vec(&payload)
        .map_err(|error| format!("the payload cannot be written as JSON: {error}"))?;
    if bytes.len() > PAYLOAD_MAX {
        return Err(format!(
            "the payload is {} bytes, and APNs takes at most {PAYLOAD_MAX}",
            bytes.len()
        ));
    }
    Ok(Content::whole(bytes))
}

/// Makes it a background push if it is to wake the app and nothing in it is to be shown.
pub fn settle_push_type(notification: &mut Notification) {
    let shows_nothing = has_blank_texts(notification)
        && notification.sound.is_empty()
        && notification.badge.is_none();
    if notification.content_available && shows_nothing {
        notification.push_type = BACKGROUND.into();
    }
}

fn has_blank_texts(notification: &Notification) -> bool {
    let texts = [
        &notification.message,
        &notification.title,
        &notification.subtitle,
    ];
    texts.iter().all(|text| text.trim().is_empty())
}

/// The alert, unless all its texts are empty: a silent push must not have one.
fn alert(notification: &Notification) -> Option<Alert<'_>> {
    let (title, subtitle) = (&*notification.title, &*notification.subtitle);
    let body = &*notification.message;
    if title.is_empty() && subtitle.is_empty() {
        (!body.is_empty()).then_some(Alert::Body(body))
    } else {
        Some(Alert::Full {
            title,
            subtitle,
            body,
        })
    }
}

/// The caller's keys by name.
///
/// Gaurun let `aps` be overwritten. The value is always a string, and Apple wants a dictionary:
/// such a push showed nothing, so it is refused where the caller sees it.
fn extend(notification: &Notification) -> Result<BTreeMap<&str, &str>, String> {
    let keys: BTreeMap<_, _> = notification
        .extend
        .iter()
        .map(|extend| (&*extend.key, &*extend.value))
        .collect();
    if keys.contains_key("aps") {
        return Err(
            "extend must not have the key \"aps\", which holds the notification itself".to_owned(),
        );
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
