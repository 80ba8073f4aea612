//! Google's servers that give access tokens: the token endpoint, a signed assertion in and an
//! access token out (RFC 7523); those of workload identity federation; the metadata server.
//!
//! No clock: time is an argument, in seconds since the epoch.

mod federation;
mod metadata;
mod trouble;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Judgement, Reply, Response, Standing};
use super::arrival::Arrival;
use super::faults::{Answering, Failure};
pub(super) use federation::{Federation, IdentityProvider};
pub(super) use trouble::Trouble;
use trouble::respond;

/// Our limit: bytes of a form; an assertion is about 700.
pub(super) const MAX_BODY: usize = 16_384;
/// Our limit: access tokens that are valid at once; beyond it the one to expire first is dropped.
pub const MAX_ACCESS_TOKENS: usize = 1_024;
/// The longest life of an assertion.
const MAX_ASSERTION_SECS: u64 = 3_600;
/// How far the clocks may differ.
const SKEW_SECS: u64 = 300;
/// Bytes of an access token: about as many as Google's have.
const TOKEN_LENGTH: usize = 1_024;
/// The audience that is accepted beside our own address.
const GOOGLE_AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
];
/// How access tokens of service accounts begin, and those of other identity providers.
const SERVICE_ACCOUNT: &str = "ya29.c.";
const FEDERATED: &str = "ya29.d.";
const BAD_TIMES: &str = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
    reasonable timeframe. Check your iat and exp values in the JWT claim.";

/// What all connections to the endpoint share.
pub(super) struct OAuth {
    /// The one service account: its address, the id of its key, the key.
    pub(super) client_email: String,
    pub(super) key_id: String,
    pub(super) key: DecodingKey,
    /// Our own address, as `aud` may have it.
    pub(super) token_uri: String,
    /// The other identity provider, and who it is to Google.
    pub(super) federation: Federation,
    /// The project of the machine.
    pub(super) project: String,
    /// How long an access token lives, in seconds.
    pub(super) lifetime: u64,
    /// The access tokens issued.
    pub(super) access_tokens: Arc<AccessTokens>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    scope: String,
    aud: String,
    iat: u64,
    exp: u64,
}

/// Why no access token is issued: `error`, and `error_description` if there is one.
type Error = (u16, &'static str, Cow<'static, str>);

/// What is answered, and the word for what is no access token.
type Said = (Response, &'static str);

impl OAuth {
    /// Judges one request.
    pub(super) fn judge<'a>(&self, arrival: &Arrival<'a>) -> Judgement<'a> {
        let asked_for = match arrival.answering {
            Answering::Named(Failure::OAuth(trouble)) => Some(trouble),
            _ => None,
        };
        let said = match arrival.request.path {
            _ if arrival.is_plain => self.metadata(arrival),
            b"/v1/token" => self.federate(arrival).unwrap_or_else(refused),
            b"/subject-token" => self.subject_token(arrival),
            path if path.ends_with(federation::IMPERSONATION) => self.impersonate(arrival),
            _ => {
                let granted = self
                    .check(arrival)
                    .map(|()| self.grant(arrival, SERVICE_ACCOUNT));
                granted.unwrap_or_else(refused)
            }
        };
        let (response, reason) = match asked_for {
            Some(trouble) if said.0.status == 200 => trouble.answer(),
            _ => said,
        };
        Judgement {
            reply: Reply::Respond(Response {
                date: Some(arrival.now),
                ..response
            }),
            reason,
            standing: Standing::Apart,
            key: None,
            device_token: Cow::Borrowed(""),
        }
    }

    /// Issues an access token in the form of RFC 6749 §5.1.
    fn grant(&self, arrival: &Arrival<'_>, kind: &str) -> Said {
        let token = self.issue(arrival, kind, self.lifetime);
        let content = json!({
            "access_token": token,
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        });
        (respond(200, &content), "")
    }

    fn issue(&self, arrival: &Arrival<'_>, kind: &str, lifetime: u64) -> String {
        let (random, now) = (arrival.random, arrival.now);
        self.access_tokens.issue(kind, random, now, lifetime)
    }

    fn check(&self, arrival: &Arrival<'_>) -> Result<(), Error> {
        let request = arrival.request;
        if request.path != b"/token" {
            return Err((404, "not_found", Cow::Borrowed("")));
        }
        if request.method != b"POST" {
            return Err((405, "invalid_request", Cow::Borrowed("Bad Request")));
        }
        if arrival.body.len() > MAX_BODY {
            return Err((413, "invalid_request", Cow::Borrowed("Request too large")));
        }
        let body = str::from_utf8(arrival.body).unwrap_or_default();
        let grant_type = field(body, "grant_type").unwrap_or_default();
        if grant_type.is_empty() {
            let description = "Required parameter is missing: grant_type";
            return Err((400, "invalid_request", Cow::Borrowed(description)));
        }
        if grant_type != GRANT_TYPE {
            let description = format!("Invalid grant_type: {grant_type}");
            return Err((400, "unsupported_grant_type", Cow::Owned(description)));
        }
        let assertion = field(body, "assertion").unwrap_or_default();
        if assertion.is_empty() {
            let description = "Required parameter is missing: assertion";
            return Err((400, "invalid_request", Cow::Borrowed(description)));
        }
        self.check_assertion(&assertion, arrival.now)
    }

    fn check_assertion(&self, assertion: &str, now: u64) -> Result<(), Error> {
        let invalid = |description| (400, "invalid_grant", Cow::Borrowed(description));
        let malformed = "Bad Request";
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| invalid(malformed))?;
        let read = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(assertion);
        let claims = read.map_err(|_| invalid(malformed))?;
        if claims.iss != self.client_email {
            return Err(invalid("Invalid grant: account not found"));
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let signed = jsonwebtoken::decode::<Claims>(assertion, &self.key, &validation).is_ok();
        if !signed || header.kid.is_some_and(|kid| kid != self.key_id) {
            return Err(invalid("Invalid JWT Signature."));
        }
        if claims.aud != GOOGLE_AUDIENCE && claims.aud != self.token_uri {
            return Err(invalid("Invalid JWT: Failed audience check."));
        }
        let timely = claims.iat <= now.saturating_add(SKEW_SECS)
            && claims.exp > now.saturating_sub(SKEW_SECS)
            && claims.exp > claims.iat
            && claims.exp - claims.iat <= MAX_ASSERTION_SECS;
        if !timely {
            return Err(invalid(BAD_TIMES));
        }
        check_scopes(claims.scope.split_ascii_whitespace())
    }
}

