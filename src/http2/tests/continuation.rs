//! RFC 9113 §6.10: CONTINUATION.

use super::*;

#[test]
fn fragments_make_one_block() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let block = [OK_200, &literal("name", "value")].concat();
    end.receive(&frame(HEADERS, END_STREAM, stream, &block[..3]));
    end.receive(&frame(CONTINUATION, 0, stream, &block[3..6]));
    end.receive(&frame(CONTINUATION, 0, stream, &[]));
    assert!(end.events().is_empty());
    end.receive(&frame(CONTINUATION, END_HEADERS, stream, &block[6..]));
    assert!(
        matches!(&end.events()[..], [Event::Head { fields, end_stream: true, .. }]
        if fields.get(b"name") == Some(b"value"))
    );
}

#[test]
fn any_other_frame_within_a_block_ends_the_connection() {
    for other in [
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, 0x4, 1, OK_200),
        frame(HEADERS, 0x4, 3, OK_200),
        frame(PRIORITY, 0, 1, &[0; 5]),
        rst_stream(1, ErrorCode::CANCEL),
        settings(&[]),
        frame(PING, 0, 0, &[0; 8]),
        goaway(1, ErrorCode::NO_ERROR, b""),
        window_update(1, 1),
        frame(CONTINUATION, 0x4, 3, OK_200),
        frame(0xbb, 0, 1, b""),
    ] {
        let mut end = Side::client();
        end.sent_request();
        end.sent_request();
        end.receive(&frame(HEADERS, 0, 1, OK_200));
        end.expect_connection_error(&other, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn without_a_block_it_ends_the_connection() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x4, stream, OK_200));
    end.events();
    let bytes = frame(CONTINUATION, 0x4, stream, &[]);
    end.expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_block_in_many_small_fragments_is_taken() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let block = [OK_200, &literal("name", &"v".repeat(100))].concat();
    end.receive(&frame(HEADERS, END_STREAM, stream, &[]));
    for byte in &block {
        end.expect_ignored(&frame(CONTINUATION, 0, stream, &[*byte]));
    }
    end.receive(&frame(CONTINUATION, END_HEADERS, stream, &[]));
    assert!(
        matches!(&end.events()[..], [Event::Head { fields, end_stream: true, .. }]
        if fields.status() == Some(200) && fields.get(b"name").is_some())
    );
}

#[test]
fn a_block_of_64_kib_is_taken_and_a_longer_one_ends_the_connection() {
    for (extra, closed) in [(0, false), (1, true)] {
        let mut end = Side::client();
        let stream = end.sent_request();
        let quarter = vec![0; 0x4000];
        end.receive(&frame(HEADERS, 0x1, stream, &quarter));
        for _ in 1..4 {
            end.receive(&frame(CONTINUATION, 0, stream, &quarter));
        }
        assert!(!end.connection.is_closed());
        end.receive(&frame(CONTINUATION, 0, stream, &quarter[..extra]));
        assert_eq!(end.connection.is_closed(), closed);
    }
}

#[test]
fn a_block_is_taken_whose_list_our_max_header_list_size_allows() {
    let options = Options {
        max_header_list_size: 0x1_0000,
        ..Options::default()
    };
    let mut end = Side::client_with(options, &[]);
    let stream = end.sent_request();
    // A value of 60,000 bytes, not Huffman-coded.
    let value = vec![b'v'; 60_000];
    let block = [OK_200, &[0, 1, b'n', 0x7f, 0xe1, 0xd3, 0x03][..], &value].concat();
    let mut fragments = block.chunks(0x4000).peekable();
    let mut kind = HEADERS;
    while let Some(fragment) = fragments.next() {
        let end_headers = if fragments.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        end.receive(&frame(kind, end_headers, stream, fragment));
        kind = CONTINUATION;
    }
    assert!(
        matches!(&end.events()[..], [Event::Head { fields, .. }] if fields.get(b"n") == Some(&value[..]))
    );
}

#[test]
fn a_block_not_complete_within_10_s_ends_the_connection() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x1, stream, OK_200));
    end.pass(Duration::from_millis(9999));
    end.expect_ignored(&frame(CONTINUATION, 0, stream, &[]));
    assert_eq!(
        end.connection.next_timeout(),
        Some(end.now + Duration::from_millis(1))
    );
    end.pass(Duration::from_millis(1));
    end.expect_closed_with(ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn a_complete_block_has_no_timeout() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x1, stream, OK_200));
    end.receive(&frame(CONTINUATION, END_HEADERS, stream, &[]));
    assert_eq!(end.connection.next_timeout(), None);
}
