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
    /// Other answers since a refusal.
    others: u32,
    /// The push that met the first, and whether another has met one since.
    met: Option<(u64, bool)>,
    /// There was another one since the beginning, or since the last rest.
    mixed: bool,
    /// When an answer came last: of what came in the same round, nobody knows the order.
    heard: Option<Instant>,
    /// It rested, by that.
    rested: bool,
}

impl Rest {
    /// An answer came: to whom, if it is meant for the lane, and until when it asks to wait. Until
    /// when retries wait by that, as far as that is sure.
    pub(crate) fn heard(
        &mut self,
        refused: Option<u64>,
        until: Option<Instant>,
        now: Instant,
    ) -> Option<Instant> {
        self.pass(now);
        self.heard = Some(now);
        let Some(push) = refused else {
            (self.refusals, self.mixed) = (0, true);
            self.others += 1;
            if self.others >= ENOUGH / 2 {
                self.met = None;
            }
            return None;
        };
        self.refusals += 1;
        self.others = 0;
        self.until = self.until.max(until.filter(|until| *until > now));
        let (first, several) = self.met.unwrap_or((push, false));
        self.met = Some((first, several || push != first));
        self.until.filter(|_| self.is_sure())
    }

    /// More than one push has met it.
    fn is_sure(&self) -> bool {
        self.met.is_some_and(|(_, several)| several)
    }

    /// Whether nothing may be sent.
    pub(crate) fn rests(&mut self, now: Instant) -> bool {
        self.pass(now);
        let refuses = self.refusals >= ENOUGH || (self.refusals > 0 && !self.mixed);
        let rests = refuses && self.is_sure() && self.until.is_some() && self.heard < Some(now);
        self.rested |= rests;
        rests
    }

    fn pass(&mut self, now: Instant) {
        if self.until.take_if(|until| *until <= now).is_none() {
            return;
        }
        // Whether the daemon has begun anew is not known.
        self.met = None;
        if std::mem::take(&mut self.rested) {
            (self.refusals, self.mixed) = (0, false);
        }
    }
}
