//! RFC 9113 §6.3: PRIORITY.

use super::*;

#[test]
fn it_does_nothing_in_any_state() {
    let mut end = Side::client();
    let stream = end.sent_request();
    for id in [stream, 2, 99] {
        end.expect_ignored(&frame(PRIORITY, 0, id, &[0, 0, 0, 9, 1]));
    }
}

#[test]
fn on_stream_zero_it_ends_the_connection() {
    let bytes = frame(PRIORITY, 0, 0, &[0; 5]);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn of_another_length_it_fails_the_stream() {
    for length in [0, 4, 6] {
        let mut end = Side::client();
        let stream = end.sent_request();
        let bytes = frame(PRIORITY, 0, stream, &vec![0; length]);
        end.expect_stream_error(&bytes, stream, ErrorCode::FRAME_SIZE_ERROR);
        end.expect_ignored(&bytes);
    }
}

#[test]
fn of_another_length_on_an_idle_stream_it_ends_the_connection() {
    let bytes = frame(PRIORITY, 0, 5, &[0; 4]);
    Side::client().expect_connection_error(&bytes, ErrorCode::FRAME_SIZE_ERROR);
}
