//! The APNs auth tokens of a key, shared by the connection threads of all lanes that have it and
//! kept over restarts.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::lane::Target;
use crate::moment::Moment;
use crate::provider::apns::{AuthToken, AuthTokens, Renewal, SigningKey};

/// Writes the sealed text of the auth token in use to where the next process finds it.
pub type Keep = Box<dyn Fn(&str) + Send + Sync>;

/// A lock around the auth tokens of one key.
pub struct SharedTokens {
    inner: Mutex<AuthTokensState>,
    keep: Option<Keep>,
}

struct AuthTokensState {
    tokens: AuthTokens,
    /// The target that alone was told that a young token has expired.
    expired_to: Option<Target>,
}

impl SharedTokens {
    /// Shares `tokens`; whenever another one comes into use it is handed to `keep`.
    pub fn new(tokens: AuthTokens, keep: Option<Keep>) -> Self {
        Self {
            inner: Mutex::new(AuthTokensState {
                tokens,
                expired_to: None,
            }),
            keep,
        }
    }

    /// See [`AuthTokens::are_of`].
    pub fn are_of(&self, key: &SigningKey) -> bool {
        self.lock().tokens.are_of(key)
    }

    /// The token for a request that is sent now.
    ///
    /// # Errors
    ///
    /// [`AuthTokens::current`]'s text.
    pub fn current(&self, now: Moment) -> Result<AuthToken, String> {
        let (token, sealed) = {
            let tokens = &mut self.lock().tokens;
            (tokens.current(now)?, tokens.take_sealed())
        };
        if let (Some(keep), Some(sealed)) = (&self.keep, sealed) {
            keep(&sealed);
        }
        Ok(token)
    }

    /// See [`AuthTokens::expired`]. That a young token is said to have expired is worth a word
    /// when a second target is told so, and no push was taken between.
    pub fn expired(&self, used: &AuthToken, target: Target, now: Moment) -> Renewal {
        let mut inner = self.lock();
        let renewal = inner.tokens.expired(used, now);
        if renewal != Renewal::TooYoung {
            return renewal;
        }
        let first = *inner.expired_to.get_or_insert(target);
        if first == target {
            return Renewal::Superseded;
        }
        inner.expired_to = None;
        renewal
    }

    /// A push was taken with the token in use.
    pub fn proved(&self) {
        self.lock().expired_to = None;
    }

    /// See [`AuthTokens::too_many_updates`].
    pub fn too_many_updates(&self, used: &AuthToken, now: Moment) -> Renewal {
        self.lock().tokens.too_many_updates(used, now)
    }

    /// What is behind the lock is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, AuthTokensState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokens")
            .field("tokens", &self.lock().tokens)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator is told that the clock is wrong, which one push's word is too little for.
    #[test]
    fn a_young_token_has_expired_when_two_targets_are_told_so_and_none_is_taken_between() {
        let signer = Box::new(|iat| Ok(format!("{iat}")));
        let key = SigningKey::with_signer(signer, b"a secret", "ABCDE12345", "FGHIJ67890");
        let tokens = SharedTokens::new(AuthTokens::new(key), None);
        let now = Moment::now();
        let used = tokens.current(now).unwrap();
        let [one, other] = ["1", "2"].map(Target::to);
        let expired = |target| tokens.expired(&used, target, now);
        assert_eq!(expired(one), Renewal::Superseded);
        assert_eq!(
            expired(one),
            Renewal::Superseded,
            "the same says nothing new"
        );
        tokens.proved();
        assert_eq!(expired(other), Renewal::Superseded);
        assert_eq!(expired(one), Renewal::TooYoung);
        assert_eq!(expired(one), Renewal::Superseded, "once");
    }
}
