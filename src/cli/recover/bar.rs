//! How far a recovery is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::figures::grouped;

use crate::moment;

/// How often the progress line is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// How far it is, on a terminal; a run whose standard error is a file gets the two lines on
/// standard output only.
#[derive(Default)]
pub(super) struct Bar {
    drawn: Option<Instant>,
}

impl Bar {
    /// Draws it, if it is time to.
    pub(super) fn draw(&mut self, settled: u64, total: u64) {
        let is_due = self.drawn.is_none_or(|at| moment::since(at) >= DRAW_EVERY);
        if !is_due || !io::stderr().is_terminal() {
            return;
        }
        self.drawn = Some(moment::now());
        let filled = settled
            .saturating_mul(WIDTH)
            .checked_div(total)
            .unwrap_or(0);
        let bar: String = (0..WIDTH)
            .map(|at| if at < filled { '#' } else { '.' })
            .collect();
        let text = format!("\r[{bar}] {} of {}", grouped(settled), grouped(total));
        // A terminal that is gone need not be told.
        let _written = io::stderr().write_all(text.as_bytes());
    }

    /// Takes it away.
    pub(super) fn clear(&self) {
        if self.drawn.is_some() {
            let _written = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// Characters of the bar.
const WIDTH: u64 = 40;
