//! The sinks of a settlement: the push log, the register with the backlog behind it, the
//! statistics and the lane's room. Each hears of a push once.
//!
//! Lines are gathered over one round of the settler's thread and handed to the log's writer at
//! once. The others hear of the round then: the register with where its lines end in the logs,
//! statistics and room with how many there were. A sink that is to come, for dead device tokens,
//! takes from the same [`Remembered`]s what they say of tokens.

use std::sync::Arc;

use super::outcome::Settlement;
use super::register::{Marks, Register, Remembered};
use crate::lane::Lane;
use crate::live::Reader;
use crate::log::line::{self, Line, PushLine, Tail};
use crate::log::{Logs, Origin, Privacy, TimeText};
use crate::moment::Moment;
use crate::push::{End, Push};

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
    pub(super) tally: Tally,
}

/// What a round comes to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    succeeded: usize,
    failed: usize,
    /// Attempts that were made.
    pub(super) attempts: usize,
    /// Pushes that are to be sent again after one.
    pub(super) retries: usize,
    /// Left to the next start.
    left: usize,
    /// How many of those that ended or are left were scheduled.
    scheduled: usize,
}

impl Tally {
    /// Counts a push that is left to the next start.
    pub(super) fn leave(&mut self, push: &Push) {
        self.left += 1;
        self.part_with(push);
    }

    /// A push is no more in its lane.
    fn part_with(&mut self, push: &Push) {
        self.scheduled += usize::from(push.envelope().earliest.is_some());
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
            tally: Tally::default(),
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
            self.tally.succeeded += 1;
        } else {
            self.error.extend_from_slice(&self.line);
            self.tally.failed += 1;
        }
        self.tally.part_with(push);
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
        let tally = std::mem::take(&mut self.tally);
        let stats = self.lane.stats();
        if tally.attempts + tally.retries > 0 {
            stats.tried(tally.attempts as u64, tally.retries as u64);
        }
        let settled = tally.succeeded + tally.failed;
        if settled > 0 {
            stats.succeeded(tally.succeeded as u64);
            stats.failed(tally.failed as u64);
        }
        let (room, parted) = (self.lane.room(), settled + tally.left);
        room.settled(parted.saturating_sub(tally.scheduled));
        room.scheduled().settled(tally.scheduled);
    }
}
