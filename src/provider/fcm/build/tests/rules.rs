//! What breaks a rule, and the error that names it.

use super::*;
use crate::provider::fcm::DATA_MAX;

/// What a caller says, and what the error names: where, and what is wrong.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        r#""android":7"#,
        "android",
        "android is 7, and must be an object",
    ),
    (
        r#""android":{"ttl":9}"#,
        "android/ttl",
        "is 9, and must be a string",
    ),
    (
        r#""android":{"ttl":"9"}"#,
        "android/ttl",
        "is \"9\", and must be seconds such as",
    ),
    (
        r#""android":{"ttl":"2419200.5s"}"#,
        "android/ttl",
        "and must be between \"0s\" and",
    ),
    (
        r#""android":{"priority":"urgent"}"#,
        "android/priority",
        "must be one of NORMAL, HIGH",
    ),
    (
        r#""android":{"direct_boot_ok":"yes"}"#,
        "android/direct_boot_ok",
        "must be true or false",
    ),
    (
        r#""android":{"collapse_key":"a","collapseKey":"b"}"#,
        "android/collapse_key",
        "stands beside android/collapseKey: say one",
    ),
    (
        r#""android":{"data":{"from":"x"}}"#,
        "android/data/from",
        "is a key that FCM reserves",
    ),
    (
        r##""android":{"notification":{"color":"#ff88"}}"##,
        "android/notification/color",
        "must be a colour such as",
    ),
    (
        r#""android":{"notification":{"event_time":"now"}}"#,
        "android/notification/event_time",
        "must be a time such as",
    ),
    (
        r#""android":{"notification":{"notification_count":-1}}"#,
        "android/notification/notification_count",
        "must be an integer of 0 or more",
    ),
    (
        r#""android":{"notification":{"notification_count":2147483648}}"#,
        "android/notification/notification_count",
        "must be at most 2147483647",
    ),
    (
        r#""android":{"notification":{"title_loc_args":["a"]}}"#,
        "android/notification",
        "has title_loc_args, and no title_loc_key",
    ),
    (
        r#""android":{"notification":{"title_loc_args":"a"}}"#,
        "android/notification/title_loc_args",
        "must be an array of strings",
    ),
    (
        r#""android":{"notification":{"vibrate_timings":["1"]}}"#,
        "android/notification/vibrate_timings",
        "has \"1\", and each must be seconds",
    ),
    (
        r#""android":{"notification":{"visibility":"HIDDEN"}}"#,
        "android/notification/visibility",
        "must be one of VISIBILITY_UNSPECIFIED, PRIVATE, PUBLIC, SECRET",
    ),
    (
        r#""android":{"notification":{"light_settings":{"light_on_duration":"1s"}}}"#,
        "android/notification/light_settings",
        "has no color, which it must have",
    ),
    (
        r#""android":{"notification":{"light_settings":{"color":{"red":2}}}}"#,
        "android/notification/light_settings/color/red",
        "must be between 0 and 1",
    ),
    (
        r#""android":{"notification":{"image":"http://i"}}"#,
        "android/notification/image",
        "must be an https:// address",
    ),
    (
        r#""android":{"notification":{"proxy":"MAYBE"}}"#,
        "android/notification/proxy",
        "must be one of PROXY_UNSPECIFIED, ALLOW",
    ),
    (
        r#""android":{},"android_v2":{"background_sync":{}}"#,
        "android_v2",
        "stands beside android: FCM takes one of them",
    ),
    (
        r#""android_v2":{}"#,
        "android_v2",
        "must have one of remote_notification and background_sync, and has 0",
    ),
    (
        r#""android_v2":{"background_sync":{},"remote_notification":{}}"#,
        "android_v2",
        "and has 2",
    ),
    (
        r#""android_v2":{"remote_notification":{"notification":{"id":2147483648}}}"#,
        "android_v2/remote_notification/notification/id",
        "must be an integer that fits 32 bits",
    ),
    (
        r#""fcm_options":{"analytics_label":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#,
        "fcm_options/analytics_label",
        "must be 1 to 50 letters, digits and -_.~%",
    ),
    (
        r#""webpush":{"headers":{"TTL":"soon"}}"#,
        "webpush/headers/TTL",
        "must be seconds such as \"600\"",
    ),
    (
        r#""webpush":{"headers":{"urgency":"max"}}"#,
        "webpush/headers/urgency",
        "must be very-low, low, normal or high",
    ),
    (
        r#""webpush":{"headers":{"Topic":"a b"}}"#,
        "webpush/headers/Topic",
        "must be 1 to 32 letters, digits and -_",
    ),
    (
        r#""webpush":{"fcm_options":{"link":"http://l"}}"#,
        "webpush/fcm_options/link",
        "must be an https:// address",
    ),
    (
        r#""webpush":{"notification":[]}"#,
        "webpush/notification",
        "is an array, and must be an object",
    ),
    (
        r#""apns":{"payload":"x"}"#,
        "apns/payload",
        "is a string, and must be an object",
    ),
    (
        r#""message":"m","data":{"google.x":1}"#,
        "data/google.x",
        "data must not have the key \"google.x\", which FCM reserves",
    ),
    (
        r#""message":"m","extend":[["from","x"]],"ttl":1"#,
        "",
        "extend must not have the key \"from\", which FCM reserves",
    ),
    (
        r#""message":"m","data":{"k":1},"extend":[["k","x"]]"#,
        "data/k",
        "stands in extend, too",
    ),
    (
        r#""message":"m","badge":-1"#,
        "badge",
        "badge is -1, and must not be negative",
    ),
    (
        r#""message":"m","image":"x""#,
        "image",
        "must be an https:// address",
    ),
    (
        r#""message":"m","priority":"7""#,
        "priority",
        "priority is \"7\", and must be",
    ),
    (
        r#""message":"m","ttl":2419201"#,
        "ttl",
        "FCM keeps a message for at most 2419200 (28 days)",
    ),
    (
        r#""message":"m","ttl":-1"#,
        "ttl",
        "must be an integer of 0 or more",
    ),
    (
        r#""message":"m","expires_at":1"#,
        "expires_at",
        "has passed",
    ),
    (
        r#""message":"m","time_to_live":-1,"tag":"t""#,
        "time_to_live",
        "must be between 0 and 2419200",
    ),
    (
        r#""notification":true"#,
        "notification",
        "there is no message, title or image to show",
    ),
    (
        r#""notification":{}"#,
        "notification",
        "notification asks for one, and there is no message",
    ),
    (
        r#""message":"m","notification":7"#,
        "notification",
        "notification is 7, and must be true, false or an object",
    ),
    (
        r#""message":"m","validate_only":7"#,
        "validate_only",
        "must be true or false",
    ),
    (
        r#""message":"m","notification":{"body":"other"}"#,
        "notification/body",
        "stands beside message, which says something else",
    ),
    (
        r#""message":"m","android":{"notification":{"body":"other"}}"#,
        "android/notification/body",
        "stands beside message, which says something else",
    ),
    (
        r#""message":"m","image":"https://a/b","android":{"notification":{"image":"https://c/d"}}"#,
        "android/notification/image",
        "stands beside image, which says something else",
    ),
    (
        r#""message":"m","click_action":"A","category":"B""#,
        "click_action",
        "stands beside category, which says something else",
    ),
    (
        r#""message":"m","tag":"a","android":{"notification":{"tag":"b"}}"#,
        "android/notification/tag",
        "stands beside tag, which says something else",
    ),
    (
        r#""message":"m","priority":"high","android":{"priority":"normal"}"#,
        "android/priority",
        "stands beside priority, which says something else",
    ),
    (
        r#""message":"m","collapse_key":"a","android":{"collapse_key":"b"}"#,
        "android/collapse_key",
        "stands beside collapse_key, which says something else",
    ),
    (
        r#""message":"m","ttl":1,"android":{"ttl":"2s"}"#,
        "android/ttl",
        "stands beside ttl, which says something else",
    ),
    (
        r#""message":"m","time_to_live":1,"android":{"ttl":"2s"}"#,
        "android/ttl",
        "stands beside time_to_live, which says something else",
    ),
    (
        r#""message":"m","expires_at":1790000090,"android":{"ttl":"151s"}"#,
        "android/ttl",
        "stands beside expires_at, which says something else",
    ),
    (
        r#""message":"m","notification":false,"data":{"message":"x"}"#,
        "data/message",
        "stands beside message, which says something else",
    ),
    (r#""fcm":{}"#, "fcm", "fcm has no message"),
    (
        r#""validate_only":false,"fcm":{"message":{},"validate_only":true}"#,
        "fcm/validate_only",
        "stands beside validate_only, which says something else",
    ),
    (
        r#""fcm":{"message":{},"validate_only":"yes"}"#,
        "fcm/validate_only",
        "must be true or false",
    ),
    (
        r#""fcm":{"message":{"token":"x"}}"#,
        "fcm/message/token",
        "is put in by Sterna",
    ),
    (
        r#""fcm":{"message":{"topic":"x"}}"#,
        "fcm/message/topic",
        "is put in by Sterna",
    ),
    (
        r#""fcm":{"message":[]}"#,
        "fcm/message",
        "must be an object",
    ),
    (
        r#""ttl":1,"fcm":{"message":{"android":{"ttl":"2s"}}}"#,
        "fcm/message/android/ttl",
        "stands beside ttl, which says something else",
    ),
];

