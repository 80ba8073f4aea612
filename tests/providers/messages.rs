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

/// What firebase-admin's documentation sends, each said as a notification of ours: its members, and
/// the message without its target.
const ADMIN: &[(&str, &str)] = &[
    // One device, data alone.
    (
        r#""token":"c:1","data":{"points":"850","at":"2:45"}"#,
        r#"{"data":{"points":"850","at":"2:45"}}"#,
    ),
    // Several devices: sendEachForMulticast, send_each_for_multicast, SendEachForMulticast.
    (
        r#""token":["c:2","c:3","c:4"],"data":{"points":"850","at":"2:45"}"#,
        r#"{"data":{"points":"850","at":"2:45"}}"#,
    ),
    // A topic, also as the SDKs let it be spelt.
    (
        r#""topic":"/topics/scores","data":{"points":"850"}"#,
        r#"{"data":{"points":"850"}}"#,
    ),
    // A condition.
    (
        r#""condition":"'stock-X' in topics || 'tech' in topics","title":"X is up","message":"By 1.4 %""#,
        r#"{"notification":{"title":"X is up","body":"By 1.4 %"}}"#,
    ),
    // One of several in a sendEach: the same notification to others.
    (
        r#""topic":"readers","notification":{"title":"Lower prices","body":"2 % off"}"#,
        r#"{"notification":{"title":"Lower prices","body":"2 % off"}}"#,
    ),
    // AndroidConfig: time to live, priority, icon and colour.
    (
        r##""topic":"a1","title":"T","message":"B","ttl":3600,"priority":"normal","android":{"notification":{"icon":"stock","color":"#f45342"}}"##,
        r##"{"notification":{"title":"T","body":"B"},"android":{"ttl":"3600s","priority":"NORMAL","notification":{"icon":"stock","color":"#f45342"}}}"##,
    ),
    // AndroidConfig: as the SDKs write it.
    (
        r#""token":"c:5","android":{"ttl":"3600s","priority":"high","collapseKey":"k","restrictedPackageName":"org.x","directBootOk":true,"data":{"k":"v"},"notification":{"title":"T","body":"B","channelId":"ch","clickAction":"OPEN","eventTime":"2026-11-22T10:00:00Z","localOnly":true,"notificationPriority":"PRIORITY_MAX","vibrateTimings":["0.1s","0.2s"],"defaultSound":true,"visibility":"PUBLIC","notificationCount":2}}"#,
        r#"{"data":{},"android":{"ttl":"3600s","priority":"HIGH","collapse_key":"k","restricted_package_name":"org.x","direct_boot_ok":true,"data":{"k":"v"},"notification":{"title":"T","body":"B","channel_id":"ch","click_action":"OPEN","event_time":"2026-11-22T10:00:00Z","local_only":true,"notification_priority":"PRIORITY_MAX","vibrate_timings":["0.1s","0.2s"],"default_sound":true,"visibility":"PUBLIC","notification_count":2}}}"#,
    ),
    // ApnsConfig: header, alert and badge.
    (
        r#""topic":"a2","apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"alert":{"title":"T","body":"B"},"badge":42}}}"#,
        r#"{"data":{},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"alert":{"title":"T","body":"B"},"badge":42}}}}"#,
    ),
    // WebpushConfig.
    (
        r#""topic":"a3","webpush":{"notification":{"title":"T","body":"B","icon":"https://example.com/i.png"}}"#,
        r#"{"data":{},"webpush":{"notification":{"title":"T","body":"B","icon":"https://example.com/i.png"}}}"#,
    ),
    // All of them together.
    (
        r##""topic":"a4","title":"T","message":"B","ttl":3600,"android":{"notification":{"icon":"stock","color":"#f45342"}},"apns":{"payload":{"aps":{"badge":42}}},"webpush":{"headers":{"Urgency":"high"}}"##,
        r##"{"notification":{"title":"T","body":"B"},"android":{"ttl":"3600s","notification":{"icon":"stock","color":"#f45342"}},"apns":{"payload":{"aps":{"badge":42}}},"webpush":{"headers":{"Urgency":"high"}}}"##,
    ),
    // FcmOptions, for all and for each.
    (
        r#""topic":"a5","title":"T","message":"B","fcm_options":{"analytics_label":"all"},"android":{"fcm_options":{"analytics_label":"some"}},"apns":{"fcm_options":{"analytics_label":"others"}}"#,
        r#"{"notification":{"title":"T","body":"B"},"fcm_options":{"analytics_label":"all"},"android":{"fcm_options":{"analytics_label":"some"}},"apns":{"fcm_options":{"analytics_label":"others"}}}"#,
    ),
    // A dry run.
    (
        r#""token":"c:6","title":"T","message":"B","validate_only":true"#,
        r#"{"notification":{"title":"T","body":"B"}}"#,
    ),
    // A background update.
    (
        r#""token":"c:7","data":{"sync":"now"},"apns":{"headers":{"apns-push-type":"background","apns-priority":"5"},"payload":{"aps":{"content-available":1}}}"#,
        r#"{"data":{"sync":"now"},"apns":{"headers":{"apns-push-type":"background","apns-priority":"5"},"payload":{"aps":{"content-available":1}}}}"#,
    ),
    // A notification in the language of each device.
    (
        r#""topic":"a6","android":{"ttl":"3600s","notification":{"bodyLocKey":"STOCK","bodyLocArgs":["X","835.67"]}},"apns":{"payload":{"aps":{"alert":{"loc-key":"STOCK","loc-args":["X","835.67"]}}}}"#,
        r#"{"data":{},"android":{"ttl":"3600s","notification":{"body_loc_key":"STOCK","body_loc_args":["X","835.67"]}},"apns":{"payload":{"aps":{"alert":{"loc-key":"STOCK","loc-args":["X","835.67"]}}}}}"#,
    ),
    // An image.
    (
        r#""topic":"a7","title":"T","android":{"notification":{"image":"https://example.com/a.png"}},"apns":{"payload":{"aps":{"mutable-content":1}},"fcm_options":{"image":"https://example.com/i.png"}},"webpush":{"headers":{"image":"https://example.com/w.png"}}"#,
        r#"{"notification":{"title":"T"},"android":{"notification":{"image":"https://example.com/a.png"}},"apns":{"payload":{"aps":{"mutable-content":1}},"fcm_options":{"image":"https://example.com/i.png"}},"webpush":{"headers":{"image":"https://example.com/w.png"}}}"#,
    ),
    // What a click opens.
    (
        r#""topic":"a8","title":"T","message":"B","click_action":"news_intent","apns":{"payload":{"aps":{"category":"INVITE"}}},"webpush":{"fcm_options":{"link":"https://example.com/news"}}"#,
        r#"{"notification":{"title":"T","body":"B"},"android":{"notification":{"click_action":"news_intent"}},"apns":{"payload":{"aps":{"category":"INVITE"}}},"webpush":{"fcm_options":{"link":"https://example.com/news"}}}"#,
    ),
    // A Live Activity.
    (
        r#""token":"c:8","apns":{"live_activity_token":"ab12","headers":{"apns-priority":"10"},"payload":{"aps":{"timestamp":1795336102,"event":"update","content-state":{"eta":9}}}}"#,
        r#"{"data":{},"apns":{"live_activity_token":"ab12","headers":{"apns-priority":"10"},"payload":{"aps":{"timestamp":1795336102,"event":"update","content-state":{"eta":9}}}}}"#,
    ),
    // A message as the SDKs hand it to Google.
    (
        r#""token":"c:9","fcm":{"message":{"notification":{"title":"T","body":"B"},"data":{"k":"v"},"android":{"priority":"HIGH"}}}"#,
        r#"{"notification":{"title":"T","body":"B"},"data":{"k":"v"},"android":{"priority":"HIGH"}}"#,
    ),
];

