//! What becomes of each field that Apple has a use for.

/// Members of a notification, and the request that comes of them.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// Members of a notification; the header fields of its request, less `apns-id` and those of every
/// alert; its body. `+60` is a time so many seconds after the request, and `.voip` the topic with
/// that at its end.
pub(super) const SENT: &[Row] = &[
    // What shows.
    (r#""message":"m""#, &[], r#"{"aps":{"alert":"m"}}"#),
    (r#""alert":"m""#, &[], r#"{"aps":{"alert":"m"}}"#),
    (r#""alert":{"body":"m"}"#, &[], r#"{"aps":{"alert":"m"}}"#),
    (
        r#""message":"m","extend":[{"key":"k","val":null}]"#,
        &[],
        r#"{"aps":{"alert":"m"},"k":""}"#,
    ),
    (r#""badge":5"#, &[], r#"{"aps":{"badge":5}}"#),
    (r#""sound":"s""#, &[], r#"{"aps":{"sound":"s"}}"#),
    (r#""title":"t""#, &[], r#"{"aps":{"alert":{"title":"t"}}}"#),
    (
        r#""message":"m","title":"t","alert":{"launch_image":"l","title-loc-key":"K","title_loc_args":["1"],"subtitle_loc_key":"S","subtitle_loc_args":["2"],"loc_key":"B","loc_args":["3"],"action":"a","action-loc-key":"A"}"#,
        &[],
        r#"{"aps":{"alert":{"title":"t","body":"m","title-loc-key":"K","title-loc-args":["1"],"subtitle-loc-key":"S","subtitle-loc-args":["2"],"loc-key":"B","loc-args":["3"],"launch-image":"l","action":"a","action-loc-key":"A"}}}"#,
    ),
    (
        r#""message":"m","alert":{"body":"m","subtitle":"caf\u00e9"}"#,
        &[],
        r#"{"aps":{"alert":{"subtitle":"café","body":"m"}}}"#,
    ),
    (
        r#""message":"m","badge":0"#,
        &[],
        r#"{"aps":{"alert":"m","badge":0}}"#,
    ),
    (
        r#""message":"m","sound":{"critical":1,"name":"s.caf","volume":0.5}"#,
        &[],
        r#"{"aps":{"alert":"m","sound":{"critical":1,"name":"s.caf","volume":0.5}}}"#,
    ),
    (
        r#""message":"m","click_action":"REPLY","thread_id":"t","target_content_id":"w","interruption_level":"time-sensitive","relevance_score":0.25,"filter_criteria":"f","url_args":[]"#,
        &[],
        r#"{"aps":{"alert":"m","category":"REPLY","thread-id":"t","target-content-id":"w","interruption-level":"time-sensitive","relevance-score":0.25,"filter-criteria":"f","url-args":[]}}"#,
    ),
    (
        r#""message":"m","image":"https://example.com/a.png""#,
        &[],
        r#"{"aps":{"alert":"m","mutable-content":1},"image":"https://example.com/a.png"}"#,
    ),
    // Data.
    (
        r#""message":"m","data":{"n":1.50,"o":{"a":[null]},"s":"x"},"extend":[{"key":"e","val":[1]},{"key":"f","val":"g"}]"#,
        &[],
        r#"{"aps":{"alert":"m"},"e":[1],"f":"g","n":1.50,"o":{"a":[null]},"s":"x"}"#,
    ),
    // The head.
    (
        r#""message":"m","priority":"high""#,
        &[],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","priority":"normal""#,
        &[("apns-priority", "5")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","priority":1"#,
        &[("apns-priority", "1")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","ttl":0"#,
        &[("apns-expiration", "0")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","ttl":60"#,
        &[("apns-expiration", "+60")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","expiry":60,"ttl":60"#,
        &[("apns-expiration", "+60")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","expires_at":4000000000"#,
        &[("apns-expiration", "4000000000")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","expires_at":"2096-10-02T07:06:40Z""#,
        &[("apns-expiration", "4000000000")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","collapse_id":"note-81""#,
        &[("apns-collapse-id", "note-81")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","topic":"org.example.sterna.voip","push_type":"voip""#,
        &[("apns-push-type", "voip"), ("apns-topic", ".voip")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","apns_id":"0B6C3A52-4A6F-4A0E-9D55-2F6A5A0F0C11""#,
        &[("apns-id", "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    // The push types.
    (
        r#""content_available":true,"priority":5"#,
        &[("apns-push-type", "background"), ("apns-priority", "5")],
        r#"{"aps":{"content-available":1}}"#,
    ),
    (
        r#""content_available":true,"apns":{"headers":{"apns-collapse-id":"c"}}"#,
        &[
            ("apns-push-type", "background"),
            ("apns-priority", "5"),
            ("apns-collapse-id", "c"),
        ],
        r#"{"aps":{"content-available":1}}"#,
    ),
    (
        r#""content_available":true,"apns":{"headers":{"APNs-push-type":"alert"}}"#,
        &[],
        r#"{"aps":{"content-available":1}}"#,
    ),
    (
        r#""push_type":"background","apns":{"payload":{"aps":{"content-available":1}}}"#,
        &[("apns-push-type", "background"), ("apns-priority", "5")],
        r#"{"aps":{"content-available":1}}"#,
    ),
    (
        r#""message":"m","push_type":"voip","ttl":0,"data":{"call":7}"#,
        &[
            ("apns-push-type", "voip"),
            ("apns-topic", ".voip"),
            ("apns-expiration", "0"),
        ],
        r#"{"aps":{"alert":"m"},"call":7}"#,
    ),
    (
        r#""message":"m","push_type":"complication""#,
        &[
            ("apns-push-type", "complication"),
            ("apns-topic", ".complication"),
        ],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""push_type":"fileprovider","data":{"container-identifier":"NSFileProviderWorkingSetContainerItemIdentifier","domain":"d"}"#,
        &[
            ("apns-push-type", "fileprovider"),
            ("apns-topic", ".pushkit.fileprovider"),
        ],
        r#"{"container-identifier":"NSFileProviderWorkingSetContainerItemIdentifier","domain":"d"}"#,
    ),
    (
        r#""push_type":"location""#,
        &[
            ("apns-push-type", "location"),
            ("apns-topic", ".location-query"),
        ],
        r#"{"aps":{}}"#,
    ),
    (
        r#""push_type":"pushtotalk","data":{"speaker":"s"}"#,
        &[
            ("apns-push-type", "pushtotalk"),
            ("apns-topic", ".voip-ptt"),
        ],
        r#"{"aps":{},"speaker":"s"}"#,
    ),
    (
        r#""push_type":"widgets""#,
        &[
            ("apns-push-type", "widgets"),
            ("apns-topic", ".push-type.widgets"),
        ],
        r#"{"aps":{"content-changed":true}}"#,
    ),
    (
        r#""push_type":"controls","content_changed":true"#,
        &[
            ("apns-push-type", "controls"),
            ("apns-topic", ".push-type.controls"),
        ],
        r#"{"aps":{"content-changed":true}}"#,
    ),
    // Live Activities.
    (
        r#""live_activity":{"event":"start","timestamp":1790000000,"attributes_type":"Trip","attributes":{"trip":"A7"},"content_state":{"eta":12},"input_push_token":true,"alert":{"title":{"loc_key":"K","loc_args":["a"]},"body":"12 min","sound":"default"}}"#,
        &[
            ("apns-push-type", "liveactivity"),
            ("apns-topic", ".push-type.liveactivity"),
        ],
        r#"{"aps":{"timestamp":1790000000,"event":"start","attributes-type":"Trip","attributes":{"trip":"A7"},"content-state":{"eta":12},"input-push-token":1,"alert":{"title":{"loc-key":"K","loc-args":["a"]},"body":"12 min","sound":"default"}}}"#,
    ),
    (
        r#""message":"12 min","title":"Trip","sound":"default","live_activity":{"event":"start","timestamp":"2026-09-21T14:13:20Z","attributes-type":"Trip","attributes":{},"content-state":{},"input-push-channel":"dHN0LXNyY2gtY2hubA=="}"#,
        &[
            ("apns-push-type", "liveactivity"),
            ("apns-topic", ".push-type.liveactivity"),
        ],
        r#"{"aps":{"timestamp":1790000000,"event":"start","attributes-type":"Trip","attributes":{},"content-state":{},"input-push-channel":"dHN0LXNyY2gtY2hubA==","alert":{"title":"Trip","body":"12 min","sound":"default"}}}"#,
    ),
    (
        r#""push_type":"liveactivity","priority":5,"relevance_score":75,"live_activity":{"event":"update","timestamp":1790000060,"content_state":{"eta":9},"stale_date":1790000660}"#,
        &[
            ("apns-push-type", "liveactivity"),
            ("apns-topic", ".push-type.liveactivity"),
            ("apns-priority", "5"),
        ],
        r#"{"aps":{"timestamp":1790000060,"event":"update","content-state":{"eta":9},"stale-date":1790000660,"relevance-score":75}}"#,
    ),
    (
        r#""live_activity":{"event":"end","timestamp":1790000900,"dismissal_date":1790001200}"#,
        &[
            ("apns-push-type", "liveactivity"),
            ("apns-topic", ".push-type.liveactivity"),
        ],
        r#"{"aps":{"timestamp":1790000900,"event":"end","dismissal-date":1790001200}}"#,
    ),
    // As it is given.
    (
        r#""apns":{"headers":{"apns-priority":"1","APNS-Collapse-ID":"c","apns-expiration":4000000000,"apns-topic":"org.example.sterna.voip","apns-push-type":"voip","apns-id":"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c12","x-tomorrow":"1"},"payload":{ "aps":{"tomorrow":[1]},"x":1.0 }}"#,
        &[
            ("apns-priority", "1"),
            ("apns-collapse-id", "c"),
            ("apns-expiration", "4000000000"),
            ("apns-topic", ".voip"),
            ("apns-push-type", "voip"),
            ("apns-id", "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c12"),
        ],
        r#"{ "aps":{"tomorrow":[1]},"x":1.0 }"#,
    ),
    (
        r#""ttl":60,"collapse_id":"c","apns":{"payload":{"aps":{"alert":"m"}}}"#,
        &[("apns-expiration", "+60"), ("apns-collapse-id", "c")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
    (
        r#""message":"m","apns":{"headers":{"apns-expiration":"0"}}"#,
        &[("apns-expiration", "0")],
        r#"{"aps":{"alert":"m"}}"#,
    ),
];