#[test]
fn each_rule_that_is_broken_is_named() {
    for (members, pointer, error) in BROKEN {
        let fault = built(members, SHOWN).expect_err(members);
        assert_eq!(fault.pointer, *pointer, "{members}: {}", fault.error);
        assert!(fault.error.contains(error), "{members}: {}", fault.error);
    }
}

/// By the short way of a body that is Gaurun's, too.
#[test]
fn data_style_names_the_places_too() {
    let large = format!(r#""message":"{}""#, "x".repeat(DATA_MAX));
    for (members, pointer) in [
        (r#""message":"m","priority":"7""#, "priority"),
        (r#""message":"m","time_to_live":-1"#, "time_to_live"),
        (&large, "message"),
    ] {
        assert_eq!(built(members, DATA).unwrap_err().pointer, pointer);
    }
}

#[test]
fn what_is_surely_too_large_is_refused_with_its_largest_part() {
    let of = |members: &str| built(members, SHOWN).map(|_| ());
    let text = |len: usize| "x".repeat(len);
    for (members, pointer, over) in [
        (
            format!(r#""message":"{}""#, text(DATA_MAX - 3)),
            "message",
            1,
        ),
        (
            format!(r#""message":"m","data":{{"a":"b","k":"{}"}}"#, text(4096)),
            "data/k",
            4 + 1 + 2 + 1,
        ),
        (
            format!(
                r#""message":"m","android":{{"data":{{"k":"{}"}}}}"#,
                text(4096)
            ),
            "android/data/k",
            4 + 1 + 1,
        ),
        (
            format!(r#""message":"m","tag":"{}""#, text(4096)),
            "tag",
            4 + 1 + 3,
        ),
        (
            format!(r#""fcm":{{"message":{{"data":{{"k":"{}"}}}}}}"#, text(4096)),
            "fcm/message/data/k",
            1,
        ),
        (
            format!(
                r#""fcm":{{"message":{{"data":{{"a":"b"}},"android":{{"data":{{"k":"{}"}}}}}}}}"#,
                text(4096)
            ),
            "fcm/message/android/data/k",
            1,
        ),
        (
            format!(
                r#""fcm":{{"message":{{"androidV2":{{"remote_notification":{{"notification":{{"tag":"{}"}}}}}}}}}}"#,
                text(4096)
            ),
            "fcm/message/androidV2/remote_notification/notification/tag",
            3,
        ),
        (
            format!(
                r#""notification":{{"body":"x"}},"android":{{"notification":{{"body":"{}"}}}}"#,
                text(4096)
            ),
            "android/notification/body",
            4,
        ),
    ] {
        let fault = of(&members).unwrap_err();
        assert_eq!(fault.pointer, pointer);
        let said = format!(
            "are {} bytes, {over} more than the 4096 that FCM takes; the largest part is {pointer}",
            4096 + over
        );
        assert!(fault.error.contains(&said), "{}", fault.error);
    }
    assert_eq!(
        of(&format!(r#""message":"{}""#, text(DATA_MAX - 4))),
        Ok(())
    );
    // What Android has of its own takes the place of what is common, which is for others then.
    for message in [
        r#""data":{"k":"T"},"android":{"data":{"k":"T"}}"#,
        r#""notification":{"body":"T"},"android":{"notification":{"body":"T"}}"#,
        concat!(
            r#""notification":{"body":"T"},"#,
            r#""android_v2":{"remote_notification":{"notification":{"body":"T"}}}"#
        ),
    ] {
        let message = message.replace('T', &text(4000));
        assert_eq!(of(&message), Ok(()));
        assert_eq!(of(&format!(r#""fcm":{{"message":{{{message}}}}}"#)), Ok(()));
    }
}

#[test]
fn a_payload_for_ios_that_apns_would_not_take_is_refused_by_its_place() {
    let of = |members: &str| built(members, SHOWN).map(|_| ());
    // Blanks are Google's to leave out.
    let payload = |len: usize| {
        let around = r#"{"aps":{"a":""}}"#.len();
        format!(
            r#"{{ "aps" : {{ "a" : "{}" }} }}"#,
            "x".repeat(len - around)
        )
    };
    for (pointer, before, behind) in [
        ("apns/payload", r#""apns":{"payload":"#, "}"),
        (
            "fcm/message/apns/payload",
            r#""fcm":{"message":{"apns":{"payload":"#,
            "}}}",
        ),
    ] {
        let said = |len| format!("{before}{}{behind}", payload(len));
        assert_eq!(of(&said(4096)), Ok(()), "{pointer}");
        let fault = of(&said(4097)).unwrap_err();
        let error = format!("{pointer} is 4097 bytes, and APNs takes at most 4096: 1 too many");
        assert_eq!((&*fault.pointer, fault.error), (pointer, error));
    }
}
