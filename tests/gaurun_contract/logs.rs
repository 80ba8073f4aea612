//! The lines of the access and error log.

use serde_json::json;

use super::{MALFORMED, accepted_line, wait_for_lines};
use crate::harness::documents;
use crate::harness::site::{Site, read_text};
use crate::harness::{fcm_token, hex_token, lines, wait_for, wait_until};

#[test]
fn requests_and_accepted_pushes_are_logged_as_gaurun_logs_them() {
    let site = Site::unreachable();
    let daemon = site.start();
    let token = "AB12".repeat(16);
    let body = json!({"notifications": [{
        "token": [token], "platform": 1, "message": "hello", "title": "T", "badge": 3,
        "expiry": 10, "identifier": "id-1", "priority": "high", "extend": [{"key": "k", "val": "v"}],
    }]})
    .to_string();
    let reply = daemon.request("POST", "/push", body.as_bytes());
    let id = reply.accepted_ids()[0];
    assert!(
        0 < id && id < 1 << 53,
        "{id} is no number for every JSON reader"
    );
    let log = wait_for_lines(&site, "accepted-push", 1);
    assert_eq!(log.len(), 2);
    assert_eq!(
        log[0].timeless(),
        format!(
            r#"{{"level":"info","time":"…","message":"","type":"accepted-request","uri":"/push","method":"POST","proto":"HTTP/1.1","content_length":{}}}"#,
            body.len()
        )
    );
    assert_eq!(
        log[1].timeless(),
        format!(
            r#"{{"level":"info","time":"…","message":"hello","id":{id},"platform":"ios","token":"{token}","type":"accepted-push","ptime":0,"error":"","title":"T","badge":3,"expiry":10,"identifier":"id-1"}}"#
        )
    );

    // Every key that a caller can set, in Gaurun's order; what is text stays as it was written.
    let body = json!({"notifications": [{
        "identifier": "i", "expiry": 1, "mutable_content": true, "content_available": true,
        "sound": "s", "category": "c", "badge": 2, "subtitle": "u", "title": "t",
        "time_to_live": 60, "delay_while_idle": true, "collapse_key": "k", "push_type": "alert",
        "message": "<a> & \"b\" \\ \u{a0} \u{1f426}\n", "platform": 2, "token": [fcm_token(7)],
    }]});
    let id = daemon.push(&body).accepted_ids()[0];
    let token = fcm_token(7);
    let line = accepted_line(&site, id);
    assert_eq!(
        line.timeless(),
        format!(
            "{{\"level\":\"info\",\"time\":\"…\",\"message\":\"<a> & \\\"b\\\" \\\\ \u{a0} \
             \u{1f426}\\n\",\"id\":{id},\"platform\":\"android\",\"token\":\"{token}\",\
             \"type\":\"accepted-push\",\"ptime\":0,\"error\":\"\",\"collapse_key\":\"k\",\
             \"delay_while_idle\":true,\"time_to_live\":60,\"title\":\"t\",\"subtitle\":\"u\",\
             \"badge\":2,\"category\":\"c\",\"sound\":\"s\",\"content_available\":true,\
             \"mutable_content\":true,\"expiry\":1,\"identifier\":\"i\"}}"
        )
    );
}

