//! Feeding what is scheduled, when its time has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AT_A_TIME, Feeding, LOOKS_EVERY, feed};
use crate::journal::Outstanding;
use crate::lane::{Lane, Reservation};
use crate::moment::Moment;

/// While something is scheduled the wall clock is looked at so often.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

impl Feeding {
    /// Feeds the lanes what is scheduled and due, as they have room for it; when to go on, if
    /// anything is scheduled.
    pub(super) fn feed_scheduled(&mut self, now: Moment) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        self.clock.look(now);
        for to in &mut self.lanes {
            let id = to.lane.id();
            let (scheduled, Some(at)) = self.backlog.scheduled(id) else {
                continue;
            };
            let mut look = next_look(Some(at), now);
            if at <= now.unix {
                // What cannot be read is read again later, as what was there at the start is.
                look = now.monotonic.checked_add(LOOKS_EVERY);
                if let Some(room) = scheduled_room(&to.lane, scheduled) {
                    let called_off = self.backlog.called_off.lock();
                    let mut fed = self.backlog.claim_due(id, room.pushes(), now);
                    for of in &mut fed.notifications {
                        self.clock.put_off(of);
                    }
                    if feed(to, room, fed, &called_off, now) {
                        look = Some(now.monotonic);
                    }
                }
            }
            next = next.into_iter().chain(look).min();
        }
        next
    }
}

/// When to look again at what is scheduled, the first of it for that time: then, unless the wall
/// clock is set meanwhile, or that time is over.
pub(super) fn next_look(at: Option<Duration>, now: Moment) -> Option<Instant> {
    let wait = at?.saturating_sub(now.unix);
    let wait = Some(wait).filter(|wait| !wait.is_zero());
    now.monotonic
        .checked_add(wait.map_or(CLOCK_EVERY, |wait| wait.min(CLOCK_EVERY)))
}

/// Room for what is scheduled and due, of which there may be so much: not for a few at a time,
/// since a notification is read anew for each part of it.
fn scheduled_room(lane: &Arc<Lane>, scheduled: u64) -> Option<Reservation> {
    let share = lane.room().scheduled();
    let worthwhile = usize::try_from(scheduled).unwrap_or(usize::MAX);
    let worthwhile = worthwhile.min(AT_A_TIME).min(share.capacity() / 4);
    let room = share.capacity().saturating_sub(share.outstanding());
    let room = room.min(AT_A_TIME);
    (room >= worthwhile.max(1))
        .then(|| lane.room().reserve_scheduled(room))
        .flatten()
}

/// What is known of the wall clock from one look to the next.
#[derive(Debug, Default)]
pub(super) struct WallClock {
    looked: Option<Moment>,
    /// From when and to when it was set forward last.
    jump: Option<(Duration, Duration)>,
}

impl WallClock {
    /// Notes whether the clock was set forward since the last look.
    fn look(&mut self, now: Moment) {
        let before = self.looked.replace(now);
        let Some(before) = before else {
            return;
        };
        let expected = before.unix.saturating_add(now.since(before));
        if now.unix > expected.saturating_add(JUMP) {
            self.jump = Some((expected, now.unix));
            ::log::warn!(
                "the wall clock was set forward by {} s: what is scheduled for the time between is \
                 sent now",
                now.unix.saturating_sub(expected).as_secs()
            );
        }
    }

    /// Has what the clock has jumped over count from when that was: it has not waited since.
    fn put_off(&self, due: &mut Outstanding) {
        let Some(((from, to), earliest)) = self.jump.zip(due.envelope.earliest) else {
            return;
        };
        let at = Duration::from_secs(earliest.get().into());
        if at > from && at <= to {
            due.at = due.at.max(to);
        }
    }
}

