//! RFC 9113 §6.4: `RST_STREAM`.

use super::*;

#[test]
fn on_stream_zero_or_an_idle_one_it_ends_the_connection() {
    for stream in [0, 1, 2] {
        let bytes = rst_stream(stream, ErrorCode::CANCEL);
        Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn it_ends_the_stream_and_is_not_answered() {
    for (code, fate) in [
        (ErrorCode::REFUSED_STREAM, Fate::NotProcessed),
        (ErrorCode::CANCEL, Fate::Unknown),
        (ErrorCode::NO_ERROR, Fate::Unknown),
        (ErrorCode(0xdead_beef), Fate::Unknown),
    ] {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.receive(&rst_stream(stream, code));
        assert!(
            matches!(end.events()[..], [Event::StreamFailed { stream: s, fate: f, cause: Cause::ResetByPeer(c) }]
            if (s, f, c) == (stream, fate, code))
        );
        assert!(end.sent().is_empty());
        end.expect_ignored(&rst_stream(stream, code));
    }
}

#[test]
fn with_no_error_after_a_complete_response_it_is_no_failure() {
    let mut end = Side::client();
    let stream = end.request(&vec![0; 100_000]);
    end.sent();
    end.receive(
        &[
            frame(HEADERS, 0x5, stream, OK_200),
            rst_stream(stream, ErrorCode::NO_ERROR),
        ]
        .concat(),
    );
    assert!(matches!(
        end.events()[..],
        [Event::Head {
            end_stream: true,
            ..
        }]
    ));
    assert_eq!(end.connection.open_streams(), 0);
}

#[test]
fn before_the_end_of_a_response_it_is_a_failure() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.receive(&rst_stream(stream, ErrorCode::NO_ERROR));
    assert!(matches!(
        end.events()[..],
        [Event::Head { .. }, Event::StreamFailed { .. }]
    ));
}

#[test]
fn a_client_ends_a_request_that_was_answered_before_it_was_sent() {
    let mut end = Side::client();
    let stream = end.request(&vec![0; 100_000]);
    end.sent();
    end.receive(&frame(HEADERS, 0x5, stream, OK_200));
    end.expect_reset(stream, ErrorCode::NO_ERROR);
    assert_eq!(end.connection.unsent(stream), 0);
}

#[test]
fn a_server_hears_of_a_reset_while_the_request_is_incomplete() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x4, 1, POST));
    end.receive(&rst_stream(1, ErrorCode::CANCEL));
    assert!(matches!(
        end.events()[..],
        [Event::Head { .. }, Event::StreamFailed { stream: 1, .. }]
    ));
    let refused = end.connection.send_response(1, 200, &[], None);
    assert_eq!(refused, Err(SendError::StreamClosed));
}

#[test]
fn our_own_reset_is_followed_by_no_event_of_that_stream() {
    let mut end = Side::client();
    let (stream, other) = (end.sent_request(), end.sent_request());
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.receive(&frame(DATA, 0, stream, b"x"));
    end.receive(&frame(HEADERS, 0x5, other, OK_200));
    end.connection.reset(stream, ErrorCode::CANCEL);
    end.expect_reset(stream, ErrorCode::CANCEL);
    assert!(matches!(end.events()[..], [Event::Head { stream: s, .. }] if s == other));
    let late = [
        frame(DATA, 0, stream, b"late"),
        frame(HEADERS, 0x5, stream, OK_200),
        window_update(stream, 1),
        rst_stream(stream, ErrorCode::CANCEL),
    ];
    end.expect_ignored(&late.concat());
}

#[test]
fn a_server_may_reset_with_no_error_after_its_response() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x4, 1, POST));
    end.connection
        .send_response(1, 413, &[], Some(b""))
        .unwrap();
    end.connection.reset(1, ErrorCode::NO_ERROR);
    let kinds: Vec<_> = end.sent().iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [HEADERS, RST_STREAM]);
    end.events();
    end.expect_ignored(&[frame(DATA, 0, 1, b"late"), frame(HEADERS, 0x5, 1, &[])].concat());
}

#[test]
fn a_server_remembers_its_last_256_resets() {
    let mut end = Side::server();
    let streams: Vec<_> = (0..257).map(|index| 2 * index + 1).collect();
    for stream in &streams {
        end.receive(&frame(HEADERS, 0x4, *stream, POST));
        end.connection.reset(*stream, ErrorCode::CANCEL);
    }
    end.sent();
    let trailers = |stream| frame(HEADERS, 0x5, stream, &literal("a", "b"));
    end.expect_ignored(&trailers(streams[1]));
    end.expect_connection_error(&trailers(streams[0]), ErrorCode::STREAM_CLOSED);
}
