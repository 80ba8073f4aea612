//! What a connection may be burdened with, and what it may ask of the provider.

use super::*;
use crate::http2::ErrorCode;

const DATA: u8 = 0;

#[test]
fn an_answer_that_comes_in_two_pieces_is_read_whole() {
    let body = br#"{"reason":"Unregistered","timestamp":1790000000000}"#;
    for cut in 0..=body.len() {
        let mut wire = in_flight(2);
        for stream in [1, 3] {
            wire.server.send_response(stream, 410, &[], None).unwrap();
        }
        wire.settle();
        // In turns, so that what belongs together does not come together.
        let (first, second) = body.split_at(cut);
        for (piece, flags) in [(first, 0), (second, 1)] {
            for stream in [1, 3] {
                let bytes = frame(DATA, flags, stream, piece);
                wire.client.receive(&bytes, wire.now.monotonic);
                wire.events();
            }
        }
        let whole = |id| (id, "410 Unregistered".to_owned());
        assert_eq!(wire.outcomes(), [whole(1), whole(2)], "cut after {cut}");
    }
}

/// gRPC's servers say it so, and nothing else of what a GOAWAY says is about PINGs.
#[test]
fn only_too_many_pings_is_a_complaint_of_pings() {
    let calm = ErrorCode::ENHANCE_YOUR_CALM;
    for (code, said, is_complaint) in [
        (calm, "too_many_pings", true),
        (calm, "closing: too_many_pings.", true),
        (calm, "", false),
        (calm, "too_many_requests", false),
        (ErrorCode::NO_ERROR, "too_many_pings", false),
        (ErrorCode::PROTOCOL_ERROR, "too_many_pings", false),
    ] {
        let mut wire = Wire::new(fcm(), 10);
        wire.server.send_goaway(0, code, said.as_bytes());
        wire.settle();
        let told = wire.session.take_too_many_pings();
        assert_eq!(told, is_complaint, "{code} {said}");
        assert!(!wire.session.take_too_many_pings(), "told once");
    }
}

/// A provider takes a client that resets many streams for an attacker.
#[test]
fn a_connection_of_more_unanswered_requests_than_a_provider_suffers_takes_no_more() {
    // So many at once, after so many seconds of quiet: 33 are forgotten in a second.
    for (rounds, retires) in [
        (vec![(0, 1000)], false),
        (vec![(0, 1001)], true),
        (vec![(0, 500), (0, 501)], false),
        (vec![(0, 1000), (31, 1000), (31, 1000)], false),
        (vec![(0, 1000), (0, 340)], true),
        (vec![(0, 1000), (3600, 1001)], true),
    ] {
        let mut wire = Wire::apns(5000);
        for (quiet, count) in &rounds {
            wire.now.monotonic += Duration::from_secs(*quiet);
            for push in pushes(*count, |_| {}) {
                wire.send(push);
                wire.settle();
                // The head alone has come: the provider is not silent.
                let stream = wire.heard.pop().unwrap().0;
                wire.server.send_response(stream, 200, &[], None).unwrap();
                wire.settle();
            }
            wire.now.monotonic += TIMEOUT;
            wire.time_out(wire.now.monotonic);
            assert_eq!(wire.session.in_flight(), 0);
        }
        let expected = retires.then_some("too many requests without an answer");
        assert_eq!(wire.session.retiring(), expected, "{rounds:?}");
        assert_eq!(wire.room() > 0, !retires, "{rounds:?}");
    }
}

#[test]
fn no_more_than_256_kib_wait_for_a_socket_that_takes_nothing() {
    let mut wire = Wire::apns(5000);
    let window = frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes());
    wire.client.receive(&window, wire.now.monotonic);
    let push = pushes(1, |notification| {
        notification.message = "x".repeat(3000).into();
    });
    while wire.room() > 0 {
        wire.send(push[0].clone());
    }
    let waits = wire.client.output().len();
    let limit = 256 * 1024;
    assert!(waits > limit && waits < limit + 4096, "{waits}");
    wire.client.advance_output(4096);
    assert!(wire.room() > 0, "as soon as it takes some");
    let of_bulk = wire.room_for(PushClass::Bulk, usize::MAX);
    let in_turn = wire.session.room_in_turn(&wire.client, usize::MAX);
    assert!(
        of_bulk == 0 && in_turn > 0,
        "half is for the others, but for a turn"
    );
}

#[test]
fn no_push_is_sent_whose_content_could_not_follow_at_once() {
    let mut wire = Wire::apns(5000);
    let push = pushes(1, |notification| {
        notification.message = "x".repeat(3000).into();
    });
    // The socket takes everything, and the provider gives no window back.
    while wire.room() > 0 {
        wire.send(push[0].clone());
        wire.client.advance_output(usize::MAX);
    }
    let window = wire.client.send_window();
    assert!(window < 8 * 1024 && window + 4096 >= 8 * 1024, "{window}");
    let update = frame(WINDOW_UPDATE, 0, 0, &8192_u32.to_be_bytes());
    wire.client.receive(&update, wire.now.monotonic);
    assert!(wire.room() > 0);
    while wire.room() > 0 {
        wire.send(push[0].clone());
    }
    // With nothing in flight nobody gives a window back.
    wire.session.abandon("lost", wire.now, &mut wire.ended);
    assert!(wire.room() > 0);
}
