//! One stream: its state (RFC 9113 §5.1), where its message stands (§8.1), its windows, and the
//! content that waits for them.
//!
//! ```text
//!                            +------+
//!              SendEnd       |      |       ReceiveEnd
//!           ,----------------| Open |----------------.
//!           v                |      |                v
//!  +-----------------+       +------+       +------------------+
//!  | HalfClosedLocal |                      | HalfClosedRemote |
//!  +-----------------+                      +------------------+
//!           |                +--------+               |
//!           '--------------->| Closed |<--------------'
//!               ReceiveEnd   +--------+    SendEnd
//! ```
//!
//! `RST_STREAM`, in whatever state and direction, takes the stream away (`Connection::remove`).
//! Idle ones have no object, closed ones lose theirs. Pushed streams do not exist: we forbid
//! them and never send any.

use std::fmt;
use std::time::Instant;

use super::error::Violation;
use super::window::{ReceiveWindow, SendWindow};
use super::{ErrorCode, Indexing, StreamId};

/// The RFC's state of a stream that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamState {
    /// Both sides may send.
    Open,
    /// We have sent `END_STREAM`.
    HalfClosedLocal,
    /// The peer has sent `END_STREAM`.
    HalfClosedRemote,
    /// Nothing more goes either way.
    Closed,
}

/// What happens to a stream. `WINDOW_UPDATE` and PRIORITY change no state and are legal in all;
/// `RST_STREAM` leaves no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamInput {
    /// We send HEADERS or DATA without `END_STREAM`.
    Send,
    /// We send HEADERS or DATA with `END_STREAM`.
    SendEnd,
    /// HEADERS or DATA without `END_STREAM` came.
    Receive,
    /// HEADERS or DATA with `END_STREAM` came.
    ReceiveEnd,
}

impl StreamState {
    /// The state after `input`; `None` if it is illegal here.
    pub(super) const fn after(self, input: StreamInput) -> Option<Self> {
        use StreamInput::{Receive, ReceiveEnd, Send, SendEnd};
        use StreamState::{Closed, HalfClosedLocal, HalfClosedRemote, Open};
        match (self, input) {
            (Open, Send | Receive) => Some(Open),
            (Open, SendEnd) | (HalfClosedLocal, Receive) => Some(HalfClosedLocal),
            (Open, ReceiveEnd) | (HalfClosedRemote, Send) => Some(HalfClosedRemote),
            (HalfClosedLocal, ReceiveEnd) | (HalfClosedRemote, SendEnd) => Some(Closed),
            (HalfClosedLocal | Closed, Send | SendEnd)
            | (HalfClosedRemote | Closed, Receive | ReceiveEnd) => None,
        }
    }
}

/// What of the peer's message has come (RFC 9113 §8.1); its end is in `StreamState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessagePart {
    /// Interim heads at most.
    Head,
    /// The final head; content or trailers may follow.
    Content,
}

/// What of our message the caller has given us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Nothing, or interim heads (server role).
    Head,
    /// The head; content or trailers may follow.
    Content,
    /// All of it, even if some of it waits.
    Done,
}

/// How much content the message that is being received must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It did not say.
    Any,
    /// Its content-length.
    Exactly(u64),
    /// None whatever content-length says: an answer to HEAD, a 204 or a 304.
    Nothing,
}

/// Trailers in our own memory, since they are encoded only when they are written.
pub(super) type OwnedFields = Vec<(Box<[u8]>, Box<[u8]>, Indexing)>;

/// Content that was not let out yet.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) content: Vec<u8>,
    /// 0 <= `sent` <= `content.len()`
    pub(super) sent: usize,
    /// `END_STREAM` goes with the last of it, or with the trailers.
    pub(super) end_stream: bool,
    pub(super) trailers: Option<OwnedFields>,
    /// The stream is in the connection's round.
    pub(super) in_round: bool,
    /// When some of it went out last, or when it began to wait.
    pub(super) since: Option<Instant>,
}

impl Waiting {
    pub(super) fn unsent(&self) -> usize {
        self.content.len().saturating_sub(self.sent)
    }

    /// Appends content, and lets go of what went out once that is no less than what waits: no
    /// more bytes are moved than were sent.
    pub(super) fn append(&mut self, content: &[u8]) {
        if self.sent >= self.unsent() {
            self.content.drain(..self.sent);
            self.sent = 0;
        }
        self.content.extend_from_slice(content);
    }
}

