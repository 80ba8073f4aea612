//! RFC 9113 §6.8: GOAWAY.

use super::*;

/// Which streams failed with what fate.
fn failed(events: &[Event]) -> Vec<(StreamId, Fate)> {
    let failures = events.iter().filter_map(|event| match event {
        Event::StreamFailed { stream, fate, .. } => Some((*stream, *fate)),
        _ => None,
    });
    failures.collect()
}

#[test]
fn streams_above_the_last_were_not_processed_and_the_others_go_on() {
    let mut end = Side::client();
    let streams = [(); 4].map(|()| end.sent_request());
    end.receive(&goaway(streams[1], ErrorCode::NO_ERROR, b"bye"));
    let events = end.events();
    assert!(
        matches!(&events[0], Event::GoAway { last_stream: 3, code: ErrorCode::NO_ERROR, debug } if debug == b"bye")
    );
    assert_eq!(
        failed(&events),
        [
            (streams[2], Fate::NotProcessed),
            (streams[3], Fate::NotProcessed)
        ]
    );
    assert_eq!(end.connection.available_streams(), 0);
    for stream in [streams[0], streams[1]] {
        assert!(!end.connection.is_closed());
        end.receive(&frame(HEADERS, 0x5, stream, OK_200));
    }
    let closed = end.events().pop();
    assert!(matches!(
        closed,
        Some(Event::Closed {
            cause: Cause::GoAway(ErrorCode::NO_ERROR)
        })
    ));
    let last = end.sent().pop().unwrap();
    assert_eq!((last.kind, &last.payload[..]), (GOAWAY, &[0; 8][..]));
}

#[test]
fn a_graceful_one_fails_nothing_until_the_second_names_the_last() {
    let mut end = Side::client();
    let streams = [(); 2].map(|()| end.sent_request());
    end.receive(&goaway(0x7fff_ffff, ErrorCode::NO_ERROR, b""));
    assert_eq!(failed(&end.events()), []);
    assert_eq!(end.connection.available_streams(), 0);
    end.receive(&goaway(streams[0], ErrorCode::NO_ERROR, b""));
    assert_eq!(failed(&end.events()), [(streams[1], Fate::NotProcessed)]);
}

#[test]
fn a_later_one_does_not_raise_the_last() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&goaway(stream, ErrorCode::NO_ERROR, b""));
    end.receive(&goaway(0x7fff_ffff, ErrorCode::NO_ERROR, b""));
    let events = end.events();
    assert!(matches!(events[1], Event::GoAway { last_stream: 1, .. }));
}

#[test]
fn the_first_error_stays_the_reason() {
    let mut end = Side::client();
    end.sent_request();
    for code in [
        ErrorCode::NO_ERROR,
        ErrorCode::ENHANCE_YOUR_CALM,
        ErrorCode::NO_ERROR,
        ErrorCode::INTERNAL_ERROR,
    ] {
        end.receive(&goaway(1, code, b""));
    }
    end.connection.transport_closed();
    let closed = end.events().pop();
    assert!(matches!(
        closed,
        Some(Event::Closed {
            cause: Cause::GoAway(ErrorCode::ENHANCE_YOUR_CALM)
        })
    ));
}

#[test]
fn streams_that_a_later_one_drops_fail_for_the_first_error() {
    let mut end = Side::client();
    end.sent_request();
    end.sent_request();
    end.receive(&goaway(3, ErrorCode::ENHANCE_YOUR_CALM, b"too_many_pings"));
    end.receive(&goaway(1, ErrorCode::NO_ERROR, b""));
    assert!(matches!(
        end.events().last(),
        Some(Event::StreamFailed {
            stream: 3,
            cause: Cause::GoAway(ErrorCode::ENHANCE_YOUR_CALM),
            ..
        })
    ));
}

#[test]
fn with_nothing_open_it_closes_at_once() {
    let mut end = Side::client();
    end.receive(&goaway(0, ErrorCode::NO_ERROR, b"session_timed_out"));
    assert!(matches!(
        end.events()[..],
        [
            Event::GoAway { .. },
            Event::Closed {
                cause: Cause::GoAway(_)
            }
        ]
    ));
    assert!(end.connection.is_closed());
    end.connection.transport_closed();
    assert!(end.events().is_empty());
}

#[test]
fn a_transport_that_ends_after_it_leaves_the_processed_unknown() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&goaway(stream, ErrorCode::INTERNAL_ERROR, b""));
    end.connection.transport_closed();
    assert_eq!(failed(&end.events()), [(stream, Fate::Unknown)]);
}

