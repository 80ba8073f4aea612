//! What messages have in common, however they are said: begin and end, lifetime and size.

use std::borrow::Cow;

use super::target;
use super::text::whole_secs;
use crate::moment::Moment;
use crate::provider::apns::PAYLOAD_MAX;
use crate::provider::shared::{self, Urgency};
use crate::provider::{Fault, QUOTE_MAX};
use crate::push::{Lifetime, Notification, TargetKind};
use crate::texts;

/// Largest sum of all data keys and values that FCM takes, in bytes. How exactly FCM counts is
/// not published, so only what is over it by the plain texts alone is refused here.
pub const DATA_MAX: usize = 4096;

/// Longest `time_to_live`, in seconds: four weeks.
pub const TIME_TO_LIVE_MAX: i64 = 2_419_200;

/// Bytes that most messages have room in.
const USUAL: usize = 256;

/// The begin of a message, up to its target.
pub(super) fn begin(kind: TargetKind) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    for part in ["{\"message\":{\"", target::name(kind), "\":\""] {
        out.extend_from_slice(part.as_bytes());
    }
    out
}

/// Appends the begin of a message's field that is not its first, up to the value.
pub(super) fn next_field(out: &mut Vec<u8>, name: &str) {
    for part in [",\"", name, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Bytes that [`end`] appends at most.
pub(super) const END_MAX: usize = 24;

/// Appends the end of a message, behind its last field.
pub(super) fn end(out: &mut Vec<u8>, validate_only: bool) {
    out.push(b'}');
    if validate_only {
        out.extend_from_slice(b",\"validate_only\":true");
    }
    out.push(b'}');
}

/// `android.priority` of how urgent a push is: Android knows two.
pub(super) fn priority(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::High => "HIGH",
        Urgency::Normal | Urgency::Low => "NORMAL",
    }
}

/// That two fields say something else of the same.
pub(super) fn beside(at: &str, by: &str) -> Fault {
    Fault {
        pointer: at.to_owned().into(),
        error: format!("{at} stands beside {by}, which says something else"),
    }
}

/// Refuses a `time_to_live` that FCM does not take.
pub(super) fn check_time_to_live(notification: &Notification) -> Result<(), Fault> {
    let secs = notification.time_to_live;
    if (0..=TIME_TO_LIVE_MAX).contains(&secs) {
        return Ok(());
    }
    Err(Fault {
        pointer: "time_to_live".into(),
        error: format!(
            "time_to_live is {secs}, and must be between 0 and {TIME_TO_LIVE_MAX} seconds"
        ),
    })
}

/// How long a notification lives, by the fields that both providers have and by Gaurun's.
pub(super) fn lifetime(notification: &Notification, now: Moment) -> Result<Lifetime, Fault> {
    check_time_to_live(notification)?;
    let own = notification.time_to_live;
    let lifetime = shared::lifetime(notification, own, now)?;
    let (field, secs) = match lifetime {
        Lifetime::Unsaid | Lifetime::Now => return Ok(lifetime),
        Lifetime::Secs(secs) => ("ttl", i64::from(secs.get())),
        Lifetime::Until(at) => {
            let now = i64::try_from(now.unix.as_secs()).unwrap_or(i64::MAX);
            ("expires_at", i64::from(at).saturating_sub(now))
        }
    };
    if secs > TIME_TO_LIVE_MAX {
        return Err(Fault {
            pointer: field.into(),
            error: format!(
                "{field} is {secs} seconds ahead, and FCM keeps a message for at most \
                 {TIME_TO_LIVE_MAX} (28 days)"
            ),
        });
    }
    Ok(lifetime)
}

/// The field by which [`lifetime`] is said.
pub(super) fn lifetime_field(notification: &Notification) -> &'static str {
    let native = ["ttl", "expires_at"];
    let said = native
        .into_iter()
        .find(|name| notification.native.get(name).is_some());
    said.unwrap_or("time_to_live")
}

/// Seconds by which a caller's clock may be off from ours.
const CLOCKS_APART: u64 = 60;

