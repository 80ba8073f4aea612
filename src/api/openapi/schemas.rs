//! The schemas of the bodies, in JSON Schema's dialect of 2020-12: of notifications from the tables
//! of their fields.

use serde_json::{Map, Value, json};

use super::super::apps::LANE_FIELDS;
use super::super::feed_query::{LIMIT, LIMIT_MAX};
use super::super::gorush::GORUSH_MEMBERS;
use super::super::plan::reasons::REJECTION_REASONS;
use super::super::request::{REQUEST_FIELDS, RequestField, TARGET_FIELDS, field};
use crate::provider::apns::{CHANNEL_PUSH_TYPE, push_types};
use crate::provider::fcm::schema::{FieldKind, LABEL_MAX, MESSAGE, MessageField, Rule};
use crate::provider::{SchemaMember, ValueSchema};
use crate::push::{ApnsEnvironment, Provider};

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// The body of `POST /push`.
pub(super) fn push_request() -> Value {
    request("Notification")
}

/// The body of `POST /api/push`.
pub(super) fn gorush_request() -> Value {
    request("GorushNotification")
}

fn request(notification: &str) -> Value {
    let items = json!({"$ref": format!("#/components/schemas/{notification}")});
    json!({
        "type": "object",
        "required": ["notifications"],
        "properties": {
            "notifications": {
                "type": "array",
                "minItems": 1,
                "description": "As many as core.notification_max.",
                "items": items,
            },
            "strict": {
                "type": "boolean",
                "default": false,
                "description": "Whether what would be told in ignored is an error.",
            },
        },
    })
}

/// One notification.
pub(super) fn notification() -> Value {
    let fields = REQUEST_FIELDS.iter().map(|field| {
        let mut said = value(&field.value);
        set(&mut said, "description", field.meaning);
        set(&mut said, "x-platforms", platforms(field));
        (field.name.to_owned(), said)
    });
    let targets = TARGET_FIELDS.map(|name| json!({"required": [name]}));
    json!({
        "type": "object",
        "description": "What a field says for one platform alone has no effect for the other, and \
                        is told in ignored. null is as good as absent.",
        "required": ["platform"],
        "anyOf": targets,
        "properties": fields.collect::<Map<_, _>>(),
    })
}

/// The platforms that a field is for.
fn platforms(field: &RequestField) -> Value {
    let platforms = field.providers.iter().map(|provider| provider.platform());
    platforms.collect()
}

/// One notification as gorush's callers write it: with its own names, and any other of ours.
pub(super) fn gorush_notification() -> Value {
    let mut said = notification();
    if let Some(properties) = said.get_mut("properties") {
        for (name, schema) in GORUSH_MEMBERS {
            if let Some(schema) = schema {
                set(properties, name, value(schema));
            }
        }
    }
    let targets = ["tokens", "to", "topic"].map(|name| json!({"required": [name]}));
    set(&mut said, "anyOf", targets.as_slice());
    said
}

/// What became of each part of a request for pushes.
pub(super) fn push_answer() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let pointer = json!({"type": "string", "format": "json-pointer"});
    let errors = REJECTION_REASONS.iter().flat_map(|reason| reason.errors);
    let errors: Vec<_> = errors.collect();
    json!({
        "type": "object",
        "required": ["message"],
        "properties": {
            "message": {"type": "string"},
            "error": {"type": "string"},
            "accepted": {"type": "array", "items": {
                "type": "object",
                "required": ["index", "first_id", "count"],
                "properties": {"index": count, "first_id": count, "count": count},
            }},
            "rejected": {"type": "array", "items": {
                "type": "object",
                "required": ["pointer", "error"],
                "properties": {"pointer": pointer, "error": {"type": "string", "examples": errors}},
            }},
            "rejected_omitted": count,
            "ignored": {"type": "array", "items": pointer},
            "ignored_omitted": count,
        },
    })
}

/// The same, in gorush's words.
pub(super) fn gorush_answer() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {
            "counts": count,
            "ignored": {"type": "array", "items": text},
            "logs": {"type": "array", "items": {
                "type": "object",
                "properties": {"type": text, "platform": text, "token": text, "message": text,
                               "error": text},
            }},
            "logs_omitted": count,
            "success": text,
            "code": count,
            "message": text,
            "error": text,
        },
    })
}

