use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<Head, u16> {
    Head::parse(text.as_bytes()).map_err(|refusal| refusal.status)
}

#[test]
fn a_head_is_read() {
    let head = parsed("POST /push HTTP/1.1\r\nHost: a\r\ncontent-length: 12\r\n\r\n").unwrap();
    assert_eq!((&*head.method, &*head.target), ("POST", "/push"));
    assert_eq!((head.proto(), head.content_length()), ("HTTP/1.1", 12));
    assert!(head.keep_alive && !head.expects_continue);
}

#[test]
fn framing_follows_the_fields() {
    for (version, fields, framing) in [
        ("1.1", "", Ok(Framing::Length(0))),
        ("1.1", "Content-Length: 0\r\n", Ok(Framing::Length(0))),
        ("1.1", "Content-Length:  007 \r\n", Ok(Framing::Length(7))),
        (
            "1.1",
            "Content-Length: 18446744073709551615\r\n",
            Ok(Framing::Length(u64::MAX)),
        ),
        (
            "1.1",
            "Content-Length: 18446744073709551616\r\n",
            Ok(Framing::Length(u64::MAX)),
        ),
        (
            "1.1",
            "Transfer-Encoding: Chunked\r\n",
            Ok(Framing::Chunked),
        ),
        ("1.0", "Content-Length: 3\r\n", Ok(Framing::Length(3))),
        ("1.0", "Transfer-Encoding: chunked\r\n", Err(400)),
        ("1.1", "Content-Length: -1\r\n", Err(400)),
        ("1.1", "Content-Length: +3\r\n", Err(400)),
        ("1.1", "Content-Length: abc\r\n", Err(400)),
        ("1.1", "Content-Length: 3, 3\r\n", Err(400)),
        ("1.1", "Content-Length: \r\n", Err(400)),
        (
            "1.1",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            Err(400),
        ),
        (
            "1.1",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            Err(400),
        ),
        ("1.1", "Transfer-Encoding: identity\r\n", Err(400)),
        ("1.1", "Transfer-Encoding: xchunked\r\n", Err(400)),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n", Err(400)),
        (
            "1.1",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(400),
        ),
    ] {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(parsed(&text).map(|head| head.framing), framing, "{fields}");
    }
}

#[test]
fn connections_are_kept_as_the_version_and_the_client_say() {
    for (version, fields, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo, CLOSE\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = parsed(&format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(
            head.map(|head| head.keep_alive),
            Ok(keep_alive),
            "{version} {fields}"
        );
    }
}

#[test]
fn what_http_forbids_is_refused() {
    for (text, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a b HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTX/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: a-pony\r\n\r\n", 417),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("GET / HTTP/1.2\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\n", 505),
    ] {
        assert_eq!(parsed(text).unwrap_err(), status, "{text:?}");
    }
}

#[test]
fn a_body_is_coded_by_what_codes_bodies() {
    let coding = |value: &str| {
        let head = format!("POST /push HTTP/1.1\r\nHost: a\r\nContent-Encoding: {value}\r\n\r\n");
        Head::parse(head.as_bytes()).unwrap().coding
    };
    for none in ["", "identity", "utf-8", "UTF8", "\u{e9}", "gzip2"] {
        assert_eq!(coding(none), None, "{none}");
    }
    for (value, known) in [
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("identity, br", "br"),
        ("zstd,gzip", "zstd"),
        ("identity\r\nContent-Encoding: deflate", "deflate"),
        ("deflate\r\nContent-Encoding: identity", "deflate"),
    ] {
        assert_eq!(coding(value), Some(known), "{value}");
    }
}

#[test]
fn the_sixty_fifth_field_is_one_too_many() {
    let head = |fields| {
        let more = "X-A: b\r\n".repeat(fields - 1);
        parsed(&format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n"))
    };
    assert!(head(MAX_FIELDS).is_ok());
    assert_eq!(head(MAX_FIELDS + 1).unwrap_err(), 431);
}

#[test]
fn an_expectation_of_an_old_client_is_ignored() {
    let head = |version| {
        parsed(&format!(
            "POST / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"
        ))
    };
    assert!(head("1.1").unwrap().expects_continue);
    assert!(!head("1.0").unwrap().expects_continue);
}

/// Shows the bytes to a scan one by one; the end it finds, or the refusal's status.
fn scanned(bytes: &[u8]) -> Result<Option<usize>, u16> {
    let mut scan = HeadScan::default();
    for length in 1..=bytes.len() {
        match scan.end(&bytes[..length]) {
            Ok(None) => {}
            Ok(end) => return Ok(end),
            Err(refusal) => return Err(refusal.status),
        }
    }
    Ok(None)
}

#[test]
fn the_end_of_a_head_is_its_empty_line() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(scanned(head), Ok(Some(head.len())));
    assert_eq!(scanned(&[head, &b"GET"[..]].concat()), Ok(Some(head.len())));
    assert_eq!(scanned(&head[..head.len() - 1]), Ok(None));
    for junk in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\0",
        b" GET",
        b"\xff\xff",
        b"\nGET",
        b"GET / HTTP/1.1\n",
    ] {
        assert_eq!(scanned(junk), Err(400), "{junk:?}");
    }
}

#[test]
fn a_head_of_sixteen_kibibytes_is_the_longest() {
    let mut head = b"GET / HTTP/1.1\r\nX: ".to_vec();
    head.resize(MAX_HEAD - 4, b'a');
    head.extend_from_slice(b"\r\n\r\n");
    assert_eq!(scanned(&head), Ok(Some(MAX_HEAD)));
    head.insert(20, b'a');
    assert_eq!(scanned(&head), Err(431));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let whole = HeadScan::default().end(&bytes).map_err(|refusal| refusal.status);
        prop_assert_eq!(scanned(&bytes), whole);
        drop(Head::parse(&bytes));
    }

    #[test]
    fn no_head_makes_the_reader_panic(
        fields in "([A-Za-z -]{1,9}:[ -~]{0,9}\r\n){0,4}\r\n[ -~]{0,9}",
        version in "1.[01]",
    ) {
        let text = format!("POST / HTTP/{version}\r\n{fields}");
        if let Ok(Some(end)) = scanned(text.as_bytes()) {
            drop(Head::parse(&text.as_bytes()[..end]));
        }
    }
}

#[test]
fn an_idempotency_key_is_short_and_visible() {
    let key = |fields: &str| {
        let head = parsed(&format!("POST /push HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))?;
        Ok(head.idempotency_key.map(String::from))
    };
    assert_eq!(key(""), Ok(None));
    let given = "Idempotency-KEY: 8e03978e-40d5-43e8-bc93-6894a57f9324 \r\n";
    let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    assert_eq!(key(given), Ok(Some(uuid.to_owned())));
    let longest = "k".repeat(MAX_KEY);
    let field = |value: &str| format!("Idempotency-Key: {value}\r\n");
    assert_eq!(key(&field(&longest)), Ok(Some(longest.clone())));
    assert_eq!(key(&field(&format!("{longest}k"))), Err(400));
    for value in ["", "two words", "k\tk", "schlüssel"] {
        assert_eq!(key(&field(value)), Err(400), "{value:?}");
    }
    assert_eq!(key(&field("a").repeat(2)), Err(400));
}
