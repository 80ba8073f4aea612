//! Frames that are legal and move nothing, and resets: what a flood of them comes to.

use super::super::bucket::RESETS;
use super::super::glitches::{BURST, FLOOD, PER_ANSWER};
use super::*;

/// Sends such bytes until the connection retires or closes; how often that was before.
fn flood(end: &mut Side, most: u32, mut bytes: impl FnMut(u32) -> Vec<u8>) -> u32 {
    for round in 0..most {
        let bytes = bytes(round);
        end.receive(&bytes);
        end.connection.advance_output(usize::MAX);
        while let Some(event) = end.connection.poll_event() {
            if matches!(event, Event::Retiring { .. } | Event::Closed { .. }) {
                return round;
            }
        }
    }
    most
}

/// Frames that move nothing, for a client that has one request under way, of no content.
fn useless() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("unasked PONG", frame(PING, ACK, 0, &[0; 8])),
        ("SETTINGS", settings(&[(3, 100)])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0; 5])),
        ("unknown", frame(0xfa, 0, 1, b"grease")),
        ("WINDOW_UPDATE", window_update(0, 1)),
        ("WINDOW_UPDATE of a stream", window_update(3, 1)),
        ("late WINDOW_UPDATE", window_update(1, 1)),
        ("late RST_STREAM", rst_stream(1, ErrorCode::NO_ERROR)),
        ("late HEADERS", frame(HEADERS, END_HEADERS, 1, OK_200)),
        ("late DATA", frame(DATA, 0, 1, b"")),
    ]
}

/// A client of which stream 1 was answered and stream 3 waits.
fn one_waits() -> (Side, StreamId) {
    let mut end = Side::client();
    let first = end.sent_request();
    end.receive(&frame(HEADERS, 0x5, first, OK_200));
    let second = end.sent_request();
    end.events();
    (end, second)
}

#[test]
fn what_is_under_way_to_a_server_of_too_many_frames_is_awaited() {
    for (name, bytes) in useless() {
        let (mut end, stream) = one_waits();
        let most = flood(&mut end, 2 * BURST, |_| bytes.clone());
        assert_eq!(most, BURST, "{name}");
        assert!(!end.connection.is_closed(), "{name}");
        assert_eq!(end.connection.available_streams(), 0, "{name}");
        end.receive(&bytes);
        assert!(!end.connection.is_closed(), "{name}");
        end.events();
        end.sent();
        end.receive(&frame(HEADERS, 0x5, stream, OK_200));
        let events = end.events();
        assert!(
            matches!(
                events[..],
                [
                    Event::Head {
                        end_stream: true,
                        ..
                    },
                    Event::Closed {
                        cause: Cause::ClosedByUs
                    }
                ]
            ),
            "{name}: {events:?}"
        );
        let goaway = end.sent().pop().expect("a GOAWAY");
        assert_eq!(
            (goaway.kind, &goaway.payload[4..8]),
            (GOAWAY, &[0; 4][..]),
            "{name}"
        );
    }
}

#[test]
fn what_comes_in_pieces_counts_as_what_comes_whole() {
    let bytes = frame(0xfa, 0, 1, b"grease");
    for cut in [1, 8, 9, 10, bytes.len() - 1] {
        let (mut end, _) = one_waits();
        let (first, second) = bytes.split_at(cut);
        // Of each round one half.
        let halves = flood(&mut end, 4 * BURST, |half| {
            let is_first = half.is_multiple_of(2);
            if is_first { first } else { second }.to_vec()
        });
        assert_eq!(halves / 2, BURST, "cut after {cut}");
        assert!(!end.connection.is_closed(), "cut after {cut}");
    }
}

#[test]
fn with_nothing_under_way_such_a_connection_ends_in_good_order() {
    let mut end = Side::client();
    assert_eq!(flood(&mut end, 2 * BURST, |_| settings(&[])), BURST);
    assert!(matches!(
        end.events()[..],
        [Event::Closed {
            cause: Cause::ClosedByUs
        }]
    ));
}

#[test]
fn ten_times_as_many_in_a_second_without_an_answer_end_the_connection() {
    for (name, bytes) in useless() {
        let (mut end, _) = one_waits();
        for _ in 0..FLOOD {
            end.receive(&bytes);
            end.connection.advance_output(usize::MAX);
        }
        assert!(!end.connection.is_closed(), "{name}");
        end.events();
        end.expect_connection_error(&bytes, ErrorCode::ENHANCE_YOUR_CALM);
    }
    // An answer, or another second, and it begins anew.
    for answered in [true, false] {
        let (mut end, stream) = one_waits();
        end.sent_request();
        for half in 0..2 {
            for _ in 0..FLOOD {
                end.receive(&frame(PING, 0, 0, &[0; 8]));
                end.connection.advance_output(usize::MAX);
            }
            if half == 0 && answered {
                end.receive(&frame(HEADERS, 0x5, stream, OK_200));
            } else {
                end.now += Duration::from_secs(1);
            }
        }
        assert!(!end.connection.is_closed(), "{answered}");
    }
}

