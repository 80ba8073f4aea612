//! Workload identity federation: another identity provider's token in, an access token out
//! (RFC 8693), and with that the token of a service account.
//!
//! The identity provider is here too, and gives its token to who asks as clouds want to be asked.

use std::borrow::Cow;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Error, FEDERATED, OAuth, SCOPES, SERVICE_ACCOUNT, Said, check_scopes, field, respond};
use crate::simulator::arrival::Arrival;
use crate::simulator::oauth::NotValid;
use crate::simulator::request::Name;

/// What the path of a request for a service account's token ends in.
pub(super) const IMPERSONATION: &[u8] = b":generateAccessToken";
const BEFORE_EMAIL: &[u8] = b"/v1/projects/-/serviceAccounts/";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];
/// Who the identity provider says it is.
const ISSUER: &str = "https://idp.example";
/// How long a subject token is good for.
const SUBJECT_SECS: u64 = 3_600;
/// How long a service account's token may live.
const MAX_LIFETIME_SECS: u64 = 3_600;

/// An identity provider, which signs subject tokens.
pub(in crate::simulator) struct IdentityProvider {
    key: EncodingKey,
    audience: String,
}

/// How Google knows it.
pub(in crate::simulator) struct Federation {
    provider: IdentityProvider,
    public: DecodingKey,
}

#[derive(Deserialize, Serialize)]
struct Subject {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    scope: Vec<String>,
    #[serde(default)]
    lifetime: Option<String>,
}

impl IdentityProvider {
    /// One with that key, known to Google by that name.
    pub(in crate::simulator) fn new(key: EncodingKey, audience: String) -> Self {
        Self { key, audience }
    }

    /// A token for the workload, issued at that time.
    pub(in crate::simulator) fn subject_token(&self, issued_at: u64) -> String {
        let subject = Subject {
            iss: ISSUER.to_owned(),
            sub: "workload".to_owned(),
            aud: format!("https:{}", self.audience),
            iat: issued_at,
            exp: issued_at + SUBJECT_SECS,
        };
        // A key that signs one token signs any.
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &subject, &self.key)
            .unwrap_or_default()
    }
}

impl Federation {
    /// A pool that trusts one identity provider, by its public key.
    pub(in crate::simulator) fn new(provider: IdentityProvider, public: DecodingKey) -> Self {
        Self { provider, public }
    }

    fn check(&self, token: &str, now: u64) -> Result<(), Error> {
        let invalid = |description: String| (400, "invalid_grant", Cow::Owned(description));
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let subject = jsonwebtoken::decode::<Subject>(token, &self.public, &validation);
        let Ok(subject) = subject.map(|data| data.claims) else {
            return Err(invalid("Invalid JWT signature.".to_owned()));
        };
        let Subject {
            iss, aud, iat, exp, ..
        } = subject;
        if iss != ISSUER {
            return Err(invalid(format!(
                "The issuer in ID Token [{iss}] does not match."
            )));
        }
        if aud.strip_prefix("https:") != Some(&self.provider.audience) {
            return Err(invalid(format!(
                "The audience in ID Token [{aud}] does not match the expected audience."
            )));
        }
        if exp <= now {
            return Err(invalid(format!(
                "ID Token issued at {iat} is stale to sign-in."
            )));
        }
        Ok(())
    }
}

