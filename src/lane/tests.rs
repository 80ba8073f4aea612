mod aside;
mod attendance;
mod calls;
mod holding;
mod resting;
use std::time::Duration;

use super::*;
use crate::moment::Moment;
use crate::push::{PushClass, PushId, fixture};

fn pushes(first_id: u64, count: usize) -> Vec<Push> {
    fixture::pushes(first_id, count, Moment::now())
}

fn ids(pushes: impl IntoIterator<Item = Push>) -> Vec<u64> {
    pushes.into_iter().map(|push| push.id().0).collect()
}

fn enqueue(lane: &Arc<Lane>, first_id: u64, count: usize) {
    let reservation = lane.room().reserve(count).unwrap();
    lane.enqueue(reservation, pushes(first_id, count));
}

#[test]
fn room_is_reserved_all_or_nothing_and_held_until_settlement() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    enqueue(&lane, 1, 7);
    assert!(lane.room().reserve(4).is_none());
    let three = lane.room().reserve(3).unwrap();
    assert_eq!(lane.room().outstanding(), 10);
    drop(three);
    assert_eq!(lane.room().outstanding(), 7);
    let mut hand = VecDeque::new();
    assert!(lane.take(&mut hand));
    assert_eq!(lane.room().outstanding(), 7, "in flight still counts");
    lane.room().settled(7);
    assert_eq!(lane.room().outstanding(), 0);
    assert!(lane.room().reserve(11).is_none());
    assert!(lane.room().reserve(usize::MAX).is_none());
}

#[test]
fn room_reserved_and_not_used_is_given_back() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let reservation = lane.room().reserve(5).unwrap();
    lane.enqueue(reservation, pushes(1, 2));
    assert_eq!(lane.room().outstanding(), 2);
}

#[test]
fn a_large_notification_is_queued_in_chunks_in_order() {
    let lane = Lane::new(LaneId::IOS, 1000, 1);
    enqueue(&lane, 1, CHUNK + 1);
    let mut hand = VecDeque::new();
    assert!(lane.take(&mut hand));
    assert_eq!(hand.len(), CHUNK);
    assert!(lane.take(&mut hand));
    assert!(!lane.take(&mut hand));
    assert_eq!(ids(hand), (1..=CHUNK as u64 + 1).collect::<Vec<_>>());
}

#[test]
fn what_comes_back_goes_before_the_queue() {
    let lane = Lane::new(LaneId::IOS, 100, 1);
    enqueue(&lane, 1, 2);
    let mut hand = VecDeque::new();
    lane.take(&mut hand);
    enqueue(&lane, 10, 1);
    lane.put_back(hand.drain(..));
    lane.take(&mut hand);
    lane.take(&mut hand);
    assert_eq!(ids(hand.drain(..)), [1, 2, 10]);
    lane.put_back(pushes(11, CHUNK + 1));
    lane.take(&mut hand);
    assert_eq!(hand.len(), CHUNK, "others have their part");
}

#[test]
fn the_shelf_gives_what_is_due_and_keeps_the_rest() {
    let lane = Lane::new(LaneId::IOS, 100, 1);
    let now = Instant::now();
    for (push, secs) in pushes(1, 3).into_iter().zip([30, 10, 20]) {
        lane.retries().shelve(push, now + Duration::from_secs(secs));
    }
    assert_eq!(
        lane.retries().next_due(),
        Some(now + Duration::from_secs(10))
    );
    lane.promote_due(now + Duration::from_secs(20));
    let mut hand = VecDeque::new();
    assert!(lane.take(&mut hand));
    assert_eq!(ids(hand), [2, 3]);
    assert_eq!(
        lane.retries().next_due(),
        Some(now + Duration::from_secs(30))
    );
    assert_eq!(ids(lane.take_rest()), [1]);
    assert_eq!(lane.retries().next_due(), None);
}

#[test]
fn sifting_keeps_the_order_of_what_it_keeps() {
    let lane = Lane::new(LaneId::IOS, 1000, 1);
    enqueue(&lane, 1, 100);
    enqueue(&lane, 101, 10);
    lane.sift(true, |push| push.id().0.is_multiple_of(2));
    let kept: Vec<u64> = (1..=110).filter(|id| id % 2 == 0).collect();
    assert_eq!(ids(lane.take_rest()), kept);
}

