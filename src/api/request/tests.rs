use proptest::prelude::*;

use super::*;

fn read(body: &[u8]) -> Result<Batch, ()> {
    decode(&mut body.to_vec(), 100, Trailing::Ignored).map_err(drop)
}

/// The only notification of a body.
fn one(notification: &str) -> Asked {
    let batch = read(format!("{{\"notifications\":[{notification}]}}").as_bytes()).unwrap();
    assert_eq!((batch.count, batch.notifications.len()), (1, 1));
    batch.notifications.into_iter().next().unwrap()
}

fn tokens(list: &[&str]) -> Tokens {
    Tokens {
        list: list.iter().map(|token| Text::from(*token)).collect(),
        is_single: false,
    }
}

fn extend(pairs: &[(&str, &str)]) -> AskedExtend {
    let entry = |&(key, val): &(&str, &str)| (key.into(), val.into());
    AskedExtend {
        entries: pairs.iter().map(entry).collect(),
        len: pairs.iter().map(|(key, val)| key.len() + val.len()).sum(),
        ..AskedExtend::default()
    }
}

/// What it says, however often.
fn said(asked: AskedExtend) -> AskedExtend {
    AskedExtend { count: 0, ..asked }
}

#[test]
fn of_equal_keys_in_extend_the_last_counts() {
    let many = vec![r#"{"key":"a","val":"1"}"#; 10_000].join(",");
    let body = format!(r#"{{"extend":[{many},{{"key":"b"}},{{"key":"a","val":"23"}},{{}},null]}}"#);
    assert_eq!(
        said(one(&body).extend),
        extend(&[("", ""), ("a", "23"), ("b", "")])
    );
}

#[test]
fn of_an_extend_that_nobody_takes_only_the_length_is_kept() {
    let item = |key: usize| format!(r#"{{"key":"{key:04}","val":"1234"}}"#);
    for (items, kept) in [(1024, 1024), (1025, 0), (5000, 0)] {
        let all: Vec<_> = (0..items).map(item).collect();
        let found = one(&format!(r#"{{"extend":[{}]}}"#, all.join(","))).extend;
        assert_eq!((found.entries.len(), found.len), (kept, items * 8));
    }
    let long = format!(r#"{{"extend":[{{"val":"{}"}}]}}"#, "x".repeat(8193));
    assert_eq!(one(&long).extend.entries.len(), 0);
}

#[test]
fn each_target_that_a_request_names_counts() {
    for (notifications, targets) in [
        (r#"{"token":["a","","\u0000"]}"#, 3),
        (r#"{"token":"a"},{"tokens":["b","c"],"token":[]}"#, 3),
        (r#"{"topic":"t"},{"condition":"c"},{"fid":"f"},{}"#, 4),
        (r#"{"fid":["f","g"]},{"fid":3},{"token":null}"#, 4),
        (r#"{"channel":["c","d","e"]},{"channel":"c"}"#, 4),
    ] {
        let body = format!("{{\"notifications\":[{notifications}]}}");
        let batch = read(body.as_bytes()).unwrap();
        assert_eq!(batch.targets(), targets, "{notifications}");
    }
}

#[test]
fn every_field_is_read() {
    let asked = one(
        r#"{"token":["a","b"],"platform":1,"message":"m","identifier":"i","title":"t",
            "subtitle":"s","category":"c","sound":"d","push_type":"alert","collapse_key":"k",
            "priority":"high","badge":0,"expiry":-3,"time_to_live":4,"content_available":true,
            "mutable_content":true,"delay_while_idle":true,"extend":[{"key":"x","val":"y"}],
            "retry":"ignored","seq_id":{}}"#,
    );
    assert_eq!(
        asked,
        Asked {
            token: Some(tokens(&["a", "b"])),
            tokens: None,
            platform: Platform(1),
            message: "m".into(),
            identifier: "i".into(),
            title: "t".into(),
            subtitle: "s".into(),
            category: "c".into(),
            sound: Sound("d".into()),
            push_type: "alert".into(),
            collapse_key: "k".into(),
            priority: WordOrNumber("high".into()),
            badge: Some(0),
            expiry: -3,
            time_to_live: 4,
            content_available: true,
            mutable_content: true,
            delay_while_idle: true,
            extend: AskedExtend {
                count: 1,
                ..extend(&[("x", "y")])
            },
            native: Native::default(),
            unknown: Unknown {
                paths: vec!["retry".into(), "seq_id".into()],
                count: 2,
            },
        }
    );
}

#[test]
fn what_gaurun_did_not_have_is_kept_as_it_was_written() {
    let asked = one(r#"{"ttl":1.50,"Data":{ "a":[1] },"image":null,"TTL":"x","ttl":null}"#);
    let said: Vec<_> = asked
        .native
        .iter()
        .map(|(name, raw)| (name, raw.get()))
        .collect();
    assert_eq!(said, [("ttl", "\"x\""), ("data", "{ \"a\":[1] }")]);
    assert!(asked.unknown.paths.is_empty());
    assert!(one(r#"{"message":"m"}"#).native.is_empty());
}

#[test]
fn whether_a_request_is_strict_may_be_said_before_or_behind_its_notifications() {
    for (body, strict) in [
        (r#"{"strict":true,"notifications":[{}]}"#, Some(true)),
        (r#"{"notifications":[{}],"Strict":true}"#, Some(true)),
        (
            r#"{"strict":true,"notifications":[],"notifications":[{}],"strict":null}"#,
            Some(true),
        ),
        (
            r#"{"strict":true,"notifications":[{}],"strict":false}"#,
            Some(false),
        ),
        (r#"{"notifications":[{}]}"#, Some(false)),
        (r#"{"strict":1,"notifications":[{}]}"#, None),
    ] {
        let found = read(body.as_bytes())
            .ok()
            .map(|batch| (batch.strict, batch.count));
        assert_eq!(found, strict.map(|strict| (strict, 1)), "{body}");
    }
}

#[test]
fn what_gaurun_took_in_one_form_may_come_in_others() {
    for field in ["token", "tokens"] {
        let asked = one(&format!(r#"{{"{field}":"a","platform":"ios"}}"#));
        let single = Tokens {
            is_single: true,
            ..tokens(&["a"])
        };
        let found = if field == "token" {
            asked.token
        } else {
            asked.tokens
        };
        assert_eq!(found, Some(single));
        assert_eq!(asked.platform, Platform(1));
    }
    assert_eq!(one(r#"{"platform":"android"}"#).platform, Platform(2));
    assert_eq!(&*one(r#"{"priority":10}"#).priority.0, "10");
    let asked = one(r#"{"sound":{"critical":1},"extend":[{"key":"a","val":{"b":[1]}}]}"#);
    assert_eq!(asked.sound.0.as_str(), r#"{"critical":1}"#);
    assert_eq!(asked.extend.entries["a"].as_str(), r#"{"b":[1]}"#);
    assert_eq!(asked.extend.len, 10);
    // Strings, with an escape in them and without one.
    let asked = one(
        r#"{"sound":"ü \u0062\"","priority":"\u0068igh","extend":[{"key":"a","val":" c "},
            {"key":"b","val":"\\"},{"key":"c","val":""},{"key":"d","val":"\""}]}"#,
    );
    let texts = [asked.sound.0.as_str(), &asked.priority.0];
    assert_eq!(texts, ["ü b\"", "high"]);
    let vals = asked.extend.entries.values().map(ExtendValue::as_str);
    assert_eq!(vals.collect::<Vec<_>>(), [" c ", "\\", "", "\""]);
    for body in [
        r#"{"platform":"iOS"}"#,
        r#"{"platform":"windows"}"#,
        r#"{"priority":1.5}"#,
        r#"{"priority":true}"#,
        r#"{"sound":1}"#,
        r#"{"sound":[]}"#,
        "{\"sound\":\"\t\"}",
        r#"{"sound":"\x"}"#,
        r#"{"tokens":1}"#,
    ] {
        let body = format!("{{\"notifications\":[{body}]}}");
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn names_match_whatever_their_case() {
    for name in [
        "message",
        "Message",
        "MESSAGE",
        "mE\\u0053sage",
        "meſſage",
        "\\u006dessage",
    ] {
        assert_eq!(
            &*one(&format!("{{\"{name}\":\"m\"}}")).message,
            "m",
            "{name}"
        );
    }
    assert_eq!(
        one("{\"TO\u{212a}EN\":[\"a\"]}")
            .token
            .map(|token| token.list.len()),
        Some(1)
    );
    assert_eq!(
        said(one(r#"{"Extend":[{"KEY":"a","Val":"b"}]}"#).extend),
        extend(&[("a", "b")])
    );
    assert_eq!(read(br#"{"Notifications":[{}]}"#).unwrap().count, 1);
    for name in ["messag", "messages", "me ssage", "", "mèssage"] {
        let mut asked = one(&format!("{{\"{name}\":\"m\"}}"));
        assert_eq!(std::mem::take(&mut asked.unknown).paths, [name.into()]);
        assert_eq!(asked, Asked::default(), "{name}");
    }
}

#[test]
fn null_leaves_what_was_there() {
    let nulls = r#""message":null,"platform":null,"badge":null,"content_available":null"#;
    assert_eq!(
        one(&format!("{{{nulls},\"token\":null,\"extend\":null}}")),
        Asked {
            token: Some(tokens(&[])),
            ..Asked::default()
        }
    );
    let asked = one(&format!(
        r#"{{"message":"m","platform":2,"badge":5,"content_available":true,{nulls}}}"#
    ));
    assert_eq!(
        (&*asked.message, asked.platform, asked.badge),
        ("m", Platform(2), Some(5))
    );
    assert!(asked.content_available);
    assert_eq!(
        one(r#"{"token":["a"],"token":null}"#).token,
        Some(tokens(&[]))
    );
    assert_eq!(one("null"), Asked::default());
    assert_eq!(
        one(r#"{"token":[null,"a"]}"#).token,
        Some(tokens(&["", "a"]))
    );
    let null = said(one(r#"{"extend":[null]}"#).extend);
    assert_eq!(null, extend(&[("", "")]));
    assert_eq!(
        one(r#"{"extend":[{"key":"a"}],"extend":null}"#).extend,
        extend(&[])
    );
    assert_eq!(read(b"null"), Ok(Batch::default()));
    let none = Batch {
        are_named: true,
        ..Batch::default()
    };
    for body in [
        &br#"{"notifications":null}"#[..],
        br#"{"notifications":[{}],"notifications":null}"#,
    ] {
        assert_eq!(read(body).as_ref(), Ok(&none));
    }
}

#[test]
fn the_last_of_two_wins() {
    assert_eq!(&*one(r#"{"message":"a","Message":"b"}"#).message, "b");
    assert_eq!(
        one(r#"{"token":["a","b"],"token":["c"]}"#).token,
        Some(tokens(&["c"]))
    );
    let batch = read(br#"{"notifications":[{},{}],"NOTIFICATIONS":[{"platform":2}]}"#).unwrap();
    let platform = batch.notifications[0].platform;
    assert_eq!((batch.count, platform), (1, Platform(2)));
}

#[test]
fn integers_have_sixty_four_bits_and_no_fraction() {
    for (number, value) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("1.0", None),
        ("1e0", None),
        ("-0.0", None),
        ("\"1\"", None),
        ("true", None),
        ("[]", None),
        ("{}", None),
        ("01", None),
        ("+1", None),
        ("0x1", None),
    ] {
        for field in ["platform", "badge", "expiry", "time_to_live"] {
            let body = format!("{{\"notifications\":[{{\"{field}\":{number}}}]}}");
            let found = read(body.as_bytes()).ok().map(|batch| {
                let asked = &batch.notifications[0];
                asked.badge.unwrap_or(0) + asked.platform.0 + asked.expiry + asked.time_to_live
            });
            assert_eq!(found, value, "{body}");
        }
    }
}

#[test]
fn a_wrong_type_anywhere_is_malformed() {
    for body in [
        "[]",
        "1",
        "\"x\"",
        "true",
        r#"{"notifications":{}}"#,
        r#"{"notifications":"x"}"#,
        r#"{"notifications":[1]}"#,
        r#"{"notifications":[[]]}"#,
        r#"{"notifications":[{"token":"[\"a\"]"}]}"#,
        r#"{"notifications":[{"token":[1]}]}"#,
        r#"{"notifications":[{"token":[["a"]]}]}"#,
        r#"{"notifications":[{"token":{}}]}"#,
        r#"{"notifications":[{"message":1}]}"#,
        r#"{"notifications":[{"message":[]}]}"#,
        r#"{"notifications":[{"content_available":1}]}"#,
        r#"{"notifications":[{"content_available":"true"}]}"#,
        r#"{"notifications":[{"extend":{"key":"a","val":"b"}}]}"#,
        r#"{"notifications":[{"extend":[{"key":1}]}]}"#,
        r#"{"notifications":[{"extend":["a"]}]}"#,
        r#"{"notifications":[{},{},{"message":1}]}"#,
    ] {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn what_is_no_json_is_malformed() {
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"{\"notifications\":[{}]",
        b"{'notifications':[]}",
        b"{\"notifications\":[{},]}",
        b"{notifications:[]}",
        b"\xef\xbb\xbf{}",
        b"nul",
        b"{\"a\":\"\n\"}",
        b"{\"notifications\":[{\"message\":\"\t\"}]}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\u12\"}",
        b"{\"a\":NaN}",
        b"{\"a\":.5}",
        b"// x\n{}",
        b"\xff{}",
    ] {
        assert!(read(body).is_err(), "{body:?}");
    }
}

#[test]
fn text_after_the_value_is_ignored_unless_the_level_is_debug() {
    for body in [&b"{}x"[..], b"{} {", b"nullnull", b"{}\xff", b"{}]"] {
        assert_eq!(read(body), Ok(Batch::default()), "{body:?}");
        assert!(
            decode(&mut body.to_vec(), 100, Trailing::Refused).is_err(),
            "{body:?}"
        );
    }
    assert!(decode(&mut b" {} \r\n\t".to_vec(), 100, Trailing::Refused).is_ok());
}

#[test]
fn what_is_not_unicode_becomes_the_replacement_character() {
    for (string, text) in [
        (&b"a\xffb"[..], "a\u{fffd}b"),
        (b"\xf0\x9f\x98", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
        (br"\ud800", "\u{fffd}"),
        (br"\uDC00x", "\u{fffd}x"),
        (br"\ud800\ud800", "\u{fffd}\u{fffd}"),
        (br"\udc00\ud800", "\u{fffd}\u{fffd}"),
        (br"\ud800\u0041", "\u{fffd}A"),
        (br"\ud800\n", "\u{fffd}\n"),
        (br"\ud83d\ude00", "\u{1f600}"),
        (br"\ud800\uD83D\uDE00", "\u{fffd}\u{1f600}"),
        (br"\\ud800", "\\ud800"),
        (br"\\\ud800", "\\\u{fffd}"),
        (br"\u0000\u2028\/", "\0\u{2028}/"),
    ] {
        let body = [br#"{"notifications":[{"message":""#, string, br#""}]}"#].concat();
        let batch = read(&body).unwrap_or_else(|()| panic!("{text:?}"));
        assert_eq!(&*batch.notifications[0].message, text);
    }
    let in_a_name = read(b"{\"\xff\":1,\"\\ud800\":2,\"notifications\":[{}]}");
    assert_eq!(in_a_name.unwrap().count, 1);
}

#[test]
fn unknown_fields_are_skipped_however_deep() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"a":{deep},"notifications":[{{"b":{{"c":[1.5e9]}},"platform":1}}]}}"#);
    let platform = read(body.as_bytes()).unwrap().notifications[0].platform;
    assert_eq!(platform, Platform(1));
}

#[test]
fn notifications_beyond_the_limit_are_counted_and_checked_but_not_kept() {
    let decode = |body: &str| decode(&mut body.as_bytes().to_vec(), 2, Trailing::Ignored);
    let batch = decode(r#"{"notifications":[{},{},{},{}]}"#).unwrap();
    assert_eq!((batch.count, batch.notifications.len()), (4, 2));
    assert!(decode(r#"{"notifications":[{},{},{},{"platform":""}]}"#).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes));
    }

    #[test]
    fn no_escapes_make_it_panic(text in r#"(\\|\\u|d800|D8|dc|[0-9a-f"\\u]){0,40}"#) {
        let body = format!(r#"{{"notifications":[{{"message":"{text}"}}]}}"#);
        drop(read(body.as_bytes()));
    }

    #[test]
    fn every_text_arrives_as_it_was_written(text in "\\PC{0,40}") {
        let body = serde_json::json!({"notifications": [{"message": text}]}).to_string();
        let batch = read(body.as_bytes()).unwrap();
        prop_assert_eq!(&*batch.notifications[0].message, text.as_str());
    }
}
