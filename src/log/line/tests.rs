mod texts;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::log::TokenShown;
use crate::push::{Content, Extend, Notification, Parcel};

const AT: &str = "2026/11/22 05:15:12 UTC";
const TOKEN: &str = "0a1B2c3D4e5F60718293a4b5c6d7e8f90a1B2c3D4e5F60718293a4b5c6d7e8f9";
const APNS_ID: &str = "eabeae54-14a8-11e5-b60b-1697f925ec7b";

fn bare(platform: LaneId, message: &str) -> Notification {
    Notification {
        message: message.into(),
        ..Notification::empty(platform)
    }
}

/// The notification of Gaurun's example lines.
fn hello() -> Notification {
    Notification {
        title: "T".into(),
        badge: Some(3),
        expiry: 10,
        identifier: "id-1".into(),
        ..bare(LaneId::IOS, "hello")
    }
}

fn written(line: &PushLine<'_>) -> String {
    written_by(&Privacy::default(), line)
}

fn written_by(privacy: &Privacy, line: &PushLine<'_>) -> String {
    let mut out = Vec::new();
    push(&mut out, AT, line, privacy);
    let text = String::from_utf8(out).unwrap();
    let (line, rest) = text.split_once('\n').unwrap();
    assert_eq!(rest, "", "one line");
    line.to_owned()
}

fn accepted(notification: &Notification) -> PushLine<'_> {
    PushLine {
        line: Line::Accepted,
        lane: notification.lane,
        target: TargetKind::DeviceToken,
        note: Note::of(notification),
        id: PushId(1),
        first_id: PushId(1),
        token: PackedToken::of_text(TOKEN),
        ptime: Duration::ZERO,
        error: "",
        tail: Tail::default(),
    }
}

/// What a line holds, by an independent reader.
fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// Asserts that the line has exactly these keys, in this order, whatever their values are.
fn check_keys(line: &str, keys: &[&str]) {
    let object = parsed(line);
    assert_eq!(object.as_object().unwrap().len(), keys.len(), "{line}");
    let places = keys.iter().map(|key| {
        let position = line.find(&format!("\"{key}\":"));
        position.unwrap_or_else(|| panic!("no {key} in {line}"))
    });
    assert!(places.is_sorted(), "{keys:?} in {line}");
}

