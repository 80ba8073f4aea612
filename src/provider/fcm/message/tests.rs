use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::provider::fcm::TIME_TO_LIVE_MAX;
use crate::provider::fixture::{extend, notification};
use crate::push::LaneId;

fn body(notification: &Notification, token: &str, ttl_left: Option<u64>) -> String {
    let mut out = Vec::new();
    let payload = payload(notification, false).unwrap();
    write_body(payload.parts(), token, ttl_left, &mut out);
    String::from_utf8(out).unwrap()
}

fn check(change: impl FnOnce(&mut Notification), ttl_left: Option<u64>, expected: &str) {
    let mut notification = notification(LaneId::ANDROID, "hello");
    change(&mut notification);
    assert_eq!(body(&notification, "tok:1", ttl_left), expected);
}

fn check_refused(change: impl FnOnce(&mut Notification), expected: &str) {
    let mut notification = notification(LaneId::ANDROID, "hello");
    change(&mut notification);
    assert_eq!(payload(&notification, false).unwrap_err().error, expected);
}

#[test]
fn a_message_alone() {
    check(
        |_| (),
        None,
        r#"{"message":{"token":"tok:1","data":{"message":"hello"},"android":{}}}"#,
    );
}

#[test]
fn every_field_at_once() {
    check(
        |n| {
            n.collapse_key = "ck".into();
            n.priority = "high".into();
            n.time_to_live = 600;
            n.delay_while_idle = true;
            n.extend = extend(&[("url", "app://1"), ("k", "v")]);
        },
        Some(599),
        concat!(
            r#"{"message":{"token":"tok:1","data":{"k":"v","message":"hello","url":"app://1"},"#,
            r#""android":{"collapse_key":"ck","priority":"HIGH","ttl":"599s"}}}"#
        ),
    );
}

