//! The auth token in use: when to make another, and when not to.
//!
//! Apple wants one auth token used for at least 20 minutes and at most 60, by all connections of
//! a key. It is made when it is first needed, so that its age and the time since its first use
//! are the same.
//!
//! ```text
//!          first current()                 39 min: current()
//!  none ───────────────────▶ in use ────────────────────────▶ in use (the one before is kept)
//!    ▲                        │   ▲                                │
//!    └── expired(), ≥ 20 min ─┘   └── too_many_updates(): the one before again, to its 59th minute
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SigningKey;
use crate::moment::Moment;

/// Age at which a token is the one to begin with: a clock that is behind by less makes none that
/// Apple takes for one from the future.
const BEGIN_AFTER: Duration = Duration::from_secs(9 * 60);

/// Age at which the next auth token is made.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(39 * 60);

/// Shortest time between two auth tokens of one key: Apple's floor.
pub(super) const RENEW_FLOOR: Duration = Duration::from_secs(20 * 60);

/// Age from which an auth token is no longer sent, whatever else: Apple's limit is 60 minutes.
pub(super) const LIFE_MAX: Duration = Duration::from_secs(59 * 60);

/// `iat` falls on a multiple of this, which follows from the time alone: so that a process that
/// starts anew, and every other one with the key, says what the one before it said, and none of
/// them is another token to Apple.
pub(super) const SLOT: Duration = Duration::from_secs(30 * 60);

/// How far `iat` may be ahead of the wall clock before the token counts as made by a wrong clock.
const AHEAD_MAX: Duration = Duration::from_secs(60);

const _: () = assert!(LIFE_MAX.as_secs() < 3600);
const _: () = assert!(RENEW_FLOOR.as_secs() <= SLOT.as_secs());
const _: () = assert!(BEGIN_AFTER.as_secs() + SLOT.as_secs() == RENEW_AFTER.as_secs());
// Also one that is begun with at the last moment serves for Apple's floor.
const _: () = assert!(RENEW_AFTER.as_secs() + RENEW_FLOOR.as_secs() <= LIFE_MAX.as_secs());

/// An auth token as it is sent. Cloning shares the text.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken {
    authorization: Arc<str>,
    number: u64,
}

impl AuthToken {
    /// The value of the `authorization` field.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }
}

/// Whoever reads the token may push in our name, so `{:?}` hides it.
impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthToken(number {})", self.number)
    }
}

/// What came of Apple's complaint about the age of an auth token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The token was given up; the next [`AuthTokens::current`] makes another.
    Dropped,
    /// Another token has been in use since; nothing to do.
    Superseded,
    /// The token is under 20 minutes old, so it stays: the clock is wrong by about an hour, here
    /// or there, and an operator has to look.
    TooYoung,
    /// No other token is made for 20 minutes; the one before serves on if it can.
    Held,
}

/// The auth tokens of one key, of which all connections use the same one.
#[derive(Debug)]
pub struct AuthTokens {
    key: SigningKey,
    in_use: Option<Minted>,
    /// The one before, in case Apple finds the one in use too early.
    before: Option<Minted>,
    /// The one that Apple found too early; it waits for the one in use to end.
    resting: Option<Minted>,
    /// No further one is made before this, since Apple complained.
    not_before: Option<Instant>,
    /// How many were made.
    count: u64,
    /// The number of the one that was sealed last.
    sealed: u64,
}

/// An auth token and when it was made.
#[derive(Clone, Debug)]
struct Minted {
    token: AuthToken,
    /// Its `iat`, since the Unix epoch.
    issued_at: Duration,
    /// When it was made, and first used.
    at: Moment,
}

impl Minted {
    /// Its age by the clock that says more: the wall clock may have been put right.
    fn age(&self, now: Moment) -> Duration {
        let when_made = self.at.unix.saturating_sub(self.issued_at);
        let monotonic = self.used_for(now).saturating_add(when_made);
        monotonic.max(now.unix.saturating_sub(self.issued_at))
    }

    /// How long it has been in use.
    fn used_for(&self, now: Moment) -> Duration {
        let since = now.since(self.at);
        since.max(now.unix.saturating_sub(self.at.unix))
    }

    /// Whether it was made by a clock that has been put back since.
    fn is_ahead(&self, now: Moment) -> bool {
        self.at.unix > now.unix + AHEAD_MAX
    }
}

impl AuthTokens {
    /// Whether they are of that key.
    pub fn are_of(&self, key: &SigningKey) -> bool {
        self.key.is(key)
    }

    /// No token yet.
    pub fn new(key: SigningKey) -> Self {
        Self {
            key,
            in_use: None,
            before: None,
            resting: None,
            not_before: None,
            count: 0,
            sealed: 0,
        }
    }

