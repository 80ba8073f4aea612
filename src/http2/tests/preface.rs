//! RFC 9113 §3.4: how a connection begins.

use std::time::Instant;

use super::*;

#[test]
fn client_sends_preface_settings_and_window_update_at_once() {
    let client = Connection::client(Options::default(), Instant::now());
    let (preface, rest) = client.output().split_at(24);
    assert_eq!(preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let expected = [
        settings(&[(2, 0), (6, 0x4000)]),
        window_update(0, 0x10_0000 - 0xffff),
    ];
    assert_eq!(rest, expected.concat());
}

#[test]
fn server_sends_settings_first() {
    let options = Options {
        max_concurrent_streams: Some(7),
        stream_window: 1000,
        header_table_size: 0,
        connection_window: 0xffff,
        ..Options::default()
    };
    let server = Connection::server(options, Instant::now());
    let expected = settings(&[(1, 0), (3, 7), (4, 1000), (6, 0x4000)]);
    assert_eq!(server.output(), expected);
}

#[test]
fn requests_may_follow_without_waiting_for_the_server() {
    let mut end = Side::fresh_client(Options::default());
    assert_eq!(end.request(b"x"), 1);
}

#[test]
fn server_takes_the_preface_in_any_pieces() {
    let mut end = Side::fresh_server(Options::default());
    end.sent();
    let bytes = [
        &CLIENT_PREFACE[..],
        &settings(&[]),
        &frame(HEADERS, 0x5, 1, GET),
    ]
    .concat();
    for byte in bytes {
        end.receive(&[byte]);
    }
    assert!(matches!(
        end.events()[..],
        [
            Event::SettingsReceived,
            Event::Head {
                stream: 1,
                end_stream: true,
                ..
            }
        ]
    ));
}

#[test]
fn wrong_preface_is_a_connection_error_at_its_first_wrong_byte() {
    for wrong in 0..CLIENT_PREFACE.len() {
        let mut end = Side::fresh_server(Options::default());
        let mut bytes = CLIENT_PREFACE[..=wrong].to_vec();
        bytes[wrong] ^= 0x20;
        end.expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn first_frame_of_either_peer_must_be_settings() {
    let firsts = [
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, 0x4, 1, OK_200),
        frame(SETTINGS, ACK, 0, &[]),
        frame(PING, 0, 0, &[0; 8]),
        window_update(0, 1),
        frame(0xbb, 0, 0, b"unknown"),
    ];
    for first in firsts {
        let mut client = Side::fresh_client(Options::default());
        client.request(&[]);
        client.connection.advance_output(24);
        client.sent();
        client.expect_connection_error(&first, ErrorCode::PROTOCOL_ERROR);
        let mut server = Side::fresh_server(Options::default());
        server.receive(CLIENT_PREFACE);
        server.expect_connection_error(&first, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn an_http_1_server_is_recognised_by_nine_bytes() {
    let mut end = Side::fresh_client(Options::default());
    end.connection.advance_output(24);
    end.expect_connection_error(b"HTTP/1.1 ", ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn goaway_instead_of_settings_is_reported_and_ends_the_connection() {
    let mut end = Side::fresh_client(Options::default());
    end.connection.advance_output(24);
    let stream = end.sent_request();
    end.receive(&goaway(0, ErrorCode::ENHANCE_YOUR_CALM, b"no"));
    assert!(matches!(&end.events()[..], [
        Event::GoAway { last_stream: 0, code: ErrorCode::ENHANCE_YOUR_CALM, debug },
        Event::StreamFailed { stream: s, fate: Fate::NotProcessed, .. },
        Event::Closed { .. },
    ] if debug == b"no" && *s == stream));
}
