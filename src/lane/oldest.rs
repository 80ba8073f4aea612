//! Which notification has waited for longest in a lane.
//!
//! Its pushes go from place to place and end in any order, so that nobody looks for the oldest one:
//! what was queued is kept here in its order, weakly, until none of its pushes is left. What is
//! dead is dropped from the front, and from the rest whenever that has doubled, so that this grows
//! with what waits and costs a notification the same however much that is.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::moment::Moment;
use crate::push::{Accepted, Push, PushId};

/// What waits for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The id of the first push of its notification.
    pub first_id: PushId,
    /// When that was accepted.
    pub at: Moment,
}

/// What is queued so much later than it was accepted comes from an earlier process, after what this
/// one has accepted.
const RECOVERED: Duration = Duration::from_secs(60);

/// Entries that are kept without a look at whether they live.
const KEPT: usize = 1024;

/// The notifications of a lane's pushes.
#[derive(Debug, Default)]
pub struct Waiting {
    accepted: WaitingRow,
    /// Those of an earlier process.
    recovered: WaitingRow,
    /// When the last one was accepted.
    latest: Option<Duration>,
}

/// Notifications in the order of their acceptance.
#[derive(Debug, Default)]
struct WaitingRow {
    row: VecDeque<Weak<Accepted>>,
    /// How many there may be before the dead ones are dropped.
    limit: usize,
}

impl Waiting {
    /// Takes note of pushes that were queued, or wait elsewhere.
    pub fn add(&mut self, pushes: &[Push]) {
        let mut before: Option<&Arc<Accepted>> = None;
        for push in pushes {
            let accepted = push.accepted();
            if before.is_some_and(|before| Arc::ptr_eq(before, accepted)) {
                continue;
            }
            before = Some(accepted);
            let at = accepted.at.unix;
            let latest = self.latest.unwrap_or(at);
            if at.saturating_add(RECOVERED) < latest {
                self.recovered.add(accepted);
            } else {
                self.accepted.add(accepted);
            }
            self.latest = Some(latest.max(at));
        }
    }

    /// The oldest of which a push is left.
    pub fn oldest(&mut self) -> Option<Oldest> {
        let each = [self.accepted.first(), self.recovered.first()];
        each.into_iter()
            .flatten()
            .min_by_key(|oldest| oldest.at.unix)
    }
}

impl WaitingRow {
    fn add(&mut self, accepted: &Arc<Accepted>) {
        self.drop_dead_front();
        if self.row.len() >= self.limit.max(KEPT) {
            self.row.retain(is_alive);
            self.limit = self.row.len().saturating_mul(2);
        }
        self.row.push_back(Arc::downgrade(accepted));
    }

    fn drop_dead_front(&mut self) {
        while self.row.front().is_some_and(|first| !is_alive(first)) {
            self.row.pop_front();
        }
    }

    fn first(&mut self) -> Option<Oldest> {
        self.drop_dead_front();
        let first = self.row.iter().find_map(Weak::upgrade)?;
        Some(Oldest {
            first_id: first.first_id,
            at: first.at,
        })
    }
}

fn is_alive(accepted: &Weak<Accepted>) -> bool {
    accepted.strong_count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::fixture::push_to;

    fn accepted_at(secs: u64) -> Push {
        let now = Moment::now();
        let at = Moment {
            unix: Duration::from_secs(secs),
            ..now
        };
        push_to("ab", at)
    }

    fn shown(waiting: &mut Waiting) -> Option<u64> {
        waiting.oldest().map(|oldest| oldest.at.unix.as_secs())
    }

    #[test]
    fn the_oldest_is_the_first_of_which_a_push_is_left_in_whatever_order_they_end() {
        let mut waiting = Waiting::default();
        assert_eq!(shown(&mut waiting), None);
        let mut pushes: Vec<_> = (1000..1004).map(accepted_at).collect();
        waiting.add(&pushes);
        assert_eq!(shown(&mut waiting), Some(1000));
        let copy = pushes[2].clone();
        drop(pushes.drain(1..3));
        assert_eq!(shown(&mut waiting), Some(1000));
        drop(pushes.remove(0));
        assert_eq!(shown(&mut waiting), Some(1002), "a copy of it is left");
        drop(copy);
        assert_eq!(shown(&mut waiting), Some(1003));
        // What comes out of the journal was accepted before.
        let recovered = accepted_at(400);
        waiting.add(std::slice::from_ref(&recovered));
        assert_eq!(shown(&mut waiting), Some(400));
        drop(recovered);
        assert_eq!(shown(&mut waiting), Some(1003));
        pushes.clear();
        assert_eq!(shown(&mut waiting), None);
    }

    #[test]
    fn one_that_waits_for_long_does_not_keep_the_dead_behind_it() {
        let mut waiting = Waiting::default();
        let first = accepted_at(1000);
        waiting.add(std::slice::from_ref(&first));
        for _ in 0..10 * KEPT {
            waiting.add(&[accepted_at(1001)]);
            assert!(waiting.accepted.row.len() <= KEPT);
        }
        assert_eq!(shown(&mut waiting), Some(1000));
    }
}
