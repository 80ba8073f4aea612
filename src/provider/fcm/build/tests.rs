mod rules;

use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::provider::Vendor as _;
use crate::provider::fcm::Fcm;
use crate::provider::fcm::message::write_body;
use crate::provider::fixture::{UNIX, start};
use crate::push::{Extend, LaneId};

/// A notification to Android with these members.
fn notification(members: &str) -> Notification {
    let mut notification = Notification::empty(LaneId::ANDROID);
    let json: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&format!("{{{members}}}")).unwrap();
    for (name, raw) in json {
        let value: Value = serde_json::from_str(raw.get()).unwrap();
        let text = || value.as_str().unwrap_or_default().into();
        match &*name {
            "message" => notification.message = text(),
            "title" => notification.title = text(),
            "subtitle" => notification.subtitle = text(),
            "sound" if value.is_string() => notification.sound = text(),
            "category" => notification.category = text(),
            "collapse_key" => notification.collapse_key = text(),
            "priority" => notification.priority = text(),
            "push_type" => notification.push_type = text(),
            "badge" => notification.badge = value.as_i64(),
            "expiry" => notification.expiry = value.as_i64().unwrap(),
            "time_to_live" => notification.time_to_live = value.as_i64().unwrap(),
            "content_available" => notification.content_available = value == true,
            "mutable_content" => notification.mutable_content = value == true,
            "extend" => {
                let pairs: Vec<(Box<str>, Box<str>)> = serde_json::from_value(value).unwrap();
                let pairs = pairs.into_iter();
                notification.extend = pairs
                    .map(|(key, text)| Extend {
                        key,
                        value: (&*text).into(),
                    })
                    .collect();
            }
            _ => notification.native.set(String::leak(name), raw),
        }
    }
    notification
}

const SHOWN: Site = Site {
    as_gaurun: false,
    style: AndroidStyle::Notification,
    lacks_topic: false,
};

const DATA: Site = Site {
    style: AndroidStyle::Data,
    ..SHOWN
};

fn built(members: &str, site: Site) -> Result<(Built, Unused), Fault> {
    let mut unused = Unused::default();
    let built = Fcm.build(&mut notification(members), &site, start(), &mut unused);
    built.map(|built| (built, unused))
}

