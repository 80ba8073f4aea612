use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::provider::apns::Apns;
use crate::provider::fixture::{extend, notification, start};
use crate::provider::{Site, Vendor as _};
use crate::push::{Content, LaneId};

/// What is sent of a notification, as its push type says.
fn payload(notification: &Notification, as_gaurun: bool) -> Result<Content, String> {
    let (mut notification, site) = (
        notification.clone(),
        Site {
            as_gaurun,
            ..Site::default()
        },
    );
    let built = Apns.build(&mut notification, &site, start(), &mut Unused::default());
    built
        .map(|built| built.content)
        .map_err(|fault| fault.error)
}

fn check(change: impl FnOnce(&mut Notification), expected: &str) {
    let mut notification = notification(LaneId::IOS, "hello");
    change(&mut notification);
    let content = payload(&notification, false).unwrap();
    assert_eq!(str::from_utf8(content.body()), Ok(expected));
}

fn check_refused(change: impl FnOnce(&mut Notification), expected: &str) {
    let mut notification = notification(LaneId::IOS, "hello");
    change(&mut notification);
    assert_eq!(payload(&notification, false).unwrap_err(), expected);
}

#[test]
fn a_message_alone_is_a_string() {
    check(|_| (), r#"{"aps":{"alert":"hello"}}"#);
}

#[test]
fn a_title_or_subtitle_makes_a_dictionary() {
    check(
        |n| n.title = "T".into(),
        r#"{"aps":{"alert":{"title":"T","body":"hello"}}}"#,
    );
    check(
        |n| n.subtitle = "S".into(),
        r#"{"aps":{"alert":{"subtitle":"S","body":"hello"}}}"#,
    );
    check(
        |n| (n.title, n.message) = ("T".into(), "".into()),
        r#"{"aps":{"alert":{"title":"T"}}}"#,
    );
}

#[test]
fn every_field_at_once() {
    check(
        |n| {
            n.title = "T".into();
            n.subtitle = "S".into();
            n.badge = Some(3);
            n.sound = "default".into();
            n.category = "REPLY".into();
            n.content_available = true;
            n.mutable_content = true;
            n.extend = extend(&[("url", "app://1"), ("k", "v")]);
        },
        concat!(
            r#"{"aps":{"alert":{"title":"T","subtitle":"S","body":"hello"},"badge":3,"#,
            r#""sound":"default","category":"REPLY","content-available":1,"mutable-content":1},"#,
            r#""k":"v","url":"app://1"}"#
        ),
    );
}

#[test]
fn fields_of_android_and_of_the_request_are_not_in_the_payload() {
    check(
        |n| {
            n.identifier = "id-1".into();
            n.push_type = "alert".into();
            n.expiry = 10;
            n.collapse_key = "c".into();
            n.priority = "high".into();
            n.time_to_live = -1;
            n.delay_while_idle = true;
        },
        r#"{"aps":{"alert":"hello"}}"#,
    );
}

type Change = fn(&mut Notification);

#[test]
fn a_push_that_wakes_and_shows_nothing_is_a_background_push_without_alert() {
    let silent = r#"{"aps":{"content-available":1}}"#;
    let cases: [(Change, &str, &str); 9] = [
        (|n| n.content_available = true, "background", silent),
        (|n| n.push_type = "background".into(), "background", silent),
        (
            |n| (n.push_type, n.content_available) = ("alert".into(), true),
            "background",
            silent,
        ),
        (
            |n| (n.message, n.push_type) = (" ".into(), "background".into()),
            "background",
            silent,
        ),
        (
            |n| (n.message, n.title, n.content_available) = (" ".into(), "\n".into(), true),
            "background",
            silent,
        ),
        // There is something to show.
        (
            |n| (n.badge, n.content_available) = (Some(3), true),
            "",
            r#"{"aps":{"badge":3,"content-available":1}}"#,
        ),
        (
            |n| (n.sound, n.content_available) = ("s".into(), true),
            "",
            r#"{"aps":{"sound":"s","content-available":1}}"#,
        ),
        (
            |n| (n.title, n.push_type) = ("T".into(), "background".into()),
            "background",
            r#"{"aps":{"alert":{"title":"T"},"content-available":1}}"#,
        ),
        (|_| (), "", r#"{"aps":{}}"#),
    ];
    for (change, push_type, expected) in cases {
        let mut notification = notification(LaneId::IOS, "");
        change(&mut notification);
        let (site, mut unused) = (Site::default(), Unused::default());
        let built = Apns.build(&mut notification, &site, start(), &mut unused);
        assert_eq!(&*notification.push_type, push_type, "{expected}");
        let content = built.unwrap().content;
        assert_eq!(str::from_utf8(content.body()), Ok(expected));
    }
}

#[test]
fn as_gaurun_a_blank_text_is_an_alert_and_the_badge_is_0() {
    let mut notification = notification(LaneId::IOS, " ");
    notification.push_type = "background".into();
    let content = payload(&notification, true).unwrap();
    assert_eq!(
        str::from_utf8(content.body()),
        Ok(r#"{"aps":{"alert":" ","badge":0,"content-available":1}}"#)
    );
}

#[test]
fn as_gaurun_a_word_for_androids_priority_is_no_matter_to_ios() {
    let site = Site {
        as_gaurun: true,
        ..Site::default()
    };
    for (word, is_ignored) in [("HIGH", true), ("normal", true), ("5", false), ("", false)] {
        let mut notification = notification(LaneId::IOS, "m");
        notification.priority = word.into();
        let mut unused = Unused::default();
        let built = Apns.build(&mut notification, &site, start(), &mut unused);
        let head = built.unwrap().content;
        assert_eq!(head.head().count(), usize::from(word == "5"), "{word}");
        assert_eq!(unused.fields == ["priority"], is_ignored, "{word}");
    }
}

#[test]
fn an_absent_badge_is_left_out_unless_as_gaurun() {
    let mut notification = notification(LaneId::IOS, "m");
    let text = |notification: &Notification, as_gaurun| {
        let content = payload(notification, as_gaurun).unwrap();
        String::from_utf8(content.body().to_vec()).unwrap()
    };
    assert_eq!(text(&notification, false), r#"{"aps":{"alert":"m"}}"#);
    assert_eq!(
        text(&notification, true),
        r#"{"aps":{"alert":"m","badge":0}}"#
    );
    for as_gaurun in [false, true] {
        notification.badge = Some(0);
        assert_eq!(
            text(&notification, as_gaurun),
            r#"{"aps":{"alert":"m","badge":0}}"#
        );
        notification.badge = Some(7);
        assert_eq!(
            text(&notification, as_gaurun),
            r#"{"aps":{"alert":"m","badge":7}}"#
        );
    }
}

#[test]
fn a_negative_badge_is_refused() {
    check_refused(
        |n| n.badge = Some(-1),
        "badge is -1, and must not be negative",
    );
}

#[test]
fn of_equal_extend_keys_the_last_counts() {
    check(
        |n| n.extend = extend(&[("k", "1"), ("j", "2"), ("k", "3")]),
        r#"{"aps":{"alert":"hello"},"j":"2","k":"3"}"#,
    );
}

#[test]
fn extend_cannot_replace_aps() {
    check_refused(
        |n| n.extend = extend(&[("k", "1"), ("aps", "{}")]),
        "extend must not have the key \"aps\", which holds the notification itself",
    );
}

#[test]
fn text_is_escaped_as_json() {
    check(
        |n| n.message = "\"\\\n\u{1}\u{2028}é🐦".into(),
        "{\"aps\":{\"alert\":\"\\\"\\\\\\n\\u0001\u{2028}é🐦\"}}",
    );
}

#[test]
fn the_largest_payload_passes_and_one_byte_more_does_not() {
    let frame = r#"{"aps":{"alert":""}}"#.len();
    let mut notification = notification(LaneId::IOS, &"x".repeat(PAYLOAD_MAX - frame));
    assert_eq!(
        payload(&notification, false).unwrap().body().len(),
        PAYLOAD_MAX
    );
    notification.message = "x".repeat(PAYLOAD_MAX - frame + 1).into();
    assert_eq!(
        payload(&notification, false).unwrap_err(),
        "the payload is 4097 bytes, and APNs takes at most 4096: 1 too many; \"aps.alert\" has most \
         of it, 4079 bytes"
    );
    // What counts is the length as sent, with its escapes.
    notification.message = "\n".repeat((PAYLOAD_MAX - frame) / 2 + 1).into();
    assert!(payload(&notification, false).is_err());
}

proptest! {
    #[test]
    fn any_text_makes_valid_json_of_the_right_size(
        texts in proptest::collection::vec(any::<String>(), 6),
        pairs in proptest::collection::vec((any::<String>(), any::<String>()), 0..8),
        badge in proptest::option::of(0_i64..),
        as_gaurun: bool,
    ) {
        let mut notification = notification(LaneId::IOS, &texts[0]);
        notification.title = texts[1].as_str().into();
        notification.subtitle = texts[2].as_str().into();
        notification.sound = texts[3].as_str().into();
        notification.category = texts[4].as_str().into();
        notification.badge = badge;
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        notification.extend = extend(&pairs);
        match payload(&notification, as_gaurun) {
            Ok(content) => {
                prop_assert!(content.body().len() <= PAYLOAD_MAX);
                let json: Value = serde_json::from_slice(content.body()).unwrap();
                for (key, _) in &pairs {
                    let last = pairs.iter().rfind(|(k, _)| k == key).map(|(_, v)| *v);
                    prop_assert_eq!(json.get(key).and_then(Value::as_str), last);
                }
                let sound = json.pointer("/aps/sound").and_then(Value::as_str);
                prop_assert_eq!(sound.unwrap_or(""), texts[3].as_str());
            }
            Err(error) => prop_assert!(error.contains("4096") || error.contains("aps")),
        }
    }
}
