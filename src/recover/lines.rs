//! The lines of a log, of bounded length.

use std::io::{self, BufRead};
use std::mem;

use memchr::memchr;

/// Our limit: bytes of a line. Gaurun takes texts of any length, and logs them twice for every
/// device token; no provider takes a push of a thousandth of this.
pub const LINE_MAX: usize = 16 << 20;

/// Bytes of the line buffer that are kept for the next line.
const KEPT: usize = 1 << 20;

/// What comes next in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextLine<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// A line over the limit, which was skipped.
    TooLong,
    /// Nothing.
    End,
}

/// Reads lines, of which one is in memory at a time.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    /// The line, if it did not come in one piece.
    line: Vec<u8>,
    most: usize,
    /// Bytes of the input that are the line which was given out last.
    given: usize,
}

impl<R: BufRead> Lines<R> {
    /// The lines of up to `most` bytes.
    pub(super) fn new(input: R, most: usize) -> Self {
        Self {
            input,
            line: Vec::new(),
            most,
            given: 0,
        }
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// Those of reading; what was read of the line is lost then.
    pub(super) fn next(&mut self) -> io::Result<NextLine<'_>> {
        self.input.consume(mem::take(&mut self.given));
        self.line.clear();
        self.line.shrink_to(KEPT);
        let mut seen = 0_usize;
        loop {
            let found = match self.input.fill_buf() {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr(b'\n', found);
            if let Some(end) = end.filter(|end| seen == 0 && *end <= self.most) {
                self.given = end + 1;
                // It is there, so that nothing is read.
                let found = self.input.fill_buf()?;
                return Ok(NextLine::Line(found.get(..end).unwrap_or_default()));
            }
            let part = found.get(..end.unwrap_or(found.len())).unwrap_or_default();
            let is_over = found.is_empty();
            seen = seen.saturating_add(part.len());
            if seen <= self.most {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() || is_over {
                return Ok(match seen {
                    0 if is_over => NextLine::End,
                    seen if seen > self.most => NextLine::TooLong,
                    _ => NextLine::Line(&self.line),
                });
            }
        }
    }
}