#[test]
fn a_look_is_made_a_piece_at_a_time_whatever_is_taken_meanwhile() {
    let most = SWEPT_AT_A_TIME;
    let lane = Lane::new(LaneId::IOS, 3 * most, 1);
    enqueue(&lane, 1, 2 * most + 1);
    let mut seen = Vec::new();
    let mut look = |begins| {
        let before = seen.len();
        let has_more = lane.sift(begins, |push| {
            seen.push(push.id().0);
            true
        });
        (seen.len() - before, has_more)
    };
    assert_eq!(look(true), (most, true));
    let mut hand = VecDeque::new();
    assert!(lane.take(&mut hand));
    enqueue(&lane, 3 * most as u64, 1);
    assert_eq!([look(false), look(false)], [(most, true), (1, false)]);
    assert_eq!(look(false), (0, false));
    assert_eq!(seen, (1..=2 * most as u64 + 1).collect::<Vec<_>>());
    hand.extend(lane.take_rest());
    seen.push(3 * most as u64);
    assert_eq!(ids(hand), seen, "in their order");
}

#[test]
fn one_batch_wakes_one_thread_once() {
    let lane = Lane::new(LaneId::IOS, 1000, 2);
    let rung: Arc<[AtomicUsize; 2]> = Arc::default();
    for seat in 0..2 {
        let rung = Arc::clone(&rung);
        lane.crew().seat(
            seat,
            Box::new(move || {
                rung[seat].fetch_add(1, Ordering::Relaxed);
            }),
        );
        lane.crew().attendance().leave(seat, SeatState::Warm);
    }
    enqueue(&lane, 1, 300);
    enqueue(&lane, 301, 300);
    assert_eq!(rung[0].load(Ordering::Relaxed), 1);
    assert_eq!(rung[1].load(Ordering::Relaxed), 0);
    lane.crew().attendance().leave(0, SeatState::Busy);
    lane.call();
    assert_eq!(
        rung[1].load(Ordering::Relaxed),
        1,
        "the busy thread passes the rest on"
    );
}

/// A lane whose threads do nothing but count how often each was woken.
fn watched(threads: usize) -> (Arc<Lane>, Arc<[AtomicUsize; 2]>) {
    let lane = Lane::new(LaneId::IOS, 1000, threads);
    let rung: Arc<[AtomicUsize; 2]> = Arc::default();
    for seat in 0..threads {
        let rung = Arc::clone(&rung);
        let wake = move || {
            rung[seat].fetch_add(1, Ordering::Relaxed);
        };
        lane.crew().seat(seat, Box::new(wake));
    }
    (lane, rung)
}

#[test]
fn whoever_turns_busy_beside_work_passes_it_on() {
    let (lane, rung) = watched(2);
    lane.crew().attendance().look(0);
    lane.crew().attendance().leave(1, SeatState::Warm);
    enqueue(&lane, 1, 1);
    assert_eq!(rung[1].load(Ordering::Relaxed), 0, "thread 0 is looking");
    assert!(!lane.leave(0, SeatState::Busy, None));
    assert_eq!(rung[1].load(Ordering::Relaxed), 1);
}

#[test]
fn a_cold_thread_takes_work_only_if_no_warm_one_can() {
    let (lane, rung) = watched(2);
    lane.crew().attendance().look(0);
    lane.crew().attendance().leave(1, SeatState::Warm);
    enqueue(&lane, 1, 1);
    assert!(!lane.leave(0, SeatState::Cold, None), "thread 1 is warm");
    assert_eq!(rung[1].load(Ordering::Relaxed), 1);
    lane.crew().attendance().leave(1, SeatState::Busy);
    assert!(lane.leave(0, SeatState::Cold, None));
    assert_eq!(rung[0].load(Ordering::Relaxed), 0, "it need not be woken");
}

#[test]
fn a_sweep_leaves_no_work_beside_a_sleeper() {
    let (lane, rung) = watched(1);
    enqueue(&lane, 1, 1);
    lane.sift(true, |_| {
        // While the only chunk is out of the queue, the thread finds nothing and goes to sleep.
        assert!(!lane.leave(0, SeatState::Warm, None));
        true
    });
    assert_eq!(rung[0].load(Ordering::Relaxed), 1);
}

