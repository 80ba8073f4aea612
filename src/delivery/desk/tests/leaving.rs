//! What is said of pushes that are left over at the end, where nothing outlives the process.

use super::*;
use crate::delivery::outcome::Outcome;
use crate::provider::{AnswerHead, apns};
use crate::push::ConnectionId;

/// The lines of the push logs that wait to be handed over.
fn lines(desk: &Desk<Kind>) -> Vec<serde_json::Value> {
    let lines = desk.unflushed().concat();
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn a_thread_without_anything_to_do_closes_its_connection_and_ends() {
    let mut scene = Scene::new();
    let start = scene.now.monotonic;
    scene.enqueue(1, 2);
    scene.pass(10 * HOUR);
    assert!(scene.dismissed.is_empty(), "its connection is open");
    scene.pass(IDLE_MAX + 2 * LONGEST_WAIT);
    assert_eq!(
        (scene.desk.transports().count(), scene.dismissed.len()),
        (0, 1)
    );
    let after = scene.dismissed[0].duration_since(start + 10 * HOUR);
    assert!(
        after >= IDLE_MAX && after <= IDLE_MAX + LONGEST_WAIT,
        "{after:?}"
    );
    // Whoever has come for it, what follows goes at once.
    scene.enqueue(3, 2);
    scene.pass(Duration::ZERO);
    assert_eq!((scene.opened.len(), scene.answered()), (2, 2));
}

#[test]
fn the_last_thread_does_not_end_while_pushes_wait() {
    let mut scene = Scene::with_threads(2);
    scene.lane.holding().pause(scene.now);
    scene.enqueue(1, 1);
    scene.pass(3 * IDLE_MAX);
    assert!(scene.dismissed.is_empty(), "there is work");
    let mut hand = VecDeque::new();
    assert!(scene.lane.take(&mut hand));
    scene.pass(3 * IDLE_MAX);
    assert!(scene.dismissed.is_empty(), "there may be work");
    scene.lane.crew().attendance().leave(1, SeatState::Cold);
    scene.pass(2 * IDLE_MAX);
    assert_eq!(scene.dismissed.len(), 1, "another sees to it");
}

#[test]
fn a_thread_does_not_end_while_a_connection_that_retires_has_pushes_in_flight() {
    let mut scene = Scene::with_threads(2);
    scene.lane.crew().attendance().leave(1, SeatState::Cold);
    scene.manners = |_, _| Manners::IsSilent;
    scene.enqueue(1, 1);
    scene.pass(Duration::ZERO);
    let present = scene.desk.links.present.as_mut().unwrap();
    present.session().retire("it goes");
    scene.pass(3 * IDLE_MAX);
    assert_eq!(
        (scene.desk.links.in_flight(), scene.dismissed.len()),
        (1, 0)
    );
}

#[test]
fn a_thread_that_goes_waits_for_its_last_answers_and_not_to_connect() {
    let mut scene = Scene::with_threads(2);
    scene.manners = |_, _| Manners::IsSilent;
    scene.enqueue(1, 1);
    scene.pass(Duration::ZERO);
    let present = scene.desk.links.present.as_mut().unwrap();
    present.session().retire("it goes");
    scene.lane.holding().pause(scene.now);
    scene.enqueue(2, 1);
    scene.pass(Duration::ZERO);
    assert!(scene.desk.timers.at(Timer::Connect).is_some());
    scene.desk.is_going = true;
    let now = Moment {
        monotonic: scene.now.monotonic + 2 * LONGEST_WAIT,
        ..scene.now
    };
    assert!(!scene.desk.round(now));
    let next = scene.desk.next(now.monotonic);
    assert!(
        matches!(next, Next::WaitUntil(at) if at > now.monotonic),
        "{next:?}"
    );
}

#[test]
fn a_push_in_flight_at_the_end_is_said_to_be_maybe_sent() {
    let mut scene = Scene::new();
    scene.manners = |_, nth| match nth {
        0 => Manners::Answers,
        _ => Manners::IsSilent,
    };
    scene.enqueue(1, 2);
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.settled, [1], "the other is in flight");
    scene.desk.leave(scene.now);
    let lines = lines(&scene.desk);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(
        (&line["id"], &line["reason"]),
        (&2.into(), &"shutdown".into())
    );
    assert_eq!(line["maybe_sent"], true, "{line}");
    let said = line["error"].as_str().unwrap();
    assert!(said.contains("sent, and not answered"), "{said}");
}

#[test]
fn a_push_that_was_never_sent_is_not() {
    let mut scene = Scene::new();
    scene.enqueue(1, 1);
    let mut hand = VecDeque::new();
    assert!(scene.lane.take(&mut hand));
    scene.desk.settler.leave(&hand[0], None, scene.now);
    let lines = lines(&scene.desk);
    assert_eq!(
        (&lines[0]["id"], &lines[0]["reason"]),
        (&1.into(), &"shutdown".into())
    );
    assert!(lines[0].get("maybe_sent").is_none(), "{lines:?}");
}

#[test]
fn what_was_answered_by_then_ends_with_its_answer() {
    let mut scene = Scene::new();
    scene.enqueue(1, 1);
    let mut hand = VecDeque::new();
    assert!(scene.lane.take(&mut hand));
    let push = hand.remove(0).unwrap();
    let head = AnswerHead {
        status: 200,
        ..AnswerHead::default()
    };
    scene.desk.trays.ended.push(Ended {
        push,
        outcome: Outcome::Answered(apns::answer(head, b"", scene.now)),
        sent: scene.now.monotonic,
        generation: 0,
        connection: ConnectionId::new(1),
        is_refused: false,
        is_spared: false,
        was_early: false,
        was_on_trial: false,
    });
    scene.desk.leave(scene.now);
    let lines = lines(&scene.desk);
    assert_eq!(
        (&lines[0]["id"], &lines[0]["type"]),
        (&1.into(), &"succeeded-push".into())
    );
}
