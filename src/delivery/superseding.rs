//! An update of a broadcast channel that waits is not sent once a newer one makes it needless.
//!
//! What of its channel is outstanding is known from when a push comes to its lane; whether it is
//! needless is looked at where it is looked at whether its time has passed: before it is sent, when
//! it is to be sent again, and when all that waits is looked through. That is done as soon as one
//! has become needless, but once in a second at most, however many come: a restart that has only
//! the older one left would send it. One that is in flight is left alone. Where the newer one is
//! taken out by hand before that, the older one is sent.

use super::outcome::Settlement;
use super::reasons;
use crate::lane::Lane;
use crate::provider;
use crate::push::{End, Push, TargetKind};

/// Pushes come to their lane.
pub fn arrive(lane: &Lane, pushes: &[Push]) {
    let mut last: Option<(&Push, _)> = None;
    for push in pushes.iter().filter(|push| is_to_channel(push)) {
        let known = last.filter(|(known, _)| known.accepted().first_id == push.accepted().first_id);
        let update = match known {
            Some((_, update)) => update,
            None => provider::of(push.lane().provider()).channel_update(push.accepted()),
        };
        last = Some((push, update));
        if let Some(update) = update {
            let updates = lane.channel_updates();
            updates.add(&push.token().text(), push.id(), update);
        }
    }
}

fn is_to_channel(push: &Push) -> bool {
    push.envelope().target == TargetKind::Channel
}

/// The settlement of a push that waits and is needless by now, if it is.
pub(super) fn superseded(lane: &Lane, push: &Push) -> Option<Settlement> {
    if !is_to_channel(push) {
        return None;
    }
    let channel = push.token().text();
    let newer = lane.channel_updates().newer(&channel, push.id())?;
    let before = if push.maybe_sent {
        "; an attempt before that was not answered"
    } else {
        ""
    };
    let error = format!("superseded by push {newer}, a newer update of the channel{before}");
    let reason = reasons::SUPERSEDED;
    Some(Settlement::of_ours(
        End::Failed,
        reason,
        error,
        push.attempts,
    ))
}

/// A push has ended.
pub(super) fn ended(lane: &Lane, push: &Push, end: End) {
    if is_to_channel(push) {
        let was_taken = end == End::Succeeded;
        let channel = push.token().text();
        lane.channel_updates().end(&channel, push.id(), was_taken);
    }
}