/// The message that the first attempt sends to `T`, less what it begins and ends with.
fn sent(members: &str, site: Site) -> String {
    let (
        Built {
            envelope, content, ..
        },
        _,
    ) = built(members, site).unwrap();
    let ttl = match envelope.lifetime {
        Lifetime::Unsaid => None,
        Lifetime::Now => Some(0),
        Lifetime::Secs(secs) => Some(secs.get().into()),
        Lifetime::Until(at) => Some(u64::from(at) - UNIX),
    };
    let mut out = Vec::new();
    let is_slotted = content.slots().ttl().is_some();
    write_body(content.parts(), "T", ttl.filter(|_| is_slotted), &mut out);
    let _json: Value = serde_json::from_slice(&out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(site: Site, members: &str, expected: &str) {
    let body = sent(members, site);
    let inside = body.strip_prefix(r#"{"message":{"token":"T""#);
    let inside = inside.and_then(|body| body.strip_suffix("}}"));
    assert_eq!(inside.unwrap_or(&body), expected, "{members}");
}

#[test]
fn a_plain_message_is_what_the_style_says() {
    for (members, shown, data) in [
        (
            r#""message":"m""#,
            r#","notification":{"body":"m"},"android":{}"#,
            r#","data":{"message":"m"},"android":{}"#,
        ),
        (
            r#""message":"m","title":"t","extend":[["k","v"]],"priority":"high","collapse_key":"c""#,
            concat!(
                r#","notification":{"title":"t","body":"m"},"data":{"k":"v"},"#,
                r#""android":{"collapse_key":"c","priority":"HIGH"}"#
            ),
            concat!(
                r#","data":{"k":"v","message":"m"},"#,
                r#""android":{"collapse_key":"c","priority":"HIGH"}"#
            ),
        ),
        // What only wakes shows nothing in either.
        (
            r#""message":"","content_available":true,"extend":[["k","v"]]"#,
            r#","data":{"k":"v"},"android":{}"#,
            r#","data":{"k":"v"},"android":{}"#,
        ),
        (
            r#""message":"","push_type":"background""#,
            r#","data":{},"android":{}"#,
            r#","data":{},"android":{}"#,
        ),
    ] {
        check(SHOWN, members, shown);
        check(DATA, members, data);
        check(
            Site {
                as_gaurun: true,
                ..DATA
            },
            r#""message":"m""#,
            r#","data":{"message":"m"},"android":{}"#,
        );
    }
}

#[test]
fn what_is_said_twice_is_no_contradiction() {
    check(
        SHOWN,
        concat!(
            r#""message":"m","title":"t","category":"C","click_action":"C","#,
            r#""android":{"notification":{"body":"m","title":"t"}}"#
        ),
        concat!(
            r#","notification":{"title":"t","body":"m"},"#,
            r#""android":{"notification":{"title":"t","body":"m","click_action":"C"}}"#
        ),
    );
    // Nor is there one where no message is said.
    check(
        SHOWN,
        r#""data":{"message":"hi"}"#,
        r#","data":{"message":"hi"},"android":{}"#,
    );
}

#[test]
fn the_key_notification_says_what_the_style_does_not() {
    check(
        DATA,
        r#""message":"m","notification":true"#,
        r#","notification":{"body":"m"},"android":{}"#,
    );
    check(
        SHOWN,
        r#""message":"m","notification":false"#,
        r#","data":{"message":"m"},"android":{}"#,
    );
    check(
        DATA,
        r#""notification":{"title":"t","body":"b","image":"https://i"}"#,
        r#","notification":{"title":"t","body":"b","image":"https://i"},"android":{}"#,
    );
    check(
        SHOWN,
        r#""message":"m","notification":{"title":"t"}"#,
        r#","notification":{"title":"t","body":"m"},"android":{}"#,
    );
    check(
        SHOWN,
        r#""message":"m","notification":null"#,
        r#","notification":{"body":"m"},"android":{}"#,
    );
}

#[test]
fn what_shows_on_a_phone_is_androids_own_too() {
    for (member, field) in [
        (r#""sound":"default""#, r#""sound":"default""#),
        (r#""sound":{"name":"ping"}"#, r#""sound":"ping""#),
        (r#""badge":3"#, r#""notification_count":3"#),
        (r#""click_action":"OPEN""#, r#""click_action":"OPEN""#),
        (r#""category":"OPEN""#, r#""click_action":"OPEN""#),
        (r#""tag":"a""#, r#""tag":"a""#),
        (r#""channel_id":"news""#, r#""channel_id":"news""#),
    ] {
        let members = format!(r#""message":"m",{member}"#);
        let expected =
            format!(r#","notification":{{"body":"m"}},"android":{{"notification":{{{field}}}}}"#);
        check(SHOWN, &members, &expected);
        let v2 = format!(
            r#","notification":{{"body":"m"}},"android_v2":{{"remote_notification":{{"notification":{{{field}}}}}}}"#
        );
        check(
            SHOWN,
            &format!(r#"{members},"android_v2":{{"remote_notification":{{}}}}"#),
            &v2,
        );
        // Where the app shows it, it says nothing.
        let (_, unused) = built(&members, DATA).unwrap();
        let name = member.split('"').nth(1).unwrap();
        assert_eq!(unused.fields, [name]);
    }
    check(
        SHOWN,
        r#""message":"m","image":"https://i/p.png""#,
        r#","notification":{"body":"m","image":"https://i/p.png"},"android":{}"#,
    );
    for (said, sent) in [
        ("high", "HIGH"),
        ("10", "HIGH"),
        ("normal", "NORMAL"),
        ("5", "NORMAL"),
        ("1", "NORMAL"),
    ] {
        check(
            SHOWN,
            &format!(r#""message":"m","priority":"{said}""#),
            &format!(r#","notification":{{"body":"m"}},"android":{{"priority":"{sent}"}}"#),
        );
    }
    check(
        SHOWN,
        r#""message":"m","collapse_id":"c""#,
        r#","notification":{"body":"m"},"android":{"collapse_key":"c"}"#,
    );
}

/// Android's own notification, each field once.
const ANDROID_NOTIFICATION: &str = concat!(
    r##""title":"T","body":"B","image":"https://i","icon":"ic","color":"#ff8800","sound":"s","##,
    r#""tag":"t","click_action":"c","title_loc_key":"tk","title_loc_args":["a"],"#,
    r#""body_loc_key":"bk","body_loc_args":[],"channel_id":"ch","ticker":"ti","sticky":true,"#,
    r#""event_time":"2026-11-30T09:00:00Z","local_only":false,"#,
    r#""notification_priority":"PRIORITY_HIGH","default_sound":true,"#,
    r#""default_vibrate_timings":false,"default_light_settings":true,"#,
    r#""vibrate_timings":["0.5s","1s"],"light_settings":{"color":{"red":1,"green":0.5,"blue":0,"#,
    r#""alpha":1},"light_on_duration":"1s","light_off_duration":"0.2s"},"visibility":"PRIVATE","#,
    r#""notification_count":3"#
);

#[test]
fn every_field_of_googles_objects_goes_out_as_it_is() {
    let android = concat!(
        r#""collapse_key":"k","priority":"HIGH","restricted_package_name":"p","data":{"a":"b"},"#,
        r#""notification":{N,"proxy":"ALLOW","bypass_proxy_notification":true},"#,
        r#""fcm_options":{"analytics_label":"l"},"direct_boot_ok":true,"#,
        r#""bandwidth_constrained_ok":true,"restricted_satellite_ok":false"#
    );
    let android = android
        .replace("{N,", "{@,")
        .replace('@', ANDROID_NOTIFICATION);
    let v2 = concat!(
        r#""collapse_key":"k","restricted_package_name":"p","data":{"a":"b"},"#,
        r#""fcm_options":{"analytics_label":"l"},"direct_boot_ok":true,"#,
        r#""bandwidth_constrained_ok":true,"restricted_satellite_ok":false,"#,
        r#""remote_notification":{"notification":{@,"id":-7},"mutable_content":true,"#,
        r#""use_as_v1_data_message":false}"#
    );
    let v2 = v2.replace('@', ANDROID_NOTIFICATION);
    let apns = concat!(
        r#""headers":{"apns-priority":"5"},"payload":{"aps":{"badge":1},"own":[1]},"#,
        r#""fcm_options":{"analytics_label":"l","image":"https://i"},"live_activity_token":"t""#
    );
    let webpush = concat!(
        r#""headers":{"TTL":"600","Topic":"a-b_1","Urgency":"high"},"data":{"a":"b"},"#,
        r#""notification":{"title":"t","actions":[{"action":"a"}],"vibrate":[1]},"#,
        r#""fcm_options":{"link":"https://l","analytics_label":"l"}"#
    );
    check(
        SHOWN,
        &format!(r#""android":{{{android}}}"#),
        &format!(r#","data":{{}},"android":{{{android}}}"#),
    );
    check(
        SHOWN,
        &format!(r#""android_v2":{{{v2}}}"#),
        &format!(r#","data":{{}},"android_v2":{{{v2}}}"#),
    );
    check(
        SHOWN,
        r#""android_v2":{"background_sync":{}},"data":{"k":"v"}"#,
        r#","data":{"k":"v"},"android_v2":{"background_sync":{}}"#,
    );
    for (name, object) in [
        ("apns", apns),
        ("webpush", webpush),
        ("fcm_options", r#""analytics_label":"l""#),
    ] {
        check(
            SHOWN,
            &format!(r#""{name}":{{{object}}}"#),
            &format!(r#","data":{{}},"android":{{}},"{name}":{{{object}}}"#),
        );
    }
}

#[test]
fn names_in_camel_case_and_words_in_any_case_are_as_good() {
    check(
        SHOWN,
        concat!(
            r#""android":{"collapseKey":"k","priority":"high","notification":{"clickAction":"c","#,
            r#""notificationPriority":"max","visibility":"public","sticky":1,"icon":null}}"#
        ),
        concat!(
            r#","data":{},"android":{"collapse_key":"k","priority":"HIGH","notification":"#,
            r#"{"click_action":"c","sticky":true,"notification_priority":"PRIORITY_MAX","#,
            r#""visibility":"PUBLIC"}}"#
        ),
    );
}

#[test]
fn data_are_texts_on_the_wire() {
    check(
        SHOWN,
        concat!(
            r#""message":"m","data":{"text":"a\"b","number":1.50,"flag":true,"none":null,"#,
            r#""list":[1, "x"],"object":{"a":{"b":null}}},"android":{"data":{"n":7}},"#,
            r#""webpush":{"headers":{"TTL":60},"data":{"n":7}},"apns":{"headers":{"apns-priority":5}}"#
        ),
        concat!(
            r#","notification":{"body":"m"},"data":{"flag":"true","list":"[1, \"x\"]","#,
            r#""number":"1.50","object":"{\"a\":{\"b\":null}}","text":"a\"b"},"#,
            r#""android":{"data":{"n":"7"}},"apns":{"headers":{"apns-priority":"5"}},"#,
            r#""webpush":{"headers":{"TTL":"60"},"data":{"n":"7"}}"#
        ),
    );
    // Beside an empty message, data are all there is.
    check(
        SHOWN,
        r#""data":{"k":1}"#,
        r#","data":{"k":"1"},"android":{}"#,
    );
    check(
        DATA,
        r#""data":{"k":1}"#,
        r#","data":{"k":"1"},"android":{}"#,
    );
    check(
        DATA,
        r#""message":"m","data":{"k":1},"extend":[["e","x"]]"#,
        r#","data":{"e":"x","k":"1","message":"m"},"android":{}"#,
    );
}

#[test]
fn a_lifetime_is_said_by_either_provider_s_word() {
    let ends = UNIX + 90;
    for (member, ttl) in [
        (r#""ttl":0"#.to_owned(), "0s"),
        (r#""ttl":600"#.to_owned(), "600s"),
        (format!(r#""expires_at":{ends}"#), "90s"),
        (r#""time_to_live":5"#.to_owned(), "5s"),
        (r#""android":{"ttl":"3.5s"}"#.to_owned(), "3s"),
        (r#""android":{"ttl":"0.9s"}"#.to_owned(), "0s"),
        (r#""android":{"ttl":"2419200s"}"#.to_owned(), "2419200s"),
        (r#""ttl":7,"android":{"ttl":"7s"}"#.to_owned(), "7s"),
        // To within a minute: the clocks differ, and a request takes its time.
        (
            format!(r#""expires_at":{ends},"android":{{"ttl":"150s"}}"#),
            "90s",
        ),
    ] {
        let members = format!(r#""message":"m",{member}"#);
        let expected = format!(r#","notification":{{"body":"m"}},"android":{{"ttl":"{ttl}"}}"#);
        check(SHOWN, &members, &expected);
    }
    check(
        SHOWN,
        r#""message":"m","android_v2":{"remote_notification":{},"ttl":"9s"}"#,
        r#","notification":{"body":"m"},"android_v2":{"remote_notification":{},"ttl":"9s"}"#,
    );
}

#[test]
fn a_trial_run_is_one() {
    let body = sent(r#""message":"m","validate_only":true"#, SHOWN);
    assert_eq!(
        body,
        r#"{"message":{"token":"T","notification":{"body":"m"},"android":{}},"validate_only":true}"#
    );
    check(
        SHOWN,
        r#""message":"m","validate_only":false"#,
        r#","notification":{"body":"m"},"android":{}"#,
    );
}

#[test]
fn each_kind_of_target_has_its_field() {
    for (member, kind, name, text) in [
        (r#""fid":"cQk3""#, TargetKind::Fid, "fid", "cQk3"),
        (r#""fid":["cQk3"]"#, TargetKind::Fid, "fid", "cQk3"),
        (r#""topic":"news""#, TargetKind::Topic, "topic", "news"),
        (
            r#""topic":"/topics/news""#,
            TargetKind::Topic,
            "topic",
            "news",
        ),
        (
            r#""condition":"'a' in topics""#,
            TargetKind::Condition,
            "condition",
            "'a' in topics",
        ),
    ] {
        let members = format!(r#""message":"m",{member}"#);
        let (built, _) = built(&members, SHOWN).unwrap();
        assert_eq!(built.envelope.target, kind);
        let [before, ..] = built.content.parts();
        let expected = format!(r#"{{"message":{{"{name}":""#);
        assert_eq!(str::from_utf8(before), Ok(&*expected));
        let targets = Fcm
            .targets(&notification(&members).native, false)
            .unwrap()
            .unwrap();
        assert_eq!((targets.field, targets.kind), (name, kind));
        assert_eq!(targets.texts, [text.into()]);
    }
    assert_eq!(
        Fcm.targets(&notification(r#""message":"m""#).native, false),
        Ok(None)
    );
    for (members, error) in [
        (r#""topic":"""#, "topic is empty"),
        (r#""topic":7"#, "topic is 7, and must be a string"),
        (
            r#""topic":"a","condition":"'a' in topics""#,
            "condition stands beside topic: a push has one target",
        ),
        (
            r#""channel":"ab12""#,
            "channel is for APNs: FCM has topic and condition",
        ),
    ] {
        let fault = Fcm
            .targets(&notification(members).native, false)
            .unwrap_err();
        assert_eq!(fault.error, error);
    }
}

#[test]
fn a_message_that_is_given_goes_out_as_it_is() {
    for (given, expected) in [
        (
            r#"{"message":{ "tomorrow" : [1] , "data":{"a":"b"}}}"#,
            r#"{"message":{"token":"T", "tomorrow" : [1] , "data":{"a":"b"}}}"#,
        ),
        (
            r#"{"message":{},"validate_only":true}"#,
            r#"{"message":{"token":"T"},"validate_only":true}"#,
        ),
        (
            r#"{"message":{},"validateOnly":true,"validate_only":null}"#,
            r#"{"message":{"token":"T"},"validate_only":true}"#,
        ),
        (
            r#"{"message":{"android":{"ttl":"9.5s","priority":"high"}}}"#,
            r#"{"message":{"token":"T","android":{"ttl":"9.5s","priority":"high"}}}"#,
        ),
    ] {
        assert_eq!(sent(&format!(r#""fcm":{given}"#), SHOWN), expected);
    }
    let (built, unused) = built(
        r#""message":"m","title":"t","tag":"x","fcm":{"message":{"android":{"ttl":"9.5s"}},"x":1}"#,
        SHOWN,
    )
    .unwrap();
    assert_eq!(built.envelope.lifetime, Lifetime::secs(9));
    assert_eq!(unused.fields, ["message", "title", "tag"]);
    assert_eq!(unused.unknown, ["fcm/x".into()]);
    for (given, told) in [
        (
            r#""ttl":5,"fcm":{"message":{"android":{"ttl":"5s"}}}"#,
            None,
        ),
        (r#""ttl":5,"fcm":{"message":{}}"#, Some("ttl")),
        (
            r#""time_to_live":5,"fcm":{"message":{}}"#,
            Some("time_to_live"),
        ),
    ] {
        let (_, unused) = self::built(given, SHOWN).unwrap();
        assert_eq!(unused.fields, Vec::from_iter(told));
    }
    let (built, unused) =
        self::built(r#""ttl":0,"topic":"t","fcm":{"message":{}}"#, SHOWN).unwrap();
    assert_eq!(unused.fields, ["ttl"]);
    assert_eq!(built.envelope.lifetime, Lifetime::Now);
    assert_eq!(built.content.parts()[0], br#"{"message":{"topic":""#);
}

#[test]
fn what_is_no_field_is_told_with_its_place() {
    let (_, unused) = built(
        concat!(
            r#""message":"m","thread_id":"t","subtitle":"s","android":{"sonud":1,"notification":"#,
            r#"{"a/b":1,"Title":"x"}},"webpush":{"x":1},"sound":{"critical":1,"name":"n"}"#
        ),
        SHOWN,
    )
    .unwrap();
    assert_eq!(unused.fields, ["subtitle", "thread_id"]);
    assert_eq!(
        unused.unknown,
        [
            "android/notification/Title",
            "android/notification/a~1b",
            "android/sonud",
            "webpush/x",
            "sound/critical",
        ]
        .map(Into::into)
    );
    let (_, unused) = built(
        r#""message":"m","priority":"high","tag":"t","android_v2":{"background_sync":{}}"#,
        SHOWN,
    )
    .unwrap();
    assert_eq!(unused.fields, ["tag", "priority"]);
}
