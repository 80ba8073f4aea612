//! The body of a request: where it ends, and the buffer in which it is gathered.
//!
//! Pure: no I/O, no clock.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use super::chunked::Chunked;
use super::head::{Framing, Refusal};

/// Finds the end of a body while it arrives, and what of it is the body's own.
#[derive(Debug)]
pub enum BodyScan {
    /// Of a body whose head tells its length: the bytes that are left.
    Length(usize),
    /// Of a chunked body.
    Chunked(Chunked),
}

impl BodyScan {
    /// For a body of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// 413, if its head says that it is longer.
    pub fn new(framing: Framing, limit: usize) -> Result<Self, Refusal> {
        match framing {
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Ok(Self::Length(length)),
                _ => Err(Refusal::too_large(limit)),
            },
            Framing::Chunked => Ok(Self::Chunked(Chunked::new(limit))),
        }
    }

    /// Whether the body is complete.
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
        }
    }

    /// Takes what it can of `bytes`, hands the body's own to `data`, and says how many it took.
    ///
    /// It takes all of them unless the body ends among them.
    ///
    /// # Errors
    ///
    /// 400, 413 or 431 of a chunked body, and those of `data`.
    pub fn take<E: From<Refusal>>(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        match self {
            Self::Length(left) => {
                let part = bytes.get(..*left).unwrap_or(bytes);
                data(part)?;
                *left = left.saturating_sub(part.len());
                Ok(part.len())
            }
            Self::Chunked(chunked) => chunked.take(bytes, data),
        }
    }
}

/// The body of one request at a time.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
}

impl Body {
    /// Appends to the body, which will have `most` bytes at most. There has to be room for all of
    /// them before it has more than [`FREE`].
    pub(super) fn push(&mut self, bytes: &[u8], most: usize) {
        let needed = self.bytes.len().saturating_add(bytes.len());
        if needed > self.bytes.capacity() {
            let capacity = if needed > FREE {
                most.max(needed)
            } else {
                needed.next_power_of_two().clamp(SMALLEST, FREE)
            };
            self.bytes
                .reserve_exact(capacity.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets the body and gives its memory back.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
    }
}

/// Bytes of the budget for a body of so many, beside others that are `kept`.
pub(crate) fn beside_free(body: usize, kept: usize) -> usize {
    body.saturating_sub(FREE).saturating_add(kept)
}

/// Our limit: bytes of a body buffer, and of an answer, that each connection may have beside the
/// budget.
pub(crate) const FREE: usize = 64 * 1024;

/// The first step of the buffer.
const SMALLEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// The body in `bytes`, how many of them it took, and whether it is complete.
    fn taken(framing: Framing, bytes: &str) -> Result<(String, usize, bool), Refusal> {
        let mut scan = BodyScan::new(framing, 9)?;
        let mut body = Vec::new();
        let taken = scan.take(bytes.as_bytes(), |data| {
            body.extend_from_slice(data);
            Ok::<_, Refusal>(())
        })?;
        Ok((String::from_utf8(body).unwrap(), taken, scan.is_done()))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let chunked = "4\r\nbody\r\n0\r\n\r\nnext";
        for (framing, bytes, body, length, is_done) in [
            (Framing::Length(0), "next", "", 0, true),
            (Framing::Length(4), "bod", "bod", 3, false),
            (Framing::Length(4), "bodynext", "body", 4, true),
            (Framing::Length(9), "long body", "long body", 9, true),
            (Framing::Chunked, chunked, "body", chunked.len() - 4, true),
        ] {
            let expected = (body.to_owned(), length, is_done);
            assert_eq!(taken(framing, bytes), Ok(expected), "{framing:?} {bytes}");
        }
        for length in [10, u64::MAX] {
            let refusal = taken(Framing::Length(length), "").unwrap_err();
            assert_eq!(refusal, Refusal::too_large(9));
        }
    }
}
