//! What is counted of a lane: by its connection threads once a round, by callers once a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::{
    Histogram, HistogramPart, WITHIN_A_MINUTE, WITHIN_AN_HOUR, WITHIN_HALF_A_MINUTE,
};
use super::keyed::KeyedCounters;
use crate::push::{End, PushClass};

/// What a lane's attempt ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttemptEnd {
    /// An answer of that status.
    Status(u16),
    /// The provider's word that it did not look at it.
    Refused,
    /// Nothing: no answer came.
    Unanswered,
    /// One of the statuses for which there is no place any more.
    Other,
}

impl AttemptEnd {
    /// Its name as a label.
    pub fn label(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Refused => "refused".to_owned(),
            Self::Unanswered => "unanswered".to_owned(),
            Self::Other => OTHER.to_owned(),
        }
    }
}

/// How a push ended, and the word for why; the word is one of ours, or one of those that a
/// provider's table has.
pub type SettledAs = (End, &'static str);

/// What stands for all words that no table has.
pub const OTHER: &str = "other";

/// In the place of the path of a request that could not be read.
pub const UNREAD: &str = "unread";

/// Our limit: different ends and words that are counted apart of one lane.
pub const SETTLED_MAX: usize = 64;

/// Our limit: different statuses that are counted apart of one lane.
pub const STATUSES_MAX: usize = 24;

/// Our limit: different reasons of GOAWAYs that are counted apart of one lane.
pub const GOAWAYS_MAX: usize = 16;

/// Our limit: different words for dead device tokens that are counted apart of one lane.
pub const DEAD_MAX: usize = 8;

/// The counters of one lane. Each push is counted once, when it is settled.
#[derive(Debug)]
pub struct LaneStats {
    /// Pushes that were accepted.
    transactional: AtomicU64,
    bulk: AtomicU64,
    /// Pushes that have ended.
    settled: KeyedCounters<SettledAs, SETTLED_MAX>,
    /// From acceptance to end.
    push_duration: Histogram,
    /// Requests to the provider that have ended.
    attempts: KeyedCounters<AttemptEnd, STATUSES_MAX>,
    /// From being handed to a connection to their ends.
    attempt_duration: Histogram,
    /// Of those, the ones after which their push was to be sent again.
    retries: KeyedCounters<AttemptEnd, STATUSES_MAX>,
    /// Device tokens that were called dead, by the provider's word.
    dead_tokens: KeyedCounters<&'static str, DEAD_MAX>,
    /// Pushes sent and not answered yet: Gaurun's `pusher_count`.
    in_flight: AtomicU64,
    /// Connections to the provider that are open.
    connections: AtomicU64,
    /// Streams that the provider allows on those.
    streams: AtomicU64,
    /// Connections that were opened, and tries that failed.
    connected: AtomicU64,
    not_connected: AtomicU64,
    /// GOAWAYs of the provider, by their reason.
    goaways: KeyedCounters<&'static str, GOAWAYS_MAX>,
    /// Microseconds in which pushes waited for a window of the provider.
    stalled: AtomicU64,
    /// Panics of connection threads.
    panics: AtomicU64,
}

impl Default for LaneStats {
    fn default() -> Self {
        Self {
            transactional: AtomicU64::new(0),
            bulk: AtomicU64::new(0),
            settled: KeyedCounters::new((End::Failed, OTHER)),
            push_duration: Histogram::new(&WITHIN_AN_HOUR),
            attempts: KeyedCounters::new(AttemptEnd::Other),
            attempt_duration: Histogram::new(&WITHIN_A_MINUTE),
            retries: KeyedCounters::new(AttemptEnd::Other),
            dead_tokens: KeyedCounters::new(OTHER),
            in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            connected: AtomicU64::new(0),
            not_connected: AtomicU64::new(0),
            goaways: KeyedCounters::new(OTHER),
            stalled: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }
}

/// What a connection thread has counted in a round, and its lane has not heard of.
#[derive(Debug)]
pub struct RoundStats {
    settled: Vec<(SettledAs, u64)>,
    attempts: Vec<(AttemptEnd, u64)>,
    retries: Vec<(AttemptEnd, u64)>,
    dead_tokens: Vec<(&'static str, u64)>,
    push_duration: HistogramPart,
    attempt_duration: HistogramPart,
}

impl Default for RoundStats {
    fn default() -> Self {
        Self {
            settled: Vec::new(),
            attempts: Vec::new(),
            retries: Vec::new(),
            dead_tokens: Vec::new(),
            push_duration: HistogramPart::new(&WITHIN_AN_HOUR),
            attempt_duration: HistogramPart::new(&WITHIN_A_MINUTE),
        }
    }
}

impl RoundStats {
    /// Counts a push that has ended so, so long after its acceptance.
    pub fn settled(&mut self, as_what: SettledAs, after: Duration) {
        count(&mut self.settled, as_what);
        self.push_duration.add(after);
    }

    /// Counts an attempt that has ended so, and so late; `is_again`: its push is to be sent again.
    pub fn tried(&mut self, end: AttemptEnd, took: Duration, is_again: bool) {
        count(&mut self.attempts, end);
        self.attempt_duration.add(took);
        if is_again {
            count(&mut self.retries, end);
        }
    }

    /// Counts a device token that is dead by that word.
    pub fn dead_token(&mut self, reason: &'static str) {
        count(&mut self.dead_tokens, reason);
    }
}

/// Counts one more of that key, of which there are few different ones in a round.
fn count<K: PartialEq>(counts: &mut Vec<(K, u64)>, key: K) {
    match counts.iter_mut().rev().find(|(known, _)| *known == key) {
        Some((_, count)) => *count += 1,
        None => counts.push((key, 1)),
    }
}

impl LaneStats {
    /// Counts pushes that were accepted.
    pub fn accepted(&self, class: PushClass, pushes: u64) {
        let count = match class {
            PushClass::Transactional => &self.transactional,
            PushClass::Bulk => &self.bulk,
        };
        count.fetch_add(pushes, Ordering::Relaxed);
    }

    /// Adds what a connection thread has counted in a round, and empties that.
    pub fn add(&self, round: &mut RoundStats) {
        for (as_what, count) in round.settled.drain(..) {
            self.settled.add(as_what, count);
        }
        for (end, count) in round.attempts.drain(..) {
            self.attempts.add(end, count);
        }
        for (end, count) in round.retries.drain(..) {
            self.retries.add(end, count);
        }
        for (reason, count) in round.dead_tokens.drain(..) {
            self.dead_tokens.add(reason, count);
        }
        self.push_duration.add_all(&mut round.push_duration);
        self.attempt_duration.add_all(&mut round.attempt_duration);
    }

    /// Counts a panic of a connection thread.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts pushes that were put in flight.
    pub fn sent(&self, pushes: u64) {
        self.in_flight.fetch_add(pushes, Ordering::Relaxed);
    }

    /// Counts pushes that are no longer in flight, whatever became of them.
    pub fn returned(&self, pushes: u64) {
        // Saturates, so that a push returned twice is not shown as 2^64 in flight.
        let _ = self
            .in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_flight| {
                Some(in_flight.saturating_sub(pushes))
            });
    }

    /// A connection was opened, or could not be.
    pub fn connects(&self, is_open: bool) {
        let count = if is_open {
            &self.connected
        } else {
            &self.not_connected
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts GOAWAYs of that reason: a word of a provider's table, or an error code's name.
    pub fn went_away(&self, reason: &'static str, count: u64) {
        self.goaways.add(reason, count);
    }

    /// Pushes have waited so long for a window of the provider.
    pub fn stalled(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.stalled.fetch_add(micros, Ordering::Relaxed);
    }

    /// A thread has so many connections now, and streams on them, in the place of so many before.
    pub fn shows(&self, now: OpenConnections, before: OpenConnections) {
        for (gauge, now, before) in [
            (&self.connections, now.connections, before.connections),
            (&self.streams, now.streams, before.streams),
        ] {
            // Wraps in between at most: what was taken away had been added.
            gauge.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// What all threads have open.
    pub fn open_connections(&self) -> OpenConnections {
        OpenConnections {
            connections: self.connections.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
        }
    }

    /// How often a connection was opened, and how often not.
    pub fn connected(&self) -> [u64; 2] {
        [&self.connected, &self.not_connected].map(|count| count.load(Ordering::Relaxed))
    }

    /// GOAWAYs, by their reason.
    pub fn goaways(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.goaways.figures()
    }

    /// How long pushes have waited for a window of the provider, summed over connections.
    pub fn stalled_for(&self) -> Duration {
        Duration::from_micros(self.stalled.load(Ordering::Relaxed))
    }

    /// Pushes that were accepted of that class.
    pub fn accepted_of(&self, class: PushClass) -> u64 {
        let count = match class {
            PushClass::Transactional => &self.transactional,
            PushClass::Bulk => &self.bulk,
        };
        count.load(Ordering::Relaxed)
    }

    /// How pushes have ended, and how many so.
    pub fn settled(&self) -> impl Iterator<Item = (SettledAs, u64)> {
        self.settled.figures()
    }

    /// How attempts have ended, and how many so.
    pub fn attempts(&self) -> impl Iterator<Item = (AttemptEnd, u64)> {
        self.attempts.figures()
    }

    /// After what attempts pushes were to be sent again, and how often.
    pub fn retries(&self) -> impl Iterator<Item = (AttemptEnd, u64)> {
        self.retries.figures()
    }

    /// By what words device tokens were called dead, and how many by it.
    pub fn dead_tokens(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.dead_tokens.figures()
    }

    /// How long pushes took from acceptance to end.
    pub fn push_duration(&self) -> &Histogram {
        &self.push_duration
    }

    /// How long attempts took.
    pub fn attempt_duration(&self) -> &Histogram {
        &self.attempt_duration
    }

    /// The counters as they are now.
    pub fn figures(&self) -> LaneFigures {
        let of_end = |is: fn(End) -> bool| {
            let of_it = self.settled().filter(|((end, _), _)| is(*end));
            of_it.map(|(_, count)| count).sum()
        };
        LaneFigures {
            push_success: of_end(|end| end == End::Succeeded),
            push_error: of_end(|end| end != End::Succeeded),
            attempts: self.attempts.sum(),
            retries: self.retries.sum(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
        }
    }
}

/// The counters of what callers ask.
#[derive(Debug)]
pub struct CallerStats {
    /// Answers, by path and status.
    requests: KeyedCounters<(&'static str, u16), REQUESTS_MAX>,
    /// From the first byte of a request to its answer.
    duration: Histogram,
}

/// Our limit: different pairs of path and status that are counted apart.
pub const REQUESTS_MAX: usize = 512;

impl Default for CallerStats {
    fn default() -> Self {
        Self {
            requests: KeyedCounters::new((OTHER, 0)),
            duration: Histogram::new(&WITHIN_HALF_A_MINUTE),
        }
    }
}

impl CallerStats {
    /// Counts an answer of that status to a request for that path, so long after its first byte.
    pub fn answered(&self, path: &'static str, status: u16, took: Duration) {
        self.requests.add((path, status), 1);
        self.duration.add(took);
    }

    /// Counts an answer of that status to a connection of which nothing was read.
    pub fn turned_away(&self, status: u16) {
        self.requests.add((UNREAD, status), 1);
    }

    /// Answers, by path and status.
    pub fn requests(&self) -> impl Iterator<Item = ((&'static str, u16), u64)> {
        self.requests.figures()
    }

    /// How long they took.
    pub fn duration(&self) -> &Histogram {
        &self.duration
    }
}

/// The connections that a thread, or a lane, has open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenConnections {
    /// How many.
    pub connections: u64,
    /// Streams that the provider allows on all of them.
    pub streams: u64,
}

/// [`LaneStats`] at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneFigures {
    /// Pushes settled as succeeded.
    pub push_success: u64,
    /// Pushes settled as failed. (Gaurun counted attempts here.)
    pub push_error: u64,
    /// Attempts that have ended.
    pub attempts: u64,
    /// Times that a push was to be sent again after an attempt.
    pub retries: u64,
    /// Pushes sent and not answered yet.
    pub in_flight: u64,
    /// Panics of connection threads.
    pub panics: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_flight_goes_up_and_down_and_not_below_zero() {
        let lane = LaneStats::default();
        lane.sent(5);
        lane.returned(2);
        assert_eq!(lane.figures().in_flight, 3);
        lane.returned(4);
        assert_eq!(lane.figures().in_flight, 0);
    }

    #[test]
    fn a_round_is_added_once() {
        const MOMENT: Duration = Duration::from_millis(20);
        let lane = LaneStats::default();
        let mut round = RoundStats::default();
        for _ in 0..3 {
            round.tried(AttemptEnd::Status(200), MOMENT, false);
            round.settled((End::Succeeded, ""), 2 * MOMENT);
        }
        round.tried(AttemptEnd::Status(503), MOMENT, true);
        round.tried(AttemptEnd::Unanswered, MOMENT, true);
        round.settled((End::Failed, "Unregistered"), MOMENT);
        round.dead_token("Unregistered");
        round.settled((End::Expired, "expired"), MOMENT);
        for _ in 0..2 {
            lane.add(&mut round);
            let figures = lane.figures();
            assert_eq!((figures.push_success, figures.push_error), (3, 2));
            assert_eq!((figures.attempts, figures.retries), (5, 2));
            assert_eq!(lane.push_duration().figures().count(), 5);
            assert_eq!(lane.attempt_duration().figures().count(), 5);
            assert_eq!(
                lane.dead_tokens().collect::<Vec<_>>(),
                [("Unregistered", 1)]
            );
        }
    }
}
