//! The HTTP/1.1 text that ureq writes, read back: head, then content without its coding.
//!
//! Pure: bytes in, pieces out. The text comes from this process, so errors are ureq's or the
//! caller's doing, not a peer's.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::io;

/// What the next bytes meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Head(OutgoingHead),
    /// Content; `last` ends the request.
    Data {
        data: &'a [u8],
        last: bool,
    },
}

/// A request head in HTTP/2's terms (RFC 9113 §8.3.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutgoingHead {
    pub(super) method: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) authority: Vec<u8>,
    /// Names in lower case, without those that belong to one HTTP/1.1 connection.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// No content follows.
    pub(super) is_last: bool,
    /// ureq waits for a 100 before it sends the content.
    pub(super) expects_continue: bool,
}

/// Reads one request after the other.
#[derive(Debug)]
pub(super) struct RequestReader {
    state: BodyState,
    head: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Head,
    /// Bytes of content left.
    Length(u64),
    /// Size line of a chunk (RFC 9112 §7.1); what was read of the size.
    ChunkSize(u64),
    /// After a semicolon.
    ChunkExtension(u64),
    /// Bytes of a chunk left.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Trailer lines; bytes of the current one seen, line ends apart.
    Trailers(usize),
}

impl RequestReader {
    pub(super) fn new() -> Self {
        Self {
            state: BodyState::Head,
            head: Vec::new(),
        }
    }

    /// Between two requests.
    pub(super) fn is_idle(&self) -> bool {
        self.state == BodyState::Head && self.head.is_empty()
    }

    /// Takes bytes from the front of `bytes` until they make a piece or are used up.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> io::Result<Option<Piece<'a>>> {
        while !bytes.is_empty() {
            let piece = match self.state {
                BodyState::Head => self.head(bytes)?.map(Piece::Head),
                BodyState::Length(left) => {
                    let data = take(bytes, left);
                    let left = left.saturating_sub(length(data));
                    let last = left == 0;
                    self.state = if last {
                        BodyState::Head
                    } else {
                        BodyState::Length(left)
                    };
                    Some(Piece::Data { data, last })
                }
                BodyState::Chunk(left) => {
                    let data = take(bytes, left);
                    self.state = match left.saturating_sub(length(data)) {
                        0 => BodyState::ChunkEnd,
                        left => BodyState::Chunk(left),
                    };
                    Some(Piece::Data { data, last: false })
                }
                _ => {
                    let first = take(bytes, 1).first().copied().unwrap_or_default();
                    self.state = self.framing(first)?;
                    (self.state == BodyState::Head).then_some(Piece::Data {
                        data: &[],
                        last: true,
                    })
                }
            };
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(None)
    }

    /// One byte of the chunked coding's framing.
    fn framing(&self, byte: u8) -> io::Result<BodyState> {
        Ok(match (self.state, byte) {
            (BodyState::ChunkSize(0) | BodyState::ChunkExtension(0), b'\n') => {
                BodyState::Trailers(0)
            }
            (BodyState::ChunkSize(size) | BodyState::ChunkExtension(size), b'\n') => {
                BodyState::Chunk(size)
            }
            (BodyState::ChunkSize(size), b'\r') => BodyState::ChunkSize(size),
            (BodyState::ChunkSize(size), b';' | b' ') | (BodyState::ChunkExtension(size), _) => {
                BodyState::ChunkExtension(size)
            }
            (BodyState::ChunkSize(size), digit) => {
                let digit = char::from(digit).to_digit(16);
                let size = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit.into()));
                BodyState::ChunkSize(size.ok_or_else(|| bad("chunk size"))?)
            }
            (BodyState::ChunkEnd, b'\r') => BodyState::ChunkEnd,
            (BodyState::ChunkEnd, b'\n') => BodyState::ChunkSize(0),
            (BodyState::ChunkEnd, _) => return Err(bad("end of a chunk")),
            (BodyState::Trailers(0), b'\n') => BodyState::Head,
            (BodyState::Trailers(_), b'\n') => BodyState::Trailers(0),
            (BodyState::Trailers(seen), b'\r') => BodyState::Trailers(seen),
            (BodyState::Trailers(seen), _) => BodyState::Trailers(seen.saturating_add(1)),
            (state @ (BodyState::Head | BodyState::Length(_) | BodyState::Chunk(_)), _) => state,
        })
    }

    /// Collects a head until it is whole.
    fn head(&mut self, bytes: &mut &[u8]) -> io::Result<Option<OutgoingHead>> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let through_end = end.and_then(|end| u64::try_from(end).ok()?.checked_add(1));
        let line = take(bytes, through_end.unwrap_or(u64::MAX));
        self.head.extend_from_slice(line);
        if self.head.len() > MAX_HEAD {
            return Err(bad("length of the head"));
        }
        if !self.head.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        let text = std::mem::take(&mut self.head);
        let (head, state) = parse_head(&text)?;
        self.state = state;
        Ok(Some(head))
    }
}