/// The lifetime that a duration in Google's form says, beside what [`lifetime`] is.
pub(super) fn own_lifetime(
    at: &str,
    text: &str,
    notification: &Notification,
    now: Moment,
) -> Result<Lifetime, Fault> {
    let max = TIME_TO_LIVE_MAX.cast_unsigned();
    let secs = whole_secs(text).filter(|secs| {
        let is_over = text.trim_end_matches('s').split('.').nth(1);
        let is_over = is_over.is_some_and(|decimals| decimals.bytes().any(|digit| digit != b'0'));
        *secs < max || (*secs == max && !is_over)
    });
    let secs = secs.ok_or_else(|| Fault {
        pointer: at.to_owned().into(),
        error: format!(
            "{at} is {:?}, and must be between \"0s\" and \"{TIME_TO_LIVE_MAX}s\" (28 days)",
            texts::first(text, QUOTE_MAX)
        ),
    })?;
    let own = Lifetime::secs(secs);
    let shared = lifetime(notification, now)?;
    let is_same = match shared {
        Lifetime::Unsaid => return Ok(own),
        Lifetime::Until(until) => {
            let left = u64::from(until).saturating_sub(now.unix.as_secs());
            left.abs_diff(secs) <= CLOCKS_APART
        }
        Lifetime::Now | Lifetime::Secs(_) => shared == own,
    };
    if is_same {
        Ok(shared)
    } else {
        Err(beside(at, lifetime_field(notification)))
    }
}

/// A part of a message that counts against the limit on its size.
#[derive(Clone, Debug)]
pub(super) struct SizedPart<'a> {
    /// Where the object stands of which it is a member.
    pub(super) object: Cow<'a, str>,
    pub(super) key: Cow<'a, str>,
    /// Bytes of its key and of the texts in it.
    pub(super) len: usize,
}

impl<'a> SizedPart<'a> {
    /// A text of an object of texts.
    pub(super) fn of_text(object: &'a str, key: &'a str, text: &str) -> Self {
        Self {
            object: object.into(),
            key: key.into(),
            len: key.len() + text.len(),
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.object, texts::reference(&self.key))
    }
}

/// The parts of a message, from which its size follows.
#[derive(Debug, Default)]
pub(super) struct SizedParts<'a> {
    pub(super) notification: Vec<SizedPart<'a>>,
    /// Of Android's own notification.
    pub(super) own_notification: Vec<SizedPart<'a>>,
    pub(super) data: Vec<SizedPart<'a>>,
    /// Android's own data, if there are any.
    pub(super) own_data: Option<Vec<SizedPart<'a>>>,
}

impl<'a> SizedParts<'a> {
    /// The parts that count: what Android has of its own takes the place of what is common.
    pub(super) fn counted(self) -> Vec<SizedPart<'a>> {
        let own = self.own_notification;
        let mut parts = self.notification;
        parts.retain(|SizedPart { key, .. }| {
            !(OVERRIDDEN.contains(&&**key) && own.iter().any(|own| own.key == *key))
        });
        parts.extend(own);
        parts.extend(self.own_data.unwrap_or(self.data));
        parts
    }
}

/// What both the common notification and Android's have.
const OVERRIDDEN: [&str; 3] = ["title", "body", "image"];

/// Refuses parts that are over the limit together, with the place of the largest.
pub(super) fn check_size<'a>(
    parts: &[SizedPart<'a>],
    place: impl FnOnce(&SizedPart<'a>) -> String,
) -> Result<(), Fault> {
    let size: usize = parts.iter().map(|part| part.len).sum();
    let largest = parts.iter().max_by_key(|part| part.len);
    let Some(largest) = largest.filter(|_| size > DATA_MAX) else {
        return Ok(());
    };
    let pointer = place(largest);
    let error = format!(
        "the texts and keys of notification and data are {size} bytes, {} more than the {DATA_MAX} \
         that FCM takes; the largest part is {pointer} with {}",
        size - DATA_MAX,
        largest.len
    );
    let pointer = pointer.into();
    Err(Fault { pointer, error })
}

/// Refuses a payload for iOS, which stands there, if it is larger than APNs takes: by itself, to
/// which Google adds what the message says beside it, without the blanks that it may have.
pub(super) fn check_apns_payload(at: &str, json: &str) -> Result<(), Fault> {
    if json.len() <= PAYLOAD_MAX {
        return Ok(());
    }
    let written = serde_json::from_str::<serde_json::Value>(json);
    let len = written.map_or(0, |json| json.to_string().len());
    if len <= PAYLOAD_MAX {
        return Ok(());
    }
    Err(Fault {
        pointer: at.to_owned().into(),
        error: format!(
            "{at} is {len} bytes, and APNs takes at most {PAYLOAD_MAX}: {} too many",
            len - PAYLOAD_MAX
        ),
    })
}
