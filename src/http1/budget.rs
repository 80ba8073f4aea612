//! Memory for request bodies and answers, bounded over all connections.
//!
//! A connection's buffer of up to `body::FREE` bytes costs nothing; what is beyond is charged to
//! one [`Budget`]. Half a thousand clients that each send a large body slowly, or take no answer,
//! would else hold gigabytes.
//!
//! A large request has its turn, in the order in which they come, before its body is read. Nobody
//! waits for more while it holds some: such requests could wait for each other.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::head::Refusal;
use super::registry::{Place, Slot};

/// Bytes left for large bodies and answers.
pub(super) struct Budget {
    state: Mutex<Pool>,
    /// Called for each request whose turn has come, or will not.
    decided: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Debug)]
struct Pool {
    /// All bytes.
    whole: usize,
    /// Those that are taken: more than all after a reload that left less than was taken.
    taken: usize,
    /// Requests that wait for so many bytes to be given back, the first one first.
    waiting: VecDeque<(u64, usize)>,
    /// Most that may wait.
    most_waiting: usize,
    /// Those that waited and have not heard yet: what was taken for them; `None` if there will
    /// never be enough.
    decided: HashMap<u64, Option<usize>>,
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

    /// Takes for those who wait what there is, the first one first; says for whom it is decided.
    fn decide(&mut self) -> Vec<u64> {
        let mut numbers = Vec::new();
        // It may have shrunk meanwhile.
        let whole = self.whole;
        self.waiting.retain(|&(number, bytes)| {
            let may_fit = bytes <= whole;
            if !may_fit {
                numbers.push(number);
            }
            may_fit
        });
        self.decided
            .extend(numbers.iter().map(|&number| (number, None)));
        while let Some(&(number, bytes)) = self.waiting.front()
            && self.take(bytes, 0)
        {
            self.waiting.pop_front();
            self.decided.insert(number, Some(bytes));
            numbers.push(number);
        }
        numbers
    }
}

/// Whether there was room at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    Now,
    /// It waits for its turn.
    Later,
}

/// What became of who waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    NotYet,
    Granted,
    /// It waits no more, and has nothing.
    Denied,
}

impl Budget {
    /// With so many bytes, for which so many requests may wait; `decided` is called with the
    /// number of each connection that waits no more.
    pub(super) fn new(
        bytes: usize,
        most_waiting: usize,
        decided: impl Fn(u64) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Pool {
                whole: bytes,
                taken: 0,
                waiting: VecDeque::new(),
                most_waiting,
                decided: HashMap::new(),
            }),
            decided: Box::new(decided),
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

    /// Has a connection wait for its turn, after all who wait already; false if it may not.
    fn line_up(&self, number: u64, bytes: usize) -> bool {
        let mut state = self.lock();
        let may_wait = bytes <= state.whole && state.waiting.len() < state.most_waiting;
        if may_wait {
            state.waiting.push_back((number, bytes));
            // Some may have been given back since it was tried.
            let decided = state.decide();
            drop(state);
            self.tell(decided);
        }
        may_wait
    }

    /// What was decided of a connection that waits: what was taken for it, or nothing. If that is
    /// not yet decided, and it `leaves`, it waits no more.
    fn turn(&self, number: u64, leaves: bool) -> (Turned, usize) {
        let mut state = self.lock();
        match state.decided.remove(&number) {
            Some(Some(bytes)) => return (Turned::Granted, bytes),
            Some(None) => return (Turned::Denied, 0),
            None if !leaves => return (Turned::NotYet, 0),
            None => {}
        }
        state.waiting.retain(|&(waiting, _)| waiting != number);
        // There may be enough for the next one.
        let decided = state.decide();
        drop(state);
        self.tell(decided);
        (Turned::Denied, 0)
    }

    fn give(&self, bytes: usize) {
        if bytes > 0 {
            let mut state = self.lock();
            state.taken = state.taken.saturating_sub(bytes);
            let decided = state.decide();
            drop(state);
            self.tell(decided);
        }
    }

    /// Makes it a budget of so many bytes, for which so many requests may wait.
    pub(super) fn resize(&self, bytes: usize, most_waiting: usize) {
        let mut state = self.lock();
        (state.whole, state.most_waiting) = (bytes, most_waiting);
        let decided = state.decide();
        drop(state);
        self.tell(decided);
    }

    /// Whether somebody waits for its turn.
    pub(super) fn is_awaited(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Has connections whose callers let us wait closed for the first one that waits, by
    /// `free_memory`. To be called again and again while somebody waits.
    pub(super) fn press(&self, free_memory: impl Fn(usize)) {
        let state = self.lock();
        if let Some((_, bytes)) = state.waiting.front() {
            // Under the lock, so that nobody is closed for what was just given back.
            free_memory(*bytes);
        }
    }

    fn tell(&self, decided: Vec<u64>) {
        decided.into_iter().for_each(&self.decided);
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

/// What one connection has of the budget. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct BudgetShare {
    budget: Arc<Budget>,
    slot: Arc<Slot>,
    number: u64,
    bytes: usize,
    waits: bool,
}

impl BudgetShare {
    /// That of a connection, which has nothing yet.
    pub(super) fn new(budget: &Arc<Budget>, place: &Place) -> Self {
        Self {
            budget: Arc::clone(budget),
            slot: Arc::clone(&place.slot),
            number: place.number(),
            bytes: 0,
            waits: false,
        }
    }

    /// Whether it has that many bytes at least.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.bytes >= bytes
    }

    /// Sees to it that it has that many bytes at least, once it is its turn: it gives back first
    /// what it has.
    pub(super) fn raise(&mut self, bytes: usize) -> Result<Raised, Refusal> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(Raised::Now);
        }
        if self.budget.take_in_turn(more) {
            self.set(bytes);
            return Ok(Raised::Now);
        }
        self.lower(0);
        // It may be decided before this returns.
        self.waits = true;
        if self.budget.line_up(self.number, bytes) {
            return Ok(Raised::Later);
        }
        self.waits = false;
        Err(NO_ROOM)
    }

    /// Whether its turn has come, for which it waits no longer if that is too late.
    pub(super) fn turn(&mut self, is_late: bool) -> Turned {
        let (turned, bytes) = self.budget.turn(self.number, is_late);
        match turned {
            Turned::NotYet => {}
            Turned::Denied => self.waits = false,
            Turned::Granted => {
                self.waits = false;
                // Nothing was read before: what the caller owes, it owes from now on.
                self.slot.begin();
                self.set(bytes);
            }
        }
        turned
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
        self.slot.hold(bytes);
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        if self.waits {
            let (_, bytes) = self.budget.turn(self.number, true);
            self.budget.give(bytes);
        }
        self.lower(0);
    }
}

/// Our limit: bytes of answers beside all that there is for large bodies, for what is made as long
/// as there is room: pages of figures, lists of what was rejected. Whoever uploads leaves it alone.
const FOR_ANSWERS: usize = 8 * 1024 * 1024;

pub(super) const NO_ROOM: Refusal = Refusal::new(503, "too many large requests at once");

/// How often it is looked, while a request waits for room, whose caller lets us wait.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
