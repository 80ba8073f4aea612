//! How requests are read, and what is said of each part of them.

use serde_json::json;

use super::{MALFORMED, accepted_line, batch, ios};
use crate::harness::http::request;
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token};

#[test]
fn more_notifications_than_the_limit_are_refused() {
    let site = Site::unreachable();
    let daemon = site.start();
    let reply = daemon.push(&batch(&vec![ios("m", &[1]); 101]));
    assert_eq!(reply.status, 400);
    let expected = "{\"message\":\"number of notifications(101) over limit(100)\"}\n";
    assert_eq!(reply.text(), expected);
    let reply = daemon.push(&batch(&vec![ios("m", &[1]); 100]));
    assert_eq!((reply.status, reply.message()), (200, "ok".to_owned()));
    assert_eq!(reply.accepted_ids().len(), 100);
    let site = Site::unreachable().with("core.notification_max", 1);
    let daemon = site.start();
    let reply = daemon.push(&batch(&vec![ios("m", &[1]); 2]));
    assert_eq!(reply.message(), "number of notifications(2) over limit(1)");
}

#[test]
fn json_is_read_as_leniently_as_go_reads_it() {
    let site = Site::unreachable();
    let daemon = site.start();
    let token = hex_token(0xab);
    let cases: &[(&str, &str)] = &[
        (
            r#"{"Notifications":[{"TOKEN":["@"],"Platform":1,"mEssAge":"case"}]}"#,
            "case",
        ),
        (
            r#"{"x":[1,{"y":null}],"notifications":[{"token":["@"],"platform":1,"message":"unknown","z":{}}]}"#,
            "unknown",
        ),
        (
            r#"{"notifications":[{"token":["@"],"platform":1,"message":"null","title":null,"badge":null,"extend":null}]}"#,
            "null",
        ),
        (
            r#"{"notifications":[{"token":["@"],"platform":1,"message":"after"}]} and more"#,
            "after",
        ),
        (
            r#"{"notifications":[{"token":["@"],"platform":2,"platform":1,"message":"first","message":"last"}]}"#,
            "last",
        ),
        (
            r#"{"notifications":[{"token":["@"],"platform":1,"message":"\ud800 alone"}]}"#,
            "\u{fffd} alone",
        ),
        (
            r#"{"notifications":[{"token":["@"],"platform":1,"message":"callers'","retry":7,"seq_id":1}]}"#,
            "callers'",
        ),
        (
            r#"{"notifications":[{"token":["@"],"platform":1,"message":"ours","retry":"7","seq_id":-1}]}"#,
            "ours",
        ),
    ];
    for (body, message) in cases {
        let body = body.replace('@', &token);
        let reply = daemon.request("POST", "/push", body.as_bytes());
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        let line = accepted_line(&site, reply.accepted_ids()[0]);
        assert_eq!(line.text_of("message"), *message, "{body}");
        assert_eq!(line.text_of("token"), token, "{body}");
    }
    // Go stops at a depth of 10,000; what is ignored is not looked into here.
    let deep = [r#"{"x":"#, &"[".repeat(20_000), &"]".repeat(20_000), ","].concat();
    let body = batch(&[ios("m", &[1])]).to_string().replacen('{', &deep, 1);
    assert_eq!(daemon.request("POST", "/push", body.as_bytes()).status, 200);
    let body = [
        br#"{"notifications":[{"platform":1,"token":[""#,
        token.as_bytes(),
        br#""],"message":""#,
        b"\xff",
        br#""}]}"#,
    ]
    .concat();
    let reply = daemon.request("POST", "/push", &body);
    assert_eq!(reply.status, 200);
    let line = accepted_line(&site, reply.accepted_ids()[0]);
    assert_eq!(line.text_of("message"), "\u{fffd}");
}

#[test]
fn at_level_debug_text_after_the_json_value_is_refused() {
    let site = Site::unreachable().with_text("log.level", "debug");
    let daemon = site.start();
    let good = batch(&[ios("m", &[1])]).to_string();
    let reply = daemon.request("POST", "/push", format!("{good} x").as_bytes());
    assert_eq!((reply.status, reply.message()), (400, MALFORMED.to_owned()));
    let reply = daemon.request("POST", "/push", format!("{good} \n").as_bytes());
    assert_eq!(reply.status, 200);
}

#[test]
fn an_answer_says_what_became_of_each_token() {
    let site = Site::unreachable();
    let daemon = site.start();
    let ios_tokens = [hex_token(1), "xyz".to_owned(), hex_token(3), String::new()];
    let body = json!({"notifications": [
        {"token": ios_tokens, "platform": 1, "message": "one"},
        {"token": [hex_token(4)], "platform": 9, "message": "two"},
        {"token": [fcm_token(5), fcm_token(6)], "platform": 2, "message": "three"},
        {"token": [], "platform": 2, "message": "four"},
    ]});
    let reply = daemon.push(&body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["accepted", "message", "rejected"]);
    assert_eq!(answer["message"], "ok");
    let first = answer["accepted"][0]["first_id"].as_u64().unwrap();
    assert_eq!(
        answer["accepted"],
        json!([
            {"index": 0, "first_id": first, "count": 2},
            {"index": 2, "first_id": first + 2, "count": 2},
        ])
    );
    let pointers: Vec<&str> = answer["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rejected| rejected["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        [
            "/notifications/0/token/1",
            "/notifications/0/token/3",
            "/notifications/1",
            "/notifications/3",
        ]
    );
    assert_eq!(answer["rejected"][1]["error"], "empty token");
    assert_eq!(answer["rejected"][2]["error"], "invalid platform");
    let tokens: Vec<String> = (first..first + 4)
        .map(|id| accepted_line(&site, id).text_of("token").to_owned())
        .collect();
    let expected = [hex_token(1), hex_token(3), fcm_token(5), fcm_token(6)];
    assert_eq!(tokens, expected, "ids are consecutive in token order");
    assert_eq!(daemon.stat().number("/queue_usage"), 4);
}

#[test]
fn connections_are_kept_and_closed_as_the_client_asks() {
    let site = Site::unreachable();
    let daemon = site.start();
    let mut client = daemon.client();
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/healthz", b"").status, 200);
    }
    client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.field("Connection"), Some("close"));
    assert!(client.ends());

    let mut client = daemon.client();
    client.send(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    assert!(client.ends());

    let mut client = daemon.client();
    let body = batch(&[ios("m", &[1])]).to_string();
    let head = format!(
        "POST /push HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head.as_bytes());
    assert_eq!(client.reply().status, 100);
    client.send(body.as_bytes());
    assert_eq!(client.reply().status, 200);

    let pipelined: Vec<u8> = (0..20)
        .flat_map(|_| request("POST", "/push", body.as_bytes()))
        .collect();
    client.send(&pipelined);
    let mut ids: Vec<u64> = (0..20)
        .flat_map(|_| client.reply().accepted_ids())
        .collect();
    let sorted = ids.clone();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, sorted, "answers come in the order of the requests");
}