#[test]
fn what_firebase_admins_documentation_sends_arrives() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    for (members, expected) in ADMIN {
        let before = simulated.notes().len();
        let body =
            format!(r#"{{"strict":true,"notifications":[{{"platform":"android",{members}}}]}}"#);
        let reply = daemon.request("POST", "/push", body.as_bytes());
        let answer = reply.json();
        assert_eq!(answer["rejected"], json!([]), "{members}: {answer}");
        daemon.wait_idle();
        let notes = simulated.notes();
        let count = answer["accepted"][0]["count"].as_u64().unwrap();
        assert_eq!((notes.len() - before) as u64, count, "{members}");
        let expected: Value = serde_json::from_str(expected).unwrap();
        for note in &notes[before..] {
            assert_eq!((note.status, note.reason), (200, ""), "{members}");
            let body: Value = serde_json::from_str(&note.body).unwrap();
            let is_trial = members.contains("validate_only");
            assert_eq!(body["validate_only"] == true, is_trial, "{members}");
            let mut message = body["message"].clone();
            let found = message.as_object_mut().unwrap();
            let targets = ["token", "topic", "condition"].map(|name| found.remove(name));
            assert_eq!(targets.iter().flatten().count(), 1, "{members}");
            if found["android"] == json!({}) {
                found.remove("android");
            }
            // What is left of it.
            if let Some(ttl) = message.pointer_mut("/android/ttl") {
                let secs = ttl.as_str().unwrap().trim_end_matches('s').parse::<u64>();
                assert!((3540..=3600).contains(&secs.unwrap()), "{ttl}");
                *ttl = json!("3600s");
            }
            assert_eq!(message, expected, "{members}");
        }
    }
}
