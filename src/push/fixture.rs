//! Pushes of no particular kind.

use std::sync::Arc;

use super::{Accepted, Content, DeviceTokens, Envelope, LaneId, Note, Parcel, Push, PushId};
use crate::moment::Moment;

/// So many to iOS of one notification, accepted at that time, each to a device of its own.
pub(crate) fn pushes(first_id: u64, count: usize, at: Moment) -> Vec<Push> {
    let tokens: Vec<_> = (0..count).map(|n| format!("{n:04x}")).collect();
    all(first_id, &tokens.iter().map(String::as_str).collect(), at)
}

/// One to that device.
pub(crate) fn push_to(token: &str, at: Moment) -> Push {
    all(1, &[token].into_iter().collect(), at).remove(0)
}

fn all(first_id: u64, tokens: &DeviceTokens, at: Moment) -> Vec<Push> {
    let accepted = Arc::new(Accepted {
        envelope: Envelope::to(LaneId::IOS),
        parcel: Parcel::new(&Content::default(), &Note::default(), tokens),
        first_id: PushId(first_id),
        at,
    });
    Push::all(&accepted).collect()
}
