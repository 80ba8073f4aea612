use super::*;
use crate::http1::reply;

const MALFORMED: &str = "Request-body is malformed";
const QUERY: &str = "url parameters are malformed";

/// Method, target and body; status, `message` and `error` of the answer.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    u16,
    &'static str,
    &'static str,
);

const WRONG: &[Row] = &[
    (
        "PUT",
        "/channels",
        "",
        400,
        "method must be POST or GET",
        "",
    ),
    (
        "POST",
        "/channels/ab",
        "",
        400,
        "method must be GET or DELETE",
        "",
    ),
    (
        "GET",
        "/channels?ap=shop",
        "",
        400,
        QUERY,
        "\"ap\" is none of app, environment",
    ),
    (
        "GET",
        "/channels?app=%zz",
        "",
        400,
        QUERY,
        "it could not be parsed",
    ),
    (
        "DELETE",
        "/channels/ab?app=shop&app=news",
        "",
        400,
        QUERY,
        "app is said twice, and not the same",
    ),
    (
        "GET",
        "/channels/a%20b",
        "",
        400,
        "the channel id has a character that is no base64",
        "",
    ),
    (
        "GET",
        "/channels?app=shop",
        "",
        404,
        "no such app: there are none",
        "",
    ),
    ("GET", "/channels", "", 404, "ios has no channels", ""),
    (
        "POST",
        "/channels",
        "",
        400,
        MALFORMED,
        "an object was expected, as {\"message_storage_policy\":1}",
    ),
    (
        "POST",
        "/channels",
        "{}",
        400,
        MALFORMED,
        "/message_storage_policy: 0 was expected, by which Apple stores no message, or 1, by \
             which it stores the latest for devices that are offline",
    ),
    (
        "POST",
        "/channels",
        r#"{"message-storage-policy":1,"push-type":"alert"}"#,
        400,
        MALFORMED,
        "/push-type: \"LiveActivity\" was expected, which it is anyway",
    ),
    (
        "POST",
        "/channels",
        r#"{"message_storage_policy":0,"polcy":0}"#,
        400,
        MALFORMED,
        "/polcy: no field of POST /channels",
    ),
    (
        "POST",
        "/channels?environment=sandbox",
        r#"{"message_storage_policy":0,"environment":"production"}"#,
        400,
        MALFORMED,
        "environment is said twice, and not the same",
    ),
    (
        "POST",
        "/channels",
        r#"{"message_storage_policy":0,"app":7}"#,
        400,
        MALFORMED,
        "/app: a string was expected",
    ),
    (
        "POST",
        "/channels",
        r#"{"message_storage_policy":0,"push_type":"liveactivity","environment":null}"#,
        404,
        "ios has no channels",
        "",
    ),
];

/// What is answered before anybody is asked.
#[test]
fn what_is_wrong_with_a_request_about_channels_is_told_with_its_place() {
    let mut web = web(site(Some(100), None));
    for (method, target, body, status, message, error) in WRONG {
        let got = web.ask(method, target, body);
        let mut expected = serde_json::json!({ "message": message });
        if !error.is_empty() {
            expected["error"] = (*error).into();
        }
        let expected = format!("{expected}\n");
        // Of two keys the message comes first.
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(got.status, *status, "{method} {target} {body}");
        assert_eq!(read(&got.body), read(&expected), "{method} {target} {body}");
    }
    let large = format!(r#"{{"app":"{}"}}"#, "x".repeat(4096));
    let got = web.ask("POST", "/channels", &large);
    assert!(got.body.contains("it has over 4096 bytes"), "{}", got.body);
    let got = web.client.ask(
        "POST /channels HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert_eq!(got.status, 400);
    assert!(
        got.body.contains("takes no Idempotency-Key"),
        "{}",
        got.body
    );
    assert_eq!(got.field("Content-Type"), Some(reply::JSON));
}

#[test]
fn channels_of_a_disabled_platform_are_nobodys() {
    let mut web = web(site(None, Some(100)));
    let got = web.ask("GET", "/channels", "");
    assert_eq!(
        (got.status, &*got.body),
        (404, "{\"message\":\"ios is disabled\"}\n")
    );
}
