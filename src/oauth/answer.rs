//! What the answers of Google's servers mean that give access tokens. Pure: no I/O, no clock.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::moment::server_clock::SKEW_MAX;
use crate::pasted::quoted;

/// Longest access token, in bytes: Google's own limit.
pub const ACCESS_TOKEN_MAX: usize = 2048;

/// Longest answer that is read, in bytes; Google's have about 1200.
pub const ANSWER_BODY_MAX: usize = 64 * 1024;

/// Longest life that is believed; Google's tokens live an hour.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is asked of the security token service, and what it says it gives (RFC 8693 §3).
pub(super) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Longest text of a server that is quoted, in characters.
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

/// A server of Google's on the way to an access token.
#[derive(Debug)]
pub struct TokenServer {
    /// What a list of reasons calls it.
    pub source: &'static str,
    /// What messages call it.
    pub name: &'static str,
    /// What it means that it gives no token.
    pub cause: &'static str,
    /// What an operator can do if it will not by itself.
    pub cure: &'static str,
    /// Its answer table.
    pub rows: &'static [ExchangeRow],
}

/// What an error word of a [`TokenServer`] means.
#[derive(Debug)]
pub struct ExchangeRow {
    /// The word: `error`, or the `status` within it; where a server has none, its HTTP status.
    pub error: &'static str,
    /// A part of `error_description` that tells rows of the same word apart; Google has no other
    /// sign for it.
    pub description: &'static str,
    /// What it means for the next exchange.
    pub class: Class,
    /// What happened, in English.
    pub meaning: &'static str,
}

/// All of them.
pub static SERVERS: [&TokenServer; 4] = [&TOKEN_ENDPOINT, &STS, &IAM, &METADATA];

/// Takes the assertions of service accounts.
pub(super) static TOKEN_ENDPOINT: TokenServer = TokenServer {
    source: "token endpoint",
    name: "the token endpoint",
    cause: "Google's token endpoint gives no access token for the service account.",
    cure: "Check the service account in the Google Cloud console; make a new key for it and put \
           the file where android.service_account_path names it.",
    rows: ROWS,
};

/// Takes the tokens of other identity providers: the security token service.
pub(super) static STS: TokenServer = TokenServer {
    source: "STS",
    name: "Google's security token service",
    cause: "Google's security token service does not take the subject token that the \
            external_account file leads to.",
    cure: "Check the workload identity pool and its provider in the Google Cloud console, and \
           audience and credential_source of the file that android.service_account_path names.",
    rows: STS_ROWS,
};

/// Lets one account act as another.
pub(super) static IAM: TokenServer = TokenServer {
    source: "IAM",
    name: "Google's IAM Credentials API",
    cause: "The identity of the external_account file may not act as the service account that the \
            file names.",
    cure: "Give the pool's identity the role Workload Identity User on the service account, and \
           wait a few minutes.",
    rows: IAM_ROWS,
};

/// What a machine of Google's asks about itself.
pub(super) static METADATA: TokenServer = TokenServer {
    source: "metadata server",
    name: "the metadata server",
    cause: "The machine's metadata server gives no access token.",
    cure: "Attach a service account to the machine, with the access scope cloud-platform or \
           firebase.messaging; elsewhere than on Google Cloud set android.service_account_path.",
    rows: METADATA_ROWS,
};

/// The answer table of the token endpoint.
static ROWS: &[ExchangeRow] = &[
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

/// The answer table of the security token service.
static STS_ROWS: &[ExchangeRow] = &[
    row("internal_failure", "", Class::Passing, INSIDE),
    row("server_error", "", Class::Passing, INSIDE),
    row(
        "temporarily_unavailable",
        "",
        Class::Passing,
        "the security token service is not available",
    ),
    row(
        "invalid_grant",
        "stale to sign-in",
        Class::Passing,
        "the subject token is too old: whoever writes it has not renewed it",
    ),
    row(
        "invalid_grant",
        "connecting to the given credential's issuer",
        Class::Passing,
        "Google cannot reach the identity provider, to check the subject token",
    ),
    row(
        "invalid_grant",
        "audience",
        Class::Stopping,
        "the subject token was made for another audience",
    ),
    row(
        "invalid_grant",
        "",
        Class::Stopping,
        "the identity pool's provider does not accept the subject token",
    ),
    row(
        "invalid_target",
        "",
        Class::Stopping,
        "there is no such identity pool or provider, or it is disabled",
    ),
    row(
        "unauthorized_client",
        "",
        Class::Stopping,
        "the identity pool's attribute condition rejects the subject token",
    ),
    row(
        "invalid_request",
        "",
        Class::Stopping,
        "audience or subject_token_type is not what the security token service takes",
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
        "this is not Google's security token service",
    ),
    row(
        "access_denied",
        "",
        Class::Stopping,
        "a policy of the organisation forbids it",
    ),
];

/// The answer table of the IAM Credentials API.
static IAM_ROWS: &[ExchangeRow] = &[
    row(
        "PERMISSION_DENIED",
        "has not been used",
        Class::Stopping,
        "the IAM Service Account Credentials API is switched off in the account's project",
    ),
    row(
        "PERMISSION_DENIED",
        "",
        Class::Stopping,
        "the identity lacks iam.serviceAccounts.getAccessToken, or has had it for a few minutes \
         only",
    ),
    row(
        "NOT_FOUND",
        "",
        Class::Stopping,
        "there is no such service account",
    ),
    row(
        "INVALID_ARGUMENT",
        "",
        Class::Stopping,
        "the service account's tokens may not live as long as the file asks",
    ),
    row(
        "UNAUTHENTICATED",
        "",
        Class::Stopping,
        "the security token service's token is not accepted",
    ),
];

/// The answer table of the metadata server.
static METADATA_ROWS: &[ExchangeRow] = &[
    row(
        "403",
        "",
        Class::Stopping,
        "the machine's access scopes do not have messaging, or it may not ask",
    ),
    row(
        "404",
        "",
        Class::Stopping,
        "no service account is attached to this machine",
    ),
];

const INSIDE: &str = "an error inside the security token service";

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

    /// Trouble for which an operator has to act.
    pub(super) fn stopping(text: String) -> Self {
        Self {
            class: Class::Stopping,
            ..Self::passing(text)
        }
    }
}

