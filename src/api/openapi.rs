//! `GET /openapi.json`: the API in the form of `OpenAPI` 3.1, made from the tables that the code
//! works by when it is first asked for.
//!
//! Pure: no I/O, no clock.

mod schemas;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::paths::{PATHS, PathBody, PathItem, PathOperation, STATUSES_OF_ANY};
use super::rights::Right;
use schemas::set;

/// The document, as JSON.
pub(super) fn document() -> &'static [u8] {
    static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| made().to_string().into_bytes());
    &DOCUMENT
}

fn made() -> Value {
    let paths = PATHS.iter().map(|item| (item.path.to_owned(), path(item)));
    let bodies = BODIES
        .iter()
        .map(|(_, name, made)| ((*name).to_owned(), made()));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sterna",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": "The manual page sterna-api(7) says more of each.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "paths": paths.collect::<Map<_, _>>(),
        "security": [{"key": []}, {}],
        "components": {
            "securitySchemes": {"key": {
                "type": "http",
                "scheme": "bearer",
                "description": "A key of core.api_key_path, if that is set.",
            }},
            "schemas": bodies.collect::<Map<_, _>>(),
        },
    })
}

/// What makes a schema.
type MakeSchema = fn() -> Value;

/// The bodies: their names, and what makes the schema of each.
const BODIES: [(PathBody, &str, MakeSchema); 13] = [
    (PathBody::PushRequest, "PushRequest", schemas::push_request),
    (
        PathBody::Notification,
        "Notification",
        schemas::notification,
    ),
    (
        PathBody::GorushRequest,
        "GorushRequest",
        schemas::gorush_request,
    ),
    (
        PathBody::GorushNotification,
        "GorushNotification",
        schemas::gorush_notification,
    ),
    (PathBody::PushAnswer, "PushAnswer", schemas::push_answer),
    (
        PathBody::GorushAnswer,
        "GorushAnswer",
        schemas::gorush_answer,
    ),
    (PathBody::PushState, "PushState", schemas::push_state),
    (
        PathBody::ChannelRequest,
        "ChannelRequest",
        schemas::channel_request,
    ),
    (
        PathBody::ChannelAnswer,
        "ChannelAnswer",
        schemas::channel_answer,
    ),
    (PathBody::FeedAnswer, "FeedAnswer", schemas::feed_answer),
    (PathBody::Message, "Message", schemas::message),
    (PathBody::Figures, "Figures", schemas::figures),
    (PathBody::Text, "Text", schemas::text),
];

/// What a status means; what there is to say of each case stands in its message.
const MEANINGS: [(u16, &str); 20] = [
    (200, "It is done, as the body says."),
    (201, "It is made, as the body says."),
    (
        400,
        "The request is none that can be answered: its HTTP, its method, its body.",
    ),
    (401, "No valid API key is shown."),
    (
        403,
        "The API key is not good for that; where none is asked for: a web page calls.",
    ),
    (404, "There is no such push, lane, channel or feed."),
    (408, "The request came too slowly."),
    (
        409,
        "A request with this Idempotency-Key is being answered; the push has ended; or the app \
         cannot have that channel.",
    ),
    (
        410,
        "The records after that cursor are gone: begin again without one.",
    ),
    (
        413,
        "The body is too large, or has more pushes than the queue can ever hold.",
    ),
    (415, "The body has a content coding."),
    (417, "Another expectation than 100-continue."),
    (422, "The Idempotency-Key came with another body before."),
    (429, "Too many requests about channels, by Apple's count."),
    (431, "The head is too large."),
    (
        500,
        "It is not known whether it was done, or a crash would undo it.",
    ),
    (
        503,
        "Nothing was done: ask again, after the seconds in Retry-After if there is one.",
    ),
    (
        502,
        "Apple refuses what the lane is set up with, or cannot be understood or reached.",
    ),
    (504, "Apple has not answered in time."),
    (505, "Another version than HTTP/1.0 and HTTP/1.1."),
];