#[test]
fn what_ends_a_line_or_turns_it_is_escaped_in_every_line() {
    let site = Site::unreachable().with("android.enabled", false);
    let daemon = site.start();
    let text = "a\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2067}b";
    let shown = r"a\u007f\u0085\u009b\u2028\u2029\u202e\u2067b";
    let body = json!({"notifications": [
        {"platform": 1, "token": [hex_token(1)], "message": text, "identifier": text},
        {"platform": 2, "token": [text], "message": text},
    ]});
    assert_eq!(daemon.push(&body).status, 200);
    wait_for_lines(&site, "accepted-push", 1);
    wait_until("the other line", || !site.error_log().is_empty());
    for log in ["access.log", "error.log"] {
        let log = read_text(&site.path(log));
        let line = log.lines().last().unwrap();
        assert_eq!(line.matches(shown).count(), 2, "{line}");
        assert!(!log.contains(|c: char| c != '\n' && c.is_control()));
        assert!(!log.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{2067}']));
    }
}

#[test]
fn every_request_to_push_is_logged_whatever_becomes_of_it() {
    let site = Site::unreachable();
    let daemon = site.start();
    let mut client = daemon.client();
    client.request("GET", "/push?a=b", b"");
    client.request("POST", "/push", b"x");
    client.send(b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(b"2\r\n{}\r\n0\r\n\r\n");
    client.reply();
    client.send(b"POST /push HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
    client.reply();
    let log = wait_for_lines(&site, "accepted-request", 4);
    let tails: Vec<String> = log
        .iter()
        .map(|line| line.timeless().split_once("\"uri\":").unwrap().1.to_owned())
        .collect();
    assert_eq!(
        tails,
        [
            r#""/push?a=b","method":"GET","proto":"HTTP/1.1","content_length":0}"#,
            r#""/push","method":"POST","proto":"HTTP/1.1","content_length":1}"#,
            r#""/push","method":"POST","proto":"HTTP/1.1","content_length":-1}"#,
            r#""/push","method":"POST","proto":"HTTP/1.0","content_length":2}"#,
        ]
    );
}

#[test]
fn every_line_about_a_request_or_a_part_of_it_has_the_requests_id() {
    let site = Site::unreachable().with("android.enabled", false);
    let daemon = site.start();
    let mut ids = Vec::new();
    let parts = json!({"notifications": [
        {"token": [hex_token(1)], "platform": 1, "message": "m", "sonud": "s"},
        {"token": ["no hexadecimal"], "platform": 1, "message": "m"},
        {"token": [hex_token(1)], "platform": 7, "message": "m"},
        {"token": ["a"], "platform": 2, "message": "m"},
    ]});
    for (fields, body) in [
        ("", "{"),
        ("", "{}"),
        ("Content-Encoding: gzip\r\n", "x"),
        ("", &*parts.to_string()),
    ] {
        let id = format!("mine-{}", ids.len());
        let mut client = daemon.client();
        let length = body.len();
        let head = format!(
            "POST /push HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\n{fields}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        client.send(head.as_bytes());
        assert_eq!(client.reply().field("X-Request-Id"), Some(&*id));
        ids.push(id);
    }
    let of = |lines: &[lines::Line]| -> Vec<String> {
        let ids = lines.iter().map(|line| line.text_of("request_id"));
        ids.map(str::to_owned).collect()
    };
    wait_for_lines(&site, "accepted-push", 1);
    let mut accepted = ids.clone();
    accepted.push("mine-3".to_owned());
    assert_eq!(of(&site.access_log()), accepted);
    wait_until("the lines of what is wrong", || site.error_log().len() == 6);
    let mut wrong = ids;
    wrong.extend(["mine-3", "mine-3"].map(str::to_owned));
    assert_eq!(of(&site.error_log()), wrong);
    let told = "and was ignored in 1 request (the last: mine-3); \"sound\" is one";
    wait_until("the operator to be told", || {
        site.operator_log().contains(told)
    });
}

#[test]
fn what_cannot_be_read_is_told_to_its_caller_and_to_the_operator() {
    let site = Site::unreachable();
    let daemon = site.start();
    let body = r#"{"notifications":[{},{},{},{"badge":"1"}]}"#;
    let told = "/notifications/3/badge: an integer was expected, and there is the string \"1\", at \
                line 1 column 37";
    for _ in 0..2 {
        let reply = daemon.request("POST", "/push", body.as_bytes());
        let answer = reply.json();
        assert_eq!((reply.status, &answer["message"]), (400, &json!(MALFORMED)));
        assert!(
            answer["error"].as_str().unwrap().starts_with(told),
            "{answer}"
        );
        assert!(documents::text().contains(reply.text()), "{}", reply.text());
        let id = reply.field("X-Request-Id").unwrap().to_owned();
        wait_until("its line", || {
            let log = site.error_log();
            let is_it = |line: &&lines::Line| line.text_of("request_id") == id;
            let found = log.iter().find(is_it).map(|line| {
                assert_eq!(line.text_of("message"), MALFORMED);
                line.text_of("error").starts_with(told)
            });
            found == Some(true)
        });
    }
    let reply = daemon.request("POST", "/push", br#"{"notification":[{"platform":1}]}"#);
    assert_eq!(
        reply.text(),
        "{\"message\":\"empty notification\",\"error\":\"no notifications: \
         \\\"notification\\\" is no field, \\\"notifications\\\" is\"}\n"
    );
    let id = reply.field("X-Request-Id").unwrap().to_owned();
    daemon.request("POST", "/push", b"");
    wait_until("the last line", || {
        site.operator_log().contains("there is nothing")
    });
    let log = site.operator_log();
    assert_eq!(log.matches(told).count(), 1, "once an hour: {log}");
    let told = format!(
        "[WARN] POST /push refused 1 request (the last: {id}): no notifications: \
         \"notification\" is no field"
    );
    assert!(log.contains(&told), "{told}: {log}");
}

#[test]
fn a_disabled_platform_is_logged_and_not_queued() {
    let site = Site::unreachable().with("android.enabled", false);
    let daemon = site.start();
    let body = json!({"notifications": [
        {"token": ["android1"], "platform": 2, "message": "m", "collapse_key": "ck",
         "delay_while_idle": true, "time_to_live": 5},
        {"token": [hex_token(1)], "platform": 7, "message": "m"},
    ]});
    let reply = daemon.push(&body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["accepted"], json!([]));
    assert_eq!(
        answer["rejected"][0],
        json!({"pointer": "/notifications/0/token/0", "error": "android is disabled"})
    );
    let log = wait_for("two lines of the error log", || {
        let log = site.error_log();
        (log.len() == 2).then_some(log)
    });
    let disabled = lines::of_kind(&log, "disabled-push").next().unwrap();
    let id = disabled.id();
    assert_eq!(
        disabled.timeless(),
        format!(
            r#"{{"level":"error","time":"…","message":"m","id":{id},"platform":"android","token":"android1","type":"disabled-push","ptime":0,"error":"","collapse_key":"ck","delay_while_idle":true,"time_to_live":5}}"#
        )
    );
    let bare = lines::of_kind(&log, "").next().unwrap();
    assert_eq!(
        bare.timeless(),
        r#"{"level":"error","time":"…","message":"invalid platform"}"#
    );
    let stat = daemon.stat();
    assert_eq!(stat.number("/queue_usage"), 0);
    assert_eq!(stat.number("/android/push_error"), 0, "no statistics");
    assert!(lines::ids(&site.access_log(), "accepted-push").is_empty());
}

#[test]
fn a_malformed_device_token_has_a_failed_push_line_behind_the_ids_of_the_pushes() {
    let site = Site::unreachable();
    let daemon = site.start();
    let body = json!({"notifications": [
        {"token": ["xyz", hex_token(1), hex_token(2)], "platform": 1, "message": "m", "badge": 3,
         "identifier": "i"},
    ]});
    let reply = daemon.push(&body);
    let first = reply.accepted_ids()[0];
    let log = wait_for("the line", || {
        let log = site.error_log();
        (!log.is_empty()).then_some(log)
    });
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(
        log[0].timeless(),
        format!(
            r#"{{"level":"error","time":"…","message":"m","id":{},"platform":"ios","token":"xyz","type":"failed-push","ptime":0,"error":"bad device token","badge":3,"identifier":"i"}}"#,
            first + 2
        )
    );
    assert!(!log[0].text_of("request_id").is_empty());
    assert_eq!(daemon.stat().number("/ios/push_error"), 0, "it was no push");
}
