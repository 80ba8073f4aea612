//! Looking through all that waits in a lane, while its threads go on taking from it.
//!
//! Whoever does so is alone at it, so that he meets everything that waits. What is out of its place
//! meanwhile comes back to the lane also if the look ends in a panic.

use std::collections::VecDeque;
use std::sync::{MutexGuard, TryLockError};
use std::time::Instant;

use super::chunks::Chunks;
use super::{Lane, lock};
use crate::push::{Push, PushId};

/// Our limit: pushes that a connection thread looks at in a round while it sweeps, so that what has
/// come meanwhile, and answers, do not wait for the end of that, however much waits.
pub const SWEPT_AT_A_TIME: usize = 4096;

impl Lane {
    /// Shows `keep` the next [`SWEPT_AT_A_TIME`] pushes in the queue, or a few more, from the first
    /// on if it `begins`; those that it keeps stay where they are, and for the others it has taken
    /// care. Whether there are more. Does nothing if another thread is at it.
    pub fn sift(&self, begins: bool, keep: impl FnMut(&mut Push) -> bool) -> bool {
        let alone = self.try_alone();
        alone.is_some_and(|_alone| self.sift_queue(begins, SWEPT_AT_A_TIME, keep))
    }

    /// Shows `keep` so many of what waits on the shelf, once in
    /// [`SWEEP_EVERY`](super::SWEEP_EVERY) while retries wait longer than until they were due.
    /// Whether there are more. Does nothing if another thread is at it.
    pub fn sift_shelf(&self, now: Instant, keep: impl FnMut(&mut Push) -> bool) -> bool {
        let retries = || lock(&self.retries.shelf);
        let is_due = retries().is_sweep_due(now);
        if !is_due && !retries().has_unmet() {
            return false;
        }
        let Some(_alone) = self.try_alone() else {
            return false;
        };
        if is_due {
            retries().begin_sweep(now);
        }
        self.sift_contents(SWEPT_AT_A_TIME, keep)
    }

    /// Shows `keep` what waits, on the shelf or in the queue; waits for a thread that is at it.
    pub fn sift_all(&self, mut keep: impl FnMut(&mut Push) -> bool) {
        let _alone = lock(&self.sifting);
        // The shelf first: what becomes due while it is looked through is met in the queue.
        lock(&self.retries.shelf).begin_look();
        while self.sift_contents(SWEPT_AT_A_TIME, &mut keep) {}
        // They have planned by a shelf that seemed empty.
        self.crew.wake_all();
        self.sift_queue(true, usize::MAX, keep);
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
        self.sift_queue(true, usize::MAX, |push| {
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

    /// Shows so many on the shelf that were not met; whether there are more. They are looked at
    /// outside of its lock, which the connection threads want.
    fn sift_contents(&self, most: usize, mut keep: impl FnMut(&mut Push) -> bool) -> bool {
        let contents = lock(&self.retries.shelf).take_unmet(most);
        let put_back = |kept: Vec<_>| lock(&self.retries.shelf).put_back(kept);
        Sieve::new(contents.into(), put_back).sift(|item| keep(item.push_mut()));
        lock(&self.retries.shelf).has_unmet()
    }

    fn sift_queue(
        &self,
        begins: bool,
        most: usize,
        mut keep: impl FnMut(&mut Push) -> bool,
    ) -> bool {
        if begins {
            self.queue.rows().for_each(Chunks::begin_look);
        }
        let mut left = most;
        for chunks in self.queue.rows() {
            while left > 0
                && let Some(chunk) = chunks.take_unmet()
            {
                left = left.saturating_sub(chunk.len());
                Sieve::new(chunk.into(), |kept| chunks.put_met(kept)).sift(&mut keep);
            }
        }
        if left > 0 {
            self.sift_suspects(&mut keep);
            self.sift_refused(keep);
        }
        // A thread may have gone to sleep while a chunk was out of the queue.
        if self.queue.has_chunks() {
            self.call();
        }
        left == 0
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
