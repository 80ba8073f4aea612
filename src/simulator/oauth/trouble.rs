//! What the token endpoint answers that gives no access token.

use serde_json::json;

use crate::simulator::answer::Response;

/// What goes wrong at the token endpoint on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Trouble {
    /// 400: the key or the account is gone.
    InvalidGrant,
    /// 401: the account is not known.
    InvalidClient,
    /// 403: the account may not.
    AccessDenied,
    /// 500.
    InternalFailure,
    /// 503.
    TemporarilyUnavailable,
    /// 200 with what is no JSON.
    Garbage,
    /// 200 with JSON that has no access token.
    Tokenless,
}

impl Trouble {
    /// By the names that they can be asked for.
    pub(in crate::simulator) const NAMES: [(&str, Self); 7] = [
        ("invalid_grant", Self::InvalidGrant),
        ("invalid_client", Self::InvalidClient),
        ("access_denied", Self::AccessDenied),
        ("internal_failure", Self::InternalFailure),
        ("temporarily_unavailable", Self::TemporarilyUnavailable),
        ("garbage", Self::Garbage),
        ("tokenless", Self::Tokenless),
    ];

    pub(super) fn answer(self) -> (Response, &'static str) {
        let (status, word) = match self {
            Self::InvalidGrant => (400, "invalid_grant"),
            Self::InvalidClient => (401, "invalid_client"),
            Self::AccessDenied => (403, "access_denied"),
            Self::InternalFailure => (500, "internal_failure"),
            Self::TemporarilyUnavailable => (503, "temporarily_unavailable"),
            Self::Tokenless => return (respond(200, &json!({})), "tokenless"),
            Self::Garbage => {
                let garbage = Response {
                    status: 200,
                    content_type: "text/html; charset=utf-8",
                    content: b"<!DOCTYPE html>\n<title>Sign in</title>\n".to_vec(),
                    ..Response::default()
                };
                return (garbage, "garbage");
            }
        };
        (respond(status, &json!({"error": word})), word)
    }
}

pub(super) fn respond(status: u16, content: &serde_json::Value) -> Response {
    let content = serde_json::to_vec(content).unwrap_or_default();
    let content_type = "application/json; charset=utf-8";
    Response {
        status,
        content_type,
        content,
        ..Response::default()
    }
}
