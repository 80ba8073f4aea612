//! Workload identity federation: the token of another identity provider becomes one of Google's.
//!
//! The subject token is read anew for each exchange: whoever writes it renews it. It goes to the
//! security token service and nowhere else.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::{self, ACCESS_TOKEN_TYPE, ExchangeFailure, Grant, IAM, STS};
use super::call::{FORM_TYPE, ServerCall};
use super::external_account::ExternalAccount;
use super::{SCOPE, subject_token};
use crate::moment::server_clock::ServerClock;

/// What a token has to be good for that is shown to the IAM Credentials API.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Asks for an access token.
pub(super) fn exchange(
    external: &ExternalAccount,
    clock: &ServerClock,
    agent: &ureq::Agent,
) -> Result<Grant, ExchangeFailure> {
    let subject = subject_token::read(external.source(), agent)?;
    let scope = match external.impersonation() {
        Some(_) => CLOUD_PLATFORM,
        None => SCOPE,
    };
    let form = form(&[
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("audience", external.audience()),
        ("scope", scope),
        ("requested_token_type", ACCESS_TOKEN_TYPE),
        ("subject_token", &subject),
        ("subject_token_type", external.subject_token_type()),
    ]);
    let call = ServerCall {
        whom: STS.name,
        agent,
    };
    let secrets = [&*subject, &encoded(&subject)];
    let heard = call.post(external.token_url(), None, (FORM_TYPE, &form), &secrets)?;
    heard.note_time(clock);
    let grant = answer::judge(&STS, heard.status, heard.body.as_bytes())
        .map_err(|failure| heard.told(failure, clock))?;
    let Some((url, lifetime)) = external.impersonation() else {
        return Ok(grant);
    };
    let call = ServerCall {
        whom: IAM.name,
        agent,
    };
    let wanted = json!({"scope": [SCOPE], "lifetime": format!("{lifetime}s")}).to_string();
    let authorization = format!("Bearer {}", grant.token);
    let wanted = ("application/json", &*wanted);
    let heard = call.post(url, Some(&authorization), wanted, &[&grant.token])?;
    heard.note_time(clock);
    // By their clock, which the end of the token's life is told by.
    let now = heard.date.unwrap_or_else(|| heard.at.unix_secs());
    answer::judge_impersonation(heard.status, heard.body.as_bytes(), now)
        .map_err(|failure| heard.told(failure, clock))
}

/// Fields as a form has them (RFC 6749, appendix B).
fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

/// A text with all but its unreserved characters escaped (RFC 3986 §2.3).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            // Writing to a text cannot fail.
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
