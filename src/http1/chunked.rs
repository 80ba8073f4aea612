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
    state: ChunkState,
    /// Bytes of the body so far.
    length: usize,
    /// Most bytes the body may have.
    limit: usize,
}

#[derive(Debug)]
enum ChunkState {
    /// In the line that opens a chunk; how many bytes of it are known.
    Line(LineState),
    /// In the chunk's data; how many bytes are left of it.
    Data(usize),
    /// After the data: how many bytes of its CRLF were seen.
    DataEnd(usize),
    /// In the trailer section.
    Trailers(TrailerState),
    /// Past the end.
    Done,
}

#[derive(Debug, Default)]
struct LineState {
    size: usize,
    bytes: usize,
    digits: usize,
    in_extension: bool,
    after_cr: bool,
}

#[derive(Debug, Default)]
struct TrailerState {
    bytes: usize,
    in_line: usize,
    after_cr: bool,
}

impl Chunked {
    /// A decoder for a body of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            state: ChunkState::Line(LineState::default()),
            length: 0,
            limit,
        }
    }

    /// Whether the body and its trailers are complete.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, ChunkState::Done)
    }

    /// Takes what it can of `bytes`, hands the body's own to `data`, and says how many it took.
    ///
    /// It takes all of them unless the body ends among them.
    pub fn take<E: From<Refusal>>(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut rest = bytes;
        while let (false, Some((&byte, after))) = (self.is_done(), rest.split_first()) {
            if let ChunkState::Data(left) = self.state {
                let (run, beyond) = rest.split_at(left.min(rest.len()));
                data(run)?;
                rest = beyond;
                self.state = match left.saturating_sub(run.len()) {
                    0 => ChunkState::DataEnd(0),
                    left => ChunkState::Data(left),
                };
            } else {
                self.step(byte)?;
                rest = after;
            }
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    /// Takes one byte that is not data.
    fn step(&mut self, byte: u8) -> Result<(), Refusal> {
        match &mut self.state {
            ChunkState::Line(line) => {
                if line.step(byte)? {
                    let size = line.size;
                    self.length = self.length.saturating_add(size);
                    if self.length > self.limit {
                        return Err(Refusal::too_large(self.limit));
                    }
                    self.state = if size == 0 {
                        ChunkState::Trailers(TrailerState::default())
                    } else {
                        ChunkState::Data(size)
                    };
                }
            }
            ChunkState::DataEnd(0) if byte == b'\r' => self.state = ChunkState::DataEnd(1),
            ChunkState::DataEnd(1) if byte == b'\n' => {
                self.state = ChunkState::Line(LineState::default());
            }
            ChunkState::DataEnd(_) => return Err(MALFORMED),
            ChunkState::Trailers(trailers) => {
                if trailers.step(byte)? {
                    self.state = ChunkState::Done;
                }
            }
            ChunkState::Data(_) | ChunkState::Done => {}
        }
        Ok(())
    }
}

impl LineState {
    /// Whether the line is complete with this byte.
    fn step(&mut self, byte: u8) -> Result<bool, Refusal> {
        self.bytes = self.bytes.saturating_add(1);
        if self.bytes > MAX_CHUNK_LINE {
            return Err(MALFORMED);
        }
        if self.after_cr {
            return if byte == b'\n' {
                Ok(true)
            } else {
                Err(MALFORMED)
            };
        }
        match byte {
            b'\r' if self.digits > 0 => self.after_cr = true,
            b'\r' | b'\n' => return Err(MALFORMED),
            _ if self.in_extension => {}
            b';' | b' ' | b'\t' if self.digits > 0 => self.in_extension = true,
            _ => {
                let digit = char::from(byte).to_digit(16).ok_or(MALFORMED)?;
                let digit = usize::try_from(digit).map_err(|_| MALFORMED)?;
                self.digits = self.digits.saturating_add(1);
                self.size = self.size.saturating_mul(16).saturating_add(digit);
            }
        }
        Ok(false)
    }
}

impl TrailerState {
    /// Whether the trailer section is complete with this byte.
    fn step(&mut self, byte: u8) -> Result<bool, Refusal> {
        self.bytes = self.bytes.saturating_add(1);
        if self.bytes > MAX_TRAILERS {
            return Err(Refusal::new(431, "trailer section is over 4096 bytes"));
        }
        if self.after_cr {
            if byte != b'\n' {
                return Err(MALFORMED);
            }
            self.after_cr = false;
            return Ok(std::mem::take(&mut self.in_line) == 0);
        }
        match byte {
            b'\r' => self.after_cr = true,
            b'\n' => return Err(MALFORMED),
            _ => self.in_line = self.in_line.saturating_add(1),
        }
        Ok(false)
    }
}

const MALFORMED: Refusal = Refusal::new(400, "chunked body is malformed");

/// Our limit: bytes of a chunk's opening line with its extensions, which nobody uses.
pub const MAX_CHUNK_LINE: usize = 256;

/// Our limit: bytes of the trailer section, which is dropped.
pub const MAX_TRAILERS: usize = 4096;

#[cfg(test)]
mod tests;
