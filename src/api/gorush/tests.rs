use serde_json::{Value, json};

use super::*;
use crate::api::keyless::Keyless;
use crate::http1::reply::Reply;

/// What a body of gorush's becomes.
fn translated_to(body: &Value) -> Value {
    let translated = translated(body.to_string().as_bytes(), 100).unwrap();
    serde_json::from_slice(&translated).unwrap()
}

fn one(notification: &Value) -> Value {
    let translated = translated_to(&json!({ "notifications": [notification] }));
    translated["notifications"][0].clone()
}

#[test]
fn each_field_becomes_what_says_the_same() {
    for (theirs, ours) in [
        (
            json!({"notif_id": "n-1", "tokens": ["a", "b"], "platform": 1, "message": "m"}),
            json!({"identifier": "n-1", "token": ["a", "b"], "platform": 1, "message": "m"}),
        ),
        (
            json!({"tokens": ["a"], "to": "b", "platform": 1}),
            json!({"token": ["a", "b"], "platform": 1}),
        ),
        (
            json!({"to": "a", "platform": 2}),
            json!({"token": ["a"], "platform": 2}),
        ),
        (
            json!({"to": "/topics/news", "platform": 2}),
            json!({"topic": "news", "platform": 2}),
        ),
        (
            json!({"topic": "com.acme", "platform": 1, "thread-id": "t", "url-args": ["u"]}),
            json!({"topic": "com.acme", "platform": 1, "thread_id": "t", "url_args": ["u"]}),
        ),
        (
            json!({"platform": 1, "sound": {"critical": 1, "name": "x"}, "volume": 0.5}),
            json!({"platform": 1, "sound": {"critical": 1, "name": "x", "volume": 0.5}}),
        ),
        (
            json!({"platform": 1, "sound": "x", "volume": 0.5}),
            json!({"platform": 1, "sound": {"name": "x", "volume": 0.5}}),
        ),
        (
            json!({"platform": 1, "name": "y"}),
            json!({"platform": 1, "sound": {"name": "y"}}),
        ),
        (
            json!({"platform": 1, "sound": "x", "expiration": 0}),
            json!({"platform": 1, "sound": "x", "ttl": 0}),
        ),
        (
            json!({"platform": 1, "expiration": 1_900_000_000, "badge": 0}),
            json!({"platform": 1, "expires_at": 1_900_000_000, "badge": 0}),
        ),
        (
            json!({"platform": 1, "production": true, "development": false}),
            json!({"platform": 1, "environment": "production"}),
        ),
        (
            json!({"platform": 1, "production": false, "development": true}),
            json!({"platform": 1, "environment": "sandbox"}),
        ),
        (
            json!({"platform": 1, "push_type": "liveactivity", "event": "update", "timestamp": 7,
                   "content-state": {"eta": 9}, "stale-date": 8, "dismissal-date": 9}),
            json!({"platform": 1, "push_type": "liveactivity", "live_activity": {
                "event": "update", "timestamp": 7, "content-state": {"eta": 9}, "stale-date": 8,
                "dismissal-date": 9}}),
        ),
        (
            json!({"platform": 1, "message": "m", "title": "t", "alert": {"body": "b"}}),
            json!({"platform": 1, "title": "t", "alert": {"body": "b"}}),
        ),
        (
            json!({"platform": 1, "message": "m", "title": "t", "alert": {"title": "b"}}),
            json!({"platform": 1, "message": "m", "alert": {"title": "b"}}),
        ),
        (
            json!({"platform": 2, "message": "m", "title": "t", "image": "https://i"}),
            json!({"platform": 2, "message": "m", "title": "t", "image": "https://i",
                   "notification": true}),
        ),
        (
            json!({"platform": 2, "message": "m", "notification": {"icon": "i", "title": "t",
                "body_loc_args": "[\"a\",\"b\"]", "title_loc_args": ["c"]}}),
            json!({"platform": 2, "message": "m", "notification": {"title": "t"}, "android": {
                "notification": {"icon": "i", "body_loc_args": ["a", "b"],
                    "title_loc_args": ["c"]}}}),
        ),
        (
            json!({"platform": 2, "message": "m", "notification": {"color": "#112244"},
                   "android": {"ttl": "3s", "notification": {"tag": "t"}}}),
            json!({"platform": 2, "message": "m", "notification": true,
                   "android": {"ttl": "3s", "notification": {"color": "#112244", "tag": "t"}}}),
        ),
        (
            json!({"platform": 2, "data": {"a": 1}, "dry_run": true,
                   "restricted_package_name": "p", "collapse_key": "k", "time_to_live": 9}),
            json!({"platform": 2, "data": {"a": 1}, "validate_only": true, "collapse_key": "k",
                   "time_to_live": 9, "android": {"restricted_package_name": "p"}}),
        ),
        (
            json!({"platform": 3, "huawei_data": "d", "retry": 2, "api_key": "k"}),
            json!({"platform": 3, "huawei_data": "d", "retry": 2, "api_key": "k"}),
        ),
    ] {
        assert_eq!(one(&theirs), ours, "{theirs}");
    }
}

