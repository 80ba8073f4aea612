//! Whether the lane has to rest, by the answers that passed: a second account, which is sure only
//! where every answer is a refusal that is meant for the lane.

use std::time::Instant;

/// So many answers in a row say that a provider refuses whatever comes.
const ENOUGH: u32 = 32;

#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The latest time that the provider asked the lane to wait for.
    until: Option<Instant>,
    /// Refusals since another answer.
    refusals: u32,
    /// There was another one since the beginning, or since the last rest.
    mixed: bool,
    /// When an answer came last: of what came in the same round, nobody knows the order.
    heard: Option<Instant>,
    /// It rested, by that.
    rested: bool,
}

impl Rest {
    /// An answer came: whether it is meant for the lane, and until when it asks to wait.
    pub(crate) fn heard(&mut self, refused: bool, until: Option<Instant>, now: Instant) {
        self.pass(now);
        self.heard = Some(now);
        if refused {
            self.refusals += 1;
            self.until = self.until.max(until.filter(|until| *until > now));
        } else {
            (self.refusals, self.mixed) = (0, true);
        }
    }

    /// Whether nothing may be sent.
    pub(crate) fn rests(&mut self, now: Instant) -> bool {
        self.pass(now);
        let refuses = self.refusals >= ENOUGH || (self.refusals > 0 && !self.mixed);
        let rests = refuses && self.until.is_some() && self.heard < Some(now);
        self.rested |= rests;
        rests
    }

    fn pass(&mut self, now: Instant) {
        if self.until.take_if(|until| *until <= now).is_some() && std::mem::take(&mut self.rested) {
            (self.refusals, self.mixed) = (0, false);
        }
    }
}
