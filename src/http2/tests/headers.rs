//! RFC 9113 §6.2: HEADERS.

use super::*;

#[test]
fn on_stream_zero_they_end_the_connection() {
    let bytes = frame(HEADERS, 0x5, 0, OK_200);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn on_a_stream_that_no_one_opened_they_end_the_clients_connection() {
    for stream in [1, 2, 3, 0x7fff_ffff] {
        let bytes = frame(HEADERS, 0x5, stream, OK_200);
        Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn padding_and_priority_fields_are_taken_off() {
    let priority = [0x80, 0, 0, 1, 16];
    for (flags, payload) in [
        (PADDED, [&[2], OK_200, &[0, 0]].concat()),
        (PRIORITIZED, [&priority, OK_200].concat()),
        (
            PADDED | PRIORITIZED,
            [&[2], &priority[..], OK_200, &[0, 0]].concat(),
        ),
    ] {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.receive(&frame(HEADERS, 0x5 | flags, stream, &payload));
        assert!(
            matches!(&end.events()[..], [Event::Head { fields, .. }] if fields.status() == Some(200))
        );
    }
}

#[test]
fn padding_longer_than_the_payload_ends_the_connection() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let bytes = frame(HEADERS, 0x5 | PADDED, stream, &[2, 0x88]);
    end.expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_payload_shorter_than_its_own_fields_ends_the_connection() {
    for (flags, payload) in [
        (PADDED, &[][..]),
        (PRIORITIZED, &[0, 0, 0, 1]),
        (PADDED | PRIORITIZED, &[1, 0, 0, 0, 1, 16]),
    ] {
        let mut end = Side::client();
        let stream = end.sent_request();
        let bytes = frame(HEADERS, 0x5 | flags, stream, payload);
        end.expect_connection_error(&bytes, ErrorCode::FRAME_SIZE_ERROR);
    }
}

#[test]
fn a_stream_may_depend_on_itself() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let payload = [&stream.to_be_bytes()[..], &[0], OK_200].concat();
    end.receive(&frame(HEADERS, 0x5 | PRIORITIZED, stream, &payload));
    assert_eq!(end.events().len(), 1);
}
