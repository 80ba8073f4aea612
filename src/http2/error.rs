//! Error codes on the wire, whose fault an error is and how far it reaches.

use std::fmt;

use super::StreamId;

/// An error code of `RST_STREAM` or GOAWAY (RFC 9113 §7).
///
/// Any number is legal on the wire; one that this type does not name is treated as
/// `INTERNAL_ERROR` would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Graceful end, nothing is wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// A rule of the protocol was broken.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// The sender of the code is at fault.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// More was sent than a window allowed.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame came for a stream that was half-closed.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame had an illegal size.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The stream was refused before any processing.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is not wanted any more.
    pub const CANCEL: Self = Self(0x8);
    /// The field compression state cannot be kept up.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The connection behind a CONNECT request ended.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer causes excessive load.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// HTTP/1.1 is to be used instead.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);

    /// The RFC's name, if it has one.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::CONNECT_ERROR => "CONNECT_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            Self::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code 0x{:x}", self.0),
        }
    }
}

/// Why something could not be sent: our caller's doing or the state of the connection, never a
/// fault of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No stream may be opened now (limit, GOAWAY, ids used up, closed).
    NoStream,
    /// The stream is not open for sending.
    StreamClosed,
    /// The head is not a legal HTTP/2 head.
    BadHead,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoStream => "no stream may be opened on this connection now",
            Self::StreamClosed => "the stream is not open for sending",
            Self::BadHead => "the head is not a legal HTTP/2 head",
        })
    }
}

impl std::error::Error for SendError {}

/// A rule that the peer broke, and how far that reaches (RFC 9113 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// Ends the connection.
    Connection(ErrorCode, &'static str),
    /// Ends one stream.
    Stream(StreamId, ErrorCode, &'static str),
    /// Ends one stream for a limit of ours that the peer did not know of.
    OurLimit(StreamId, &'static str),
}

impl Violation {
    /// The commonest one.
    pub(super) const fn protocol(rule: &'static str) -> Self {
        Self::Connection(ErrorCode::PROTOCOL_ERROR, rule)
    }

    /// A frame of an illegal length.
    pub(super) const fn frame_size(rule: &'static str) -> Self {
        Self::Connection(ErrorCode::FRAME_SIZE_ERROR, rule)
    }

    /// More load than a limit of ours allows.
    pub(super) const fn calm(rule: &'static str) -> Self {
        Self::Connection(ErrorCode::ENHANCE_YOUR_CALM, rule)
    }

    /// More was sent than the connection's window allows, or a window was raised beyond 2^31-1.
    pub(super) const fn flow_control(rule: &'static str) -> Self {
        Self::Connection(ErrorCode::FLOW_CONTROL_ERROR, rule)
    }

    /// A message that is malformed (RFC 9113 §8.1.1).
    pub(super) const fn malformed(stream: StreamId, rule: &'static str) -> Self {
        Self::Stream(stream, ErrorCode::PROTOCOL_ERROR, rule)
    }
}
