//! Lines that are missing from a log, and the one that says so.

use std::sync::atomic::Ordering;

use crate::log::TimeText;
use crate::log::line;
use crate::moment::Moment;
use crate::stats;

/// Lines that were dropped one after the other.
#[derive(Debug)]
pub(super) struct Gap {
    lines: u64,
    since: Moment,
}

impl Gap {
    /// One that begins now.
    pub(super) fn since(since: Moment) -> Self {
        Self { lines: 0, since }
    }

    /// Drops whole lines.
    pub(super) fn lose(&mut self, lines: &[u8]) {
        let lines = count(lines);
        stats::LINES_DROPPED.fetch_add(lines, Ordering::Relaxed);
        self.lines = self.lines.saturating_add(lines);
    }

    /// How many there are.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Appends the line that stands in their place.
    pub(super) fn tell(&self, out: &mut Vec<u8>, now: Moment) {
        let mut time_text = TimeText::new();
        let since = time_text.at(self.since).to_owned();
        line::lost(out, time_text.at(now), &since, self.lines);
    }
}

/// How many lines these are; the last one need not be whole.
pub(super) fn count(lines: &[u8]) -> u64 {
    lines.split_inclusive(|byte| *byte == b'\n').count() as u64
}

/// A number of lines, in words.
pub(super) fn counted(lines: u64) -> String {
    match lines {
        1 => "1 line".to_owned(),
        _ => format!("{lines} lines"),
    }
}
