//! Where a push is, as far as it can be told.

use std::time::Duration;

use crate::push::LaneId;

/// What is known of one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushState {
    /// The push waits in its lane, with its connection thread, or in the backlog for its lane.
    Queued {
        /// Where it goes.
        lane: LaneId,
    },
    /// The push is to be sent later: it waits in the backlog for its time.
    Scheduled {
        /// Where it goes.
        lane: LaneId,
        /// When, since the Unix epoch.
        at: Duration,
    },
    /// The push was sent and is not answered.
    InFlight {
        /// Where it goes.
        lane: LaneId,
        /// The attempt that is under way, from 1.
        attempt: u16,
    },
    /// The push waits for its next attempt.
    Retrying {
        /// Where it goes.
        lane: LaneId,
        /// Attempts that have counted.
        attempts: u16,
        /// When it is due, since the Unix epoch.
        at: Duration,
    },
    /// The push has ended, and that is not kept yet: after a crash it would be outstanding.
    Settling(Ending),
    /// The push has ended.
    Settled(Ending),
    /// No push of that id is outstanding or remembered.
    Unknown,
    /// A connection thread did not answer in time.
    Unclear,
}

impl PushState {
    /// The lane of the push, if that is known.
    pub fn lane(&self) -> Option<LaneId> {
        match self {
            Self::Queued { lane }
            | Self::Scheduled { lane, .. }
            | Self::InFlight { lane, .. }
            | Self::Retrying { lane, .. } => Some(*lane),
            Self::Settling(ending) | Self::Settled(ending) => Some(ending.lane),
            Self::Unknown | Self::Unclear => None,
        }
    }
}

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Where it went.
    pub lane: LaneId,
    /// `succeeded`, `failed` or `expired`.
    pub end: &'static str,
    /// The provider's HTTP status, if it answered.
    pub status: Option<u16>,
    /// The provider's word or ours; empty on success.
    pub reason: Box<str>,
    /// The sentence for people; empty on success.
    pub error: Box<str>,
    /// Attempts that counted.
    pub attempts: u16,
    /// When it ended, since the Unix epoch.
    pub at: Duration,
    /// What FCM calls the message that it took.
    pub fcm_name: Option<Box<str>>,
    /// What the provider's answer means for the device token, if it means anything.
    pub token: Option<Box<TokenVerdict>>,
}

/// What a provider's answer means for a device token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenVerdict {
    /// `dead` or `suspect`.
    pub token_is: &'static str,
    /// Since when the device token is dead, in milliseconds since the Unix epoch, by the provider.
    pub gone_since: Option<u64>,
}
