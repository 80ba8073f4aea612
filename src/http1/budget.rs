//! Memory for request bodies and answers, bounded over all connections.
//!
//! A connection's buffer of up to `body::FREE` bytes costs nothing; what is beyond is charged to
//! one [`Budget`]. Half a thousand clients that each send a large body slowly, or take no answer,
//! would else hold gigabytes.
//!
//! A large request has its turn, in the order in which they come, before its body is read. Nobody
//! waits for more while it holds some: such requests could wait for each other.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::head::Refusal;
use super::registry::Place;
use crate::moment;

/// Bytes left for large bodies and answers.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<Pool>,
    given: Condvar,
}

#[derive(Debug)]
struct Pool {
    /// All bytes.
    whole: usize,
    /// Those that are taken: more than all after a reload that left less than was taken.
    taken: usize,
    /// Requests that wait for some to be given back, the first one first.
    waiting: VecDeque<u64>,
    /// Most that may wait.
    most_waiting: usize,
    /// The number of the next one that waits.
    next: u64,
}

impl Pool {
    /// Takes bytes if there are enough, with so many more beside all that there are.
    fn take(&mut self, bytes: usize, beside: usize) -> bool {
        let taken = self.taken.saturating_add(bytes);
        let fits = taken <= self.whole.saturating_add(beside);
        if fits {
            self.taken = taken;
        }
        fits
    }
}

impl Budget {
    /// With so many bytes, for which so many requests may wait.
    pub(super) fn new(bytes: usize, most_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Pool {
                whole: bytes,
                taken: 0,
                waiting: VecDeque::new(),
                most_waiting,
                next: 0,
            }),
            given: Condvar::new(),
        })
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        let state = self.lock();
        state.whole.saturating_sub(state.taken)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes bytes for an answer if there are enough, before those who wait.
    fn take_at_once(&self, bytes: usize) -> bool {
        self.lock().take(bytes, FOR_ANSWERS)
    }

    /// Takes bytes if there are enough and nobody waits.
    fn take_in_turn(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        state.waiting.is_empty() && state.take(bytes, 0)
    }

    /// Takes bytes, after all who wait for some, if that time is long enough. While there are too
    /// few, connections whose callers let us wait are closed for them, by `free_memory`.
    fn take(&self, bytes: usize, within: Duration, free_memory: impl Fn(usize)) -> bool {
        let mut state = self.lock();
        if state.waiting.is_empty() && state.take(bytes, 0) {
            return true;
        }
        if bytes > state.whole || state.waiting.len() >= state.most_waiting {
            return false;
        }
        let deadline = moment::now() + within;
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(number);
        let is_taken = loop {
            let left = deadline.saturating_duration_since(moment::now());
            // It may have shrunk meanwhile.
            if left.is_zero() || bytes > state.whole {
                break false;
            }
            let is_first = state.waiting.front() == Some(&number);
            if is_first {
                // Under the lock, so that nobody is closed for what was just given back.
                free_memory(bytes);
            }
            let pause = if is_first { left.min(LOOK_EVERY) } else { left };
            let waited = self.given.wait_timeout(state, pause);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.waiting.front() == Some(&number) && state.take(bytes, 0) {
                break true;
            }
        };
        state.waiting.retain(|&waiting| waiting != number);
        drop(state);
        // There may be enough for the next one, too.
        self.given.notify_all();
        is_taken
    }

    fn give(&self, bytes: usize) {
        if bytes > 0 {
            let mut state = self.lock();
            state.taken = state.taken.saturating_sub(bytes);
            drop(state);
            self.given.notify_all();
        }
    }

    /// Makes it a budget of so many bytes, for which so many requests may wait.
    pub(super) fn resize(&self, bytes: usize, most_waiting: usize) {
        let mut state = self.lock();
        (state.whole, state.most_waiting) = (bytes, most_waiting);
        drop(state);
        self.given.notify_all();
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection has of the budget. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct BudgetShare<'a> {
    budget: Arc<Budget>,
    place: &'a Place,
    bytes: usize,
    /// How long it waits for its turn.
    within: Duration,
    /// How long it was waited for, since that was last asked.
    delay: Duration,
}

impl<'a> BudgetShare<'a> {
    pub(super) fn new(budget: Arc<Budget>, place: &'a Place, within: Duration) -> Self {
        Self {
            budget,
            place,
            bytes: 0,
            within,
            delay: Duration::ZERO,
        }
    }

    /// How long room was waited for since this was last asked: time in which nothing is read.
    pub(super) fn take_delay(&mut self) -> Duration {
        std::mem::take(&mut self.delay)
    }

    /// Sees to it that it has that many bytes at least, once it is its turn: it gives back first
    /// what it has.
    pub(super) fn raise(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        if self.budget.take_in_turn(more) {
            self.set(bytes);
            return Ok(());
        }
        self.lower(0);
        let (place, asked) = (self.place, moment::now());
        let free_memory = |bytes| place.free_memory(bytes);
        if !self.budget.take(bytes, self.within, free_memory) {
            return Err(NO_ROOM);
        }
        self.delay += moment::since(asked);
        // Nothing was read before: what the caller owes, it owes from now on.
        self.place.begin();
        self.set(bytes);
        Ok(())
    }

    /// Sees to it that it has so many more bytes for an answer, if there are enough.
    pub(super) fn raise_at_once(&mut self, more: usize) -> bool {
        let is_taken = self.budget.take_at_once(more);
        if is_taken {
            self.set(self.bytes.saturating_add(more));
        }
        is_taken
    }

    /// Gives back what is beyond that many bytes.
    pub(super) fn lower(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if less > 0 {
            self.budget.give(less);
            self.set(bytes);
        }
    }

    fn set(&mut self, bytes: usize) {
        self.bytes = bytes;
        self.place.hold(bytes);
    }
}

impl Drop for BudgetShare<'_> {
    fn drop(&mut self) {
        self.lower(0);
    }
}

/// Our limit: bytes of answers beside all that there is for large bodies, for what is made as long
/// as there is room: pages of figures, lists of what was rejected. Whoever uploads leaves it alone.
const FOR_ANSWERS: usize = 8 * 1024 * 1024;

const NO_ROOM: Refusal = Refusal::new(503, "too many large requests at once");

/// How often a request that waits for room looks whose caller lets us wait.
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
