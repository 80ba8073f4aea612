//! What both providers read alike of a notification: how long it lives, how urgent it is, what it
//! replaces, and its data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::said::SaidValue;
use super::seam::SEND_AT;
use super::{Fault, QUOTE_MAX};
use crate::moment::Moment;
use crate::push::{Extend, ExtendValue, Lifetime, Native, Notification};
use crate::texts;

/// How urgent a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It wakes the device.
    High,
    /// The device may take its time.
    Normal,
    /// It never wakes the device.
    Low,
}

/// How urgent a notification is, if its caller has said so.
pub(super) fn urgency(notification: &Notification) -> Result<Option<Urgency>, Fault> {
    match &*notification.priority {
        "" => Ok(None),
        "high" | "10" => Ok(Some(Urgency::High)),
        "normal" | "5" => Ok(Some(Urgency::Normal)),
        "1" => Ok(Some(Urgency::Low)),
        word => {
            let word = texts::first(word, QUOTE_MAX);
            Err(Fault {
                pointer: "priority".into(),
                error: format!(
                    "priority is {word:?}, and must be \"high\" or \"normal\", or 10, 5 or 1"
                ),
            })
        }
    }
}

/// How long a notification lives, as its caller has said in `ttl` or `expires_at`, or by Gaurun in
/// `own`.
pub(super) fn lifetime(
    notification: &Notification,
    own: i64,
    now: Moment,
) -> Result<Lifetime, Fault> {
    let ttl = SaidValue::of(&notification.native, "ttl");
    let expires_at = SaidValue::of(&notification.native, "expires_at");
    let (said, secs) = match (&ttl, &expires_at) {
        (None, None) => return Ok(Lifetime::positive_secs(own)),
        (Some(_), Some(expires_at)) => {
            return Err(expires_at.fault("stands beside ttl, and one of them is enough"));
        }
        (Some(ttl), None) => (ttl, Some(ttl.natural()?)),
        (None, Some(expires_at)) => (expires_at, None),
    };
    for (name, gauruns) in [
        ("expiry", notification.expiry),
        ("time_to_live", notification.time_to_live),
    ] {
        let is_other = u64::try_from(gauruns).ok() != secs;
        if gauruns > 0 && is_other {
            let what = format!("stands beside {name}, which says something else");
            return Err(said.fault(what));
        }
    }
    if let Some(secs) = secs {
        return Ok(Lifetime::secs(secs));
    }
    let at = said.unix_secs()?;
    if u64::from(at) <= now.unix.as_secs() {
        return Err(said.fault(has_passed(notification)));
    }
    Ok(Lifetime::until(at.into()))
}

/// Our limit: how far ahead a notification may be scheduled.
pub const SEND_AT_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The second since the Unix epoch before which a notification with these fields is not to be sent,
/// by the wall clock; `None` if it is to be sent at once, since nothing was said or that time has
/// come.
///
/// # Errors
///
/// What the caller has to change: it is none, or lies further ahead than [`SEND_AT_MAX`].
pub fn send_at(native: &Native, now: Moment) -> Result<Option<NonZeroU32>, Fault> {
    let Some(said) = SaidValue::of(native, SEND_AT) else {
        return Ok(None);
    };
    let at = said.unix_secs_from()?;
    let ahead = Duration::from_secs(at.into()).saturating_sub(now.unix);
    if ahead > SEND_AT_MAX {
        let days = SEND_AT_MAX.as_secs() / (24 * 60 * 60);
        return Err(said.fault(format!("lies more than {days} days ahead")));
    }
    Ok(NonZeroU32::new(at).filter(|_| !ahead.is_zero()))
}

/// What is wrong with a time that is over when its notification is to be sent.
pub(super) fn has_passed(notification: &Notification) -> &'static str {
    if notification.native.get(SEND_AT).is_some() {
        "does not lie after send_at"
    } else {
        "has passed"
    }
}

/// Puts how long a push lives where the push log has it, if its caller has said it elsewhere.
pub(super) fn note_lifetime(noted: &mut i64, lifetime: Lifetime, now: Moment) {
    if *noted > 0 {
        return;
    }
    match lifetime {
        Lifetime::Secs(secs) => *noted = secs.get().into(),
        Lifetime::Until(at) => *noted = i64::from(at).saturating_sub_unsigned(now.unix.as_secs()),
        Lifetime::Now | Lifetime::Unsaid => {}
    }
}

/// What a push replaces on the device, and is replaced by.
pub(super) fn collapse_id(notification: &Notification) -> Result<Option<String>, Fault> {
    let Some(said) = SaidValue::of(&notification.native, "collapse_id") else {
        return Ok(None);
    };
    let id = said.word()?;
    let key = &*notification.collapse_key;
    if !key.is_empty() && key != id {
        return Err(said.fault("stands beside collapse_key, which says something else"));
    }
    Ok(Some(id))
}

/// A value of the data that an app is given.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Datum<'a> {
    /// One of `extend`.
    Extended(&'a ExtendValue),
    /// One of `data`.
    Json(&'a RawValue),
}

/// The data that an app is given, by its keys.
pub(super) type Data<'a> = BTreeMap<Cow<'a, str>, Datum<'a>>;

/// The data that an app is given beside the notification, from `data` and `extend`.
pub(super) fn data(notification: &Notification) -> Result<Data<'_>, Fault> {
    let extend = notification.extend.iter();
    let extend =
        extend.map(|Extend { key, value }| (Cow::Borrowed(&**key), Datum::Extended(value)));
    let mut data: Data<'_> = extend.collect();
    let Some(said) = SaidValue::of(&notification.native, "data") else {
        return Ok(data);
    };
    for (name, member) in said.members()? {
        if data
            .insert(name.into(), Datum::Json(member.raw()))
            .is_some()
        {
            return Err(member.fault("stands in extend, too"));
        }
    }
    Ok(data)
}
