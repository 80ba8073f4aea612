//! RFC 9113 §8.7: what may be sent again.

use std::collections::BTreeSet;

use super::*;

#[test]
fn a_refused_stream_was_not_processed_and_the_connection_goes_on() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&rst_stream(stream, ErrorCode::REFUSED_STREAM));
    assert!(matches!(
        end.events()[..],
        [Event::StreamFailed {
            fate: Fate::NotProcessed,
            ..
        }]
    ));
    assert!(end.connection.available_streams() > 0);
}

#[test]
fn a_stream_that_we_reset_for_a_fault_may_have_been_processed() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x5, stream, GET));
    assert!(matches!(
        end.events()[..],
        [Event::StreamFailed {
            fate: Fate::Unknown,
            ..
        }]
    ));
}

#[test]
fn requests_that_are_reported_as_not_sent_never_reach_the_peer() {
    // Cut the output at every byte: a server fed with all that was ever offered afterwards sees
    // exactly the requests that are not reported as unsent.
    let whole = {
        let mut end = Side::client();
        (0..3).for_each(|_| _ = end.request(b"content"));
        end.connection.output().len()
    };
    for taken in 0..=whole {
        let mut end = Side::client();
        (0..3).for_each(|_| _ = end.request(b"content"));
        let mut bytes = end.connection.output()[..taken].to_vec();
        end.connection.advance_output(taken);
        end.connection.close(ErrorCode::NO_ERROR);
        bytes.extend(end.connection.output());
        let unsent = end
            .events()
            .iter()
            .filter(|event| {
                matches!(
                    event,
                    Event::StreamFailed {
                        fate: Fate::NotSent,
                        ..
                    }
                )
            })
            .count();
        let mut server = Side::server();
        server.receive(&bytes);
        let heads = server.events();
        let heads = heads
            .iter()
            .filter(|event| matches!(event, Event::Head { .. }))
            .count();
        assert_eq!(heads + unsent, 3, "cut at {taken}");
    }
}

#[test]
fn a_request_that_is_being_answered_was_processed_whatever_the_peer_says() {
    for denial in [
        rst_stream(1, ErrorCode::REFUSED_STREAM),
        goaway(0, ErrorCode::NO_ERROR, b""),
    ] {
        for (head, fate) in [
            (OK_200.to_vec(), Fate::Unknown),
            (literal(":status", "103"), Fate::NotProcessed),
        ] {
            let mut end = Side::client();
            let stream = end.sent_request();
            end.receive(&frame(HEADERS, END_HEADERS, stream, &head));
            end.receive(&denial);
            let events = end.events();
            let found = events.iter().find_map(|event| match event {
                Event::StreamFailed { fate, .. } => Some(*fate),
                _ => None,
            });
            assert_eq!(found, Some(fate), "{denial:?}");
        }
    }
}

/// What became of the streams, by number.
fn fates(end: &mut Side) -> Vec<(StreamId, Fate)> {
    let events = end.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::StreamFailed { stream, fate, .. } => Some((stream, fate)),
            _ => None,
        })
        .collect()
}

#[test]
fn requests_that_are_taken_back_never_reach_the_peer_and_the_others_are_answered() {
    let whole = {
        let mut end = Side::client();
        (0..3).for_each(|_| _ = end.request(b"content"));
        end.connection.output().len()
    };
    for taken in 0..=whole {
        let mut end = Side::client();
        let streams = [(); 3].map(|()| end.request(b"content"));
        end.connection.ping([7; 8]);
        let window = end.connection.send_window();
        let mut bytes = end.connection.output()[..taken].to_vec();
        end.connection.advance_output(taken);
        let unsent = streams.map(|stream| end.connection.is_unsent(stream));
        end.connection.take_back_unsent();
        let back = fates(&mut end);
        for (stream, unsent) in streams.into_iter().zip(unsent) {
            assert_eq!(
                back.contains(&(stream, Fate::NotSent)),
                unsent,
                "cut at {taken}"
            );
        }
        let content = back.len() * b"content".len();
        assert_eq!(end.connection.send_window(), window + content);
        bytes.extend(end.connection.output());
        end.connection.advance_output(usize::MAX);
        let mut server = Side::server();
        server.receive(&bytes);
        let heads: Vec<_> = server.events().iter().filter_map(Event::stream).collect();
        assert!(
            !server.connection.is_closed()
                && !heads
                    .iter()
                    .any(|stream| back.iter().any(|(b, _)| b == stream))
        );
        let pongs = server
            .sent()
            .iter()
            .filter(|frame| frame.kind == PING)
            .count();
        assert_eq!(pongs, 1, "what is not of a stream goes out");
        if back.is_empty() {
            assert!(end.connection.available_streams() > 0);
            continue;
        }
        assert_eq!(end.connection.available_streams(), 0);
        for stream in streams.into_iter().filter(|stream| heads.contains(stream)) {
            assert!(!end.connection.is_closed());
            end.receive(&frame(HEADERS, 0x5, stream, OK_200));
        }
        assert!(end.connection.is_closed(), "it ends with the last answer");
        assert!(fates(&mut end).is_empty());
    }
}

