use super::*;

fn fields(of: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in of {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    fields
}

fn head(
    of: &[(&str, &str)],
    to_head: bool,
    is_last: bool,
) -> Result<(String, ResponseFraming), String> {
    let mut out = b"before".to_vec();
    let framing = write_head(&mut out, &fields(of), to_head, is_last);
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before").unwrap().to_owned();
    match framing {
        Ok(framing) => Ok((text, framing)),
        Err(what) => {
            assert_eq!(text, "", "a refused head leaves nothing behind");
            Err(what.to_owned())
        }
    }
}

fn check(
    of: &[(&str, &str)],
    to_head: bool,
    is_last: bool,
    expected: &str,
    framing: ResponseFraming,
) {
    let found = head(of, to_head, is_last).unwrap();
    assert_eq!(found, (expected.to_owned(), framing), "{of:?}");
}

#[test]
fn framing_is_what_the_response_says() {
    let ok = (":status", "200");
    check(
        &[ok, ("content-length", "5"), ("x", "y")],
        false,
        false,
        "HTTP/1.1 200 \r\nx: y\r\ncontent-length: 5\r\n\r\n",
        ResponseFraming::Length,
    );
    check(
        &[ok],
        false,
        false,
        "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n",
        ResponseFraming::Chunked,
    );
    check(
        &[ok],
        false,
        true,
        "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n",
        ResponseFraming::Empty,
    );
}

#[test]
fn responses_without_content_have_no_framing() {
    for (status, to_head, expected) in [
        ("200", true, "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\n"),
        ("304", false, "HTTP/1.1 304 \r\ncontent-length: 5\r\n\r\n"),
        ("204", false, "HTTP/1.1 204 \r\n\r\n"),
    ] {
        let of = [(":status", status), ("content-length", "5")];
        check(&of, to_head, true, expected, ResponseFraming::Empty);
    }
}

#[test]
fn framing_of_the_peer_is_not_passed_on() {
    let of = [
        (":status", "200"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("keep-alive", "1"),
    ];
    let expected = "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n";
    check(&of, false, true, expected, ResponseFraming::Empty);
}

#[test]
fn text_that_would_be_read_as_something_else_is_refused() {
    for (name, value, expected) in [
        ("x", "a\r\ninjected: b", "field value"),
        ("x", "a\nb", "field value"),
        ("x", "a\0b", "field value"),
        ("x: y\r\nz", "a", "field name"),
        ("x y", "a", "field name"),
        ("", "a", "field name"),
        ("content-length", "5, 5", "content-length"),
        ("content-length", "", "content-length"),
        ("content-length", "5\r\nx: y", "content-length"),
    ] {
        let found = head(&[(":status", "200"), (name, value)], false, false);
        assert_eq!(found, Err(expected.to_owned()), "{name:?}: {value:?}");
    }
    for status in ["100", "101", "600", "20x", ""] {
        let found = head(&[(":status", status)], false, true);
        assert_eq!(found, Err("status".to_owned()), "{status:?}");
    }
    assert_eq!(head(&[], false, true), Err("status".to_owned()));
}

#[test]
fn chunks_are_whole_and_end_once() {
    let mut out = Vec::new();
    write_data(&mut out, ResponseFraming::Chunked, b"hello world!");
    write_data(&mut out, ResponseFraming::Chunked, b"");
    write_end(&mut out, ResponseFraming::Chunked);
    assert_eq!(out, b"c\r\nhello world!\r\n0\r\n\r\n");
    out.clear();
    write_data(&mut out, ResponseFraming::Length, b"hello");
    write_end(&mut out, ResponseFraming::Length);
    write_data(&mut out, ResponseFraming::Empty, b"dropped");
    assert_eq!(out, b"hello");
}
