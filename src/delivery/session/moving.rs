//! A connection that goes from one lane to another of the same speaker.

use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::flight::Carried;
use crate::provider::Addressing;
use crate::push::ConnectionId;

impl Session {
    /// Whether another lane may have its connection: no push is on it, an answer has shown that it
    /// is good for something, and nothing since that it is not. Who answers with errors would else
    /// be everybody's: it is free soonest.
    pub fn is_spotless(&self) -> bool {
        self.flights.is_empty()
            && self.useful
            && !self.falters
            && self.retiring.is_none()
            && self.refused.is_none()
            && self.refusals == 0
            && !self.is_silent()
            && !self.pulse.is_asked()
    }

    /// Its pushes are another lane's from now on, which go to that address. What is known of the
    /// connection stays: its answers, its PINGs, its resets.
    pub fn move_to(
        &mut self,
        address: Arc<dyn Addressing>,
        timeout: Duration,
        connection: ConnectionId,
    ) {
        self.requests.move_to(address);
        self.timeout = timeout;
        self.connection = connection;
        self.credential_number = self.credential_number.wrapping_add(1);
        self.troubles.clear();
        self.proved = false;
        self.deadlines.clear();
        self.carried = Carried::Nothing;
        self.is_on_trial = false;
        self.has_moved = true;
    }

    /// True once, when an answer has asked for the connection to be closed: for a fresh one.
    pub fn take_wants_fresh(&mut self) -> bool {
        std::mem::take(&mut self.wants_fresh)
    }

    /// Whether what is said of the credential now can be about one of this lane's pushes.
    pub(super) fn has_spoken(&self) -> bool {
        !self.has_moved || self.carried != Carried::Nothing
    }
}