#[test]
fn fragments_of_one_block_are_a_flood_too() {
    let (mut end, stream) = one_waits();
    end.receive(&frame(HEADERS, 0x1, stream, OK_200));
    let empty = frame(CONTINUATION, 0, stream, &[]);
    for _ in 0..FLOOD + 8 {
        end.receive(&empty);
    }
    end.events();
    end.expect_connection_error(&empty, ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn a_server_ends_the_connection_of_a_flood_at_once() {
    for bytes in [
        frame(PING, 0, 0, &[0; 8]),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(0xa, 0, 0, &[]),
        window_update(0, 1),
        settings(&[]),
    ] {
        let mut end = Side::server();
        assert_eq!(flood(&mut end, 2 * BURST, |_| bytes.clone()), BURST);
        assert!(end.connection.is_closed());
    }
}

#[test]
fn small_pieces_of_content_end_a_servers_connection_and_cost_a_client_nothing() {
    let unlimited = || Options {
        max_content: usize::MAX,
        ..Options::default()
    };
    let pieces = |end: &mut Side, stream: StreamId, bytes: usize| {
        for _ in 0..2 * BURST {
            end.receive(&frame(DATA, 0, stream, &vec![b'x'; bytes]));
            end.connection.release(stream, bytes);
            end.events();
            end.connection.advance_output(usize::MAX);
        }
    };
    for (bytes, ends) in [(1, true), (63, true), (64, false)] {
        let mut end = Side::server_with(unlimited(), &[]);
        end.receive(&frame(HEADERS, END_HEADERS, 1, POST));
        pieces(&mut end, 1, bytes);
        assert_eq!(end.connection.is_closed(), ends, "{bytes} bytes");
    }
    let mut end = Side::client_with(unlimited(), &[]);
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, END_HEADERS, stream, OK_200));
    pieces(&mut end, stream, 1);
    assert!(end.connection.available_streams() > 0);
}

#[test]
fn time_gives_back_what_was_used_up() {
    let (mut end, _) = one_waits();
    assert_eq!(
        flood(&mut end, BURST, |_| frame(PING, 0, 0, &[0; 8])),
        BURST
    );
    // 330 a second, for a quarter of an hour.
    for _ in 0..900 {
        end.now += Duration::from_secs(1);
        assert_eq!(flood(&mut end, 330, |_| frame(PING, 0, 0, &[0; 8])), 330);
    }
}

#[test]
fn an_answer_gives_back_so_many() {
    let (mut end, _) = one_waits();
    assert_eq!(
        flood(&mut end, BURST, |_| frame(PING, 0, 0, &[0; 8])),
        BURST
    );
    for _ in 0..100 {
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x5, stream, OK_200));
        let most = flood(&mut end, PER_ANSWER, |_| frame(PING, 0, 0, &[0; 8]));
        assert_eq!(most, PER_ANSWER);
    }
    assert_eq!(flood(&mut end, 1, |_| frame(PING, 0, 0, &[0; 8])), 0);
}

#[test]
fn answers_that_come_after_their_time_outs_cost_no_connection() {
    let mut end = Side::client();
    let streams: Vec<_> = (0..4000).map(|_| end.sent_request()).collect();
    for stream in &streams {
        end.connection.reset(*stream, ErrorCode::CANCEL);
        end.connection.advance_output(usize::MAX);
    }
    for stream in streams {
        end.receive(&frame(HEADERS, END_HEADERS, stream, OK_200));
        end.receive(&frame(DATA, END_STREAM, stream, b"{}"));
    }
    assert!(end.connection.available_streams() > 0);
}

#[test]
fn rapid_resets_end_a_servers_connection() {
    let mut end = Side::server();
    let most = flood(&mut end, 3 * RESETS, |round| {
        let stream = 2 * round + 1;
        let mut bytes = frame(HEADERS, 0x5, stream, GET);
        bytes.extend(rst_stream(stream, ErrorCode::CANCEL));
        bytes
    });
    assert_eq!(most, RESETS);
    // Time lets a client cancel as it needs to.
    let mut end = Side::server();
    for round in 0..3 * RESETS {
        end.now += Duration::from_millis(31);
        let stream = 2 * round + 1;
        end.receive(&frame(HEADERS, 0x5, stream, GET));
        end.receive(&rst_stream(stream, ErrorCode::CANCEL));
        end.events();
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn resets_that_a_server_is_made_to_send_count_the_same() {
    // CVE-2025-8671: each of these makes the server reset the stream.
    let faults: [fn(StreamId) -> Vec<u8>; 3] = [
        |stream| window_update(stream, 0),
        |stream| [window_update(stream, 0x7fff_ffff), window_update(stream, 1)].concat(),
        |stream| frame(DATA, 0, stream, b"after the end"),
    ];
    for fault in faults {
        let mut end = Side::server();
        let most = flood(&mut end, 3 * RESETS, |round| {
            let stream = 2 * round + 1;
            let mut bytes = frame(HEADERS, 0x5, stream, GET);
            bytes.extend(fault(stream));
            bytes
        });
        assert_eq!(most, RESETS);
    }
}

#[test]
fn broken_answers_without_end_end_a_clients_connection() {
    let mut end = Side::client();
    let mut answered = 0;
    while end.connection.available_streams() > 0 {
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x5, stream, GET));
        end.events();
        end.connection.advance_output(usize::MAX);
        answered += 1;
    }
    assert_eq!(answered, RESETS + 1);
    assert!(end.connection.is_closed());
}
