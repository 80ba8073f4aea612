//! The replies that are the same each time.

use super::MALFORMED;
use crate::harness::daemon::Daemon;
use crate::harness::hex_token;
use crate::harness::site::Site;

const JSON: &str = "application/json; charset=utf-8";
const SERVER: &str = concat!("Sterna ", env!("CARGO_PKG_VERSION"));

/// A reply that is the same each time.
struct Row {
    method: &'static str,
    target: &'static str,
    body: &'static str,
    status: u16,
    /// Of the reply, as its message.
    message: &'static str,
}

const fn row(
    method: &'static str,
    target: &'static str,
    body: &'static str,
    status: u16,
    message: &'static str,
) -> Row {
    Row {
        method,
        target,
        body,
        status,
        message,
    }
}
const EMPTY: &str = "empty notification";
const NO_BODY: &str = "request body is empty";

/// Replies that are `{"message":"…"}` and a newline, some with an `error` behind the message.
const MESSAGES: &[Row] = &[
    row("GET", "/push", "", 400, "method must be POST"),
    row("PUT", "/push", "{}", 400, "method must be POST"),
    row("DELETE", "/push", "", 400, "method must be POST"),
    row("POST", "/push", "", 400, NO_BODY),
    row("POST", "/push?x=1", "", 400, NO_BODY),
    row("POST", "/push", "x", 400, MALFORMED),
    row("POST", "/push", " ", 400, MALFORMED),
    row("POST", "/push", "[]", 400, MALFORMED),
    row("POST", "/push", "\"notifications\"", 400, MALFORMED),
    row("POST", "/push", r#"{"notifications":[{"#, 400, MALFORMED),
    row("POST", "/push", r#"{"notifications":{}}"#, 400, MALFORMED),
    row(
        "POST",
        "/push",
        r#"{"notifications":[{"platform":1.0}]}"#,
        400,
        MALFORMED,
    ),
    row(
        "POST",
        "/push",
        r#"{"notifications":[{"platform":"1"}]}"#,
        400,
        MALFORMED,
    ),
    row(
        "POST",
        "/push",
        r#"{"notifications":[{"token":17}]}"#,
        400,
        MALFORMED,
    ),
    row(
        "POST",
        "/push",
        r#"{"notifications":[{"message":1}]}"#,
        400,
        MALFORMED,
    ),
    row(
        "POST",
        "/push",
        r#"{"notifications":[{"content_available":0}]}"#,
        400,
        MALFORMED,
    ),
    row("POST", "/push", "{}", 400, EMPTY),
    row("POST", "/push", "null", 400, EMPTY),
    row("POST", "/push", r#"{"notifications":null}"#, 400, EMPTY),
    row("POST", "/push", r#"{"notifications":[]}"#, 400, EMPTY),
    row("POST", "/push", r#"{"other":[{"platform":1}]}"#, 400, EMPTY),
    row("GET", "/config/pushers", "", 400, "method must be PUT"),
    row(
        "POST",
        "/config/pushers?max=1",
        "",
        400,
        "method must be PUT",
    ),
    row(
        "PUT",
        "/config/pushers?max=%zz",
        "",
        400,
        "url parameters could not be parsed",
    ),
    row("PUT", "/config/pushers", "", 400, "malformed value"),
    row("PUT", "/config/pushers?max=", "", 400, "malformed value"),
    row("PUT", "/config/pushers?max=ten", "", 400, "malformed value"),
    row("PUT", "/config/pushers?max=1.0", "", 400, "malformed value"),
    row("PUT", "/config/pushers?max=-1", "", 400, "malformed value"),
];

/// The answer to a `/push` in which nothing is fine: the first error, and where each one is.
const REJECTIONS: &[(&str, &str, &str)] = &[
    (
        r#"{"token":["TOKEN"],"platform":3,"message":"m"}"#,
        "invalid platform",
        "/notifications/0",
    ),
    (
        r#"{"token":["TOKEN"],"message":"m"}"#,
        "invalid platform",
        "/notifications/0",
    ),
    (
        r#"{"token":["TOKEN"],"platform":1}"#,
        "empty message",
        "/notifications/0",
    ),
    (
        r#"{"token":["TOKEN"],"platform":1,"message":"m","push_type":"loud"}"#,
        "push_type must be one of alert, background, voip, complication, fileprovider, mdm, \
         location, liveactivity, pushtotalk, widgets, controls; another one goes under \
         apns.headers as apns-push-type",
        "/notifications/0/push_type",
    ),
    (
        r#"{"token":[""],"platform":1,"message":"m"}"#,
        "empty token",
        "/notifications/0/token/0",
    ),
];

#[test]
fn every_message_is_gauruns_on_tcp_and_on_a_unix_socket() {
    for site in [Site::unreachable(), Site::unreachable().on_unix_socket()] {
        let daemon = site.start();
        let mut client = daemon.client();
        for row in MESSAGES {
            let name = format!("{} {} {}", row.method, row.target, row.body);
            let reply = client.request(row.method, row.target, row.body.as_bytes());
            assert_eq!(reply.status, row.status, "{name}");
            let begin = format!("{{\"message\":\"{}\"", row.message);
            let rest = reply.text().strip_prefix(&*begin);
            let rest = rest.unwrap_or_else(|| panic!("{name}: {}", reply.text()));
            let is_explained = [MALFORMED, EMPTY, NO_BODY].contains(&row.message);
            assert_eq!(rest.starts_with(",\"error\":\""), is_explained, "{name}");
            assert!(is_explained || rest == "}\n", "{name}: {rest}");
            assert_eq!(reply.field("Content-Type"), Some(JSON), "{name}");
            assert_eq!(reply.field("Server"), Some(SERVER), "{name}");
            assert_eq!(reply.field("Connection"), None, "{name}");
        }
        for (notification, message, pointer) in REJECTIONS {
            let notification = notification.replace("TOKEN", &hex_token(1));
            let body = format!(r#"{{"notifications":[{notification}]}}"#);
            let reply = client.request("POST", "/push", body.as_bytes());
            assert_eq!(reply.status, 400, "{body}");
            let expected = format!(
                "{{\"message\":\"{message}\",\"accepted\":[],\
                 \"rejected\":[{{\"pointer\":\"{pointer}\",\"error\":\"{message}\"}}]}}\n"
            );
            assert_eq!(reply.text(), expected, "{body}");
            assert_eq!(reply.field("Content-Type"), Some(JSON), "{body}");
        }
        check_chunked_and_head(&daemon);
        check_other_paths(&daemon);
        let stat = daemon.stat();
        assert_eq!(
            stat.number("/queue_usage"),
            0,
            "nothing of all this was taken"
        );
        assert_eq!(daemon.terminate(), 0);
    }
}

/// Bodies whose length is not known beforehand, and answers without a body.
fn check_chunked_and_head(daemon: &Daemon) {
    let mut client = daemon.client();
    client.send(
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    let reply = client.reply();
    assert_eq!((reply.status, reply.message()), (400, MALFORMED.to_owned()));
    let reply = client.request("HEAD", "/push", b"");
    assert_eq!((reply.status, &*reply.body), (400, &b""[..]));
    let length = "{\"message\":\"method must be POST\"}\n".len().to_string();
    assert_eq!(reply.field("Content-Length"), Some(&*length));
    let reply = client.request("GET", "/healthz", b"");
    assert_eq!(reply.status, 200);
    // Gaurun's has the message alone, and its pushers are of the process, too.
    for body in ["", "ignored"] {
        let reply = client.request("PUT", "/config/pushers?max=1", body.as_bytes());
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.text(),
            "{\"message\":\"ok\",\"until\":\"the process ends\"}\n"
        );
    }
}

fn check_other_paths(daemon: &Daemon) {
    let mut client = daemon.client();
    for target in ["/", "/push/", "/Push", "/stat", "/config/app", "/nothing"] {
        for method in ["GET", "POST"] {
            let reply = client.request(method, target, b"");
            assert_eq!(
                (reply.status, reply.text()),
                (404, "404 page not found\n"),
                "{target}"
            );
            let plain = Some("text/plain; charset=utf-8");
            assert_eq!(reply.field("Content-Type"), plain, "{target}");
        }
    }
    for (target, location) in [
        ("//push", "/push"),
        ("/./stat/../push?a=b", "/push?a=b"),
        ("/config//pushers?max=1", "/config/pushers?max=1"),
    ] {
        let reply = client.request("POST", target, b"");
        assert_eq!(reply.status, 301, "{target}");
        assert_eq!(reply.field("Location"), Some(location), "{target}");
    }
}
