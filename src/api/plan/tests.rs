mod apps;
mod class;
mod message;
mod scheduled;

use super::*;
use crate::api::request::{Trailing, decode};
use crate::push::{Content, Note, Parcel};

fn rules() -> Rules {
    Rules {
        notification_max: 3,
        allows_empty_message: false,
        bulk_from: 10,
        as_gaurun: false,
        keeps_scheduled: true,
        apps: Apps::default(),
        check_token: |_, token| {
            if token.starts_with("bad") {
                Err("bad token")
            } else {
                Ok(())
            }
        },
        content: Box::new(|notification, _, unused| {
            unused
                .fields
                .extend(notification.native.get("tag").map(|_| "tag"));
            if notification.message.starts_with("long") {
                Err(provider::Fault {
                    pointer: "".into(),
                    error: "payload too large".to_owned(),
                })
            } else {
                Ok(Built {
                    content: Content::whole(notification.message.as_bytes()),
                    ..Built::nothing(notification.lane)
                })
            }
        }),
    }
}

fn planned(notifications: &str, rules: &Rules) -> Result<Plan, String> {
    planned_with(notifications, rules, &mut |_| false)
}

/// The same, where there may be room for a longer answer.
fn planned_with(
    notifications: &str,
    rules: &Rules,
    room: &mut dyn FnMut(usize) -> bool,
) -> Result<Plan, String> {
    let body = format!("{{\"notifications\":[{notifications}]}}");
    let batch = decode(
        &mut body.into_bytes(),
        rules.notification_max,
        Trailing::Ignored,
    )
    .unwrap();
    let enabled = |platform| platform == LaneId::IOS;
    let (now, keyless) = (Moment::now(), Keyless::default());
    plan(batch, now, rules, &keyless, enabled, room).map_err(|unplanned| unplanned.message)
}

/// The rejected parts as `pointer error`.
fn rejected(plan: &Plan) -> Vec<String> {
    let listed = plan.rejected.listed().iter();
    listed
        .map(|rejection| format!("{} {}", rejection.pointer(), rejection.error))
        .collect()
}

fn pushes(plan: &Plan, lane: LaneId) -> usize {
    plan.pushes().get(&lane).map_or(0, |(pushes, _)| *pushes)
}

#[test]
fn errors_of_a_notification_are_found_in_gauruns_order() {
    for (notification, error) in [
        ("{}", "invalid platform"),
        ("null", "invalid platform"),
        (
            r#"{"platform":3,"token":["a"],"message":"m"}"#,
            "invalid platform",
        ),
        (
            r#"{"platform":1,"token":["a"],"push_type":"loud"}"#,
            "empty message",
        ),
        (
            r#"{"platform":1,"token":[],"message":"m","push_type":"loud"}"#,
            "push_type must be alert or background",
        ),
        (
            r#"{"platform":1,"message":"long","token":["bad"]}"#,
            "payload too large",
        ),
    ] {
        let gauruns = Rules {
            as_gaurun: true,
            ..rules()
        };
        let plan = planned(notification, &gauruns).unwrap();
        assert_eq!(
            rejected(&plan),
            [format!("/notifications/0 {error}")],
            "{notification}"
        );
        assert_eq!(plan.refusal().as_deref(), Some(error));
    }
}

#[test]
fn a_bad_token_rejects_itself_only() {
    let notification = r#"{"platform":1,"message":"m","token":["a","","bad","b"]}"#;
    let plan = planned(&format!("{{}},{notification}"), &rules()).unwrap();
    assert_eq!(
        rejected(&plan),
        [
            "/notifications/0 invalid platform",
            "/notifications/1/token/1 empty token",
            "/notifications/1/token/2 bad token",
        ]
    );
    assert_eq!(texts(&plan.notifications[0].tokens), ["a", "b"]);
    assert_eq!(plan.notifications[0].index, 1);
    let built = plan.notifications[0].built.as_ref();
    let content = built.map(|built| &built.content);
    assert_eq!(content, Some(&Content::whole(*b"m")));
    assert_eq!((pushes(&plan, LaneId::IOS), plan.refusal()), (2, None));
}

