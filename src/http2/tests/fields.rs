//! RFC 9113 §8.2: fields, in both directions.

use super::*;

const ILLEGAL: &[(&str, &str)] = &[
    ("", "v"),
    ("Upper", "v"),
    ("sp ace", "v"),
    ("ta\tb", "v"),
    ("co:lon", "v"),
    ("nul\0", "v"),
    ("del\x7f", "v"),
    ("\u{e4}", "v"),
    ("x", "cr\rlf"),
    ("x", "lf\n"),
    ("x", "nul\0"),
    ("x", " v"),
    ("x", "v "),
    ("x", "\tv"),
    ("x", "v\t"),
    ("connection", "close"),
    ("keep-alive", "1"),
    ("proxy-connection", "close"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"),
    ("te", "gzip"),
];

const LEGAL: &[(&str, &str)] = &[
    ("x", ""),
    ("!#$%&'*+-.^_`|~09az", "v"),
    ("x", "a b\tc"),
    ("x", "\u{e4}\u{7f}\u{1}"),
    ("te", "trailers"),
];

#[test]
fn illegal_fields_of_the_peer_fail_the_stream() {
    for (name, value) in ILLEGAL {
        let block = [OK_200, &literal(name, value)].concat();
        let mut client = Side::client();
        let stream = client.sent_request();
        let bytes = frame(HEADERS, 0x5, stream, &block);
        client.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
        let mut server = Side::server();
        server.receive(&frame(
            HEADERS,
            0x5,
            1,
            &[GET, &literal(name, value)].concat(),
        ));
        server.expect_reset(1, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn legal_fields_of_the_peer_are_taken() {
    for (name, value) in LEGAL {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.receive(&frame(
            HEADERS,
            0x5,
            stream,
            &[OK_200, &literal(name, value)].concat(),
        ));
        let events = end.events();
        assert!(matches!(&events[..], [Event::Head { fields, .. }]
            if fields.get(name.as_bytes()) == Some(value.as_bytes())));
    }
}

#[test]
fn illegal_fields_of_ours_are_refused_before_anything_is_encoded() {
    let mut end = Side::client();
    let mut server = Side::server();
    server.receive(&frame(HEADERS, 0x5, 1, GET));
    for (name, value) in ILLEGAL {
        let bad = [field(name, value)];
        let path = [field(":path", "/")];
        let request = end
            .connection
            .send_request(end.template, &path, &bad, b"", end.now);
        assert_eq!(request, Err(SendError::BadHead), "{name:?}: {value:?}");
        let response = server.connection.send_response(1, 200, &bad, None);
        assert_eq!(response, Err(SendError::BadHead), "{name:?}: {value:?}");
    }
    assert!(end.sent().is_empty() && end.connection.open_streams() == 0);
    assert!(server.sent().is_empty());
}

#[test]
fn a_template_of_illegal_fields_refuses_its_requests() {
    let mut end = Side::client();
    let pseudo = [
        field(":method", "POST"),
        field(":scheme", "https"),
        field(":path", "/"),
    ];
    let template = end
        .connection
        .add_template(&pseudo, &[field("authorization", "a\nb")])
        .unwrap();
    let refused = end
        .connection
        .send_request(template, &[], &[], b"", end.now);
    assert_eq!(refused, Err(SendError::BadHead));
    end.connection
        .replace_template(template, &pseudo, &[field("authorization", "ab")]);
    assert!(
        end.connection
            .send_request(template, &[], &[], b"", end.now)
            .is_ok()
    );
}

#[test]
fn debug_output_of_a_connection_holds_no_bytes_of_what_it_sends() {
    let mut end = Side::client();
    // Huffman coding would make it longer, so it stands in the output as it is.
    let token = "~".repeat(40);
    let fields = [
        field(":method", "GET"),
        field(":scheme", "https"),
        field(":path", "/"),
        field("authorization", &token),
    ];
    end.connection.open_request(&fields, true, end.now).unwrap();
    end.request(token.repeat(10_000).as_bytes());
    let shown = format!("{:?}", end.connection);
    assert!(!shown.contains("126, 126, 126"), "{shown}");
}

#[test]
fn there_are_at_most_16_templates() {
    let mut end = Side::client();
    let added = (0..20)
        .filter(|_| end.connection.add_template(&[], &[]).is_some())
        .count();
    assert_eq!(added, 15);
}

#[test]
fn a_replaced_template_is_what_the_next_request_says() {
    let mut end = Side::client();
    let mut server = Side::server();
    let pseudo = [
        field(":method", "POST"),
        field(":scheme", "https"),
        field(":path", "/"),
    ];
    let bearer = |value| Field {
        indexing: Indexing::Indexed,
        ..field("authorization", value)
    };
    let template = end
        .connection
        .add_template(&pseudo, &[bearer("one")])
        .unwrap();
    for value in ["one", "one", "two", "two"] {
        if value == "two" {
            end.connection
                .replace_template(template, &pseudo, &[bearer("two")]);
        }
        end.connection
            .send_request(template, &[], &[], b"", end.now)
            .unwrap();
        server.receive(end.connection.output());
        end.sent();
        let events = server.events();
        assert!(matches!(&events[0], Event::Head { fields, .. }
            if fields.get(b"authorization") == Some(value.as_bytes())));
    }
}
