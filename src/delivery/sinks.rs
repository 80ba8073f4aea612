//! The sinks of a settlement: the push log, the register with the backlog behind it, the feed, the
//! statistics and the lane's room. Each hears of a push once.
//!
//! Lines are gathered over one round of the settler's thread and handed to the log's writer at
//! once. The others hear of the round then: the register with where its lines end in the logs, the
//! feed with a record of each, statistics and room with how many there were.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::Settlement;
use super::register::{Marks, Register, Remembered};
use crate::feed::{FeedRecord, Gathered};
use crate::lane::{Lane, QueueKind};
use crate::live::Reader;
use crate::log::line::{self, Line, PushLine, Tail};
use crate::log::{Logs, Origin, Privacy, TimeText};
use crate::moment::Moment;
use crate::provider::TokenEffect;
use crate::push::{End, Push, PushClass};
use crate::stats::{OTHER, RoundStats};

/// Bytes of lines that are gathered before they go to the log within a round: a million pushes
/// may expire in one.
pub(super) const LINES_HELD: usize = 256 * 1024;

/// Where one lane's settlements go.
#[derive(Debug)]
pub(super) struct Sinks {
    lane: Arc<Lane>,
    pub(super) logs: Logs,
    pub(super) register: Arc<Register>,
    privacy: Reader<Privacy>,
    pub(super) time_text: TimeText,
    /// The line of the push that is being settled.
    line: Vec<u8>,
    access: Vec<u8>,
    error: Vec<u8>,
    /// What the round has settled.
    round: Vec<Remembered>,
    /// The same for the feed, if there is one.
    gathered: Gathered,
    pub(super) tally: Tally,
    /// What the lane's statistics have not heard of.
    pub(super) counted: RoundStats,
}

/// What a round comes to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    settled: usize,
    /// Left to the next start.
    left: usize,
    /// How many of those that ended or are left were scheduled.
    scheduled: usize,
    /// How many of the others were of each class.
    transactional: usize,
    bulk: usize,
}

impl Tally {
    /// Counts a push that is left to the next start.
    pub(super) fn leave(&mut self, push: &Push) {
        self.left += 1;
        self.part_with(push);
    }

    /// A push is no more in its lane.
    fn part_with(&mut self, push: &Push) {
        match QueueKind::of(push) {
            QueueKind::Scheduled => self.scheduled += 1,
            QueueKind::Of(PushClass::Bulk) => self.bulk += 1,
            QueueKind::Of(PushClass::Transactional) => self.transactional += 1,
        }
    }
}

impl Sinks {
    pub(super) fn new(lane: Arc<Lane>, logs: Logs) -> Self {
        Self {
            lane,
            privacy: logs.privacy.reader(),
            logs,
            register: Arc::default(),
            time_text: TimeText::new(),
            line: Vec::new(),
            access: Vec::new(),
            error: Vec::new(),
            round: Vec::new(),
            gathered: Gathered::default(),
            tally: Tally::default(),
            counted: RoundStats::default(),
        }
    }

    /// Writes the line of a settlement, of which nobody hears before [`Sinks::tell`].
    pub(super) fn write(&mut self, push: &Push, settlement: &Settlement, now: Moment) {
        if self.access.len().max(self.error.len()) >= LINES_HELD {
            self.hand_over();
        }
        let origins = self.logs.origins.as_ref();
        let origin = origins.and_then(|origins| origins.take(push.id()));
        let (id, first_id) = match &origin {
            None => (push.id(), push.accepted().first_id),
            Some(Origin { id, .. }) => (*id, *id),
        };
        let push_line = PushLine {
            line: if settlement.end == End::Succeeded {
                Line::Succeeded
            } else {
                Line::Failed
            },
            lane: push.lane(),
            target: push.accepted().envelope.target,
            note: push.note(),
            id,
            first_id,
            token: push.token(),
            ptime: settlement.took,
            error: &settlement.error,
            tail: Tail {
                status: settlement.status,
                reason: &settlement.reason,
                apns_id: settlement.apns_id.as_deref(),
                apns_unique_id: settlement.apns_unique_id.as_deref(),
                attempt: Some(settlement.attempt),
                maybe_sent: push.maybe_sent || push.in_doubt,
                accepted: origin.as_ref().map(|origin| &*origin.accepted),
                fcm_name: settlement.message_name.as_deref(),
                token_is: settlement.token_effect.word(),
                gone_since: settlement.gone_since(),
                send_at: None,
            },
        };
        self.line.clear();
        let time = self.time_text.at(now);
        line::push(&mut self.line, time, &push_line, self.privacy.get());
    }

