//! RFC 9113 §8.7: what may be sent again.

use super::*;

#[test]
fn a_refused_stream_was_not_processed_and_the_connection_goes_on() {
    let mut end = End::client();
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
    let mut end = End::client();
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
    // Cut the output at every octet: a server fed with all that was ever offered afterwards sees
    // exactly the requests that are not reported as unsent.
    let whole = {
        let mut end = End::client();
        (0..3).for_each(|_| _ = end.request(b"content"));
        end.connection.output().len()
    };
    for taken in 0..=whole {
        let mut end = End::client();
        (0..3).for_each(|_| _ = end.request(b"content"));
        let mut octets = end.connection.output()[..taken].to_vec();
        end.connection.advance_output(taken);
        end.connection.close(ErrorCode::NO_ERROR);
        octets.extend(end.connection.output());
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
        let mut server = End::server();
        server.receive(&octets);
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
            let mut end = End::client();
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
