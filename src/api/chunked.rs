//! The chunked transfer coding (RFC 9112 §7.1), decoded as it arrives.
//!
//! Pure: no I/O, no clock. Extensions are skipped and trailers dropped, both bounded.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use super::head::Refusal;

/// Decodes one chunked body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Octets of the body so far.
    length: usize,
    /// Most octets the body may have.
    limit: usize,
}

#[derive(Debug)]
enum State {
    /// In the line that opens a chunk; how many octets of it are known.
    Line(LineState),
    /// In the chunk's data; how many octets are left of it.
    Data(usize),
    /// After the data: how many octets of its CRLF were seen.
    DataEnd(usize),
    /// In the trailer section.
    Trailers(TrailerState),
    /// Past the end.
    Done,
}

#[derive(Debug, Default)]
struct LineState {
    size: usize,
    octets: usize,
    digits: usize,
    in_extension: bool,
    after_cr: bool,
}

#[derive(Debug, Default)]
struct TrailerState {
    octets: usize,
    in_line: usize,
    after_cr: bool,
}

impl Chunked {
    /// A decoder for a body of at most `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self {
            state: State::Line(LineState::default()),
            length: 0,
            limit,
        }
    }

    /// Whether the body and its trailers are complete.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes what it can of `octets`, hands the body's own to `data`, and says how many it took.
    ///
    /// It takes all of them unless the body ends among them.
    pub fn take<E: From<Refusal>>(
        &mut self,
        octets: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut rest = octets;
        while let (false, Some((&octet, after))) = (self.is_done(), rest.split_first()) {
            if let State::Data(left) = self.state {
                let (run, beyond) = rest.split_at(left.min(rest.len()));
                data(run)?;
                rest = beyond;
                self.state = match left.saturating_sub(run.len()) {
                    0 => State::DataEnd(0),
                    left => State::Data(left),
                };
            } else {
                self.step(octet)?;
                rest = after;
            }
        }
        Ok(octets.len().saturating_sub(rest.len()))
    }

    /// Takes one octet that is not data.
    fn step(&mut self, octet: u8) -> Result<(), Refusal> {
        match &mut self.state {
            State::Line(line) => {
                if line.step(octet)? {
                    let size = line.size;
                    self.length = self.length.saturating_add(size);
                    if self.length > self.limit {
                        return Err(Refusal::too_large(self.limit));
                    }
                    self.state = if size == 0 {
                        State::Trailers(TrailerState::default())
                    } else {
                        State::Data(size)
                    };
                }
            }
            State::DataEnd(0) if octet == b'\r' => self.state = State::DataEnd(1),
            State::DataEnd(1) if octet == b'\n' => self.state = State::Line(LineState::default()),
            State::DataEnd(_) => return Err(MALFORMED),
            State::Trailers(trailers) => {
                if trailers.step(octet)? {
                    self.state = State::Done;
                }
            }
            State::Data(_) | State::Done => {}
        }
        Ok(())
    }
}

impl LineState {
    /// Whether the line is complete with this octet.
    fn step(&mut self, octet: u8) -> Result<bool, Refusal> {
        self.octets = self.octets.saturating_add(1);
        if self.octets > MAX_CHUNK_LINE {
            return Err(MALFORMED);
        }
        if self.after_cr {
            return if octet == b'\n' {
                Ok(true)
            } else {
                Err(MALFORMED)
            };
        }
        match octet {
            b'\r' if self.digits > 0 => self.after_cr = true,
            b'\r' | b'\n' => return Err(MALFORMED),
            _ if self.in_extension => {}
            b';' | b' ' | b'\t' if self.digits > 0 => self.in_extension = true,
            _ => {
                let digit = char::from(octet).to_digit(16).ok_or(MALFORMED)?;
                let digit = usize::try_from(digit).map_err(|_| MALFORMED)?;
                self.digits = self.digits.saturating_add(1);
                self.size = self.size.saturating_mul(16).saturating_add(digit);
            }
        }
        Ok(false)
    }
}

impl TrailerState {
    /// Whether the trailer section is complete with this octet.
    fn step(&mut self, octet: u8) -> Result<bool, Refusal> {
        self.octets = self.octets.saturating_add(1);
        if self.octets > MAX_TRAILERS {
            return Err(Refusal::new(431, "trailer section is over 4096 bytes"));
        }
        if self.after_cr {
            if octet != b'\n' {
                return Err(MALFORMED);
            }
            self.after_cr = false;
            return Ok(std::mem::take(&mut self.in_line) == 0);
        }
        match octet {
            b'\r' => self.after_cr = true,
            b'\n' => return Err(MALFORMED),
            _ => self.in_line = self.in_line.saturating_add(1),
        }
        Ok(false)
    }
}

const MALFORMED: Refusal = Refusal::new(400, "chunked body is malformed");

/// Our limit: octets of a chunk's opening line with its extensions, which nobody uses.
pub const MAX_CHUNK_LINE: usize = 256;

/// Our limit: octets of the trailer section, which is dropped.
pub const MAX_TRAILERS: usize = 4096;

#[cfg(test)]
mod tests;