#[test]
fn what_is_not_gorushs_body_is_malformed_and_the_rest_is_counted() {
    for body in [
        "",
        "[]",
        "{",
        r#"{"notifications":7}"#,
        r#"{"notifications":[7]}"#,
        "{} {}",
    ] {
        assert!(translated(body.as_bytes(), 9).is_err(), "{body}");
    }
    let read = |body: &str, most| {
        let translated = translated(body.as_bytes(), most).unwrap();
        String::from_utf8(translated).unwrap()
    };
    assert_eq!(read("{}", 9), "{}");
    assert_eq!(
        read(r#"{"notifications":null}"#, 9),
        r#"{"notifications":[]}"#
    );
    assert_eq!(
        read(r#"{"x":[1],"notifications":[{},{"a":1},{"b":[2]}]}"#, 1),
        r#"{"x":0,"notifications":[{},{},{}]}"#
    );
}

#[test]
fn answers_are_in_gorushs_words() {
    let asked =
        br#"{"notifications":[{"token":["a","xyz"],"platform":1,"message":"m"},{"platform":9}]}"#;
    let told = |status, body: Value| {
        let reply = Reply::json_line(status, &body).with_retry_after(3);
        let reply = answer(reply, asked, &Keyless::showing("a-key-of-ours"));
        assert_eq!(reply.fields.len(), 1, "its fields stay");
        (
            reply.status,
            serde_json::from_slice::<Value>(&reply.body).unwrap(),
        )
    };
    let taken = json!({"message": "ok", "accepted": [{"index": 0, "first_id": 7, "count": 2},
        {"index": 1, "first_id": 9, "count": 1}], "rejected": []});
    assert_eq!(
        told(200, taken),
        (200, json!({"counts": 3, "logs": [], "success": "ok"}))
    );
    let rejected = json!({"message": "ok", "accepted": [{"index": 0, "first_id": 7, "count": 1}],
        "rejected": [{"pointer": "/notifications/0/token/1", "error": "e"},
            {"pointer": "/notifications/1", "error": "invalid platform"}],
        "rejected_omitted": 5, "ignored": ["/x"]});
    let entry = |platform, token, message, error| {
        json!({"type": "failed-push", "platform": platform, "token": token, "message": message,
            "error": error})
    };
    let logs = [
        entry("ios", "xyz", "m", "e"),
        entry("", "", "", "invalid platform"),
    ];
    assert_eq!(
        told(200, rejected),
        (
            200,
            json!({"counts": 1, "logs": logs, "logs_omitted": 5, "success": "ok",
                "ignored": ["/x"]})
        )
    );
    let hidden = json!({"message": "ok", "rejected": [{"pointer": "/notifications/0/alert/1", "error": "e"}]});
    let asked =
        br#"{"notifications":[{"token":["a-key-of-ours","x"],"message":"is a-key-of-ours"}]}"#;
    let reply = answer(
        Reply::json_line(200, &hidden),
        asked,
        &Keyless::showing("a-key-of-ours"),
    );
    let text = String::from_utf8(reply.body).unwrap();
    assert!(
        !text.contains("a-key") && text.contains("\"token\":\"\""),
        "{text}"
    );
    for (message, expected) in [
        ("empty notification", "Notifications field is empty."),
        (
            "number of notifications(11) over limit(10)",
            "Number of notifications(11) over limit(10)",
        ),
        ("Request-body is malformed", "Missing notifications field."),
        ("ios queue is full", "ios queue is full"),
    ] {
        let body = json!({"message": message, "error": "why"});
        let expected = json!({"code": 400, "message": expected, "error": "why"});
        assert_eq!(told(400, body).1, expected);
    }
}

#[test]
fn what_is_over_the_limit_of_a_notification_is_handed_on_for_its_refusal() {
    let many: serde_json::Map<String, Value> =
        (0..9000).map(|n| (format!("{n:06}"), json!(0))).collect();
    for name in TAKEN_APART {
        let theirs = json!({"platform": 2, "message": "m", name: many, "name": "n"});
        assert_eq!(one(&theirs), theirs, "{name}");
    }
}

#[test]
fn an_answer_has_no_more_entries_than_there_is_room_for() {
    let text = "\u{1}".repeat(9000);
    let notification = json!({"token": vec![&text; 150], "platform": 2, "message": &text});
    let asked = json!({"notifications": [notification]}).to_string();
    let rejected: Vec<_> = (0..150)
        .map(|n| json!({"pointer": format!("/notifications/0/token/{n}"), "error": "e"}))
        .collect();
    let body = json!({"message": "ok", "accepted": [], "rejected": rejected});
    let reply = answer(
        Reply::json_line(200, &body),
        asked.as_bytes(),
        &Keyless::default(),
    );
    let told: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(told["logs"].as_array().unwrap().len(), answer::ENTRIES);
    assert_eq!(told["logs_omitted"], 50);
    assert!(reply.body.len() < ENTRIES_MAX, "{}", reply.body.len());
}