#[test]
fn each_android_field_alone() {
    const FRONT: &str = r#"{"message":{"token":"tok:1","data":{"message":"hello"},"android":"#;
    let check = |change: fn(&mut Notification), ttl_left, android: &str| {
        check(change, ttl_left, &format!("{FRONT}{android}}}}}"));
    };
    check(
        |n| n.collapse_key = "ck".into(),
        None,
        r#"{"collapse_key":"ck"}"#,
    );
    check(
        |n| n.priority = "normal".into(),
        None,
        r#"{"priority":"NORMAL"}"#,
    );
    check(|_| (), Some(1), r#"{"ttl":"1s"}"#);
    check(|_| (), Some(0), r#"{"ttl":"0s"}"#);
    // A collapse key whose last character looks like the open end.
    check(
        |n| n.collapse_key = "{".into(),
        Some(9),
        r#"{"collapse_key":"{","ttl":"9s"}"#,
    );
}

#[test]
fn fields_of_ios_are_not_sent() {
    check(
        |n| {
            n.title = "T".into();
            n.subtitle = "S".into();
            n.badge = Some(-1);
            n.sound = "default".into();
            n.category = "C".into();
            n.content_available = true;
            n.mutable_content = true;
            n.expiry = 5;
            n.identifier = "id".into();
        },
        None,
        r#"{"message":{"token":"tok:1","data":{"message":"hello"},"android":{}}}"#,
    );
}

#[test]
fn extend_may_replace_the_message_and_its_last_value_counts() {
    check(
        |n| n.extend = extend(&[("message", "a"), ("k", "1"), ("message", "b"), ("k", "2")]),
        None,
        r#"{"message":{"token":"tok:1","data":{"k":"2","message":"b"},"android":{}}}"#,
    );
}

#[test]
fn a_silent_push_has_no_message_among_its_data() {
    type Change = fn(&mut Notification);
    let wakes: [Change; 2] = [
        |n| n.content_available = true,
        |n| n.push_type = "background".into(),
    ];
    for wake in wakes {
        for (message, as_gaurun, data) in [
            ("", false, r#"{"k":"v"}"#),
            (" ", false, r#"{"k":"v"}"#),
            ("m", false, r#"{"k":"v","message":"m"}"#),
            (" ", true, r#"{"k":"v","message":" "}"#),
        ] {
            let mut notification = notification(LaneId::ANDROID, message);
            notification.extend = extend(&[("k", "v")]);
            wake(&mut notification);
            let content = payload(&notification, as_gaurun).unwrap();
            let expected = format!("\",\"data\":{data},\"android\":{{");
            assert_eq!(str::from_utf8(content.parts()[1]), Ok(&*expected));
        }
    }
}

#[test]
fn an_empty_message_is_still_there() {
    check(
        |n| n.message = "".into(),
        None,
        r#"{"message":{"token":"tok:1","data":{"message":""},"android":{}}}"#,
    );
}

#[test]
fn the_time_to_live_has_a_range() {
    for secs in [0, 1, TIME_TO_LIVE_MAX] {
        let mut notification = notification(LaneId::ANDROID, "m");
        notification.time_to_live = secs;
        assert!(payload(&notification, false).is_ok());
    }
    check_refused(
        |n| n.time_to_live = -1,
        "time_to_live is -1, and must be between 0 and 2419200 seconds",
    );
    check_refused(
        |n| n.time_to_live = TIME_TO_LIVE_MAX + 1,
        "time_to_live is 2419201, and must be between 0 and 2419200 seconds",
    );
}

#[test]
fn other_priorities_are_refused() {
    for word in ["HIGH", "low", "7", "high "] {
        check_refused(
            |n| n.priority = word.into(),
            &format!("priority is {word:?}, and must be \"high\" or \"normal\", or 10, 5 or 1"),
        );
    }
}

#[test]
fn what_a_refusal_quotes_is_cut() {
    let long = "x".repeat(100_000);
    let mut notification = notification(LaneId::ANDROID, "m");
    notification.priority = long.as_str().into();
    let Fault { error, .. } = payload(&notification, false).unwrap_err();
    assert!(error.len() < 512, "{} bytes", error.len());
    notification.priority = "".into();
    notification.extend = extend(&[(&format!("google.{long}"), "v")]);
    let Fault { error, .. } = payload(&notification, false).unwrap_err();
    assert!(error.len() < 512, "{} bytes", error.len());
    let error = doubtful_key(&notification).unwrap();
    assert!(error.len() < 512, "{} bytes", error.len());
}

#[test]
fn reserved_keys_are_refused() {
    for key in [
        "from",
        "message_type",
        "google.x",
        "gcm.notification.e",
        "gcm.notification.",
        "google.",
    ] {
        check_refused(
            |n| n.extend = extend(&[("ok", "1"), (key, "v")]),
            &format!("extend must not have the key {key:?}, which FCM reserves"),
        );
    }
}

#[test]
fn doubtful_keys_are_sent_with_a_word_of_warning() {
    let mut notification = notification(LaneId::ANDROID, "m");
    for key in [
        "googlemaps",
        "gcm",
        "gcm.",
        "gcm.n.e",
        "google",
        "notification",
        "collapse_key",
        "",
    ] {
        notification.extend = extend(&[("ok", "1"), (key, "v")]);
        assert!(payload(&notification, false).is_ok(), "{key}");
        let told = |field| format!("FCM may refuse or replace the {field} key {key:?}");
        assert_eq!(doubtful_key(&notification), Some(told("extend")));
        notification.extend = extend(&[]);
        let data = format!("{{\"ok\":1,{key:?}:\"v\"}}");
        let data = RawValue::from_string(data).unwrap();
        notification.native.set("data", data);
        assert_eq!(doubtful_key(&notification), Some(told("data")));
        notification.native.remove("data");
    }
    for key in ["From", "fromage", "message", "my.google.x", "message_types"] {
        notification.extend = extend(&[(key, "v")]);
        assert!(payload(&notification, false).is_ok(), "{key}");
        assert_eq!(doubtful_key(&notification), None);
    }
}

#[test]
fn only_what_is_surely_too_large_is_refused() {
    let mut notification = notification(LaneId::ANDROID, "");
    notification.message = "\n".repeat(DATA_MAX - "message".len()).into();
    assert!(
        payload(&notification, false).is_ok(),
        "escapes do not count"
    );
    notification.message = "\n".repeat(DATA_MAX - "message".len() + 1).into();
    assert_eq!(
        payload(&notification, false).unwrap_err().error,
        "the texts and keys of notification and data are 4097 bytes, 1 more than the 4096 that FCM \
         takes; the largest part is message with 4097"
    );
    notification.message = "".into();
    notification.extend = extend(&[("k", &"v".repeat(DATA_MAX))]);
    assert!(payload(&notification, false).is_err());
}

#[test]
fn the_body_is_appended() {
    let mut out = b"x".to_vec();
    let payload = payload(&notification(LaneId::ANDROID, "m"), false).unwrap();
    write_body(payload.parts(), "t", None, &mut out);
    assert!(out.starts_with(br#"x{"message":{"token":"t","data""#));
}

proptest! {
    #[test]
    fn any_text_makes_valid_json(
        message: String,
        collapse_key: String,
        token: String,
        pairs in proptest::collection::vec((any::<String>(), any::<String>()), 0..8),
        ttl_left: Option<u64>,
    ) {
        let mut notification = notification(LaneId::ANDROID, &message);
        notification.collapse_key = collapse_key.as_str().into();
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        notification.extend = extend(&pairs);
        let Ok(payload) = payload(&notification, false) else {
            let size: usize = pairs.iter().map(|(k, v)| k.len() + v.len()).sum();
            let reserved = pairs.iter().any(|(key, _)| is_reserved(key));
            prop_assert!(reserved || size + message.len() + "message".len() > DATA_MAX);
            return Ok(());
        };
        let mut out = Vec::new();
        write_body(payload.parts(), &token, ttl_left, &mut out);
        let json: Value = serde_json::from_slice(&out).unwrap();
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
        prop_assert_eq!(text("/message/token"), Some(token.as_str()));
        let expected = ttl_left.map(|secs| format!("{secs}s"));
        prop_assert_eq!(text("/message/android/ttl"), expected.as_deref());
        prop_assert_eq!(text("/message/android/collapse_key").unwrap_or(""), collapse_key);
        for (key, _) in &pairs {
            let last = pairs.iter().rfind(|(k, _)| k == key).map(|(_, v)| *v);
            let found = json.pointer("/message/data").and_then(|data| data.get(key));
            prop_assert_eq!(found.and_then(Value::as_str), last);
        }
    }
}
