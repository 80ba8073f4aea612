//! What a server keeps for a client that does not take it (RFC 9113 §10.5): content that waits for
//! windows, in bytes and in time.

use std::time::{Duration, Instant};

use super::super::{Cause, ErrorCode, StreamId};
use super::{Connection, Role};

impl Connection {
    /// Content of that stream was put by: resets it if that makes too much for the connection.
    pub(super) fn bound_buffered(&mut self, id: StreamId) {
        if self.role == Role::Client || self.buffered == 0 {
            return;
        }
        if self.buffered > BUFFERED_MAX {
            self.let_go(id, "answers over our limit wait for their windows");
        } else if self.reap_at.is_none() {
            self.reap_at = self.clock.checked_add(BLOCKED_MAX);
        }
    }

    /// Resets the streams that have waited too long.
    pub(super) fn reap(&mut self, now: Instant) {
        let mut late = Vec::new();
        let mut next: Option<Instant> = None;
        for (id, stream) in &self.streams {
            let since = stream.waiting.as_ref().and_then(|waiting| waiting.since);
            match since.and_then(|since| since.checked_add(BLOCKED_MAX)) {
                Some(due) if due <= now => late.push(*id),
                Some(due) => next = Some(next.map_or(due, |next| next.min(due))),
                None => {}
            }
        }
        self.reap_at = next;
        late.sort_unstable();
        for id in late {
            self.let_go(id, "windows kept closed for 30 s");
        }
        self.close_if_done();
    }

    fn let_go(&mut self, id: StreamId, why: &'static str) {
        let code = ErrorCode::ENHANCE_YOUR_CALM;
        self.give_up(id, code, Cause::StreamError(code, why));
    }
}

/// Server role: bytes of content that wait for windows, over all streams of a connection. Our
/// limit: a client that reads takes answers as they are made.
pub(in crate::http2) const BUFFERED_MAX: usize = 0x10_0000;

/// Server role: how long content may wait without any of it going out. Our limit: longer than any
/// client of ours waits for an answer.
pub(in crate::http2) const BLOCKED_MAX: Duration = Duration::from_secs(30);
