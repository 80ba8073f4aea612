//! Whether a lane's provider can be reached, and whether it takes anything.
//!
//! A lane is *unreachable* from the first connection or access token that could not be had until
//! one is; where connections come about and carry no answer, until there is an answer. It *fails*
//! from the first attempt that shows the provider out of order until one shows it well. Once the
//! last one that failed came [`OUTAGE_TOLD_AFTER`] after the first, that is told: time in which
//! nothing is tried, such as that for which a provider has asked, shows nothing. Neither is so
//! while nothing waits: nothing is tried then, and nobody knows.
//!
//! Pure: time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::moment::Moment;

/// How long everything that is tried has to fail before the operator is told.
pub const OUTAGE_TOLD_AFTER: Duration = Duration::from_secs(60);
/// An outage that goes on is told again after this.
pub const OUTAGE_TOLD_EVERY: Duration = Duration::from_secs(3600);

/// The last error of many attempts is noted so often.
const NOTED_EVERY: Duration = Duration::from_secs(1);

/// What a lane lacks to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A connection.
    Connection,
    /// An answer: connections come about, and are of no use.
    Answer,
    /// An access token.
    AccessToken,
}

/// A provider that cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// What is lacking.
    pub lack: Lack,
    /// Since when.
    pub since: Moment,
    /// The last error.
    pub why: Arc<str>,
}

/// A provider that takes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Moment,
    /// What was met, lately.
    pub why: Arc<str>,
    noted: Instant,
    /// The last attempt that failed.
    last: Instant,
    told: Option<Instant>,
}

impl Failing {
    /// Whether the operator has been told.
    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }
}

/// The state of a lane's provider.
#[derive(Debug, Default)]
pub(super) struct Outage {
    unreachable: Option<Unreachable>,
    failing: Option<Failing>,
}

impl Outage {
    /// Whether nothing is known to be wrong.
    pub(super) fn is_over(&self) -> bool {
        self.unreachable.is_none() && self.failing.is_none()
    }

    /// The provider could not be reached.
    pub(super) fn cannot_reach(&mut self, lack: Lack, why: &str, now: Moment) {
        let why: Arc<str> = why.into();
        match &mut self.unreachable {
            None => {
                self.unreachable = Some(Unreachable {
                    lack,
                    since: now,
                    why: Arc::clone(&why),
                });
            }
            Some(known) => {
                // A connection that could not be had proves no other to be of use.
                if (known.lack, lack) != (Lack::Answer, Lack::Connection) {
                    known.lack = lack;
                }
                known.why = Arc::clone(&why);
            }
        }
        self.fail(|| why, now);
    }

    /// What was lacking is there.
    pub(super) fn has(&mut self, lack: Lack) {
        self.unreachable.take_if(|known| known.lack == lack);
    }

    /// The provider has answered, whatever it said.
    pub(super) fn answered(&mut self) {
        let is_of_network = |known: &mut Unreachable| known.lack != Lack::AccessToken;
        self.unreachable.take_if(is_of_network);
    }

    /// An attempt showed the provider out of order, or there was none.
    pub(super) fn fail(&mut self, why: impl FnOnce() -> Arc<str>, now: Moment) {
        match &mut self.failing {
            None => {
                self.failing = Some(Failing {
                    since: now,
                    why: why(),
                    noted: now.monotonic,
                    last: now.monotonic,
                    told: None,
                });
            }
            Some(known) => {
                known.last = known.last.max(now.monotonic);
                let age = now.monotonic.saturating_duration_since(known.noted);
                if age >= NOTED_EVERY {
                    (known.why, known.noted) = (why(), now.monotonic);
                }
            }
        }
    }

    /// An attempt showed the provider well: what has ended, if that was told.
    pub(super) fn note_well(&mut self) -> Option<Failing> {
        self.failing.take().filter(Failing::is_told)
    }

    /// Whether to tell of what fails now.
    pub(super) fn look(&mut self, now: Instant) -> Option<Failing> {
        let failing = self.failing.as_mut()?;
        let since = |at| failing.last.saturating_duration_since(at);
        let lasts = since(failing.since.monotonic);
        let is_recent = |at| since(at) < OUTAGE_TOLD_EVERY;
        if lasts < OUTAGE_TOLD_AFTER || failing.told.is_some_and(is_recent) {
            return None;
        }
        failing.told = Some(now);
        Some(failing.clone())
    }

    /// Nothing waits, so that nothing is tried: what has ended by that, if it was told. But for
    /// access tokens, which are asked for all the same, nobody knows what the next try will meet.
    pub(super) fn nothing_waits(&mut self) -> Option<Failing> {
        self.answered();
        self.note_well()
    }

    /// Nothing is tried by our own doing: what fails until then, untold, is to fail for as long
    /// again.
    pub(super) fn is_not_tried(&mut self) {
        self.failing.take_if(|failing| !failing.is_told());
    }