/// Where a push is.
pub(super) fn push_state() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["id", "state"],
        "properties": {
            "id": count,
            "platform": text,
            "app": text,
            "environment": {"enum": ["production", "sandbox"]},
            "state": {"enum": [
                "accepted", "scheduled", "in flight", "retrying", "settling", "settled",
            ]},
            "attempt": count,
            "attempts": count,
            "end": {"enum": ["succeeded", "failed", "expired"]},
            "status": count,
            "reason": text,
            "error": text,
            "at": {"type": "string", "format": "date-time"},
            "at_unix": count,
            "fcm_name": text,
            "token_is": {"enum": ["dead", "suspect"]},
            "gone_since": count,
        },
    })
}

/// What may stand in the query of a request for records of a feed.
pub(super) fn page_fields() -> [Value; 2] {
    let after = json!({
        "name": "after",
        "in": "query",
        "description": "The cursor of the last record that was seen, or `next` of the answer \
                        before; `newest` for what comes from now on; without it the oldest come \
                        first.",
        "schema": {"type": "string", "minLength": 1},
    });
    let limit = json!({
        "name": "limit",
        "in": "query",
        "description": "Records and gaps at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    });
    [after, limit]
}

/// Records of a feed.
pub(super) fn feed_answer() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string"});
    let millis = json!({
        "type": "integer",
        "minimum": 0,
        "description": "Milliseconds since the Unix epoch.",
    });
    let record = json!({
        "type": "object",
        "required": ["cursor"],
        "properties": {
            "cursor": text,
            "id": count,
            "identifier": text,
            "app": text,
            "platform": {"enum": Provider::ALL.map(Provider::platform)},
            "environment": {"enum": ApnsEnvironment::ALL.map(ApnsEnvironment::word)},
            "end": {"enum": ["succeeded", "failed", "expired"]},
            "status": count,
            "reason": text,
            "token": text,
            "token_is": {"enum": ["dead", "suspect"]},
            "gone_since": millis,
            "attempts": count,
            "accepted_at": millis,
            "settled_at": millis,
            "gap": {"const": true, "description": "Records are missing here."},
            "records": {
                "type": "integer",
                "minimum": 1,
                "description": "How many, if that is known.",
            },
        },
    });
    json!({
        "type": "object",
        "required": ["records", "next", "more"],
        "properties": {
            "records": {"type": "array", "items": record},
            "next": {"type": "string", "description": "What to ask after next."},
            "more": {"type": "boolean", "description": "Whether there is more at once."},
        },
    })
}

/// What a broadcast channel is to be like.
pub(super) fn channel_request() -> Value {
    let mut properties = json!({
        "message_storage_policy": {
            "enum": [0, 1],
            "description": "Whether Apple stores the latest message for devices that are offline.",
        },
        "push_type": {"enum": [CHANNEL_PUSH_TYPE]},
    });
    for (name, meaning, mut schema) in lane_fields() {
        set(&mut schema, "description", meaning);
        set(&mut properties, name, schema);
    }
    json!({
        "type": "object",
        "required": ["message_storage_policy"],
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The fields by which a notification names its lane: name, meaning and schema of each.
pub(super) fn lane_fields() -> impl Iterator<Item = (&'static str, &'static str, Value)> {
    let fields = LANE_FIELDS.into_iter().filter_map(field);
    fields.map(|field| (field.name, field.meaning, value(&field.value)))
}

/// A broadcast channel, or all of them; or why there is nothing to tell of them.
pub(super) fn channel_answer() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["message", "lane"],
        "properties": {
            "message": text,
            "lane": text,
            "channel": text,
            "message_storage_policy": {"enum": [0, 1]},
            "push_type": text,
            "channels": {"type": "array", "items": text},
            "hint": text,
        },
    })
}

/// A message, and what belongs to it.
pub(super) fn message() -> Value {
    json!({
        "type": "object",
        "required": ["message"],
        "properties": {"message": {"type": "string"}},
    })
}

/// Lines for people, or for Prometheus.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// Whatever there is to show.
pub(super) fn figures() -> Value {
    json!({"type": "object"})
}

/// The schema of a value.
fn value(said: &ValueSchema) -> Value {
    match said {
        ValueSchema::Any => json!({}),
        ValueSchema::Text => json!({"type": "string"}),
        ValueSchema::Word => json!({"type": "string", "minLength": 1}),
        ValueSchema::Like(pattern, example) => like(pattern, example),
        ValueSchema::OneOf(words) => json!({"enum": words}),
        ValueSchema::PushType => json!({"enum": push_types().collect::<Vec<_>>()}),
        ValueSchema::Flag => json!({"type": "boolean"}),
        ValueSchema::Integer(least, most) => {
            let mut integer = json!({"type": "integer"});
            for (name, bound) in [("minimum", least), ("maximum", most)] {
                if let Some(bound) = bound {
                    set(&mut integer, name, *bound);
                }
            }
            integer
        }
        ValueSchema::Number { is_fraction: false } => json!({"type": "number"}),
        ValueSchema::Number { is_fraction: true } => fraction(),
        ValueSchema::Time => json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": u32::MAX, "format": "unix-time"},
            {"type": "string", "format": "date-time"},
        ]}),
        ValueSchema::Platform => json!({"enum": [1, 2, "ios", "android"]}),
        ValueSchema::Priority => json!({"enum": ["high", "normal", 10, 5, 1]}),
        ValueSchema::Targets => {
            let one = json!({"type": "string", "minLength": 1});
            json!({"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]})
        }
        ValueSchema::Texts => json!({"type": "array", "items": {"type": "string"}}),
        ValueSchema::Pairs => json!({"type": "array", "items": {
            "type": "object",
            "properties": {"key": {"type": "string"}, "val": {}},
        }}),
        ValueSchema::Object => json!({"type": "object"}),
        ValueSchema::Members(members) => object(members),
        ValueSchema::Google(name) => {
            let field = MESSAGE.iter().find(|field| field.name == *name);
            field.map_or_else(|| json!({}), google)
        }
        ValueSchema::Either(one, other) => json!({"anyOf": [value(one), value(other)]}),
    }
}

