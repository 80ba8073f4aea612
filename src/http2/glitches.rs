//! Frames that are legal and of no use: how many of them a peer may send.
//!
//! Each costs us work and moves nothing. A few are how peers are, which the allowances are for; a
//! flood of them is an attack (CVE-2019-9512 and its relatives) or a fault that would not end.

use std::time::Instant;

use super::bucket::Bucket;
use super::error::Violation;

/// What a peer has left.
#[derive(Debug)]
pub(super) struct Glitches {
    bucket: Bucket,
    /// SETTINGS that cost nothing.
    settings: u32,
    /// `WINDOW_UPDATE`s that cost nothing.
    window_updates: u64,
    /// Interim heads, and DATA frames that are small and not the last, that cost nothing.
    small_parts: u64,
    /// Frames on closed streams that cost nothing.
    late: u64,
}

impl Glitches {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bucket: Bucket::new(now),
            settings: SETTINGS_FREE,
            window_updates: 0,
            small_parts: 0,
            late: 0,
        }
    }

    /// Time has passed.
    pub(super) fn fill(&mut self, now: Instant) {
        self.bucket.fill(now);
    }

    /// A stream was opened: what is usual on one is free.
    pub(super) fn allow_for_stream(&mut self) {
        self.window_updates = self.window_updates.saturating_add(UPDATES_PER_STREAM);
        self.small_parts = self.small_parts.saturating_add(SMALL_PARTS_PER_STREAM);
        // RST_STREAM(NO_ERROR) behind a complete answer.
        self.late = self.late.saturating_add(1);
    }

    /// A DATA frame was sent.
    pub(super) fn allow_for_data(&mut self) {
        self.window_updates = self.window_updates.saturating_add(UPDATES_PER_DATA);
    }

    /// We reset a stream: what was under way on it comes still.
    pub(super) fn allow_for_reset(&mut self) {
        self.late = self.late.saturating_add(LATE_PER_RESET);
    }

    /// PING, PRIORITY, an unknown frame, a further GOAWAY, a PING's answer that nobody waits for.
    pub(super) fn count(&mut self) -> Result<(), Violation> {
        if self.bucket.take() {
            return Ok(());
        }
        Err(Violation::calm("too many frames that move nothing"))
    }

    pub(super) fn count_settings(&mut self) -> Result<(), Violation> {
        match self.settings.checked_sub(1) {
            Some(left) => self.settings = left,
            None => return self.count(),
        }
        Ok(())
    }

    pub(super) fn count_window_update(&mut self) -> Result<(), Violation> {
        match self.window_updates.checked_sub(1) {
            Some(left) => self.window_updates = left,
            None => return self.count(),
        }
        Ok(())
    }

    /// An interim head, or DATA of `octets` with more to follow.
    pub(super) fn count_part(&mut self, octets: usize) -> Result<(), Violation> {
        if octets >= SMALL_DATA {
            return Ok(());
        }
        match self.small_parts.checked_sub(1) {
            Some(left) => self.small_parts = left,
            None => return self.count(),
        }
        Ok(())
    }

    /// HEADERS, DATA or `RST_STREAM` on a closed stream.
    pub(super) fn count_late(&mut self) -> Result<(), Violation> {
        match self.late.checked_sub(1) {
            Some(left) => self.late = left,
            None => return self.count(),
        }
        Ok(())
    }
}

/// SETTINGS of a connection that are no glitch. Our limit: a provider changes its limits once or
/// twice, and more often only under load.
pub(super) const SETTINGS_FREE: u32 = 4;

/// `WINDOW_UPDATE`s per DATA frame that we send (one for the stream, one for the connection), and
/// per stream.
const UPDATES_PER_DATA: u64 = 2;
const UPDATES_PER_STREAM: u64 = 2;

/// Small pieces per stream: an interim head, and content that comes before an empty last frame.
const SMALL_PARTS_PER_STREAM: u64 = 2;

/// Octets of content below which a DATA frame is small unless it is the last.
pub(super) const SMALL_DATA: usize = 64;

/// Head, content, `WINDOW_UPDATE` and `RST_STREAM` of an answer that comes after its time-out.
const LATE_PER_RESET: u64 = 4;
