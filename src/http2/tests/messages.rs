//! RFC 9113 §8.1: messages.

use super::*;

/// A response head with those fields after `:status: 200`.
fn head(stream: StreamId, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = OK_200.to_vec();
    for (name, value) in fields {
        block.extend(literal(name, value));
    }
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

fn status(stream: StreamId, flags: u8, status: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | flags,
        stream,
        &literal(":status", status),
    )
}

#[test]
fn a_response_is_head_content_and_trailers() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&head(stream, 0, &[("apns-id", "1")]));
    end.receive(&frame(DATA, 0, stream, b"content"));
    end.receive(&frame(HEADERS, 0x5, stream, &literal("sum", "2")));
    let events = end.events();
    assert!(matches!(&events[..], [
        Event::Head { fields, end_stream: false, .. },
        Event::Data { data, end_stream: false, .. },
        Event::Trailers { fields: trailers, .. },
    ] if fields.status() == Some(200) && data == b"content" && trailers.get(b"sum") == Some(b"2")));
    assert_eq!(end.connection.open_streams(), 0);
}

#[test]
fn interim_heads_come_before_the_final_one() {
    let mut end = Side::client();
    let stream = end.sent_request();
    for interim in ["100", "103", "199"] {
        end.receive(&status(stream, 0, interim));
    }
    end.receive(&head(stream, END_STREAM, &[]));
    assert!(matches!(
        end.events()[..],
        [
            Event::Interim { status: 100, .. },
            Event::Interim { status: 103, .. },
            Event::Interim { status: 199, .. },
            Event::Head {
                end_stream: true,
                ..
            },
        ]
    ));
}

#[test]
fn any_number_of_interim_heads_may_come() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let link = literal("link", &"x".repeat(97));
    for _ in 0..500 {
        let interim = [literal(":status", "103"), link.clone()].concat();
        end.receive(&frame(HEADERS, END_HEADERS, stream, &interim));
        assert!(matches!(
            end.events()[..],
            [Event::Interim { status: 103, .. }]
        ));
    }
    end.receive(&head(stream, END_STREAM, &[]));
    assert!(matches!(
        end.events()[..],
        [Event::Head {
            end_stream: true,
            ..
        }]
    ));
}

#[test]
fn malformed_responses_fail_the_stream() {
    type Frames = fn(StreamId) -> Vec<Vec<u8>>;
    let cases: [(&str, Frames); 8] = [
        ("interim with END_STREAM", |s| {
            vec![status(s, END_STREAM, "100")]
        }),
        ("101", |s| vec![status(s, 0, "101")]),
        ("second final head", |s| {
            vec![head(s, 0, &[]), head(s, 0, &[])]
        }),
        ("trailers without END_STREAM", |s| {
            vec![
                head(s, 0, &[]),
                frame(HEADERS, END_HEADERS, s, &literal("a", "b")),
            ]
        }),
        ("pseudo-header in trailers", |s| {
            vec![head(s, 0, &[]), head(s, END_STREAM, &[])]
        }),
        ("content before the head", |s| vec![frame(DATA, 0, s, b"x")]),
        ("content before the final head", |s| {
            vec![status(s, 0, "100"), frame(DATA, 0, s, b"x")]
        }),
        ("trailers of an illegal name", |s| {
            vec![head(s, 0, &[]), frame(HEADERS, 0x5, s, &literal("A", "b"))]
        }),
    ];
    for (case, bytes) in cases {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.receive(&bytes(stream).concat());
        let failed = end.events().pop();
        let malformed = Some(ErrorCode::PROTOCOL_ERROR)
            == failed.and_then(|event| match event {
                Event::StreamFailed {
                    cause: Cause::StreamError(code, _),
                    ..
                } => Some(code),
                _ => None,
            });
        assert!(malformed, "{case}");
        assert!(!end.connection.is_closed(), "{case}");
    }
}

#[test]
fn content_must_be_as_long_as_content_length() {
    for (length, content, good) in [
        ("3", &b"abc"[..], true),
        ("0", b"", true),
        ("4", b"abc", false),
        ("2", b"abc", false),
        ("1", b"", false),
    ] {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.receive(&head(stream, 0, &[("content-length", length)]));
        end.receive(&frame(
            DATA,
            END_STREAM | PADDED,
            stream,
            &[&[2], content, &[0, 0]].concat(),
        ));
        let last = end.events().pop().unwrap();
        assert_eq!(
            matches!(
                last,
                Event::Data {
                    end_stream: true,
                    ..
                }
            ),
            good,
            "{length}"
        );
        assert_eq!(
            matches!(last, Event::StreamFailed { .. }),
            !good,
            "{length}"
        );
    }
}

#[test]
fn a_message_without_content_must_not_promise_some() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let bytes = head(stream, END_STREAM, &[("content-length", "1")]);
    end.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&head(stream, 0, &[("content-length", "1")]));
    end.events();
    let bytes = frame(HEADERS, 0x5, stream, &literal("a", "b"));
    end.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn illegal_content_lengths_are_malformed() {
    for fields in [
        &[("content-length", "x")][..],
        &[("content-length", "")],
        &[("content-length", "+1")],
        &[("content-length", "-1")],
        &[("content-length", "99999999999999999999")],
        &[("content-length", "1"), ("content-length", "2")],
    ] {
        let mut end = Side::client();
        let stream = end.sent_request();
        end.expect_stream_error(&head(stream, 0, fields), stream, ErrorCode::PROTOCOL_ERROR);
    }
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&head(
        stream,
        0,
        &[("content-length", "1"), ("content-length", "1")],
    ));
    assert_eq!(end.events().len(), 1);
}