    /// Takes what was written last to all sinks.
    pub(super) fn tell(&mut self, push: &Push, mut settlement: Settlement, now: Moment) {
        if settlement.end == End::Succeeded {
            self.access.extend_from_slice(&self.line);
        } else {
            self.error.extend_from_slice(&self.line);
        }
        let reason = counted_reason(&settlement);
        let age = push.age(now.monotonic);
        self.counted.settled((settlement.end, reason), age);
        if settlement.token_effect == TokenEffect::Dead {
            self.counted.dead_token(reason);
        }
        self.tally.settled += 1;
        self.tally.part_with(push);
        if self.register.feed().is_some() {
            self.gather(push, &settlement, now);
        }
        // It says nothing that the push's id does not; the other is for who reads the log.
        settlement.apns_id = None;
        settlement.apns_unique_id = None;
        self.round.push(Remembered {
            id: push.id(),
            lane: push.lane(),
            settlement,
            at: now.unix,
        });
    }

    /// Has the feed's record of a settlement.
    fn gather(&mut self, push: &Push, settlement: &Settlement, now: Moment) {
        let is_dead = settlement.token_effect == TokenEffect::Dead;
        let token = is_dead.then(|| push.token().text());
        let record = FeedRecord {
            status: settlement.status,
            reason: &settlement.reason,
            token_effect: settlement.token_effect,
            gone_since: settlement.gone_since(),
            attempts: settlement.attempt,
            identifier: push.note().texts.identifier,
            accepted: millis(push.accepted().at.unix),
            settled: millis(now.unix),
            ..FeedRecord::of(push.lane(), push.id(), settlement.end)
        };
        self.gathered.add(&record, token.as_deref());
    }

    /// Lines that [`Sinks::hand_over`] has still to hand to the logs: access, error.
    pub(super) fn unflushed(&self) -> [&[u8]; 2] {
        [&self.access, &self.error]
    }

    /// Hands the round to each sink; the room of its pushes is given back after their lines.
    pub(super) fn hand_over(&mut self) {
        let mut end = Marks::default();
        if !self.access.is_empty() {
            end.access = self.logs.access.write(&self.access);
            self.access.clear();
        }
        if !self.error.is_empty() {
            end.error = self.logs.error.write(&self.error);
            self.error.clear();
        }
        self.register.enter(&mut self.round, end);
        if let Some(feed) = self.register.feed() {
            feed.add(&mut self.gathered);
        }
        let tally = std::mem::take(&mut self.tally);
        self.lane.stats().add(&mut self.counted);
        let (room, parted) = (self.lane.room(), tally.settled + tally.left);
        room.settled(parted.saturating_sub(tally.scheduled));
        room.settled_of(PushClass::Transactional, tally.transactional);
        room.settled_of(PushClass::Bulk, tally.bulk);
        room.scheduled().settled(tally.scheduled);
    }
}

/// The word as statistics have it, of which there are to be few: those that have a row in a
/// provider's table, or are ours. Any other is what a provider said in its own words, or did not
/// say; a push that succeeded has none.
fn counted_reason(settlement: &Settlement) -> &'static str {
    match settlement.reason {
        Cow::Borrowed(known) if !known.is_empty() || settlement.end == End::Succeeded => known,
        Cow::Borrowed(_) | Cow::Owned(_) => OTHER,
    }
}

/// Milliseconds since the Unix epoch.
fn millis(unix: Duration) -> u64 {
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}
