//! What became of one attempt, and the final word on a push.

use std::borrow::Cow;
use std::time::Duration;

use crate::provider::{Answer, TokenEffect};
use crate::push::End;

/// The result of one attempt to send a push.
#[derive(Debug)]
pub enum Outcome {
    /// The provider answered.
    Answered(Answer),
    /// No byte of it left this process.
    NotSent,
    /// The provider promises that it did nothing with it (`REFUSED_STREAM`, above GOAWAY's last
    /// id).
    NotProcessed(Cow<'static, str>),
    /// It was sent, and no answer came: the provider may or may not have it. The text says why.
    Unknown(Cow<'static, str>),
    /// A fault of ours has lost what came of it: as [`Outcome::Unknown`], but it says nothing of
    /// the provider.
    Forgotten(&'static str),
}

impl Outcome {
    /// Whether the provider may have the push, as far as anybody knows.
    pub fn may_be_there(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Forgotten(_))
    }
}

/// The final word on a push. There is exactly one for each push that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended.
    pub end: End,
    /// The provider's HTTP status, if it answered.
    pub status: Option<u16>,
    /// One word for it: the provider's reason, or one of ours (`expired`, `shutdown`, …).
    pub reason: Cow<'static, str>,
    /// The sentence for the log's `error` key; empty on success.
    pub error: String,
    /// The `apns-id` of the provider's answer.
    pub apns_id: Option<Box<str>>,
    /// The `apns-unique-id` of the provider's answer.
    pub apns_unique_id: Option<Box<str>>,
    /// The name that FCM gave the message which it took.
    pub message_name: Option<Box<str>>,
    /// What the provider's answer means for the device token.
    pub token_effect: TokenEffect,
    /// Since when the device token is dead, in milliseconds since the Unix epoch, if the provider
    /// said so.
    pub gone_since_ms: Option<u64>,
    /// Attempts that counted.
    pub attempt: u16,
    /// How long it took from the first attempt; known once it is settled.
    pub took: Duration,
}

impl Settlement {
    /// Since when the device token is dead, if it is and the provider said so.
    pub fn gone_since(&self) -> Option<u64> {
        let is_dead = self.token_effect == TokenEffect::Dead;
        self.gone_since_ms.filter(|_| is_dead)
    }

    /// A settlement with a sentence of ours, and with nothing that a provider's answer would say:
    /// who settles by an answer all the same adds its status and its word.
    pub fn of_ours(end: End, reason: &'static str, error: String, attempt: u16) -> Self {
        Self {
            end,
            status: None,
            reason: reason.into(),
            error,
            apns_id: None,
            apns_unique_id: None,
            message_name: None,
            token_effect: TokenEffect::Keep,
            gone_since_ms: None,
            attempt,
            took: Duration::ZERO,
        }
    }
}
