//! RFC 9113 §6.1: DATA.

use super::*;

/// A client whose request has got its response head.
fn answered() -> (Side, StreamId) {
    answered_with(Options::default())
}

fn answered_with(options: Options) -> (Side, StreamId) {
    let mut end = Side::client_with(options, &[]);
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.events();
    (end, stream)
}

#[test]
fn on_stream_zero_it_ends_the_connection() {
    Side::client().expect_connection_error(&frame(DATA, 0, 0, b"x"), ErrorCode::PROTOCOL_ERROR);
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
        let bytes = frame(DATA, PADDED, stream, payload);
        end.expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
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
fn empty_frames_and_frames_of_padding_alone_end_nothing() {
    let (mut end, stream) = answered();
    let mut padding = vec![255];
    padding.extend([0; 255]);
    for _ in 0..500 {
        end.expect_ignored(&frame(DATA, 0, stream, &[]));
        end.receive(&frame(DATA, PADDED, stream, &padding));
        // The credit of the padding.
        end.sent();
    }
    end.receive(&frame(DATA, END_STREAM, stream, b"x"));
    assert!(
        matches!(&end.events()[..], [Event::Data { data, end_stream: true, .. }] if data == b"x")
    );
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
    end.receive(&frame(DATA, 0, stream, &[0]));
    assert!(matches!(
        end.events()[..],
        [Event::StreamFailed {
            cause: Cause::OurLimit(_),
            ..
        }]
    ));
    end.expect_reset(stream, ErrorCode::CANCEL);
}

/// Our limit is none of the protocol's, and who crosses it has made no mistake.
#[test]
fn contents_beyond_our_limit_without_end_end_no_connection() {
    let options = Options {
        max_content: 10,
        ..Options::default()
    };
    let mut end = Side::client_with(options, &[]);
    for _ in 0..3000 {
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x4, stream, OK_200));
        end.receive(&frame(DATA, END_STREAM, stream, &[0; 11]));
        end.events();
    }
    assert!(end.connection.available_streams() > 0);
}

#[test]
fn before_the_head_it_is_malformed() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let bytes = frame(DATA, 0, stream, b"x");
    end.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
}
