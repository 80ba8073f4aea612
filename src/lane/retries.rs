//! Pushes that wait for another attempt, and how many of them may be under way.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::retry_budget::RetryBudget;
use super::shelf::Shelf;
use super::{CHUNK, lock};
use crate::push::{Push, PushClass, PushId};

/// The shelf of a lane behind a lock, and its retry budget.
#[derive(Debug, Default)]
pub struct Retries {
    pub(super) shelf: Mutex<Shelf>,
    budget: RetryBudget,
}

impl Retries {
    /// How many retries may be under way.
    pub fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// Puts a push on the shelf until `due`, or until the hold ends.
    pub fn shelve(&self, mut push: Push, due: Instant) {
        self.end(&push);
        push.is_retry = false;
        lock(&self.shelf).put(push, due);
    }

    /// Holds back what falls due before `until`, and spreads it over `spread` after that.
    pub(super) fn hold(&self, until: Instant, spread: Duration) {
        lock(&self.shelf).hold(until, spread);
    }

    /// Takes a chunk of what is due, as far as the budget goes for each class; the others wait for
    /// it, transactional ones and then the earliest first.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Push> {
        // Only who holds the lock begins retries, so that the room cannot shrink meanwhile.
        let mut waiting = lock(&self.shelf);
        let mut due = Vec::new();
        for class in PushClass::ALL {
            let most = (CHUNK - due.len()).min(self.budget.room(class));
            let before = due.len();
            waiting.take_due(class, now, most, &mut due);
            self.budget.begin(class, due.len() - before);
        }
        drop(waiting);
        for push in &mut due {
            push.is_retry = true;
        }
        due
    }

    /// When the shelf has something due next; `None` also while the budget is used up, since
    /// whoever ends a retry looks again.
    pub fn next_due(&self) -> Option<Instant> {
        let classes = PushClass::ALL.map(|class| (self.budget.room(class) > 0).then_some(class));
        if classes.iter().all(Option::is_none) {
            return None;
        }
        let waiting = lock(&self.shelf);
        let may_go = classes.into_iter().flatten();
        may_go.filter_map(|class| waiting.next_due(class)).min()
    }

    /// Pushes on the shelf; none while any of them is due before `at`.
    pub fn due_from(&self, at: Instant) -> usize {
        lock(&self.shelf).all_due_from(at).unwrap_or_default()
    }

    /// When a push on the shelf is due, and its attempts that have counted.
    pub fn find(&self, id: PushId) -> Option<(Instant, u16)> {
        lock(&self.shelf).find(id)
    }

    /// The push is settled or shelved again: if it was a retry, its place is free.
    pub fn end(&self, push: &Push) {
        if push.is_retry {
            self.budget.end(push.class());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::GATHER;
    use super::super::retry_budget::LEAST_RETRIES;
    use super::*;
    use crate::moment::Moment;
    use crate::push::fixture;

    #[test]
    fn a_transactional_retry_goes_before_bulk_ones_that_were_due_sooner() {
        let (retries, now, secs) = (Retries::default(), Instant::now(), Duration::from_secs);
        let at = Moment::now();
        for push in fixture::bulk_pushes(1, LEAST_RETRIES + 1, at) {
            retries.shelve(push, now);
        }
        for (push, due) in fixture::pushes(9, 3, at).into_iter().zip([1, 3, 5]) {
            retries.shelve(push, now + secs(due));
        }
        assert_eq!(retries.next_due(), Some(now));
        let ids = |due: &[Push]| due.iter().map(|push| push.id().0).collect::<Vec<_>>();
        let due = retries.take_due(now + secs(2));
        assert_eq!(ids(&due), [9, 1, 2], "the budget is used up");
        assert_eq!(retries.next_due(), None);
        retries.end(&due[0]);
        // What hangs of the others does not have all of it.
        assert_eq!(retries.next_due(), Some(now + secs(3)));
        let next = retries.take_due(now + secs(3));
        assert_eq!(ids(&next), [10]);
        retries.end(&due[1]);
        assert_eq!(ids(&retries.take_due(now + secs(3))), [3]);
        retries.end(&next[0]);
        assert!(
            retries.take_due(now + secs(4)).is_empty(),
            "one is kept for the third"
        );
        assert_eq!(retries.next_due(), Some(now + secs(5)));
        assert_eq!(
            (retries.due_from(now), retries.find(PushId(4))),
            (2, Some((now, 0)))
        );
    }

    #[test]
    fn a_retry_has_its_place_from_when_it_is_taken_until_it_ends() {
        let (retries, now) = (Retries::default(), Instant::now());
        for push in fixture::pushes(7, LEAST_RETRIES + 1, Moment::now()) {
            retries.shelve(push, now);
        }
        let mut under_way = Vec::new();
        loop {
            let due = retries.take_due(now);
            if due.is_empty() {
                break;
            }
            under_way.extend(due);
        }
        assert_eq!((under_way.len(), retries.next_due()), (LEAST_RETRIES, None));
        let ended = under_way.pop().unwrap();
        assert!(ended.is_retry);
        retries.end(&ended);
        assert_eq!(retries.next_due(), Some(now));
        let again = retries.take_due(now).pop().unwrap();
        assert_eq!(retries.find(again.id()), None);
        retries.shelve(again, now + Duration::from_secs(1));
        let due = now + Duration::from_secs(1);
        assert_eq!(retries.next_due(), Some(due));
        assert_eq!(
            (retries.due_from(due), retries.due_from(due + GATHER)),
            (1, 0)
        );
    }
}
