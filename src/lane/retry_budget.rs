//! How many retries of a lane may be under way at once, so that a provider's bad minute does not
//! become a storm of ours.
//!
//! ```text
//! under way ≤ limit = max(3, one in six of what is in flight)      one in six: 20 % of the fresh
//! transactional ones beyond that ≤ max(1, limit / 8)               while bulk ones fill it
//! ```
//!
//! The least of 3 is for a lane with nothing fresh to send, whose shelf has to empty all the same.
//! A provider that is well again is not left waiting: while the budget is used up, each retry that
//! is answered for good raises the least by one, so that it doubles from answer to answer; one that
//! has to be tried again puts it back to 3.
//!
//! One place in eight, and one at least, bulk retries do not get: what hangs of a campaign keeps no
//! transactional retry waiting. Those that left while the limit was higher may fill all of it; then
//! as many transactional ones go beyond it.
//!
//! Pure: atomics only. A retry counts from the moment it leaves the shelf until it is settled or
//! shelved again.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::push::PushClass;

/// Retries that may be under way whatever is in flight.
pub const LEAST_RETRIES: usize = 3;
/// One retry for so many pushes in flight: with five fresh ones beside it that is 20 %, and the
/// provider sees 1.2 times what was offered, and 1.23 times while what transactional ones may
/// have beyond the limit is in use.
pub const IN_FLIGHT_PER_RETRY: usize = 6;
/// Our limit: one part in so many of the retries that may be under way, and one at least, is for
/// transactional ones alone.
const TRANSACTIONAL_PART: usize = 8;

/// A lane's retry budget.
#[derive(Debug)]
pub struct RetryBudget {
    in_flight: AtomicUsize,
    transactional: AtomicUsize,
    bulk: AtomicUsize,
    least: AtomicUsize,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            transactional: AtomicUsize::new(0),
            bulk: AtomicUsize::new(0),
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
        let each = PushClass::ALL.map(|class| self.of(class).load(Ordering::Relaxed));
        each.into_iter().sum()
    }

    /// Retries of that class that may leave the shelf now.
    pub fn room(&self, class: PushClass) -> usize {
        let limit = self.limit();
        let kept = (limit / TRANSACTIONAL_PART).max(1);
        let under_way = self.of(class).load(Ordering::Relaxed);
        let all = limit.saturating_sub(self.under_way());
        match class {
            // Also where more bulk ones are under way than would be now.
            PushClass::Transactional => all.max(kept.saturating_sub(under_way)),
            PushClass::Bulk => all.min(limit.saturating_sub(kept + under_way)),
        }
    }

    fn of(&self, class: PushClass) -> &AtomicUsize {
        match class {
            PushClass::Transactional => &self.transactional,
            PushClass::Bulk => &self.bulk,
        }
    }

    /// So many retries of that class leave the shelf.
    pub(super) fn begin(&self, class: PushClass, retries: usize) {
        self.of(class).fetch_add(retries, Ordering::Relaxed);
    }

    /// A retry of that class was settled or shelved again.
    pub(super) fn end(&self, class: PushClass) {
        let before = self.of(class).fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "more retries ended than began");
    }

    /// A retry of that class came back, answered for good or not. It is still under way.
    pub fn judge(&self, class: PushClass, answered: bool) {
        if !answered {
            self.least.store(LEAST_RETRIES, Ordering::Relaxed);
        } else if self.room(class) == 0 {
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

    const TRANSACTIONAL: PushClass = PushClass::Transactional;
    const BULK: PushClass = PushClass::Bulk;

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
        for (class, most, of_ten) in [(TRANSACTIONAL, 3, 10), (BULK, 2, 9)] {
            let budget = RetryBudget::default();
            budget.begin(class, most - 1);
            assert_eq!(budget.room(class), 1);
            budget.begin(class, 1);
            assert_eq!(budget.room(class), 0);
            budget.sent(60);
            assert_eq!(budget.room(class), of_ten - most);
            budget.returned(60);
            assert_eq!(budget.room(class), 0, "fewer in flight take nothing back");
            budget.end(class);
            assert_eq!((budget.room(class), budget.under_way()), (1, most - 1));
        }
    }

    #[test]
    fn of_what_may_be_under_way_bulk_retries_leave_a_part_to_transactional_ones() {
        let budget = RetryBudget::default();
        let rooms = || PushClass::ALL.map(|class| budget.room(class));
        assert_eq!(rooms(), [3, 2]);
        budget.begin(TRANSACTIONAL, 2);
        assert_eq!(
            rooms(),
            [1, 1],
            "what they do not use of the rest is for all"
        );
        budget.begin(BULK, 1);
        assert_eq!(rooms(), [0, 0]);
        budget.sent(40 * IN_FLIGHT_PER_RETRY);
        assert_eq!(rooms(), [37, 34], "an eighth of 40");
        budget.begin(BULK, 34);
        assert_eq!(rooms(), [3, 0]);
        budget.begin(TRANSACTIONAL, 3);
        budget.returned(40 * IN_FLIGHT_PER_RETRY);
        assert_eq!(rooms(), [0, 0]);
        (0..5).for_each(|_| budget.end(TRANSACTIONAL));
        assert_eq!(rooms(), [1, 0], "however many of the others hang");
    }

    #[test]
    fn the_least_grows_while_retries_are_answered_and_is_three_again_after_one_that_is_not() {
        for (class, most) in [(TRANSACTIONAL, 3), (BULK, 2)] {
            let budget = RetryBudget::default();
            budget.begin(class, most - 1);
            budget.judge(class, true);
            assert_eq!(budget.limit(), 3, "there was room");
            budget.begin(class, 1);
            for _ in 0..3 {
                budget.judge(class, true);
                budget.begin(class, 1);
            }
            assert_eq!(budget.limit(), 6);
            budget.judge(class, false);
            assert_eq!((budget.limit(), budget.room(BULK)), (3, 0));
        }
    }
}
