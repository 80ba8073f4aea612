//! What the push log does not show.

use std::fmt;

use aws_lc_rs::hmac;

use super::escape::string;
use crate::push::PackedToken;

/// Our limit: bytes of the key that device tokens are hashed with; fewer could be guessed.
pub const HASH_KEY_MIN: usize = 16;

/// What the push log hides of device tokens and texts.
#[derive(Debug, Default)]
pub struct Privacy {
    /// How device tokens are shown.
    pub token: TokenShown,
    /// Whether `message`, `title` and `subtitle` are left empty.
    pub hides_message: bool,
}

/// How the push log shows device tokens.
#[derive(Default)]
pub enum TokenShown {
    /// As the caller spelled them.
    #[default]
    Plain,
    /// As a keyed hash, equal for equal tokens: lines can be joined, and tokens cannot be guessed
    /// by those who have no key.
    Hashed(Box<hmac::Key>),
    /// Not at all.
    Hidden,
}

impl TokenShown {
    /// Hashed with HMAC-SHA-256 under that secret.
    pub fn hashed(secret: &[u8]) -> Self {
        Self::Hashed(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The token as lines show it.
    pub fn shown(&self, token: &str) -> String {
        let mut out = Vec::new();
        self.write(&mut out, PackedToken::of_text(token));
        serde_json::from_slice(&out).unwrap_or_default()
    }

    /// Appends the token, quoted.
    pub(super) fn write(&self, out: &mut Vec<u8>, token: PackedToken<'_>) {
        match self {
            // No digit is escaped.
            Self::Plain if token.is_of_digits() => {
                out.push(b'"');
                token.write(out);
                out.push(b'"');
            }
            Self::Plain => string(out, &token.text()),
            Self::Hashed(key) => {
                let hash = hmac::sign(key, token.text().as_bytes());
                out.extend_from_slice(b"\"hash:");
                for byte in hash.as_ref().iter().take(HASH_BYTES) {
                    let digit = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied();
                    out.extend([digit(byte >> 4), digit(byte & 15)].into_iter().flatten());
                }
                out.push(b'"');
            }
            Self::Hidden => out.extend_from_slice(b"\"\""),
        }
    }
}

/// Hides the key.
impl fmt::Debug for TokenShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Hashed(_) => "Hashed",
            Self::Hidden => "Hidden",
        })
    }
}

/// Bytes of a hash that are shown: enough that no two of a site's tokens meet.
const HASH_BYTES: usize = 16;
