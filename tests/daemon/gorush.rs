//! gorush's callers: what its README posts to `/api/push` arrives, and is answered as there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use serde_json::{Value, json};
use sterna::simulator::Provider;

use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;

fn post(daemon: &Daemon, notifications: &Value) -> (u16, Value) {
    let body = json!({ "notifications": notifications }).to_string();
    let reply = daemon.request("POST", "/api/push", body.as_bytes());
    (reply.status, reply.json())
}

#[test]
fn what_gorushs_readme_posts_arrives() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let alert = |notification: Value| ("aps", notification);
    let shown = |notification: Value| ("message", notification);
    for (asked, (part, expected)) in [
        (
            json!({"tokens": ["aa01", "aa02"], "platform": 1, "message": "Hello"}),
            alert(json!({"alert": "Hello"})),
        ),
        (
            json!({"tokens": ["aa03"], "platform": 1, "badge": 5, "alert": {
                "title": "Game", "body": "Bob wants to play", "action-loc-key": "PLAY"}}),
            alert(json!({"badge": 5, "alert": {
                "title": "Game", "body": "Bob wants to play", "action-loc-key": "PLAY"}})),
        ),
        (
            json!({"tokens": ["aa04"], "platform": 1, "message": "Mail", "badge": 9,
                "sound": {"critical": 1, "name": "default", "volume": 1.0}}),
            alert(json!({"alert": "Mail", "badge": 9,
                "sound": {"critical": 1, "name": "default", "volume": 1.0}})),
        ),
        (
            json!({"tokens": ["c:a"], "platform": 2, "message": "Hello", "title": "You"}),
            shown(json!({"notification": {"body": "Hello", "title": "You"}})),
        ),
        (
            json!({"tokens": ["c:b"], "platform": 2, "message": "Hello", "title": "You",
                "notification": {"icon": "myicon", "color": "#112244"}}),
            shown(
                json!({"notification": {"body": "Hello", "title": "You"}, "android":
                {"notification": {"icon": "myicon", "color": "#112244"}}}),
            ),
        ),
        (
            json!({"tokens": ["c:c"], "platform": 2, "message": "Hello", "title": "You",
                "data": {"Nick": "Mario", "body": "great match!", "goals": 2}}),
            shown(json!({"notification": {"body": "Hello", "title": "You"},
                "data": {"Nick": "Mario", "body": "great match!", "goals": "2"}})),
        ),
        (
            json!({"to": "/topics/foo-bar", "platform": 2, "message": "To all"}),
            shown(json!({"notification": {"body": "To all"}, "topic": "foo-bar"})),
        ),
    ] {
        let before = simulated.notes().len();
        let count = asked["tokens"].as_array().map_or(1, Vec::len);
        let (status, answer) = post(&daemon, &json!([asked]));
        let expected_answer = json!({"counts": count, "logs": [], "success": "ok"});
        assert_eq!((status, answer), (200, expected_answer), "{asked}");
        daemon.wait_idle();
        let notes = simulated.notes();
        assert_eq!(notes.len() - before, count, "{asked}");
        for note in &notes[before..] {
            assert_eq!(note.status, 200, "{asked}: {}", note.reason);
            let body: Value = serde_json::from_str(&note.body).unwrap();
            let mut found = body[part].clone();
            if note.provider == Provider::Fcm {
                let of_target = if expected["topic"].is_null() {
                    "token"
                } else {
                    ""
                };
                found.as_object_mut().unwrap().remove(of_target);
                if expected["android"].is_null() {
                    found.as_object_mut().unwrap().remove("android");
                }
            }
            assert_eq!(found, expected, "{asked}");
        }
    }
}

#[test]
fn what_gorush_refuses_is_answered_in_its_words_and_what_is_rejected_is_in_its_logs() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let (status, answer) = post(
        &daemon,
        &json!([
            {"notif_id": "n-1", "tokens": ["aa01", "xyz"], "platform": 1, "message": "m", "retry": 3},
            {"tokens": ["c"], "platform": 3, "message": "m"},
        ]),
    );
    assert_eq!(status, 200, "{answer}");
    let error = "the device token has a character that is not a hexadecimal digit";
    let entry = |platform, token, error| {
        json!({"type": "failed-push", "platform": platform, "token": token, "message": "m",
            "error": error})
    };
    let expected = json!({"counts": 1, "success": "ok", "ignored": ["/notifications/0/retry"],
        "logs": [entry("ios", "xyz", error), entry("", "", "invalid platform")]});
    assert_eq!(answer, expected);
    let too_many = vec![json!({"tokens": ["aa"], "platform": 1, "message": "m"}); 101];
    for (body, message) in [
        ("{", "Missing notifications field."),
        (r#"{"notifications":[]}"#, "Notifications field is empty."),
        (
            &*json!({ "notifications": too_many }).to_string(),
            "Number of notifications(101) over limit(100)",
        ),
    ] {
        let reply = daemon.request("POST", "/api/push", body.as_bytes());
        let told = reply.json();
        assert_eq!((reply.status, &told["code"]), (400, &json!(400)), "{told}");
        assert_eq!(told["message"], message);
    }
    daemon.wait_idle();
    let identifiers = simulated.notes().len();
    assert_eq!(identifiers, 1);
    let log = site.operator_log();
    let ignored = "\"retry\" is no field of POST /api/push and was ignored in 1 request";
    let refused = "POST /api/push refused 1 request";
    assert!(log.contains(ignored) && log.contains(refused), "{log}");
}

#[test]
fn what_is_strict_and_what_is_malformed_is_told_of_the_body_that_was_sent() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let notification = json!({"tokens": ["aa01"], "platform": 1, "message": "m", "retry": 3});
    let told = |body: &Value| {
        let reply = daemon.request("POST", "/api/push", body.to_string().as_bytes());
        (reply.status, reply.json())
    };
    let (status, answer) = told(&json!({"Strict": true, "Notifications": [notification]}));
    let message = "\"retry\" is no field of POST /api/push";
    assert_eq!(
        (status, answer),
        (400, json!({"code": 400, "message": message}))
    );
    let (status, answer) = told(&json!({"strict": false, "notifications": [notification]}));
    assert_eq!((status, &answer["counts"]), (200, &json!(1)), "{answer}");
    let (_, answer) = told(&json!({"notifications": [{"tokens": ["aa01"], "badge": "1"}]}));
    let error = "/notifications/0/badge: an integer was expected, and there is the string \"1\"; a \
                 number stands without quotation marks; PHP writes it so after (int)";
    assert_eq!(answer["error"], error);
}