impl OAuth {
    /// The security token service.
    pub(super) fn federate(&self, arrival: &Arrival<'_>) -> Result<Said, Error> {
        let bad = |description: &'static str| (400, "invalid_request", Cow::Borrowed(description));
        if arrival.request.method != b"POST" {
            return Err((404, "not_found", Cow::Borrowed("")));
        }
        if arrival.body.len() > super::MAX_BODY {
            return Err((413, "invalid_request", Cow::Borrowed("Request too large")));
        }
        if arrival.request.get(Name::Authorization).is_some() {
            return Err(bad("The request must not have an Authorization header."));
        }
        let body = str::from_utf8(arrival.body).unwrap_or_default();
        let field = |name| field(body, name).unwrap_or_default();
        if field("grant_type") != GRANT_TYPE {
            let description = format!("Invalid grant_type: {}", field("grant_type"));
            return Err((400, "unsupported_grant_type", Cow::Owned(description)));
        }
        if field("requested_token_type") != ACCESS_TOKEN {
            return Err(bad("Invalid value for \"requested_token_type\"."));
        }
        let audience = field("audience");
        if !audience.starts_with("//iam.googleapis.com/") {
            return Err(bad(
                "Invalid value for \"audience\". This value should be the full \
                            resource name of the Identity Provider.",
            ));
        }
        if audience != self.federation.provider.audience {
            let description = "The target service indicated by the \"audience\" parameters is \
                invalid. This might either be because the pool or provider is disabled or deleted \
                or because it doesn't exist.";
            return Err((400, "invalid_target", Cow::Borrowed(description)));
        }
        check_scopes(field("scope").split_ascii_whitespace())?;
        if !SUBJECT_TYPES.contains(&&*field("subject_token_type")) {
            return Err(bad("Invalid value for \"subject_token_type\"."));
        }
        self.federation
            .check(&field("subject_token"), arrival.now)?;
        let content = json!({
            "access_token": self.issue(arrival, FEDERATED, self.lifetime),
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        });
        Ok((respond(200, &content), ""))
    }

    /// The IAM Credentials API: the token of a service account for a federated one.
    pub(super) fn impersonate(&self, arrival: &Arrival<'_>) -> Said {
        let refused = |status: u16, word: &'static str, message: &str| {
            let error = json!({"code": status, "status": word, "message": message});
            (respond(status, &json!({"error": error})), word)
        };
        let request = arrival.request;
        let path = request.path.strip_prefix(BEFORE_EMAIL);
        let email = path.and_then(|path| path.strip_suffix(IMPERSONATION));
        if request.method != b"POST" || email.is_none() {
            return refused(404, "NOT_FOUND", "Requested entity was not found.");
        }
        let token = request.bearer().unwrap_or_default();
        let is_federated = token.starts_with(FEDERATED.as_bytes());
        let valid = self.access_tokens.check(token, arrival.now);
        if let (false, _) | (_, Err(NotValid::Expired | NotValid::Unknown)) = (is_federated, valid)
        {
            let message = "Request had invalid authentication credentials.";
            return refused(401, "UNAUTHENTICATED", message);
        }
        if email != Some(self.client_email.as_bytes()) {
            let message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or \
                           it may not exist).";
            return refused(403, "PERMISSION_DENIED", message);
        }
        let wanted = serde_json::from_slice(arrival.body).ok();
        let wanted = wanted.filter(|wanted: &Wanted| {
            let is_known = |scope: &String| SCOPES.contains(&scope.as_str());
            !wanted.scope.is_empty() && wanted.scope.iter().all(is_known)
        });
        let secs = wanted.and_then(|Wanted { lifetime, .. }| match lifetime {
            None => Some(MAX_LIFETIME_SECS),
            Some(text) => text.strip_suffix('s')?.parse().ok(),
        });
        let Some(secs) = secs.filter(|secs| (1..=MAX_LIFETIME_SECS).contains(secs)) else {
            let message = "Request contains an invalid argument.";
            return refused(400, "INVALID_ARGUMENT", message);
        };
        let ends = i64::try_from(arrival.now + secs).unwrap_or(i64::MAX);
        let ends = Timestamp::from_second(ends).unwrap_or(Timestamp::MAX);
        let content = json!({
            "accessToken": self.issue(arrival, SERVICE_ACCOUNT, secs),
            "expireTime": ends.to_string(),
        });
        (respond(200, &content), "")
    }

    /// The identity provider's own address, which wants to be asked as Azure's.
    pub(super) fn subject_token(&self, arrival: &Arrival<'_>) -> Said {
        let is_asked = arrival.request.get(Name::Metadata) == Some(b"True");
        if arrival.request.method != b"GET" || !is_asked {
            let content = json!({"error": "invalid_request"});
            return (respond(400, &content), "invalid_request");
        }
        let token = self.federation.provider.subject_token(arrival.now);
        (
            respond(200, &json!({"access_token": token})),
            "subject-token",
        )
    }
}
