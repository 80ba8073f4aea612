use super::*;

fn head(text: &str) -> Head {
    Head::parse(text.as_bytes()).unwrap()
}

fn rendered(reply: Reply, head: Option<&Head>) -> String {
    let mut out = Vec::new();
    reply.render(head, 784_111_777, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_message_is_gauruns_to_the_byte() {
    let head = head("POST /push HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        rendered(Reply::message(200, "ok"), Some(&head)),
        format!(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: Sterna {}\r\n\
             Content-Type: application/json; charset=utf-8\r\nContent-Length: 17\r\n\r\n\
             {{\"message\":\"ok\"}}\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn connection_is_named_where_the_version_does_not_imply_it() {
    for (request, close, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, None),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, Some("close")),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            false,
            Some("close"),
        ),
        ("GET / HTTP/1.0\r\n\r\n", false, Some("close")),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            false,
            Some("keep-alive"),
        ),
    ] {
        let head = head(request);
        let mut reply = Reply::message(200, "ok");
        reply.close = close;
        let text = rendered(reply, Some(&head));
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Connection: "));
        assert_eq!(line, expected, "{request}");
        assert!(text.starts_with(head.proto()), "{text}");
    }
}

#[test]
fn head_requests_get_no_body_but_its_length() {
    let head = head("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = rendered(Reply::message(200, "ok"), Some(&head));
    assert!(
        text.contains("Content-Length: 17\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn a_large_answer_is_not_chunked_and_follows_what_is_there() {
    let mut out = b"before".to_vec();
    let reply = Reply::new(200, JSON, vec![b'x'; 100_000]).closing();
    reply.with_retry_after(7).render(None, 0, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with("beforeHTTP/1.1 200 OK\r\nConnection: close\r\n"),
        "{text:.99}"
    );
    assert!(text.contains("Content-Length: 100000\r\n") && text.contains("Retry-After: 7\r\n"));
    assert!(text.ends_with(&"x".repeat(100_000)));
}
