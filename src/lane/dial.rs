//! When a lane may open its next connection: one at a time, and with a back-off after failures.
//!
//! A connection that has answered pushes and ends soon is replaced at once, for a provider may send
//! us away whenever it likes. It may not do so for ever, or a push would cost a handshake: such
//! connections are counted by a bucket of [`SHORT_LIVED_BURST`] that fills up again slowly, and
//! once it is empty they back off as failures do.
//!
//! Pure: time and the random number are arguments.

use std::time::{Duration, Instant};

use super::gate::Target;
use crate::jitter;

/// Wait after the first failure in a row.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait between two tries. Apple takes frequent reconnecting for an attack.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Connections that answered and ended soon, each of which may be replaced at once.
pub const SHORT_LIVED_BURST: u32 = 10;
/// After so long one more may be, up to [`SHORT_LIVED_BURST`]: ten a minute.
pub const SHORT_LIVED_EVERY: Duration = Duration::from_secs(6);

/// How soon to look again after another thread that connects.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The answer to a thread that wants to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Connect now, and report by [`Dial::succeeded`] or [`Dial::failed`].
    Go,
    /// Another thread is connecting, or has just connected and does not know yet how far that
    /// goes.
    Taken,
    /// Not before this time.
    Wait(Instant),
}

/// A lane's dialling state.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "six independent facts")]
pub struct Dial {
    connecting: bool,
    /// The connection that was opened last has not shown yet what it is good for.
    unsettled: bool,
    /// Connections in a row that were not worth their opening.
    failures: u32,
    not_before: Option<Instant>,
    /// The target of all pushes on the last that was of no use, if it is one.
    only_target: Option<Target>,
    /// Its provider ended it under several, and it is not known which it was about, if about one.
    is_wary: bool,
    /// When [`SHORT_LIVED_BURST`] short-lived connections may be replaced at once again.
    full_at: Option<Instant>,
    /// How often in a row the provider has complained of PINGs, though fewer were sent each time.
    ping_complaints: u32,
    /// The last connection that was another lane's ended before it was of use.
    took_over_in_vain: bool,
    /// An answer has asked for a fresh connection.
    wants_fresh: bool,
    /// Another lane has the last connection, and gives it back when this one needs it.
    has_lent: bool,
}

impl Dial {
    /// Asks to connect.
    pub fn ask(&mut self, now: Instant) -> Permit {
        if !self.is_free() {
            return Permit::Taken;
        }
        match self.not_before {
            Some(at) if at > now => Permit::Wait(at),
            _ => {
                self.connecting = true;
                Permit::Go
            }
        }
    }

    /// Whether a thread could connect.
    pub fn is_free(&self) -> bool {
        !self.connecting && !self.unsettled
    }

    /// When to ask again, if a thread could not connect now; `None` if it could.
    pub fn opens_at(&self, now: Instant) -> Option<Instant> {
        let is_free = self.is_free();
        let soon = now.checked_add(ASK_AGAIN).filter(|_| !is_free);
        soon.or(self.not_before.filter(|at| *at > now))
    }

    /// The connection stands. No other is opened before [`Dial::settled`]: APNs lets a fresh one
    /// have one stream, and a lane that did not wait for more would open all that it may.
    pub fn succeeded(&mut self) {
        self.connecting = false;
        self.wants_fresh = false;
        self.has_lent = false;
        self.unsettled = true;
        self.not_before = None;
    }

    /// No connection is wanted after all.
    pub fn called_off(&mut self) {
        self.connecting = false;
    }

    /// What stands is good for something, or has had its time to show it, or has gone.
    pub fn settled(&mut self) {
        self.unsettled = false;
    }

    /// Connections in a row that were not worth their opening.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A connection has proved worth its opening, by its age or its answers.
    pub fn proved(&mut self) {
        self.failures = 0;
        self.is_wary = false;
        self.took_over_in_vain = false;
    }

    /// The last connection is another lane's from now on. It was as good as one that is idle.
    pub fn lent(&mut self) {
        self.proved();
        self.has_lent = true;
    }

    /// Whether another lane has the last connection.
    pub fn has_lent(&self) -> bool {
        self.has_lent
    }

