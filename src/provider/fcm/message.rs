//! The FCM message: Gaurun's Android notification as `data`, so that the app sees what it saw
//! from the legacy API.
//!
//! It is serialised once, with slots for what differs from push to push:
//!
//! ```text
//! {"message":{"token":"…","data":{…},"android":{"priority":"HIGH","ttl":"9s"}}}
//!                      └─ the target                             └────────┴─ the time to live
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::common::{
    DATA_MAX, SizedPart, begin, check_size, check_time_to_live, next_field, priority,
};
use super::text::{is_reserved, write_escaped};
use crate::provider::said::SaidValue;
use crate::provider::shared::urgency;
use crate::provider::{Fault, QUOTE_MAX};
use crate::push::{Content, Notification, TargetKind};
use crate::texts;

/// The part of `android` that does not change from push to push.
#[derive(Serialize)]
struct Android<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    collapse_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'static str>,
}

/// Builds the message of all pushes of the notification, for `write_body`.
///
/// A push that is to wake the app and has nothing to show has no `message` among its data, unless
/// `as_gaurun`.
///
/// `delay_while_idle` has no counterpart in HTTP v1 and is ignored.
///
/// # Errors
///
/// What the caller has to change, and where.
pub fn payload(notification: &Notification, as_gaurun: bool) -> Result<Content, Fault> {
    check_time_to_live(notification)?;
    let android = Android {
        collapse_key: &notification.collapse_key,
        priority: urgency(notification)?.map(priority),
    };
    let data = data(notification, !as_gaurun && is_silent(notification))?;
    let json = |error| Fault::of_all(format!("the message cannot be written as JSON: {error}"));
    let mut out = begin(TargetKind::DeviceToken);
    let target = out.len();
    out.push(b'"');
    next_field(&mut out, "data");
    serde_json::to_writer(&mut out, &data).map_err(json)?;
    next_field(&mut out, "android");
    serde_json::to_writer(&mut out, &android).map_err(json)?;
    // Still open for the time to live.
    out.pop();
    let ttl = out.len();
    out.extend_from_slice(b"}}}");
    let slots = u32::try_from(target).ok().zip(u32::try_from(ttl).ok());
    let content = slots.and_then(|(target, ttl)| Content::with_slots(out, target, ttl));
    content.ok_or_else(|| Fault::of_all("the message is too long".to_owned()))
}

/// Appends the body of one push: the parts of a content of [`payload`], sent to that device token,
/// to be kept by FCM for so many seconds. `None` leaves FCM's default of four weeks; `Some(0)`
/// means "now or never".
pub(super) fn write_body(parts: [&[u8]; 3], token: &str, ttl_left: Option<u64>, out: &mut Vec<u8>) {
    /// Bytes that are neither the content's nor the token's, at most.
    const TTL: usize = 32;
    let [before, between, behind] = parts;
    let len = before.len() + between.len() + behind.len();
    out.reserve(len + token.len() + TTL);
    out.extend_from_slice(before);
    write_escaped(token, out);
    out.extend_from_slice(between);
    if let Some(secs) = ttl_left {
        if !between.ends_with(b"{") {
            out.push(b',');
        }
        out.extend_from_slice(format!("\"ttl\":\"{secs}s\"").as_bytes());
    }
    out.extend_from_slice(behind);
}

/// Says why FCM may refuse a data key that is let through, if so: its pages do not agree on which
/// keys are reserved.
pub(super) fn doubtful_key(notification: &Notification) -> Option<String> {
    let extend = notification.extend.iter();
    let extend = extend.map(|extend| ("extend", Cow::Borrowed(&*extend.key)));
    let said = SaidValue::of(&notification.native, "data").and_then(|said| said.members().ok());
    let said = said.into_iter().flatten();
    let said = said.map(|(key, _)| ("data", Cow::from(key)));
    let doubtful = |key: &str| {
        let reserved = key == "notification" || key == "collapse_key" || key.is_empty();
        reserved || key.starts_with("google") || key.starts_with("gcm")
    };
    let found = extend.chain(said).find(|(_, key)| doubtful(key));
    found.map(|(field, key)| {
        let key = texts::first(&key, QUOTE_MAX);
        format!("FCM may refuse or replace the {field} key {key:?}")
    })
}

/// The message and the caller's keys; of equal ones the last counts, and `message` may be among
/// them, as with Gaurun.
fn data(notification: &Notification, is_silent: bool) -> Result<BTreeMap<&str, &str>, Fault> {
    let message = (!is_silent).then_some(("message", &*notification.message));
    let mut data: BTreeMap<_, _> = message.into_iter().collect();
    for extend in &notification.extend {
        let key = &*extend.key;
        if is_reserved(key) {
            return Err(Fault::of_all(format!(
                "extend must not have the key {:?}, which FCM reserves",
                texts::first(key, QUOTE_MAX)
            )));
        }
        data.insert(key, extend.value.as_str());
    }
    let size: usize = data
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > DATA_MAX {
        let parts = data.iter();
        let parts: Vec<_> = parts
            .map(|(key, text)| SizedPart::of_text("", key, text))
            .collect();
        let is_extended = |key: &str| notification.extend.iter().any(|it| *it.key == *key);
        check_size(&parts, |SizedPart { key, .. }| {
            let place = if is_extended(key) { "extend" } else { &**key };
            place.to_owned()
        })?;
    }
    Ok(data)
}

/// Whether the app is given nothing and not woken either.
pub(super) fn is_idle(notification: &Notification) -> bool {
    notification.message.is_empty()
        && notification.extend.is_empty()
        && notification.native.get("data").is_none()
        && !is_silent(notification)
}

/// Whether it is to wake the app, by a word that iOS has for it, and has nothing to show.
pub(super) fn is_silent(notification: &Notification) -> bool {
    let wakes = notification.content_available || &*notification.push_type == "background";
    wakes && notification.message.trim().is_empty()
}

#[cfg(test)]
mod tests;