fn parse_head(text: &[u8]) -> io::Result<(OutgoingHead, BodyState)> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut lines);
    match parsed.parse(text) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(bad("head")),
        Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
    }
    let mut head = OutgoingHead {
        method: parsed.method.unwrap_or_default().as_bytes().to_vec(),
        path: parsed.path.unwrap_or_default().as_bytes().to_vec(),
        authority: Vec::new(),
        fields: Vec::new(),
        is_last: false,
        expects_continue: false,
    };
    let mut state = BodyState::Head;
    let nominated = nominated(parsed.headers);
    for line in parsed.headers.iter() {
        let name = line.name.to_ascii_lowercase();
        let value = line.value.trim_ascii();
        match name.as_str() {
            "host" => head.authority = value.to_vec(),
            "transfer-encoding" if value.eq_ignore_ascii_case(b"chunked") => {
                state = BodyState::ChunkSize(0);
            }
            "transfer-encoding" => return Err(bad("transfer-encoding")),
            "expect" => head.expects_continue = value.eq_ignore_ascii_case(b"100-continue"),
            "te" if !value.eq_ignore_ascii_case(b"trailers") => {}
            name if CONNECTION_FIELDS.contains(&name) => {}
            name if nominated.iter().any(|other| other == name) => {}
            _ => {
                if name == "content-length" && state == BodyState::Head {
                    let length = std::str::from_utf8(value).ok();
                    let length = length.and_then(|length| length.parse().ok());
                    state = BodyState::Length(length.ok_or_else(|| bad("content-length"))?);
                }
                head.fields.push((name.into_bytes(), value.to_vec()));
            }
        }
    }
    if let BodyState::ChunkSize(_) = state {
        head.fields.retain(|(name, _)| name != b"content-length");
    }
    if state == BodyState::Length(0) {
        state = BodyState::Head;
    }
    head.is_last = state == BodyState::Head;
    head.expects_continue &= !head.is_last;
    Ok((head, state))
}

/// Names in `Connection`: they belong to the HTTP/1.1 connection too (RFC 9110 §7.6.1).
fn nominated(fields: &[httparse::Header<'_>]) -> Vec<String> {
    let values = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"));
    let names = values.flat_map(|field| field.value.split(|byte| *byte == b','));
    names
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect()
}

/// The number of bytes.
fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The first `n` bytes, or all if there are fewer.
fn take<'a>(bytes: &mut &'a [u8], n: u64) -> &'a [u8] {
    let n = usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(n);
    *bytes = rest;
    taken
}

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("cannot translate the request: bad {what}"),
    )
}

/// Fields that mean something to one HTTP/1.1 connection only (RFC 9113 §8.2.2).
pub(super) const CONNECTION_FIELDS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// Bytes of a request head; servers take less.
const MAX_HEAD: usize = 64 * 1024;

/// Fields of a request head.
const MAX_FIELDS: usize = 128;

#[cfg(test)]
mod tests;
