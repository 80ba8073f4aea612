//! Purges of pushes that are still in the journal alone: they are settled when they are read.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Identifiers whose pushes of earlier processes are not sent any more.
#[derive(Debug, Default)]
pub(super) struct CalledOff(Mutex<BTreeSet<Box<str>>>);

impl CalledOff {
    /// From now on; what is just being read is in its lane when this returns. False if there are
    /// too many.
    pub(super) fn add(&self, identifier: &str) -> bool {
        let mut all = self.lock();
        all.contains(identifier) || (all.len() < CALLED_OFF_MAX && all.insert(identifier.into()))
    }

    /// Held while pushes go from the journal to their lane.
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeSet<Box<str>>> {
        // A set that is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our limit: identifiers that are purged while pushes are still to be read from the journal.
const CALLED_OFF_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let called_off = CalledOff::default();
        for number in 0..CALLED_OFF_MAX {
            assert!(called_off.add(&number.to_string()));
        }
        assert!(!called_off.add("one more") && called_off.add("0"));
        assert_eq!(called_off.lock().len(), CALLED_OFF_MAX);
    }
}