#[test]
fn one_thread_at_a_time_sweeps() {
    let lane = Lane::new(LaneId::IOS, 1, 2);
    let now = Instant::now();
    assert!(lane.is_sweep_due(now));
    assert!(!lane.is_sweep_due(now + Duration::from_secs(1)));
    assert!(lane.is_sweep_due(now + SWEEP_EVERY));
}

#[test]
fn what_is_left_behind_is_counted_once() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    enqueue(&lane, 1, 3);
    lane.room().leave_behind();
    lane.room().settled(1);
    assert_eq!(
        lane.room().left_behind(),
        3,
        "one settled as left, two not at all"
    );
    lane.room().settled(2);
    assert_eq!(lane.room().left_behind(), 1, "the two were sent after all");
}

#[test]
fn a_push_can_be_found_wherever_the_lane_has_it() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    enqueue(&lane, 1, 3);
    let mut hand = VecDeque::new();
    assert!(lane.take(&mut hand));
    let shelved = hand.pop_back().unwrap();
    let (id, due) = (shelved.id(), Instant::now() + Duration::from_secs(60));
    lane.retries().shelve(shelved, due);
    lane.put_back(hand.drain(..1));
    assert_eq!(lane.retries().find(id), Some((due, 0)));
    assert!(!lane.is_queued(id));
    let queued = PushId(id.0 - 2);
    assert!(lane.is_queued(queued) && lane.retries().find(queued).is_none());
    assert!(
        lane.take(&mut hand),
        "what was looked through is still there"
    );
}

#[test]
fn room_that_is_spent_is_given_back_by_the_settlement() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let mut room = lane.room().reserve(3).unwrap();
    room.spend(PushClass::Bulk);
    assert_eq!(room.pushes(), 2);
    drop(room);
    assert_eq!(lane.room().outstanding(), 1);
    lane.room().settled(1);
    assert_eq!(lane.room().outstanding(), 0);
}

/// Takes what is at the front of the queue.
fn taken(lane: &Lane) -> Vec<Push> {
    let mut hand = VecDeque::new();
    while lane.take(&mut hand) {}
    hand.into()
}

#[test]
fn a_due_retry_without_budget_stays_on_the_shelf_and_blocks_no_fresh_push() {
    let lane = Lane::new(LaneId::IOS, 100, 1);
    let now = Instant::now();
    for push in pushes(1, 10) {
        lane.retries().shelve(push, now);
    }
    lane.promote_due(now);
    let retries = taken(&lane);
    assert_eq!(retries.len(), LEAST_RETRIES);
    assert_eq!(
        lane.retries().next_due(),
        None,
        "there is nothing to wake up for"
    );
    lane.promote_due(now + Duration::from_secs(3600));
    enqueue(&lane, 101, 2);
    assert_eq!(ids(taken(&lane)), [101, 102]);
    lane.retries().budget().sent(60);
    lane.promote_due(now);
    assert_eq!(taken(&lane).len(), 10 - LEAST_RETRIES, "10 of 60");
}

#[test]
fn no_retry_starves_each_that_ends_lets_the_one_go_that_waited_longest() {
    let lane = Lane::new(LaneId::IOS, 100, 1);
    let start = Instant::now();
    let mut now = start;
    for push in pushes(1, 10) {
        let due = start + Duration::from_millis(push.id().0);
        lane.retries().shelve(push, due);
    }
    let mut seen = Vec::new();
    for _ in 0..10 {
        now += Duration::from_secs(1);
        lane.promote_due(now);
        for retry in taken(&lane) {
            seen.push(retry.id().0);
            // Each one fails again, without end.
            lane.retries().budget().judge(retry.class(), false);
            lane.retries().shelve(retry, now);
        }
    }
    assert_eq!(seen[..10], (1..=10).collect::<Vec<_>>());
    for id in 1..=10 {
        let turns = seen.iter().filter(|seen| **seen == id).count();
        assert!((2..=4).contains(&turns), "{id}: {turns} of {}", seen.len());
    }
    assert_eq!(lane.retries().budget().under_way(), 0);
}

