//! Pushes of no particular kind.

use std::sync::Arc;

use super::{Accepted, Content, DeviceToken, Envelope, LaneId, Note, Push, PushId};
use crate::moment::Moment;

/// So many to iOS of one notification, accepted at that time, each to a device of its own.
pub(crate) fn pushes(first_id: u64, count: usize, at: Moment) -> Vec<Push> {
    let tokens = (0..count).map(|n| DeviceToken::new(format!("{n:04x}")));
    all(first_id, tokens.collect(), at)
}

/// One to that device.
pub(crate) fn push_to(token: &str, at: Moment) -> Push {
    all(1, [DeviceToken::new(token)].into(), at).remove(0)
}

fn all(first_id: u64, tokens: Box<[DeviceToken]>, at: Moment) -> Vec<Push> {
    let accepted = Arc::new(Accepted {
        envelope: Envelope::to(LaneId::IOS),
        content: Content::default(),
        note: Note::default(),
        tokens,
        first_id: PushId(first_id),
        at,
    });
    Push::all(&accepted).collect()
}