/// Leaves out content and trailers, in which credentials and device tokens may be.
impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiting({} bytes)", self.unsent())
    }
}

/// A stream that is open or half-closed.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) state: StreamState,
    pub(super) reading: MessagePart,
    pub(super) writing: Writing,
    pub(super) send_window: SendWindow,
    pub(super) receive_window: ReceiveWindow,
    /// Bytes of content received, without padding.
    received: u64,
    pub(super) expected: Expected,
    /// The request's method is HEAD.
    pub(super) head_request: bool,
    /// Interim heads received.
    pub(super) interims: u8,
    /// Bytes received on this stream that were not given back to the connection's window.
    pub(super) unreleased: usize,
    /// Where in all of the output its HEADERS begin.
    pub(super) opened_at: u64,
    pub(super) waiting: Option<Box<Waiting>>,
}

impl Stream {
    pub(super) fn new(send_window: SendWindow, receive_window: ReceiveWindow) -> Self {
        Self {
            state: StreamState::Open,
            reading: MessagePart::Head,
            writing: Writing::Head,
            send_window,
            receive_window,
            received: 0,
            expected: Expected::Any,
            head_request: false,
            interims: 0,
            unreleased: 0,
            opened_at: 0,
            waiting: None,
        }
    }

    /// The peer's `END_STREAM` has not come.
    pub(super) const fn receives(&self) -> bool {
        matches!(self.state, StreamState::Open | StreamState::HalfClosedLocal)
    }

    /// HEADERS or DATA came: is that legal?
    pub(super) fn check_receives(&self, id: StreamId) -> Result<(), Violation> {
        match self.state.after(StreamInput::Receive) {
            Some(_) => Ok(()),
            None => Err(Violation::Stream(
                id,
                ErrorCode::STREAM_CLOSED,
                "frame after END_STREAM",
            )),
        }
    }

    /// Takes account of `END_STREAM` in either direction, once everything else was in order.
    pub(super) fn end(&mut self, input: StreamInput) {
        self.state = self.state.after(input).unwrap_or(StreamState::Closed);
    }

    /// DATA came: `payload` bytes with padding, `content` without. Whatever the verdict, the
    /// bytes are in `unreleased` afterwards. `max_content` is the caller's limit.
    pub(super) fn receive_data(
        &mut self,
        id: StreamId,
        payload: usize,
        content: usize,
        max_content: usize,
    ) -> Result<(), Violation> {
        self.unreleased = self.unreleased.saturating_add(payload);
        self.check_receives(id)?;
        if self.reading == MessagePart::Head {
            return Err(Violation::malformed(id, "DATA before the final head"));
        }
        self.receive_window.take(payload).ok_or(Violation::Stream(
            id,
            ErrorCode::FLOW_CONTROL_ERROR,
            "more DATA than the stream's window",
        ))?;
        let content = u64::try_from(content).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(content);
        match self.expected {
            Expected::Nothing if content > 0 => {
                Err(Violation::malformed(id, "content where there can be none"))
            }
            Expected::Exactly(length) if self.received > length => {
                Err(Violation::malformed(id, "more content than content-length"))
            }
            _ if usize::try_from(self.received).is_ok_and(|sum| sum <= max_content) => Ok(()),
            _ => Err(Violation::OurLimit(id, "content over our limit")),
        }
    }

    /// The peer's message is complete.
    pub(super) fn check_length(&self, id: StreamId) -> Result<(), Violation> {
        match self.expected {
            Expected::Exactly(length) if self.received != length => {
                Err(Violation::malformed(id, "less content than content-length"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_went_out_is_not_kept() {
        let mut waiting = Waiting::default();
        waiting.append(&[0; 1000]);
        for round in 0..10_000_u32 {
            let byte = round.to_be_bytes()[3];
            waiting.append(&[byte; 100]);
            waiting.sent = waiting.sent.saturating_add(100);
            assert_eq!(waiting.unsent(), 1000);
            assert_eq!(waiting.content.last(), Some(&byte));
        }
        assert!(
            waiting.content.capacity() <= 8000,
            "{}",
            waiting.content.capacity()
        );
    }
}
