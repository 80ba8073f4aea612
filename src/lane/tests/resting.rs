//! A lane whose provider refuses whatever comes.

use super::*;

/// Tells the lane that its provider refuses it to so many targets, and asks for half a minute.
fn refuse(lane: &Lane, targets: u32, now: Moment) -> Option<Instant> {
    let until = now.monotonic + Duration::from_secs(30);
    let spread = Duration::from_secs(3);
    for number in 0..targets {
        let said = Said::Refused(Target::to(&number.to_string()));
        lane.heard(said, Some(Asked { until, spread }), || "429".into(), now);
    }
    lane.resting(now.monotonic).map(|resting| resting.until)
}

#[test]
fn a_lane_that_rests_sends_nothing_fresh_or_tried_before() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let now = Moment::now();
    let until = refuse(&lane, 2, now).unwrap();
    lane.retries().shelve(pushes(1, 1).remove(0), now.monotonic);
    let last = now.monotonic + Duration::from_secs(29);
    lane.promote_due(last);
    assert_eq!(lane.may_send(last), MaySend::No);
    assert_eq!(ids(taken(&lane)), [0; 0]);
    assert_eq!(lane.may_send(until), MaySend::Yes);
    // It spreads over a tenth of what was asked for.
    lane.promote_due(until);
    assert_eq!(ids(taken(&lane)), [0; 0]);
    lane.promote_due(until + Duration::from_secs(3));
    assert_eq!(ids(taken(&lane)), [1]);
    assert!(lane.resting(until).is_none() && lane.holding().holds().is_empty());
}

/// The shelf puts off a push once; the rest holds for all, however often it is prolonged.
#[test]
fn a_rest_that_is_prolonged_keeps_what_waited_for_its_first_end() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let now = Moment::now();
    let until = refuse(&lane, 2, now).unwrap();
    lane.retries().shelve(pushes(1, 1).remove(0), now.monotonic);
    let asked = Asked {
        until: until + Duration::from_secs(30),
        spread: Duration::ZERO,
    };
    lane.heard(Said::RefusedToAll, Some(asked), || "429".into(), now);
    lane.promote_due(until + Duration::from_secs(29));
    assert_eq!(ids(taken(&lane)), [0; 0]);
    lane.promote_due(asked.until);
    assert_eq!(ids(taken(&lane)), [1]);
}

#[test]
fn what_one_target_is_told_keeps_no_other_push_waiting() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let now = Moment::now();
    lane.retries().shelve(pushes(1, 1).remove(0), now.monotonic);
    assert_eq!(refuse(&lane, 1, now), None);
    assert_eq!(lane.may_send(now.monotonic), MaySend::Yes);
    lane.promote_due(now.monotonic);
    assert_eq!(ids(taken(&lane)), [1]);
}

#[test]
fn what_a_rest_released_goes_by_the_ramp() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let start = Moment::now();
    let secs = Duration::from_secs;
    lane.set_rate(1000, start.monotonic);
    lane.pacing().tickets(start.monotonic, 1);
    let warm = start.monotonic + RAMP + secs(1);
    assert_eq!(lane.pacing().tickets(warm, 1), Tickets::Go(1));
    let until = refuse(
        &lane,
        2,
        Moment {
            monotonic: warm,
            ..start
        },
    )
    .unwrap();
    assert!(!lane.rests(until));
    // A tenth of the rate, of which there is as much as makes a burst.
    assert_eq!(lane.pacing().tickets(until, 100), Tickets::Go(5));
}

#[test]
fn good_answers_to_what_was_in_flight_end_a_rest_and_wake_its_threads() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let bell = Arc::new(AtomicUsize::new(0));
    let rung = Arc::clone(&bell);
    lane.crew().seat(
        0,
        Box::new(move || {
            rung.fetch_add(1, Ordering::Relaxed);
        }),
    );
    let now = Moment::now();
    refuse(&lane, 2, now).unwrap();
    let good = || lane.heard(Said::Nothing, None, || "200".into(), now);
    assert_eq!(
        [good(), good(), good()],
        [Turn::None, Turn::None, Turn::Lifted]
    );
    assert!(!lane.rests(now.monotonic) && bell.load(Ordering::Relaxed) == 1);
}
