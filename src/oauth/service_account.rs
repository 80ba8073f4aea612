//! Google's service-account file, and the assertion that is exchanged for an access token.
//!
//! Pure: no I/O, no clock.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use super::SCOPE;
use crate::pasted;
use crate::provider::KEY_FILE_MAX;
use crate::provider::fcm::check_project_id;

/// Whom the assertion is for, whichever `token_uri` the file names.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";

/// Life of an assertion, in seconds: Google's most.
const ASSERTION_LIFE: u64 = 3600;

/// How far in the past `iat` is put, in seconds, since Google's clock may be behind ours.
const BACKDATE: u64 = 10;

/// A service account, with a key that was checked to be able to sign.
pub struct ServiceAccount {
    project_id: Option<String>,
    client_email: String,
    token_uri: String,
    key_id: Option<String>,
    key: EncodingKey,
}

/// The file's fields that are used.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    client_email: Option<String>,
    token_uri: Option<String>,
    universe_domain: Option<String>,
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl ServiceAccount {
    /// Reads the text of a service-account file.
    ///
    /// `token_uri` has to be https, since what is sent there is as good as a password for an
    /// hour; plain http is let through to a loopback address only, for a local simulator.
    ///
    /// # Errors
    ///
    /// A text that names the field and what is wrong with it, never its value if that is secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > KEY_FILE_MAX {
            return Err(format!(
                "the file is over {KEY_FILE_MAX} bytes: it is no service-account file"
            ));
        }
        let file: File = serde_json::from_str(text).map_err(|error| {
            // The error's own text may quote the file.
            let (line, column) = (error.line(), error.column());
            format!("not a service-account file: bad JSON at line {line}, column {column}")
        })?;
        for (name, value) in [
            ("type", &file.kind),
            ("universe_domain", &file.universe_domain),
            ("project_id", &file.project_id),
            ("private_key_id", &file.private_key_id),
            ("client_email", &file.client_email),
            ("token_uri", &file.token_uri),
        ] {
            // The id of a key is drawn by chance itself.
            let is_key = match name {
                "private_key_id" => pasted::is_content,
                _ => pasted::is_secret,
            };
            if value.as_deref().is_some_and(is_key) {
                return Err(format!("{name} holds the content of a key, or a password"));
            }
        }
        check_kind(file.kind.as_deref())?;
        let universe = file.universe_domain.unwrap_or_default();
        if !universe.is_empty() && universe != "googleapis.com" {
            let text = "universe_domain is not \"googleapis.com\", which alone has FCM";
            return Err(text.to_owned());
        }
        let project_id = file.project_id.filter(|project| !project.is_empty());
        if let Some(project) = &project_id {
            check_project_id(project).map_err(|error| format!("project_id: {error}"))?;
        }
        let token_uri = required("token_uri", file.token_uri)?;
        check_token_uri(&token_uri)?;
        let client_email = required("client_email", file.client_email)?;
        if !client_email.contains('@') {
            return Err("client_email is no address of a service account".to_owned());
        }
        let account = Self {
            project_id,
            client_email,
            token_uri,
            key_id: file.private_key_id.filter(|id| !id.is_empty()),
            key: private_key(&required("private_key", file.private_key)?)?,
        };
        account
            .assertion(BACKDATE)
            .map_err(|_| "private_key: no usable RSA key".to_owned())?;
        Ok(account)
    }

    /// The project that the file is for, if it says so.
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// Whose account it is.
    pub fn client_email(&self) -> &str {
        &self.client_email
    }

    /// The id of its key as a message may show it, if the file has one. Google's are hexadecimal
    /// and drawn by chance.
    pub fn key_id(&self) -> Option<&str> {
        let is_id = |id: &str| id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = self.key_id.as_deref()?;
        Some(if is_id(id) { id } else { pasted::shown(id) })
    }

    /// Where assertions are exchanged.
    pub(super) fn token_uri(&self) -> &str {
        &self.token_uri
    }

    /// Signs the assertion of that moment (seconds since the Unix epoch).
    ///
    /// # Errors
    ///
    /// The cryptographic library's text; not seen once the file was read.
    pub(super) fn assertion(&self, now: u64) -> Result<String, String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        let issued_at = now.saturating_sub(BACKDATE);
        let claims = AssertionClaims {
            iss: &self.client_email,
            scope: SCOPE,
            aud: AUDIENCE,
            iat: issued_at,
            exp: issued_at.saturating_add(ASSERTION_LIFE),
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|error| format!("the assertion cannot be signed: {error}"))
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("project_id", &self.project_id)
            .field("client_email", &self.client_email)
            .field("token_uri", &self.token_uri)
            .finish_non_exhaustive()
    }
}

/// Google has other kinds of credential files with the same purpose.
fn check_kind(kind: Option<&str>) -> Result<(), String> {
    let what = match kind {
        Some("service_account") => return Ok(()),
        None => {
            let text = "type is missing, and must be \"service_account\" or \"external_account\"";
            return Err(text.to_owned());
        }
        Some("authorized_user") => "a person's login",
        Some("impersonated_service_account") => "an impersonated service account",
        // Whatever it is, it came out of a file of secrets.
        Some(_) => {
            let text = "type is neither \"service_account\" nor \"external_account\"";
            return Err(text.to_owned());
        }
    };
    Err(format!(
        "type is {:?} ({what}), which is not supported: create a key for a service account and \
         use its file",
        kind.unwrap_or_default()
    ))
}

fn required(name: &str, value: Option<String>) -> Result<String, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("{name} is missing or empty"))
}

fn check_token_uri(uri: &str) -> Result<(), String> {
    let uri: http::Uri = uri
        .parse()
        .map_err(|_| "token_uri is not a URI".to_owned())?;
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(()),
        Some("http") if is_loopback(host) => Ok(()),
        _ => Err("token_uri must be an https address".to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip: Option<std::net::IpAddr> = bare.parse().ok();
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

/// Reads the key: PKCS#8 as Google writes it, or PKCS#1. Line ends that were escaped twice on
/// their way through an environment variable are mended.
fn private_key(text: &str) -> Result<EncodingKey, String> {
    let text = text.replace("\\r", "").replace("\\n", "\n");
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Err("private_key is encrypted; Google's never is".to_owned());
    }
    let is_private = text.contains("-----BEGIN PRIVATE KEY-----")
        || text.contains("-----BEGIN RSA PRIVATE KEY-----");
    if !is_private {
        return Err("private_key is not a private key in PEM form".to_owned());
    }
    EncodingKey::from_rsa_pem(text.as_bytes())
        .map_err(|_| "private_key is not a readable RSA key".to_owned())
}

#[cfg(test)]
mod tests;
