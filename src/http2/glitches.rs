//! Frames that are legal and move nothing: how many of them a peer may send.
//!
//! Each costs us work. What a peer sends is measured against what it does: each answered request
//! makes up for many of them, so that a server with odd manners (a PING, an unknown frame, SETTINGS
//! with each answer) is served for ever, and a flood (CVE-2019-9512 and its relatives) is not. What
//! flow control, the limit on content and deadlines bound already is not counted: content in small
//! pieces, and `WINDOW_UPDATE`s that give back what was sent.

use std::time::{Duration, Instant};

use super::bucket::Bucket;

/// What a peer has left.
#[derive(Debug)]
pub(super) struct Glitches {
    bucket: Bucket,
    /// When `counted` began.
    since: Instant,
    /// Frames that move nothing since then and since the last answer.
    counted: u32,
    now: Instant,
}

/// What one more such frame comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glitch {
    /// It is within what a peer may send.
    Allowed,
    /// It is more than the peer makes up for: it is to be left in good order.
    TooMany,
    /// It is a flood, which must be ended.
    Flood,
}

impl Glitches {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bucket: Bucket::new(BURST, TOKEN_TIME, now),
            since: now,
            counted: 0,
            now,
        }
    }

    /// Time has passed.
    pub(super) fn fill(&mut self, now: Instant) {
        self.bucket.fill(now);
        self.now = self.now.max(now);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self) {
        self.bucket.give(PER_ANSWER);
        self.counted = 0;
        self.since = self.now;
    }

    /// PING, PRIORITY, SETTINGS but the first, GOAWAY, an unknown frame, a PING's answer that
    /// nobody waits for, a frame on a closed stream, a `WINDOW_UPDATE` that gives back nothing and
    /// lets nothing out, a fragment of a block or an interim head beyond the usual, DATA without
    /// content.
    pub(super) fn count(&mut self) -> Glitch {
        if self.now.saturating_duration_since(self.since) >= FLOOD_WITHIN {
            self.counted = 0;
            self.since = self.now;
        }
        self.counted = self.counted.saturating_add(1);
        if self.counted > FLOOD {
            Glitch::Flood
        } else if self.bucket.take() {
            Glitch::Allowed
        } else {
            Glitch::TooMany
        }
    }
}

/// Such frames at once. Our limit, that of nghttp2.
pub(super) const BURST: u32 = 10_000;

/// 330 in a second, as in nghttp2.
const TOKEN_TIME: Duration = Duration::from_nanos(3_030_303);

/// How many more an answered request allows. Our limit: all that servers are known for costs one or
/// two, a window of 4 KiB that is given back in steps of 128 behind the answer 32, content of 60
/// bytes in pieces of one 60 (of a client); and so many are about as much work as a push.
pub(super) const PER_ANSWER: u32 = 100;

/// Such frames within [`FLOOD_WITHIN`] and without an answer in between that nobody sends who means
/// well. Our limit: ten times the burst.
pub(super) const FLOOD: u32 = 10 * BURST;

/// See [`FLOOD`].
const FLOOD_WITHIN: Duration = Duration::from_secs(1);
