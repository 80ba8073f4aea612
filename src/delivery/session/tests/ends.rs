//! What is said of pushes that end, and what a connection tells of itself.

use super::*;
use crate::http2::ErrorCode;

const BAD_CERTIFICATE: &[u8] = br#"{"reason":"BadCertificate"}"#;

#[test]
fn a_push_ends_under_the_number_of_the_route_that_it_was_sent_by() {
    let mut wire = Wire::apns(10);
    for (generation, push) in (5..).zip(pushes(3, |_| {})) {
        wire.session.belongs_to(generation);
        assert_eq!(wire.session.generation(), generation);
        wire.send(push);
        wire.settle();
    }
    for stream in [5, 1, 3] {
        wire.answer(stream, 200, b"");
    }
    let told = wire.ended.iter().map(|it| (it.push.id().0, it.generation));
    assert_eq!(told.collect::<Vec<_>>(), [(3, 7), (1, 5), (2, 6)]);
}

#[test]
fn a_push_in_flight_is_found_and_no_other() {
    let mut wire = in_flight(3);
    wire.answer(3, 200, b"");
    let found = [1, 2, 3, 4].map(|id| wire.session.find(PushId(id)).map(|push| push.id().0));
    assert_eq!(found, [Some(1), None, Some(3), None]);
}

/// They go again in the order in which they went.
#[test]
fn what_is_lost_with_a_connection_ends_in_the_order_of_its_sending() {
    let mut wire = in_flight(10);
    wire.session.abandon("lost", wire.now, &mut wire.ended);
    let ended = wire.ended.iter().map(|it| it.push.id().0);
    assert!(ended.eq(1..=10));
}

#[test]
fn a_refusal_of_the_credential_is_told_once() {
    let mut wire = in_flight(1);
    assert!(wire.session.take_refusal().is_none() && !wire.session.is_refused());
    for _ in 0..2 {
        let why = BAD_CERTIFICATE;
        wire.server.send_goaway(1, ErrorCode::NO_ERROR, why);
        wire.settle();
    }
    let (row, _) = wire.session.take_refusal().unwrap();
    assert_eq!(row.reason, "BadCertificate");
    assert!(wire.session.take_refusal().is_none() && wire.session.is_refused());
    // Not what is about another thing than the credential.
    let mut wire = in_flight(1);
    let why = br#"{"reason":"Shutdown"}"#;
    wire.server.send_goaway(1, ErrorCode::NO_ERROR, why);
    wire.settle();
    assert!(wire.session.take_refusal().is_none() && !wire.session.is_refused());
}

/// What is lost with a connection that was refused before it answered anything says nothing of the
/// push; what the provider said of one push does.
#[test]
fn what_is_lost_with_a_connection_that_was_refused_unheard_is_spared() {
    for (is_refused, is_heard) in [(true, false), (true, true), (false, false)] {
        let mut wire = in_flight(3);
        if is_heard {
            wire.answer(1, 200, b"");
        }
        let why = if is_refused { BAD_CERTIFICATE } else { b"" };
        wire.server.send_goaway(5, ErrorCode::NO_ERROR, why);
        wire.server.reset(3, ErrorCode::INTERNAL_ERROR);
        wire.settle();
        wire.client.transport_closed();
        wire.events();
        for it in &wire.ended {
            let is_lost = it.push.id() != PushId(2) && matches!(it.outcome, Outcome::Unknown(_));
            let expected = is_lost && is_refused && !is_heard;
            assert_eq!(it.is_spared, expected, "{:?} {is_heard}", it.push.id());
        }
        assert_eq!(wire.ended.len(), 3);
    }
}

#[test]
fn a_provider_that_complained_of_pings_is_asked_more_rarely() {
    // Apple's may be asked every 30 s; where it complained, every 60 s, 120 s and so on.
    for (doublings, asked_after) in [(0, 30), (1, 60), (2, 120)] {
        let mut wire = Wire::apns(1000);
        wire.session.slow_down_pings(doublings);
        let mut asked = Vec::new();
        for push in pushes(16, |_| {}) {
            wire.send(push.clone());
            wire.settle();
            wire.now.monotonic += TIMEOUT;
            wire.time_out(wire.now.monotonic);
            let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0];
            let output = wire.client.output();
            if output.windows(9).any(|head| *head == ping) {
                asked.push(wire.now.monotonic);
            }
            wire.settle();
            // Not three of them in a row.
            wire.send(push);
            wire.settle();
            let stream = wire.heard.last().unwrap().0;
            wire.answer(stream, 200, b"");
        }
        let between = asked[1].duration_since(asked[0]);
        assert_eq!(between, Duration::from_secs(asked_after));
    }
}

#[test]
fn what_was_answered_in_time_is_no_silence() {
    let mut wire = in_flight(5);
    // Their deadlines stand behind that of the one which is not answered.
    for stream in [3, 5, 7, 9] {
        wire.answer(stream, 200, b"");
    }
    wire.time_out(wire.now.monotonic + TIMEOUT);
    assert_eq!(wire.ended.len(), 5);
    assert_eq!(wire.session.retiring(), None, "one of five had no answer");
}

#[test]
fn one_push_in_flight_is_enough_to_wait_for_its_window() {
    let mut wire = Wire::apns(5000);
    let limit = 8 * 1024;
    let push = pushes(1, |notification| {
        notification.message = "x".repeat(3000).into();
    });
    // The socket takes everything, and no window comes back.
    while wire.client.send_window() >= limit {
        wire.send(push[0].clone());
        wire.client.advance_output(usize::MAX);
    }
    wire.session.abandon("lost", wire.now, &mut wire.ended);
    assert!(wire.room() > 0, "with none in flight");
    wire.send(push[0].clone());
    assert_eq!(wire.room(), 0, "with one");
    // At the limit it is enough.
    let lacking = u32::try_from(limit - wire.client.send_window()).unwrap();
    for (increment, has_room) in [(lacking - 1, false), (1, true)] {
        let update = frame(WINDOW_UPDATE, 0, 0, &increment.to_be_bytes());
        wire.client.receive(&update, wire.now.monotonic);
        assert_eq!(wire.room() > 0, has_room);
        // Bulk pushes stop at twice as much, which is our doing and not the provider's.
        let is_stalled = |limit| wire.session.is_stalled(&wire.client, limit);
        assert_eq!(is_stalled(usize::MAX), !has_room);
        assert!(!is_stalled(1), "there is no stream for another one");
    }
}
