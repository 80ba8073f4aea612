use super::{Message, Target, Violation};

fn refused(body: &str) -> Violation {
    Message::read(body.as_bytes()).expect_err(body)
}

/// Checks that a body is refused as not of the schema, at that field.
fn check(body: &str, field: &str, description: &str) {
    match refused(body) {
        Violation::Schema {
            field: at,
            description: text,
        } => {
            assert_eq!(at, field, "{body}");
            assert_eq!(text, description, "{body}");
        }
        other => panic!("{body}: {other:?}"),
    }
}

/// Checks that a body is refused by a rule of FCM's own, at that field.
fn check_rule(body: &str, field: &str) {
    match refused(body) {
        Violation::Rule { field: at, .. } => assert_eq!(at, field, "{body}"),
        other => panic!("{body}: {other:?}"),
    }
}

fn with(fields: &str) -> String {
    format!(r#"{{"message":{{"token":"t",{fields}}}}}"#)
}

#[test]
fn the_whole_schema_is_taken() {
    let body = r##"{"validate_only":false,"message":{"token":"cQk3:APA91b",
        "notification":{"title":"Parcel","body":"At the door","image":"https://x/y.png"},
        "data":{"order":"4711"},"fcm_options":{"analytics_label":"a"},
        "android":{"priority":"high","ttl":"600s","collapse_key":"parcel",
          "restricted_package_name":"org.x","data":{"a":"b"},"direct_boot_ok":true,
          "bandwidth_constrained_ok":false,"restricted_satellite_ok":true,
          "notification":{"channel_id":"parcels","tag":"4711","color":"#00ff00",
            "title_loc_key":"k","title_loc_args":["a","b"],"sticky":true,
            "event_time":"2026-11-22T10:00:00Z","notification_priority":"PRIORITY_HIGH",
            "vibrate_timings":["0.5s","1s"],"visibility":"PUBLIC",
            "light_settings":{"color":{"red":1,"green":0.5,"blue":0,"alpha":1.0},
              "light_on_duration":"1s","light_off_duration":"2s"},
            "notification_count":3,"proxy":"ALLOW"}},
        "apns":{"headers":{"apns-priority":"10"},
          "payload":{"aps":{"sound":"default","badge":3}},"fcm_options":{"image":"x"}},
        "webpush":{"headers":{"TTL":"600"},"data":{"a":"b"},"notification":{"silent":true},
          "fcm_options":{"link":"https://x"}}}}"##;
    let message = Message::read(body.as_bytes()).unwrap();
    assert_eq!(message.target, Some((Target::Token, "cQk3:APA91b".into())));
    assert_eq!(message.ttl, Some("600s"));
    assert!(!message.validate_only);
}

#[test]
fn camel_case_null_and_doubled_keys_are_taken() {
    for fields in [
        r#""android":{"collapseKey":"a","directBootOk":true,"notification":{"titleLocArgs":[]}}"#,
        r#""topic":null,"android":null,"data":null,"android_v2":null"#,
        r#""token":"other""#,
        r#""android_v2":{"background_sync":{},"remoteNotification":null}"#,
        r#""android_v2":{"remoteNotification":{"notification":{"id":-7}}}"#,
        r#""data":{"gcm.x":"a","gcm.notification":"b","googles":"c"}"#,
        r#""android":{"notification":{"notification_count":"3"}}"#,
    ] {
        let body = with(fields);
        assert!(Message::read(body.as_bytes()).is_ok(), "{body}");
    }
}

