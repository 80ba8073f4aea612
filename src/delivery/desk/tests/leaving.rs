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
        apns_id: None,
        retry_after: None,
        date: None,
    };
    scene.desk.ended.push(Ended {
        push,
        outcome: Outcome::Answered(apns::answer(head, b"", scene.now)),
        generation: 0,
        connection: ConnectionId::new(1),
        is_refused: false,
        is_spared: false,
        was_early: false,
    });
    scene.desk.leave(scene.now);
    let lines = lines(&scene.desk);
    assert_eq!(
        (&lines[0]["id"], &lines[0]["type"]),
        (&1.into(), &"succeeded-push".into())
    );
}
