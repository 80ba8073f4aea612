//! Each field that Apple has a use for: the request that comes of it, which the look-alike of APNs
//! takes; and for each rule of Apple's what breaks it, and what its caller is told.

mod refused;
mod sent;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::hex_token;
use crate::harness::http::Reply;
use crate::harness::simulator::{Note, Simulated};
use crate::harness::site::Site;
use refused::REFUSED;
use sent::SENT;

/// The header fields of every alert.
const ALERT: [(&str, &str); 2] = [("apns-push-type", "alert"), ("apns-topic", "")];

/// Asks for a notification of each of these members, as they are spelled, to a device of its own.
fn push(daemon: &Daemon, rows: impl Iterator<Item = &'static str>) -> Reply {
    let notifications = rows.enumerate().map(|(number, members)| {
        let token = hex_token(number as u64);
        format!(r#"{{"platform":"ios","token":"{token}",{members}}}"#)
    });
    let notifications = notifications.collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"strict":true,"notifications":[{notifications}]}}"#);
    daemon.request("POST", "/push", body.as_bytes())
}

#[test]
fn each_field_is_sent_as_apple_wants_it() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let before = sterna::moment::Moment::now().unix.as_secs();
    let reply = push(&daemon, SENT.iter().map(|row| row.0));
    assert_eq!(reply.json()["rejected"], json!([]), "{}", reply.text());
    daemon.settle();
    let after = sterna::moment::Moment::now().unix.as_secs();
    let notes: BTreeMap<String, Note> = simulated
        .notes()
        .into_iter()
        .map(|note| (note.device_token.clone(), note))
        .collect();
    for (at, (members, fields, body)) in SENT.iter().enumerate() {
        let note = &notes[&hex_token(at as u64)];
        assert_eq!((note.status, note.reason), (200, ""), "{members}");
        assert_eq!(note.body, *body, "{members}");
        let mut expected = BTreeMap::from(ALERT);
        expected.extend(fields.iter().copied());
        let mut found = note.headers.clone();
        if !expected.contains_key("apns-id") {
            assert_eq!(found.remove("apns-id").map(|id| id.len()), Some(36));
        }
        if let Some(secs) = expected
            .get("apns-expiration")
            .and_then(|at| at.strip_prefix('+'))
        {
            let secs: u64 = secs.parse().unwrap();
            let at: u64 = found.remove("apns-expiration").unwrap().parse().unwrap();
            assert!(
                (before + secs..=after + secs + 1).contains(&at),
                "{members}: {at}"
            );
            expected.remove("apns-expiration");
        }
        let topic = format!("org.example.sterna{}", expected["apns-topic"]);
        expected.insert("apns-topic", &topic);
        let found: BTreeMap<_, _> = found
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        assert_eq!(found, expected, "{members}");
    }
}

#[test]
fn a_live_activitys_push_is_of_now_unless_it_says_otherwise() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let before = sterna::moment::Moment::now().unix.as_secs();
    let members = r#""live_activity":{"event":"update","content_state":{}}"#;
    let reply = push(&daemon, [members].into_iter());
    assert_eq!(reply.status, 200, "{}", reply.text());
    daemon.settle();
    let body: Value = serde_json::from_str(&simulated.notes()[0].body).unwrap();
    let at = body["aps"]["timestamp"].as_u64().unwrap();
    assert!((before..=before + 60).contains(&at), "{at}");
}

#[test]
fn each_rule_of_apples_is_told_before_the_200() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    for chunk in REFUSED.chunks(100) {
        let reply = push(&daemon, chunk.iter().map(|row| row.0));
        let answer = reply.json();
        assert_eq!(answer["accepted"], json!([]), "{}", reply.text());
        let rejected = answer["rejected"].as_array().unwrap();
        for (at, (members, part, error)) in chunk.iter().enumerate() {
            let slash = if part.is_empty() { "" } else { "/" };
            let expected = json!({
                "pointer": format!("/notifications/{at}{slash}{part}"),
                "error": error,
            });
            assert_eq!(rejected[at], expected, "{members}");
        }
        assert_eq!(rejected.len(), chunk.len());
    }
}

#[test]
fn what_is_too_large_is_told_by_how_much_and_which_part_is_most_of_it() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    for (push_type, most) in [("alert", 4096), ("voip", 5120)] {
        let frame = r#"{"aps":{"alert":"m"},"big":""}"#.len();
        let with = |bytes: usize| {
            json!({"notifications": [{
                "platform": 1, "token": "ab", "message": "m", "push_type": push_type,
                "data": {"big": "x".repeat(bytes)},
            }]})
        };
        assert_eq!(daemon.push(&with(most - frame)).status, 200);
        let reply = daemon.push(&with(most - frame + 3));
        let told = format!(
            "the payload is {} bytes, and APNs takes at most {most}: 3 too many; \"big\" has most \
             of it, {} bytes",
            most + 3,
            most - frame + 5,
        );
        assert_eq!(reply.message(), told);
    }
    daemon.settle();
    let notes = simulated.notes();
    let taken: Vec<_> = notes
        .iter()
        .map(|note| (note.body.len(), note.status))
        .collect();
    assert_eq!(taken, [(4096, 200), (5120, 200)]);
}
