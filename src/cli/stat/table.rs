//! Lines whose numbers stand below each other, and the head above them.

use std::io::{self, IsTerminal as _, Write as _};

use jiff::Timestamp;
use rustix::termios::tcgetwinsize;

use super::figures::{Counts, StatLine};
use crate::cli::api_client::shown;
use crate::moment::Moment;

/// Prints on standard output: one head where that is a file or a pipe, one on each screen of a
/// terminal.
pub(super) struct Table {
    is_terminal: bool,
    /// Since the head.
    lines: u16,
}

impl Table {
    pub(super) fn on_stdout() -> Self {
        Self {
            is_terminal: io::stdout().is_terminal(),
            lines: 0,
        }
    }

    /// Prints the head.
    pub(super) fn head(&mut self) -> io::Result<()> {
        self.lines = 0;
        print(HEAD)
    }

    /// Prints a line, below a head that can be seen.
    pub(super) fn line(&mut self, at: Moment, look: &StatLine) -> io::Result<()> {
        if self.is_terminal && self.lines >= lines_below_head(rows()) {
            self.head()?;
        }
        self.lines = self.lines.saturating_add(1);
        let seconds = i64::try_from(at.unix_secs()).unwrap_or_default();
        print(&line(
            Timestamp::from_second(seconds).unwrap_or_default(),
            look,
        ))
    }
}

/// Rows of the terminal.
fn rows() -> u16 {
    // One that does not say has as many as those that none could be without.
    tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_row)
}

/// Lines that fit on a screen below the head, the last one being the cursor's.
fn lines_below_head(rows: u16) -> u16 {
    let rows = if rows == 0 { 24 } else { rows };
    rows.saturating_sub(2).max(1)
}

fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Over the columns of [`line`]: what waits and is in flight, and what happened since the line
/// before.
const HEAD: &str =
    "time                   queued oldest in_flight succeeded   failed  retries lanes";

fn line(at: Timestamp, look: &StatLine) -> String {
    let StatLine {
        queued, in_flight, ..
    } = look;
    let Counts {
        succeeded,
        failed,
        retries,
    } = look.since;
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let oldest = look
        .oldest
        .map_or_else(|| "-".to_owned(), |oldest| oldest.to_string());
    let lanes = shown(&look.lanes);
    format!(
        "{at} {queued:>8} {oldest:>6} {in_flight:>9} {succeeded:>9} {failed:>8} {retries:>8} {lanes}"
    )
}

#[cfg(test)]
mod tests;
