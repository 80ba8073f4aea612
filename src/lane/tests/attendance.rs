//! Whom work is for: who is woken, and who is started.

use super::*;

/// That of so many threads that run and are busy.
fn attendance(threads: usize) -> Attendance {
    let attendance = Attendance::new(threads);
    (0..threads).for_each(|seat| attendance.arrive(seat));
    attendance
}

#[test]
fn nobody_is_woken_while_one_is_looking() {
    let attendance = attendance(3);
    attendance.leave(0, SeatState::Warm);
    attendance.look(2);
    assert_eq!(attendance.call(false, || true), None);
}

#[test]
fn a_warm_thread_is_woken_before_a_cold_one() {
    let attendance = attendance(3);
    attendance.leave(0, SeatState::Cold);
    attendance.leave(1, SeatState::Warm);
    assert_eq!(attendance.call(false, || true), Some(Call::Wake(1)));
    assert_eq!(
        attendance.call(false, || true),
        None,
        "the one that was woken is looking"
    );
    attendance.leave(1, SeatState::Busy);
    assert_eq!(attendance.call(false, || true), Some(Call::Wake(0)));
}

#[test]
fn a_thread_that_keeps_its_room_for_urgent_work_is_woken_for_that_alone() {
    let attendance = attendance(4);
    attendance.leave(0, SeatState::Reserved);
    attendance.leave(1, SeatState::Cold);
    assert_eq!(attendance.call(false, || true), Some(Call::Wake(1)));
    attendance.leave(1, SeatState::Busy);
    assert_eq!(attendance.call(false, || true), None);
    attendance.leave(2, SeatState::Warm);
    attendance.leave(3, SeatState::Cold);
    assert_eq!(attendance.call(true, || true), Some(Call::Wake(2)));
    attendance.leave(2, SeatState::Busy);
    assert_eq!(attendance.call(true, || true), Some(Call::Wake(0)));
    assert_eq!(attendance.call(true, || true), None, "it is looking");
}

#[test]
fn busy_threads_are_left_alone() {
    let attendance = attendance(2);
    assert_eq!(attendance.call(false, || true), None);
}

#[test]
fn no_cold_thread_is_woken_while_one_connects() {
    let attendance = attendance(2);
    attendance.leave(0, SeatState::Cold);
    assert_eq!(attendance.call(false, || false), None);
    attendance.leave(1, SeatState::Warm);
    assert_eq!(
        attendance.call(false, || false),
        Some(Call::Wake(1)),
        "a warm one is"
    );
}

#[test]
fn a_thread_that_woke_by_itself_may_not_connect() {
    let attendance = attendance(1);
    assert!(attendance.look(0), "at its start");
    attendance.leave(0, SeatState::Cold);
    assert!(!attendance.look(0));
    attendance.leave(0, SeatState::Cold);
    assert_eq!(attendance.call(false, || true), Some(Call::Wake(0)));
    assert!(attendance.look(0));
}

#[test]
fn a_thread_is_started_if_none_that_runs_can_take_the_work() {
    let attendance = attendance(3);
    attendance.leave(2, SeatState::Absent);
    attendance.leave(1, SeatState::Cold);
    assert_eq!(attendance.present(), 2);
    assert_eq!(attendance.call(false, || false), None, "one is connecting");
    assert_eq!(attendance.call(false, || true), Some(Call::Wake(1)));
    attendance.leave(1, SeatState::Waiting);
    assert_eq!(
        attendance.call(false, || true),
        None,
        "it would have to wait too"
    );
    attendance.leave(1, SeatState::Busy);
    assert_eq!(attendance.call(false, || true), Some(Call::Start(2)));
    assert_eq!(attendance.call(false, || true), None, "it is about to look");
    assert!(attendance.look(2), "and may connect");
    attendance.leave(2, SeatState::Absent);
    assert!(attendance.come_back(2) && !attendance.come_back(2));
    assert_eq!(attendance.stay_away(2, || false), None);
    assert_eq!(attendance.present(), 2, "no thread came of it");
}
