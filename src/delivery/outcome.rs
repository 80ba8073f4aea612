//! What became of one attempt, and the final word on a push.

use crate::push::End;
use std::borrow::Cow;

use crate::provider::Answer;

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
    /// Attempts that counted.
    pub attempt: u16,
}