/// A wall clock that is further than the other by that was set.
const JUMP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::super::absent::Absent;
    use super::super::super::fixture::{backlog_in, later, no_logs, scheduled};
    use super::super::tests::feeding;
    use super::*;
    use crate::backlog::Backlog;
    use crate::delivery::fixture::idle_lane;
    use crate::delivery::policy::Limits;
    use crate::delivery::reasons::{JOURNAL_DAMAGED, PURGED};
    use crate::delivery::register::Register;
    use crate::heartbeat::LONGEST_REST;
    use crate::journal::fixture::MemoryFiles;
    use crate::push::{Accepted, End, LaneId, PushId};

    fn keep(backlog: &Backlog, accepted: &[Arc<Accepted>]) {
        backlog.accept(accepted, None).unwrap();
        backlog.release_scheduled(accepted);
    }

    #[test]
    fn what_is_scheduled_is_queued_at_its_time_on_room_of_its_own_however_the_clock_is_set() {
        let (backlog, now) = (backlog_in(&MemoryFiles::default()), Moment::now());
        let register = Arc::<Register>::default();
        let running = idle_lane((LaneId::IOS, Arc::default()), 4, &no_logs(), &register);
        let lane = &running.lane;
        let six = scheduled((LaneId::IOS, 7, 6), "", 10, now);
        let sooner = scheduled((LaneId::IOS, 20, 1), "", 5, now);
        keep(&backlog, &[six, sooner]);
        let mut feeding = feeding(&running, backlog, register);
        let mut feed = |secs: u64| {
            let next = feeding.feed_scheduled(later(now, secs));
            let ids: Vec<u64> = lane.take_rest().iter().map(|push| push.id().0).collect();
            (ids, next.map(|next| next - now.monotonic))
        };
        let second = Duration::from_secs(1);
        // The wall clock may be set meanwhile.
        assert_eq!(feed(0), (vec![], Some(second)));
        assert_eq!(feed(4).1.map(|next| next <= second), Some(true));
        assert_eq!(feed(5).0, [20]);
        assert_eq!(feed(9).0, [0; 0]);
        // A clock that is set forward makes it due, as much of it as there is room for, …
        assert_eq!(feed(100_000).0, [7, 8, 9]);
        assert_eq!(feed(100_000), (vec![], Some(LOOKS_EVERY)));
        // … and takes none of that of callers.
        assert_eq!(lane.room().callers().outstanding(), 0);
        drop(lane.room().reserve(4).unwrap());
        lane.room().scheduled().settled(4);
        // One that is set back has the rest wait.
        assert_eq!(feed(9).0, [0; 0]);
        assert_eq!(feed(10), (vec![10, 11, 12], Some(Duration::ZERO)));
        assert_eq!(feed(10), (vec![], None), "nothing is scheduled");
    }

    #[test]
    fn of_what_is_scheduled_and_damaged_each_push_ends_and_gives_its_room_back() {
        let (files, now) = (MemoryFiles::default(), Moment::now());
        let backlog = backlog_in(&files);
        let one = scheduled((LaneId::IOS, 7, 1), "a name", 10, now);
        keep(&backlog, &[one]);
        let path = files.paths().pop().unwrap();
        files.damage(&path, b"a name", b"b name");
        let register = Arc::<Register>::default();
        let running = idle_lane((LaneId::IOS, Arc::default()), 4, &no_logs(), &register);
        let mut feeding = feeding(&running, backlog, Arc::clone(&register));
        feeding.feed_scheduled(later(now, 10));
        let ended = register.find(PushId(7)).unwrap().settlement;
        assert_eq!(ended.reason, JOURNAL_DAMAGED);
        assert_eq!(running.lane.room().outstanding(), 0);
    }

    #[test]
    fn a_purge_means_what_was_scheduled_before_it_also_where_its_time_comes_meanwhile() {
        let (backlog, now) = (backlog_in(&MemoryFiles::default()), Moment::now());
        let of = |id, ahead| [scheduled((LaneId::IOS, id, 1), "sale", ahead, now)];
        keep(&backlog, &of(7, 10));
        keep(&backlog, &of(8, 20));
        let so_far = backlog.so_far(now);
        keep(&backlog, &of(9, 10));
        let register = Arc::<Register>::default();
        let running = idle_lane((LaneId::IOS, Arc::default()), 4, &no_logs(), &register);
        let mut feeding = feeding(&running, backlog, Arc::clone(&register));
        let mut feed = |secs: u64| {
            let mut then = later(now, secs);
            then.monotonic += Duration::from_secs(secs);
            feeding.feed_scheduled(then);
            let called_off = &feeding.backlog.called_off;
            assert!(called_off.add((None, "sale"), so_far, || true));
        };
        let reason = |id| register.find(PushId(id)).map(|of| of.settlement.reason);
        // It came to its lane while others were taken back, …
        feed(10);
        assert_eq!(running.purge().run("sale", so_far), 1);
        assert_eq!(reason(7).as_deref(), Some(PURGED));
        // … or is read after that.
        feed(20);
        assert_eq!(reason(8).as_deref(), Some(PURGED));
        let left = running.lane.take_rest();
        let left: Vec<u64> = left.iter().map(|push| push.id().0).collect();
        assert_eq!(left, [9]);
    }

    #[test]
    fn what_is_scheduled_for_a_lane_that_is_not_served_expires_there_in_its_time() {
        let (backlog, now) = (backlog_in(&MemoryFiles::default()), Moment::now());
        let one = scheduled((LaneId::IOS, 7, 1), "", 3600, now);
        keep(&backlog, &[one]);
        // As a reload does that puts the lane away.
        assert!(backlog.claim_again(&[LaneId::IOS]));
        let limits = Limits {
            retry_max: 0,
            max_age: Duration::from_secs(60),
            resend_unknown: true,
        };
        let register = Arc::<Register>::default();
        let known = (LaneId::IOS, Arc::default());
        let mut absent = Absent::new(known, limits, &no_logs(), &register);
        let told = absent.told(&backlog).unwrap();
        assert!(told.contains("1 push to it stays in the journal"), "{told}");
        absent.settle(&backlog, later(now, 3599));
        assert_eq!(backlog.unclaimed(LaneId::IOS), 0, "its time has not come");
        absent.settle(&backlog, later(now, 3600));
        assert_eq!(backlog.unclaimed(LaneId::IOS), 1);
        assert!(register.find(PushId(7)).is_none());
        let mut at = later(now, 3660);
        at.monotonic += LONGEST_REST * 1000;
        absent.settle(&backlog, at);
        let ended = register.find(PushId(7)).unwrap().settlement;
        assert_eq!(ended.end, End::Expired);
    }
}
