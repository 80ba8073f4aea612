//! RFC 9113 §4.3: field blocks.

use super::*;

#[test]
fn a_block_that_does_not_decode_ends_the_connection() {
    let mut end = Side::client();
    let stream = end.sent_request();
    // Index 0 names nothing.
    let bytes = frame(HEADERS, 0x5, stream, &[0x80]);
    end.expect_connection_error(&bytes, ErrorCode::COMPRESSION_ERROR);
}

#[test]
fn a_block_for_a_reset_stream_is_decoded_nevertheless() {
    let mut end = Side::client();
    let (first, second) = (end.request(&[]), end.request(&[]));
    end.connection.reset(first, ErrorCode::CANCEL);
    end.sent();
    // Puts `x: y` into the dynamic table; the second head refers to it.
    end.expect_ignored(&frame(HEADERS, 0x5, first, &[0x88, 0x40, 1, b'x', 1, b'y']));
    end.receive(&frame(HEADERS, 0x5, second, &[0x88, 0xbe]));
    let events = end.events();
    assert!(matches!(&events[..], [Event::Head { fields, .. }] if fields.get(b"x") == Some(b"y")));
}

#[test]
fn a_block_for_a_refused_stream_is_decoded_nevertheless() {
    let options = Options {
        max_concurrent_streams: Some(1),
        ..Options::default()
    };
    let mut end = Side::server_with(options, &[]);
    let indexed = [GET, &[0x40, 1, b'x', 1, b'y']].concat();
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.receive(&frame(HEADERS, 0x5, 3, &indexed));
    end.expect_reset(3, ErrorCode::REFUSED_STREAM);
    end.connection.send_response(1, 204, &[], None).unwrap();
    end.events();
    end.receive(&frame(HEADERS, 0x5, 5, &[GET, &[0xbe]].concat()));
    let events = end.events();
    assert!(matches!(&events[..], [Event::Head { fields, .. }] if fields.get(b"x") == Some(b"y")));
}

/// RFC 9113 §6.5.2: the limit is advisory, and what a head says first is known.
#[test]
fn of_an_answer_over_our_max_header_list_size_the_first_fields_count() {
    let options = Options {
        max_header_list_size: 200,
        ..Options::default()
    };
    let big = literal("a", &"b".repeat(120));
    let mut end = Side::client_with(options, &[]);
    let stream = end.sent_request();
    let head = [OK_200, &literal("x", "y"), &big, &literal("c", "d")].concat();
    end.receive(&frame(HEADERS, END_HEADERS, stream, &head));
    let trailers = [literal("sum", "1"), big.clone(), big].concat();
    end.receive(&frame(HEADERS, 0x5, stream, &trailers));
    let events = end.events();
    assert!(
        matches!(&events[..], [Event::Head { fields, .. }, Event::Trailers { fields: trailers, .. }]
            if fields.iter().eq([(&b":status"[..], &b"200"[..]), (b"x", b"y")])
                && trailers.get(b"sum") == Some(b"1")),
        "{events:?}"
    );
    assert!(end.sent().is_empty());
}

#[test]
fn a_request_over_a_servers_max_header_list_size_fails_alone() {
    let options = Options {
        max_header_list_size: 200,
        ..Options::default()
    };
    let mut end = Side::server_with(options, &[]);
    let big = [GET, &literal("a", &"b".repeat(120))].concat();
    end.receive(&frame(HEADERS, 0x5, 1, &big));
    end.expect_reset(1, ErrorCode::PROTOCOL_ERROR);
    assert!(end.events().is_empty() && !end.connection.is_closed());
}

#[test]
fn fields_far_over_our_max_header_list_size_end_the_connection() {
    let mut end = Side::client();
    let stream = end.sent_request();
    // An entry of 4 KiB in the table, and a reference of one byte to it for each 4 KiB more.
    let mut block = vec![0x88, 0x40, 1, b'x', 0x7f, 0xa1, 0x1e];
    block.extend([b'y'; 4000]);
    block.extend([0xbe; 100]);
    let bytes = frame(HEADERS, 0x5, stream, &block);
    end.expect_connection_error(&bytes, ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn our_table_size_reduction_binds_the_peer_after_its_acknowledgement() {
    let options = Options {
        header_table_size: 0,
        ..Options::default()
    };
    let mut end = Side::fresh_client(options);
    end.connection.advance_output(24);
    end.receive(&settings(&[]));
    let (first, second) = (end.request(&[]), end.request(&[]));
    end.sent();
    end.receive(&frame(HEADERS, 0x5, first, &[0x88, 0x40, 1, b'x', 1, b'y']));
    end.receive(&frame(SETTINGS, ACK, 0, &[]));
    assert!(!end.connection.is_closed());
    let bytes = frame(HEADERS, 0x5, second, OK_200);
    end.expect_connection_error(&bytes, ErrorCode::COMPRESSION_ERROR);
}

#[test]
fn our_blocks_follow_a_table_size_of_zero() {
    let mut end = Side::client_with(Options::default(), &[(1, 0)]);
    end.request(&[]);
    // The update to 0 comes first.
    assert_eq!(end.sent()[0].payload[0], 0x20);
}

#[test]
fn our_blocks_longer_than_the_peers_frames_are_continued() {
    let mut end = Side::client();
    // A character that Huffman coding makes longer, so that the block is as long as its values.
    let (x, y) = ("\\".repeat(0x4000), "\\".repeat(0x3000));
    let fields = [
        field(":method", "GET"),
        field(":scheme", "https"),
        field(":path", "/"),
        field("x", &x),
        field("y", &y),
    ];
    end.connection.open_request(&fields, true, end.now).unwrap();
    let bytes = end.connection.output().to_vec();
    let kinds: Vec<_> = end
        .sent()
        .iter()
        .map(|f| (f.kind, f.flags, f.payload.len() == 0x4000))
        .collect();
    assert_eq!(
        kinds,
        [
            (HEADERS, END_STREAM, true),
            (CONTINUATION, END_HEADERS, false)
        ]
    );
    let options = Options {
        max_header_list_size: 0x1_0000,
        ..Options::default()
    };
    let mut server = Side::server_with(options, &[]);
    server.receive(&bytes);
    let events = server.events();
    assert!(
        matches!(&events[..], [Event::Head { fields, end_stream: true, .. }]
        if fields.get(b"x") == Some(x.as_bytes()) && fields.get(b"y") == Some(y.as_bytes()))
    );
}
