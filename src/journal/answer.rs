//! Answers to requests with an idempotency key.

use std::time::Duration;

/// The answer to a request that carried an `Idempotency-Key`, kept for its repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The caller's key.
    pub key: Box<str>,
    /// A hash of the request's body, to tell a repetition from another request.
    pub body_hash: [u8; 32],
    /// The answer, as whoever appends it wants to have it back.
    pub answer: Box<[u8]>,
    /// When it was given, since 1970.
    pub at: Duration,
}
