//! The auth token that outlives the process, so that a restart is not another token to Apple.
//!
//! One file for each key id, readable by its owner only: whoever has the token may push in our
//! name for an hour. Its content is sealed with the signing key, so that nothing but what a
//! process with this key wrote is believed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::state_file::{self, Surely};
use crate::delivery::shared_tokens::SharedTokens;
use crate::journal::DiskFiles;
use crate::moment::Moment;
use crate::provider::apns::{AuthTokens, SEALED_MAX, SigningKey};
use crate::push::LaneId;

/// The auth tokens of each signing key in use: Apple wants one token at a time from a key, however
/// many lanes have it.
#[derive(Debug, Default)]
pub(super) struct TokensByKey(Mutex<Vec<Weak<SharedTokens>>>);

impl TokensByKey {
    /// Those of the key, as its other lanes have them; see [`shared`] for the first of them, which
    /// lines about them name.
    pub(super) fn of(
        &self,
        key: SigningKey,
        (lane, key_id): (LaneId, &str),
        directory: Option<&Path>,
        now: Moment,
    ) -> Arc<SharedTokens> {
        // A panic in here leaves a whole list.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.strong_count() > 0);
        let mut in_use = known.iter().filter_map(Weak::upgrade);
        if let Some(tokens) = in_use.find(|known| known.are_of(&key)) {
            return tokens;
        }
        let tokens = shared(AuthTokens::new(key), (lane, key_id), directory, now);
        let tokens = Arc::new(tokens);
        known.push(Arc::downgrade(&tokens));
        tokens
    }
}

/// Shares auth tokens, goes on with the one that was kept in `directory` for this key id, and
/// keeps those to come there.
fn shared(
    mut tokens: AuthTokens,
    (lane, key_id): (LaneId, &str),
    directory: Option<&Path>,
    now: Moment,
) -> SharedTokens {
    let Some(directory) = directory else {
        ::log::debug!("{lane}: no state directory: the auth token does not outlive the process");
        return SharedTokens::new(tokens, None);
    };
    // Key ids are letters and digits: the signing key was checked before.
    let path = directory.join(format!("apns-auth-token-{key_id}"));
    match state_file::read(&path, SEALED_MAX) {
        Ok(None) => {}
        Ok(Some(sealed)) => match tokens.resume(&String::from_utf8_lossy(&sealed), now) {
            Ok(true) => ::log::info!("{lane}: going on with the auth token of {}", path.display()),
            Ok(false) => ::log::debug!("{lane}: the auth token of {} is over", path.display()),
            Err(why) => ignored(lane, &path, why),
        },
        Err(error) => ignored(lane, &path, &error.to_string()),
    }
    let keep = move |sealed: &str| {
        // It need not outlive a power failure, and whoever renews it waits for no disk.
        if let Err(error) = state_file::replace(&DiskFiles, &path, sealed, Surely::Written) {
            ::log::warn!(
                "{lane}: cannot keep the auth token in {}: {error}; a restart within 20 minutes may \
                 be refused as a renewal too soon",
                path.display()
            );
        }
    };
    SharedTokens::new(tokens, Some(Box::new(keep)))
}

fn ignored(lane: LaneId, path: &Path, why: &str) {
    ::log::warn!(
        "{lane}: the auth token in {} is not used: {why}; another is made when it is needed",
        path.display()
    );
}

#[cfg(test)]
mod tests;
