//! Settlements, counted.

use std::sync::atomic::{AtomicU64, Ordering};

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
    fn in_flight_goes_up_and_down_and_not_below_zero() {
        let lane = LaneStats::default();
        lane.sent(5);
        lane.returned(2);
        assert_eq!(lane.figures().in_flight, 3);
        lane.returned(4);
        assert_eq!(lane.figures().in_flight, 0);
    }
}