    /// The provider is sought elsewhere, or by other means.
    pub(super) fn forget_unreachable(&mut self) {
        self.unreachable = None;
    }

    pub(super) fn unreachable(&self) -> Option<&Unreachable> {
        self.unreachable.as_ref()
    }

    pub(super) fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(now: Moment, secs: u64) -> Moment {
        Moment {
            monotonic: now.monotonic + Duration::from_secs(secs),
            unix: now.unix + Duration::from_secs(secs),
            ..now
        }
    }

    #[test]
    fn what_cannot_be_reached_is_so_since_the_first_failure_until_what_lacked_is_there() {
        for (lack, ends_with) in [
            (Lack::Connection, Some(Lack::Connection)),
            (Lack::AccessToken, Some(Lack::AccessToken)),
            (Lack::Connection, None),
            (Lack::Answer, None),
        ] {
            let (mut outage, now) = (Outage::default(), Moment::now());
            outage.cannot_reach(lack, "refused", now);
            outage.cannot_reach(lack, "timed out", later(now, 5));
            let known = outage.unreachable().unwrap();
            assert_eq!((&*known.why, known.since), ("timed out", now));
            match ends_with {
                Some(lack) => outage.has(lack),
                None => outage.answered(),
            }
            assert_eq!(outage.unreachable(), None, "{lack:?}");
            assert!(!outage.is_over(), "nothing has been taken");
            assert_eq!(outage.note_well(), None, "it was not told");
            assert!(outage.is_over());
        }
    }

    #[test]
    fn a_connection_proves_nothing_where_connections_are_of_no_use_nor_for_an_access_token() {
        let (mut outage, now) = (Outage::default(), Moment::now());
        outage.cannot_reach(Lack::Answer, "closed", now);
        outage.cannot_reach(Lack::Connection, "refused", now);
        outage.has(Lack::Connection);
        assert!(outage.unreachable().is_some());
        outage.answered();
        outage.cannot_reach(Lack::AccessToken, "garbage", now);
        outage.has(Lack::Connection);
        outage.answered();
        assert!(outage.unreachable().is_some());
    }

    #[test]
    fn an_outage_is_told_after_a_minute_and_each_hour_and_its_end_if_it_was() {
        let (mut outage, now) = (Outage::default(), Moment::now());
        outage.fail(|| "503".into(), now);
        outage.fail(|| "500".into(), later(now, 59));
        // Nothing is tried for an hour: the provider has asked for that.
        for secs in [59, 60, 3600] {
            assert_eq!(outage.look(later(now, secs).monotonic), None, "{secs}");
        }
        let told_at = |outage: &mut Outage, secs| {
            outage.fail(|| "503".into(), later(now, secs));
            outage.look(later(now, secs).monotonic)
        };
        let told = told_at(&mut outage, 3600).unwrap();
        assert_eq!((&*told.why, told.since), ("503", now));
        for secs in [3601, 3660, 7199] {
            assert_eq!(told_at(&mut outage, secs), None, "{secs}");
        }
        assert_eq!(outage.look(later(now, 7200).monotonic), None, "not tried");
        assert!(told_at(&mut outage, 7200).is_some());
        assert_eq!(outage.note_well().map(|ended| ended.since), Some(now));
        assert!(outage.is_over());
        // The next one is another.
        for (secs, is_told) in [(8000, false), (8059, false), (8060, true)] {
            assert_eq!(told_at(&mut outage, secs).is_some(), is_told, "{secs}");
        }
    }

    #[test]
    fn time_in_which_nothing_is_tried_is_no_outage() {
        let (mut outage, now) = (Outage::default(), Moment::now());
        outage.fail(|| "503".into(), now);
        outage.is_not_tried();
        assert_eq!(outage.look(later(now, 3600).monotonic), None);
        for (secs, is_told) in [(3600, false), (3659, false), (3660, true)] {
            outage.fail(|| "503".into(), later(now, secs));
            let told = outage.look(later(now, secs).monotonic);
            assert_eq!(told.is_some(), is_told, "{secs}");
        }
        outage.is_not_tried();
        assert!(outage.note_well().is_some(), "its end is told");
    }

    #[test]
    fn where_nothing_waits_nothing_is_out_of_order_but_access_tokens() {
        let (mut outage, now) = (Outage::default(), Moment::now());
        outage.cannot_reach(Lack::Connection, "refused", now);
        outage.cannot_reach(Lack::Connection, "refused", later(now, 60));
        assert!(outage.look(later(now, 60).monotonic).is_some());
        assert!(outage.nothing_waits().is_some());
        assert!(outage.is_over());
        outage.cannot_reach(Lack::AccessToken, "garbage", now);
        assert_eq!(outage.nothing_waits(), None);
        assert_eq!(outage.unreachable().unwrap().since, now);
    }
}
