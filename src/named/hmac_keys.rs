//! The files of the keys that HMAC-SHA256 is used with: of hashed device tokens, and of what is
//! posted.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use super::{Finding, Found, both, bytes, one, roots};
use crate::config::{FeedbackHook, HideToken, Log};
use crate::count;
use crate::log::HASH_KEY_MIN;
use crate::moment::Moment;
use crate::net::tls::{self, SystemRoots};
use crate::provider::KEY_FILE_MAX;

/// Reads the key of hashed device tokens, if they are to be hashed, or says why it cannot be used.
pub fn hash_key(log: &Log) -> Result<Option<Vec<u8>>, Finding> {
    let HideToken::Hash { key_path } = &log.hide_token else {
        return Ok(None);
    };
    let key = bytes(HASH_KEY, key_path, KEY_FILE_MAX)?;
    long_enough((HASH_KEY, key_path), key, "openssl rand -out FILE 32").map(Some)
}

/// What is needed to post the feed.
pub struct HookFiles {
    /// What signs.
    pub secret: Vec<u8>,
    /// Whom we trust.
    pub tls: Arc<ClientConfig>,
}

/// Reads what is named of where records are posted.
///
/// # Errors
///
/// All that keeps it from being used.
pub fn hook(
    hook: &FeedbackHook,
    system: &SystemRoots,
    now: Moment,
) -> Result<Found<HookFiles>, Vec<Finding>> {
    let mut doubts = Vec::new();
    let ca_path = hook.ca_path.as_deref();
    let roots = roots((FeedbackHook::AUTHORITIES, ca_path), system, now);
    let secret = hook_secret(&hook.secret_path).map_err(one);
    let (secret, roots) = both(secret, roots, &mut doubts)?;
    let tls = tls::client_config(&roots, None, &[tls::ALPN_H2, tls::ALPN_HTTP1]);
    let tls = tls.map_err(|error| vec![Finding::of_key(FeedbackHook::URL, error)])?;
    let value = HookFiles { secret, tls };
    Ok(Found { value, doubts })
}

/// The secret in a file, less the end of its line.
fn hook_secret(path: &Path) -> Result<Vec<u8>, Finding> {
    let mut secret = bytes(FeedbackHook::SECRET, path, KEY_FILE_MAX)?;
    if secret.ends_with(b"\n") {
        secret.pop();
        secret.pop_if(|last| *last == b'\r');
    }
    let place = (FeedbackHook::SECRET, path);
    long_enough(place, secret, "openssl rand -hex -out FILE 32")
}

/// A key that is long enough for HMAC-SHA256; `made_by` is what makes one.
fn long_enough(
    (named, path): (&str, &Path),
    key: Vec<u8>,
    made_by: &str,
) -> Result<Vec<u8>, Finding> {
    if !(HASH_KEY_MIN..=KEY_FILE_MAX).contains(&key.len()) {
        let bytes = count::of(key.len(), "byte", "bytes");
        let text = format!(
            "the file has {bytes}, and {HASH_KEY_MIN} to {KEY_FILE_MAX} make a key; make one \
             with: {made_by}"
        );
        return Err(Finding::at(named, path, text));
    }
    Ok(key)
}

const HASH_KEY: &str = "log.hash_key_path";
