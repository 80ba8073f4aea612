//! Pushes of no particular kind.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{
    Accepted, Content, DeviceTokens, Envelope, LaneId, Note, Parcel, Push, PushClass, PushId,
    PushType,
};
use crate::moment::Moment;

/// So many to iOS of one notification, accepted at that time, each to a device of its own.
pub(crate) fn pushes(first_id: u64, count: usize, at: Moment) -> Vec<Push> {
    let tokens: Vec<_> = (0..count).map(|n| format!("{n:04x}")).collect();
    all(first_id, &tokens.iter().map(String::as_str).collect(), at)
}

/// The same, which let others go first.
pub(crate) fn bulk_pushes(first_id: u64, count: usize, at: Moment) -> Vec<Push> {
    let tokens: Vec<_> = (0..count).map(|n| format!("{n:04x}")).collect();
    let envelope = Envelope {
        class: PushClass::Bulk,
        ..Envelope::to(LaneId::IOS)
    };
    let tokens = tokens.iter().map(String::as_str).collect();
    all_of(envelope, first_id, &tokens, at)
}

/// The same, which were to be sent at that time and no earlier.
pub(crate) fn scheduled_pushes(first_id: u64, count: usize, at: Moment) -> Vec<Push> {
    let tokens: Vec<_> = (0..count).map(|n| format!("{n:04x}")).collect();
    let earliest = u32::try_from(at.unix_secs()).ok();
    let envelope = Envelope {
        earliest: earliest.and_then(NonZeroU32::new),
        ..Envelope::to(LaneId::IOS)
    };
    let tokens = tokens.iter().map(String::as_str).collect();
    all_of(envelope, first_id, &tokens, at)
}

/// One to that device.
pub(crate) fn push_to(token: &str, at: Moment) -> Push {
    all(1, &[token].into_iter().collect(), at).remove(0)
}

/// One to iOS of that type.
pub(crate) fn push_of(push_type: PushType, id: u64, at: Moment) -> Push {
    let envelope = Envelope {
        push_type,
        ..Envelope::to(LaneId::IOS)
    };
    let token = format!("{id:04x}");
    all_of(envelope, id, &[&*token].into_iter().collect(), at).remove(0)
}

fn all(first_id: u64, tokens: &DeviceTokens, at: Moment) -> Vec<Push> {
    all_of(Envelope::to(LaneId::IOS), first_id, tokens, at)
}

fn all_of(envelope: Envelope, first_id: u64, tokens: &DeviceTokens, at: Moment) -> Vec<Push> {
    let accepted = Arc::new(Accepted {
        envelope,
        parcel: Parcel::new(&Content::default(), &Note::default(), tokens),
        first_id: PushId(first_id),
        at,
    });
    Push::all(&accepted).collect()
}
