//! What Apple's pages say of the members of a payload: their types, and which go together.
//!
//! No I/O, no clock. Members that Apple does not name may be anything.

use serde_json::{Map, Value};

/// A type of JSON, as far as Apple says.
#[derive(Clone, Copy, Debug)]
enum Type {
    Text,
    Texts,
    Integer,
    /// A number from 0 to 1, but for a Live Activity.
    Score,
    One,
    True,
    Object,
    Alert,
    Sound,
    Level,
}

/// The members of `aps`.
const APS: [(&str, Type); 22] = [
    ("alert", Type::Alert),
    ("badge", Type::Integer),
    ("sound", Type::Sound),
    ("thread-id", Type::Text),
    ("category", Type::Text),
    ("content-available", Type::One),
    ("mutable-content", Type::One),
    ("target-content-id", Type::Text),
    ("interruption-level", Type::Level),
    ("relevance-score", Type::Score),
    ("filter-criteria", Type::Text),
    ("url-args", Type::Texts),
    ("content-changed", Type::True),
    ("timestamp", Type::Integer),
    ("event", Type::Text),
    ("content-state", Type::Object),
    ("stale-date", Type::Integer),
    ("dismissal-date", Type::Integer),
    ("attributes-type", Type::Text),
    ("attributes", Type::Object),
    ("input-push-token", Type::One),
    ("input-push-channel", Type::Text),
];

/// The members of `alert`.
const ALERT: [(&str, Type); 12] = [
    ("title", Type::Text),
    ("subtitle", Type::Text),
    ("body", Type::Text),
    ("launch-image", Type::Text),
    ("title-loc-key", Type::Text),
    ("title-loc-args", Type::Texts),
    ("subtitle-loc-key", Type::Text),
    ("subtitle-loc-args", Type::Texts),
    ("loc-key", Type::Text),
    ("loc-args", Type::Texts),
    ("action", Type::Text),
    ("action-loc-key", Type::Text),
];

/// Whether a payload is one for that push type.
pub(super) fn fits(push_type: &[u8], payload: &Map<String, Value>) -> bool {
    let none = Map::new();
    let aps = match payload.get("aps") {
        None => &none,
        Some(Value::Object(aps)) => aps,
        Some(_) => return false,
    };
    let is_activity = push_type == b"liveactivity";
    let is_typed = |(name, kind): &(&str, Type)| match aps.get(*name) {
        None => true,
        Some(value) => is(value, *kind, is_activity),
    };
    let typed = APS.iter().all(is_typed);
    let has_changed = aps.contains_key("content-changed");
    let only_of_activities = ["event", "content-state", "attributes", "attributes-type"];
    let is_of_activity = only_of_activities
        .iter()
        .any(|name| aps.contains_key(*name));
    let goes_together = match push_type {
        b"mdm" => payload.get("mdm").is_some_and(Value::is_string),
        b"fileprovider" => payload
            .get("container-identifier")
            .is_some_and(Value::is_string),
        b"widgets" | b"controls" => has_changed,
        b"liveactivity" => activity(aps),
        _ => !has_changed && !is_of_activity,
    };
    typed && goes_together
}

/// Whether `aps` is that of a Live Activity's push.
fn activity(aps: &Map<String, Value>) -> bool {
    let has = |name: &str| aps.contains_key(name);
    let of_start = [
        "attributes-type",
        "attributes",
        "input-push-token",
        "input-push-channel",
    ];
    let is_complete = match aps.get("event").and_then(Value::as_str) {
        Some("start") => {
            let needed = ["attributes-type", "attributes", "content-state", "alert"];
            needed.iter().all(|name| has(name)) && !has("dismissal-date")
        }
        Some("update") => {
            has("content-state") && !has("dismissal-date") && !of_start.iter().any(|name| has(name))
        }
        Some("end") => !of_start.iter().any(|name| has(name)),
        _ => false,
    };
    is_complete && has("timestamp")
}

