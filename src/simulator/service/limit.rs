//! `MAX_CONCURRENT_STREAMS` as the client knows it.

use std::time::Instant;

use crate::http2::Connection;

/// The limit on streams of one connection.
pub(super) struct Limit {
    /// What was sent last.
    now: u32,
    /// What the endpoint itself would have.
    own: u32,
    /// What it rises to.
    full: u32,
    /// What the faults allow.
    cap: Option<u32>,
    /// SETTINGS sent and acknowledged.
    sent: u32,
    acknowledged: u32,
    /// Which SETTINGS lowered the limit last: until it is acknowledged the client may not know.
    lowered: u32,
    /// Streams whose head has come, and streams that ended without one.
    heads: u32,
    headless: u32,
}

impl Limit {
    /// The first SETTINGS have gone out with it.
    pub(super) fn new(first: u32, full: u32, cap: Option<u32>) -> Self {
        Self {
            now: first.min(cap.unwrap_or(u32::MAX)),
            own: first,
            full: full.max(first),
            cap,
            sent: 1,
            acknowledged: 0,
            lowered: 0,
            heads: 0,
            headless: 0,
        }
    }

    /// As many streams as the endpoint ever allows.
    pub(super) fn open(&mut self, http2: &mut Connection, now: Instant) {
        self.set(http2, self.full, now);
    }

    /// That many, as far as the faults allow.
    pub(super) fn set(&mut self, http2: &mut Connection, streams: u32, now: Instant) {
        self.own = streams;
        self.tell(http2, now);
    }

    /// The faults allow that many.
    pub(super) fn set_cap(&mut self, http2: &mut Connection, cap: Option<u32>, now: Instant) {
        self.cap = cap;
        self.tell(http2, now);
    }

    /// Further SETTINGS were sent, about something else.
    pub(super) fn other_settings_sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn acknowledged(&mut self) {
        self.acknowledged += 1;
    }

    pub(super) fn head_came(&mut self) {
        self.heads += 1;
    }

    /// What it rises to.
    pub(super) fn full(&self) -> u32 {
        self.full
    }

    /// As many streams are open as the client may open.
    pub(super) fn is_reached(&self, http2: &Connection) -> bool {
        http2.open_streams() >= usize::try_from(self.now).unwrap_or(usize::MAX)
    }

    /// The client knows of all lowering.
    pub(super) fn is_known(&self) -> bool {
        self.acknowledged >= self.lowered
    }

    /// The client knows of all SETTINGS.
    pub(super) fn is_all_known(&self) -> bool {
        self.acknowledged >= self.sent
    }

    /// It is what the faults allow, not what the endpoint would have.
    pub(super) fn is_capped(&self) -> bool {
        self.now < self.own
    }

    /// Whether streams were opened since the last call of which no head was seen: refused by the
    /// connection, malformed, or skipped.
    pub(super) fn take_headless(&mut self, http2: &Connection) -> bool {
        let opened = http2.highest_stream().div_ceil(2);
        let headless = opened.saturating_sub(self.heads);
        std::mem::replace(&mut self.headless, headless) < headless
    }

    fn tell(&mut self, http2: &mut Connection, now: Instant) {
        let streams = self.own.min(self.cap.unwrap_or(u32::MAX));
        if streams == self.now {
            return;
        }
        self.sent += 1;
        if streams < self.now {
            self.lowered = self.sent;
        }
        self.now = streams;
        http2.set_max_concurrent_streams(streams, now);
    }
}
