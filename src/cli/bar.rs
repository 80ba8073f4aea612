//! How far something is that takes its time.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use crate::count::grouped;
use crate::moment;
use crate::texts;

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
        let unit = self.unit;
        self.draw_with(done, total, || {
            format!("{} of {}{unit}", grouped(done), grouped(total))
        });
    }

    /// Draws it, if it is time to, with another text behind it.
    pub(super) fn draw_with(&mut self, done: u64, total: u64, text: impl FnOnce() -> String) {
        let is_due = self.drawn.is_none_or(|at| moment::since(at) >= DRAW_EVERY);
        if !is_due || !io::stderr().is_terminal() {
            return;
        }
        self.drawn = Some(moment::now());
        // One that does not say is as wide as those that none could be without.
        let columns = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let columns = if columns == 0 { 80 } else { columns };
        let line = line(done, total, &text(), columns);
        // A terminal that is gone need not be told.
        let _written = io::stderr().write_all(format!("\r{line}\x1b[K").as_bytes());
    }

    /// Takes it away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _written = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// The bar and the text behind it, on one line: a longer one could not be drawn over.
fn line(done: u64, total: u64, text: &str, columns: usize) -> String {
    let text = texts::first(text, columns.saturating_sub(1));
    // Brackets, a blank, and the cursor's column.
    let beside = text.chars().count() + 4;
    let width = columns.saturating_sub(beside).min(WIDTH);
    if width < WIDTH_MIN {
        return text.to_owned();
    }
    let width = width as u64;
    let filled = u128::from(done.min(total)) * u128::from(width);
    let filled = filled.checked_div(u128::from(total)).unwrap_or(0);
    let bar: String = (0..width)
        .map(|at| if u128::from(at) < filled { '#' } else { '.' })
        .collect();
    format!("[{bar}] {text}")
}

/// Characters of the bar.
const WIDTH: usize = 40;

/// Characters without which it would tell nothing.
const WIDTH_MIN: usize = 5;

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_bar_has_room_on_any_terminal() {
        for (done, total, columns, expected) in [
            (0, 10, 20, "[..............] ab"),
            (5, 10, 20, "[#######.......] ab"),
            (10, 10, 20, "[##############] ab"),
            (11, 10, 20, "[##############] ab"),
            (0, 0, 20, "[..............] ab"),
            (u64::MAX / 2, u64::MAX, 11, "[##...] ab"),
            (5, 10, 10, "ab"),
            (5, 10, 2, "a"),
            (5, 10, 0, ""),
        ] {
            assert_eq!(line(done, total, "ab", columns), expected, "{columns}");
        }
        assert_eq!(
            line(1, 2, "", 200),
            format!("[{}{}] ", "#".repeat(20), ".".repeat(20))
        );
    }
}