    /// Whether the next connection may be another lane's: it must not end by what has ended this
    /// lane's own.
    pub fn may_take_over(&self) -> bool {
        self.failures == 0 && !self.is_wary && !self.took_over_in_vain && !self.wants_fresh
    }

    /// What was answered may come of the connection's age: the next is opened, as another lane's
    /// may be as old.
    pub fn wants_fresh(&mut self) {
        self.wants_fresh = true;
    }

    /// A connection that was another lane's has ended before it was of use: the next is opened.
    pub fn took_over_in_vain(&mut self) {
        self.took_over_in_vain = true;
    }

    /// A connection has answered, and ended soon: how long the next one waits, unless it may follow
    /// at once.
    pub fn short_lived(&mut self, now: Instant, random: u64) -> Option<Duration> {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let taken = full_at.checked_add(SHORT_LIVED_EVERY);
        let in_time = now.checked_add(SHORT_LIVED_EVERY * SHORT_LIVED_BURST);
        if taken.is_some() && taken <= in_time {
            self.full_at = taken;
            return None;
        }
        Some(self.back_off(now, random))
    }

    /// What failed so far says nothing of the next try: it goes elsewhere, or by other means.
    pub fn forget_failures(&mut self) {
        self.failures = 0;
        self.not_before = None;
        self.ping_complaints = 0;
    }

    /// No connection came about.
    pub fn failed(&mut self, now: Instant, random: u64) -> Duration {
        self.connecting = false;
        self.back_off(now, random)
    }

    /// A connection ended that was of no use, `silent` or not, and had pushes to `only_target`
    /// alone, if that is one. As long as no other target is met by that, it may be about that one:
    /// others do not wait longer each time. Its own pushes do, as after any attempt.
    pub fn was_useless(
        &mut self,
        only_target: Option<Target>,
        silent: bool,
        now: Instant,
        random: u64,
    ) -> Duration {
        if only_target.is_some() && only_target == self.only_target {
            self.failures = self.failures.saturating_sub(1);
        }
        self.only_target = only_target;
        self.is_wary = only_target.is_none() && !silent;
        self.back_off(now, random)
    }

    /// Whether the next connection should have one push at a time at first: it may have been a
    /// push that ended the last, which would end others with it again.
    pub fn is_wary(&self) -> bool {
        self.is_wary
    }

    /// The provider has complained of PINGs on a connection that was opened when it had so often:
    /// fewer go on those to come.
    pub fn complained_of_pings(&mut self, before: u32) {
        self.ping_complaints = self.ping_complaints.max(before.saturating_add(1));
    }

    /// How often in a row the provider has complained of PINGs, though fewer were sent each time.
    pub fn ping_complaints(&self) -> u32 {
        self.ping_complaints
    }

