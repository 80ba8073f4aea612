//! RFC 9113 §6.5: SETTINGS.

use super::super::output::OUTPUT_MAX;
use super::*;

#[test]
fn they_are_applied_and_acknowledged_at_once_and_in_order() {
    let mut end = Side::client();
    end.receive(
        &[
            settings(&[(3, 1)]),
            settings(&[(3, 5), (4, 1), (4, 77), (0xabcd, 9)]),
        ]
        .concat(),
    );
    assert_eq!(end.connection.available_streams(), 5);
    assert_eq!(end.connection.initial_send_window(), 77);
    let acknowledgement = Sent {
        kind: SETTINGS,
        flags: ACK,
        stream: 0,
        payload: vec![],
    };
    assert_eq!(end.sent(), [acknowledgement.clone(), acknowledgement]);
    assert!(matches!(
        end.events()[..],
        [Event::SettingsReceived, Event::SettingsReceived]
    ));
}

#[test]
fn illegal_values_end_the_connection() {
    for (id, value, code) in [
        (2, 1, ErrorCode::PROTOCOL_ERROR),
        (2, 2, ErrorCode::PROTOCOL_ERROR),
        (4, 1 << 31, ErrorCode::FLOW_CONTROL_ERROR),
        (5, 0, ErrorCode::PROTOCOL_ERROR),
        (5, 0x3fff, ErrorCode::PROTOCOL_ERROR),
        (5, 0x100_0000, ErrorCode::PROTOCOL_ERROR),
    ] {
        Side::client().expect_connection_error(&settings(&[(id, value)]), code);
    }
    Side::server().expect_connection_error(&settings(&[(2, 2)]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn legal_extremes_are_taken() {
    let mut end = Side::client();
    let extremes = [
        (1, u32::MAX),
        (2, 0),
        (3, 0),
        (4, 0x7fff_ffff),
        (5, 0x4000),
        (5, 0xff_ffff),
        (6, 0),
        (8, 1),
    ];
    end.receive(&settings(&extremes));
    assert!(matches!(end.events()[..], [Event::SettingsReceived]));
    // A client may allow pushes; we make none.
    let mut end = Side::server();
    end.receive(&settings(&[(2, 1)]));
    assert!(matches!(end.events()[..], [Event::SettingsReceived]));
    assert!(!end.connection.is_closed());
}

#[test]
fn on_a_stream_they_end_the_connection() {
    let bytes = frame(SETTINGS, 0, 1, &[]);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn an_acknowledgement_of_nothing_ends_the_connection() {
    let bytes = frame(SETTINGS, ACK, 0, &[]);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn an_acknowledgement_is_reported() {
    let mut end = Side::fresh_client(Options::default());
    end.receive(&settings(&[]));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    assert!(matches!(
        end.events()[..],
        [Event::SettingsReceived, Event::SettingsAcknowledged]
    ));
}

#[test]
fn ours_not_acknowledged_within_10_s_end_the_connection() {
    let mut end = Side::fresh_client(Options::default());
    end.connection.advance_output(24);
    end.receive(&settings(&[]));
    end.events();
    assert_eq!(
        end.connection.next_timeout(),
        Some(end.now + Duration::from_secs(10))
    );
    end.pass(Duration::from_millis(9999));
    assert!(!end.connection.is_closed());
    end.pass(Duration::from_millis(1));
    end.expect_closed_with(ErrorCode::SETTINGS_TIMEOUT);
}

#[test]
fn once_acknowledged_there_is_no_timeout() {
    let mut end = Side::client();
    assert_eq!(end.connection.next_timeout(), None);
    end.pass(Duration::from_secs(100));
    assert!(!end.connection.is_closed());
}

/// RFC 9113 §6.5.3: they are acknowledged in the order in which they were sent.
#[test]
fn of_two_of_ours_the_older_is_acknowledged_first() {
    // `POST https /` behind table size updates to 0 and to 8,192 (RFC 7541 §4.2, §6.3).
    let smaller_table = [&[0x20][..], POST].concat();
    let larger_table = [&[0x20, 0x3f, 0xe1, 0x3f][..], POST].concat();
    // What binds the client after so many acknowledgements: of the table and of the window.
    for (acknowledged, allows_table, allows_window) in
        [(0, false, true), (1, false, false), (2, true, true)]
    {
        let server = || {
            let mut end = Side::server();
            end.connection.change_settings(0, 10, end.now);
            end.connection.change_settings(8192, 60_000, end.now);
            for _ in 0..acknowledged {
                end.receive(&frame(SETTINGS, ACK, 0, &[]));
            }
            assert!(!end.connection.is_closed());
            end
        };
        let mut end = server();
        end.receive(&frame(HEADERS, END_HEADERS, 1, &larger_table));
        assert_eq!(!end.connection.is_closed(), allows_table, "{acknowledged}");
        let mut end = server();
        end.receive(&frame(HEADERS, END_HEADERS, 1, &smaller_table));
        end.receive(&frame(DATA, 0, 1, &[0; 11]));
        let is_reset = end.sent().iter().any(|frame| frame.kind == RST_STREAM);
        assert!(!end.connection.is_closed());
        assert_eq!(!is_reset, allows_window, "{acknowledged}");
    }
}

#[test]
fn of_two_of_ours_each_has_its_10_s() {
    let mut end = Side::server();
    let sent = end.now;
    let secs = Duration::from_secs;
    end.connection.change_settings(4096, 10, sent);
    end.pass(secs(5));
    end.connection.change_settings(4096, 20, end.now);
    assert_eq!(end.connection.next_timeout(), Some(sent + secs(10)));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    assert_eq!(end.connection.next_timeout(), Some(sent + secs(15)));
    end.pass(secs(9));
    assert!(!end.connection.is_closed());
    end.sent();
    end.events();
    end.pass(secs(1));
    end.expect_closed_with(ErrorCode::SETTINGS_TIMEOUT);
}

#[test]
fn of_a_server_that_answers_and_does_not_acknowledge_them_the_answers_are_awaited() {
    let mut end = Side::fresh_client(Options::default());
    end.connection.advance_output(24);
    end.receive(&settings(&[]));
    let (first, second) = (end.sent_request(), end.sent_request());
    end.receive(&frame(HEADERS, 0x5, first, OK_200));
    end.events();
    end.pass(Duration::from_secs(10));
    assert!(matches!(end.events()[..], [Event::Retiring { .. }]));
    assert_eq!(end.connection.available_streams(), 0);
    assert_eq!(end.connection.next_timeout(), None);
    // It may come now.
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    assert!(matches!(end.events()[..], [Event::SettingsAcknowledged]));
    end.receive(&frame(HEADERS, 0x5, second, OK_200));
    assert!(matches!(
        end.events()[..],
        [
            Event::Head { .. },
            Event::Closed {
                cause: Cause::ClosedByUs
            }
        ]
    ));
}

#[test]
fn a_server_answers_from_its_first_head_on() {
    // `:status: 103` is no field of the static table.
    let early_hints = b"\x08\x03103";
    for head in [OK_200, early_hints] {
        let mut end = Side::fresh_client(Options::default());
        end.connection.advance_output(24);
        end.receive(&settings(&[]));
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x4, stream, head));
        end.events();
        end.pass(Duration::from_secs(10));
        assert!(matches!(end.events()[..], [Event::Retiring { .. }]));
        assert!(!end.connection.is_closed());
    }
}

#[test]
fn a_server_gives_up_a_client_that_does_not_acknowledge_them() {
    let mut end = Side::fresh_server(Options::default());
    end.receive(CLIENT_PREFACE);
    end.receive(&settings(&[]));
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.connection
        .send_response(1, 200, &[], Some(b""))
        .unwrap();
    end.events();
    end.sent();
    end.pass(Duration::from_secs(10));
    end.expect_closed_with(ErrorCode::SETTINGS_TIMEOUT);
}

/// A peer whose acknowledgements are not read is not listened to (`wants_input`), so that those
/// which come at once, before any can be written, end nothing.
#[test]
fn acknowledgements_that_wait_to_be_read_end_nothing_and_hold_input_up() {
    for mut end in [Side::client(), Side::server()] {
        let mut taken = 0;
        while end.connection.wants_input() {
            end.receive(&settings(&[]));
            end.receive(&frame(PING, 0, 0, &[0; 8]));
            taken += 1;
        }
        assert!(!end.connection.is_closed() && taken > 1000, "{taken}");
        assert!(end.connection.output().len() <= OUTPUT_MAX + 9 + 17);
        end.sent();
        assert!(end.connection.wants_input());
    }
}

/// RFC 9113 §6.5.2: the limit is advisory.
#[test]
fn a_request_over_the_peers_max_header_list_size_is_sent_and_told_once() {
    let mut end = Side::client_with(Options::default(), &[(6, 300)]);
    let long = "p".repeat(200);
    let path = [field(":path", &long)];
    for round in 0..3 {
        let sent = end
            .connection
            .send_request(end.template, &path, &[], b"x", end.now);
        let stream = sent.expect("a request that is sent");
        let bytes: Vec<_> = end
            .sent()
            .iter()
            .map(|frame| (frame.kind, frame.stream))
            .collect();
        assert_eq!(bytes, [(HEADERS, stream), (DATA, stream)]);
        let told = end.events();
        if round == 0 {
            // Of five fields.
            let size = 5 * 32
                + [":method", "POST", ":scheme", "https", ":path", &long]
                    .concat()
                    .len()
                + ["content-type", "application/json", "content-length", "1"]
                    .concat()
                    .len();
            assert!(
                matches!(told[..], [Event::ListExceeded { size: s, limit: 300 }] if s == size),
                "{told:?}"
            );
        } else {
            assert!(told.is_empty(), "{told:?}");
        }
    }
    // Another limit is told too; requests within it, and without one, are not.
    end.receive(&settings(&[(6, 10)]));
    end.open("GET", true);
    assert!(matches!(
        end.events()[..],
        [
            Event::SettingsReceived,
            Event::ListExceeded { limit: 10, .. }
        ]
    ));
    end.receive(&settings(&[(6, 10_000)]));
    end.request(b"x");
    assert!(matches!(end.events()[..], [Event::SettingsReceived]));
}

#[test]
fn an_answer_over_the_peers_max_header_list_size_is_sent() {
    let mut end = Side::server_with(Options::default(), &[(6, 0)]);
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    let answered = end
        .connection
        .send_response(1, 200, &[field("a", "b")], None);
    assert_eq!(answered, Ok(()));
    assert_eq!(end.connection.send_trailers(1, &[field("c", "d")]), Ok(()));
    assert_eq!(end.sent().len(), 2);
}
