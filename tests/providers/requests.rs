//! What reaches the provider.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::lines::of_kind;
use crate::harness::simulator::{Note, Simulated};
use crate::harness::site::Site;
use crate::harness::wait_until;

#[test]
fn what_is_sent_is_what_the_caller_said() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let body = json!({"notifications": [
        {"platform": 1, "token": ["AA01"], "message": "plain"},
        {"platform": 1, "token": ["AA02"], "message": "b", "title": "t", "subtitle": "s",
         "badge": 0, "sound": "x.caf", "category": "c", "mutable_content": true,
         "expiry": 3600, "extend": [{"key": "url", "val": "u"}]},
        {"platform": 1, "token": ["AA03"], "message": "m", "push_type": "background",
         "content_available": true},
        {"platform": 1, "token": ["AA04"], "content_available": true},
        {"platform": 1, "token": ["AA05"], "message": " ", "push_type": "background"},
        {"platform": 2, "token": ["silent"], "content_available": true,
         "extend": [{"key": "url", "val": "u"}]},
        {"platform": 2, "token": ["plain"], "message": "plain"},
        {"platform": 2, "token": ["full"], "message": "m", "collapse_key": "k",
         "time_to_live": 3600, "priority": "high", "delay_while_idle": true, "title": "shown",
         "extend": [{"key": "url", "val": "u"}]},
    ]});
    let before = sterna::moment::Moment::now().unix.as_secs();
    assert_eq!(daemon.push(&body).accepted_ids().len(), 8);
    daemon.settle();
    assert!(site.error_log().is_empty(), "{:?}", site.error_log());
    let after = sterna::moment::Moment::now().unix.as_secs();
    let notes: BTreeMap<String, Note> = simulated
        .notes()
        .into_iter()
        .map(|note| (note.device_token.clone(), note))
        .collect();
    let body = |token: &str| serde_json::from_str::<Value>(&notes[token].body).unwrap();
    assert_eq!(body("aa01"), json!({"aps": {"alert": "plain"}}));
    assert_eq!(
        body("aa02"),
        json!({"aps": {
            "alert": {"title": "t", "subtitle": "s", "body": "b"}, "badge": 0, "sound": "x.caf",
            "category": "c", "mutable-content": 1,
        }, "url": "u"})
    );
    assert_eq!(
        body("aa03"),
        json!({"aps": {"alert": "m", "content-available": 1}})
    );
    for silent in ["aa04", "aa05"] {
        assert_eq!(body(silent), json!({"aps": {"content-available": 1}}));
    }
    assert_eq!(
        body("silent"),
        json!({"message": {"token": "silent", "data": {"url": "u"}, "android": {}}})
    );
    assert_eq!(
        body("plain"),
        json!({"message": {"token": "plain", "notification": {"body": "plain"}, "android": {}}})
    );
    let full = body("full");
    let ttl = full["message"]["android"]["ttl"].as_str().unwrap();
    let ttl: u64 = ttl.strip_suffix('s').unwrap().parse().unwrap();
    assert!((3570..=3600).contains(&ttl), "{ttl}");
    assert_eq!(
        full,
        json!({"message": {
            "token": "full", "notification": {"title": "shown", "body": "m"}, "data": {"url": "u"},
            "android": {"collapse_key": "k", "ttl": format!("{ttl}s"), "priority": "HIGH"},
        }})
    );
    let header = |token: &str, name: &str| notes[token].headers.get(name).cloned();
    for (token, push_type, priority) in [
        ("aa01", "alert", None),
        ("aa02", "alert", None),
        ("aa03", "background", Some("5")),
        ("aa04", "background", Some("5")),
        ("aa05", "background", Some("5")),
    ] {
        assert_eq!(
            header(token, "apns-topic").as_deref(),
            Some("org.example.sterna")
        );
        assert_eq!(header(token, "apns-push-type").as_deref(), Some(push_type));
        assert_eq!(header(token, "apns-priority").as_deref(), priority);
    }
    assert_eq!(header("aa01", "apns-expiration"), None);
    let expiration: u64 = header("aa02", "apns-expiration").unwrap().parse().unwrap();
    assert!(
        (before + 3600..=after + 3601).contains(&expiration),
        "{expiration}"
    );
}

#[test]
fn what_fcm_calls_a_message_stands_in_its_line_and_in_what_is_said_of_its_push() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let body = json!({"notifications": [
        {"platform": 1, "token": ["AA01"], "message": "m"},
        {"platform": 2, "token": ["one", "two"], "message": "m"},
    ]});
    let ids = daemon.push(&body).accepted_ids();
    let state = |id: &u64| daemon.request("GET", &format!("/push/{id}"), b"").json();
    let is_settled = |id: &u64| state(id)["state"] == "settled";
    wait_until("all are settled", || ids.iter().all(is_settled));
    let names = ids.iter().map(|id| {
        state(id)["fcm_name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    let names: Vec<String> = names.collect();
    assert_eq!(names[0], "");
    let project = &simulated.simulator.credentials().project_id;
    let begins = format!("projects/{project}/messages/0:");
    assert!(names[1].starts_with(&begins) && names[2].starts_with(&begins));
    assert_ne!(names[1], names[2]);
    daemon.settle();
    let lines = site.access_log();
    let lines = of_kind(&lines, "succeeded-push");
    let in_log: BTreeMap<u64, &str> = lines
        .map(|line| (line.id(), line.text_of("fcm_name")))
        .collect();
    assert!(ids.iter().zip(&names).all(|(id, name)| in_log[id] == name));
}
