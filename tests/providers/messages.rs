//! Each object of Google's that a caller may give: the message that comes of it, which the
//! look-alike of FCM takes, and the target that the push log tells it apart by.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::fcm_token;
use crate::harness::lines::of_kind;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;

/// Members of a notification beside its target, and what its message has at a pointer.
type Row = (&'static str, &'static str, &'static str);

const SENT: &[Row] = &[
    (
        r#""message":"b","notification":{"title":"t","image":"https://example.com/a.png"},"fcm_options":{"analytics_label":"l"}"#,
        "/notification",
        r#"{"title":"t","body":"b","image":"https://example.com/a.png"}"#,
    ),
    // What Google's pages do not agree on is sent.
    (
        r#""data":{"order":7,"gcm.x":"y"}"#,
        "/data",
        r#"{"order":"7","gcm.x":"y"}"#,
    ),
    (
        r##""message":"m","android":{"priority":"high","ttl":"9s","collapse_key":"c","restricted_package_name":"org.x","direct_boot_ok":true,"data":{"n":7},"fcm_options":{"analytics_label":"l"},"notification":{"channel_id":"ch","color":"#ff8800","titleLocKey":"K","titleLocArgs":["a"],"light_settings":{"color":{"red":1,"green":0,"blue":0.5,"alpha":1},"light_on_duration":"1s","light_off_duration":"2s"},"visibility":"public","notification_priority":"high","vibrate_timings":["0.5s"],"event_time":"2026-11-22T10:00:00Z","notification_count":3,"proxy":"allow"}}"##,
        "/android/notification/title_loc_args",
        r#"["a"]"#,
    ),
    (
        r#""message":"m","android_v2":{"ttl":"9s","data":{"n":7},"remote_notification":{"mutable_content":true,"use_as_v1_data_message":false,"notification":{"id":7,"tag":"t"}}}"#,
        "/android_v2/remote_notification/notification/id",
        "7",
    ),
    (
        r#""data":{"k":"v"},"android_v2":{"background_sync":{}}"#,
        "/android_v2/background_sync",
        "{}",
    ),
    (
        r#""message":"m","apns":{"headers":{"apns-priority":5},"payload":{"aps":{"badge":3}},"fcm_options":{"image":"https://example.com/a.png"},"live_activity_token":"ab"}"#,
        "/apns/headers",
        r#"{"apns-priority":"5"}"#,
    ),
    (
        r#""message":"m","webpush":{"headers":{"TTL":60,"Urgency":"high"},"data":{"n":7},"notification":{"silent":true},"fcm_options":{"link":"https://example.com/"}}"#,
        "/webpush/headers",
        r#"{"TTL":"60","Urgency":"high"}"#,
    ),
    (
        r#""fcm":{"message":{"notification":{"body":"Hi"},"android":{"ttl":"9s"},"webpush":{"headers":{"Urgency":"high"}}}}"#,
        "/notification",
        r#"{"body":"Hi"}"#,
    ),
];

/// A target as a caller spells it, the field of the message that it is in, and its text there.
const TARGETS: [(&str, &str, &str); 4] = [
    (r#""topic":"news-_.~%9""#, "topic", "news-_.~%9"),
    (r#""topic":"/topics/news""#, "topic", "news"),
    (
        r#""condition":"'a' in topics && ('b' in topics || !('c' in topics))""#,
        "condition",
        "'a' in topics && ('b' in topics || !('c' in topics))",
    ),
    (
        r#""fid":"cQk3aB0123456789abcd-_""#,
        "fid",
        "cQk3aB0123456789abcd-_",
    ),
];

#[test]
fn each_object_of_google_s_arrives_and_each_target_is_told_apart_in_the_log() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let mut expected = Vec::new();
    for (number, (members, pointer, value)) in (1..).zip(SENT) {
        let token = fcm_token(number);
        let target = format!(r#""token":"{token}""#);
        expected.push((format!("{target},{members}"), "", token, *pointer, *value));
    }
    for (at, (target, kind, text)) in TARGETS.iter().enumerate() {
        // The shown ones, and a whole message.
        let (members, pointer, value) = SENT[if at % 2 == 0 { 0 } else { SENT.len() - 1 }];
        let members = format!("{target},{members}");
        expected.push((members, *kind, (*text).to_owned(), pointer, value));
    }
    let notifications = expected
        .iter()
        .map(|(members, ..)| format!(r#"{{"platform":"android",{members}}}"#))
        .collect::<Vec<_>>()
        .join(",");
    let body = format!(r#"{{"strict":true,"notifications":[{notifications}]}}"#);
    let reply = daemon.request("POST", "/push", body.as_bytes());
    assert_eq!(reply.json()["rejected"], json!([]), "{}", reply.text());
    daemon.settle();
    let notes = simulated.notes();
    let notes: BTreeMap<_, _> = notes
        .iter()
        .map(|note| (&*note.device_token, note))
        .collect();
    assert_eq!(notes.len(), expected.len());
    let log = site.access_log();
    for (members, kind, text, pointer, value) in &expected {
        let note = notes[&**text];
        assert_eq!((note.status, note.reason), (200, ""), "{members}");
        let body: Value = serde_json::from_str(&note.body).unwrap();
        let value: Value = serde_json::from_str(value).unwrap();
        assert_eq!(body["message"].pointer(pointer), Some(&value), "{members}");
        let field = if kind.is_empty() { "token" } else { kind };
        assert_eq!(body["message"][field], **text, "{members}");
        for line in ["accepted-push", "succeeded-push"] {
            let mut lines = of_kind(&log, line).filter(|line| line.text_of("token") == text);
            assert_eq!(lines.next().unwrap().text_of("target"), *kind, "{members}");
        }
    }
}
