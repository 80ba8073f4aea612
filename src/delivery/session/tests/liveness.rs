//! Connections that say nothing, or that they go.

use super::*;
use crate::delivery::session::causes::GOAWAY_SHOWN;

#[test]
fn what_was_not_written_within_its_time_was_not_sent() {
    let mut wire = Wire::apns(10);
    let mut pushes = pushes(5, |_| {}).into_iter();
    wire.send(pushes.next().unwrap());
    wire.settle();
    for push in pushes {
        wire.send(push);
    }
    // One that is called off before it was written keeps no other.
    let (now, mut ended) = (wire.now, Vec::new());
    let called_off = wire
        .session
        .cancel(PushId(4), &mut wire.client, now, &mut ended);
    assert!(called_off.is_some() && ended.is_empty());
    // The socket takes the beginning of the second and then nothing.
    let up = wire.client.output()[..20].to_vec();
    wire.client.advance_output(20);
    wire.server.receive(&up, wire.now.monotonic);
    wire.now.monotonic += TIMEOUT;
    let at = wire.now.monotonic;
    for _ in 0..2 {
        wire.time_out(at);
        wire.events();
    }
    let expected = [
        (1, "unknown"),
        (2, "unknown"),
        (3, "not sent"),
        (5, "not sent"),
    ];
    assert_eq!(
        wire.outcomes(),
        expected.map(|(id, kind)| (id, kind.to_owned()))
    );
    assert_eq!(wire.session.retiring(), Some("the peer takes no bytes"));
    // Nor is it sent later.
    wire.settle();
    let heard: Vec<_> = wire.heard.iter().map(|heard| heard.0).collect();
    assert_eq!(heard, [1, 3]);
}

#[test]
fn after_a_time_out_a_peer_that_does_not_answer_a_ping_is_given_up() {
    let mut wire = Wire::apns(10);
    let mut two = pushes(2, |_| {}).into_iter();
    wire.send(two.next().unwrap());
    wire.settle();
    wire.now.monotonic += TIMEOUT / 2;
    wire.send(two.next().unwrap());
    // From here on the peer is silent, and takes bytes all the same.
    let mut said = wire.client.output().to_vec();
    wire.client.advance_output(said.len());
    wire.now.monotonic += TIMEOUT / 2;
    let at = wire.now.monotonic;
    wire.time_out(at);
    said.extend(wire.client.output());
    wire.client.advance_output(usize::MAX);
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0];
    let pings = said.windows(9).filter(|head| **head == ping).count();
    assert_eq!(pings, 1);
    assert!(wire.session.retiring().is_none());
    // The other one would have five seconds more, were the connection alive; its time is over
    // when the answer to the PING has had ten.
    let next = wire.session.next_timeout();
    assert_eq!(next, Some(at + TIMEOUT / 2));
    for wait in [TIMEOUT / 2, TIMEOUT / 2] {
        wire.now.monotonic += wait;
        let at = wire.now.monotonic;
        wire.time_out(at);
    }
    assert!(wire.client.is_closed());
    assert_eq!(wire.session.retiring(), Some("no answer to a PING"));
    assert_eq!(wire.outcomes().len(), 2);
}

#[test]
fn a_ping_that_is_answered_keeps_the_connection() {
    let mut wire = Wire::apns(10);
    wire.send(pushes(1, |_| {}).remove(0));
    wire.settle();
    for was_silent in [false, true] {
        wire.now.monotonic += TIMEOUT;
        let at = wire.now.monotonic;
        assert_eq!(wire.session.is_silent(), was_silent);
        wire.time_out(at);
        wire.settle();
        wire.events();
    }
    assert!(wire.session.retiring().is_none() && !wire.client.is_closed());
    assert!(wire.room() > 0);
}

#[test]
fn a_connection_that_retires_by_itself_takes_nothing_more_and_its_answers_come() {
    let mut wire = Wire::apns(10);
    for push in pushes(2, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    while wire.session.retiring().is_none() {
        wire.client.receive(&settings, wire.now.monotonic);
        wire.client.advance_output(usize::MAX);
        wire.events();
    }
    assert_eq!(
        wire.session.retiring(),
        Some("too many frames that move nothing")
    );
    assert_eq!(wire.room(), 0);
    assert!(wire.outcomes().is_empty());
    wire.answer(1, 200, b"");
    wire.answer(3, 200, b"");
    let taken = |id| (id, "200 ".to_owned());
    assert_eq!(wire.outcomes(), [taken(1), taken(2)]);
    assert!(wire.client.is_closed());
}

#[test]
fn a_provider_that_wants_fewer_fields_is_told_of_once_and_gets_the_push() {
    let mut wire = Wire::apns(10);
    // SETTINGS with a MAX_HEADER_LIST_SIZE of 100.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 100];
    wire.client.receive(&settings, wire.now.monotonic);
    wire.client.advance_output(usize::MAX);
    for push in pushes(2, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    assert!(matches!(wire.session.take_list_exceeded(), Some((size, 100)) if size > 100));
    assert_eq!(wire.session.take_list_exceeded(), None);
    wire.answer(1, 200, b"");
    wire.answer(3, 200, b"");
    assert_eq!(wire.outcomes().len(), 2);
}

#[test]
fn what_goaway_says_is_told_escaped_and_cut() {
    for (debug, told) in [
        (
            "server_shutting_down",
            "GOAWAY NO_ERROR server_shutting_down",
        ),
        (
            " two\nlines\u{1b}[31m ",
            "GOAWAY NO_ERROR two\\nlines\\u{1b}[31m",
        ),
        ("", "GOAWAY NO_ERROR"),
    ] {
        let mut wire = Wire::apns(10);
        wire.send(pushes(1, |_| {}).remove(0));
        wire.settle();
        wire.server
            .send_goaway(1, ErrorCode::NO_ERROR, debug.as_bytes());
        wire.settle();
        assert_eq!(wire.session.retiring(), Some(told));
    }
    let mut wire = Wire::apns(10);
    wire.server
        .send_goaway(1, ErrorCode::NO_ERROR, &[b'x'; 1000]);
    wire.settle();
    let told = wire.session.retiring().unwrap();
    assert_eq!(
        told.chars().count(),
        "GOAWAY NO_ERROR ".len() + GOAWAY_SHOWN + 1
    );
    assert!(told.ends_with('…'));
}

#[test]
fn a_complaint_of_pings_is_told_once() {
    let mut wire = Wire::new(fcm(), 10);
    wire.server
        .send_goaway(0, ErrorCode::ENHANCE_YOUR_CALM, b"too_many_pings");
    wire.settle();
    assert!(wire.session.take_too_many_pings());
    assert!(!wire.session.take_too_many_pings());
    let mut wire = Wire::new(fcm(), 10);
    wire.server
        .send_goaway(0, ErrorCode::NO_ERROR, b"session_timed_out");
    wire.settle();
    assert!(!wire.session.take_too_many_pings());
}

#[test]
fn a_peer_that_was_asked_whether_it_lives_gets_no_push_before_it_says_something() {
    let mut wire = Wire::apns(10);
    let mut two = pushes(2, |_| {}).into_iter();
    wire.send(two.next().unwrap());
    wire.settle();
    assert_eq!(wire.room(), 9);
    wire.now.monotonic += TIMEOUT;
    let at = wire.now.monotonic;
    wire.time_out(at);
    assert!(wire.session.is_in_doubt());
    assert_eq!(wire.room(), 0);
    wire.now.monotonic += Duration::from_millis(50);
    wire.settle();
    assert_eq!(wire.room(), 10);
}
