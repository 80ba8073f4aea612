//! Memory for request bodies, bounded over all connections.
//!
//! A connection's buffer of up to [`FREE`] octets costs nothing; what is beyond is charged to one
//! [`Budget`]. Half a thousand clients that each send a large body slowly would else hold
//! gigabytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use super::head::Refusal;

/// Octets left for large bodies.
#[derive(Debug)]
pub(super) struct Budget {
    /// Below zero after a reload that left less than was taken.
    left: AtomicIsize,
}

impl Budget {
    pub(super) fn new(octets: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicIsize::new(signed(octets)),
        })
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        usize::try_from(self.left.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn take(&self, octets: usize) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                let rest = left.checked_sub(signed(octets))?;
                (rest >= 0 || octets == 0).then_some(rest)
            })
            .is_ok()
    }

    fn give(&self, octets: usize) {
        self.left.fetch_add(signed(octets), Ordering::Relaxed);
    }

    /// Makes it a budget of `new` octets that was one of `old`.
    pub(super) fn resize(&self, old: usize, new: usize) {
        let more = signed(new).saturating_sub(signed(old));
        self.left.fetch_add(more, Ordering::Relaxed);
    }
}

/// A quarter of the address space is more than any budget.
fn signed(octets: usize) -> isize {
    isize::try_from(octets).unwrap_or(isize::MAX / 2)
}

/// The body of one request at a time.
///
/// Invariant: `charged` octets of the budget stand for the buffer's capacity beyond [`FREE`].
#[derive(Debug)]
pub(super) struct Body {
    pub(super) octets: Vec<u8>,
    budget: Arc<Budget>,
    charged: usize,
}

impl Body {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            octets: Vec::new(),
            budget,
            charged: 0,
        }
    }

    /// Appends to the body, as far as the budget goes.
    pub(super) fn push(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        let needed = self.octets.len().saturating_add(octets.len());
        if needed > self.octets.capacity() {
            let capacity = needed
                .checked_next_power_of_two()
                .unwrap_or(needed)
                .max(SMALLEST);
            let charge = capacity.saturating_sub(FREE).saturating_sub(self.charged);
            if !self.budget.take(charge) {
                return Err(Refusal::new(503, "too many large requests at once"));
            }
            self.charged = self.charged.saturating_add(charge);
            self.octets
                .reserve_exact(capacity.saturating_sub(self.octets.len()));
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// Forgets the body; gives its memory back if it was large.
    pub(super) fn clear(&mut self) {
        if self.octets.capacity() > FREE {
            self.octets = Vec::new();
        }
        self.octets.clear();
        self.budget.give(std::mem::take(&mut self.charged));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.budget.give(self.charged);
    }
}

/// Our limit: octets of a body buffer that each connection may keep.
pub(super) const FREE: usize = 64 * 1024;

/// Our limit: bodies of the greatest allowed size that fit into memory at once.
pub(super) const LARGE_BODIES: usize = 8;

/// The first step of the buffer.
const SMALLEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_are_free_and_large_ones_share_the_budget() {
        let budget = Budget::new(FREE);
        let mut one = Body::new(Arc::clone(&budget));
        let mut other = Body::new(Arc::clone(&budget));
        assert_eq!(one.push(&vec![0; FREE]), Ok(()));
        assert_eq!(other.push(&vec![0; FREE]), Ok(()));
        assert_eq!(one.push(&[0]), Ok(()));
        assert_eq!(other.push(&[0]).unwrap_err().status, 503);
        one.clear();
        assert!(one.octets.capacity() <= FREE);
        assert_eq!(other.push(&[0]), Ok(()));
        drop(other);
        assert_eq!(budget.left(), FREE);
    }

    #[test]
    fn a_budget_that_shrinks_below_what_is_taken_gives_nothing_until_enough_came_back() {
        let budget = Budget::new(4 * FREE);
        let mut one = Body::new(Arc::clone(&budget));
        assert_eq!(one.push(&vec![0; 4 * FREE]), Ok(()));
        budget.resize(4 * FREE, FREE);
        let mut other = Body::new(Arc::clone(&budget));
        assert_eq!(
            other.push(&vec![0; FREE]),
            Ok(()),
            "small ones cost nothing"
        );
        assert_eq!(other.push(&[0]).unwrap_err().status, 503);
        one.clear();
        assert_eq!(other.push(&[0]), Ok(()));
        budget.resize(FREE, 8 * FREE);
        assert_eq!(one.push(&vec![0; 4 * FREE]), Ok(()));
    }
}
