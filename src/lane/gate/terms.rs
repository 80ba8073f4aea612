//! What is said to a gate and by it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::moment::Moment;
use crate::push::{ConnectionId, PackedToken, PushId};

/// Whether a lane may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaySend {
    /// Whatever it has.
    Yes,
    /// One push, to see whether the credential is taken: see `Gate::begin_probe`.
    Probe,
    /// Nothing.
    No,
}

/// One reason why a lane does not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An operator paused it, and has to resume it.
    Operator {
        /// Since when.
        since: Moment,
    },
    /// Its provider refuses its credential or what is configured with it; it resumes by itself.
    Credential {
        /// The provider's word for it, such as `InvalidProviderToken`.
        reason: Arc<str>,
        /// What is wrong, with which file, and what to do.
        text: Arc<str>,
        /// The push that alone has met it, or else the one that met it last, if it was a push.
        push: Option<PushId>,
        /// Since when.
        since: Moment,
        /// When it is tried again.
        next_probe: Instant,
        /// How often it has been tried again in vain.
        probes: u32,
    },
}

/// A credential that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRefusal {
    /// The provider's word for it.
    pub reason: Arc<str>,
    /// What is wrong, with which file, and what to do.
    pub text: Arc<str>,
    /// What ends the hold.
    pub ends_with: EndsWith,
}

/// What proves that a credential is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsWith {
    /// The provider's answer to a push.
    Probe,
    /// An access token: without one no push can be sent.
    AccessToken,
}

/// Who met a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The push, and where it went; nothing if a connection was refused as a whole.
    pub push: Option<(PushId, Target)>,
    /// On which connection.
    pub connection: ConnectionId,
    /// Whether others have contradicted it before: its word is worth less than that of one alone.
    pub is_discredited: bool,
    /// Whether other pushes of the lane are in flight, whose answers may decide.
    pub others_decide: bool,
}

/// A device token, as far as it has to be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(u64);

impl Target {
    /// The target that a device token stands for.
    pub fn of(token: PackedToken<'_>) -> Self {
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// A target that is no push's, by what it is called.
    pub fn named(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The target that a device token of that text stands for.
    #[cfg(test)]
    pub(crate) fn to(token: &str) -> Self {
        Self::of(crate::push::fixture::push_to(token, Moment::now()).token())
    }

    /// A number that it shares with no other, but by a rare chance.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What else there is to decide a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Others {
    /// Pushes are in flight.
    pub in_flight: bool,
    /// Pushes wait that have not met the refusal.
    pub waiting: bool,
}

/// What a refusal changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is to be seen whether it is about its push alone; until then nothing is sent.
    Doubted,
    /// The lane is held from now on.
    Held {
        /// Until the first probe.
        wait: Duration,
    },
    /// The lane is held from now on for one push alone, which others have contradicted, the last of
    /// them a moment ago.
    HeldForOne {
        /// Until the first probe.
        wait: Duration,
    },
    /// A probe was refused: the lane stays held.
    Again {
        /// Until the next probe.
        wait: Duration,
    },
    /// Nothing, or the refusal was of a credential that has been replaced since.
    Known,
}

/// What a good answer proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// That the credential is taken: its push had another topic than the configured one.
    Credential,
    /// That the configured topic is too.
    Topic,
}

impl Proof {
    /// That of a push which has the configured topic as it stands, or another.
    pub fn of(has_bare_topic: bool) -> Self {
        if has_bare_topic {
            Self::Topic
        } else {
            Self::Credential
        }
    }
}

/// What became of a probe that had no good answer and was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEnd {
    /// It was sent, and nothing was learnt by it: the next one waits as after a refusal.
    Unanswered,
    /// It was not sent, or was refused for what it is itself: another may go.
    NotSent,
}

/// What a good answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// Nothing: the credential was not refused.
    Nothing,
    /// It was doubted, and the doubt is over.
    Doubt,
    /// It was held for, and the hold is over.
    Hold,
    /// It was held for what one alone had met, and the hold is over.
    HoldForOne,
    /// What was said of it is refuted, and the lane waits for an access token as before.
    Behind,
}
