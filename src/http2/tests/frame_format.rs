//! RFC 9113 §4.1, §4.2: frame headers and sizes.

use super::*;

#[test]
fn reserved_bit_and_undefined_flags_are_ignored() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(
        HEADERS,
        0x4 | 0xd2 & !PADDED & !END_STREAM,
        stream | 1 << 31,
        OK_200,
    ));
    assert!(matches!(
        end.events()[..],
        [Event::Head {
            stream: 1,
            end_stream: false,
            ..
        }]
    ));
    end.receive(&frame(PING, 0xfe, 0, &[0; 8]));
    assert_eq!(end.sent()[0].flags, ACK);
}

#[test]
fn frames_of_unknown_types_are_skipped() {
    for kind in (0xa..=0xff).step_by(5).chain(0xa..0x11) {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.expect_ignored(&frame(kind, 0xff, stream, &[0xaa; 0x4000]));
        end.receive(&frame(HEADERS, 0x5, stream, OK_200));
        assert_eq!(end.events().len(), 1);
    }
}

#[test]
fn skipped_frames_are_not_buffered() {
    let mut end = Side::client();
    let bytes = frame(0xee, 0, 0, &[1; 0x4000]);
    for piece in bytes.chunks(100) {
        end.receive(piece);
    }
    end.receive(&frame(PING, 0, 0, &[3; 8]));
    assert_eq!(end.sent()[0].payload, [3; 8]);
}

#[test]
fn a_frame_longer_than_our_max_frame_size_is_refused_by_its_header() {
    for kind in [DATA, HEADERS, SETTINGS, GOAWAY, 0xbb] {
        let mut end = Side::client();
        end.sent_request();
        let stream = u32::from(kind < 2);
        let header = &frame(kind, 0, stream, &vec![0; 0x4001])[..9];
        end.expect_connection_error(header, ErrorCode::FRAME_SIZE_ERROR);
    }
}

#[test]
fn a_frame_of_our_max_frame_size_is_taken() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.receive(&frame(DATA, 1, stream, &[7; 0x4000]));
    assert!(matches!(&end.events()[1], Event::Data { data, .. } if data.len() == 0x4000));
}

#[test]
fn frames_of_a_fixed_length_are_refused_at_any_other() {
    for (kind, flags, stream, lengths) in [
        (RST_STREAM, 0, 1, [0, 3, 5]),
        (PING, 0, 0, [0, 7, 9]),
        (PING, ACK, 0, [0, 7, 9]),
        (GOAWAY, 0, 0, [0, 4, 7]),
        (WINDOW_UPDATE, 0, 1, [0, 3, 5]),
        (WINDOW_UPDATE, 0, 0, [0, 3, 5]),
        (SETTINGS, 0, 0, [1, 5, 7]),
        (SETTINGS, ACK, 0, [1, 6, 12]),
    ] {
        for length in lengths {
            let mut end = Side::client();
            end.sent_request();
            let bytes = frame(kind, flags, stream, &vec![0; length]);
            end.expect_connection_error(&bytes, ErrorCode::FRAME_SIZE_ERROR);
        }
    }
}

#[test]
fn frames_in_one_byte_pieces_mean_the_same() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let bytes = [
        frame(HEADERS, 0x4, stream, OK_200),
        frame(DATA, 0, stream, b"ab"),
        frame(0x77, 0, 9, b"skipped"),
        frame(DATA, 1, stream, b"c"),
    ];
    for byte in bytes.concat() {
        end.receive(&[byte]);
    }
    let events = end.events();
    assert!(matches!(&events[..], [
        Event::Head { .. },
        Event::Data { data, end_stream: true, .. },
    ] if data == b"abc"));
}

#[test]
fn a_header_in_pieces_is_judged_before_its_payload_comes() {
    for (header, code) in [
        (
            &frame(DATA, 0, 1, &vec![0; 0x4001])[..9],
            ErrorCode::FRAME_SIZE_ERROR,
        ),
        (
            &frame(0xbb, 0, 1, &vec![0; 0x4001])[..9],
            ErrorCode::FRAME_SIZE_ERROR,
        ),
        (&frame(DATA, 0, 0, &[0; 10])[..9], ErrorCode::PROTOCOL_ERROR),
        (
            &frame(SETTINGS, 0, 1, &[0; 6])[..9],
            ErrorCode::PROTOCOL_ERROR,
        ),
    ] {
        for cut in 1..9 {
            let mut end = Side::client();
            end.sent_request();
            end.receive(&header[..cut]);
            assert!(!end.connection.is_closed());
            end.expect_connection_error(&header[cut..], code);
        }
    }
}