#[test]
fn gauruns_accepted_request() {
    let mut out = Vec::new();
    accepted_request(&mut out, AT, "/push", "POST", "HTTP/1.1", 187, ("r-1", ""));
    let expected = concat!(
        r#"{"level":"info","time":"2026/11/22 05:15:12 UTC","message":"","#,
        r#""type":"accepted-request","uri":"/push","method":"POST","proto":"HTTP/1.1","#,
        r#""content_length":187,"request_id":"r-1"}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_trace_stands_behind_the_request_that_it_came_with() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut out = Vec::new();
    let names = ("r-1", trace);
    accepted_request(&mut out, AT, "/push", "POST", "HTTP/1.1", 187, names);
    let end = format!(",\"request_id\":\"r-1\",\"traceparent\":\"{trace}\"");
    assert!(
        String::from_utf8(out)
            .unwrap()
            .ends_with(&format!("{end}}}\n"))
    );
    let notification = Notification {
        request_id: "r-1".into(),
        traceparent: Some(trace.into()),
        ..bare(LaneId::named("shop/ios").unwrap(), "hello")
    };
    let line = written(&accepted(&notification));
    assert!(
        line.ends_with(&format!("{end},\"app\":\"shop\"}}")),
        "{line}"
    );
}

#[test]
fn a_hostile_request_line_stays_one_line() {
    let mut out = Vec::new();
    accepted_request(
        &mut out,
        AT,
        "/push?a=\"\n{\"level\"",
        "PO\\ST",
        "HTTP/1.0",
        -1,
        ("", ""),
    );
    let line = String::from_utf8(out).unwrap();
    assert_eq!(line.find('\n'), Some(line.len() - 1));
    let object = parsed(&line);
    assert_eq!(object["uri"], "/push?a=\"\n{\"level\"");
    assert_eq!(object["method"], "PO\\ST");
    assert_eq!(object["content_length"], -1);
}

#[test]
fn gauruns_accepted_push() {
    let expected = format!(
        concat!(
            r#"{{"level":"info","time":"2026/11/22 05:15:12 UTC","message":"hello","id":1,"#,
            r#""platform":"ios","token":"{}","type":"accepted-push","ptime":0,"error":"","#,
            r#""title":"T","badge":3,"expiry":10,"identifier":"id-1"}}"#,
        ),
        TOKEN,
    );
    assert_eq!(written(&accepted(&hello())), expected);
}

#[test]
fn gauruns_succeeded_push_is_the_beginning_of_ours() {
    let notification = hello();
    let line = PushLine {
        line: Line::Succeeded,
        ptime: Duration::from_micros(123_999),
        tail: Tail {
            status: Some(200),
            apns_id: Some(APNS_ID),
            attempt: Some(1),
            ..Tail::default()
        },
        ..accepted(&notification)
    };
    let expected = format!(
        concat!(
            r#"{{"level":"info","time":"2026/11/22 05:15:12 UTC","message":"hello","id":1,"#,
            r#""platform":"ios","token":"{}","type":"succeeded-push","ptime":0.123,"error":"","#,
            r#""title":"T","badge":3,"expiry":10,"identifier":"id-1""#,
            r#","status":200,"apns_id":"{}","attempt":1}}"#,
        ),
        TOKEN, APNS_ID,
    );
    assert_eq!(written(&line), expected);
}

#[test]
fn gauruns_failed_push_is_the_beginning_of_ours() {
    let notification = hello();
    let line = PushLine {
        line: Line::Failed,
        ptime: Duration::from_millis(1),
        error: "bad \"device\" token",
        tail: Tail {
            status: Some(400),
            reason: "BadDeviceToken",
            apns_id: Some(APNS_ID),
            attempt: Some(3),
            maybe_sent: true,
            accepted: Some(AT),
            ..Tail::default()
        },
        ..accepted(&notification)
    };
    let expected = format!(
        concat!(
            r#"{{"level":"error","time":"2026/11/22 05:15:12 UTC","message":"hello","id":1,"#,
            r#""platform":"ios","token":"{}","type":"failed-push","ptime":0.001,"#,
            r#""error":"bad \"device\" token","#,
            r#""title":"T","badge":3,"expiry":10,"identifier":"id-1","status":400,"#,
            r#""reason":"BadDeviceToken","apns_id":"{}","attempt":3,"maybe_sent":true,"#,
            r#""accepted":"2026/11/22 05:15:12 UTC"}}"#,
        ),
        TOKEN, APNS_ID,
    );
    assert_eq!(written(&line), expected);
}

#[test]
fn gauruns_disabled_push() {
    let notification = Notification {
        collapse_key: "ck".into(),
        delay_while_idle: true,
        time_to_live: 5,
        ..bare(LaneId::ANDROID, "m")
    };
    let line = PushLine {
        line: Line::Disabled,
        id: PushId(2),
        first_id: PushId(2),
        token: PackedToken::of_text("android1"),
        ..accepted(&notification)
    };
    let expected = concat!(
        r#"{"level":"error","time":"2026/11/22 05:15:12 UTC","message":"m","id":2,"#,
        r#""platform":"android","token":"android1","type":"disabled-push","ptime":0,"error":"","#,
        r#""collapse_key":"ck","delay_while_idle":true,"time_to_live":5}"#,
    );
    assert_eq!(written(&line), expected);
}

#[test]
fn the_line_of_another_app_says_so_at_its_end_and_the_default_apps_is_gauruns() {
    let hello = hello();
    let of = |name: &str| PushLine {
        lane: LaneId::named(name).unwrap(),
        token: PackedToken::of_text("aa"),
        ..accepted(&hello)
    };
    let default = written(&of("ios"));
    let beyond = |name: &str| {
        let line = written(&of(name));
        let rest = line.strip_prefix(default.strip_suffix('}').unwrap());
        rest.unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    assert_eq!(beyond("shop/ios"), r#","app":"shop"}"#);
    let target = |target| {
        let line = written(&PushLine {
            target,
            ..of("shop/ios")
        });
        parsed(&line)["target"].as_str().map(str::to_owned)
    };
    let words = TargetKind::ALL.map(target);
    let words = words.each_ref().map(Option::as_deref);
    let all = ["fid", "topic", "condition", "channel"].map(Some);
    assert_eq!((words[0], &words[1..]), (None, &all[..]));
    let topic = PushLine {
        target: TargetKind::Topic,
        ..of("shop/ios")
    };
    assert!(written(&topic).ends_with(r#","app":"shop","target":"topic"}"#));
    assert_eq!(beyond("ios/sandbox"), r#","environment":"sandbox"}"#);
    let both = beyond("shop/ios/production");
    assert_eq!(both, r#","app":"shop","environment":"production"}"#);
    let mut line = of("shop/ios");
    (line.id, line.first_id) = (PushId(4), PushId(3));
    let long = "m".repeat(TEXTS_RATIO * 8);
    line.note.texts.message = &long;
    let line = written(&line);
    assert!(line.ends_with(r#","texts_of":3,"app":"shop"}"#), "{line}");
}

#[test]
fn gauruns_bare_text() {
    let check = |level, word: &str| {
        let mut out = b"before\n".to_vec();
        message(&mut out, level, AT, "invalid platform", "why", "r-1");
        let expected = format!(
            "before\n{{\"level\":\"{word}\",\"time\":\"{AT}\",\"message\":\"invalid platform\",\
             \"error\":\"why\",\"request_id\":\"r-1\"}}\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check(Level::Debug, "debug");
    check(Level::Info, "info");
    check(Level::Warn, "warn");
    check(Level::Error, "error");
}

#[test]
fn every_field_in_gauruns_order() {
    let notification = Notification {
        identifier: "i".into(),
        title: "t".into(),
        subtitle: "s".into(),
        category: "c".into(),
        sound: "n".into(),
        push_type: "background".into(),
        collapse_key: "k".into(),
        priority: "high".into(),
        badge: Some(-1),
        expiry: -5,
        time_to_live: i64::MAX,
        content_available: true,
        mutable_content: true,
        delay_while_idle: true,
        extend: vec![Extend {
            key: "secret".into(),
            value: "value".into(),
        }],
        ..bare(LaneId::IOS, "m")
    };
    let keys = [
        "level",
        "time",
        "message",
        "id",
        "platform",
        "token",
        "type",
        "ptime",
        "error",
        "collapse_key",
        "delay_while_idle",
        "time_to_live",
        "title",
        "subtitle",
        "badge",
        "category",
        "sound",
        "content_available",
        "mutable_content",
        "expiry",
        "identifier",
    ];
    check_keys(&written(&accepted(&notification)), &keys);
}

#[test]
fn zero_is_not_shown() {
    let notification = Notification {
        badge: Some(0),
        ..bare(LaneId::IOS, "")
    };
    let keys = [
        "level", "time", "message", "id", "platform", "token", "type", "ptime", "error",
    ];
    check_keys(&written(&accepted(&notification)), &keys);
}

#[test]
fn ptime_is_floored_to_milliseconds() {
    let check = |time: Duration, expected: &str| {
        let mut out = Vec::new();
        seconds(&mut out, time);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{time:?}");
    };
    check(Duration::ZERO, "0");
    check(Duration::from_nanos(999_999), "0");
    check(Duration::from_millis(1), "0.001");
    check(Duration::from_millis(10), "0.01");
    check(Duration::from_millis(12), "0.012");
    check(Duration::from_millis(100), "0.1");
    check(Duration::from_millis(101), "0.101");
    check(Duration::from_micros(123_999), "0.123");
    check(Duration::from_secs(1), "1");
    check(Duration::from_millis(12_040), "12.04");
    check(Duration::from_millis(86_400_999), "86400.999");
    check(Duration::MAX, "18446744073709551615.999");
}

#[test]
fn every_ptime_reads_back_as_the_millisecond_it_was() {
    for millis in 0..2000_u32 {
        let mut out = Vec::new();
        seconds(&mut out, Duration::from_millis(millis.into()));
        let text = String::from_utf8(out).unwrap();
        // The shortest text of the nearest float, which is what Gaurun wrote.
        let expected = f64::from(millis) / 1000.0;
        assert_eq!(text, expected.to_string());
    }
}

/// What a line shows besides its fixed keys: its key, and its value if it is to be shown.
type Shown = Vec<(&'static str, Option<Value>)>;

fn shown_text(value: &str) -> Option<Value> {
    (!value.is_empty()).then(|| value.into())
}

fn shown_number(value: i64) -> Option<Value> {
    (value != 0).then(|| value.into())
}

fn shown_flag(value: bool) -> Option<Value> {
    value.then_some(true.into())
}

fn shown(n: &Notification, tail: &Tail<'_>) -> Shown {
    vec![
        ("collapse_key", shown_text(&n.collapse_key)),
        ("delay_while_idle", shown_flag(n.delay_while_idle)),
        ("time_to_live", shown_number(n.time_to_live)),
        ("title", shown_text(&n.title)),
        ("subtitle", shown_text(&n.subtitle)),
        ("badge", n.badge.and_then(shown_number)),
        ("category", shown_text(&n.category)),
        ("sound", shown_text(&n.sound)),
        ("content_available", shown_flag(n.content_available)),
        ("mutable_content", shown_flag(n.mutable_content)),
        ("expiry", shown_number(n.expiry)),
        ("identifier", shown_text(&n.identifier)),
        ("status", tail.status.map(Value::from)),
        ("reason", shown_text(tail.reason)),
        ("apns_id", tail.apns_id.map(Value::from)),
        ("attempt", tail.attempt.map(Value::from)),
        ("maybe_sent", shown_flag(tail.maybe_sent)),
        ("accepted", tail.accepted.map(Value::from)),
        ("fcm_name", tail.fcm_name.map(Value::from)),
        ("apns_unique_id", tail.apns_unique_id.map(Value::from)),
        ("token_is", tail.token_is.map(Value::from)),
        ("gone_since", tail.gone_since.map(Value::from)),
        ("send_at", tail.send_at.map(Value::from)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    // No ':' in free text, so that a key can be found by its place in the line.
    prop_oneof![
        Just(String::new()),
        "[^:]{1,12}",
        "[\\x00-\\x1f\"\\\\]{1,8}"
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), any::<i64>()]
}

prop_compose! {
    fn notification()(
        texts in proptest::collection::vec(text(), 7),
        badge in proptest::option::of(number()),
        expiry in number(),
        time_to_live in number(),
        flags in any::<[bool; 4]>(),
    ) -> Notification {
        let [ios, content_available, mutable_content, delay_while_idle] = flags;
        let text = |index: usize| texts[index].as_str().into();
        let platform = if ios { LaneId::IOS } else { LaneId::ANDROID };
        Notification {
            message: text(0),
            identifier: text(1),
            title: text(2),
            subtitle: text(3),
            category: text(4),
            sound: text(5),
            collapse_key: text(6),
            badge, expiry, time_to_live,
            content_available, mutable_content, delay_while_idle,
            ..bare(platform, "")
        }
    }
}

proptest! {
    #[test]
    fn any_push_reads_back(
        notification in notification(),
        token in text(),
        error in text(),
        reason in text(),
        id in 1..1_u64 << 53,
        millis in 0..100_000_u32,
        status in proptest::option::of(any::<u16>()),
        attempt in proptest::option::of(any::<u16>()),
        with_id in any::<bool>(),
        maybe_sent in any::<bool>(),
    ) {
        let tail = Tail {
            status,
            reason: &reason,
            apns_id: with_id.then_some(APNS_ID),
            attempt,
            maybe_sent,
            accepted: maybe_sent.then_some(&*error),
            fcm_name: (!with_id).then_some("projects/p/messages/0%1"),
            apns_unique_id: with_id.then_some(APNS_ID),
            token_is: status.map(|_| "dead"),
            gone_since: status.and(attempt).map(u64::from),
            send_at: with_id.then_some(1_796_029_200),
        };
        let line = written(&PushLine {
            line: Line::Failed,
            lane: notification.lane,
            target: TargetKind::DeviceToken,
            note: Note::of(&notification),
            id: PushId(id),
            first_id: PushId(id),
            token: PackedToken::of_text(&token),
            ptime: Duration::from_millis(millis.into()),
            error: &error,
            tail,
        });
        let object = parsed(&line);
        let fixed = [
            ("level", Value::from("error")),
            ("time", AT.into()),
            ("message", (*notification.message).into()),
            ("id", id.into()),
            ("platform", notification.lane.platform().into()),
            ("token", token.as_str().into()),
            ("type", "failed-push".into()),
        ];
        for (key, value) in &fixed {
            prop_assert_eq!(&object[*key], value);
        }
        let ptime = object["ptime"].as_f64().unwrap();
        prop_assert!((ptime * 1000.0 - f64::from(millis)).abs() < 1e-6);
        prop_assert_eq!(&object["error"], &Value::from(error.as_str()));

        let mut keys: Vec<_> = fixed.iter().map(|(key, _)| *key).collect();
        keys.extend(["ptime", "error"]);
        for (key, value) in shown(&notification, &tail) {
            prop_assert_eq!(object.get(key), value.as_ref());
            if value.is_some() {
                keys.push(key);
            }
        }
        check_keys(&line, &keys);
    }
}

#[test]
fn a_hashed_token_joins_lines_and_shows_nothing_without_its_key() {
    let hashing = |secret: &[u8]| Privacy {
        token: TokenShown::hashed(secret),
        ..Privacy::default()
    };
    let notification = hello();
    let accepted = accepted(&notification);
    let token = |privacy: &Privacy, line: Line, token: &str| {
        let line = PushLine {
            line,
            token: PackedToken::of_text(token),
            ..accepted
        };
        let written: Value = serde_json::from_str(&written_by(privacy, &line)).unwrap();
        written["token"].as_str().unwrap().to_owned()
    };
    let (one, other) = (hashing(b"one secret"), hashing(b"another secret"));
    let hash = token(&one, Line::Accepted, TOKEN);
    // HMAC-SHA-256 as openssl computes it: printf %s TOKEN | openssl dgst -sha256 -hmac "one secret"
    assert_eq!(hash, "hash:90489973749a0e66d2e5b8f295746748");
    assert_eq!(token(&one, Line::Failed, TOKEN), hash);
    assert_ne!(token(&one, Line::Accepted, "0a"), hash);
    assert_ne!(token(&other, Line::Accepted, TOKEN), hash);
    assert!(!format!("{one:?}").contains("secret"), "{one:?}");
    // However a token lies in memory, its lines are the same.
    for text in ["0a1b", "0A1B", "0a1B"] {
        let (content, note, tokens) = (Content::default(), Note::default(), [text]);
        let parcel = Parcel::new(&content, &note, &tokens.into_iter().collect());
        let lines = [parcel.token(0).unwrap(), PackedToken::of_text(text)];
        for privacy in [&Privacy::default(), &one] {
            let lines = lines.map(|token| written_by(privacy, &PushLine { token, ..accepted }));
            assert_eq!(lines[0], lines[1]);
        }
    }
}

#[test]
fn hidden_tokens_and_texts_leave_the_rest_as_it_is() {
    let notification = Notification {
        subtitle: "S".into(),
        request_id: "r-1".into(),
        ..hello()
    };
    let privacy = Privacy {
        token: TokenShown::Hidden,
        hides_message: true,
    };
    let shown = written(&accepted(&notification));
    let hidden = written_by(&privacy, &accepted(&notification));
    let expected = shown
        .replace(&format!("\"token\":\"{TOKEN}\""), "\"token\":\"\"")
        .replace("\"message\":\"hello\"", "\"message\":\"\"")
        .replace(",\"title\":\"T\",\"subtitle\":\"S\"", "");
    assert_ne!(hidden, shown);
    assert_eq!(hidden, expected);
    assert!(hidden.ends_with(",\"request_id\":\"r-1\"}"), "{hidden}");
}

#[test]
fn the_line_in_the_place_of_lost_ones_is_json_of_its_own_type() {
    let mut out = Vec::new();
    lost(&mut out, AT, "2026/11/22 05:14:00 UTC", 12);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"level\":\"warn\",\"time\":\"2026/11/22 05:15:12 UTC\",\"message\":\"12 lines of this log \
         are lost: from 2026/11/22 05:14:00 UTC on it could not be written\",\
         \"type\":\"lost-lines\",\"lines\":12}\n"
    );
}