#[test]
fn android_v2_is_read_field_by_field() {
    let v2 = |fields: &str| with(&format!(r#""android_v2":{{{fields}}}"#));
    let all = v2(
        r##""collapse_key":"c","ttl":"9s","restricted_package_name":"org.x",
        "data":{"a":"b"},"fcm_options":{"analytics_label":"l"},"direct_boot_ok":true,
        "bandwidth_constrained_ok":true,"restricted_satellite_ok":false,
        "remote_notification":{"mutable_content":true,"use_as_v1_data_message":false,
          "notification":{"id":7,"tag":"t","title":"x","color":"#00ff00"}}"##,
    );
    let message = Message::read(all.as_bytes()).unwrap();
    assert_eq!((message.ttl, message.size()), (Some("9s"), 26));
    for neither_or_both in [
        "",
        r#""ttl":"9s""#,
        r#""background_sync":null"#,
        r#""remote_notification":{},"background_sync":{}"#,
    ] {
        check_rule(&v2(neither_or_both), "message.android_v2");
    }
    check_rule(
        &v2(r#""background_sync":{},"data":{"from":"x"}"#),
        "message.android_v2.data",
    );
    for (fields, name, at) in [
        (r#""priority":"HIGH""#, "priority", ""),
        (r#""background_sync":{"x":1}"#, "x", ".background_sync"),
        (
            r#""remote_notification":{"notification":{"proxy":"ALLOW"}}"#,
            "proxy",
            ".remote_notification.notification",
        ),
    ] {
        let at = format!("message.android_v2{at}");
        let description = format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field."
        );
        check(&v2(fields), &at, &description);
    }
    check(
        &with(r#""android":{"notification":{"id":7}}"#),
        "message.android.notification",
        "Invalid JSON payload received. Unknown name \"id\" at 'message.android.notification': \
         Cannot find field.",
    );
}

#[test]
fn unknown_names_are_refused_where_they_stand() {
    check(
        r#"{"message":{"toen":"t"}}"#,
        "message",
        "Invalid JSON payload received. Unknown name \"toen\" at 'message': Cannot find field.",
    );
    check(
        r#"{"to":"t"}"#,
        "",
        "Invalid JSON payload received. Unknown name \"to\": Cannot find field.",
    );
    check(
        &with(r#""android":{"notification":{"titel":"x"}}"#),
        "message.android.notification",
        "Invalid JSON payload received. Unknown name \"titel\" at \
         'message.android.notification': Cannot find field.",
    );
}

#[test]
fn data_is_a_map_of_strings() {
    for (value, shown) in [
        ("12", "12"),
        ("true", "true"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("null", "null"),
        ("{}", "Starting an object on a scalar field"),
        ("[]", "Proto field is not repeating, cannot start list."),
    ] {
        check(
            &with(&format!(r#""data":{{"a":"b","c":{value}}}"#)),
            "message.data[1].value",
            &format!("Invalid value at 'message.data[1].value' (TYPE_STRING), {shown}"),
        );
    }
}

#[test]
fn values_are_of_their_types() {
    let android = |field: &str| with(&format!(r#""android":{{{field}}}"#));
    check(
        &android(r#""priority":"urgent""#),
        "message.android.priority",
        "Invalid value at 'message.android.priority' (type.googleapis.com/google.firebase.fcm.\
         v1.AndroidConfig.AndroidMessagePriority), \"urgent\"",
    );
    check(
        &android(r#""ttl":600"#),
        "message.android.ttl",
        "Invalid value at 'message.android.ttl' \
         (type.googleapis.com/google.protobuf.Duration), 600",
    );
    for (fields, field) in [
        (android(r#""ttl":"600""#), "message.android.ttl"),
        (
            android(r#""direct_boot_ok":"yes""#),
            "message.android.direct_boot_ok",
        ),
        (
            android(r#""notification":{"notification_count":-1}"#),
            "message.android.notification.notification_count",
        ),
        (
            android(r#""notification":{"title_loc_args":["a",1]}"#),
            "message.android.notification.title_loc_args[1]",
        ),
        (
            android(r#""notification":{"event_time":"noon"}"#),
            "message.android.notification.event_time",
        ),
        (
            android(r#""notification":"text""#),
            "message.android.notification",
        ),
        (with(r#""apns":{"payload":"text"}"#), "message.apns.payload"),
        (
            with(r#""apns":{"headers":{"apns-expiration":1790000000}}"#),
            "message.apns.headers[0].value",
        ),
        (r#"{"message":7}"#.to_owned(), "message"),
        (r#"{"message":[]}"#.to_owned(), "message"),
    ] {
        match refused(&fields) {
            Violation::Schema { field: at, .. } => assert_eq!(at, field, "{fields}"),
            other => panic!("{fields}: {other:?}"),
        }
    }
}

#[test]
fn there_is_one_target() {
    check(
        &with(r#""topic":"news""#),
        "message",
        "Invalid value at 'message' (oneof), oneof field 'target' is already set. \
         Cannot set 'topic'",
    );
    check_rule(r#"{"message":{"data":{}}}"#, "message");
    check_rule("{}", "message");
    check_rule(r#"{"message":null}"#, "message");
    check_rule(
        &with(r#""android":{},"android_v2":{"background_sync":{}}"#),
        "message",
    );
}

#[test]
fn fcm_refuses_some_values_of_the_right_type() {
    check_rule(
        &with(r#""android":{"ttl":"2419201s"}"#),
        "message.android.ttl",
    );
    check_rule(&with(r#""data":{"from":"x"}"#), "message.data");
    check_rule(&with(r#""data":{"google.x":"x"}"#), "message.data");
    check_rule(
        &with(r#""android":{"data":{"gcm.notification.x":"x"}}"#),
        "message.android.data",
    );
    check_rule(
        &with(r#""fcm_options":{"analytics_label":"a b"}"#),
        "message.fcm_options.analytics_label",
    );
    check_rule(
        &with(r#""webpush":{"fcm_options":{"link":"http://x"}}"#),
        "message.webpush.fcm_options.link",
    );
    let incomplete = r#""android":{"notification":{"light_settings":{"light_on_duration":"1s"}}}"#;
    check_rule(
        &with(incomplete),
        "message.android.notification.light_settings",
    );
}

#[test]
fn what_is_not_json_is_refused_as_such() {
    for body in [
        "",
        "{",
        "{}x",
        r#"{"message":{"token":"t"}"#,
        "{'message':1}",
    ] {
        assert!(matches!(refused(body), Violation::Syntax(_)), "{body:?}");
    }
    let latin = Message::read(b"{\"message\":{\"token\":\"\xe9\"}}");
    assert!(matches!(latin, Err(Violation::Syntax(_))), "not UTF-8");
    assert!(matches!(refused("[]"), Violation::Schema { .. }));
    let deep = with(&format!(
        r#""apns":{{"payload":{}{}}}"#,
        r#"{"a":"#.repeat(500),
        "}".repeat(500)
    ));
    assert!(matches!(refused(&deep), Violation::Syntax(_)), "too deep");
}

#[test]
fn size_counts_keys_and_values_of_data_and_notification() {
    for (fields, size) in [
        (r#""data":{"key":"value"}"#, 8),
        (r#""notification":{"title":"abc"}"#, 8),
        (r#""data":{"key":"value"},"android":{"data":{"k":"v"}}"#, 2),
        (
            r#""data":{"a":"\u00e9"},"android":{"notification":{"tag":"xy"}}"#,
            8,
        ),
        (
            concat!(
                r#""notification":{"title":"ab","body":"abc"},"#,
                r#""android":{"notification":{"body":"x","title":""}}"#
            ),
            7 + 5 + 5,
        ),
        (
            concat!(
                r#""android_v2":{"remoteNotification":{"notification":{"body":"x"}}},"#,
                r#""notification":{"body":"abc"}"#
            ),
            5,
        ),
        (
            r#""apns":{"payload":{"aps":{}}},"android":{"collapse_key":"abc"}"#,
            0,
        ),
    ] {
        let body = with(fields);
        assert_eq!(
            Message::read(body.as_bytes()).unwrap().size(),
            size,
            "{body}"
        );
    }
}
