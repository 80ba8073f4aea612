//! The key that signs auth tokens: Apple's `.p8` file with its key id and team id.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::provider::KEY_FILE_MAX;

/// Longest text of a sealed auth token, in bytes; ours have about 500.
pub const SEALED_MAX: usize = 4096;

/// Longest key id and team id; Apple's have 10 characters.
const ID_MAX: usize = 64;

/// Signs the auth token of that moment (seconds since the Unix epoch), or says why it cannot.
pub type Signer = Box<dyn Fn(u64) -> Result<String, String> + Send + Sync>;

/// An APNs signing key, checked to be able to sign.
pub struct SigningKey {
    signer: Signer,
    /// The key's file as a secret of our own: what is sealed with it was sealed by its owner.
    seal: (EncodingKey, DecodingKey),
    key_id: String,
    team_id: String,
}

/// An auth token as it outlives the process that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The key id and the team id that it was made with.
    pub(super) key_id: String,
    pub(super) team_id: String,
    /// Seconds since the Unix epoch: its `iat`, and when it was first used.
    pub(super) issued_at: u64,
    pub(super) made_at: u64,
    /// The value of the `authorization` field.
    pub(super) authorization: String,
}

/// The claims that Apple reads; there is no expiry among them.
#[derive(Serialize)]
struct AuthTokenClaims<'a> {
    iss: &'a str,
    iat: u64,
}

impl SigningKey {
    /// Reads the text of a `.p8` file: PEM, unencrypted PKCS#8, P-256. Line ends of either kind,
    /// a missing last one and a missing public key are tolerated.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong with the key or the ids, and what to do.
    pub fn from_pem(file: &[u8], key_id: &str, team_id: &str) -> Result<Self, String> {
        check_id("key id", key_id)?;
        check_id("team id", team_id)?;
        if file.len() > KEY_FILE_MAX {
            return Err(format!(
                "the key file is over {KEY_FILE_MAX} bytes: it is no signing key"
            ));
        }
        if !String::from_utf8_lossy(file).contains("-----BEGIN PRIVATE KEY-----") {
            let text = "the file is not a .p8 file: it has no line \"-----BEGIN PRIVATE KEY-----\"";
            return Err(text.to_owned());
        }
        let key = EncodingKey::from_ec_pem(file)
            .map_err(|_| "the key file has no readable elliptic-curve key".to_owned())?;
        let (kid, iss) = (key_id.to_owned(), team_id.to_owned());
        let signer = Box::new(move |issued_at| sign(&key, &kid, &iss, issued_at));
        let key = Self::with_signer(signer, file, key_id, team_id);
        // The curve is only looked at when something is signed.
        key.sign(0)
            .map_err(|_| "the key is not a P-256 key, the only kind that APNs takes".to_owned())?;
        Ok(key)
    }

    /// A key that others sign with. What is sealed is sealed with `secret`.
    pub fn with_signer(signer: Signer, secret: &[u8], key_id: &str, team_id: &str) -> Self {
        Self {
            signer,
            seal: (
                EncodingKey::from_secret(secret),
                DecodingKey::from_secret(secret),
            ),
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
        }
    }

    /// Makes the auth token of that moment (seconds since the Unix epoch).
    ///
    /// # Errors
    ///
    /// The cryptographic library's text; not seen once the key was read.
    pub fn sign(&self, issued_at: u64) -> Result<String, String> {
        (self.signer)(issued_at)
    }

    /// Whether both are the same key with the same ids.
    pub(super) fn is(&self, other: &Self) -> bool {
        let sealed = other.seal("", 0, 0);
        sealed.is_some_and(|sealed| self.unseal(&sealed).is_ok())
    }

    /// Seals an auth token of this key for [`SigningKey::unseal`].
    pub(super) fn seal(&self, authorization: &str, issued_at: u64, made_at: u64) -> Option<String> {
        let kept = Kept {
            key_id: self.key_id.clone(),
            team_id: self.team_id.clone(),
            issued_at,
            made_at,
            authorization: authorization.to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &kept, &self.seal.0).ok()
    }

    /// Opens what was sealed by the same file with the same ids, and nothing else.
    pub(super) fn unseal(&self, sealed: &str) -> Result<Kept, &'static str> {
        if sealed.len() > SEALED_MAX {
            return Err("it is too long");
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let kept = jsonwebtoken::decode::<Kept>(sealed.trim(), &self.seal.1, &validation)
            .map_err(|_| "it was not written with this key, or it is damaged")?
            .claims;
        if (&*kept.key_id, &*kept.team_id) != (&*self.key_id, &*self.team_id) {
            return Err("it is of another key id or team id");
        }
        Ok(kept)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("key_id", &self.key_id)
            .field("team_id", &self.team_id)
            .finish_non_exhaustive()
    }
}

/// The auth token that APNs asks for (ES256).
fn sign(key: &EncodingKey, key_id: &str, team_id: &str, iat: u64) -> Result<String, String> {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = None;
    header.kid = Some(key_id.to_owned());
    let claims = AuthTokenClaims { iss: team_id, iat };
    jsonwebtoken::encode(&header, &claims, key)
        .map_err(|error| format!("the auth token cannot be signed: {error}"))
}

/// Ids become part of a signed JSON text and of log lines.
fn check_id(what: &str, id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if id.len() > ID_MAX || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!(
            "the {what} is not one: Apple's have 10 letters and digits"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
