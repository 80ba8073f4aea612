//! Whether the disk has room beyond its reserve.
//!
//! Pure: no file, no clock, no thread.

use std::time::{Duration, Instant};

/// The disk is asked at most this often; in between, what was written is subtracted.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Our limit: bytes of a request up to which it is a small one, as those of one push are.
pub(super) const SMALL: usize = 16 << 10;

/// Our limit: one part in so many of the reserve that large requests leave beyond it to small ones,
/// so that no campaign that has filled the disk turns them away.
pub(super) const SMALL_SHARE: u64 = 8;

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

    /// Whether there is room for anything. Asks by `look` if it is time to.
    pub(super) fn has_room(&mut self, now: Instant, look: impl FnOnce() -> u64) -> bool {
        self.look_if_due(now, look);
        self.free >= self.needed()
    }

    /// Which of these, written one after the other, fit into what is known to be free, and the
    /// others, each with the bytes that would have to be: one that is too large takes no room from
    /// those behind it.
    pub(super) fn fitting<T>(
        &self,
        requests: Vec<T>,
        bytes_of: impl Fn(&T) -> usize,
    ) -> (Vec<T>, Vec<(T, u64)>) {
        let (mut fit, mut others) = (Vec::with_capacity(requests.len()), Vec::new());
        let mut taken = 0_u64;
        for request in requests {
            let bytes = bytes_of(&request);
            let needed = self.needed_for(bytes).saturating_add(taken);
            if needed > self.free {
                others.push((request, needed));
            } else {
                taken = taken.saturating_add(bytes as u64);
                fit.push(request);
            }
        }
        (fit, others)
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

    /// A write of a request of so many bytes found no room, whatever the disk says.
    pub(super) fn lacks(&mut self, bytes: usize, now: Instant) {
        self.free = self.free.min(self.needed_for(bytes).saturating_sub(1));
        self.looked = Some(now);
    }

    /// No write found room, whatever the disk says.
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

    /// Bytes that must be free for a request of so many bytes.
    pub(super) fn needed_for(&self, bytes: usize) -> u64 {
        let share = if bytes > SMALL {
            self.reserve / SMALL_SHARE
        } else {
            0
        };
        (bytes as u64)
            .saturating_add(self.reserve)
            .saturating_add(share)
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
        assert!(space.has_room(start, || 1500));
        assert_eq!(space.fitting(vec![500], |bytes| *bytes).0, [500]);
        space.wrote(501);
        let soon = start + LOOK_EVERY / 2;
        assert!(!space.has_room(soon, || unreachable!("asked again")));
        assert_eq!(space.free(), 999);
        let later = start + LOOK_EVERY;
        assert!(space.has_room(later, || 1000));
        space.is_used_up(later);
        assert!(!space.has_room(later, || unreachable!("asked again")));
        assert!(space.has_room(later + LOOK_EVERY, || 1000));
        assert!(space.has_room_to_carry(500) && !space.has_room_to_carry(501));
    }

    #[test]
    fn what_does_not_fit_takes_no_room_from_what_does() {
        let start = Instant::now();
        let mut space = Space::new(1000);
        assert!(space.has_room(start, || 1500));
        let sort = |space: &Space, all: &[usize]| space.fitting(all.to_vec(), |bytes| *bytes);
        let (fit, others) = sort(&space, &[300, 201, 150, 51, 50, 1]);
        assert_eq!(fit, [300, 150, 50]);
        assert_eq!(others, [(201, 1501), (51, 1501), (1, 1501)]);
        // A large one leaves a share to small ones, and one that was not written says of those
        // nothing.
        let (later, large) = (start + LOOK_EVERY, SMALL + 1);
        let needed = large as u64 + 1000 + 1000 / SMALL_SHARE;
        assert!(space.has_room(later, || needed));
        assert_eq!(sort(&space, &[large, 1]), (vec![large, 1], vec![]));
        assert_eq!(
            sort(&space, &[1, large]),
            (vec![1], vec![(large, needed + 1)])
        );
        space.lacks(large, later);
        assert_eq!(
            sort(&space, &[large, SMALL]),
            (vec![SMALL], vec![(large, needed)])
        );
        assert!(space.has_room(later, || unreachable!("asked again")));
        assert!(space.has_room(later + LOOK_EVERY, || needed));
        assert_eq!(sort(&space, &[large]).0, [large]);
    }
}