fn texts(tokens: &DeviceTokens) -> Vec<String> {
    let packed = Parcel::new(&Content::default(), &Note::default(), tokens);
    let texts = packed.tokens().map(|token| token.text().into_owned());
    texts.collect()
}

#[test]
fn malformed_tokens_have_lines_of_their_own() {
    let first = r#"{"platform":1,"message":"m","extend":[{"key":"k","val":"v"}],"data":{"d":1},
                    "token":["bad1","a","bad2",""]}"#;
    let second = r#"{"platform":1,"message":"n","token":["bad3"]}"#;
    let of = |plan: &Plan| -> Vec<String> {
        let notifications = plan.malformed.notifications.iter();
        let texts = notifications.map(|(notification, tokens)| {
            let is_short = notification.extend.is_empty() && notification.native.is_empty();
            assert!(is_short, "no line shows them");
            format!("{} {}", notification.message, texts(tokens).join(" "))
        });
        texts.collect()
    };
    let plan = planned(&format!("{first},{second}"), &rules()).unwrap();
    assert_eq!(of(&plan), ["m bad1 bad2", "n bad3"]);
    let told = plan.rejected.faults().iter().map(|fault| &*fault.error);
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["empty token"],
        "what has no line of its own"
    );
    let plan = planned(second, &rules()).unwrap();
    assert_eq!(plan.refusal().as_deref(), Some("bad token"));
    assert!(plan.rejected.faults().is_empty());
}

