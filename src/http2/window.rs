//! Flow-control windows (RFC 9113 §5.2, §6.9): how much may be sent, how much may come.
//!
//! Only DATA counts, with its padding. A window for sending may be negative: when the peer lowers
//! `INITIAL_WINDOW_SIZE` from 1000 to 100 after 600 bytes went out, 400 left becomes -500, and
//! nothing is sent until `WINDOW_UPDATEs` have brought it above 0. Hence `i64`, which no sum of
//! 31-bit numbers overflows here.

/// What the peer lets us send, on the connection or on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendWindow {
    available: i64,
    /// The highest that it has ever been: up to this a peer gives back what was sent.
    top: i64,
}

impl SendWindow {
    /// With `size` bytes, at most `WINDOW_MAX`.
    pub(super) fn new(size: u32) -> Self {
        let available = i64::from(size);
        Self {
            available,
            top: available,
        }
    }

    /// Bytes that may be sent now; 0 also while the window is negative.
    pub(super) fn available(self) -> usize {
        usize::try_from(self.available).unwrap_or(0)
    }

    /// Takes account of `n` bytes written, at most `available`.
    pub(super) fn charge(&mut self, n: usize) {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        self.available = self.available.saturating_sub(n);
    }

    /// Adds a `WINDOW_UPDATE`'s increment; true if it gives back what was sent, false if it makes
    /// the window larger than it ever was. `None` if that is beyond `WINDOW_MAX`.
    #[must_use = "beyond the maximum is a FLOW_CONTROL_ERROR"]
    pub(super) fn give(&mut self, increment: u32) -> Option<bool> {
        self.available = self.widened(i64::from(increment))?;
        let gives_back = self.available <= self.top;
        self.top = self.top.max(self.available);
        Some(gives_back)
    }

    /// Adds the difference (of either sign) that a changed `INITIAL_WINDOW_SIZE` makes. `None` if
    /// the window would be beyond `WINDOW_MAX`.
    #[must_use = "beyond the maximum is a FLOW_CONTROL_ERROR"]
    pub(super) fn shift(&mut self, difference: i64) -> Option<()> {
        self.available = self.widened(difference)?;
        self.top = self.top.saturating_add(difference);
        Some(())
    }

    /// Adds what was charged and not sent after all.
    pub(super) fn take_back(&mut self, n: usize) {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        self.available = self.available.saturating_add(n);
    }

    fn widened(self, difference: i64) -> Option<i64> {
        let sum = self.available.checked_add(difference)?;
        (sum <= i64::from(WINDOW_MAX)).then_some(sum)
    }
}

/// What we let the peer send, on the connection or on a stream.
///
/// `size >= available + taken and not released + released and not announced` always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReceiveWindow {
    /// The window when nothing is buffered, 0..=`WINDOW_MAX`.
    size: u32,
    /// What the peer may still send as far as it knows; negative after a reduction of ours.
    available: i64,
    /// Consumed, and not given back by a `WINDOW_UPDATE` yet.
    released: i64,
}

impl ReceiveWindow {
    /// The peer may send `available` at first, `size` once updates have been sent.
    pub(super) fn new(size: u32, available: u32) -> Self {
        Self {
            size,
            available: i64::from(available),
            released: 0,
        }
    }

    /// The increment that brings a connection's window from its initial size to the chosen one.
    pub(super) fn open(&mut self) -> Option<u32> {
        let missing = i64::from(self.size).saturating_sub(self.available);
        let increment = u32::try_from(missing).ok().filter(|missing| *missing > 0)?;
        self.available = i64::from(self.size);
        Some(increment)
    }

    /// Shrinks a window that was not used yet, by never giving back the first of it.
    pub(super) fn narrow(&mut self, size: u32) {
        let surplus = self.available.saturating_sub(i64::from(size)).max(0);
        self.released = self.released.saturating_sub(surplus);
        self.size = self.size.min(size);
    }

    /// `n` bytes arrived. `None` if the peer was not allowed that many.
    #[must_use = "more than the window is a FLOW_CONTROL_ERROR"]
    pub(super) fn take(&mut self, n: usize) -> Option<()> {
        let n = i64::try_from(n).ok()?;
        // Nothing may come at any time, also to a window that was lowered below 0 (§6.9.2).
        if n > 0 && n > self.available {
            return None;
        }
        self.available = self.available.saturating_sub(n);
        Some(())
    }

    /// The peer may send nothing more.
    pub(super) fn is_used_up(&self) -> bool {
        self.available <= 0
    }

    /// `n` bytes were consumed. Returns the increment to send, once half of the window is due:
    /// often enough that the peer does not wait, rare enough that updates cost nothing.
    pub(super) fn release(&mut self, n: usize) -> Option<u32> {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        self.released = self.released.saturating_add(n);
        let size = i64::from(self.size);
        if self.released == 0 || self.released.saturating_mul(2) < size {
            return None;
        }
        let increment = u32::try_from(self.released).ok()?.min(WINDOW_MAX);
        self.released = self.released.saturating_sub(i64::from(increment));
        self.available = self.available.saturating_add(i64::from(increment));
        Some(increment)
    }

    /// Our own `INITIAL_WINDOW_SIZE` came into force with that difference.
    pub(super) fn shift(&mut self, difference: i64) {
        self.available = self.available.saturating_add(difference);
    }
}

/// The largest window (RFC 9113 §6.9.1).
pub(super) const WINDOW_MAX: u32 = 0x7fff_ffff;

/// Every window at the start (RFC 9113 §6.9.2).
pub(super) const WINDOW_INITIAL: u32 = 0xffff;
