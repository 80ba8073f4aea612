//! Looking through all that waits in a lane, while its threads go on taking from it.
//!
//! Whoever does so is alone at it, so that he meets everything that waits. What is out of its place
//! meanwhile comes back to the lane also if the look ends in a panic.

use std::collections::VecDeque;
use std::sync::{MutexGuard, TryLockError};
use std::time::Instant;

use super::{Lane, lock};
use crate::push::{Push, PushId};

impl Lane {
    /// Shows `keep` every push in the queue once; those that it keeps are queued again, in their
    /// order, and for the others it has taken care. Does nothing if another thread is at it.
    pub fn sift(&self, keep: impl FnMut(&mut Push) -> bool) {
        if let Some(_alone) = self.try_alone() {
            self.sift_queue(keep);
        }
    }

    /// Shows `keep` what waits, on the shelf and in the queue, as [`Lane::sift_all`]. Does nothing
    /// if another thread is at it; whether it did.
    pub fn try_sift_all(&self, keep: impl FnMut(&mut Push) -> bool) -> bool {
        let alone = self.try_alone();
        alone.map(|_alone| self.sift_everything(keep)).is_some()
    }

    /// Shows `keep` what waits on the shelf, if it is time to: once in
    /// [`SWEEP_EVERY`](super::SWEEP_EVERY) while retries wait longer than until they were due. Does
    /// nothing if another thread is at it.
    pub fn sift_shelf(&self, now: Instant, keep: impl FnMut(&mut Push) -> bool) {
        if !lock(&self.retries.shelf).is_sweep_due(now) {
            return;
        }
        if let Some(_alone) = self.try_alone() {
            lock(&self.retries.shelf).swept(now);
            self.sift_contents(keep);
        }
    }

    /// Shows `keep` what waits, on the shelf or in the queue; waits for a thread that is at it.
    pub fn sift_all(&self, keep: impl FnMut(&mut Push) -> bool) {
        let _alone = lock(&self.sifting);
        self.sift_everything(keep);
    }

    fn sift_everything(&self, mut keep: impl FnMut(&mut Push) -> bool) {
        // The shelf first: what becomes due while it is looked through is met in the queue.
        self.sift_contents(&mut keep);
        // They have planned by a shelf that seemed empty.
        self.crew.wake_all();
        self.sift_queue(keep);
        // Retries may have ended that others on the shelf wait for.
        self.crew.wake_all();
    }

    /// Takes what is on the shelf of a lane that has stopped, with when each is due.
    pub fn take_shelf(&self) -> Vec<(Push, Instant)> {
        let _alone = lock(&self.sifting);
        lock(&self.retries.shelf).take_all()
    }

    /// Takes everything that is queued or on the shelf, for a lane that has stopped.
    pub fn take_rest(&self) -> Vec<Push> {
        // Whoever sifts has some of it in his hands.
        let _alone = lock(&self.sifting);
        let mut rest = VecDeque::new();
        while self.take(&mut rest) {}
        rest.extend(self.queue.take_aside());
        let suspects = self.holding.take_suspects().into_iter();
        rest.extend(suspects.map(|suspect| suspect.push));
        let shelved = lock(&self.retries.shelf).take_all();
        rest.extend(shelved.into_iter().map(|(push, _)| push));
        rest.into()
    }

    /// Shows `keep` what waits for another connection than the one that refused it. Does nothing if
    /// another thread sifts.
    pub fn sift_aside(&self, keep: impl FnMut(&mut Push) -> bool) {
        if let Some(_alone) = self.try_alone() {
            self.sift_refused(keep);
        }
    }

    /// Whether a push is in the queue; passes all of it through the caller's hands, and waits for a
    /// thread that has some of it.
    pub fn is_queued(&self, id: PushId) -> bool {
        let _alone = lock(&self.sifting);
        let mut found = false;
        self.sift_queue(|push| {
            found |= push.id() == id;
            true
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
    fn sift_contents(&self, mut keep: impl FnMut(&mut Push) -> bool) {
        let contents = lock(&self.retries.shelf).take_contents();
        let rest = contents.into();
        let put_back = |kept: Vec<_>| lock(&self.retries.shelf).put_back(kept);
        Sieve::new(rest, put_back).sift(|item| keep(item.push_mut()));
    }

    fn sift_queue(&self, mut keep: impl FnMut(&mut Push) -> bool) {
        let classes = self.queue.classes().into_iter();
        for chunks in classes.flat_map(|queue| [&queue.returned, &queue.ready]) {
            for _ in 0..chunks.len() {
                let Some(chunk) = chunks.take() else {
                    break;
                };
                Sieve::new(chunk.into(), |kept| chunks.put(kept)).sift(&mut keep);
            }
        }
        self.sift_suspects(&mut keep);
        self.sift_refused(keep);
        // A thread may have gone to sleep while a chunk was out of the queue.
        if self.queue.has_chunks() {
            self.call();
        }
    }

    fn sift_suspects(&self, mut keep: impl FnMut(&mut Push) -> bool) {
        let suspects = self.holding.take_suspects();
        if !suspects.is_empty() {
            // Should the lane open meanwhile, they are queued.
            let put_back = |kept| self.release(self.holding.put_last(kept));
            Sieve::new(suspects, put_back).sift(|suspect| keep(&mut suspect.push));
        }
    }

    fn sift_refused(&self, keep: impl FnMut(&mut Push) -> bool) {
        let aside = self.queue.take_aside();
        if !aside.is_empty() {
            Sieve::new(aside.into(), |kept| self.put_aside(kept)).sift(keep);
        }
    }
}

/// What is being looked through. Whatever ends that, what is kept and what was not looked at goes
/// back where it belongs.
struct Sieve<T, P: FnMut(Vec<T>)> {
    /// The first one is being looked at.
    rest: VecDeque<T>,
    kept: Vec<T>,
    put_back: P,
}

impl<T, P: FnMut(Vec<T>)> Sieve<T, P> {
    fn new(rest: VecDeque<T>, put_back: P) -> Self {
        let kept = Vec::with_capacity(rest.len());
        Self {
            rest,
            kept,
            put_back,
        }
    }

    fn sift(mut self, mut keep: impl FnMut(&mut T) -> bool) {
        while let Some(first) = self.rest.front_mut() {
            let keeps = keep(first);
            let first = self.rest.pop_front();
            self.kept.extend(first.filter(|_| keeps));
        }
    }
}

impl<T, P: FnMut(Vec<T>)> Drop for Sieve<T, P> {
    fn drop(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend(self.rest.drain(..));
        if !kept.is_empty() {
            (self.put_back)(kept);
        }
    }
}
