//! The retry shelf: pushes that wait for their next attempt, by due time.
//!
//! Bounded by the lane's reservation counter: every push on it holds its reservation.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::push::Push;

/// Pushes by due time, earliest first.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    heap: BinaryHeap<Item>,
}

impl Shelf {
    /// Puts a push down until `due`.
    pub(super) fn put(&mut self, push: Push, due: Instant) {
        self.heap.push(Item { due, push });
    }

    /// When the earliest push is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|item| item.due)
    }

    /// Takes at most `most` pushes that are due at `now`.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<Push> {
        let mut due = Vec::new();
        while due.len() < most && self.next_due().is_some_and(|at| at <= now) {
            due.extend(self.heap.pop().map(|item| item.push));
        }
        due
    }

    /// Takes everything, due or not.
    pub(super) fn take_all(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.heap)
            .into_iter()
            .map(|item| item.push)
            .collect()
    }
}

#[derive(Debug)]
struct Item {
    due: Instant,
    push: Push,
}

/// The heap gives its greatest first: the earliest is the greatest, among equals the lowest id.
impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.push.id()).cmp(&(self.due, self.push.id()))
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Item {}