#[test]
fn a_hold_puts_off_what_falls_due_before_its_end_and_spreads_it() {
    let lane = Lane::new(LaneId::IOS, 10_000, 1);
    lane.retries().budget().sent(100_000);
    let now = Instant::now();
    let secs = Duration::from_secs;
    for push in pushes(1, 1000) {
        lane.retries().shelve(push, now + secs(1));
    }
    lock(&lane.retries.shelf).hold(now + secs(30), secs(3));
    for push in pushes(2001, 1000) {
        lane.retries().shelve(push, now + secs(1));
    }
    lane.promote_due(now + secs(29));
    assert_eq!(taken(&lane).len(), 0, "the hold is not undercut");
    let mut shares = Vec::new();
    for step in 1..=3 {
        lane.promote_due(now + secs(30 + step));
        shares.push(taken(&lane).len());
    }
    assert_eq!(shares.iter().sum::<usize>(), 2000);
    assert!(shares.iter().all(|share| *share > 500), "{shares:?}");
}

#[test]
fn a_pause_a_resume_and_another_route_undercut_no_wait() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let start = Moment::now();
    let at = |secs| start.monotonic + Duration::from_secs(secs);
    for (push, due) in pushes(1, 2).into_iter().zip([40, 1]) {
        lane.retries().shelve(push, at(due));
    }
    lock(&lane.retries.shelf).hold(at(30), Duration::ZERO);
    lane.holding().pause(start);
    lane.promote_due(at(10));
    lane.sift_all(|_| true);
    lane.resume();
    lane.route_replaced(1, at(11));
    lane.promote_due(at(29));
    assert_eq!(ids(taken(&lane)), [0; 0]);
    lane.promote_due(at(30));
    assert_eq!(ids(taken(&lane)), [2]);
    lane.promote_due(at(39));
    assert_eq!(ids(taken(&lane)), [0; 0]);
    lane.promote_due(at(40));
    assert_eq!(ids(taken(&lane)), [1]);
}

#[test]
fn a_hold_after_the_other_puts_a_retry_off_only_once() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let now = Instant::now();
    let secs = Duration::from_secs;
    lane.retries().shelve(pushes(1, 1).remove(0), now);
    for second in 0..40 {
        lock(&lane.retries.shelf).hold(now + secs(second + 30), secs(3));
        lane.promote_due(now + secs(second));
    }
    assert_eq!(ids(taken(&lane)), [1]);
}

#[test]
fn what_expires_while_it_waits_for_budget_or_hold_is_seen() {
    let lane = Lane::new(LaneId::IOS, 100, 1);
    let now = Instant::now();
    for push in pushes(1, 5) {
        lane.retries().shelve(push, now + Duration::from_secs(1));
    }
    let mut seen = 0;
    lane.sift_shelf(now, |_| {
        seen += 1;
        true
    });
    assert_eq!(seen, 0, "none is overdue");
    lane.retries()
        .budget()
        .begin(PushClass::Transactional, LEAST_RETRIES);
    let overdue = now + Duration::from_secs(1);
    lane.promote_due(overdue);
    lane.sift_shelf(overdue, |push| push.id().0.is_multiple_of(2));
    lane.sift_shelf(overdue, |_| false);
    assert_eq!(ids(lane.take_rest()), [2, 4], "and looked at now and then");
}

#[test]
fn the_end_wakes_whoever_reads_the_credential() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let (woken, told) = crossbeam_channel::unbounded();
    lane.crew()
        .on_hold(Box::new(move || woken.send(()).unwrap()));
    assert!(told.is_empty());
    lane.stop();
    assert!(lane.is_stopped() && !told.is_empty());
}

#[test]
fn sifting_all_meets_each_waiting_push_once_and_keeps_the_due_times() {
    let lane = Lane::new(LaneId::IOS, 1000, 1);
    let now = Instant::now();
    enqueue(&lane, 1, 100);
    let reservation = lane.room().reserve(3).unwrap();
    for (push, secs) in pushes(201, 3).into_iter().zip([30, 10, 20]) {
        lane.retries().shelve(push, now + Duration::from_secs(secs));
    }
    lane.put_back(pushes(301, 2));
    let mut met = Vec::new();
    lane.sift_all(|push| {
        met.push(push.id().0);
        push.id().0.is_multiple_of(2)
    });
    met.sort_unstable();
    let all: Vec<u64> = (1..=100).chain(201..=203).chain(301..=302).collect();
    assert_eq!(met, all);
    assert_eq!(
        lane.retries().next_due(),
        Some(now + Duration::from_secs(10))
    );
    let mut left = ids(lane.take_rest());
    left.sort_unstable();
    let even: Vec<u64> = all.into_iter().filter(|id| id % 2 == 0).collect();
    assert_eq!(left, even);
    drop(reservation);
}

