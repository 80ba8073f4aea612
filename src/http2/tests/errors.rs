//! RFC 9113 §5.4: errors of the connection and of streams, and §3.4, §6.5.3 time-outs.

use super::super::output::{OUTPUT_MAX, PROVOKED_MAX};
use super::*;

#[test]
fn a_connection_error_fails_each_open_stream_once_and_then_closes() {
    let mut end = Side::client();
    let sent = [end.request(b"a"), end.request(&[])];
    end.sent();
    let unsent = end.request(b"b");
    end.receive(&frame(DATA, 0, 0, b"x"));
    let fates: Vec<_> = end
        .events()
        .iter()
        .map(|event| match event {
            Event::StreamFailed { stream, fate, .. } => (*stream, Some(*fate)),
            Event::Closed { .. } => (0, None),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (sent[0], Some(Fate::Unknown)),
        (sent[1], Some(Fate::Unknown)),
        (unsent, Some(Fate::NotSent)),
        (0, None),
    ];
    assert_eq!(fates, expected);
    // What is reported as not sent is not sent.
    let kinds: Vec<_> = end.sent().iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [GOAWAY]);
}

#[test]
fn a_request_of_which_one_byte_was_taken_may_have_been_processed() {
    let mut end = Side::client();
    let first = end.request(b"content");
    let second = end.request(b"content");
    let half = end.connection.output().len() / 2;
    for (taken, fates) in [(0, [Fate::NotSent; 2]), (1, [Fate::Unknown, Fate::NotSent])] {
        let mut end = Side::client();
        end.request(b"content");
        end.request(b"content");
        end.connection.advance_output(taken);
        end.connection.transport_closed();
        let events = end.events();
        let found: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::StreamFailed { fate, .. } => Some(*fate),
                _ => None,
            })
            .collect();
        assert_eq!(found, fates);
    }
    end.connection.advance_output(half + 1);
    end.connection.close(ErrorCode::NO_ERROR);
    assert!(end.events().iter().all(|event| match event {
        Event::StreamFailed {
            stream,
            fate,
            cause,
        } =>
            (*fate, *cause) == (Fate::Unknown, Cause::ClosedByUs)
                && [first, second].contains(stream),
        Event::Closed { cause } => *cause == Cause::ClosedByUs,
        _ => false,
    }));
}

#[test]
fn what_is_left_of_a_frame_begun_still_goes_out_before_goaway() {
    let mut end = Side::client();
    end.request(b"content");
    let mut bytes = end.connection.output()[..20].to_vec();
    end.connection.advance_output(20);
    end.receive(&frame(DATA, 0, 0, b"x"));
    bytes.extend(end.connection.output());
    let kinds: Vec<_> = frames(&bytes).iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [HEADERS, DATA, GOAWAY]);
}

#[test]
fn goaway_tells_the_rule() {
    let mut end = Side::client();
    end.receive(&frame(PING, 0, 1, &[0; 8]));
    let goaway = end.sent().pop().unwrap();
    assert_eq!(goaway.payload[8..], *b"frame of the connection on a stream");
    assert_eq!(goaway.payload[..4], [0; 4]);
}

#[test]
fn a_servers_goaway_names_the_last_stream() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 9, GET));
    end.receive(&frame(PING, 0, 1, &[0; 8]));
    assert_eq!(end.sent().pop().unwrap().payload[..4], [0, 0, 0, 9]);
    assert!(matches!(
        end.events()[..],
        [Event::Head { .. }, Event::Closed { .. }]
    ));
}

#[test]
fn nothing_is_sent_or_reported_after_the_end() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.connection.close(ErrorCode::NO_ERROR);
    end.events();
    end.sent();
    assert_eq!(end.connection.available_streams(), 0);
    assert_eq!(
        end.connection.send_data(stream, b"x", true),
        Err(SendError::StreamClosed)
    );
    end.connection.ping([0; 8]);
    end.connection.reset(stream, ErrorCode::CANCEL);
    end.connection.release(stream, 10);
    end.connection.close(ErrorCode::INTERNAL_ERROR);
    end.connection.send_goaway(0, ErrorCode::NO_ERROR, b"");
    let now = end.now;
    end.connection.shut_down(now);
    end.connection.transport_closed();
    end.pass(Duration::from_secs(100));
    end.receive(&frame(HEADERS, 0x5, stream, OK_200));
    assert!(end.events().is_empty() && end.connection.output().is_empty());
    assert_eq!(end.connection.next_timeout(), None);
}

#[test]
fn a_transport_that_ends_fails_what_is_open() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.connection.transport_closed();
    assert!(matches!(end.events()[..], [
        Event::StreamFailed { stream: s, fate: Fate::Unknown, cause: Cause::TransportClosed },
        Event::Closed { cause: Cause::TransportClosed },
    ] if s == stream));
    assert!(end.connection.output().is_empty() && end.connection.is_closed());
}

#[test]
fn more_resets_than_the_limit_waiting_to_be_read_end_the_connection() {
    let mut end = Side::client_with(Options::default(), &[]);
    let streams: Vec<_> = (0..=PROVOKED_MAX).map(|_| end.sent_request()).collect();
    for (index, stream) in streams.iter().enumerate() {
        assert!(!end.connection.is_closed(), "after {index}");
        end.receive(&frame(DATA, 0, *stream, b"before the head"));
    }
    end.expect_closed_with(ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn resets_that_the_peer_reads_are_not_limited() {
    let mut end = Side::client();
    for _ in 0..3 * PROVOKED_MAX {
        let stream = end.sent_request();
        end.receive(&frame(DATA, 0, stream, b"before the head"));
        end.sent();
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn no_input_is_wanted_while_much_output_waits() {
    let mut end = Side::server();
    let refused = Options {
        max_concurrent_streams: Some(0),
        ..Options::default()
    };
    let mut end_refusing = Side::server_with(refused, &[]);
    assert!(end.connection.wants_input());
    let mut stream = 1;
    while end_refusing.connection.wants_input() {
        end_refusing.receive(&frame(HEADERS, 0x5, stream, GET));
        stream += 2;
    }
    assert!(end_refusing.connection.output().len() <= OUTPUT_MAX + 13);
    end_refusing.sent();
    assert!(end_refusing.connection.wants_input());
    end.connection.close(ErrorCode::NO_ERROR);
    assert!(!end.connection.wants_input());
}
