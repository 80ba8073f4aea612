//! RFC 9113 §8.3: pseudo-headers.

use super::*;

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name, value))
        .collect()
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "https");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "a");

#[test]
fn a_response_has_status_and_nothing_else() {
    for fields in [
        &[][..],
        &[("a", "b")],
        &[(":status", "200"), (":status", "200")],
        &[(":status", "200"), PATH],
        &[(":status", "200"), (":unknown", "x")],
        &[("a", "b"), (":status", "200")],
        &[(":status", "")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "+20")],
        &[(":status", "099")],
        &[(":status", "2 0")],
        &[(":", "200")],
        &[METHOD, SCHEME, PATH],
    ] {
        let mut end = Side::client();
        let stream = end.sent_request();
        let bytes = frame(HEADERS, 0x5, stream, &block(fields));
        end.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_response_without_a_status_is_never_a_head() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let bytes = frame(HEADERS, 0x5, stream, &[]);
    end.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
}

const ILLEGAL_REQUESTS: &[&[(&str, &str)]] = &[
    &[],
    &[METHOD, SCHEME],
    &[METHOD, PATH],
    &[SCHEME, PATH],
    &[METHOD, METHOD, SCHEME, PATH],
    &[METHOD, SCHEME, PATH, PATH],
    &[METHOD, SCHEME, (":path", "")],
    &[(":method", ""), SCHEME, PATH],
    &[METHOD, SCHEME, PATH, (":status", "200")],
    &[METHOD, SCHEME, PATH, (":protocol", "x")],
    &[METHOD, SCHEME, ("a", "b"), PATH],
    &[(":method", "CONNECT"), SCHEME, PATH, AUTHORITY],
    &[(":method", "CONNECT")],
];

#[test]
fn a_request_has_its_pseudo_headers_once_and_first() {
    for fields in ILLEGAL_REQUESTS {
        let mut end = Side::server();
        end.receive(&frame(HEADERS, 0x5, 1, &block(fields)));
        end.expect_reset(1, ErrorCode::PROTOCOL_ERROR);
        assert!(end.events().is_empty());
    }
    let differs = [METHOD, SCHEME, PATH, AUTHORITY, ("host", "b")];
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 1, &block(&differs)));
    end.expect_reset(1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn legal_requests_are_taken_and_sent() {
    for fields in [
        &[METHOD, SCHEME, PATH][..],
        &[AUTHORITY, PATH, SCHEME, METHOD, ("host", "A"), ("a", "b")],
        &[(":method", "CONNECT"), AUTHORITY],
    ] {
        let mut end = Side::server();
        end.receive(&frame(HEADERS, 0x5, 1, &block(fields)));
        assert!(matches!(end.events()[..], [Event::Head { .. }]));
        let mut end = Side::client();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| field(name, value))
            .collect();
        assert!(end.connection.open_request(&fields, true, end.now).is_ok());
    }
}

#[test]
fn illegal_requests_of_ours_are_refused() {
    for fields in ILLEGAL_REQUESTS {
        let mut end = Side::client();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| field(name, value))
            .collect();
        let refused = end.connection.open_request(&fields, true, end.now);
        assert_eq!(refused, Err(SendError::BadHead));
        assert!(end.sent().is_empty());
    }
}

#[test]
fn a_templates_parts_make_one_legal_head() {
    let mut end = Side::client();
    let path = field(":path", "/");
    for (extra_pseudo, extra) in [
        (&[][..], &[][..]),
        (&[path, path], &[]),
        (&[path, field(":method", "GET")], &[]),
        (&[path], &[field(":authority", "a")]),
        (&[field("a", "b")], &[]),
        (&[path, field(":status", "200")], &[]),
    ] {
        let refused = end
            .connection
            .send_request(end.template, extra_pseudo, extra, b"", end.now);
        assert_eq!(refused, Err(SendError::BadHead));
    }
}
