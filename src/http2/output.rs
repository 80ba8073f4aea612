//! What waits to be handed to the transport.

use std::collections::VecDeque;
use std::fmt;

use super::StreamId;
use super::frame::{FrameHeader, HEADER_LEN, Kind};

/// Bytes in the order of sending, and how many went before them.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Bytes at the start of `bytes` that the transport has, 0 <= `start` <= `bytes.len()`.
    start: usize,
    /// Bytes that the transport has ever taken.
    taken: u64,
}

impl Output {
    /// What the transport has not taken.
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// More is waiting than content may be added to, or input taken for.
    pub(super) fn is_full(&self) -> bool {
        self.len() > OUTPUT_MAX
    }

    /// To append whole frames to.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where the next byte will stand, counted from the connection's first.
    pub(super) fn position(&self) -> u64 {
        self.taken
            .saturating_add(u64::try_from(self.len()).unwrap_or(u64::MAX))
    }

    /// The byte at `position` was handed to the transport.
    pub(super) fn is_taken(&self, position: u64) -> bool {
        position < self.taken
    }

    /// The transport took `n` bytes.
    pub(super) fn advance(&mut self, n: usize) {
        let n = n.min(self.len());
        self.start = self.start.saturating_add(n);
        self.taken = self
            .taken
            .saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
            self.start = 0;
        } else if self.start >= MOVE_AT && self.start >= self.len() {
            // No more bytes are moved than were sent: a constant cost per byte.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Takes back everything from `position` on, which the transport has not taken.
    pub(super) fn cut(&mut self, position: u64) {
        let keep = usize::try_from(position.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        self.bytes.truncate(self.start.saturating_add(keep));
    }

    /// Takes back the frames of the streams from `first` on, from the frame that begins at
    /// `position` on: its HEADERS, of which the transport has taken nothing. Returns the bytes of
    /// content among them; `None`, and nothing is taken back, if there is a field block of an
    /// earlier stream.
    pub(super) fn cut_streams(&mut self, position: u64, first: StreamId) -> Option<usize> {
        let ahead = usize::try_from(position.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let from = self.start.saturating_add(ahead).min(self.bytes.len());
        let mut rest = self.bytes.get(from..)?;
        let mut kept = Vec::new();
        let mut content = 0_usize;
        while let Some(header) = FrameHeader::parse(rest) {
            let whole = HEADER_LEN.saturating_add(header.length).min(rest.len());
            let (frame, after) = rest.split_at(whole);
            if header.stream < first {
                if matches!(header.kind, Kind::Headers | Kind::Continuation) {
                    return None;
                }
                kept.extend_from_slice(frame);
            } else if header.kind == Kind::Data {
                content = content.saturating_add(header.length);
            }
            rest = after;
        }
        self.bytes.truncate(from);
        self.bytes.append(&mut kept);
        Some(content)
    }

    /// Nothing will be taken any more.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
    }
}

/// Leaves out the bytes, in which credentials and device tokens are.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({} bytes, {} taken)", self.len(), self.taken)
    }
}

/// Frames of one kind that the peer made us send and the transport has not taken.
#[derive(Debug, Default)]
pub(super) struct Provoked(VecDeque<u64>);

impl Provoked {
    /// One more, which ends at `position`. `None` if they are more than `PROVOKED_MAX` now.
    #[must_use = "too many are an ENHANCE_YOUR_CALM"]
    pub(super) fn queued(&mut self, position: u64) -> Option<()> {
        self.0.push_back(position);
        (self.0.len() <= PROVOKED_MAX).then_some(())
    }

    /// Forgets those that the transport has taken.
    pub(super) fn forget_taken(&mut self, output: &Output) {
        while self
            .0
            .front()
            .is_some_and(|end| output.is_taken(end.saturating_sub(1)))
        {
            self.0.pop_front();
        }
    }
}

/// Bytes of output above which content waits in its stream (`RST_STREAM`, acknowledgements and
/// short requests then do not wait behind it) and no further input is wanted (a peer that does
/// not read our answers cannot make them grow). Our choice: four TLS records.
pub(super) const OUTPUT_MAX: usize = 0x1_0000;

/// `RST_STREAM`s that the peer provoked which may wait. Our limit: a peer that reads never has more
/// than a few under way. Acknowledgements (SETTINGS, PING) need none: each is no longer than what
/// it answers, and while more than [`OUTPUT_MAX`] waits nothing is read.
pub(super) const PROVOKED_MAX: usize = 256;

/// Bytes sent before the rest is moved to the front.
const MOVE_AT: usize = 0x4000;

/// Bytes of capacity an empty output keeps: a connection at rest does not keep its peak.
const KEPT_CAPACITY: usize = 0x2_0000;
