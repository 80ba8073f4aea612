//! How many retries of a lane may be under way at once, so that a provider's bad minute does not
//! become a storm of ours.
//!
//! ```text
//! under way ≤ max(3, one in six of what is in flight)        one in six: 20 % of the fresh pushes
//! ```
//!
//! The least of 3 is for a lane with nothing fresh to send, whose shelf has to empty all the same.
//! A provider that is well again is not left waiting: while the budget is used up, each retry that
//! is answered for good raises the least by one, so that it doubles from answer to answer; one that
//! has to be tried again puts it back to 3.
//!
//! Pure: atomics only. A retry counts from the moment it leaves the shelf until it is settled or
//! shelved again.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Retries that may be under way whatever is in flight.
pub const LEAST_RETRIES: usize = 3;
/// One retry for so many pushes in flight: with five fresh ones beside it that is 20 %, and the
/// provider sees 1.2 times what was offered.
pub const IN_FLIGHT_PER_RETRY: usize = 6;

/// A lane's retry budget.
#[derive(Debug)]
pub struct RetryBudget {
    in_flight: AtomicUsize,
    under_way: AtomicUsize,
    least: AtomicUsize,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            least: AtomicUsize::new(LEAST_RETRIES),
        }
    }
}

impl RetryBudget {
    /// Retries that may be under way now.
    pub fn limit(&self) -> usize {
        let share = self.in_flight.load(Ordering::Relaxed) / IN_FLIGHT_PER_RETRY;
        share.max(self.least.load(Ordering::Relaxed))
    }

    /// Pushes in flight, retries and others.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Retries that are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Retries that may leave the shelf now.
    pub fn room(&self) -> usize {
        self.limit().saturating_sub(self.under_way())
    }

    /// So many retries leave the shelf.
    pub(super) fn begin(&self, retries: usize) {
        self.under_way.fetch_add(retries, Ordering::Relaxed);
    }

    /// A retry was settled or shelved again.
    pub(super) fn end(&self) {
        let before = self.under_way.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "more retries ended than began");
    }

    /// A retry came back, answered for good or not. It is still under way.
    pub fn judge(&self, answered: bool) {
        if !answered {
            self.least.store(LEAST_RETRIES, Ordering::Relaxed);
        } else if self.room() == 0 {
            self.least.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection thread has so many more pushes in flight.
    pub fn sent(&self, pushes: usize) {
        self.in_flight.fetch_add(pushes, Ordering::Relaxed);
    }

    /// A connection thread has so many fewer pushes in flight.
    pub fn returned(&self, pushes: usize) {
        let before = self.in_flight.fetch_sub(pushes, Ordering::Relaxed);
        debug_assert!(before >= pushes, "more pushes returned than were sent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_retries_or_a_fifth_of_the_fresh_pushes_may_be_under_way() {
        for (in_flight, expected) in [(0, 3), (1, 3), (23, 3), (24, 4), (600, 100)] {
            let budget = RetryBudget::default();
            budget.sent(in_flight);
            assert_eq!(budget.limit(), expected, "{in_flight} in flight");
            let fresh = in_flight.saturating_sub(expected);
            assert!(expected == LEAST_RETRIES || expected * 5 <= fresh);
        }
    }

    #[test]
    fn what_is_under_way_takes_room_until_it_ends() {
        let budget = RetryBudget::default();
        budget.begin(2);
        assert_eq!(budget.room(), 1);
        budget.begin(1);
        assert_eq!(budget.room(), 0);
        budget.sent(60);
        assert_eq!(budget.room(), 7);
        budget.returned(60);
        assert_eq!(budget.room(), 0, "fewer in flight take nothing back");
        budget.end();
        assert_eq!((budget.room(), budget.under_way()), (1, 2));
    }

    #[test]
    fn the_least_grows_while_retries_are_answered_and_is_three_again_after_one_that_is_not() {
        let budget = RetryBudget::default();
        budget.begin(2);
        budget.judge(true);
        assert_eq!(budget.limit(), 3, "there was room");
        budget.begin(1);
        for _ in 0..3 {
            budget.judge(true);
            budget.begin(1);
        }
        assert_eq!(budget.limit(), 6);
        budget.judge(false);
        assert_eq!((budget.limit(), budget.room()), (3, 0));
    }
}
