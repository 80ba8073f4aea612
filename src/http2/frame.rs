//! The byte layout of frames (RFC 9113 §4.1, §6): headers, payload prefixes, encoders.
//!
//! ```text
//!  +---------------+---------------+---------------+
//!  |                  length (24)                  |
//!  +---------------+---------------+---------------+
//!  |   type (8)    |   flags (8)   |
//!  +-+-------------+---------------+---------------+---------------+
//!  |R|                  stream identifier (31)                     |
//!  +-+-------------------------------------------------------------+
//!  |                     payload, `length` bytes                  |
//! ```
//!
//! What is checked here follows from the nine bytes or the payload alone; whatever depends on
//! the connection or a stream is checked in `connection::receive`.

use super::error::Violation;
use super::{ErrorCode, StreamId};

/// A frame's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Any other; to be ignored (RFC 9113 §5.5).
    Unknown(u8),
}

impl Kind {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            other => Self::Unknown(other),
        }
    }

    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Data => 0x0,
            Self::Headers => 0x1,
            Self::Priority => 0x2,
            Self::RstStream => 0x3,
            Self::Settings => 0x4,
            Self::PushPromise => 0x5,
            Self::Ping => 0x6,
            Self::GoAway => 0x7,
            Self::WindowUpdate => 0x8,
            Self::Continuation => 0x9,
            Self::Unknown(other) => other,
        }
    }
}

/// The nine bytes before each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of payload, < 2^24.
    pub(super) length: usize,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// Without the reserved bit.
    pub(super) stream: StreamId,
}

impl FrameHeader {
    /// Reads the header at the start of `bytes`; `None` if they are fewer than nine.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEADER_LEN>()?;
        Some(Self {
            length: usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).ok()?,
            kind: Kind::from_byte(kind),
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & STREAM_ID_MASK,
        })
    }

    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The rules on stream number and length that hold whatever the connection's state is.
    /// Judged before any byte of the payload is kept.
    pub(super) fn check(self) -> Result<(), Violation> {
        if self.length > MAX_FRAME_SIZE {
            return Err(Violation::frame_size(
                "frame longer than our MAX_FRAME_SIZE",
            ));
        }
        match self.kind {
            Kind::Data
            | Kind::Headers
            | Kind::Priority
            | Kind::RstStream
            | Kind::PushPromise
            | Kind::Continuation
                if self.stream == 0 =>
            {
                Err(Violation::protocol("frame of a stream on stream 0"))
            }
            Kind::Settings | Kind::Ping | Kind::GoAway if self.stream != 0 => {
                Err(Violation::protocol("frame of the connection on a stream"))
            }
            Kind::RstStream | Kind::WindowUpdate if self.length != 4 => Err(Violation::frame_size(
                "RST_STREAM or WINDOW_UPDATE not of 4 bytes",
            )),
            Kind::Ping if self.length != 8 => Err(Violation::frame_size("PING not of 8 bytes")),
            Kind::GoAway if self.length < 8 => {
                Err(Violation::frame_size("GOAWAY of less than 8 bytes"))
            }
            Kind::Settings if self.has(ACK) && self.length != 0 => Err(Violation::frame_size(
                "SETTINGS acknowledgement with a payload",
            )),
            Kind::Settings if !self.length.is_multiple_of(6) => Err(Violation::frame_size(
                "SETTINGS not of a multiple of 6 bytes",
            )),
            _ => Ok(()),
        }
    }

    /// DATA's content (or a HEADERS frame's rest) without its padding.
    pub(super) fn unpad(self, payload: &[u8]) -> Result<&[u8], Violation> {
        if !self.has(PADDED) {
            return Ok(payload);
        }
        let (&padding, rest) = payload
            .split_first()
            .ok_or(Violation::frame_size("padded frame without a pad length"))?;
        rest.len()
            .checked_sub(usize::from(padding))
            .and_then(|content| rest.get(..content))
            .ok_or(Violation::protocol(
                "padding as long as the payload or longer",
            ))
    }

    /// A HEADERS frame's field block fragment: without padding and the deprecated priority fields.
    pub(super) fn field_block(self, payload: &[u8]) -> Result<&[u8], Violation> {
        let rest = self.unpad(payload)?;
        if !self.has(PRIORITY) {
            return Ok(rest);
        }
        rest.get(5..).ok_or(Violation::frame_size(
            "HEADERS shorter than its priority fields",
        ))
    }
}

