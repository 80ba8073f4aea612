//! RFC 9113 §6.7: PING.

use super::*;

#[test]
fn it_is_answered_with_the_same_bytes() {
    let mut end = Side::client();
    end.receive(&frame(PING, 0, 0, b"12345678"));
    let answer = Sent {
        kind: PING,
        flags: ACK,
        stream: 0,
        payload: b"12345678".to_vec(),
    };
    assert_eq!(end.sent(), [answer]);
    assert!(end.events().is_empty());
}

#[test]
fn on_a_stream_it_ends_the_connection() {
    let bytes = frame(PING, 0, 1, &[0; 8]);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn the_answer_to_ours_is_reported_once() {
    let mut end = Side::client();
    end.connection.ping(*b"abcdefgh");
    assert_eq!(end.sent()[0].payload, b"abcdefgh");
    end.receive(&frame(PING, ACK, 0, b"abcdefgh"));
    assert!(matches!(end.events()[..], [Event::Pong { payload }] if payload == *b"abcdefgh"));
    end.expect_ignored(&frame(PING, ACK, 0, b"abcdefgh"));
}

#[test]
fn of_more_than_16_unanswered_the_oldest_is_forgotten() {
    let mut end = Side::client();
    for number in 0..17 {
        end.connection.ping([number; 8]);
    }
    end.sent();
    end.expect_ignored(&frame(PING, ACK, 0, &[0; 8]));
    end.receive(&frame(PING, ACK, 0, &[1; 8]));
    assert_eq!(end.events().len(), 1);
}