fn is(value: &Value, kind: Type, is_activity: bool) -> bool {
    match kind {
        Type::Text => value.is_string(),
        Type::Texts => {
            let texts = value.as_array();
            texts.is_some_and(|texts| texts.iter().all(Value::is_string))
        }
        Type::Integer => value.as_u64().is_some(),
        Type::Score => {
            let score = value.as_f64();
            score.is_some_and(|score| is_activity || (0.0..=1.0).contains(&score))
        }
        Type::One => value.as_u64() == Some(1),
        Type::True => *value == Value::Bool(true),
        Type::Object => value.is_object(),
        Type::Sound => is_sound(value),
        Type::Level => {
            let levels = ["passive", "active", "time-sensitive", "critical"];
            value.as_str().is_some_and(|level| levels.contains(&level))
        }
        Type::Alert => match value {
            Value::String(_) => !is_activity,
            Value::Object(alert) => alert.iter().all(|(name, value)| {
                let kind = ALERT.iter().find(|(known, _)| known == name);
                match kind {
                    Some((_, Type::Text)) if is_activity && value.is_object() => {
                        is(&value["loc-key"], Type::Text, false)
                    }
                    Some((_, kind)) => is(value, *kind, false),
                    None => name != "sound" || (is_activity && is_sound(value)),
                }
            }),
            _ => false,
        },
    }
}

/// Whether it is a file's name, or the dictionary of a critical alert.
fn is_sound(value: &Value) -> bool {
    match value {
        Value::String(name) => !name.is_empty(),
        Value::Object(sound) => sound.iter().all(|(name, value)| match &**name {
            "critical" => value.as_u64() == Some(1),
            "name" => value.is_string(),
            "volume" => value
                .as_f64()
                .is_some_and(|volume| (0.0..=1.0).contains(&volume)),
            _ => false,
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(push_type: &str, payload: &str) -> bool {
        let Value::Object(payload) = serde_json::from_str(payload).unwrap() else {
            panic!("{payload} is no object");
        };
        super::fits(push_type.as_bytes(), &payload)
    }

    #[test]
    fn what_apple_names_is_of_the_type_that_it_says() {
        for (member, good, bad) in [
            ("alert", "\"m\"", "1"),
            (
                "alert",
                r#"{"title":"t","loc-args":["a"],"x":1}"#,
                r#"{"title":1}"#,
            ),
            ("alert", "{}", r#"{"loc-args":"a"}"#),
            ("alert", "{}", r#"{"sound":"s"}"#),
            ("badge", "0", "-1"),
            ("badge", "7", "\"7\""),
            ("sound", "\"s\"", "\"\""),
            (
                "sound",
                r#"{"critical":1,"name":"s","volume":1.0}"#,
                r#"{"volume":2}"#,
            ),
            ("thread-id", "\"t\"", "1"),
            ("content-available", "1", "true"),
            ("mutable-content", "1", "\"1\""),
            ("interruption-level", "\"active\"", "\"loud\""),
            ("relevance-score", "0.5", "75"),
            ("url-args", "[]", "[1]"),
            ("tomorrow", "{}", "\u{0}"),
        ] {
            let of = |value: &str| format!(r#"{{"aps":{{"{member}":{value}}}}}"#);
            assert!(fits("alert", &of(good)), "{member} {good}");
            if bad != "\u{0}" {
                assert!(!fits("alert", &of(bad)), "{member} {bad}");
            }
        }
    }

    #[test]
    fn each_push_type_has_the_members_that_go_with_it() {
        let start = r#"{"aps":{"timestamp":1,"event":"start","attributes-type":"T","attributes":{},"content-state":{},"alert":{"title":{"loc-key":"K"},"sound":"s"}}}"#;
        for (push_type, payload, is_one) in [
            ("alert", r#"{"aps":{"content-changed":true}}"#, false),
            ("alert", r#"{"aps":{"event":"end"}}"#, false),
            ("widgets", r#"{"aps":{"content-changed":true}}"#, true),
            ("controls", r#"{"aps":{}}"#, false),
            ("mdm", r#"{"mdm":"magic"}"#, true),
            ("mdm", r#"{"aps":{}}"#, false),
            ("fileprovider", r#"{"container-identifier":"c"}"#, true),
            ("fileprovider", r#"{"aps":{}}"#, false),
            ("liveactivity", start, true),
            (
                "liveactivity",
                r#"{"aps":{"event":"start","timestamp":1}}"#,
                false,
            ),
            (
                "liveactivity",
                r#"{"aps":{"event":"update","timestamp":1}}"#,
                false,
            ),
            (
                "liveactivity",
                r#"{"aps":{"event":"update","timestamp":1,"content-state":{},"attributes":{}}}"#,
                false,
            ),
            (
                "liveactivity",
                r#"{"aps":{"event":"end","timestamp":1,"dismissal-date":2}}"#,
                true,
            ),
            ("liveactivity", r#"{"aps":{"event":"end"}}"#, false),
            (
                "liveactivity",
                r#"{"aps":{"event":"end","timestamp":1,"alert":"m"}}"#,
                false,
            ),
            ("voip", "{}", true),
        ] {
            assert_eq!(fits(push_type, payload), is_one, "{push_type} {payload}");
        }
    }
}