fn object(members: &[SchemaMember]) -> Value {
    let needed = members.iter().filter(|member| member.is_needed);
    let needed: Vec<_> = needed.map(|member| member.name).collect();
    let all = members.iter();
    let all = all.map(|member| (member.name.to_owned(), value(&member.value)));
    json!({
        "type": "object",
        "required": needed,
        "properties": all.collect::<Map<_, _>>(),
    })
}

fn like(pattern: &str, example: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "examples": [example]})
}

fn fraction() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

/// The schema of a field of Google's.
fn google(field: &MessageField) -> Value {
    match field.kind {
        FieldKind::Text => json!({"type": "string"}),
        FieldKind::Flag => json!({"type": "boolean"}),
        FieldKind::Count => json!({"type": "integer", "minimum": 0, "maximum": i32::MAX}),
        FieldKind::Integer => {
            json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX})
        }
        FieldKind::Fraction => fraction(),
        FieldKind::Color => like("^#[0-9A-Fa-f]{6}$", "#ff8800"),
        FieldKind::Label => like(&format!("^[a-zA-Z0-9_.~%-]{{1,{LABEL_MAX}}}$"), "spring"),
        FieldKind::Https => like("^https://", "https://example.com/a.png"),
        FieldKind::Duration => duration(),
        FieldKind::Time => json!({"type": "string", "format": "date-time"}),
        FieldKind::Word(front, words) => {
            let words = words.iter().map(|word| format!("{front}{word}"));
            json!({"enum": words.collect::<Vec<_>>()})
        }
        FieldKind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        FieldKind::Durations => json!({"type": "array", "items": duration()}),
        FieldKind::TextMap | FieldKind::Data => json!({
            "type": "object",
            "description": "Texts; others become the text of their JSON.",
        }),
        FieldKind::PushHeaders => json!({
            "type": "object",
            "properties": {
                "TTL": like("^[0-9]+$", "600"),
                "Urgency": {"enum": ["very-low", "low", "normal", "high"]},
                "Topic": like("^[a-zA-Z0-9_-]{1,32}$", "news"),
            },
        }),
        FieldKind::Object => json!({"type": "object"}),
        FieldKind::MessageFields(fields) => google_object(fields, field.rule),
    }
}

fn duration() -> Value {
    like("^[0-9]+(\\.[0-9]{1,9})?s$", "3.5s")
}

fn google_object(fields: &[MessageField], rule: Rule) -> Value {
    let all = fields
        .iter()
        .map(|field| (field.name.to_owned(), google(field)));
    let mut object = json!({"type": "object", "properties": all.collect::<Map<_, _>>()});
    match rule {
        Rule::None | Rule::With(_) => {}
        Rule::Whole => {
            let names: Value = fields.iter().map(|field| field.name).collect();
            set(&mut object, "required", names);
        }
        Rule::OneOf(names) => {
            let each = names.iter().map(|name| json!({"required": [name]}));
            set(&mut object, "oneOf", each.collect::<Value>());
        }
    }
    let with = fields.iter().filter_map(|field| match field.rule {
        Rule::With(other) => Some((field.name.to_owned(), json!([other]))),
        _ => None,
    });
    let with: Map<_, _> = with.collect();
    if !with.is_empty() {
        set(&mut object, "dependentRequired", with);
    }
    object
}