    /// Goes on with the token that another process of the same key sealed, unless it is too old:
    /// another would be one too many to Apple. False if it is too old.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn resume(&mut self, sealed: &str, now: Moment) -> Result<bool, &'static str> {
        let kept = self.key.unseal(sealed)?;
        let issued_at = Duration::from_secs(kept.issued_at);
        let made_at = Duration::from_secs(kept.made_at);
        let ago = now.unix.saturating_sub(made_at);
        if made_at > now.unix.saturating_add(AHEAD_MAX) || issued_at > made_at {
            return Err("it was made in the future, or by a clock that has been put back since");
        }
        self.count += 1;
        let minted = Minted {
            token: AuthToken {
                authorization: kept.authorization.into(),
                number: self.count,
            },
            issued_at,
            at: Moment {
                // A machine that has not run for so long has slept or started anew.
                monotonic: now.monotonic.checked_sub(ago).unwrap_or(now.monotonic),
                unix: made_at,
                ..now
            },
        };
        let serves = minted.age(now) < LIFE_MAX;
        if serves {
            self.sealed = minted.token.number;
            self.in_use = Some(minted);
        }
        Ok(serves)
    }

    /// The token in use, sealed for [`AuthTokens::resume`], if it has come into use since the
    /// last call.
    pub fn take_sealed(&mut self) -> Option<String> {
        let in_use = self.in_use.as_ref()?;
        let number = in_use.token.number;
        if std::mem::replace(&mut self.sealed, number) == number {
            return None;
        }
        let authorization = in_use.token.authorization();
        let issued_at = in_use.issued_at.as_secs();
        self.key
            .seal(authorization, issued_at, in_use.at.unix.as_secs())
    }

    /// The token for a request that is sent now; makes one if there is none or it is time.
    ///
    /// To be called for a request that goes out, not in advance: the call counts as first use.
    ///
    /// # Errors
    ///
    /// [`SigningKey::sign`]'s text.
    pub fn current(&mut self, now: Moment) -> Result<AuthToken, String> {
        if let Some(in_use) = &self.in_use {
            let age = in_use.age(now);
            if age < LIFE_MAX && !self.is_due(in_use, age, now) {
                return Ok(in_use.token.clone());
            }
        }
        let rested = self.resting.take().filter(|it| it.age(now) < LIFE_MAX);
        let next = match rested {
            Some(rested) => rested,
            None => self.mint(now)?,
        };
        let token = next.token.clone();
        self.before = self.in_use.replace(next);
        Ok(token)
    }

    /// Takes note that Apple answered `ExpiredProviderToken` to a request with that token.
    pub fn expired(&mut self, used: &AuthToken, now: Moment) -> Renewal {
        let Some(in_use) = self.in_use.as_ref().filter(|it| it.token == *used) else {
            return Renewal::Superseded;
        };
        if in_use.used_for(now) < RENEW_FLOOR {
            return Renewal::TooYoung;
        }
        self.in_use = None;
        self.before = None;
        Renewal::Dropped
    }

    /// Takes note that Apple answered `TooManyProviderTokenUpdates` to a request with that token:
    /// the one before is used to its end, and no further one is made for 20 minutes.
    pub fn too_many_updates(&mut self, used: &AuthToken, now: Moment) -> Renewal {
        if self.in_use.as_ref().is_none_or(|it| it.token != *used) {
            return Renewal::Superseded;
        }
        self.not_before = now.monotonic.checked_add(RENEW_FLOOR);
        if let Some(before) = self.before.take().filter(|it| it.age(now) < LIFE_MAX) {
            self.resting = self.in_use.replace(before);
        }
        Renewal::Held
    }

    /// Whether it is time for another token, although this one still serves.
    fn is_due(&self, in_use: &Minted, age: Duration, now: Moment) -> bool {
        let is_over = age >= RENEW_AFTER || in_use.is_ahead(now);
        let wanted = is_over && in_use.used_for(now) >= RENEW_FLOOR;
        let allowed = self.not_before.is_none_or(|at| now.monotonic >= at);
        wanted && allowed
    }

    /// Makes a token.
    fn mint(&mut self, now: Moment) -> Result<Minted, String> {
        let issued_at = issue_time(now.unix);
        let token = self.key.sign(issued_at.as_secs())?;
        self.count += 1;
        Ok(Minted {
            token: AuthToken {
                authorization: format!("bearer {token}").into(),
                number: self.count,
            },
            issued_at,
            at: now,
        })
    }
}

/// The `iat` of a token that is made at that time.
fn issue_time(unix: Duration) -> Duration {
    let secs = unix.saturating_sub(BEGIN_AFTER).as_secs();
    Duration::from_secs(secs - secs % SLOT.as_secs())
}

#[cfg(test)]
mod tests;