#[test]
fn answers_without_content_may_have_any_content_length() {
    for code in ["204", "304"] {
        let mut end = Side::client();
        let stream = end.sent_request();
        let block = [literal(":status", code), literal("content-length", "5")].concat();
        end.receive(&frame(HEADERS, END_HEADERS, stream, &block));
        end.receive(&frame(DATA, END_STREAM, stream, &[]));
        assert!(matches!(
            end.events()[..],
            [
                Event::Head { .. },
                Event::Data {
                    end_stream: true,
                    ..
                }
            ]
        ));
    }
    let mut end = Side::client();
    let stream = end.open("HEAD", true);
    end.sent();
    end.receive(&head(stream, END_STREAM, &[("content-length", "5")]));
    assert!(matches!(
        end.events()[..],
        [Event::Head {
            end_stream: true,
            ..
        }]
    ));
}

#[test]
fn answers_without_content_must_have_none() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&status(stream, 0, "204"));
    end.events();
    let bytes = frame(DATA, END_STREAM, stream, b"x");
    end.expect_stream_error(&bytes, stream, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_server_sends_no_content_where_there_can_be_none() {
    for (request, code) in [
        (GET, 204),
        (GET, 304),
        (&literal(":method", "HEAD")[..], 200),
    ] {
        let mut end = Side::server();
        let block = if request == GET {
            GET.to_vec()
        } else {
            [request, &[0x87, 0x84]].concat()
        };
        end.receive(&frame(HEADERS, 0x5, 1, &block));
        end.connection
            .send_response(1, code, &[], Some(b"content"))
            .unwrap();
        let sent = end.sent();
        assert_eq!((sent.len(), sent[0].flags), (1, END_HEADERS | END_STREAM));
        assert_eq!(end.connection.open_streams(), 0);
    }
}

#[test]
fn requests_may_have_trailers() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, END_HEADERS, 1, POST));
    end.receive(&frame(DATA, 0, 1, b"x"));
    end.receive(&frame(HEADERS, 0x5, 1, &literal("a", "b")));
    assert!(matches!(
        end.events()[..],
        [
            Event::Head { .. },
            Event::Data { .. },
            Event::Trailers { .. }
        ]
    ));
}

#[test]
fn a_malformed_request_is_reset_and_not_reported() {
    let mut end = Side::server();
    end.receive(&frame(
        HEADERS,
        0x5,
        1,
        &[GET, &literal("content-length", "1")].concat(),
    ));
    end.expect_reset(1, ErrorCode::PROTOCOL_ERROR);
    assert!(end.events().is_empty());
    assert_eq!(end.connection.open_streams(), 0);
    end.expect_ignored(&frame(DATA, 1, 1, b"late"));
}

#[test]
fn a_server_answers_in_the_order_of_the_grammar() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    let http2 = &mut end.connection;
    assert_eq!(
        http2.send_data(1, b"x", false),
        Err(SendError::StreamClosed)
    );
    assert_eq!(http2.send_trailers(1, &[]), Err(SendError::StreamClosed));
    assert_eq!(http2.send_interim(1, 101), Err(SendError::BadHead));
    assert_eq!(http2.send_interim(1, 200), Err(SendError::BadHead));
    assert_eq!(
        http2.send_response(1, 100, &[], None),
        Err(SendError::BadHead)
    );
    assert_eq!(http2.send_interim(1, 100), Ok(()));
    assert_eq!(http2.send_response(1, 200, &[], None), Ok(()));
    assert_eq!(http2.send_interim(1, 100), Err(SendError::StreamClosed));
    assert_eq!(
        http2.send_response(1, 200, &[], None),
        Err(SendError::StreamClosed)
    );
    assert_eq!(http2.send_data(1, b"x", true), Ok(()));
    assert_eq!(http2.send_data(1, b"x", true), Err(SendError::StreamClosed));
    assert_eq!(
        http2.send_response(9, 200, &[], None),
        Err(SendError::StreamClosed)
    );
}

#[test]
fn a_client_cannot_respond() {
    let mut end = Side::client();
    let stream = end.open("POST", false);
    assert_eq!(
        end.connection.send_response(stream, 200, &[], None),
        Err(SendError::StreamClosed)
    );
}

#[test]
fn a_request_says_how_long_its_content_is() {
    let mut end = Side::client();
    let mut server = Side::server();
    for (content, length) in [
        (&b""[..], &b"0"[..]),
        (b"abc", b"3"),
        (&[b'x'; 4096], b"4096"),
    ] {
        end.request(content);
        server.receive(end.connection.output());
        end.sent();
        let events = server.events();
        assert!(
            matches!(&events[0], Event::Head { fields, .. } if fields.get(b"content-length") == Some(length))
        );
    }
}
