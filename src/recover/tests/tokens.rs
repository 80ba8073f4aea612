//! What logs say of device tokens, as files that are read.

use std::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::provider::{Row, TokenEffect, apns, fcm};

/// 05:15 of the lines.
const MINUTE: u64 = 1_795_324_500;

/// A line about a push that ended, with more keys behind.
fn ended(kind: &str, second: u64, platform: &str, token: &str, more: &Value) -> String {
    let mut line = json!({
        "level": "error", "time": format!("2026/11/22 05:15:{second:02} UTC"), "message": "hello",
        "id": 7, "platform": platform, "token": token, "type": format!("{kind}-push"), "ptime": 0,
    });
    let line_keys = line.as_object_mut().unwrap();
    line_keys.extend(more.as_object().unwrap().clone());
    format!("{line}\n")
}

fn dead(second: u64, token: &str) -> String {
    let more = json!({"reason": "Unregistered", "token_is": "dead"});
    ended("failed", second, "ios", token, &more)
}

fn gone(second: u64, since: u64, token: &str) -> String {
    let since = (MINUTE + since) * 1000;
    let more = json!({"reason": "Unregistered", "token_is": "dead", "gone_since": since});
    ended("failed", second, "ios", token, &more)
}

fn alive(second: u64, token: &str) -> String {
    ended("succeeded", second, "ios", token, &json!({"status": 200}))
}

fn found<T: AsRef<[u8]>>(texts: &[T]) -> FoundTokens {
    refused_tokens(&Logs::of(texts).paths, 0, |_, _| ()).unwrap()
}

/// The tokens that are dead, and the doubtful ones.
fn told<T: AsRef<[u8]>>(texts: &[T]) -> [Vec<String>; 2] {
    let found = found(texts).tokens;
    [found.dead, found.suspects].map(|tokens| {
        let tokens = tokens.iter().map(|it| it.token.to_string());
        tokens.collect()
    })
}

#[track_caller]
fn check_dead<T: AsRef<[u8]>>(texts: &[T], expected: &[&str]) {
    assert_eq!(told(texts)[0], expected);
}

/// Every reason of both vendors, as Sterna tells it now and as it told it before.
#[test]
fn each_documented_reason_makes_of_a_token_what_its_table_says() {
    let rows = |platform: &'static str, rows: &'static [Row]| {
        let rows = rows.iter().filter(|row| row.status != 0);
        rows.map(move |row| (platform, row))
    };
    let refined = fcm::refinements()
        .into_iter()
        .map(|(_, row)| ("android", row));
    for (platform, row) in rows("ios", apns::ROWS)
        .chain(rows("android", fcm::ROWS))
        .chain(refined)
    {
        let mut keys = json!({"error": row.meaning, "status": row.status, "reason": row.reason});
        let before = ended("failed", 1, platform, "ab", &keys);
        if let Some(word) = row.token.word() {
            keys["token_is"] = word.into();
        }
        let now = ended("failed", 1, platform, "ab", &keys);
        let one = vec!["ab".to_owned()];
        let expected = match row.token {
            TokenEffect::Keep => [vec![], vec![]],
            TokenEffect::Dead => [one, vec![]],
            TokenEffect::Suspect => [vec![], one],
        };
        for line in [before, now] {
            assert_eq!(told(&[&line]), expected, "{line}");
        }
    }
}

#[test]
fn gauruns_sentences_are_understood() {
    let of = |platform: &str, error: &str| {
        let line = ended("failed", 1, platform, "ab", &json!({ "error": error }));
        let found = found(&[&line]).tokens;
        let shown = |it: &RefusedToken| (it.reason.to_string(), it.gone_since);
        let all = [found.dead, found.suspects];
        all.map(|tokens| tokens.first().map(shown))
    };
    let since = "device token is inactive for the specified topic (last invalid at 2020-01-01 \
                 00:00:00 +0000 UTC)";
    let dead = |reason: &str, since| [Some((reason.to_owned(), since)), None];
    let suspect = |reason: &str| [None, Some((reason.to_owned(), None))];
    for (platform, error, expected) in [
        ("ios", since, dead("Unregistered", Some(1_577_836_800_000))),
        (
            "ios",
            "unknown error: ExpiredToken",
            dead("ExpiredToken", None),
        ),
        ("ios", "bad device token", suspect("BadDeviceToken")),
        ("android", "NotRegistered", dead("UNREGISTERED", None)),
        ("android", "MismatchSenderId", suspect("SENDER_ID_MISMATCH")),
        ("android", since, [None, None]),
        ("ios", "NotRegistered", [None, None]),
        ("ios", "EOF", [None, None]),
        ("ios", "", [None, None]),
    ] {
        assert_eq!(of(platform, error), expected, "{platform} {error}");
    }
}

