//! How many pushes a lane holds, and how many it may.
//!
//! Pure: a few counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The room of a lane: each of its pushes holds some of it until it is settled.
#[derive(Debug)]
pub struct Room {
    capacity: AtomicUsize,
    outstanding: AtomicUsize,
    left_behind: AtomicUsize,
}

impl Room {
    /// Room for so many pushes.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity: AtomicUsize::new(capacity),
            outstanding: AtomicUsize::new(0),
            left_behind: AtomicUsize::new(0),
        })
    }

    /// Pushes that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    /// Changes how many pushes there is room for; those that are there beyond that stay.
    pub fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Pushes that are there: reserved, ready, on the shelf or in flight.
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Reserves room for so many pushes, all or nothing.
    pub fn reserve(self: &Arc<Self>, pushes: usize) -> Option<Reservation> {
        let capacity = self.capacity();
        let taken = |outstanding: usize| {
            let sum = outstanding.checked_add(pushes);
            sum.filter(|sum| *sum <= capacity)
        };
        self.outstanding
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .ok()?;
        Some(Reservation {
            room: Arc::clone(self),
            pushes,
        })
    }

    /// So many pushes were settled; their room is free again.
    pub fn settled(&self, pushes: usize) {
        let before = self.outstanding.fetch_sub(pushes, Ordering::Relaxed);
        debug_assert!(before >= pushes, "settled more than was outstanding");
    }

    /// One more push is settled unsent because the daemon ends.
    pub fn leave_behind(&self) {
        self.left_behind.fetch_add(1, Ordering::Relaxed);
    }

    /// Pushes that the end of the daemon left unsent: settled as such, or not settled at all.
    pub fn left_behind(&self) -> usize {
        let settled = self.left_behind.load(Ordering::Relaxed);
        settled.saturating_add(self.outstanding())
    }
}

/// Room for pushes in a lane. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    room: Arc<Room>,
    pushes: usize,
}

impl Reservation {
    /// Pushes that it has room for.
    pub fn pushes(&self) -> usize {
        self.pushes
    }

    /// Leaves the room of one push to that push's settlement: it ends without being queued.
    pub fn spend(&mut self) {
        self.pushes = self.pushes.saturating_sub(1);
    }

    /// Takes the room for pushes that are settled without ever being queued.
    pub fn occupy(mut self) {
        self.pushes = 0;
    }

    /// Leaves room to so many pushes, which give it back by their settlements; to how many.
    pub(super) fn take(&mut self, pushes: usize) -> usize {
        debug_assert!(pushes <= self.pushes, "more pushes than were reserved");
        let taken = pushes.min(self.pushes);
        self.pushes -= taken;
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.pushes > 0 {
            self.room.settled(self.pushes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_reserved_whole_and_comes_back() {
        let room = Room::new(3);
        let mut reserved = room.reserve(2).unwrap();
        assert!(room.reserve(2).is_none() && room.reserve(usize::MAX).is_none());
        assert_eq!((reserved.take(1), reserved.pushes()), (1, 1));
        drop(reserved);
        assert_eq!(room.outstanding(), 1, "that of the push which was queued");

        room.set_capacity(0);
        assert!(room.reserve(1).is_none());
        assert_eq!((room.outstanding(), room.left_behind()), (1, 1));
        room.leave_behind();
        room.settled(1);
        assert_eq!((room.outstanding(), room.left_behind()), (0, 1));
    }
}
