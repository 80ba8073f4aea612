//! How a push that was recovered from a log is named in its outcome line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::push::PushId;

/// What the `accepted-push` line of a recovered push says, and by which its outcome is matched when
/// the log is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The id that it had there. Gaurun's ids begin at 1 in each run, so it is not the push's own.
    pub id: PushId,
    /// When it was accepted, spelled as there.
    pub accepted: Box<str>,
}

/// The origins of pushes that are being sent; clones share them.
///
/// A push that stands twice in the logs, because a copy of one was read too, is here twice.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<Mutex<HashMap<PushId, (Origin, usize)>>>);

impl Origins {
    /// Remembers where a push comes from, until it is settled.
    pub fn put(&self, push: PushId, origin: Origin) {
        self.lock().entry(push).or_insert((origin, 0)).1 += 1;
    }

    /// Where a push that is now settled came from.
    pub fn take(&self, push: PushId) -> Option<Origin> {
        let mut origins = self.lock();
        let (origin, times) = origins.get_mut(&push)?;
        *times -= 1;
        if *times > 0 {
            return Some(origin.clone());
        }
        origins.remove(&push).map(|(origin, _)| origin)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PushId, (Origin, usize)>> {
        // A panic while it is held leaves a map, valid either way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
