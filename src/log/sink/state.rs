//! What those who write lines and the writer share: the buffer, and what is asked of the writer.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::destination::Destination;
use super::gap::{Gap, count};
use super::{CAPACITY, STUCK_AFTER, TAKES_NOTHING_FOR};
use crate::moment;

/// The buffer and what is asked of the writer.
#[derive(Debug, Default)]
pub(super) struct SinkState {
    /// Lines that the writer has not taken yet.
    pub(super) pending: Vec<u8>,
    /// Bytes that the writer has taken and not written …
    pub(super) writing: usize,
    /// … which are at the end of these.
    pub(super) taken: Arc<Vec<u8>>,
    /// Since when the writer waits for the destination; `None` if it has nothing to write.
    pub(super) busy: Option<Busy>,
    /// Bytes ever appended.
    pub(super) accepted: u64,
    /// The writer does not gather while less than this has been settled.
    pub(super) wanted: u64,
    /// Callers that wait for room.
    pub(super) waiting: usize,
    /// How long they wait for a writer that gets nothing done; `None` for ever.
    pub(super) patience: Option<Duration>,
    /// Whether lines are dropped rather than waited with.
    pub(super) sheds: bool,
    /// What the last write has met, until one works.
    pub(super) failure: Option<String>,
    /// The lines that are being dropped; until the writer has written what it had taken.
    pub(super) gap: Option<Gap>,
    /// Operator lines that nobody would have read.
    pub(super) unheard: u64,
    /// Lines that came when they were taken no more.
    pub(super) late: u64,
    /// What [`Sink::close`] has found missing.
    pub(super) lost: Option<u64>,
    pub(super) reopenings_asked: u64,
    pub(super) reopenings_done: u64,
    /// Whether the last of them failed, so that the old file stays in use.
    pub(super) keeps_old: bool,
    /// The file that the next reopening goes over to, instead of the same name's.
    pub(super) turned: Option<(Destination, File)>,
    pub(super) alarms: u64,
    /// Whether the alarm of this episode of fullness has been raised; until all is written.
    pub(super) full: bool,
    pub(super) life: Life,
}

/// A wait for the destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    /// When the destination last took something, or the writer began.
    pub(super) since: Instant,
    /// Whether the operator knows that it takes nothing.
    pub(super) is_told: bool,
}

impl Busy {
    /// One that begins now.
    pub(super) fn now() -> Self {
        let since = moment::now();
        Self {
            since,
            is_told: false,
        }
    }
}

/// How far a sink is from its end; it only goes down this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// Lines are taken and written.
    #[default]
    Open,
    /// The writer ends when all is written.
    Closing,
    /// Lines are taken no more; the writer ends when all is written, or a write fails.
    Abandoned,
    /// The writer has ended.
    Ended,
}

impl SinkState {
    pub(super) fn outstanding(&self) -> usize {
        self.pending.len() + self.writing
    }

    /// Lines that wait to be written.
    pub(super) fn unwritten(&self) -> u64 {
        let start = self.taken.len().saturating_sub(self.writing);
        count(self.taken.get(start..).unwrap_or_default()) + count(&self.pending)
    }

    /// Lines that nobody will write, and of which no line says so yet.
    pub(super) fn dropped(&self) -> u64 {
        self.gap.as_ref().map_or(0, Gap::lines) + self.late
    }

    /// Those and the ones that wait.
    pub(super) fn missing(&self) -> u64 {
        self.unwritten() + self.dropped()
    }

    /// Whether the destination takes nothing, and says no reason.
    pub(super) fn is_stuck(&self) -> bool {
        let is_long = |since| moment::since(since) >= TAKES_NOTHING_FOR;
        self.failure.is_none() && self.busy.is_some_and(|busy| is_long(busy.since))
    }

    pub(super) fn settled(&self) -> u64 {
        self.accepted.saturating_sub(self.outstanding() as u64)
    }

    /// A single line longer than the buffer has room when the buffer is empty.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let outstanding = self.outstanding();
        outstanding == 0 || outstanding.saturating_add(bytes) <= CAPACITY
    }

    pub(super) fn is_over(&self) -> bool {
        self.life >= Life::Abandoned
    }

    /// Whether lines for which there is no room are dropped without waiting.
    pub(super) fn is_in_vain(&self) -> bool {
        self.sheds && (self.failure.is_some() || self.gap.is_some())
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        let sheds = self.sheds.then_some(STUCK_AFTER);
        [self.patience, sheds].into_iter().flatten().min()
    }
}
