//! Looking through all that waits in a lane, while its threads go on taking from it.
//!
//! Whoever does so is alone at it, so that he meets everything that waits.

use std::sync::{MutexGuard, TryLockError};
use std::time::Instant;

use super::{Lane, lock, offer};
use crate::push::{Push, PushId};

impl Lane {
    /// Passes every queued push through `keep` once; those that it returns are queued again, in
    /// their order. Does nothing if another thread is at it.
    pub fn sift(&self, keep: impl FnMut(Push) -> Option<Push>) {
        if let Some(_alone) = self.try_alone() {
            self.sift_queue(keep);
        }
    }

    /// Passes what waits on the shelf through `keep`, if it is time to: once in
    /// [`SWEEP_EVERY`](super::SWEEP_EVERY) while retries wait longer than until they were due. Does
    /// nothing if another thread is at it.
    pub fn sift_shelf(&self, now: Instant, keep: impl FnMut(Push) -> Option<Push>) {
        if !lock(&self.shelf).is_sweep_due(now) {
            return;
        }
        if let Some(_alone) = self.try_alone() {
            lock(&self.shelf).swept(now);
            self.sift_contents(keep);
        }
    }

    /// Passes what waits, on the shelf or in the queue, through `keep`; waits for a thread that is
    /// at it.
    pub fn sift_all(&self, mut keep: impl FnMut(Push) -> Option<Push>) {
        let _alone = lock(&self.sifting);
        // The shelf first: what becomes due while it is looked through is met in the queue.
        self.sift_contents(&mut keep);
        // They have planned by a shelf that seemed empty.
        self.wake_all();
        self.sift_queue(keep);
        // Retries may have ended that others on the shelf wait for.
        self.wake_all();
    }

    /// Whether a push is in the queue; passes all of it through the caller's hands, and waits for a
    /// thread that has some of it.
    pub fn is_queued(&self, id: PushId) -> bool {
        let _alone = lock(&self.sifting);
        let mut found = false;
        self.sift_queue(|push| {
            found |= push.id() == id;
            Some(push)
        });
        found
    }

    fn try_alone(&self) -> Option<MutexGuard<'_, ()>> {
        match self.sifting.try_lock() {
            Ok(alone) => Some(alone),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The shelf is looked through outside of its lock, which the connection threads want.
    fn sift_contents(&self, keep: impl FnMut(Push) -> Option<Push>) {
        let contents = lock(&self.shelf).take_contents();
        let kept = contents.sift(keep);
        lock(&self.shelf).put_back(kept);
    }

    fn sift_queue(&self, mut keep: impl FnMut(Push) -> Option<Push>) {
        for (sender, receiver) in [&self.returned, &self.ready] {
            for _ in 0..receiver.len() {
                let Ok(chunk) = receiver.try_recv() else {
                    break;
                };
                let kept: Vec<Push> = chunk.into_iter().filter_map(&mut keep).collect();
                if !kept.is_empty() {
                    offer(sender, kept);
                }
            }
        }
        // A thread may have gone to sleep while a chunk was out of the queue.
        if self.has_work() {
            self.call();
        }
    }
}