#[test]
fn a_token_that_was_reached_after_its_time_lives() {
    check_dead(&[dead(10, "aa")], &["aa"]);
    check_dead(&[alive(9, "aa") + &dead(10, "aa")], &["aa"]);
    check_dead(&[dead(10, "aa") + &alive(11, "aa")], &[]);
    check_dead(&[dead(10, "aa") + &alive(10, "aa")], &[]);
    check_dead(&[alive(11, "aa"), dead(10, "aa")], &[]);
    check_dead(
        &[dead(10, "aa") + &alive(11, "aa") + &dead(12, "aa")],
        &["aa"],
    );
    check_dead(&[dead(10, "aa") + &alive(11, "bb")], &["aa"]);
    // Apple's time is when it died, whenever that was learnt.
    check_dead(&[alive(4, "aa") + &gone(10, 5, "aa")], &["aa"]);
    check_dead(&[alive(6, "aa") + &gone(10, 5, "aa")], &[]);
    check_dead(
        &[gone(10, 5, "aa") + &alive(6, "aa") + &gone(20, 15, "aa")],
        &["aa"],
    );
    // Of another app, or platform, it is another token; in upper case the same one.
    let app = json!({"app": "shop"});
    check_dead(
        &[dead(10, "aa") + &ended("succeeded", 11, "ios", "aa", &app)],
        &["aa"],
    );
    let android = ended("succeeded", 11, "android", "aa", &json!({}));
    check_dead(&[dead(10, "aa") + &android], &["aa"]);
    check_dead(&[dead(10, "aAbB") + &dead(11, "AABB")], &["AABB"]);
    check_dead(&[dead(10, "aabb") + &alive(11, "AABB")], &[]);
    let sandbox = json!({"environment": "sandbox"});
    check_dead(
        &[dead(10, "aa") + &ended("succeeded", 11, "ios", "aa", &sandbox)],
        &[],
    );
    assert_eq!(found(&[dead(10, "aa") + &alive(11, "aa")]).tokens.alive, 1);
}

#[test]
fn all_that_lines_say_of_a_token_is_told_once() {
    let log = [
        gone(12, 9, "aa"),
        dead(40, "bb"),
        gone(30, 9, "AA"),
        dead(20, "cc"),
    ]
    .concat();
    let found = found(&[log]);
    let token = |token: &str, gone_since: Option<u64>, first: u64, last: u64| RefusedToken {
        lane: LaneId::IOS,
        token: token.into(),
        reason: "Unregistered".into(),
        gone_since: gone_since.map(|since| (MINUTE + since) * 1000),
        first_seen: MINUTE + first,
        last_seen: MINUTE + last,
    };
    let expected = [
        token("AA", Some(9), 12, 30),
        token("cc", None, 20, 20),
        token("bb", None, 40, 40),
    ];
    assert_eq!(found.tokens.dead, expected);
    assert!(found.has_lines);
}

#[test]
fn a_token_that_is_dead_is_not_doubtful_as_well() {
    let suspect = |second| {
        let more = json!({"reason": "BadDeviceToken", "token_is": "suspect"});
        ended("failed", second, "ios", "aa", &more)
    };
    assert_eq!(told(&[suspect(1)]), [vec![], vec!["aa".to_owned()]]);
    assert_eq!(
        told(&[suspect(1) + &dead(2, "aa")]),
        [vec!["aa".to_owned()], vec![]]
    );
    assert_eq!(
        told(&[suspect(1) + &alive(2, "aa")]),
        [vec![], Vec::<String>::new()]
    );
}

#[test]
fn what_is_no_device_token_is_none_that_is_dead() {
    for (target, is_listed) in [
        ("fid", true),
        ("topic", false),
        ("condition", false),
        ("channel", false),
        ("of a later version", false),
    ] {
        let more = json!({"reason": "UNREGISTERED", "token_is": "dead", "target": target});
        let line = ended("failed", 1, "android", "news", &more);
        assert_eq!(told(&[line])[0].len(), usize::from(is_listed), "{target}");
    }
    for ours in [
        "expired",
        "purged",
        "shutdown",
        "unanswered",
        "refused",
        "too_late",
    ] {
        let line = ended(
            "failed",
            1,
            "ios",
            "aa",
            &json!({"reason": ours, "status": 410}),
        );
        check_dead(&[line], &[]);
    }
    let odd = json!({"reason": "Unregistered", "token_is": "undead"});
    check_dead(&[ended("failed", 1, "ios", "aa", &odd)], &["aa"]);
    for kind in ["accepted", "disabled", "lost"] {
        let line = ended(kind, 1, "ios", "aa", &json!({"token_is": "dead"}));
        check_dead(&[line], &[]);
    }
}

