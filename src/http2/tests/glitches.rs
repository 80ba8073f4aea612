//! Frames that are legal and of no use, and resets: what a flood of them comes to.

use super::super::bucket::BURST;
use super::super::glitches::{SETTINGS_FREE, SMALL_DATA};
use super::*;

/// Sends the same octets until the connection closes; how often that was before.
fn flood(end: &mut End, most: u32, mut octets: impl FnMut(u32) -> Vec<u8>) -> u32 {
    for round in 0..most {
        if end.connection.is_closed() {
            return round - 1;
        }
        let octets = octets(round);
        end.receive(&octets);
        end.connection.advance_output(usize::MAX);
        while end
            .connection
            .poll_event()
            .is_some_and(|event| !matches!(event, Event::Closed { .. }))
        {}
    }
    most
}

#[test]
fn a_flood_of_frames_of_no_use_ends_the_connection() {
    let frames: [(&str, Vec<u8>, u32); 8] = [
        ("PING", frame(PING, 0, 0, &[0; 8]), 0),
        ("unasked PONG", frame(PING, ACK, 0, &[0; 8]), 0),
        ("SETTINGS", settings(&[(3, 100)]), SETTINGS_FREE - 1),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0; 5]), 0),
        ("unknown", frame(0xfa, 0, 1, b"grease"), 0),
        ("WINDOW_UPDATE", window_update(0, 1), 2),
        // The allowance of one stream that was opened.
        ("late RST_STREAM", rst_stream(1, ErrorCode::NO_ERROR), 1),
        ("late HEADERS", frame(HEADERS, END_HEADERS, 1, OK_200), 1),
    ];
    for (name, octets, free) in frames {
        let mut end = End::client();
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x5, stream, OK_200));
        let most = flood(&mut end, 3 * BURST, |_| octets.clone());
        assert_eq!(most, BURST + free, "{name}");
    }
}

#[test]
fn a_server_ends_the_connection_of_a_flood_too() {
    for octets in [
        frame(PING, 0, 0, &[0; 8]),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(0xa, 0, 0, &[]),
    ] {
        let mut end = End::server();
        assert_eq!(flood(&mut end, 3 * BURST, |_| octets.clone()), BURST);
    }
}

#[test]
fn more_goaways_than_anyone_needs_end_the_connection() {
    let mut end = End::client();
    // It is not answered: the connection stays for it.
    end.sent_request();
    let octets = goaway(1, ErrorCode::NO_ERROR, b"");
    assert_eq!(flood(&mut end, 3 * BURST, |_| octets.clone()), BURST);
}

#[test]
fn small_pieces_of_content_end_the_connection_and_large_ones_do_not() {
    for (octets, ends) in [(1, true), (SMALL_DATA - 1, true), (SMALL_DATA, false)] {
        let mut end = End::client_with(
            Options {
                max_content: usize::MAX,
                ..Options::default()
            },
            &[],
        );
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, END_HEADERS, stream, OK_200));
        for _ in 0..2 * BURST {
            end.receive(&frame(DATA, 0, stream, &vec![b'x'; octets]));
            end.connection.release(stream, octets);
            end.events();
            end.connection.advance_output(usize::MAX);
        }
        assert_eq!(end.connection.is_closed(), ends, "{octets} octets");
    }
}

#[test]
fn time_gives_back_what_was_used_up() {
    let mut end = End::client();
    for _ in 0..BURST {
        end.receive(&frame(PING, 0, 0, &[0; 8]));
        end.connection.advance_output(usize::MAX);
    }
    // 33 a second, for an hour.
    for _ in 0..3600 {
        end.now += Duration::from_secs(1);
        for _ in 0..33 {
            end.receive(&frame(PING, 0, 0, &[0; 8]));
            end.connection.advance_output(usize::MAX);
        }
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn what_is_usual_costs_nothing() {
    let mut end = End::client();
    for _ in 0..5 * BURST {
        let stream = end.request(b"content");
        end.sent();
        // Two updates, an interim head, content before an empty end, RST_STREAM behind it.
        end.receive(&window_update(0, 7));
        end.receive(&window_update(stream, 7));
        end.receive(&frame(
            HEADERS,
            END_HEADERS,
            stream,
            &literal(":status", "103"),
        ));
        end.receive(&frame(HEADERS, END_HEADERS, stream, OK_200));
        end.receive(&frame(DATA, 0, stream, b"{}"));
        end.receive(&frame(DATA, END_STREAM, stream, b""));
        end.receive(&rst_stream(stream, ErrorCode::NO_ERROR));
        end.connection.release(stream, 2);
        end.events();
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn answers_that_come_after_their_time_outs_cost_nothing() {
    let mut end = End::client();
    let streams: Vec<_> = (0..4000).map(|_| end.sent_request()).collect();
    for stream in &streams {
        end.connection.reset(*stream, ErrorCode::CANCEL);
        end.connection.advance_output(usize::MAX);
    }
    for stream in streams {
        end.receive(&frame(HEADERS, END_HEADERS, stream, OK_200));
        end.receive(&frame(DATA, END_STREAM, stream, b"{}"));
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn rapid_resets_end_a_servers_connection() {
    let mut end = End::server();
    let most = flood(&mut end, 3 * BURST, |round| {
        let stream = 2 * round + 1;
        let mut octets = frame(HEADERS, 0x5, stream, GET);
        octets.extend(rst_stream(stream, ErrorCode::CANCEL));
        octets
    });
    assert_eq!(most, BURST);
    // Time lets a client cancel as it needs to.
    let mut end = End::server();
    for round in 0..3 * BURST {
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
        let mut end = End::server();
        let most = flood(&mut end, 3 * BURST, |round| {
            let stream = 2 * round + 1;
            let mut octets = frame(HEADERS, 0x5, stream, GET);
            octets.extend(fault(stream));
            octets
        });
        assert_eq!(most, BURST);
    }
}

#[test]
fn broken_answers_without_end_end_a_clients_connection() {
    let mut end = End::client();
    let mut answered = 0;
    while end.connection.available_streams() > 0 {
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x5, stream, GET));
        end.events();
        end.connection.advance_output(usize::MAX);
        answered += 1;
    }
    assert_eq!(answered, BURST + 1);
    assert!(end.connection.is_closed());
}