#[test]
fn goaway_takes_back_what_was_not_sent_even_below_its_last_stream() {
    let mut end = Side::client();
    let sent = [end.request(&[]), end.request(&[])];
    end.sent();
    let unsent = [end.request(b"content"), end.request(b"content")];
    end.receive(&goaway(unsent[0], ErrorCode::NO_ERROR, b""));
    assert_eq!(
        fates(&mut end),
        unsent.map(|stream| (stream, Fate::NotSent))
    );
    assert!(end.sent().is_empty());
    end.receive(&goaway(sent[0], ErrorCode::NO_ERROR, b""));
    assert_eq!(fates(&mut end), [(sent[1], Fate::NotProcessed)]);
}

#[test]
fn what_was_reset_before_it_was_sent_keeps_no_other_from_being_taken_back() {
    // Whatever the socket had taken by then; a GOAWAY names the first of five as its last.
    let requests = |end: &mut Side| {
        let streams = [(); 5].map(|()| end.request(b"content"));
        end.connection.ping([7; 8]);
        streams
    };
    let whole = {
        let mut end = Side::client();
        requests(&mut end);
        end.connection.output().len()
    };
    for taken in 0..=whole {
        for is_goaway in [false, true] {
            let mut end = Side::client();
            let window = end.connection.send_window();
            let streams = requests(&mut end);
            let mut bytes = end.connection.output()[..taken].to_vec();
            end.connection.advance_output(taken);
            let unsent: Vec<_> = streams
                .into_iter()
                .filter(|stream| end.connection.is_unsent(*stream))
                .collect();
            let reset = [streams[1], streams[3]];
            for stream in reset {
                end.connection.reset(stream, ErrorCode::CANCEL);
            }
            if is_goaway {
                end.receive(&goaway(streams[0], ErrorCode::NO_ERROR, b""));
            } else {
                end.connection.take_back_unsent();
            }
            for (stream, fate) in fates(&mut end) {
                let is_unsent = fate == Fate::NotSent;
                assert!(is_unsent || fate == Fate::NotProcessed, "cut at {taken}");
                assert_eq!(is_unsent, unsent.contains(&stream), "cut at {taken}");
            }
            let goes_on = |id: &&StreamId| {
                let is_in = !is_goaway || **id == streams[0];
                is_in && !unsent.contains(id) && !reset.contains(id)
            };
            let open = streams.iter().filter(goes_on).count();
            assert_eq!(end.connection.open_streams(), open, "cut at {taken}");
            bytes.extend(end.connection.output());
            // The socket opens: a server sees what was sent, and makes sense of it.
            let mut server = Side::server();
            server.receive(&bytes);
            let events = server.events();
            let seen: BTreeSet<_> = events.iter().filter_map(Event::stream).collect();
            let is_back = |id: &StreamId| unsent.contains(id) && !reset.contains(id);
            assert!(!seen.iter().any(is_back), "{seen:?}, cut at {taken}");
            let closed = server.connection.is_closed();
            assert!(!closed, "{:?}, cut at {taken}", events.last());
            let content = seen.len() * b"content".len();
            assert_eq!(end.connection.send_window(), window - content);
        }
    }
}

#[test]
fn content_of_a_request_that_was_sent_goes_on_when_others_are_taken_back() {
    let mut end = Side::client_with(Options::default(), &[(4, 70_000)]);
    // Two thirds of the connection's window, then what it has left is for the second.
    let first = end.request(&vec![b'a'; 60_000]);
    end.connection.advance_output(100);
    let second = end.request(&vec![b'b'; 20_000]);
    assert_eq!(end.connection.send_window(), 0);
    end.connection.take_back_unsent();
    assert_eq!(fates(&mut end), [(second, Fate::NotSent)]);
    assert!(end.connection.send_window() > 0);
    end.connection.advance_output(usize::MAX);
    end.receive(&frame(HEADERS, 0x5, first, OK_200));
    assert!(end.connection.is_closed());
}

#[test]
fn nothing_is_taken_back_from_before_trailers() {
    for trailers_are_out in [false, true] {
        let mut end = Side::client();
        let first = end.open("POST", false);
        end.sent();
        let second = end.request(b"content");
        if trailers_are_out {
            let trailers = [field("a", "b")];
            end.connection.send_trailers(first, &trailers).unwrap();
        }
        end.connection.take_back_unsent();
        assert!(end.connection.is_unsent(second) && fates(&mut end).is_empty());
        assert!(end.connection.available_streams() > 0);
    }
}
