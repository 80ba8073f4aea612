//! What a session gives back.

use super::super::outcome::Outcome;
use crate::push::{ConnectionId, Push};

/// A push that a session is done with.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub struct Ended {
    /// The push.
    pub push: Push,
    /// What became of the attempt.
    pub outcome: Outcome,
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
