//! How far something is that takes its time.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::count::grouped;
use crate::moment;

/// How often the progress line is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// How far it is, on a terminal; a run whose standard error is a file gets none.
#[derive(Default)]
pub(super) struct Bar {
    drawn: Option<Instant>,
    /// Behind the numbers.
    unit: &'static str,
}

impl Bar {
    /// One whose numbers have a unit behind them.
    pub(super) fn in_units(unit: &'static str) -> Self {
        Self { drawn: None, unit }
    }

    /// Draws it, if it is time to.
    pub(super) fn draw(&mut self, done: u64, total: u64) {
        let is_due = self.drawn.is_none_or(|at| moment::since(at) >= DRAW_EVERY);
        if !is_due || !io::stderr().is_terminal() {
            return;
        }
        self.drawn = Some(moment::now());
        let filled = done.saturating_mul(WIDTH).checked_div(total).unwrap_or(0);
        let bar: String = (0..WIDTH)
            .map(|at| if at < filled { '#' } else { '.' })
            .collect();
        let (done, total, unit) = (grouped(done), grouped(total), self.unit);
        let text = format!("\r[{bar}] {done} of {total}{unit}");
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
