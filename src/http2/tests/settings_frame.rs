//! RFC 9113 §6.5: SETTINGS.

use super::super::output::PROVOKED_MAX;
use super::*;

#[test]
fn they_are_applied_and_acknowledged_at_once_and_in_order() {
    let mut end = End::client();
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
        End::client().expect_connection_error(&settings(&[(id, value)]), code);
    }
    End::server().expect_connection_error(&settings(&[(2, 2)]), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn legal_extremes_are_taken() {
    let mut end = End::client();
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
    End::server().receive(&settings(&[(2, 1)]));
}

#[test]
fn on_a_stream_they_end_the_connection() {
    let octets = frame(SETTINGS, 0, 1, &[]);
    End::client().expect_connection_error(&octets, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn an_acknowledgement_of_nothing_ends_the_connection() {
    let octets = frame(SETTINGS, ACK, 0, &[]);
    End::client().expect_connection_error(&octets, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn an_acknowledgement_is_reported() {
    let mut end = End::fresh_client(Options::default());
    end.receive(&settings(&[]));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    assert!(matches!(
        end.events()[..],
        [Event::SettingsReceived, Event::SettingsAcknowledged]
    ));
}

#[test]
fn ours_not_acknowledged_within_10_s_end_the_connection() {
    let mut end = End::fresh_client(Options::default());
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
    let mut end = End::client();
    assert_eq!(end.connection.next_timeout(), None);
    end.pass(Duration::from_secs(100));
    assert!(!end.connection.is_closed());
}

#[test]
fn more_acknowledgements_than_the_limit_waiting_to_be_read_end_the_connection() {
    let mut end = End::client();
    for _ in 0..PROVOKED_MAX / 2 {
        end.receive(&settings(&[]));
        end.receive(&frame(PING, 0, 0, &[0; 8]));
    }
    assert!(!end.connection.is_closed());
    end.expect_connection_error(&settings(&[]), ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn acknowledgements_that_the_peer_reads_are_not_limited() {
    let mut end = End::client();
    for _ in 0..3 * PROVOKED_MAX {
        end.receive(&settings(&[]));
        end.sent();
    }
    assert!(!end.connection.is_closed());
}

#[test]
fn a_request_over_the_peers_max_header_list_size_is_refused_here() {
    let mut end = End::client_with(Options::default(), &[(6, 300)]);
    let long = "p".repeat(200);
    let refused =
        end.connection
            .send_request(end.template, &[field(":path", &long)], &[], b"", end.now);
    assert_eq!(refused, Err(SendError::BadHead));
    assert_eq!(end.connection.open_streams(), 0);
    // Nothing of it was encoded: the next request decodes.
    end.request(b"x");
    assert_eq!(end.sent().len(), 2);
}
