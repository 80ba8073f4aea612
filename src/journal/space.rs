//! Whether the disk has room beyond its reserve.
//!
//! Pure: no file, no clock, no thread.

use std::time::{Duration, Instant};

/// The disk is asked at most this often; in between, what was written is subtracted.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is known of the room on the disk.
#[derive(Debug)]
pub(super) struct Space {
    reserve: u64,
    free: u64,
    looked: Option<Instant>,
}

impl Space {
    pub(super) fn new(reserve: u64) -> Self {
        Self {
            reserve,
            free: 0,
            looked: None,
        }
    }

    /// Whether requests of so many bytes fit. Asks by `look` if it is time to.
    pub(super) fn has_room(
        &mut self,
        bytes: u64,
        now: Instant,
        look: impl FnOnce() -> u64,
    ) -> bool {
        self.look_if_due(now, look);
        self.free >= self.needed().saturating_add(bytes)
    }

    /// Asks by `look` if it is time to.
    pub(super) fn look_if_due(&mut self, now: Instant, look: impl FnOnce() -> u64) {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= LOOK_EVERY;
        if self.looked.is_none_or(is_due) {
            self.free = look();
            self.looked = Some(now);
        }
    }

    /// So much was written.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.free = self.free.saturating_sub(bytes);
    }

    /// A write found no room, whatever the disk says.
    pub(super) fn is_used_up(&mut self, now: Instant) {
        self.free = 0;
        self.looked = Some(now);
    }

    /// Whether the disk was asked before.
    pub(super) fn is_known(&self) -> bool {
        self.looked.is_some()
    }

    /// Bytes that are free, as far as is known.
    pub(super) fn free(&self) -> u64 {
        self.free
    }

    /// Bytes that must be free for anything to be accepted.
    pub(super) fn needed(&self) -> u64 {
        self.reserve
    }

    /// Whether a new segment may be begun for so many bytes: room is needed to make room.
    pub(super) fn has_room_to_carry(&self, bytes: u64) -> bool {
        self.free >= bytes.saturating_add(self.reserve / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_asked_once_a_second_and_the_reserve_is_kept() {
        let start = Instant::now();
        let mut space = Space::new(1000);
        assert!(space.has_room(500, start, || 1500));
        space.wrote(500);
        let soon = start + LOOK_EVERY / 2;
        assert!(!space.has_room(1, soon, || unreachable!("asked again")));
        assert_eq!(space.free(), 1000);
        let later = start + LOOK_EVERY;
        assert!(space.has_room(1, later, || 1001));
        space.is_used_up(later);
        assert!(!space.has_room(0, later, || unreachable!("asked again")));
        assert!(space.has_room(0, later + LOOK_EVERY, || 1000));
        assert!(space.has_room_to_carry(500) && !space.has_room_to_carry(501));
    }
}