#[test]
fn refusals_before_a_time_are_passed_over() {
    let logs = Logs::of(&[dead(10, "aa") + &dead(20, "bb") + &alive(5, "cc")]);
    let listed = |since| {
        let found = refused_tokens(&logs.paths, MINUTE + since, |_, _| ()).unwrap();
        found.tokens.dead.len()
    };
    assert_eq!([10, 11, 20, 21].map(listed), [2, 1, 1, 0]);
}

#[test]
fn hidden_and_missing_and_damaged_is_counted() {
    let lost = "{\"level\":\"warn\",\"time\":\"2026/11/22 05:15:01 UTC\",\"message\":\"\",\
                \"type\":\"lost-lines\",\"lines\":12}\n";
    let hashed = dead(1, "hash:00112233445566778899aabbccddeeff");
    let log = [
        &*dead(1, ""),
        &alive(1, ""),
        lost,
        &hashed,
        "{\"type\":\"failed-push\",\"time\":\n",
        "{\"type\":\"failed-push\",\"platform\":\"ios\",\"token\":\"aa\",\"id\":1}\n",
    ];
    let found = found(&[log.concat()]);
    assert_eq!((found.hidden, found.lost, found.damaged), (1, 12, 2));
    assert_eq!(found.tokens.dead.len(), 1);
}

#[test]
fn missing_lines_are_counted_in_a_log_whose_collector_adds_much() {
    let lost = json!({"level": "warn", "time": "2026/11/22 05:15:01 UTC", "message": "",
        "type": "lost-lines", "lines": 12});
    let fields = "x".repeat(1500);
    let wrap = |line: &str| json!({"_EXE": fields, "MESSAGE": line.trim_end()}).to_string();
    let log = [dead(1, "aa"), lost.to_string()].map(|line| wrap(&line));
    assert_eq!(found(&[log.join("\n")]).lost, 12);
}

#[test]
fn a_file_without_a_line_of_a_push_log_is_refused_by_name() {
    let refused = |texts: &[&str]| {
        let logs = Logs::of(texts);
        refused_tokens(&logs.paths, 0, |_, _| ()).unwrap_err()
    };
    for foreign in [
        "127.0.0.1 - - \"POST /push HTTP/1.1\" 200\n",
        "{\"level\":\"error\",\"msg\":\"failed-push\"}\n",
        "{\"type\":\"failed-push\",\"platform\":\"ios\",\"token\":\"aa\",\"id\":1}\n",
    ] {
        let error = refused(&[&dead(1, "aa"), foreign]);
        let text = error.to_string();
        assert!(error.is_damage(), "{text}");
        assert!(text.ends_with("1.log: is no push log: 1 line, and none is JSON of one"));
    }
    let error = refused(&[&dead(1, "aa").replace("UTC", "QST")]);
    assert!(error.is_damage());
    assert!(
        error.to_string().contains("the zone \"QST\", which this"),
        "{error}"
    );
    assert!(!found(&["", "\n"]).has_lines);
    let nothing = refused_tokens(&["/nonexistent".into()], 0, |_, _| ()).unwrap_err();
    assert!(!nothing.is_damage());
}

#[test]
fn how_much_is_read_is_told_up_to_all_of_it() {
    let text = dead(1, "aa").repeat(1000);
    let logs = Logs::of(&[text.as_bytes(), &gzipped(&text)]);
    let sizes = logs
        .paths
        .iter()
        .map(|path| fs::metadata(path).unwrap().len());
    let total = sizes.sum::<u64>() * 2;
    let read = Rc::new(Cell::new(0));
    let told = Rc::clone(&read);
    let found = refused_tokens(&logs.paths, 0, move |bytes, all| {
        assert_eq!(all, total);
        told.set(told.get() + bytes);
    });
    assert_eq!(found.unwrap().tokens.dead.len(), 1);
    assert_eq!(read.get(), total);
}

/// A line as collectors wrap it, each in its way.
const WRAPPED: [fn(&str) -> String; 5] = [
    |line| {
        json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2026-11-22T05:15:01Z"})
            .to_string()
    },
    |line| json!({"MESSAGE": line, "_PID": "17", "PRIORITY": "6"}).to_string(),
    |line| json!({"@timestamp": "2026-11-22T05:15:01Z", "message": line}).to_string(),
    |line| format!("Nov 22 05:15:01 host sterna[17]: {line}"),
    |line| format!("2026-11-22T05:15:01.123456789Z stderr F {line}"),
];