/// A payload's 32-bit number at the start, reserved bit cleared by the caller where there is one.
pub(super) fn number(payload: &[u8]) -> u32 {
    payload
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// GOAWAY's payload: last stream, code, debug data cut to `GOAWAY_DEBUG_MAX`.
pub(super) fn goaway(payload: &[u8]) -> (StreamId, ErrorCode, &[u8]) {
    let code = payload.get(4..).map_or(0, number);
    let debug = payload.get(8..).unwrap_or_default();
    (
        number(payload) & STREAM_ID_MASK,
        ErrorCode(code),
        debug.get(..GOAWAY_DEBUG_MAX).unwrap_or(debug),
    )
}

/// Writes a frame header; `length` < 2^24.
pub(super) fn put_header(out: &mut Vec<u8>, length: usize, kind: Kind, flags: u8, id: StreamId) {
    let [_, l0, l1, l2] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let [s0, s1, s2, s3] = id.to_be_bytes();
    out.extend_from_slice(&[l0, l1, l2, kind.byte(), flags, s0, s1, s2, s3]);
}

/// Writes a DATA frame.
pub(super) fn put_data(out: &mut Vec<u8>, id: StreamId, content: &[u8], end_stream: bool) {
    let flags = if end_stream { END_STREAM } else { 0 };
    put_header(out, content.len(), Kind::Data, flags, id);
    out.extend_from_slice(content);
}

pub(super) fn put_rst_stream(out: &mut Vec<u8>, id: StreamId, code: ErrorCode) {
    put_header(out, 4, Kind::RstStream, 0, id);
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub(super) fn put_settings_ack(out: &mut Vec<u8>) {
    put_header(out, 0, Kind::Settings, ACK, 0);
}

pub(super) fn put_ping(out: &mut Vec<u8>, payload: [u8; 8], flags: u8) {
    put_header(out, 8, Kind::Ping, flags, 0);
    out.extend_from_slice(&payload);
}

/// Writes a GOAWAY, its debug data cut to `GOAWAY_DEBUG_MAX`.
pub(super) fn put_goaway(out: &mut Vec<u8>, last: StreamId, code: ErrorCode, debug: &[u8]) {
    let debug = debug.get(..GOAWAY_DEBUG_MAX).unwrap_or(debug);
    put_header(out, debug.len().saturating_add(8), Kind::GoAway, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(debug);
}

/// Writes a `WINDOW_UPDATE`; 1 <= `increment` <= 2^31-1.
pub(super) fn put_window_update(out: &mut Vec<u8>, id: StreamId, increment: u32) {
    put_header(out, 4, Kind::WindowUpdate, 0, id);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Opens a HEADERS frame whose field block is appended to `out` next; `close_headers` ends it.
/// Returns where it begins.
pub(super) fn open_headers(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    start
}

/// Ends the HEADERS frame that begins at `start`: everything behind its header is the field
/// block, which is split into CONTINUATION frames if it is longer than `max_frame`.
pub(super) fn close_headers(
    out: &mut Vec<u8>,
    start: usize,
    id: StreamId,
    end_stream: bool,
    max_frame: usize,
) {
    let body = start.saturating_add(HEADER_LEN);
    let end_stream = if end_stream { END_STREAM } else { 0 };
    let first_end = body.saturating_add(max_frame);
    let rest = if out.len() > first_end {
        out.split_off(first_end)
    } else {
        Vec::new()
    };
    let end_headers = if rest.is_empty() { END_HEADERS } else { 0 };
    let [_, l0, l1, l2] = u32::try_from(out.len().saturating_sub(body))
        .unwrap_or(0)
        .to_be_bytes();
    let [s0, s1, s2, s3] = id.to_be_bytes();
    let header = [
        l0,
        l1,
        l2,
        Kind::Headers.byte(),
        end_headers | end_stream,
        s0,
        s1,
        s2,
        s3,
    ];
    if let Some(place) = out.get_mut(start..body) {
        place.copy_from_slice(&header);
    }
    let mut fragments = rest.chunks(max_frame.max(1)).peekable();
    while let Some(fragment) = fragments.next() {
        let flags = if fragments.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        put_header(out, fragment.len(), Kind::Continuation, flags, id);
        out.extend_from_slice(fragment);
    }
}

/// What a client sends first (RFC 9113 §3.4).
pub(super) const CLIENT_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame header.
pub(super) const HEADER_LEN: usize = 9;

/// The longest payload we take, RFC 9113 §6.5.2's initial value: we never advertise another, so
/// that at most this and a header are ever buffered of a frame that is not whole.
pub(super) const MAX_FRAME_SIZE: usize = 0x4000;

/// The highest stream identifier; the mask that drops the reserved bit.
pub(super) const STREAM_ID_MASK: u32 = 0x7fff_ffff;

/// Bytes of GOAWAY debug data that are kept or sent; our limit: a log line's worth.
pub(super) const GOAWAY_DEBUG_MAX: usize = 1024;

/// Flag of DATA and HEADERS.
pub(super) const END_STREAM: u8 = 0x01;
/// Flag of SETTINGS and PING.
pub(super) const ACK: u8 = 0x01;
/// Flag of HEADERS, `PUSH_PROMISE` and CONTINUATION.
pub(super) const END_HEADERS: u8 = 0x04;
/// Flag of DATA, HEADERS and `PUSH_PROMISE`.
pub(super) const PADDED: u8 = 0x08;
/// Flag of HEADERS.
pub(super) const PRIORITY: u8 = 0x20;
