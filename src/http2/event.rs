//! What the peer's bytes turned out to mean.

use std::fmt;

use super::{ErrorCode, Fields, StreamId};

/// What a connection reports.
///
/// Each stream that was opened ends in exactly one of: an event with `end_stream`, `Trailers`,
/// `StreamFailed`, or our own `Connection::reset` (which is followed by no event of that stream).
/// For a server that is the end of the request: what becomes of the stream while the response
/// goes out shows in the result of the sending calls.
#[derive(Debug)]
pub enum Event {
    /// The final response head (client) or a request head (server). Of a response with more fields
    /// than our `MAX_HEADER_LIST_SIZE` allows, the first ones.
    Head {
        /// Its stream.
        stream: StreamId,
        /// Pseudo-headers and fields, validated.
        fields: Fields,
        /// No content and no trailers follow.
        end_stream: bool,
    },
    /// An interim (1xx) response head.
    Interim {
        /// Its stream.
        stream: StreamId,
        /// 100, 102..=199.
        status: u16,
    },
    /// Content. Give its credit back with `Connection::release` once it is consumed.
    Data {
        /// Its stream.
        stream: StreamId,
        /// Without padding; several frames that came together may be one event.
        data: Vec<u8>,
        /// The message is complete.
        end_stream: bool,
    },
    /// Trailer fields; the message is complete.
    Trailers {
        /// Their stream.
        stream: StreamId,
        /// Fields, validated.
        fields: Fields,
    },
    /// The message will not be completed.
    StreamFailed {
        /// The stream, closed now.
        stream: StreamId,
        /// What is known of the request.
        fate: Fate,
        /// Why.
        cause: Cause,
    },
    /// The peer's SETTINGS were applied; limits and windows may have moved.
    SettingsReceived,
    /// The peer acknowledged our oldest unacknowledged SETTINGS.
    SettingsAcknowledged,
    /// The answer to `Connection::ping`.
    Pong {
        /// As it was sent.
        payload: [u8; 8],
    },
    /// The peer takes no further streams; those above `last_stream` get each a `StreamFailed`
    /// (emitted after this event) with `Fate::NotProcessed`, unless their answer had begun, and
    /// those that were not sent yet one with `Fate::NotSent`.
    /// `debug` is cut to 1 KiB.
    GoAway {
        /// The highest stream that the peer may have processed.
        last_stream: StreamId,
        /// Why it leaves.
        code: ErrorCode,
        /// Its opaque words; hostile bytes, to be escaped before they are logged.
        debug: Vec<u8>,
    },
    /// Client role: a request was sent whose fields count more than the server's
    /// `MAX_HEADER_LIST_SIZE`; once for each such limit.
    ListExceeded {
        /// Bytes of names and values and 32 for each field.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Client role: the connection opens no more streams of its own accord. Those that are open go
    /// on; with the last of them it ends, by a GOAWAY of ours.
    Retiring {
        /// Why, in words.
        why: &'static str,
    },
    /// The connection is over; every open stream has got its `StreamFailed` before this.
    Closed {
        /// Why.
        cause: Cause,
    },
}

impl Event {
    /// The stream that it is about; `None` if it is about the connection.
    pub const fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Head { stream, .. }
            | Self::Interim { stream, .. }
            | Self::Data { stream, .. }
            | Self::Trailers { stream, .. }
            | Self::StreamFailed { stream, .. } => Some(*stream),
            Self::SettingsReceived
            | Self::SettingsAcknowledged
            | Self::Pong { .. }
            | Self::GoAway { .. }
            | Self::ListExceeded { .. }
            | Self::Retiring { .. }
            | Self::Closed { .. } => None,
        }
    }
}

/// What is known of a request whose answer did not come (client role; servers see `Unknown`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No byte of it was handed to the transport.
    NotSent,
    /// The peer promises not to have processed it (`REFUSED_STREAM`, above GOAWAY's last id), and
    /// had not begun to answer it.
    NotProcessed,
    /// It may have been processed.
    Unknown,
}

/// Why a stream or the connection ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent `RST_STREAM`.
    ResetByPeer(ErrorCode),
    /// The peer broke a rule on this stream and we sent `RST_STREAM`; the text names the rule.
    StreamError(ErrorCode, &'static str),
    /// We reset the stream for a limit of ours that binds no peer; the text names it.
    OurLimit(&'static str),
    /// The peer's GOAWAY; of several, the first code other than `NO_ERROR`.
    GoAway(ErrorCode),
    /// The peer broke a rule and we sent GOAWAY; the text names the rule.
    ConnectionError(ErrorCode, &'static str),
    /// The transport ended (EOF, I/O error) without one of the above.
    TransportClosed,
    /// We closed the connection ourselves.
    ClosedByUs,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResetByPeer(code) => write!(f, "stream reset by the peer with {code}"),
            Self::StreamError(code, rule) => write!(f, "stream reset with {code}: {rule}"),
            Self::OurLimit(limit) => write!(f, "stream reset by us: {limit}"),
            Self::GoAway(code) => write!(f, "peer sent GOAWAY with {code}"),
            Self::ConnectionError(code, rule) => write!(f, "connection error {code}: {rule}"),
            Self::TransportClosed => f.write_str("transport closed"),
            Self::ClosedByUs => f.write_str("closed by us"),
        }
    }
}
