//! RFC 9113 §5.2: flow control in both directions.

use super::super::output::OUTPUT_MAX;
use super::*;

fn answered(options: Options) -> (Side, StreamId) {
    let mut end = Side::client_with(options, &[]);
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.events();
    (end, stream)
}

/// Windows of 65,535 and of 1,000 bytes.
fn small() -> Options {
    Options {
        connection_window: 0xffff,
        stream_window: 1000,
        max_content: usize::MAX,
        ..Options::default()
    }
}

/// What `WINDOW_UPDATEs` were sent.
fn updates(end: &mut Side) -> Vec<(StreamId, u32)> {
    let sent = end.sent();
    let updates = sent.iter().filter(|frame| frame.kind == WINDOW_UPDATE);
    updates
        .map(|frame| {
            (
                frame.stream,
                u32::from_be_bytes(frame.payload[..4].try_into().unwrap()),
            )
        })
        .collect()
}

#[test]
fn more_than_the_streams_window_fails_the_stream() {
    let (mut end, stream) = answered(small());
    end.receive(&frame(DATA, 0, stream, &[0; 1000]));
    end.events();
    let bytes = frame(DATA, 0, stream, &[0]);
    end.expect_stream_error(&bytes, stream, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn more_than_the_connections_window_ends_the_connection() {
    let options = Options {
        stream_window: 0x7fff_ffff,
        ..small()
    };
    let (mut end, stream) = answered(options);
    for _ in 0..3 {
        end.receive(&frame(DATA, 0, stream, &[0; 0x4000]));
    }
    end.receive(&frame(DATA, 0, stream, &[0; 0x3fff]));
    assert!(!end.connection.is_closed());
    let bytes = frame(DATA, 0, stream, &[0]);
    end.expect_connection_error(&bytes, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn padding_counts_and_is_given_back() {
    let (mut end, stream) = answered(small());
    // One byte of content, 255 of padding and its length.
    let payload = [&[254, b'x'][..], &[0; 254]].concat();
    for _ in 0..2 {
        end.receive(&frame(DATA, PADDED, stream, &payload));
    }
    assert_eq!(updates(&mut end), [(stream, 510)]);
    for _ in 0..1000 {
        end.receive(&frame(DATA, PADDED, stream, &payload));
        end.connection.release(stream, 1);
        end.sent();
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn released_content_is_given_back_when_half_of_the_window_is_due() {
    let (mut end, stream) = answered(small());
    end.receive(&frame(DATA, 0, stream, &[0; 900]));
    assert_eq!(updates(&mut end), []);
    end.connection.release(stream, 499);
    assert_eq!(updates(&mut end), []);
    end.connection.release(stream, 1);
    assert_eq!(updates(&mut end), [(stream, 500)]);
}

#[test]
fn no_more_is_given_back_than_came() {
    let (mut end, stream) = answered(small());
    end.receive(&frame(DATA, 0, stream, &[0; 500]));
    end.connection.release(stream, usize::MAX);
    end.connection.release(stream, 500);
    assert_eq!(updates(&mut end), [(stream, 500)]);
}

#[test]
fn an_ended_stream_gets_no_update_and_the_connection_gets_all_of_it() {
    let mut end = Side::client_with(small(), &[]);
    let mut given = 0;
    for _ in 0..100 {
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x4, stream, OK_200));
        end.receive(&frame(DATA, END_STREAM, stream, &[0; 1000]));
        end.events();
        for (id, increment) in updates(&mut end) {
            assert_eq!(id, 0);
            given += increment;
        }
    }
    assert!(given >= 100_000 - 0xffff / 2);
}

#[test]
fn discarded_content_is_given_back() {
    let mut end = Side::client_with(small(), &[]);
    let mut given = 0;
    for round in 0..200 {
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x4, stream, OK_200));
        match round % 4 {
            // Delivered, not released, then reset by us.
            0 => end.receive(&frame(DATA, 0, stream, &[0; 1000])),
            // Comes after our reset.
            1 => {
                end.connection.reset(stream, ErrorCode::CANCEL);
                end.receive(&frame(DATA, 0, stream, &[0; 1000]));
            }
            // Breaks a rule.
            2 => end.receive(&frame(DATA, 0, stream, &[0; 1001])),
            // Delivered, then reset by the peer.
            _ => {
                end.receive(&frame(DATA, 0, stream, &[0; 1000]));
                end.receive(&rst_stream(stream, ErrorCode::CANCEL));
            }
        }
        end.connection.reset(stream, ErrorCode::CANCEL);
        end.events();
        given += updates(&mut end)
            .iter()
            .filter(|(id, _)| *id == 0)
            .map(|(_, n)| n)
            .sum::<u32>();
    }
    assert!(!end.connection.is_closed());
    assert!(given >= 200_000 - 0xffff / 2);
}

#[test]
fn our_smaller_window_binds_the_peer_from_its_acknowledgement_on() {
    let mut end = Side::fresh_client(small());
    end.connection.advance_output(24);
    end.receive(&settings(&[]));
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.receive(&frame(DATA, 0, stream, &[0; 5000]));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    end.events();
    assert!(!end.connection.is_closed());
    // The stream's window is -4000; given back all, it is 1000.
    end.connection.release(stream, 5000);
    end.sent();
    end.receive(&frame(DATA, 0, stream, &[0; 1000]));
    end.events();
    let bytes = frame(DATA, 0, stream, &[0]);
    end.expect_stream_error(&bytes, stream, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn a_blocked_stream_reserves_nothing_of_the_connections_window() {
    let mut end = Side::client_with(Options::default(), &[(4, 100)]);
    let blocked = end.request(&[0; 5000]);
    assert_eq!(end.connection.unsent(blocked), 4900);
    assert_eq!(end.connection.send_window(), 0xffff - 100);
    for _ in 0..600 {
        let stream = end.request(&[0; 100]);
        assert_eq!(end.connection.unsent(stream), 0);
        end.sent();
    }
}

#[test]
fn streams_that_wait_for_the_connections_window_take_turns() {
    let mut end = Side::client();
    let streams: Vec<_> = (0..4).map(|_| end.request(&vec![0; 40_000])).collect();
    end.sent();
    assert_eq!(end.connection.send_window(), 0);
    end.receive(&window_update(0, 3 * 0x4000));
    let turns: Vec<_> = end.sent().iter().map(|frame| frame.stream).collect();
    assert!(turns.len() > 2);
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(turns.iter().all(|stream| streams.contains(stream)));
}

#[test]
fn newcomers_do_not_overtake_those_who_wait() {
    let mut end = Side::client();
    let first = end.request(&vec![0; 70_000]);
    let second = end.request(&[0; 10]);
    end.sent();
    end.receive(&window_update(0, 100));
    assert_eq!(end.connection.unsent(first), 70_000 - 0xffff);
    let sent = end.sent();
    // The first has no window of its own left; it does not keep the second back.
    assert_eq!((sent[0].stream, sent[0].payload.len()), (second, 10));
}

#[test]
fn content_waits_while_much_output_does() {
    let mut end = Side::client();
    end.receive(&settings(&[(4, 0x7fff_ffff)]));
    end.receive(&window_update(0, 0x7000_0000));
    end.sent();
    let stream = end.request(&vec![0; 1_000_000]);
    assert!(end.connection.output().len() <= OUTPUT_MAX + 0x4000 + 9 + 100);
    let mut received = 0;
    while end.connection.unsent(stream) > 0 || !end.connection.output().is_empty() {
        let sent = end.sent();
        received += sent
            .iter()
            .filter(|f| f.kind == DATA)
            .map(|f| f.payload.len())
            .sum::<usize>();
    }
    assert_eq!(received, 1_000_000);
}

#[test]
fn content_in_small_pieces_waits_while_much_output_does() {
    let mut end = Side::server_with(Options::default(), &[(4, 0x7fff_ffff)]);
    end.receive(&window_update(0, 0x7000_0000));
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.connection.send_response(1, 200, &[], None).unwrap();
    for _ in 0..1000 {
        end.connection.send_data(1, &[0; 1000], false).unwrap();
        end.connection.send_data(1, &[], false).unwrap();
    }
    assert!(end.connection.output().len() <= OUTPUT_MAX + 0x4000 + 9);
    assert!(end.connection.unsent(1) >= 1_000_000 - OUTPUT_MAX - 0x4000);
    end.connection.send_data(1, &[], true).unwrap();
    let mut received = 0;
    while !end.connection.output().is_empty() {
        let sent = end.sent();
        received += sent
            .iter()
            .filter(|f| f.kind == DATA)
            .map(|f| f.payload.len())
            .sum::<usize>();
    }
    assert_eq!((received, end.connection.open_streams()), (1_000_000, 0));
}

#[test]
fn frames_are_of_16_kib_at_most_whatever_more_the_peer_takes() {
    for taken in [0x4000, 0xff_ffff] {
        let mut end = Side::client_with(Options::default(), &[(5, taken)]);
        end.request(&vec![0; 50_000]);
        let longest = end.sent().iter().map(|frame| frame.payload.len()).max();
        assert_eq!(longest, Some(0x4000));
    }
}

#[test]
fn an_empty_end_needs_no_window() {
    let mut end = Side::client_with(Options::default(), &[(4, 0)]);
    let stream = end.open("POST", false);
    end.connection.send_data(stream, &[], true).unwrap();
    assert_eq!(end.sent()[1].flags, END_STREAM);
    assert_eq!(
        end.connection.send_data(stream, b"x", true),
        Err(SendError::StreamClosed)
    );
}

#[test]
fn a_reset_stream_leaves_the_round() {
    let mut end = Side::client();
    end.request(&vec![0; 0xffff]);
    let waiting = [end.request(&[0; 10]), end.request(&[0; 10])];
    end.connection.reset(waiting[0], ErrorCode::CANCEL);
    end.sent();
    end.receive(&window_update(0, 100));
    let sent = end.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].stream, waiting[1]);
}

#[test]
fn trailers_follow_the_content_that_waits() {
    let mut end = Side::server_with(Options::default(), &[(4, 5)]);
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.connection.send_response(1, 200, &[], None).unwrap();
    end.connection.send_data(1, b"0123456789", false).unwrap();
    end.connection.send_trailers(1, &[field("a", "b")]).unwrap();
    let kinds = |sent: Vec<Sent>| sent.iter().map(|f| (f.kind, f.flags)).collect::<Vec<_>>();
    assert_eq!(kinds(end.sent()), [(HEADERS, END_HEADERS), (DATA, 0)]);
    end.receive(&window_update(1, 5));
    assert_eq!(
        kinds(end.sent()),
        [(DATA, 0), (HEADERS, END_HEADERS | END_STREAM)]
    );
    assert_eq!(end.connection.open_streams(), 0);
}

/// `POST` on that stream, to a server.
fn post(end: &mut Side, stream: StreamId) {
    end.receive(&frame(HEADERS, END_HEADERS, stream, POST));
}

#[test]
fn a_narrowed_window_is_the_clients_from_the_first_byte_on() {
    let mut end = Side::server_with(
        Options {
            connection_window: 0xffff,
            stream_window: 0x2_0000,
            max_content: usize::MAX,
            ..Options::default()
        },
        &[],
    );
    end.connection.narrow_connection_window(1_000);
    post(&mut end, 1);
    for _ in 0..13 {
        end.receive(&frame(DATA, 0, 1, &[0; 5_000]));
        end.connection.release(1, 5_000);
    }
    // 535 bytes are left of what HTTP/2 begins with: what came is not given back but for that
    // which goes beyond it, in halves of the narrow window.
    let given: u32 = updates(&mut end)
        .iter()
        .filter(|(stream, _)| *stream == 0)
        .map(|(_, bytes)| bytes)
        .sum();
    assert_eq!(given, 0);
    end.receive(&frame(DATA, 0, 1, &[0; 535]));
    end.connection.release(1, 535);
    let given: Vec<_> = updates(&mut end)
        .into_iter()
        .filter(|(stream, _)| *stream == 0)
        .collect();
    assert_eq!(given, [(0, 1_000)]);
    end.receive(&frame(DATA, 0, 1, &[0; 1_000]));
    assert!(!end.connection.is_closed());
    let bytes = frame(DATA, 0, 1, &[0]);
    end.expect_connection_error(&bytes, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn a_later_smaller_window_binds_the_client_from_its_acknowledgement_on() {
    let mut end = Side::server();
    let now = end.now;
    end.connection.change_settings(4_096, 100, now);
    let sent = end.sent();
    assert_eq!((sent[0].kind, sent[0].payload.len()), (SETTINGS, 12));
    post(&mut end, 1);
    end.receive(&frame(DATA, 0, 1, &[0; 1_000]));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    post(&mut end, 3);
    end.receive(&frame(DATA, 0, 3, &[0; 100]));
    end.events();
    assert!(!end.connection.is_closed());
    let bytes = frame(DATA, 0, 3, &[0]);
    end.expect_stream_error(&bytes, 3, ErrorCode::FLOW_CONTROL_ERROR);
}

/// RFC 9113 §6.9.1: an empty frame that ends a stream needs no window, not even one above 0.
#[test]
fn an_end_without_content_is_taken_by_a_window_below_0() {
    let options = Options {
        stream_window: 1,
        ..Options::default()
    };
    let mut end = Side::fresh_server(options);
    end.receive(CLIENT_PREFACE);
    end.receive(&settings(&[]));
    end.receive(&frame(HEADERS, END_HEADERS, 1, POST));
    end.receive(&frame(DATA, 0, 1, &[0; 1000]));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    end.receive(&frame(DATA, END_STREAM, 1, &[]));
    let events = end.events();
    assert!(
        matches!(
            events.last(),
            Some(Event::Data {
                end_stream: true,
                ..
            })
        ),
        "{events:?}"
    );
}
