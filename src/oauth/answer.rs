//! What the token endpoint's answers mean. Pure: no I/O, no clock.

use std::time::Duration;

use serde_json::Value;

use crate::moment::server_clock::SKEW_MAX;
use crate::pasted::quoted;

/// Longest access token, in bytes: Google's own limit.
pub const ACCESS_TOKEN_MAX: usize = 2048;

/// Longest answer that is read, in bytes; Google's have about 1200.
pub const ANSWER_BODY_MAX: usize = 64 * 1024;

/// Longest life that is believed; Google's tokens live an hour.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest text of the endpoint that is quoted, in characters.
const QUOTE_MAX: usize = 256;

/// An access token as it came.
#[derive(PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) token: String,
    /// Counted from before the request was sent.
    pub(super) life: Duration,
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExchangeFailure {
    pub(super) class: Class,
    /// For the operator; without secrets.
    pub(super) text: String,
    /// How long the endpoint asks us to wait.
    pub(super) retry_after: Option<Duration>,
    /// Seconds to add to our clock to have the endpoint's, if they are far apart.
    pub(super) skew: Option<i64>,
}

/// Whether it is worth asking again soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It will pass: back off and ask again.
    Passing,
    /// One of the clocks is wrong.
    Clock,
    /// An operator has to act; asked again now and then all the same.
    Stopping,
}

/// What an `error` word of the token endpoint means.
#[derive(Debug)]
pub struct ExchangeRow {
    /// The word.
    pub error: &'static str,
    /// A part of `error_description` that tells rows of the same word apart; Google has no other
    /// sign for it.
    pub description: &'static str,
    /// What it means for the next exchange.
    pub class: Class,
    /// What happened, in English.
    pub meaning: &'static str,
}

/// The answer table of the token endpoint.
pub static ROWS: &[ExchangeRow] = &[
    row(
        "internal_failure",
        "",
        Class::Passing,
        "an error inside the token endpoint",
    ),
    row(
        "server_error",
        "",
        Class::Passing,
        "an error inside the token endpoint",
    ),
    row(
        "temporarily_unavailable",
        "",
        Class::Passing,
        "the token endpoint is not available",
    ),
    row(
        "invalid_grant",
        "iat and exp",
        Class::Clock,
        "this machine's clock is wrong",
    ),
    row(
        "invalid_grant",
        "timeframe",
        Class::Clock,
        "this machine's clock is wrong",
    ),
    row(
        "invalid_grant",
        "Signature",
        Class::Stopping,
        "the service account's key was deleted or disabled, or is another account's",
    ),
    row(
        "invalid_grant",
        "",
        Class::Stopping,
        "the service account does not exist",
    ),
    row(
        "invalid_scope",
        "",
        Class::Stopping,
        "the scope is not known",
    ),
    row(
        "unsupported_grant_type",
        "",
        Class::Stopping,
        "this is not Google's token endpoint",
    ),
    row(
        "invalid_request",
        "",
        Class::Stopping,
        "the token endpoint did not understand us",
    ),
    row(
        "unauthorized_client",
        "",
        Class::Stopping,
        "the service account may not have this scope",
    ),
    row(
        "invalid_client",
        "",
        Class::Stopping,
        "the service account is disabled or unknown",
    ),
    row(
        "disabled_client",
        "",
        Class::Stopping,
        "the service account is disabled",
    ),
    row(
        "deleted_client",
        "",
        Class::Stopping,
        "the service account was deleted",
    ),
    row(
        "access_denied",
        "",
        Class::Stopping,
        "a policy of the organisation forbids it",
    ),
    row(
        "admin_policy_enforced",
        "",
        Class::Stopping,
        "a policy of the organisation forbids it",
    ),
    row(
        "org_internal",
        "",
        Class::Stopping,
        "a policy of the organisation forbids it",
    ),
];

const fn row(
    error: &'static str,
    description: &'static str,
    class: Class,
    meaning: &'static str,
) -> ExchangeRow {
    ExchangeRow {
        error,
        description,
        class,
        meaning,
    }
}

impl ExchangeFailure {
    /// Trouble that will pass, as far as anyone knows.
    pub(super) fn passing(text: String) -> Self {
        Self {
            class: Class::Passing,
            text,
            retry_after: None,
            skew: None,
        }
    }
}

/// Judges an answer of the token endpoint.
pub(super) fn judge(status: u16, body: &[u8]) -> Result<Grant, ExchangeFailure> {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if status == 200 {
        return grant(&json)
            .map_err(|text| ExchangeFailure::passing(format!("the token endpoint sent {text}")));
    }
    // Front ends put an object where the word should be.
    let error = json.get("error").unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let word = text(error);
    let mut said = text(json.get("error_description").unwrap_or(&Value::Null));
    if said.is_empty() {
        said = text(error.get("message").unwrap_or(&Value::Null));
    }
    let row = ROWS
        .iter()
        .find(|row| row.error == word && said.contains(row.description))
        .or_else(|| passing_description(&said));
    let passing = matches!(status, 408 | 429 | 500..=599);
    let class = match row {
        _ if passing => Class::Passing,
        Some(row) => row.class,
        None => Class::Stopping,
    };
    Err(ExchangeFailure {
        class,
        ..ExchangeFailure::passing(sentence(status, row, &word, &said))
    })
}

/// Some answers have the word that means "try again" in the wrong field.
fn passing_description(said: &str) -> Option<&'static ExchangeRow> {
    let passing = |row: &&ExchangeRow| row.class == Class::Passing && row.error == said;
    ROWS.iter().find(passing)
}

/// The sentence for the operator.
fn sentence(status: u16, row: Option<&ExchangeRow>, word: &str, said: &str) -> String {
    let mut sentence = match row {
        Some(row) => format!("{} (status {status}", row.meaning),
        None => format!("no access token (status {status}"),
    };
    for part in [word, said] {
        if !part.is_empty() {
            sentence.push_str(", ");
            sentence.push_str(&quoted(part, QUOTE_MAX));
        }
    }
    sentence.push(')');
    sentence
}

/// Reads a success.
fn grant(json: &Value) -> Result<Grant, String> {
    let token = json
        .get("access_token")
        .and_then(Value::as_str)
        .unwrap_or("");
    if token.is_empty() {
        return Err("no access token".to_owned());
    }
    if token.len() > ACCESS_TOKEN_MAX {
        return Err(format!(
            "an access token of {} bytes, more than {ACCESS_TOKEN_MAX}",
            token.len()
        ));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an access token with characters that cannot be sent".to_owned());
    }
    let kind = json
        .get("token_type")
        .and_then(Value::as_str)
        .unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err("a token that is no bearer token".to_owned());
    }
    let life = match json.get("expires_in") {
        Some(Value::Number(secs)) => secs.as_u64(),
        Some(Value::String(secs)) => secs.trim().parse().ok(),
        _ => None,
    };
    let life = life.ok_or_else(|| "an access token without expires_in".to_owned())?;
    if life == 0 {
        return Err("an access token that has expired".to_owned());
    }
    Ok(Grant {
        token: token.to_owned(),
        life: Duration::from_secs(life).min(LIFE_MAX),
    })
}

/// Seconds to add to our clock to have the other's, if they are over a minute apart.
pub(super) fn skew(ours: u64, theirs: Option<u64>) -> Option<i64> {
    let theirs = theirs?;
    if ours.abs_diff(theirs) <= SKEW_MAX.as_secs() {
        return None;
    }
    i64::try_from(theirs).ok()?.checked_sub_unsigned(ours)
}

#[cfg(test)]
mod tests;
