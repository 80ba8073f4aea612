//! What a lane proves itself with, shared by all its connection threads.
//!
//! A thin lock around the provider's own rules: one auth token per key for the whole process, one
//! access token per service account.

use std::sync::Arc;
use std::time::Instant;

use crate::lane::Target;
use crate::moment::Moment;
use crate::oauth::{AccessToken, AccessTokens};
use crate::provider::apns::{AuthToken, Renewal};
use crate::push::LaneId;

use super::shared_tokens::SharedTokens;

/// A lane's credential.
#[derive(Debug)]
pub enum Credentials {
    /// The TLS client certificate says it all; the second since the Unix epoch at which it ends, if
    /// that can be read.
    Certificate(Option<i64>),
    /// APNs auth tokens.
    AuthTokens(Arc<SharedTokens>),
    /// Google access tokens.
    AccessTokens(AccessTokens),
}

/// The credential of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// None is needed.
    Certificate,
    /// An APNs auth token.
    AuthToken(AuthToken),
    /// A Google access token.
    AccessToken(AccessToken),
}

/// What a provider may say about the credential of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its time is over: another is needed.
    Refused,
    /// It came too soon after the one before (APNs).
    RenewedTooSoon,
}

/// Whether there is an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// There is.
    Granted,
    /// Not now; that will pass by itself. Why, if one was asked for and could not be had.
    Passing(Option<String>),
    /// There is none until an operator acts; this is why.
    Refused(String),
    /// Those that there were are refused to pushes, so that another is proved by a push only.
    RefusedInUse(String),
}

impl Credential {
    /// The value of the `authorization` field, if one is sent.
    pub fn authorization(&self) -> Option<&str> {
        match self {
            Self::Certificate => None,
            Self::AuthToken(token) => Some(token.authorization()),
            Self::AccessToken(token) => Some(token.authorization()),
        }
    }
}

impl Credentials {
    /// Whether both are of one signing key.
    pub(super) fn are(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AuthTokens(own), Self::AuthTokens(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// Whether a request could be sent now. An auth token is not made for the answer: its time
    /// counts from its first use.
    pub fn are_at_hand(&self, now: Moment) -> bool {
        match self {
            Self::Certificate(_) | Self::AuthTokens(_) => true,
            Self::AccessTokens(tokens) => tokens.current(now.elsewhere()).is_some(),
        }
    }

    /// The credential for a request of that lane that is sent now; `None` while there is none.
    pub fn current(&self, lane: LaneId, now: Moment) -> Option<Credential> {
        match self {
            Self::Certificate(_) => Some(Credential::Certificate),
            Self::AuthTokens(tokens) => match tokens.current(now) {
                Ok(token) => Some(Credential::AuthToken(token)),
                Err(error) => {
                    ::log::error!("{lane}: no auth token: {error}");
                    None
                }
            },
            Self::AccessTokens(tokens) => {
                let token = tokens.current(now.elsewhere());
                token.map(Credential::AccessToken)
            }
        }
    }

    /// Tries again what an operator may have mended by now.
    pub fn ask_again(&self, now: Moment) {
        if let Self::AccessTokens(tokens) = self {
            tokens.ask_again(now.elsewhere());
        }
    }

    /// How it stands with access tokens; where none are needed they are as good as granted.
    pub fn access(&self, now: Moment) -> Access {
        let Self::AccessTokens(tokens) = self else {
            return Access::Granted;
        };
        if tokens.current(now.elsewhere()).is_some() {
            return Access::Granted;
        }
        match tokens.trouble() {
            Some((why, true)) if tokens.are_refused_in_use() => Access::RefusedInUse(why),
            Some((why, true)) => Access::Refused(why),
            passing => Access::Passing(passing.map(|(why, _)| why)),
        }
    }

    /// When there will be one that is not to be had now, by the time of this process, if that is
    /// known.
    pub fn serves_at(&self, now: Moment) -> Option<Instant> {
        match self {
            Self::Certificate(_) | Self::AuthTokens(_) => None,
            Self::AccessTokens(tokens) => {
                let at = tokens.serves_at(now.elsewhere())?;
                let wait = at.saturating_duration_since(now.elsewhere());
                now.monotonic.checked_add(wait)
            }
        }
    }

    /// Takes note that a provider has taken a credential.
    pub fn proved(&self, used: &Credential) {
        match (self, used) {
            (Self::AccessTokens(tokens), Credential::AccessToken(token)) => tokens.proved(token),
            (Self::AuthTokens(tokens), _) => tokens.proved(),
            _ => {}
        }
    }

    /// Takes note of what a provider said about a credential of that lane, to that target.
    pub fn report(
        &self,
        lane: LaneId,
        (trouble, target): (Trouble, Target),
        used: &Credential,
        now: Moment,
    ) {
        match (self, used) {
            (Self::AuthTokens(tokens), Credential::AuthToken(token)) => {
                if trouble == Trouble::RenewedTooSoon {
                    tokens.too_many_updates(token, now);
                } else if tokens.expired(token, target, now) == Renewal::TooYoung {
                    ::log::error!(
                        "{lane}: Apple calls an auth token expired that is under 20 minutes old: \
                         this machine's clock is wrong by about an hour; correct it"
                    );
                }
            }
            (Self::AccessTokens(tokens), Credential::AccessToken(token)) => {
                tokens.refused(token, target.number(), now.elsewhere());
            }
            _ => {}
        }
    }
}
