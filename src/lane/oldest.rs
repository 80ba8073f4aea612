//! Which notification has waited for longest in a lane.
//!
//! Its pushes go from place to place and end in any order, so that nobody looks for the oldest one:
//! what was queued is kept here in its order, weakly, until none of its pushes is left. What is
//! dead is dropped from the front, and from the rest whenever that has doubled, so that this grows
//! with what waits and costs a notification the same however much that is.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::room::QueueKind;
use crate::moment::Moment;
use crate::push::{Accepted, Push, PushClass, PushId};

/// What waits for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The id of the first push of its notification.
    pub first_id: PushId,
    /// When that was accepted; of one that was scheduled, when it was to be sent.
    pub at: Moment,
}

impl Oldest {
    /// For how long it waits, whatever the wall clock is set to meanwhile.
    pub fn age(&self, now: Moment) -> Duration {
        now.since(self.at)
    }
}

/// What is queued so much later than it was accepted comes from an earlier process, after what this
/// one has accepted.
const RECOVERED: Duration = Duration::from_secs(60);

/// Entries that are kept without a look at whether they live, and that are dropped at a time.
const KEPT: usize = 1024;

/// The notifications of a lane's pushes.
#[derive(Debug, Default)]
pub struct Waiting {
    transactional: WaitingKind,
    bulk: WaitingKind,
    scheduled: WaitingKind,
}

/// The notifications of pushes of one kind.
#[derive(Debug, Default)]
struct WaitingKind {
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
            self.kind(QueueKind::of(push)).add(accepted);
        }
    }

    fn kind(&mut self, kind: QueueKind) -> &mut WaitingKind {
        match kind {
            QueueKind::Of(PushClass::Transactional) => &mut self.transactional,
            QueueKind::Of(PushClass::Bulk) => &mut self.bulk,
            QueueKind::Scheduled => &mut self.scheduled,
        }
    }

    /// Drops dead ones that stand in front of those of that kind, `KEPT` of a row at most: a
    /// campaign that has ended leaves a million. Whether none is left there.
    pub fn drop_some_dead(&mut self, kind: QueueKind) -> bool {
        let kind = self.kind(kind);
        let rows = [&mut kind.accepted, &mut kind.recovered];
        rows.map(WaitingRow::drop_dead_front) == [true; 2]
    }

    /// The oldest of that kind of which a push is left, to be asked when there are no dead ones in
    /// front.
    pub fn oldest_of(&mut self, kind: QueueKind) -> Option<Oldest> {
        let kind = self.kind(kind);
        let each = [kind.accepted.first(), kind.recovered.first()];
        each.into_iter()
            .flatten()
            .min_by_key(|oldest| oldest.at.unix)
    }
}

impl WaitingKind {
    fn add(&mut self, accepted: &Arc<Accepted>) {
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

impl WaitingRow {
    fn add(&mut self, accepted: &Arc<Accepted>) {
        self.drop_dead_front();
        if self.row.len() >= self.limit.max(KEPT) {
            self.row.retain(is_alive);
            self.limit = self.row.len().saturating_mul(2);
        }
        self.row.push_back(Arc::downgrade(accepted));
    }

    /// Drops some, the more of them than one is added; whether none is left.
    fn drop_dead_front(&mut self) -> bool {
        let is_dead = |row: &VecDeque<_>| row.front().is_some_and(|first| !is_alive(first));
        for _ in 0..KEPT {
            if !is_dead(&self.row) {
                return true;
            }
            self.row.pop_front();
        }
        !is_dead(&self.row)
    }

    fn first(&self) -> Option<Oldest> {
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
    use crate::push::fixture::{self, push_to};

    fn accepted_at(secs: u64) -> Push {
        let now = Moment::now();
        let at = Moment {
            unix: Duration::from_secs(secs),
            ..now
        };
        push_to("ab", at)
    }

    fn oldest(waiting: &mut Waiting) -> Option<Oldest> {
        let each = QueueKind::ALL.map(|kind| {
            while !waiting.drop_some_dead(kind) {}
            waiting.oldest_of(kind)
        });
        let each = each.into_iter().flatten();
        each.min_by_key(|oldest| oldest.at.unix)
    }

    fn shown(waiting: &mut Waiting) -> Option<u64> {
        oldest(waiting).map(|oldest| oldest.at.unix.as_secs())
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
    fn an_age_is_the_same_whatever_the_wall_clock_is_set_to() {
        let at = Moment::now();
        let oldest = Oldest {
            first_id: PushId(1),
            at,
        };
        for unix in [0, 5, 3600] {
            let now = Moment {
                monotonic: at.monotonic + Duration::from_secs(5),
                unix: at.unix + Duration::from_secs(unix),
                ..at
            };
            assert_eq!(oldest.age(now), Duration::from_secs(5));
        }
    }

    #[test]
    fn each_kind_has_its_oldest_and_what_was_scheduled_counts_from_its_time() {
        let mut waiting = Waiting::default();
        let now = Moment::now();
        let bulk = fixture::bulk_pushes(1, 2, now);
        let code = accepted_at(now.unix_secs() + 3);
        waiting.add(&bulk);
        waiting.add(std::slice::from_ref(&code));
        let [first, second, none] = QueueKind::ALL.map(|kind| waiting.oldest_of(kind));
        assert_eq!(first.map(|it| it.at), Some(code.accepted().at));
        assert_eq!(
            second.map(|it| (it.at, it.first_id)),
            Some((now, PushId(1)))
        );
        assert_eq!((none, oldest(&mut waiting)), (None, second));
        let [due] = &fixture::scheduled_pushes(7, 1, now)[..] else {
            panic!("one was made");
        };
        waiting.add(std::slice::from_ref(due));
        let scheduled = waiting.oldest_of(QueueKind::Scheduled);
        assert_eq!(scheduled.map(|it| it.first_id), Some(PushId(7)));
        drop(bulk);
        assert_eq!(waiting.oldest_of(QueueKind::Of(PushClass::Bulk)), None);
    }

    #[test]
    fn one_that_waits_for_long_does_not_keep_the_dead_behind_it() {
        let mut waiting = Waiting::default();
        let first = accepted_at(1000);
        waiting.add(std::slice::from_ref(&first));
        for _ in 0..10 * KEPT {
            waiting.add(&[accepted_at(1001)]);
            assert!(waiting.transactional.accepted.row.len() <= KEPT);
        }
        assert_eq!(shown(&mut waiting), Some(1000));
    }
    #[test]
    fn a_campaign_that_has_ended_is_dropped_part_by_part() {
        let kind = QueueKind::Of(PushClass::Transactional);
        let mut waiting = Waiting::default();
        let ended: Vec<_> = (0..=3 * KEPT as u64).map(accepted_at).collect();
        let last = accepted_at(1 << 20);
        waiting.add(&ended);
        waiting.add(std::slice::from_ref(&last));
        drop(ended);
        let mut looks = 0;
        loop {
            let before = waiting.transactional.accepted.row.len();
            let is_done = waiting.drop_some_dead(kind);
            let dropped = before - waiting.transactional.accepted.row.len();
            assert!(dropped <= KEPT, "{dropped} at once");
            looks += 1;
            if is_done {
                break;
            }
        }
        assert_eq!(looks, 4);
        assert_eq!(shown(&mut waiting), Some(1 << 20));
    }
}
