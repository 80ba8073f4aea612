//! The APNs auth tokens of a key, shared by a lane's connection threads and kept over restarts.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::moment::Moment;
use crate::provider::apns::{AuthToken, AuthTokens, Renewal};

/// Writes the sealed text of the auth token in use to where the next process finds it.
pub type Keep = Box<dyn Fn(&str) + Send + Sync>;

/// A lock around the auth tokens of one key.
pub struct SharedTokens {
    tokens: Mutex<AuthTokens>,
    keep: Option<Keep>,
}

impl SharedTokens {
    /// Shares `tokens`; whenever another one comes into use it is handed to `keep`.
    pub fn new(tokens: AuthTokens, keep: Option<Keep>) -> Self {
        Self {
            tokens: Mutex::new(tokens),
            keep,
        }
    }

    /// The token for a request that is sent now.
    ///
    /// # Errors
    ///
    /// [`AuthTokens::current`]'s text.
    pub fn current(&self, now: Moment) -> Result<AuthToken, String> {
        let (token, sealed) = {
            let mut tokens = self.lock();
            (tokens.current(now)?, tokens.take_sealed())
        };
        if let (Some(keep), Some(sealed)) = (&self.keep, sealed) {
            keep(&sealed);
        }
        Ok(token)
    }

    /// See [`AuthTokens::expired`].
    pub fn expired(&self, used: &AuthToken, now: Moment) -> Renewal {
        self.lock().expired(used, now)
    }

    /// See [`AuthTokens::too_many_updates`].
    pub fn too_many_updates(&self, used: &AuthToken, now: Moment) -> Renewal {
        self.lock().too_many_updates(used, now)
    }

    /// The tokens are whole between any two statements.
    fn lock(&self) -> std::sync::MutexGuard<'_, AuthTokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokens")
            .field("tokens", &*self.lock())
            .finish_non_exhaustive()
    }
}