/// Scopes are those that messages can be sent with.
fn check_scopes<'a>(scopes: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut scopes = scopes.peekable();
    if scopes.peek().is_none() {
        let description = "Empty or missing scope not allowed.";
        return Err((400, "invalid_scope", Cow::Borrowed(description)));
    }
    if !scopes.all(|scope| SCOPES.contains(&scope)) {
        let description = "Invalid OAuth scope or ID token audience provided.";
        return Err((400, "invalid_scope", Cow::Borrowed(description)));
    }
    Ok(())
}

/// An error in the form of RFC 6749 §5.2.
fn refused((status, error, description): Error) -> Said {
    let mut content = json!({"error": error});
    if !description.is_empty()
        && let Some(content) = content.as_object_mut()
    {
        content.insert("error_description".to_owned(), description.into());
    }
    (respond(status, &content), error)
}

/// The first value of a field of an `application/x-www-form-urlencoded` text.
fn field<'a>(form: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    if !value.contains(['%', '+']) {
        return Some(Cow::Borrowed(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The access tokens that were issued and still hold.
#[derive(Debug, Default)]
pub(super) struct AccessTokens {
    /// When each expires.
    tokens: Mutex<HashMap<String, u64>>,
    /// Moves on with each revocation.
    generation: AtomicU64,
}

/// Why an access token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotValid {
    Expired,
    Unknown,
}

impl AccessTokens {
    /// Issues an access token that begins so.
    pub(super) fn issue(&self, kind: &str, random: u128, now: u64, lifetime: u64) -> String {
        let mut token = String::with_capacity(TOKEN_LENGTH);
        token.push_str(kind);
        while token.len() < TOKEN_LENGTH {
            // Writing to a string cannot fail. The length makes the token as large as a real one.
            let _ = write!(token, "{random:032x}");
        }
        token.truncate(TOKEN_LENGTH);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MAX_ACCESS_TOKENS {
            let first = tokens.iter().min_by_key(|(_, expires)| **expires);
            if let Some(first) = first.map(|(token, _)| token.clone()) {
                tokens.remove(&first);
            }
        }
        tokens.insert(token.clone(), now.saturating_add(lifetime));
        token
    }

    /// Until when an access token holds.
    pub(super) fn check(&self, token: &[u8], now: u64) -> Result<u64, NotValid> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = str::from_utf8(token).map_err(|_| NotValid::Unknown)?;
        let expires = tokens.get(token).ok_or(NotValid::Unknown)?;
        if now < *expires {
            Ok(*expires)
        } else {
            Err(NotValid::Expired)
        }
    }

    /// Makes all access tokens invalid.
    pub(super) fn revoke(&self) {
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Changes when tokens that held may hold no longer.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessTokens, MAX_ACCESS_TOKENS, NotValid, TOKEN_LENGTH, field};

    #[test]
    fn forms_are_decoded() {
        let form = "grant_type=urn%3Aietf%3aparams&assertion=a.b-c_d&note=a+b&bad=%2&also=%zz";
        for (name, value) in [
            ("grant_type", Some("urn:ietf:params")),
            ("assertion", Some("a.b-c_d")),
            ("note", Some("a b")),
            ("bad", None),
            ("also", None),
            ("absent", None),
        ] {
            assert_eq!(field(form, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn access_tokens_hold_until_they_expire_or_are_revoked() {
        let tokens = AccessTokens::default();
        let token = tokens.issue("ya29.c.", 1, 100, 50);
        assert_eq!(token.len(), TOKEN_LENGTH);
        assert_eq!(tokens.check(token.as_bytes(), 149), Ok(150));
        assert_eq!(tokens.check(token.as_bytes(), 150), Err(NotValid::Expired));
        assert_eq!(tokens.check(b"else", 100), Err(NotValid::Unknown));
        let generation = tokens.generation();
        tokens.revoke();
        assert_ne!(tokens.generation(), generation);
        assert_eq!(tokens.check(token.as_bytes(), 100), Err(NotValid::Unknown));
    }

    #[test]
    fn access_tokens_are_bounded_and_the_first_to_expire_goes() {
        let tokens = AccessTokens::default();
        let first = tokens.issue("ya29.c.", 0, 100, 50);
        for number in 1..=MAX_ACCESS_TOKENS {
            let last = tokens.issue("ya29.c.", number as u128, 101, 50);
            assert_eq!(tokens.check(last.as_bytes(), 101), Ok(151));
        }
        assert_eq!(tokens.check(first.as_bytes(), 101), Err(NotValid::Unknown));
    }
}
