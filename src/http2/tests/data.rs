//! RFC 9113 §6.1: DATA.

use super::*;

/// A client whose request has got its response head.
fn answered() -> (End, StreamId) {
    answered_with(Options::default())
}

fn answered_with(options: Options) -> (End, StreamId) {
    let mut end = End::client_with(options, &[]);
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.events();
    (end, stream)
}

#[test]
fn on_stream_zero_it_ends_the_connection() {
    End::client().expect_connection_error(&frame(DATA, 0, 0, b"x"), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn padding_is_taken_off() {
    let (mut end, stream) = answered();
    end.receive(&frame(DATA, PADDED | END_STREAM, stream, b"\x03abc\0\0\0"));
    assert!(
        matches!(&end.events()[..], [Event::Data { data, end_stream: true, .. }] if data == b"abc")
    );
}

#[test]
fn padding_may_be_all_but_its_length() {
    let (mut end, stream) = answered();
    let mut payload = vec![255];
    payload.extend([0; 255]);
    end.expect_ignored(&frame(DATA, PADDED, stream, &payload));
}

#[test]
fn padding_as_long_as_the_payload_ends_the_connection() {
    for payload in [&[1][..], &[4, 1, 2, 3], &[255, 0]] {
        let (mut end, stream) = answered();
        let octets = frame(DATA, PADDED, stream, payload);
        end.expect_connection_error(&octets, ErrorCode::PROTOCOL_ERROR);
    }
    let (mut end, stream) = answered();
    end.expect_connection_error(
        &frame(DATA, PADDED, stream, &[]),
        ErrorCode::FRAME_SIZE_ERROR,
    );
}

#[test]
fn an_empty_last_frame_ends_the_message() {
    let (mut end, stream) = answered();
    end.receive(&frame(DATA, END_STREAM, stream, &[]));
    assert!(
        matches!(&end.events()[..], [Event::Data { data, end_stream: true, .. }] if data.is_empty())
    );
}

#[test]
fn frames_that_come_together_are_one_event() {
    let (mut end, stream) = answered();
    end.receive(&[frame(DATA, 0, stream, b"ab"), frame(DATA, 0, stream, b"c")].concat());
    assert!(
        matches!(&end.events()[..], [Event::Data { data, end_stream: false, .. }] if data == b"abc")
    );
}

#[test]
fn more_than_100_empty_frames_end_the_connection() {
    let (mut end, stream) = answered();
    for _ in 0..100 {
        end.expect_ignored(&frame(DATA, 0, stream, &[]));
    }
    end.expect_connection_error(&frame(DATA, 0, stream, &[]), ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn a_complete_message_forgives_empty_frames() {
    let (mut end, stream) = answered();
    let other = end.sent_request();
    for _ in 0..100 {
        end.receive(&frame(DATA, 0, stream, &[]));
    }
    end.receive(&frame(HEADERS, 0x5, other, OK_200));
    end.events();
    end.expect_ignored(&frame(DATA, 0, stream, &[]));
}

#[test]
fn content_beyond_our_limit_cancels_the_stream() {
    let options = Options {
        max_content: 10,
        ..Options::default()
    };
    let (mut end, stream) = answered_with(options);
    end.receive(&frame(DATA, 0, stream, &[0; 10]));
    end.events();
    end.expect_stream_error(&frame(DATA, 0, stream, &[0]), stream, ErrorCode::CANCEL);
}

#[test]
fn before_the_head_it_is_malformed() {
    let mut end = End::client();
    let stream = end.sent_request();
    let octets = frame(DATA, 0, stream, b"x");
    end.expect_stream_error(&octets, stream, ErrorCode::PROTOCOL_ERROR);
}
