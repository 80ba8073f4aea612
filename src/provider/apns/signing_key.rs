//! The key that signs auth tokens: Apple's `.p8` file with its key id and team id.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::provider::KEY_FILE_MAX;

/// Longest key id and team id; Apple's have 10 characters.
const ID_MAX: usize = 64;

/// An APNs signing key, checked to be able to sign.
pub struct SigningKey {
    key: EncodingKey,
    key_id: String,
    team_id: String,
}

/// The claims that Apple reads; there is no expiry among them.
#[derive(Serialize)]
struct Claims<'a> {
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
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        check_label(&String::from_utf8_lossy(file))?;
        let key = EncodingKey::from_ec_pem(file)
            .map_err(|_| "the key file has no readable elliptic-curve key".to_owned())?;
        let key = Self {
            key,
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
        };
        // The curve is only looked at when something is signed.
        key.sign(0)
            .map_err(|_| "the key is not a P-256 key, the only kind that APNs takes".to_owned())?;
        Ok(key)
    }

    /// Makes the auth token of that moment (seconds since the Unix epoch).
    ///
    /// # Errors
    ///
    /// The cryptographic library's text; not seen once the key was read.
    pub fn sign(&self, issued_at: u64) -> Result<String, String> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(self.key_id.clone());
        let claims = Claims {
            iss: &self.team_id,
            iat: issued_at,
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|error| format!("the auth token cannot be signed: {error}"))
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

/// Ids become part of a signed JSON text and of log lines.
fn check_id(what: &str, id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if id.len() > ID_MAX || !id.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        return Err(format!(
            "the {what} is not one: Apple's have 10 letters and digits"
        ));
    }
    Ok(())
}

/// Tells the kinds of key files apart that operators mistake for a `.p8`.
fn check_label(text: &str) -> Result<(), String> {
    if text.contains("-----BEGIN PRIVATE KEY-----") {
        return Ok(());
    }
    let error = if text.contains("-----BEGIN EC PRIVATE KEY-----") {
        "the key is in SEC1 form (EC PRIVATE KEY), not PKCS#8; convert it with: \
         openssl pkcs8 -topk8 -nocrypt -in KEY.pem -out AuthKey.p8"
    } else if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        "the key is encrypted; decrypt it with: openssl pkcs8 -in KEY.p8 -out AuthKey.p8"
    } else if text.contains("-----BEGIN RSA PRIVATE KEY-----") {
        "the key is an RSA key, not the .p8 file that Apple hands out for token authentication"
    } else if text.contains("-----BEGIN CERTIFICATE-----") {
        "the file holds a certificate, not the .p8 file that Apple hands out for token \
         authentication"
    } else {
        "the file is not a .p8 file: it has no line \"-----BEGIN PRIVATE KEY-----\""
    };
    Err(error.to_owned())
}

#[cfg(test)]
mod tests;