#[test]
fn a_token_that_is_too_long_for_a_line_has_none() {
    for (platform, error) in [(1, "bad token"), (2, "disabled")] {
        for (length, has_line) in [(LOGGED_MAX, true), (LOGGED_MAX + 1, false)] {
            let token = "bad".to_owned() + &"-".repeat(length - 3);
            let plan = planned(
                &format!(r#"{{"platform":{platform},"message":"m","token":["{token}"]}}"#),
                &rules(),
            )
            .unwrap();
            let listed = plan.malformed.notifications.len() + plan.disabled();
            assert_eq!(listed, usize::from(has_line), "{platform} {length}");
            let faults = plan.rejected.faults().iter();
            let told: Vec<&str> = faults.map(|fault| &*fault.error).collect();
            assert_eq!(told.len(), usize::from(!has_line), "{platform} {length}");
            assert!(told.iter().all(|told| told.contains(error)), "{told:?}");
        }
    }
}

#[test]
fn a_malformed_token_that_holds_the_key_of_its_request_is_in_no_line() {
    let key = "0123456789abcdef";
    let notification = format!(r#"{{"platform":1,"message":"m","token":["bad {key}"]}}"#);
    let mut body = format!(r#"{{"notifications":[{notification}]}}"#).into_bytes();
    let batch = decode(&mut body, 3, Trailing::Ignored).unwrap();
    let plan = plan(
        batch,
        Moment::now(),
        &rules(),
        &Keyless::showing(key),
        |_| true,
        &mut |_| false,
    )
    .unwrap();
    assert_eq!(
        rejected(&plan),
        ["/notifications/0/token/0 the request's own API key is in it"]
    );
    assert!(plan.malformed.notifications.is_empty());
}

#[test]
fn a_request_without_one_good_token_is_refused_with_its_first_error() {
    let notification = r#"{"platform":1,"message":"m","token":["","bad"]}"#;
    let plan = planned(&format!("{notification},{{}}"), &rules()).unwrap();
    assert!(plan.notifications.is_empty());
    assert_eq!(plan.refusal().as_deref(), Some("empty token"));
}

#[test]
fn a_notification_without_tokens_is_no_refusal() {
    for notification in [
        r#"{"platform":1,"message":"m"}"#,
        r#"{"platform":1,"message":"m","token":null}"#,
        r#"{"platform":2,"message":"long","token":[]}"#,
    ] {
        let plan = planned(notification, &rules()).unwrap();
        assert_eq!(rejected(&plan), ["/notifications/0 no token"]);
        assert_eq!(plan.refusal(), None, "{notification}");
    }
    let plan = planned(r#"{"platform":1,"message":"m"},{}"#, &rules()).unwrap();
    assert_eq!(plan.refusal().as_deref(), Some("invalid platform"));
}

/// What stands there may be meant for a target, or have been meant to reach somebody.
#[test]
fn a_notification_that_says_more_than_gauruns_could_and_goes_to_nobody_is_refused() {
    let apple = "no target: APNs pushes to what stands in token, tokens or channel";
    let google = "no target: FCM pushes to what stands in token, tokens, fid, topic or condition";
    for (notification, pointer, error) in [
        (
            r#"{"platform":1,"message":"m","topic":"news"}"#,
            "/topic",
            apple,
        ),
        (
            r#"{"platform":1,"message":"m","token":[],"data":{},"condition":"'a' in topics"}"#,
            "/condition",
            apple,
        ),
        (r#"{"platform":1,"message":"m","data":{}}"#, "", apple),
        (r#"{"platform":2,"message":"m","fid":[]}"#, "/fid", google),
        (r#"{"platform":2,"message":"m","ttl":1}"#, "", google),
    ] {
        let plan = planned(notification, &rules()).unwrap();
        let expected = format!("/notifications/0{pointer} {error}");
        assert_eq!(rejected(&plan), [expected], "{notification}");
        assert_eq!(plan.refusal().as_deref(), Some(error), "{notification}");
        assert_eq!(plan.rejected.faults().len(), 1, "it is logged");
        let gauruns = Rules {
            as_gaurun: true,
            ..rules()
        };
        let plan = planned(notification, &gauruns).unwrap();
        assert_eq!(plan.refusal(), None, "{notification}");
    }
    let body = r#"{"strict":true,"notifications":[{"platform":1,"message":"m"}]}"#;
    let plan = strictly(body, "-").unwrap();
    assert_eq!(plan.refusal().as_deref(), Some(apple));
    let body = r#"{"platform":1,"message":"m","to":"a","data":{}}"#;
    let expected = r#"no target: "to" is no field, "token" is"#;
    let plan = planned(body, &rules()).unwrap();
    assert_eq!(plan.refusal().as_deref(), Some(expected));
}

/// Who screens the log for dead device tokens would take it for one.
#[test]
fn a_malformed_topic_or_condition_is_no_bad_device_token_of_the_log() {
    for (target, text) in [("topic", "a b"), ("condition", "a"), ("fid", "a b")] {
        let notification = format!(r#"{{"platform":2,"message":"m","{target}":"{text}"}}"#);
        let body = format!(r#"{{"notifications":[{notification}]}}"#);
        let plan = strictly(&body, "-").unwrap();
        assert!(plan.malformed.notifications.is_empty(), "{target}");
        let told = plan.rejected.faults().first().map(|fault| &*fault.error);
        assert!(
            told.is_some_and(|told| told.starts_with("the ")),
            "{told:?}"
        );
    }
}

#[test]
fn a_disabled_platform_is_no_refusal() {
    let notification = r#"{"platform":2,"message":"long","token":["bad","","a"]}"#;
    let plan = planned(notification, &rules()).unwrap();
    assert_eq!(
        rejected(&plan),
        [
            "/notifications/0/token/0 android is disabled",
            "/notifications/0/token/1 empty token",
            "/notifications/0/token/2 android is disabled",
        ]
    );
    assert_eq!(plan.notifications[0].tokens.len(), 2);
    assert_eq!(plan.notifications[0].built, None);
    assert_eq!(plan.disabled(), 2);
    assert_eq!((pushes(&plan, LaneId::ANDROID), plan.refusal()), (0, None));
}

#[test]
fn the_number_of_notifications_is_bounded() {
    assert_eq!(planned("", &rules()).unwrap_err(), "empty notification");
    assert!(planned("{},{},{}", &rules()).is_ok());
    assert_eq!(
        planned("{},{},{},{}", &rules()).unwrap_err(),
        "number of notifications(4) over limit(3)"
    );
}

#[test]
fn where_there_are_no_notifications_it_is_said_what_may_have_been_meant_for_them() {
    let key = "secret/~1-and-more";
    for (body, told) in [
        (
            r#"{"notification":[{}]}"#,
            r#""notification" is no field, "notifications" is"#,
        ),
        (
            r#"{"x":1,"notifcations":[{}]}"#,
            r#""notifcations" is no field, "notifications" is"#,
        ),
        (
            r#"{"messages":[{}]}"#,
            r#""messages" is no field, "notifications" is"#,
        ),
        (
            r#"{"x":1,"token":["a"],"platform":1}"#,
            r#""token" is a field of a notification, as in {"notifications":[{"token":…}]}"#,
        ),
        ("{}", r#""notifications" is missing"#),
        ("null", r#""notifications" is missing"#),
        (
            r#"{"Notifications":[],"messages":[{}]}"#,
            r#""notifications" has none"#,
        ),
        (
            r#"{"secret/~1-and-more":1}"#,
            r#""…" is no field, "notifications" is"#,
        ),
    ] {
        let mut bytes = body.as_bytes().to_vec();
        let batch = decode(&mut bytes, 3, Trailing::Ignored).unwrap();
        let found = plan(
            batch,
            Moment::now(),
            &rules(),
            &Keyless::showing(key),
            |_| true,
            &mut |_| false,
        )
        .unwrap_err();
        assert_eq!(found.message, "empty notification", "{body}");
        let Mistake { answer, log, .. } = found.mistake.unwrap();
        assert_eq!(answer, format!("no notifications: {told}"), "{body}");
        assert_eq!(log, answer);
    }
}

#[test]
fn texts_that_only_the_log_would_hold_are_bounded() {
    let longest = "x".repeat(LOGGED_MAX - 1);
    for (platform, field) in [
        (1, "identifier"),
        (1, "collapse_key"),
        (2, "identifier"),
        (2, "title"),
        (2, "sound"),
    ] {
        let with = |text: &str| {
            let notification = format!(
                r#"{{"platform":{platform},"message":"m","token":["a"],"{field}":"{text}"}}"#
            );
            planned(&notification, &rules()).unwrap()
        };
        assert_eq!(with(&longest).notifications.len(), 1, "{field}");
        let plan = with(&format!("{longest}x"));
        assert_eq!(
            rejected(&plan),
            ["/notifications/0 texts of 8193 bytes over limit(8192)"],
            "{platform} {field}"
        );
    }
}

#[test]
fn fields_that_gaurun_did_not_have_are_bounded() {
    for (more, rejections) in [
        (0, &[][..]),
        (
            1,
            &["/notifications/0 fields beside Gaurun's of 65537 bytes over limit(65536)"],
        ),
    ] {
        let data = "x".repeat(NATIVE_MAX - r#"{"":""}1"#.len() + more);
        let notification = format!(
            r#"{{"platform":1,"token":["a"],"message":"m","ttl":1,"data":{{"":"{data}"}}}}"#
        );
        let plan = planned(&notification, &rules()).unwrap();
        assert_eq!(rejected(&plan), rejections);
    }
}

#[test]
fn rejections_beyond_the_limit_are_counted() {
    const TOKENS: usize = 20_000;
    let tokens = vec!["\"\""; TOKENS].join(",");
    let body = format!(r#"{{"platform":1,"message":"m","token":[{tokens}]}},{{"platform":9}}"#);
    for (has_room, limit) in [(false, SURE_REJECTED), (true, MAX_REJECTED)] {
        let mut asked = Vec::new();
        let mut room = |bytes| {
            asked.push(bytes);
            has_room
        };
        let plan = planned_with(&body, &rules(), &mut room).unwrap();
        assert_eq!(asked, [MAX_REJECTED - SURE_REJECTED], "once");
        let (listed, omitted) = (plan.rejected.listed(), plan.rejected.omitted());
        assert_eq!(listed.len() + omitted, TOKENS + 1);
        let bytes = serde_json::to_string(listed).unwrap().len();
        assert!(bytes <= limit + 2, "{bytes}");
        assert!(bytes > limit - 100, "{bytes}: there was room for more");
        let faults = plan.rejected.faults().iter();
        let faults: Vec<_> = faults
            .map(|fault| (fault.notification, &*fault.error))
            .collect();
        assert_eq!(
            faults,
            [(0, "empty token"), (1, "invalid platform")],
            "of each notification, listed or not"
        );
    }
}

#[test]
fn a_fault_that_is_not_listed_any_more_refuses_the_request() {
    const EMPTY: usize = 2_000;
    let rules = Rules {
        notification_max: EMPTY + 1,
        ..rules()
    };
    let empty = vec![r#"{"platform":1,"message":"m"}"#; EMPTY].join(",");
    let plan = planned(&empty, &rules).unwrap();
    assert!(plan.rejected.omitted() > 0);
    assert_eq!(plan.refusal(), None);
    let plan = planned(&format!(r#"{empty},{{"platform":9}}"#), &rules).unwrap();
    assert_eq!(plan.refusal().as_deref(), Some("invalid platform"));
}

#[test]
fn what_holds_the_key_of_its_request_is_not_pushed_and_its_neighbours_are() {
    let key = "0123456789abcdef";
    let with = |field: &str| format!(r#"{{"platform":1,"token":["a"],"message":"m"{field}}}"#);
    let texts = [
        "message",
        "identifier",
        "title",
        "subtitle",
        "category",
        "sound",
        "collapse_key",
        "priority",
    ];
    let spoilt = texts.map(|name| with(&format!(r#","{name}":"x{key}y""#)));
    let tokens = with(&format!(r#","token":["a","{key}","{key}0"]"#));
    let body = format!(r#"{{"notifications":[{},{tokens}]}}"#, spoilt.join(","));
    let rules = Rules {
        notification_max: 9,
        ..rules()
    };
    for (api_key, told) in [
        (Some(key), true),
        (Some("0123456789abcdee"), false),
        (None, false),
    ] {
        let batch = decode(&mut body.clone().into_bytes(), 9, Trailing::Ignored).unwrap();
        let keyless = api_key.map_or_else(Keyless::default, Keyless::showing);
        let now = Moment::now();
        let plan = plan(batch, now, &rules, &keyless, |_| true, &mut |_| false).unwrap();
        let error = "the request's own API key is in it";
        let pointers = (0..texts.len()).map(|at| format!("/notifications/{at} {error}"));
        let last = format!("/notifications/{}/token/1 {error}", texts.len());
        let expected: Vec<_> = pointers.chain([last]).filter(|_| told).collect();
        assert_eq!(rejected(&plan), expected);
        assert_eq!(pushes(&plan, LaneId::IOS), if told { 2 } else { 11 });
    }
}

/// What becomes of a body, whatever is ignored in it being an error.
fn strictly(body: &str, key: &str) -> Result<Plan, Unplanned> {
    let batch = decode(&mut body.as_bytes().to_vec(), 3, Trailing::Ignored).unwrap();
    let (now, keyless) = (Moment::now(), Keyless::showing(key));
    plan(batch, now, &rules(), &keyless, |_| true, &mut |_| false)
}

#[test]
fn where_the_request_is_strict_what_would_be_ignored_refuses_its_notification() {
    let with = |fields: &str| format!(r#"{{"platform":1,"token":["a"],"message":"m"{fields}}}"#);
    let body = format!(
        r#"{{"notifications":[{},{},{}],"strict":true}}"#,
        with(r#","sonud":"s","extend":[{"key":"k","value":"v"}],"tag":1,"secret-key-of-one":1"#),
        with(""),
        with(r#","extend":[],"tag":null"#),
    );
    let plan = strictly(&body, "secret-key-of-one").unwrap();
    assert_eq!(
        rejected(&plan),
        [
            r#"/notifications/0/sonud "sonud" is no field of POST /push; "sound" is one"#,
            "/notifications/0 a name that is no field",
            r#"/notifications/0/extend/0/value "value" is no field of POST /push"#,
            r#"/notifications/0/tag "tag" has no effect in this notification for ios"#,
        ]
    );
    assert!(plan.ignored.is_empty());
    let taken: Vec<_> = plan.notifications.iter().map(|one| one.index).collect();
    assert_eq!(taken, [1, 2], "its neighbours are fine");
    let lenient = body.replace("true", "false");
    assert_eq!(
        strictly(&lenient, "of no request")
            .unwrap()
            .ignored
            .listed()
            .len(),
        4
    );
    let many: Vec<_> = (0..20).map(|n| format!(",\"x{n}\":1")).collect();
    let body = format!(
        r#"{{"strict":true,"notifications":[{}]}}"#,
        with(&many.concat())
    );
    let plan = strictly(&body, "-").unwrap();
    let last = rejected(&plan).pop();
    let expected = "/notifications/0 4 further names are no field";
    assert_eq!(last.as_deref(), Some(expected));
}

#[test]
fn where_the_request_is_strict_what_stands_beside_the_notifications_refuses_all() {
    let body = r#"{"to":1,"strict":true,"notifications":[{}],"a/b":2}"#;
    let unplanned = strictly(body, "-").unwrap_err();
    assert_eq!(unplanned.message, "unknown fields beside the notifications");
    let told = unplanned.mistake.unwrap().answer;
    assert_eq!(told, "/to, /a~1b: no field beside the notifications");
}

#[test]
fn a_key_is_found_in_fields_that_are_kept_as_they_were_written() {
    let key = "0123/456789abcde";
    for (value, is_found) in [
        (r#"{"a":["0123/456789abcde"]}"#, true),
        (r#""x0123\/456789abcdey""#, true),
        (r#""\u0030123/456789\u0061bcde""#, true),
        (r#""0123/456789abcd\\e""#, false),
        (r#""\ud83d\ude00""#, false),
    ] {
        let body = format!(
            r#"{{"notifications":[{{"platform":1,"token":["a"],"message":"m","data":{value}}}]}}"#
        );
        let plan = strictly(&body, key).unwrap();
        let expected = "/notifications/0 the request's own API key is in it";
        let expected = is_found.then(|| vec![expected.to_owned()]);
        assert_eq!(rejected(&plan), expected.unwrap_or_default(), "{value}");
    }
}

#[test]
fn device_tokens_have_two_names_and_a_single_one_needs_no_array() {
    for (tokens, pointers) in [
        (r#""tokens":["a","bad"]"#, &["tokens/1"][..]),
        (r#""token":"bad""#, &["token"]),
        (r#""tokens":"bad""#, &["tokens"]),
        (r#""token":[],"tokens":["a"]"#, &[]),
        (r#""token":"a","tokens":"a""#, &["tokens"]),
    ] {
        let notification = format!(r#"{{"platform":"ios","message":"m",{tokens}}}"#);
        let plan = planned(&notification, &rules()).unwrap();
        let found = plan.rejected.listed().iter().map(Rejection::pointer);
        let expected = pointers
            .iter()
            .map(|part| format!("/notifications/0/{part}"));
        assert!(found.eq(expected), "{tokens}: {:?}", rejected(&plan));
    }
}