/// Each would take chunks from under the other.
#[test]
fn whoever_sifts_is_alone() {
    let lane = Lane::new(LaneId::IOS, 1000, 1);
    enqueue(&lane, 1, 3);
    let mut met = 0;
    lane.sift_all(|_| {
        lane.sift(true, |_| panic!("another sifts meanwhile"));
        met += 1;
        true
    });
    assert_eq!(met, 3);
    lane.sift(true, |_| false);
    assert!(lane.take_rest().is_empty());
}

/// A lane at 1,000 pushes per second whose ramp is over, and then.
fn paced() -> (Arc<Lane>, Instant) {
    let lane = Lane::new(LaneId::ANDROID, 1000, 2);
    let now = Instant::now();
    lane.set_rate(1_000, now);
    assert_eq!(lane.pacing().tickets(now, 1), Tickets::Go(1));
    assert_eq!(lane.pacing().tickets(now + RAMP / 2, 1), Tickets::Go(1));
    (lane, now + RAMP + RAMP / 4)
}

#[test]
fn a_lane_without_a_rate_gives_as_many_tickets_as_are_wanted() {
    let lane = Lane::new(LaneId::IOS, 1000, 1);
    let now = Instant::now();
    for _ in 0..3 {
        assert_eq!(
            lane.pacing().tickets(now, 1_000_000),
            Tickets::Go(1_000_000)
        );
    }
    lane.pacing().give_back(7);
    assert!(!lane.pacing().waits_for_tickets() && !lane.pacing().has_no_tickets(now));
}

#[test]
fn one_thread_keeps_the_time_when_the_rate_is_used_up() {
    let (lane, now) = paced();
    assert_eq!(lane.pacing().tickets(now, 64), Tickets::Go(50));
    let again = now + GATHER;
    assert_eq!(lane.pacing().tickets(now, 64), Tickets::UsedUp(Some(again)));
    assert_eq!(
        lane.pacing().tickets(now, 64),
        Tickets::UsedUp(None),
        "another"
    );
    assert!(lane.pacing().waits_for_tickets() && lane.pacing().has_no_tickets(now));
    // Also without its keeper it goes on.
    assert!(!lane.pacing().has_no_tickets(again));
    assert_eq!(lane.pacing().tickets(again, 64), Tickets::Go(10));
    assert!(!lane.pacing().waits_for_tickets());
}

#[test]
fn nobody_is_woken_for_what_the_rate_does_not_let_go() {
    let (lane, now) = paced();
    let rung = Arc::new(AtomicUsize::new(0));
    for seat in 0..2 {
        let rung = Arc::clone(&rung);
        lane.crew().seat(
            seat,
            Box::new(move || {
                rung.fetch_add(1, Ordering::Relaxed);
            }),
        );
        lane.crew().attendance().leave(seat, SeatState::Warm);
    }
    lane.pacing().tickets(now, 64);
    assert_eq!(
        lane.pacing().tickets(now, 1),
        Tickets::UsedUp(Some(now + GATHER))
    );
    enqueue(&lane, 1, 10);
    assert_eq!(rung.load(Ordering::Relaxed), 0);
    assert!(
        !lane.leave(0, SeatState::Warm, None),
        "it would look again at once"
    );
    lane.pacing().stop_waiting_for_tickets();
    lane.call();
    assert_eq!(rung.load(Ordering::Relaxed), 1);
    assert!(lane.leave(0, SeatState::Warm, None));
}

#[test]
fn a_rate_that_is_taken_away_holds_nothing_up() {
    let (lane, now) = paced();
    lane.pacing().tickets(now, 64);
    assert!(matches!(lane.pacing().tickets(now, 1), Tickets::UsedUp(_)));
    lane.set_rate(0, now);
    assert!(!lane.pacing().waits_for_tickets());
    assert_eq!(lane.pacing().tickets(now, 64), Tickets::Go(64));
}

#[test]
fn a_lane_that_was_paused_starts_its_ramp_over() {
    let (lane, now) = paced();
    assert_eq!(lane.pacing().tickets(now, 64), Tickets::Go(50));
    lane.holding().pause(Moment::now());
    lane.resume();
    assert_eq!(
        lane.pacing().tickets(now + BURST, 64),
        Tickets::Go(5),
        "a tenth"
    );
}
