//! Settles by hand what waits in a lane.

use std::sync::Arc;

use super::outcome::Settlement;
use super::present_route::tell_purged_witnesses;
use super::reasons;
use super::settler::Settler;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::push::{End, Push, PushId, SoFar};

/// What an operator takes out of a lane goes through here, unless a connection thread has it.
#[derive(Debug)]
pub struct Purge {
    lane: Arc<Lane>,
    settler: Settler,
}

impl Purge {
    /// For a lane, with a settler of that lane.
    pub fn new(lane: Arc<Lane>, settler: Settler) -> Self {
        Self { lane, settler }
    }

    /// Settles every waiting push whose notification has that identifier and was accepted by then;
    /// says how many. What a lane that has stopped still holds is left to its end.
    pub fn run(&mut self, identifier: &str, so_far: SoFar) -> usize {
        let purged = self.take(identifier, so_far);
        self.flush(so_far.at);
        purged
    }

    /// [`Purge::run`], if [`Purge::flush`] follows.
    pub fn take(&mut self, identifier: &str, so_far: SoFar) -> usize {
        // What has come since is not meant.
        let is_meant = |push: &Push| so_far.has(push) && push.note().texts.identifier == identifier;
        self.take_all(is_meant, so_far.at)
    }

    /// Settles the push of that id, if it waits in the lane; whether it did. What a lane that has
    /// stopped still holds is left to its end.
    pub fn run_one(&mut self, id: PushId, now: Moment) -> bool {
        let purged = self.take_one(id, now);
        self.flush(now);
        purged
    }

    /// [`Purge::run_one`], if [`Purge::flush`] follows.
    pub fn take_one(&mut self, id: PushId, now: Moment) -> bool {
        self.take_all(|push| push.id() == id, now) > 0
    }

    fn take_all(&mut self, mut is_meant: impl FnMut(&Push) -> bool, now: Moment) -> usize {
        let (lane, settler, mut purged) = (&self.lane, &mut self.settler, 0);
        let witnesses = lane.holding().witnesses();
        let mut met_it = Vec::new();
        lane.sift_all(|push| {
            if !is_meant(push) || lane.is_stopped() {
                return true;
            }
            settler.settle(push, settlement(push), now);
            met_it.extend(Some(push.id()).filter(|id| witnesses.contains(id)));
            purged += 1;
            false
        });
        for witness in met_it {
            forget(lane, witness);
        }
        purged
    }

    /// Lines of settlements that [`Purge::flush`] has still to hand to the logs: access, error.
    pub fn unflushed(&self) -> [&[u8]; 2] {
        self.settler.unflushed()
    }

    /// Hands the logs what was settled, and gives its room back.
    pub fn flush(&mut self, now: Moment) {
        self.settler.flush(now.monotonic);
    }
}

/// A push was taken out of its lane, which may be held for it.
pub(super) fn forget(lane: &Lane, push: PushId) {
    let was_judged = lane.holding().is_judged();
    if lane.forget(push) && was_judged {
        tell_purged_witnesses(lane);
    }
}

/// The settlement of a push that waits.
pub fn settlement(push: &Push) -> Settlement {
    purged(
        push,
        if push.maybe_sent {
            "purged by an operator; an attempt before that was not answered"
        } else {
            "purged by an operator while it waited"
        },
    )
}

/// The settlement of a push whose request was under way.
pub(super) fn settlement_in_flight(push: &mut Push) -> Settlement {
    push.attempts = push.attempts.saturating_add(1);
    push.maybe_sent = true;
    purged(
        push,
        "purged by an operator while its request was under way: the provider may have it",
    )
}

fn purged(push: &Push, error: &str) -> Settlement {
    Settlement::of_ours(
        End::Failed,
        reasons::PURGED,
        error.to_owned(),
        push.attempts,
    )
}