#[test]
fn debug_data_is_cut_to_1_kib() {
    let mut end = Side::client();
    end.receive(&goaway(0, ErrorCode::NO_ERROR, &[b'x'; 1025]));
    assert!(matches!(&end.events()[0], Event::GoAway { debug, .. } if debug.len() == 1024));
    let mut server = Side::server();
    server
        .connection
        .send_goaway(0, ErrorCode::NO_ERROR, &[b'x'; 1025]);
    assert_eq!(server.sent()[0].payload.len(), 8 + 1024);
}

#[test]
fn on_a_stream_it_ends_the_connection() {
    let bytes = frame(GOAWAY, 0, 1, &[0; 8]);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_client_that_shuts_down_finishes_its_requests() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let now = end.now;
    end.connection.shut_down(now);
    assert_eq!(end.connection.available_streams(), 0);
    assert!(end.sent().is_empty());
    end.receive(&frame(HEADERS, 0x5, stream, OK_200));
    assert!(matches!(
        end.events()[..],
        [
            Event::Head { .. },
            Event::Closed {
                cause: Cause::ClosedByUs
            }
        ]
    ));
    assert_eq!(end.sent()[0].payload, [0; 8]);
}

#[test]
fn a_server_that_shuts_down_names_the_last_stream_after_a_round_trip() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    let now = end.now;
    end.connection.shut_down(now);
    let sent = end.sent();
    assert_eq!(
        (sent[0].kind, &sent[0].payload[..4]),
        (GOAWAY, &[0x7f, 0xff, 0xff, 0xff][..])
    );
    // Was under way.
    end.receive(&frame(HEADERS, 0x5, 3, GET));
    end.receive(&frame(PING, ACK, 0, &sent[1].payload));
    assert_eq!(end.sent()[0].payload[..4], [0, 0, 0, 3]);
    assert_eq!(end.events().len(), 2);
    // Came too late, and is decoded and dropped.
    end.expect_ignored(&frame(HEADERS, 0x4, 5, POST));
    end.expect_ignored(&frame(DATA, END_STREAM, 5, b"x"));
    for stream in [1, 3] {
        assert!(!end.connection.is_closed());
        end.connection
            .send_response(stream, 200, &[], Some(b"x"))
            .unwrap();
    }
    assert!(matches!(
        end.events()[..],
        [Event::Closed {
            cause: Cause::ClosedByUs
        }]
    ));
    assert_eq!(end.sent().len(), 4);
}

#[test]
fn a_server_does_not_wait_for_that_round_trip_for_ever() {
    let mut end = Side::server();
    let now = end.now;
    end.connection.shut_down(now);
    end.sent();
    assert_eq!(
        end.connection.next_timeout(),
        Some(now + Duration::from_secs(10))
    );
    end.pass(Duration::from_secs(10));
    assert_eq!(end.sent()[0].kind, GOAWAY);
    assert!(end.connection.is_closed());
}

#[test]
fn a_servers_goaway_drops_what_is_above_and_serves_what_is_not() {
    let mut end = Side::server();
    for stream in [1, 3, 5] {
        end.receive(&frame(HEADERS, 0x4, stream, POST));
    }
    end.events();
    end.connection
        .send_goaway(3, ErrorCode::ENHANCE_YOUR_CALM, b"too many");
    assert_eq!(failed(&end.events()), [(5, Fate::Unknown)]);
    end.sent();
    end.expect_ignored(&frame(DATA, 1, 5, b"x"));
    end.expect_ignored(&frame(HEADERS, 5, 7, GET));
    end.receive(&frame(DATA, 1, 3, b"x"));
    assert_eq!(end.events().len(), 1);
    assert_eq!(
        end.connection.send_response(5, 200, &[], None),
        Err(SendError::StreamClosed)
    );
    end.connection
        .send_response(3, 200, &[], Some(b"y"))
        .unwrap();
    assert!(!end.connection.is_closed());
    // It never rises.
    end.sent();
    end.connection.send_goaway(99, ErrorCode::NO_ERROR, b"");
    assert_eq!(end.sent()[0].payload[..4], [0, 0, 0, 3]);
}

#[test]
fn a_clients_goaway_lets_its_server_finish() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.receive(&goaway(0, ErrorCode::NO_ERROR, b""));
    end.events();
    end.connection
        .send_response(1, 200, &[], Some(b"x"))
        .unwrap();
    assert_eq!(end.sent().len(), 2);
    end.connection.transport_closed();
    assert!(matches!(
        end.events()[..],
        [Event::Closed {
            cause: Cause::GoAway(ErrorCode::NO_ERROR)
        }]
    ));
}
