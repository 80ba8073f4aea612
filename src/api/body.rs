//! Memory for request bodies and answers, bounded over all connections.
//!
//! A connection's buffer of up to [`FREE`] octets costs nothing; what is beyond is charged to one
//! [`Budget`]. Half a thousand clients that each send a large body slowly, or take no answer, would
//! else hold gigabytes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::head::Refusal;
use super::registry::Place;
use crate::moment;

/// Octets left for large bodies and answers.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Debug)]
struct State {
    /// All octets.
    whole: usize,
    /// Those that are taken: more than all after a reload that left less than was taken.
    taken: usize,
    /// Connections that wait for some to be given back.
    waiting: usize,
}

impl State {
    fn take(&mut self, octets: usize) -> bool {
        let taken = self.taken.saturating_add(octets);
        let fits = taken <= self.whole;
        if fits {
            self.taken = taken;
        }
        fits
    }
}

impl Budget {
    pub(super) fn new(octets: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                whole: octets,
                taken: 0,
                waiting: 0,
            }),
            given: Condvar::new(),
        })
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        let state = self.lock();
        state.whole.saturating_sub(state.taken)
    }

    /// Takes octets if there are enough.
    fn take_at_once(&self, octets: usize) -> bool {
        self.lock().take(octets)
    }

    /// Takes octets. While there are too few, connections whose callers let us wait are closed for
    /// them, by `free_memory`.
    fn take(&self, octets: usize, free_memory: impl Fn(usize)) -> bool {
        let mut state = self.lock();
        if state.take(octets) {
            return true;
        }
        if octets > state.whole || state.waiting >= LARGE_BODIES {
            return false;
        }
        let deadline = moment::now() + ROOM_WITHIN;
        state.waiting += 1;
        let is_taken = loop {
            let left = deadline.saturating_duration_since(moment::now());
            if left.is_zero() {
                break false;
            }
            // Under the lock, so that nobody is closed for what was just given back.
            free_memory(octets);
            let waited = self.given.wait_timeout(state, left.min(LOOK_EVERY));
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.take(octets) {
                break true;
            }
        };
        state.waiting -= 1;
        is_taken
    }

    fn give(&self, octets: usize) {
        if octets > 0 {
            let mut state = self.lock();
            state.taken = state.taken.saturating_sub(octets);
            drop(state);
            self.given.notify_all();
        }
    }

    /// Makes it a budget of so many octets.
    pub(super) fn resize(&self, octets: usize) {
        self.lock().whole = octets;
        self.given.notify_all();
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection has of the budget. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: Arc<Budget>,
    place: &'a Place,
    octets: usize,
    /// How long it was waited for, since that was last asked.
    delay: Duration,
}

impl<'a> Share<'a> {
    pub(super) fn new(budget: Arc<Budget>, place: &'a Place) -> Self {
        Self {
            budget,
            place,
            octets: 0,
            delay: Duration::ZERO,
        }
    }

    /// How long room was waited for since this was last asked: time in which nothing is read.
    pub(super) fn take_delay(&mut self) -> Duration {
        std::mem::take(&mut self.delay)
    }

    /// Sees to it that it has that many octets at least.
    pub(super) fn raise(&mut self, octets: usize) -> Result<(), Refusal> {
        let more = octets.saturating_sub(self.octets);
        if more == 0 {
            return Ok(());
        }
        let (place, asked) = (self.place, moment::now());
        if !self.budget.take(more, |octets| place.free_memory(octets)) {
            return Err(NO_ROOM);
        }
        self.delay += moment::since(asked);
        self.set(octets);
        Ok(())
    }

    /// Sees to it that it has so many more octets, if there are enough.
    pub(super) fn raise_at_once(&mut self, more: usize) -> bool {
        let is_taken = self.budget.take_at_once(more);
        if is_taken {
            self.set(self.octets.saturating_add(more));
        }
        is_taken
    }

    /// Gives back what is beyond that many octets.
    pub(super) fn lower(&mut self, octets: usize) {
        let less = self.octets.saturating_sub(octets);
        if less > 0 {
            self.budget.give(less);
            self.set(octets);
        }
    }

    fn set(&mut self, octets: usize) {
        self.octets = octets;
        self.place.hold(octets);
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.lower(0);
    }
}

/// The body of one request at a time.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) octets: Vec<u8>,
}

impl Body {
    /// Appends to the body. What its buffer has beyond [`FREE`] is in `share`, beside octets that
    /// are `kept` there for something else.
    pub(super) fn push(
        &mut self,
        octets: &[u8],
        share: &mut Share<'_>,
        kept: usize,
    ) -> Result<(), Refusal> {
        let needed = self.octets.len().saturating_add(octets.len());
        if needed > self.octets.capacity() {
            let capacity = needed
                .checked_next_power_of_two()
                .unwrap_or(needed)
                .max(SMALLEST);
            share.raise(capacity.saturating_sub(FREE).saturating_add(kept))?;
            self.octets
                .reserve_exact(capacity.saturating_sub(self.octets.len()));
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// Forgets the body; gives its memory back if it was large.
    pub(super) fn clear(&mut self) {
        if self.octets.capacity() > KEPT {
            self.octets = Vec::new();
        }
        self.octets.clear();
    }
}

const NO_ROOM: Refusal = Refusal::new(503, "too many large requests at once");

/// Our limit: octets of a body buffer, and of an answer, that each connection may have beside the
/// budget.
pub(super) const FREE: usize = 64 * 1024;

/// Our limit: octets of a body's or answer's buffer that a connection keeps for the next one.
pub(super) const KEPT: usize = 16 * 1024;

/// Our limit: bodies of the greatest allowed size that fit into memory at once, and requests that
/// wait for room.
pub(super) const LARGE_BODIES: usize = 8;

/// Our limit: how long a request waits for room, while it is not read.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// How often a request that waits for room looks whose caller lets us wait.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The first step of the buffer.
const SMALLEST: usize = 4096;

#[cfg(test)]
mod tests;
