//! What a session gives back.

use std::time::{Duration, Instant};

use super::super::outcome::Outcome;
use crate::moment::Moment;
use crate::push::{ConnectionId, Push};
use crate::stats::AttemptEnd;

/// A push that a session is done with.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub struct Ended {
    /// The push.
    pub push: Push,
    /// What became of the attempt.
    pub outcome: Outcome,
    /// When its request was handed to the connection.
    pub sent: Instant,
    /// The number of the route that it was sent by.
    pub generation: u64,
    /// The connection that it was on.
    pub connection: ConnectionId,
    /// Its connection was refused as a whole, for its credential.
    pub is_refused: bool,
    /// Nothing was heard of it on a connection whose credential was refused before it answered
    /// anything: that says nothing of the push.
    pub is_spared: bool,
    /// It was sent before the provider had acknowledged our SETTINGS. Some refuse what comes by
    /// then and take it later on the same connection.
    pub was_early: bool,
    /// It went by a route that was tried, and was not the lane's.
    pub was_on_trial: bool,
}

impl Ended {
    /// How the attempt has ended, and after what time; `None` if none was made, or
    /// nobody knows.
    pub fn attempt(&self, now: Moment) -> Option<(AttemptEnd, Duration)> {
        let end = match &self.outcome {
            Outcome::Answered(answer) => AttemptEnd::Status(answer.status),
            Outcome::NotProcessed(_) => AttemptEnd::Refused,
            Outcome::Unknown(_) => AttemptEnd::Unanswered,
            Outcome::NotSent | Outcome::Forgotten(_) => return None,
        };
        Some((end, now.monotonic.saturating_duration_since(self.sent)))
    }
}
