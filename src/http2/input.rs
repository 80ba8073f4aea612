//! Bytes from the peer until their frame is whole.

/// The beginning of a frame, and what is left to skip of one that is ignored.
///
/// Frames that are whole in the bytes at hand never come here.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// A frame header, or a header that was judged good and a part of its payload: never more
    /// than one frame of `MAX_FRAME_SIZE`.
    partial: Vec<u8>,
    /// Bytes to come that belong to an ignored frame.
    skip: usize,
}

impl Input {
    /// No frame has begun.
    pub(super) fn is_between_frames(&self) -> bool {
        self.partial.is_empty()
    }

    /// Ignores the next `n` bytes.
    pub(super) fn skip(&mut self, n: usize) {
        self.partial.clear();
        self.skip = n;
    }

    /// What is left of `bytes` after those to be skipped.
    pub(super) fn after_skipped<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let n = self.skip.min(bytes.len());
        self.skip = self.skip.saturating_sub(n);
        bytes.get(n..).unwrap_or_default()
    }

    /// Keeps as much of `bytes` as makes the frame `length` bytes long; returns the rest, and
    /// whether the frame has that length now.
    pub(super) fn fill<'a>(&mut self, bytes: &'a [u8], length: usize) -> (&'a [u8], bool) {
        let missing = length.saturating_sub(self.partial.len());
        let (kept, rest) = bytes.split_at(missing.min(bytes.len()));
        self.partial.extend_from_slice(kept);
        (rest, kept.len() == missing)
    }

    /// The frame as far as it has come.
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Lends the buffer with the whole frame; `give_back` returns it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }

    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.partial = buffer;
    }
}
