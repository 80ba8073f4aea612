//! The wake protocol of the lanes, checked by loom over all interleavings and memory orders.

#![expect(clippy::indexing_slicing, reason = "the model's own seats")]

/// What the file under test is built on here.
mod atomics {
    pub(crate) use loom::sync::atomic::{AtomicU8, Ordering, fence};
}
#[path = "../src/lane/attendance.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "one file of the crate, built against loom's atomics"
)]
mod attendance;

use attendance::{Attendance, Call, SeatState};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::JoinHandle;

/// A queue that counts, and one bell per thread that remembers being rung, or that another thread
/// was started in its place.
struct Lane {
    attendance: Attendance,
    queued: AtomicUsize,
    /// Of those that are queued, what goes before the rest.
    urgent: AtomicUsize,
    bells: Vec<AtomicUsize>,
}

impl Lane {
    fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            attendance: Attendance::new(threads),
            queued: AtomicUsize::new(0),
            urgent: AtomicUsize::new(0),
            bells: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
        })
    }

    /// One whose threads run.
    fn running(threads: usize) -> Arc<Self> {
        let lane = Self::new(threads);
        (0..threads).for_each(|seat| lane.attendance.arrive(seat));
        lane
    }

    fn add(&self) {
        self.queued.fetch_add(1, Ordering::Release);
        self.ring();
    }

    fn add_urgent(&self) {
        self.urgent.fetch_add(1, Ordering::Release);
        self.add();
    }

    fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Acquire) > 0
    }

    fn ring(&self) {
        let called = self.attendance.call(self.is_urgent(), || true);
        if let Some(Call::Wake(seat) | Call::Start(seat)) = called {
            self.bells[seat].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// [`Lane::ring`], where no thread can be started.
    fn ring_in_vain(&self) {
        let called = match self.attendance.call(false, || true) {
            Some(Call::Start(seat)) => self.attendance.stay_away(seat, || true),
            Some(Call::Wake(seat)) => Some(seat),
            None => None,
        };
        if let Some(seat) = called {
            self.bells[seat].fetch_add(1, Ordering::AcqRel);
        }
    }

    fn has_work(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
    }

    /// Whether thread `seat` has ended, or goes on since it is needed.
    fn dismiss(&self, seat: usize) -> bool {
        self.attendance.leave(seat, SeatState::Absent);
        let is_needed = self.has_work() && self.attendance.present() == 0;
        !is_needed || !self.attendance.come_back(seat)
    }

    /// Whether thread `seat`, which has room for urgent work alone, would sleep on now.
    fn reserve(&self, seat: usize) -> bool {
        self.attendance.leave(seat, SeatState::Reserved);
        if !self.has_work() {
            return true;
        }
        if self.is_urgent() {
            self.attendance.look(seat);
            return false;
        }
        self.ring();
        true
    }

    /// Whether thread `seat` would sleep on now.
    fn park(&self, seat: usize) -> bool {
        self.attendance.leave(seat, SeatState::Warm);
        if self.has_work() {
            self.attendance.look(seat);
            return false;
        }
        true
    }
}

/// A thread that acts on the lane beside the caller's.
fn beside<T: 'static>(lane: &Arc<Lane>, act: impl FnOnce(&Lane) -> T + 'static) -> JoinHandle<T> {
    let lane = Arc::clone(lane);
    loom::thread::spawn(move || act(&lane))
}

#[test]
fn work_never_waits_for_a_sleeper_that_was_not_rung() {
    loom::model(|| {
        let lane = Lane::running(1);
        lane.attendance.look(0);
        let producer = beside(&lane, Lane::add);
        let asleep = lane.park(0);
        producer.join().unwrap();
        if asleep {
            assert_eq!(
                lane.bells[0].load(Ordering::Acquire),
                1,
                "asleep beside work, not rung"
            );
        }
    });
}

#[test]
fn a_thread_that_turns_busy_passes_the_work_on() {
    loom::model(|| {
        let lane = Lane::running(2);
        lane.attendance.look(0);
        lane.attendance.leave(1, SeatState::Cold);
        let producer = beside(&lane, Lane::add);
        lane.attendance.leave(0, SeatState::Busy);
        if lane.has_work() {
            lane.ring();
        }
        producer.join().unwrap();
        assert_eq!(
            lane.bells[1].load(Ordering::Acquire),
            1,
            "the sleeper was not rung"
        );
    });
}

