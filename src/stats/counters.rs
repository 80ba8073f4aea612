//! Settlements, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;
use crate::push::{LaneId, Provider};

/// The counters of the process, from zero at its start.
#[derive(Debug)]
pub struct Stats {
    /// Pushes to Apple.
    pub ios: LaneStats,
    /// Pushes to Google.
    pub android: LaneStats,
    started: Moment,
}

impl Stats {
    /// Counters at zero, for a process that starts `now`.
    pub fn new(now: Moment) -> Self {
        Self {
            ios: LaneStats::default(),
            android: LaneStats::default(),
            started: now,
        }
    }

    /// The counters of a platform.
    pub fn lane(&self, lane: LaneId) -> &LaneStats {
        match lane.provider() {
            Provider::Apns => &self.ios,
            Provider::Fcm => &self.android,
        }
    }

    /// When the process started.
    pub fn started(&self) -> Moment {
        self.started
    }

    /// How long the process has been up.
    pub fn uptime(&self, now: Moment) -> Duration {
        now.monotonic
            .saturating_duration_since(self.started.monotonic)
    }
}

/// The counters of one lane. Each push is counted once, when it is settled.
#[derive(Debug, Default)]
pub struct LaneStats {
    /// Pushes that the provider took.
    push_success: AtomicU64,
    /// Pushes that failed for good. (Gaurun counted attempts here.)
    push_error: AtomicU64,
    /// Requests to the provider that have ended, whatever came of them.
    attempts: AtomicU64,
    /// Times that a push was to be sent again after an attempt.
    retries: AtomicU64,
    /// Pushes sent and not answered yet: Gaurun's `pusher_count`.
    in_flight: AtomicU64,
    /// Panics of connection threads.
    panics: AtomicU64,
}

impl LaneStats {
    /// Counts a panic of a connection thread.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts pushes settled as succeeded.
    pub fn succeeded(&self, pushes: u64) {
        self.push_success.fetch_add(pushes, Ordering::Relaxed);
    }

    /// Counts pushes settled as failed.
    pub fn failed(&self, pushes: u64) {
        self.push_error.fetch_add(pushes, Ordering::Relaxed);
    }

    /// Counts attempts, and pushes that are to be sent again after one.
    pub fn tried(&self, attempts: u64, retries: u64) {
        self.attempts.fetch_add(attempts, Ordering::Relaxed);
        self.retries.fetch_add(retries, Ordering::Relaxed);
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

    /// The counters as they are now.
    pub fn figures(&self) -> LaneFigures {
        LaneFigures {
            push_success: self.push_success.load(Ordering::Relaxed),
            push_error: self.push_error.load(Ordering::Relaxed),
            attempts: self.attempts.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
        }
    }
}

/// [`LaneStats`] at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneFigures {
    /// Pushes settled as succeeded.
    pub push_success: u64,
    /// Pushes settled as failed.
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
    fn each_lane_counts_for_itself() {
        let stats = Stats::new(Moment::now());
        stats.lane(LaneId::IOS).succeeded(2);
        stats.lane(LaneId::IOS).failed(1);
        stats.lane(LaneId::ANDROID).failed(3);
        let expected = |push_success, push_error| LaneFigures {
            push_success,
            push_error,
            ..LaneFigures::default()
        };
        assert_eq!(stats.lane(LaneId::IOS).figures(), expected(2, 1));
        assert_eq!(stats.lane(LaneId::ANDROID).figures(), expected(0, 3));
    }

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
    fn uptime_counts_from_the_start() {
        let start = Moment::now();
        let later = Moment {
            stood: Duration::ZERO,
            monotonic: start.monotonic + Duration::from_secs(7),
            unix: Duration::ZERO,
        };
        let stats = Stats::new(start);
        assert_eq!(stats.uptime(later), Duration::from_secs(7));
        assert_eq!(stats.uptime(start), Duration::ZERO);
        assert_eq!(stats.started(), start);
    }
}