#[test]
fn wrapped_logs_are_read_as_they_were_written() {
    let log = dead(10, "aa") + &dead(10, "bb") + &alive(11, "bb");
    for wrap in WRAPPED {
        let wrapped: String = log.lines().map(|line| wrap(line) + "\n").collect();
        check_dead(&[&wrapped], &["aa"]);
        check_dead(&[&gzipped(&wrapped)], &["aa"]);
        assert_eq!(found(&[&wrapped]).damaged, 0);
        let accepted = line("accepted", 1, 1, "aa") + &line("accepted", 1, 2, "bb");
        let settled = recovered("succeeded", 9, 1, 1, "aa");
        let wrapped: String = accepted.lines().map(|line| wrap(line) + "\n").collect();
        // A recovery's lines are appended as they are.
        check(&[wrapped + &settled], &[("01", 2, "bb")], 2, 0);
    }
}

#[test]
fn lines_of_other_programs_in_a_syslog_file_are_passed_over() {
    let forged = dead(10, "ff");
    let log = format!(
        "Nov 22 05:15:09 host sshd[3]: Accepted publickey\n\
         Nov 22 05:15:10 host sterna[17]: {}Nov 22 05:15:10 host other[18]: {forged}\
         Nov 22 05:15:10 host sterna[17]: got {forged}",
        dead(10, "aa")
    );
    check_dead(&[&log], &["aa"]);
}

/// Texts of callers, who know what a log looks like.
fn hostile() -> impl Strategy<Value = String> {
    let forged = Just(dead(10, "ff").trim_end().to_owned());
    let wrapped = (0..WRAPPED.len()).prop_map(|at| WRAPPED[at](dead(10, "ff").trim_end()));
    let inner = prop_oneof![forged, wrapped, any::<String>()];
    (any::<String>(), inner, any::<String>()).prop_map(|(a, inner, b)| a + &inner + &b)
}

/// A line that is no push log's, though it may have one's words.
fn foreign() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_filter("no line", |text| !text.contains('{')),
        "[{}\\[\\]:,\"a-z-]{0,40}",
        hostile().prop_map(|text| json!({"level": "error", "msg": text}).to_string()),
        hostile().prop_map(|text| json!({"type": "failed-push", "log": {"a": text}}).to_string()),
        hostile().prop_map(|text| json!({"time": "2026-11-22", "text": text}).to_string()),
        hostile().prop_map(|text| format!("127.0.0.1 GET /{text} failed-push")),
        hostile().prop_map(|text| format!("failed-push {text}")),
        (any::<prop::sample::Index>()).prop_map(|at| {
            let line = dead(10, "ff");
            let line = line.trim_end();
            line.split_at(at.index(line.len())).0.to_owned()
        }),
    ]
}

proptest! {
    #[test]
    fn no_line_is_taken_for_a_push_logs_that_is_none(
        foreign in proptest::collection::vec(foreign(), 0..20),
        texts in proptest::collection::vec(hostile(), 1..8),
        at in any::<prop::sample::Index>(),
    ) {
        // A push log of which callers have written the texts, in one file with what is none.
        let own = texts.iter().enumerate().map(|(at, text)| {
            let more = json!({
                "message": text, "title": text, "identifier": text, "error": text,
                "reason": if at == 0 { "Unregistered" } else { text },
            });
            ended("failed", 1, "ios", "aa", &more).trim_end().to_owned()
        });
        let mut lines: Vec<String> = own.collect();
        let foreign = foreign.into_iter().map(|line| line.replace(['\n', '\r'], " "));
        let place = at.index(lines.len() + 1);
        lines.splice(place..place, foreign);
        let found = found(&[lines.join("\n")]);
        let dead: Vec<_> = found.tokens.dead.iter().map(|it| &*it.token).collect();
        prop_assert_eq!(dead, ["aa"]);
        prop_assert!(found.tokens.suspects.is_empty());
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        tail in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if tail {
            bytes.extend(b"\n");
            bytes.extend(dead(1, "aa").into_bytes());
        }
        let logs = Logs::of(&[bytes]);
        let found = refused_tokens(&logs.paths, 0, |_, _| ());
        if let Ok(found) = found {
            prop_assert!(found.tokens.dead.iter().all(|it| &*it.token == "aa"));
        }
    }
}