/// That seat seems to look meanwhile.
#[test]
fn a_thread_that_goes_cold_while_none_can_be_started_is_rung_instead() {
    loom::model(|| {
        let lane = Lane::new(2);
        lane.attendance.arrive(0);
        let producer = beside(&lane, |lane| {
            lane.queued.fetch_add(1, Ordering::Release);
            lane.ring_in_vain();
        });
        lane.attendance.leave(0, SeatState::Cold);
        if lane.has_work() {
            lane.ring_in_vain();
        }
        producer.join().unwrap();
        let rung = lane.bells[0].load(Ordering::Acquire);
        assert!(rung > 0, "asleep beside work, not rung");
    });
}

#[test]
fn two_producers_and_a_parking_thread_lose_nothing() {
    loom::model(|| {
        let lane = Lane::running(1);
        lane.attendance.look(0);
        let producers = [(); 2].map(|()| beside(&lane, Lane::add));
        let asleep = lane.park(0);
        for producer in producers {
            producer.join().unwrap();
        }
        if asleep {
            assert_eq!(lane.bells[0].load(Ordering::Acquire), 1);
        }
    });
}

/// Neither takes it for granted that the other will see to the work.
#[test]
fn two_threads_that_go_cold_beside_work_do_not_both_sleep() {
    loom::model(|| {
        let lane = Lane::running(2);
        lane.attendance.look(0);
        lane.attendance.look(1);
        lane.queued.store(1, Ordering::Release);
        let other = beside(&lane, |lane| {
            lane.attendance.leave(1, SeatState::Cold);
            lane.ring();
        });
        lane.attendance.leave(0, SeatState::Cold);
        lane.ring();
        other.join().unwrap();
        let rung = lane.bells.iter().map(|bell| bell.load(Ordering::Acquire));
        assert!(rung.sum::<usize>() > 0, "both sleep beside work");
    });
}

/// Either it goes on, or another is started in its place, and never both.
#[test]
fn work_that_comes_while_the_last_thread_ends_has_one_thread() {
    loom::model(|| {
        let lane = Lane::running(1);
        lane.attendance.look(0);
        let producer = beside(&lane, Lane::add);
        let has_ended = lane.dismiss(0);
        producer.join().unwrap();
        let started = lane.bells[0].load(Ordering::Acquire);
        assert_eq!(started, usize::from(has_ended), "beside {has_ended}");
    });
}

/// What waits and calls for nobody, as a retry does, keeps the last of them.
#[test]
fn two_threads_that_end_beside_what_waits_do_not_both_end() {
    loom::model(|| {
        let lane = Lane::running(2);
        lane.attendance.look(0);
        lane.attendance.look(1);
        lane.queued.store(1, Ordering::Release);
        let other = beside(&lane, |lane| lane.dismiss(1));
        let has_ended = lane.dismiss(0);
        let other_has_ended = other.join().unwrap();
        assert!(!(has_ended && other_has_ended), "nobody is left");
    });
}

/// Of a thread whose room is kept for urgent work each other work is another's.
#[test]
fn urgent_work_does_not_wait_for_a_thread_that_keeps_room_for_it() {
    loom::model(|| {
        let lane = Lane::running(2);
        lane.attendance.look(0);
        let producer = beside(&lane, Lane::add_urgent);
        let asleep = lane.reserve(0);
        producer.join().unwrap();
        if asleep {
            assert_eq!(
                lane.bells[0].load(Ordering::Acquire),
                1,
                "asleep beside urgent work, not rung"
            );
        }
    });
}

#[test]
fn a_thread_that_keeps_its_room_passes_other_work_on() {
    loom::model(|| {
        let lane = Lane::running(2);
        lane.attendance.look(0);
        lane.attendance.leave(1, SeatState::Cold);
        let producer = beside(&lane, Lane::add);
        assert!(lane.reserve(0), "nothing is urgent");
        producer.join().unwrap();
        let rung = [0, 1].map(|seat| lane.bells[seat].load(Ordering::Acquire));
        assert_eq!(rung, [0, 1], "the other sleeper was not rung");
    });
}

/// Work of both kinds, of which the urgent comes while the thread goes to sleep beside the other.
#[test]
fn urgent_work_beside_other_work_finds_the_room_that_is_kept_for_it() {
    loom::model(|| {
        let lane = Lane::running(1);
        lane.attendance.look(0);
        lane.queued.store(1, Ordering::Release);
        let producer = beside(&lane, Lane::add_urgent);
        let asleep = lane.reserve(0);
        producer.join().unwrap();
        if asleep {
            assert_eq!(lane.bells[0].load(Ordering::Acquire), 1);
        }
    });
}