/// Judges an answer that is to have an access token in the form of RFC 6749 §5.1.
pub(super) fn judge(
    server: &TokenServer,
    status: u16,
    body: &[u8],
) -> Result<Grant, ExchangeFailure> {
    judge_by(server, status, body, grant)
}

/// Judges an answer of the IAM Credentials API; `now` is the time by its clock, or by ours, in
/// seconds since the Unix epoch.
pub(super) fn judge_impersonation(
    status: u16,
    body: &[u8],
    now: u64,
) -> Result<Grant, ExchangeFailure> {
    judge_by(&IAM, status, body, |json| impersonation(json, now))
}

fn judge_by(
    server: &TokenServer,
    status: u16,
    body: &[u8],
    grant: impl FnOnce(&Value) -> Result<Grant, String>,
) -> Result<Grant, ExchangeFailure> {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if status != 200 {
        return Err(refusal(server, status, &json));
    }
    grant(&json).map_err(|text| ExchangeFailure::passing(format!("{} sent {text}", server.name)))
}

/// What another status than 200 means.
pub(super) fn refusal(server: &TokenServer, status: u16, json: &Value) -> ExchangeFailure {
    // Front ends and the IAM API put an object where the word should be.
    let error = json.get("error").unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut word = text(error);
    if word.is_empty() {
        word = text(error.get("status").unwrap_or(&Value::Null));
    }
    let mut said = text(json.get("error_description").unwrap_or(&Value::Null));
    if said.is_empty() {
        said = text(error.get("message").unwrap_or(&Value::Null));
    }
    let by_status = || {
        let status = status.to_string();
        server.rows.iter().find(|row| row.error == status)
    };
    let row = server
        .rows
        .iter()
        .find(|row| row.error == word && said.contains(row.description))
        .or_else(|| passing_description(server, &said))
        .or_else(by_status);
    let passing = matches!(status, 408 | 429 | 500..=599);
    let class = match row {
        _ if passing => Class::Passing,
        Some(row) => row.class,
        None => Class::Stopping,
    };
    ExchangeFailure {
        class,
        ..ExchangeFailure::passing(sentence(status, row, &word, &said))
    }
}

/// Some answers have the word that means "try again" in the wrong field.
fn passing_description(server: &TokenServer, said: &str) -> Option<&'static ExchangeRow> {
    let passing = |row: &&ExchangeRow| row.class == Class::Passing && row.error == said;
    server.rows.iter().find(passing)
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

/// The access token of a success, if it can be sent.
fn token(json: &Value, name: &str) -> Result<String, String> {
    let token = json.get(name).and_then(Value::as_str).unwrap_or("");
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
    Ok(token.to_owned())
}

/// Reads a success of the IAM Credentials API.
fn impersonation(json: &Value, now: u64) -> Result<Grant, String> {
    let token = token(json, "accessToken")?;
    let ends = json.get("expireTime").and_then(Value::as_str);
    let ends: Option<Timestamp> = ends.and_then(|text| text.parse().ok());
    let ends = ends.ok_or_else(|| "an access token without an expireTime".to_owned())?;
    let ends = u64::try_from(ends.as_second()).unwrap_or(0);
    of_life(token, ends.saturating_sub(now))
}

/// A token that lives so many seconds.
fn of_life(token: String, secs: u64) -> Result<Grant, String> {
    if secs == 0 {
        return Err("an access token that has expired".to_owned());
    }
    let life = Duration::from_secs(secs).min(LIFE_MAX);
    Ok(Grant { token, life })
}

/// Reads a success in the form of RFC 6749 §5.1, and of RFC 8693 §2.2.1.
fn grant(json: &Value) -> Result<Grant, String> {
    let token = token(json, "access_token")?;
    let issued = json.get("issued_token_type").and_then(Value::as_str);
    if issued.is_some_and(|issued| issued != ACCESS_TOKEN_TYPE) {
        return Err("a token that is no access token".to_owned());
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
    of_life(token, life)
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
