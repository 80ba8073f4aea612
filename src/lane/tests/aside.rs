//! What a connection has refused, and what a look through the lane leaves behind that panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::push::ConnectionId;

/// Pushes that the connection has refused.
fn refused(by: ConnectionId, first_id: u64, count: usize) -> Vec<Push> {
    let mut pushes = pushes(first_id, count);
    for push in &mut pushes {
        push.refused_by = Some(by);
    }
    pushes
}

fn take_for(lane: &Lane, connection: ConnectionId) -> Vec<u64> {
    let mut hand = VecDeque::new();
    while lane.take_for(connection, &mut hand) {}
    ids(hand)
}

#[test]
fn not_processed_a_refused_push_is_for_any_other_connection() {
    let (lane, rung) = watched(2);
    let [one, other] = [(); 2].map(|()| lane.new_connection());
    assert_ne!(one, other);
    enqueue(&lane, 1, 2);
    let mut mixed = refused(one, 10, 3);
    mixed.insert(1, pushes(20, 1).remove(0));
    lane.put_back(refused(one, 9, 1));
    lane.put_back(mixed);
    lane.crew().attendance().leave(1, SeatState::Warm);
    let mut hand = VecDeque::new();
    assert!(lane.take_for(one, &mut hand));
    assert_eq!(
        ids(hand),
        [20],
        "what fits of the first chunk that has some"
    );
    assert_eq!(rung[1].load(Ordering::Relaxed), 2, "the other is woken");
    assert_eq!(take_for(&lane, one), [1, 2]);
    assert!(!lane.has_work() && !lane.has_work_for(Some(one)));
    assert!(lane.has_work_for(Some(other)) && lane.has_work_for(None));
    assert!(lane.is_avoided(one) && !lane.is_avoided(other));
    assert!(!lane.leave(0, SeatState::Warm, Some(one)), "it may sleep");
    assert!(lane.leave(1, SeatState::Warm, Some(other)), "it may not");
    assert!(lane.is_queued(PushId(11)));
    assert_eq!(take_for(&lane, other), [9, 10, 11, 12]);
    assert!(!lane.has_work_for(None) && !lane.is_avoided(one));
}

#[test]
fn not_processed_what_two_have_refused_is_for_those_who_have_not() {
    let lane = Lane::new(LaneId::IOS, 1000, 2);
    let [one, other] = [(); 2].map(|()| lane.new_connection());
    lane.put_back(refused(one, 1, 100));
    lane.put_back(refused(other, 201, 100));
    assert_eq!(take_for(&lane, one), (201..=300).collect::<Vec<_>>());
    let mut hand = VecDeque::new();
    assert!(lane.take_for(other, &mut hand));
    assert_eq!(hand.len(), CHUNK, "a chunk at a time");
    let rest = take_for(&lane, other).len() + hand.len();
    assert_eq!(rest, 100);
}

#[test]
fn what_waits_for_another_connection_is_sifted_and_left_at_the_end() {
    let lane = Lane::new(LaneId::IOS, 1000, 1);
    let one = lane.new_connection();
    lane.put_back(refused(one, 1, 10));
    assert!(take_for(&lane, one).is_empty());
    lane.sift(true, |push| push.id().0 > 3);
    lane.sift_all(|push| push.id().0 > 5);
    assert_eq!(ids(lane.take_rest()), [6, 7, 8, 9, 10]);
}

#[test]
fn a_thread_without_a_connection_is_called_for_what_no_open_one_takes() {
    let (lane, rung) = watched(2);
    assert!(!lane.crew().call_another(), "all are busy");
    lane.crew().attendance().leave(1, SeatState::Cold);
    let now = Instant::now();
    assert_eq!(lane.crew().dial().ask(now), Permit::Go);
    assert!(!lane.crew().call_another(), "one is connecting");
    assert!(lane.crew().dial().opens_at(now) > Some(now));
    lane.crew().dial().failed(now, 0);
    let opens_at = lane.crew().dial().opens_at(now);
    assert!(opens_at > Some(now) && opens_at <= Some(now + FIRST_WAIT));
    assert_eq!(lane.crew().dial().opens_at(now + FIRST_WAIT), None);
    assert!(lane.crew().call_another());
    assert_eq!(rung[1].load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_in_a_look_through_the_lane_loses_none_of_what_it_had_in_its_hands() {
    for doomed in [1, 4, 11, 14, 21, 24, 31, 34] {
        let lane = Lane::new(LaneId::IOS, 1000, 1);
        let due = Instant::now() + Duration::from_secs(1);
        for push in pushes(1, 4) {
            lane.retries().shelve(push, due);
        }
        let one = lane.new_connection();
        lane.put_back(refused(one, 21, 4));
        assert!(take_for(&lane, one).is_empty(), "aside");
        enqueue(&lane, 11, 4);
        lane.put_back(pushes(31, 4));
        let mut gone = Vec::new();
        let look = AssertUnwindSafe(|| {
            lane.sift_all(|push| {
                let id = push.id().0;
                assert_ne!(id, doomed, "a fault on purpose");
                gone.extend((id % 10 == 2).then_some(id));
                id % 10 != 2
            });
        });
        assert!(catch_unwind(look).is_err());
        if doomed != 1 {
            assert_eq!(lane.retries().find(PushId(3)), Some((due, 0)));
        }
        let mut all = ids(lane.take_rest());
        all.extend(gone);
        all.sort_unstable();
        let tens = [0, 10, 20, 30].iter();
        let expected: Vec<u64> = tens.flat_map(|ten| ten + 1..=ten + 4).collect();
        assert_eq!(all, expected);
    }
}