fn meaning(status: u16) -> &'static str {
    let found = MEANINGS.iter().find(|(known, _)| *known == status);
    found.map_or("", |(_, meaning)| *meaning)
}

fn reference(body: PathBody) -> Value {
    let found = BODIES.iter().find(|(known, ..)| *known == body);
    let name = found.map_or("", |(_, name, _)| *name);
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn content(body: PathBody) -> Value {
    let kind = match body {
        PathBody::Text => "text/plain",
        _ => "application/json",
    };
    json!({kind: {"schema": reference(body)}})
}

fn path(item: &PathItem) -> Value {
    let operations = item.operations.iter();
    let operations = operations.map(|operation| {
        let method = operation.method.to_ascii_lowercase();
        (method, self::operation(item, operation))
    });
    Value::Object(operations.collect())
}

fn operation(item: &PathItem, operation: &PathOperation) -> Value {
    let mut said = json!({
        "operationId": id(item, operation),
        "summary": operation.summary,
        "responses": responses(item, operation),
    });
    let in_path = item.parameter().map(|name| (name, "path"));
    let in_query = operation.query.map(|name| (name, "query"));
    let mut parameters: Vec<_> = [in_path, in_query]
        .into_iter()
        .flatten()
        .map(|(name, place)| {
            let schema = match name {
                "id" => json!({"type": "integer", "minimum": 1, "maximum": (1_u64 << 53) - 1}),
                "max" => json!({"type": "integer", "minimum": 0}),
                _ => json!({"type": "string", "minLength": 1}),
            };
            json!({"name": name, "in": place, "required": true, "schema": schema})
        })
        .collect();
    if operation.names_lane {
        let said = schemas::lane_fields().map(|(name, meaning, schema)| {
            json!({"name": name, "in": "query", "description": meaning, "schema": schema})
        });
        parameters.extend(said);
    }
    if operation.pages {
        parameters.extend(schemas::page_fields());
    }
    if let Some(body) = operation.takes {
        if operation.rights.contains(&Right::Push) {
            parameters.push(json!({
                "name": "Idempotency-Key",
                "in": "header",
                "description": "With the same key and body nothing is pushed a second time.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }));
            parameters.push(json!({
                "name": "traceparent",
                "in": "header",
                "description": "The place of the request in its caller's trace (W3C Trace \
                    Context): it stands in the log lines of its pushes. What is none is ignored.",
                "schema": {"type": "string"},
            }));
        }
        let body = json!({"required": true, "content": content(body)});
        set(&mut said, "requestBody", body);
    }
    if !parameters.is_empty() {
        set(&mut said, "parameters", parameters);
    }
    if item.needs_no_key {
        set(&mut said, "security", json!([]));
    } else {
        let of_all = if item.is_of_all_apps {
            ", without app="
        } else {
            ""
        };
        let rights = operation.rights.iter().map(|right| right.word());
        let rights = rights.collect::<Vec<_>>().join(" or ");
        let needed = if rights.is_empty() {
            "any API key is good for it".to_owned()
        } else {
            format!("needs the right {rights}{of_all}")
        };
        set(&mut said, "description", needed);
    }
    said
}

/// A name of its own.
fn id(item: &PathItem, operation: &PathOperation) -> String {
    let words = item.path.split(|at: char| !at.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let mut id = operation.method.to_ascii_lowercase();
    for word in words {
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.push_str(letters.as_str());
    }
    id
}

fn responses(item: &PathItem, operation: &PathOperation) -> Value {
    let mut statuses = [operation.statuses, &STATUSES_OF_ANY].concat();
    statuses.retain(|status| *status != 401 || !item.needs_no_key);
    statuses.sort_unstable();
    let said = statuses.into_iter().map(|status| {
        let tells = matches!(
            operation.answers,
            PathBody::PushAnswer | PathBody::GorushAnswer
        );
        let body = if status < 300 || tells {
            operation.answers
        } else {
            PathBody::Message
        };
        let said = json!({"description": meaning(status), "content": content(body)});
        (status.to_string(), said)
    });
    Value::Object(said.collect())
}

#[cfg(test)]
mod tests;
