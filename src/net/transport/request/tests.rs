use super::*;

/// Reads `text` in pieces of `step` bytes: heads, and content with a bar at each end.
fn read(text: &[u8], step: usize) -> io::Result<(Vec<OutgoingHead>, String)> {
    let mut reader = RequestReader::new();
    let (mut heads, mut content) = (Vec::new(), Vec::new());
    for mut bytes in text.chunks(step) {
        while let Some(piece) = reader.next(&mut bytes)? {
            match piece {
                Piece::Head(head) => heads.push(head),
                Piece::Data { data, last } => {
                    content.extend_from_slice(data);
                    if last {
                        content.push(b'|');
                    }
                }
            }
        }
    }
    assert!(reader.is_idle(), "{reader:?}");
    Ok((heads, String::from_utf8(content).unwrap()))
}

fn check(text: &str, fields: &[(&str, &str)], content: &str) {
    for step in [1, 2, 7, usize::MAX >> 1] {
        let (heads, found) = read(text.as_bytes(), step).unwrap();
        let names: Vec<(&str, &str)> = heads
            .iter()
            .flat_map(|head| &head.fields)
            .map(|(name, value)| {
                let text = |bytes| std::str::from_utf8(bytes).unwrap();
                (text(name), text(value))
            })
            .collect();
        assert_eq!(names, fields, "steps of {step}");
        assert_eq!(found, content, "steps of {step}");
    }
}

#[test]
fn a_request_without_content_is_its_head() {
    let text = "GET /a?b HTTP/1.1\r\nhost: x.test:8443\r\nAccept: */*\r\n\r\n";
    check(text, &[("accept", "*/*")], "");
    let (heads, _) = read(text.as_bytes(), 5).unwrap();
    assert_eq!(heads[0].method, b"GET");
    assert_eq!(heads[0].path, b"/a?b");
    assert_eq!(heads[0].authority, b"x.test:8443");
    assert!(heads[0].is_last);
}

#[test]
fn content_of_known_length_ends_where_it_says() {
    let text = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n";
    check(text, &[("content-length", "5")], "hello|");
    let empty = "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
    check(empty, &[("content-length", "0")], "");
}

#[test]
fn chunks_lose_their_coding() {
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for (body, content) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello|"),
        ("0\r\n\r\n", "|"),
        (
            "a\r\n0123456789\r\n1;name=value\r\nx\r\n00\r\n\r\n",
            "0123456789x|",
        ),
        ("1\r\nx\r\n0\r\ntrailer: y\r\nother: z\r\n\r\n", "x|"),
    ] {
        check(&format!("{head}{body}"), &[], content);
    }
}

#[test]
fn fields_of_the_connection_stay_behind() {
    let text = "GET / HTTP/1.1\r\nconnection: close, X-Hop\r\nkeep-alive: 5\r\nx-hop: 1\r\n\
                upgrade: h2c\r\nproxy-connection: x\r\nte: gzip\r\nx-end: 2\r\n\r\n";
    check(text, &[("x-end", "2")], "");
    let trailers = "GET / HTTP/1.1\r\nte: trailers\r\n\r\n";
    check(trailers, &[("te", "trailers")], "");
}

#[test]
fn a_length_beside_chunks_is_no_length() {
    for order in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    ] {
        let text = format!("POST / HTTP/1.1\r\n{order}\r\n1\r\nx\r\n0\r\n\r\n");
        check(&text, &[], "x|");
    }
}

#[test]
fn a_100_is_owed_only_where_content_follows() {
    for (framing, expected) in [
        ("content-length: 5\r\n\r\nhello", true),
        ("content-length: 0\r\n\r\n", false),
        ("\r\n", false),
    ] {
        let text = format!("POST / HTTP/1.1\r\nexpect: 100-continue\r\n{framing}");
        let (heads, _) = read(text.as_bytes(), 9).unwrap();
        assert_eq!(heads[0].expects_continue, expected, "{framing:?}");
        assert!(heads[0].fields.iter().all(|(name, _)| name != b"expect"));
    }
}

#[test]
fn what_cannot_be_translated_is_an_error() {
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD));
    let many = "x: y\r\n".repeat(MAX_FIELDS + 1);
    let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
    for text in [
        "GET / HTTP/1.1\r\nx y\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: five\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n11112222333344445\r\n",
        &long,
        &many,
    ] {
        assert!(read(text.as_bytes(), 1000).is_err(), "{text:.60?}");
    }
}
