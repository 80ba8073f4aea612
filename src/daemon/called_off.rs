//! Purges of pushes that are still in the journal alone: they are settled when they are read.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::push::PushId;

/// Pushes of earlier processes that are not sent any more.
#[derive(Debug, Default)]
pub(super) struct CalledOff(Mutex<Meant>);

/// Which those are.
#[derive(Debug, Default)]
pub(super) struct Meant {
    identifiers: BTreeSet<Box<str>>,
    pushes: BTreeSet<PushId>,
}

impl Meant {
    /// Whether a push is meant whose notification has that identifier.
    pub(super) fn has(&self, identifier: &str, push: PushId) -> bool {
        self.identifiers.contains(identifier) || self.pushes.contains(&push)
    }

    fn len(&self) -> usize {
        self.identifiers.len().saturating_add(self.pushes.len())
    }
}

impl CalledOff {
    /// Means those of that identifier from now on; what is just being read is in its lane when
    /// this returns. False if there are too many.
    pub(super) fn add(&self, identifier: &str) -> bool {
        let mut all = self.lock();
        let has_room = all.len() < CALLED_OFF_MAX;
        all.identifiers.contains(identifier)
            || (has_room && all.identifiers.insert(identifier.into()))
    }

    /// Means one push, as [`CalledOff::add`] those of an identifier.
    pub(super) fn add_push(&self, push: PushId) -> bool {
        let mut all = self.lock();
        let has_room = all.len() < CALLED_OFF_MAX;
        all.pushes.contains(&push) || (has_room && all.pushes.insert(push))
    }

    /// Held while pushes go from the journal to their lane.
    pub(super) fn lock(&self) -> MutexGuard<'_, Meant> {
        // Sets that are whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our limit: identifiers and pushes that are purged while pushes are still to be read from the
/// journal.
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
        assert!(!called_off.add_push(PushId(1)));
        assert_eq!(called_off.lock().len(), CALLED_OFF_MAX);
    }
}
