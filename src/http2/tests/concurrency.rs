//! RFC 9113 §5.1.2: how many streams are open at once.

use super::super::connection::STREAMS_MAX;
use super::*;

fn limited(limit: u32) -> Side {
    let options = Options {
        max_concurrent_streams: Some(limit),
        ..Options::default()
    };
    Side::server_with(options, &[])
}

#[test]
fn before_settings_a_client_opens_as_many_as_its_options_say() {
    let mut end = Side::fresh_client(Options {
        streams_before_settings: 1,
        ..Options::default()
    });
    end.request(&[]);
    assert_eq!(end.connection.available_streams(), 0);
    end.receive(&settings(&[(3, 10)]));
    assert_eq!(end.connection.available_streams(), 9);
}

#[test]
fn a_lowered_limit_lets_open_streams_live_and_opens_no_more() {
    let mut end = Side::client_with(Options::default(), &[(3, 3)]);
    let streams = [(); 3].map(|()| end.request(&[]));
    assert_eq!(end.connection.available_streams(), 0);
    end.receive(&settings(&[(3, 1)]));
    for (index, stream) in streams.iter().enumerate() {
        assert_eq!(end.connection.available_streams(), 0);
        assert_eq!(end.connection.open_streams(), 3 - index);
        end.receive(&frame(HEADERS, 0x5, *stream, OK_200));
    }
    assert_eq!(end.connection.available_streams(), 1);
}

#[test]
fn a_limit_of_zero_is_legal_and_temporary() {
    let mut end = Side::client_with(Options::default(), &[(3, 0)]);
    assert_eq!(end.connection.available_streams(), 0);
    end.receive(&settings(&[(3, 1)]));
    assert_eq!(end.connection.available_streams(), 1);
}

#[test]
fn no_limit_is_our_own_limit() {
    let mut end = Side::client();
    let limit = STREAMS_MAX as usize;
    assert_eq!(end.connection.available_streams(), limit);
    end.receive(&settings(&[(3, u32::MAX)]));
    for _ in 0..limit {
        end.request(&[]);
    }
    assert_eq!(end.connection.available_streams(), 0);
}

#[test]
fn a_server_without_a_limit_refuses_beyond_our_own() {
    let mut end = Side::server();
    for index in 0..STREAMS_MAX {
        end.receive(&frame(HEADERS, 0x5, 2 * index + 1, GET));
    }
    assert!(end.sent().is_empty());
    end.receive(&frame(HEADERS, 0x5, 2 * STREAMS_MAX + 1, GET));
    end.expect_reset(2 * STREAMS_MAX + 1, ErrorCode::REFUSED_STREAM);
}

#[test]
fn half_closed_streams_count_and_ended_ones_do_not() {
    let mut end = Side::client_with(Options::default(), &[(3, 2)]);
    let first = end.sent_request();
    end.request(b"content");
    assert_eq!(end.connection.available_streams(), 0);
    end.receive(&rst_stream(first, ErrorCode::CANCEL));
    assert_eq!(end.connection.available_streams(), 1);
    end.connection.reset(3, ErrorCode::CANCEL);
    assert_eq!(end.connection.available_streams(), 2);
}

#[test]
fn a_server_refuses_the_surplus() {
    let mut end = limited(1);
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.receive(&frame(HEADERS, 0x5, 3, GET));
    end.expect_reset(3, ErrorCode::REFUSED_STREAM);
    assert_eq!(end.events().len(), 1);
    end.connection
        .send_response(1, 200, &[], Some(b""))
        .unwrap();
    end.receive(&frame(HEADERS, 0x5, 5, GET));
    assert_eq!(end.events().len(), 1);
}

#[test]
fn a_servers_limit_holds_from_the_start_without_an_acknowledgement() {
    let mut end = Side::fresh_server(Options {
        max_concurrent_streams: Some(1),
        ..Options::default()
    });
    end.receive(CLIENT_PREFACE);
    end.receive(&settings(&[]));
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.receive(&frame(HEADERS, 0x5, 3, GET));
    end.expect_reset(3, ErrorCode::REFUSED_STREAM);
    assert_eq!(end.connection.open_streams(), 1);
}

#[test]
fn a_lowered_limit_of_ours_binds_from_the_acknowledgement_on() {
    let mut end = limited(2);
    let now = end.now;
    end.connection.set_max_concurrent_streams(1, now);
    assert_eq!(end.sent()[0].payload, [0, 3, 0, 0, 0, 1]);
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.receive(&frame(HEADERS, 0x5, 3, GET));
    assert!(end.sent().is_empty());
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    end.connection.send_response(1, 204, &[], None).unwrap();
    end.sent();
    end.receive(&frame(HEADERS, 0x5, 5, GET));
    end.expect_reset(5, ErrorCode::REFUSED_STREAM);
}

#[test]
fn a_raised_limit_of_ours_holds_at_once() {
    let mut end = limited(1);
    let now = end.now;
    end.connection.set_max_concurrent_streams(2, now);
    end.sent();
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.receive(&frame(HEADERS, 0x5, 3, GET));
    assert!(end.sent().is_empty());
    assert_eq!(end.events().len(), 2);
}

/// A client learns of limits in the order in which they were sent: until it has acknowledged the
/// last, it may open what any of those under way allows.
#[test]
fn a_servers_limit_is_the_highest_of_those_under_way() {
    // So many acknowledgements of 5, 50 and 20, and what holds then.
    for (acknowledged, limit) in [(0, 50), (1, 50), (2, 50), (3, 20)] {
        let mut end = limited(10);
        for limit in [5, 50, 20] {
            end.connection.set_max_concurrent_streams(limit, end.now);
        }
        for _ in 0..acknowledged {
            end.receive(&frame(SETTINGS, ACK, 0, &[]));
        }
        for number in 0..60 {
            end.receive(&frame(HEADERS, 0x5, 2 * number + 1, GET));
        }
        assert_eq!(end.connection.open_streams(), limit, "{acknowledged}");
    }
}
