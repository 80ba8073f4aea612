//! Settles by hand what waits in a lane.

use std::sync::Arc;

use super::outcome::{End, Settlement};
use super::reasons;
use super::settler::Settler;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::push::Push;

/// What an operator takes out of a lane goes through here. What is in flight, or in the hand of a
/// connection thread, is left alone.
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

    /// Settles every waiting push whose notification has that identifier; says how many. What a
    /// lane that has stopped still holds is left to its end.
    pub fn run(&mut self, identifier: &str, now: Moment) -> usize {
        let purged = self.take(identifier, now);
        self.flush(now);
        purged
    }

    /// The same; [`Purge::flush`] follows.
    pub fn take(&mut self, identifier: &str, now: Moment) -> usize {
        let (lane, settler, mut purged) = (&self.lane, &mut self.settler, 0);
        lane.sift_all(|push| {
            if *push.notification().identifier != *identifier || lane.is_stopped() {
                return true;
            }
            settler.settle(push, settlement(push), now);
            purged += 1;
            false
        });
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

fn settlement(push: &Push) -> Settlement {
    let error = if push.maybe_sent {
        "purged by an operator; an attempt before that was not answered"
    } else {
        "purged by an operator while it waited"
    };
    Settlement {
        end: End::Failed,
        status: None,
        reason: reasons::PURGED.into(),
        error: error.to_owned(),
        apns_id: None,
        attempt: push.attempts,
    }
}
