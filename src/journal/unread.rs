//! What is outstanding and cannot be read just now: the disk does not answer, which says nothing of
//! what it holds. It is passed over, and read again.
//!
//! Pure: no file, no clock, no thread.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::push::LaneId;

/// Our limit: so many pieces are passed over for a lane; then nothing is fed to it until one
/// of them can be read.
pub(super) const UNREAD_MAX: usize = 64;

/// After a read that failed, what could not be read is read again so much later.
pub(super) const READ_AGAIN: Duration = Duration::from_secs(1);

/// Consecutive pushes of one notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnreadPiece {
    pub(super) first_id: u64,
    /// Indexes of the first and the last token.
    pub(super) tokens: (u32, u32),
}

/// What could not be read, by those who did not get it.
#[derive(Debug, Default)]
pub(super) struct Unread {
    feeds: BTreeMap<LaneId, Passed>,
    /// Whether something cannot be carried forward.
    carry: bool,
}

/// What was passed over for a lane.
#[derive(Debug, Default)]
struct Passed {
    pieces: VecDeque<UnreadPiece>,
    again_at: Option<Instant>,
}

impl Unread {
    /// Passes over a piece, which comes after all that were passed over before.
    pub(super) fn pass_over(&mut self, lane: LaneId, piece: UnreadPiece, now: Instant) {
        let passed = self.feeds.entry(lane).or_default();
        passed.pieces.push_back(piece);
        passed.again_at = now.checked_add(READ_AGAIN);
    }

    /// Takes the piece that is to be read again now.
    pub(super) fn take(&mut self, lane: LaneId, now: Instant) -> Option<UnreadPiece> {
        let passed = self.feeds.entry(lane).or_default();
        let is_due = passed.again_at.is_some_and(|at| at <= now);
        is_due.then(|| passed.pieces.pop_front()).flatten()
    }

    /// Gives back what of a piece there was no room for: it is the next one.
    pub(super) fn give_back(&mut self, lane: LaneId, piece: UnreadPiece) {
        self.feeds.entry(lane).or_default().pieces.push_front(piece);
    }

    /// Forgets what was passed over for a lane: all of it is fed anew.
    pub(super) fn forget(&mut self, lane: LaneId) {
        self.feeds.remove(&lane);
    }

    /// Whether no more may be passed over for a lane.
    pub(super) fn is_full(&mut self, lane: LaneId) -> bool {
        self.feeds.entry(lane).or_default().pieces.len() >= UNREAD_MAX
    }

    /// What was passed over for a lane.
    pub(super) fn pieces(&self, lane: LaneId) -> impl Iterator<Item = UnreadPiece> {
        let passed = self.feeds.get(&lane);
        passed
            .into_iter()
            .flat_map(|passed| passed.pieces.iter().copied())
    }

    /// Notes whether something cannot be carried forward; true if that is new.
    pub(super) fn note_carry(&mut self, cannot: bool) -> bool {
        std::mem::replace(&mut self.carry, cannot) != cannot
    }

    /// Whether there is something that cannot be read.
    pub(super) fn is_some(&self) -> bool {
        self.carry || self.feeds.values().any(|passed| !passed.pieces.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first_id: u64) -> UnreadPiece {
        UnreadPiece {
            first_id,
            tokens: (0, 0),
        }
    }

    #[test]
    fn what_was_passed_over_is_read_again_in_turn_after_a_pause() {
        let mut unread = Unread::default();
        let start = Instant::now();
        assert!(!unread.is_some());
        unread.pass_over(LaneId::IOS, piece(1), start);
        unread.pass_over(LaneId::IOS, piece(2), start);
        assert_eq!(unread.take(LaneId::IOS, start), None);
        let later = start + READ_AGAIN;
        assert_eq!(unread.take(LaneId::ANDROID, later), None);
        assert_eq!(unread.take(LaneId::IOS, later), Some(piece(1)));
        unread.pass_over(LaneId::IOS, piece(1), later);
        assert_eq!(unread.take(LaneId::IOS, later), None, "one a pause");
        let later = later + READ_AGAIN;
        assert_eq!(unread.take(LaneId::IOS, later), Some(piece(2)));
        assert_eq!(unread.take(LaneId::IOS, later), Some(piece(1)));
        assert_eq!(unread.take(LaneId::IOS, later), None);
        assert!(!unread.is_some());
    }

    #[test]
    fn no_more_than_the_limit_is_passed_over() {
        let mut unread = Unread::default();
        let now = Instant::now();
        for first_id in 0..UNREAD_MAX as u64 {
            assert!(!unread.is_full(LaneId::ANDROID));
            unread.pass_over(LaneId::ANDROID, piece(first_id), now);
        }
        assert!(unread.is_full(LaneId::ANDROID) && !unread.is_full(LaneId::IOS));
        assert!(unread.take(LaneId::ANDROID, now + READ_AGAIN).is_some());
        assert!(!unread.is_full(LaneId::ANDROID));
    }

    #[test]
    fn the_carry_is_told_once_until_it_goes_on() {
        let mut unread = Unread::default();
        assert!(unread.note_carry(true) && !unread.note_carry(true));
        assert!(unread.is_some());
        assert!(unread.note_carry(false) && !unread.is_some());
    }
}
