//! What breaks each of Apple's rules.

/// Members of a notification that breaks a rule, where, and what its caller is told.
pub(super) const REFUSED: &[(&str, &str, &str)] = &[
    (
        r#""message":"m","ttl":60,"expiry":30"#,
        "ttl",
        "ttl stands beside expiry, which says something else",
    ),
    (
        r#""message":"m","expires_at":4000000000,"time_to_live":30"#,
        "expires_at",
        "expires_at stands beside time_to_live, which says something else",
    ),
    (
        r#""message":"m","ttl":60,"expires_at":4000000000"#,
        "expires_at",
        "expires_at stands beside ttl, and one of them is enough",
    ),
    (
        r#""message":"m","expires_at":1790000000"#,
        "expires_at",
        "expires_at has passed",
    ),
    (
        r#""message":"m","ttl":1.5"#,
        "ttl",
        "ttl is 1.5, and must be an integer of 0 or more",
    ),
    (
        r#""message":"m","collapse_id":"a","collapse_key":"b""#,
        "collapse_id",
        "collapse_id stands beside collapse_key, which says something else",
    ),
    (
        r#""message":"m","collapse_id":"0123456789012345678901234567890123456789012345678901234567890123é""#,
        "collapse_id",
        "collapse_id has 66 bytes, and APNs takes at most 64",
    ),
    (
        r#""message":"m","collapse_id":"a\nb""#,
        "collapse_id",
        "collapse_id has control characters, or blanks at an end",
    ),
    (
        r#""message":"m","priority":7"#,
        "priority",
        "priority is \"7\", and must be \"high\" or \"normal\", or 10, 5 or 1",
    ),
    (
        r#""content_available":true,"priority":"high""#,
        "priority",
        "priority is 10, and a background push must have 5",
    ),
    (
        r#""priority":1,"live_activity":{"event":"end"}"#,
        "priority",
        "priority is 1, and a liveactivity push must have 10 or 5",
    ),
    (
        r#""message":"m","topic":"org example""#,
        "topic",
        "topic must be of letters, digits, dots, hyphens and underscores",
    ),
    (
        concat!(
            r#""message":"m","topic":"0123456789012345678901234567890123456789012345678901234567890123"#,
            "0123456789012345678901234567890123456789012345678901234567890123",
            "0123456789012345678901234567890123456789012345678901234567890123",
            r#"0123456789012345678901234567890123456789012345678901234567890123""#,
        ),
        "topic",
        "topic has 256 characters, and may have at most 255",
    ),
    (
        r#""message":"m","apns_id":"17""#,
        "apns_id",
        "apns_id must be a UUID, as 0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11",
    ),
    (
        r#""message":"m","tokens":["ab","cd"],"token":null,"apns_id":"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11""#,
        "apns_id",
        "apns_id names one push, and there are 2 device tokens",
    ),
    (
        r#""message":"m","alert":"n""#,
        "alert",
        "alert stands beside message, which says something else",
    ),
    (
        r#""title":"t","alert":{"title":"u","body":"m"}"#,
        "alert/title",
        "alert/title stands beside title, which says something else",
    ),
    (
        r#""alert":{"loc_key":"a","loc-key":"b"}"#,
        "alert/loc-key",
        "alert/loc-key stands there twice, with hyphens and with underscores",
    ),
    (
        r#""alert":{"loc_key":"a","loc_args":"b"}"#,
        "alert/loc_args",
        "alert/loc_args is a string, and must be an array of strings",
    ),
    (r#""alert":{"body":""}"#, "", "empty message"),
    (
        r#""alert":1"#,
        "alert",
        "alert must be a string or an object",
    ),
    (
        r#""content_available":true,"push_type":"background","alert":"m""#,
        "alert",
        "alert has no place in a background push, which shows nothing",
    ),
    (
        r#""message":"m","badge":-1"#,
        "badge",
        "badge is -1, and must not be negative",
    ),
    (
        r#""message":"m","sound":{"volume":1.5}"#,
        "sound/volume",
        "sound/volume must be between 0 and 1",
    ),
    (
        r#""message":"m","sound":{"loud":true}"#,
        "sound/loud",
        "sound/loud is no member of a sound: critical, name and volume are",
    ),
    (
        r#""message":"m","interruption_level":"loud""#,
        "interruption_level",
        "interruption_level is \"loud\", and must be one of \"passive\", \"active\", \
         \"time-sensitive\", \"critical\"",
    ),
    (
        r#""message":"m","relevance_score":75"#,
        "relevance_score",
        "relevance_score must be between 0 and 1, but for a Live Activity",
    ),
    (
        r#""message":"m","category":"a","click_action":"b""#,
        "click_action",
        "click_action stands beside category, which says something else",
    ),
    (
        r#""message":"m","data":{"aps":{}}"#,
        "data/aps",
        "data must not have the key \"aps\", which holds the notification itself",
    ),
    (
        r#""message":"m","extend":[{"key":"aps","val":{}}]"#,
        "extend",
        "extend must not have the key \"aps\", which holds the notification itself",
    ),
    (
        r#""message":"m","data":{"k":1},"extend":[{"key":"k","val":"2"}]"#,
        "data/k",
        "data/k stands in extend, too",
    ),
    (
        r#""message":"m","content_changed":true"#,
        "content_changed",
        "content_changed goes with the push types widgets and controls, and is true there",
    ),
    (
        r#""push_type":"mdm","apns":{}"#,
        "data/mdm",
        "data/mdm must be a string in a push of that push type",
    ),
    (
        r#""push_type":"mdm","data":{"mdm":1}"#,
        "data/mdm",
        "data/mdm must be a string in a push of that push type",
    ),
    (
        r#""push_type":"fileprovider","extend":[{"key":"container-identifier","val":[]}]"#,
        "data/container-identifier",
        "data/container-identifier must be a string in a push of that push type",
    ),
    (
        r#""message":"m","push_type":"liveactivity""#,
        "",
        "a push of the type liveactivity needs the field live_activity",
    ),
    (
        r#""message":"m","push_type":"alert","live_activity":{"event":"end"}"#,
        "live_activity",
        "live_activity goes with the push type liveactivity, not alert",
    ),
    (
        r#""live_activity":{}"#,
        "live_activity",
        "live_activity must have event",
    ),
    (
        r#""live_activity":{"event":"pause"}"#,
        "live_activity/event",
        "live_activity/event is \"pause\", and must be one of \"start\", \"update\", \"end\"",
    ),
    (
        r#""live_activity":{"event":"update"}"#,
        "live_activity",
        "live_activity must have content_state, unless it ends",
    ),
    (
        r#""message":"m","live_activity":{"event":"start","content_state":{}}"#,
        "live_activity",
        "live_activity must have attributes_type, as every start of a Live Activity",
    ),
    (
        r#""live_activity":{"event":"start","content_state":{},"attributes_type":"T","attributes":{}}"#,
        "live_activity",
        "live_activity must have an alert, as every start of a Live Activity",
    ),
    (
        r#""live_activity":{"event":"update","content_state":{},"attributes":{}}"#,
        "live_activity/attributes",
        "live_activity/attributes goes with the event start only",
    ),
    (
        r#""live_activity":{"event":"update","content_state":{},"dismissal_date":1}"#,
        "live_activity/dismissal_date",
        "live_activity/dismissal_date goes with the event end only",
    ),
    (
        r#""message":"m","apns":{"headers":{":path":"/"}}"#,
        "apns/headers/:path",
        "apns/headers/:path is a pseudo-header field, and those are not the caller's",
    ),
    (
        r#""message":"m","apns":{"headers":{"Authorization":"bearer x"}}"#,
        "apns/headers/Authorization",
        "apns/headers/Authorization belongs to the request or its connection, and is not the \
         caller's",
    ),
    (
        r#""message":"m","apns":{"headers":{"Transfer-Encoding":"x"}}"#,
        "apns/headers/Transfer-Encoding",
        "apns/headers/Transfer-Encoding belongs to the request or its connection, and is not the \
         caller's",
    ),
    (
        r#""message":"m","apns":{"headers":{"a b":"x"}}"#,
        "apns/headers/a b",
        "apns/headers/a b is no name of a header field",
    ),
    (
        r#""message":"m","apns":{"headers":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"A":1}}"#,
        "apns/headers",
        "apns/headers has 17 fields, and there may be at most 16",
    ),
    (
        r#""message":"m","apns":{"headers":{"apns-priority":"7"}}"#,
        "apns/headers/apns-priority",
        "apns/headers/apns-priority must be 10, 5 or 1",
    ),
    (
        r#""message":"m","priority":"normal","apns":{"headers":{"apns-priority":"10"}}"#,
        "apns/headers/apns-priority",
        "apns/headers/apns-priority stands beside priority, which says something else",
    ),
    (
        r#""message":"m","ttl":60,"apns":{"headers":{"apns-expiration":"0"}}"#,
        "apns/headers/apns-expiration",
        "apns/headers/apns-expiration stands beside ttl, expires_at or expiry, which says \
         something else",
    ),
    (
        r#""message":"m","apns":{"headers":{"apns-expiration":"300"}}"#,
        "apns/headers/apns-expiration",
        "apns/headers/apns-expiration has passed",
    ),
    (
        r#""message":"m","apns":{"headers":{"apns-expiration":"soon"}}"#,
        "apns/headers/apns-expiration",
        "apns/headers/apns-expiration must be seconds since the Unix epoch, or 0",
    ),
    (
        r#""live_activity":{"event":"end"},"apns":{"headers":{"apns-push-type":"alert"}}"#,
        "apns/headers/apns-push-type",
        "apns/headers/apns-push-type stands beside live_activity, which says something else",
    ),
    (
        r#""apns":{"payload":[]}"#,
        "apns/payload",
        "apns/payload is an array, and must be an object",
    ),
    (
        r#""push_type":"background","apns":{"payload":{"aps":{}}}"#,
        "apns/payload",
        "apns/payload must have \"content-available\":1 in its aps, as every background push",
    ),
    // In a request that is strict, also what has no effect.
    (
        r#""message":"m","tag":"t""#,
        "tag",
        "\"tag\" has no effect in this notification for ios",
    ),
    (
        r#""message":"m","alert":{"sonud":"s"}"#,
        "alert/sonud",
        "\"alert/sonud\" is no field, or has no effect",
    ),
    (
        r#""message":"m","alert":{"title":"t","loc_args":["a"]}"#,
        "alert/loc_args",
        "\"alert/loc_args\" is no field, or has no effect",
    ),
    (
        r#""content_available":true,"mutable_content":true"#,
        "mutable_content",
        "\"mutable_content\" has no effect in this notification for ios",
    ),
    (
        r#""content_available":true,"image":"https://example.org/i""#,
        "image",
        "\"image\" has no effect in this notification for ios",
    ),
    (
        r#""content_available":true,"alert":"""#,
        "alert",
        "\"alert\" has no effect in this notification for ios",
    ),
    (
        r#""content_available":true,"alert":{}"#,
        "alert",
        "\"alert\" has no effect in this notification for ios",
    ),
    (
        r#""message":"m","apns":{"payload":{}}"#,
        "message",
        "\"message\" has no effect in this notification for ios",
    ),
    (
        r#""badge":1,"live_activity":{"event":"end"}"#,
        "badge",
        "\"badge\" has no effect in this notification for ios",
    ),
    (
        r#""badge":0,"live_activity":{"event":"end"}"#,
        "badge",
        "\"badge\" has no effect in this notification for ios",
    ),
];