    /// The next try waits between half and all of a time that doubles with each failure in a row;
    /// `random` spreads it.
    pub fn back_off(&mut self, now: Instant, random: u64) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1_u32 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        let longest = doubled.min(LONGEST_WAIT);
        let wait = jitter::half_to_all(longest, random);
        self.not_before = now.checked_add(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_connections_that_were_opened_alike_count_once_until_the_route_is_another() {
        let mut dial = Dial::default();
        (0..8).for_each(|_| dial.complained_of_pings(0));
        assert_eq!(dial.ping_complaints(), 1);
        dial.complained_of_pings(1);
        assert_eq!(dial.ping_complaints(), 2);
        dial.forget_failures();
        assert_eq!(dial.ping_complaints(), 0);
    }

    #[test]
    fn one_thread_connects_at_a_time() {
        let now = Instant::now();
        let mut dial = Dial::default();
        assert_eq!(dial.ask(now), Permit::Go);
        assert_eq!(dial.ask(now), Permit::Taken);
        dial.succeeded();
        assert_eq!(dial.ask(now), Permit::Taken, "it has shown nothing yet");
        dial.settled();
        assert_eq!(dial.ask(now), Permit::Go);
    }

    #[test]
    fn connections_that_end_soon_are_replaced_at_once_until_there_are_too_many() {
        let now = Instant::now();
        let mut dial = Dial::default();
        for _ in 0..SHORT_LIVED_BURST {
            assert_eq!(dial.short_lived(now, 0), None);
            assert_eq!(dial.ask(now), Permit::Go, "these are no reason to wait");
            dial.succeeded();
            dial.settled();
        }
        let waits: Vec<_> = (0..8)
            .filter_map(|_| dial.short_lived(now, u64::MAX))
            .map(|wait| wait.as_secs_f64().round())
            .collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert!(matches!(dial.ask(now), Permit::Wait(_)));
    }

    #[test]
    fn in_any_hour_so_many_connections_end_soon_as_the_bucket_lets_through() {
        let start = Instant::now();
        let mut dial = Dial::default();
        let (mut now, mut opened) = (start, 0);
        while now < start + Duration::from_secs(3600) {
            match dial.ask(now) {
                Permit::Wait(at) => now = at,
                permit => assert_eq!(permit, Permit::Go),
            }
            dial.succeeded();
            dial.settled();
            opened += 1;
            dial.short_lived(now, 0);
        }
        // Ten a minute, the first ten, and one after each pause, which is soon half a minute.
        assert!((600..=750).contains(&opened), "{opened}");
    }

    #[test]
    fn one_more_may_follow_at_once_after_a_while_and_no_more_than_the_burst_ever() {
        let start = Instant::now();
        let mut dial = Dial::default();
        let burst = |dial: &mut Dial, now| {
            let mut at_once = 0;
            while dial.short_lived(now, 0).is_none() {
                at_once += 1;
            }
            at_once
        };
        assert_eq!(burst(&mut dial, start), SHORT_LIVED_BURST);
        assert_eq!(burst(&mut dial, start + SHORT_LIVED_EVERY * 3), 3);
        let later = start + SHORT_LIVED_EVERY * 100;
        assert_eq!(burst(&mut dial, later), SHORT_LIVED_BURST);
    }

    #[test]
    fn failures_double_the_wait_up_to_the_longest() {
        let now = Instant::now();
        let mut dial = Dial::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            waits.push(dial.failed(now, u64::MAX));
        }
        for (wait, secs) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60, 60]) {
            let longest = Duration::from_secs(secs);
            assert!(
                *wait <= longest && *wait >= longest / 2,
                "{wait:?} of {longest:?}"
            );
        }
        assert!(matches!(dial.ask(now), Permit::Wait(at) if at > now));
        assert_eq!(dial.ask(now + LONGEST_WAIT), Permit::Go);
    }

    #[test]
    fn connections_that_one_target_alone_has_met_the_end_of_keep_others_waiting_no_longer() {
        let now = Instant::now();
        let mut dial = Dial::default();
        let [one, other] = ["1", "2"].map(|token| Some(Target::to(token)));
        let mut secs = |target| {
            let wait = dial.was_useless(target, false, now, u64::MAX);
            (wait.as_millis() + 500) / 1000
        };
        assert_eq!([one; 8].map(&mut secs), [1; 8]);
        assert_eq!([other; 3].map(&mut secs), [2; 3]);
        // Those that had several, or none.
        assert_eq!([None; 3].map(&mut secs), [4, 8, 16]);
        assert!(dial.is_wary());
        let mut secs = |target| {
            let wait = dial.was_useless(target, false, now, u64::MAX);
            (wait.as_millis() + 500) / 1000
        };
        assert_eq!([one, other, one].map(&mut secs), [32, 60, 60]);
        assert!(!dial.is_wary(), "who it is about is known");
        dial.was_useless(None, true, now, 0);
        assert!(!dial.is_wary(), "silence ends no other");
    }

    #[test]
    fn a_connection_that_never_answered_does_not_reset_the_back_off() {
        let now = Instant::now();
        let mut dial = Dial::default();
        dial.failed(now, 0);
        dial.failed(now, 0);
        dial.succeeded();
        dial.settled();
        assert!(dial.failed(now, 0) >= Duration::from_secs(2));
        dial.proved();
        assert!(dial.failed(now, u64::MAX) <= FIRST_WAIT);
    }
}
