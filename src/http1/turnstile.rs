//! Lets few large requests at a time do what needs nothing but the processor, in the order in which
//! they come: each holds many times its bytes in memory meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// The way in for large requests, first come, first served. Small ones pass beside it: those who
/// answer are few themselves, and others answer large ones.
#[derive(Debug, Default)]
pub struct Turnstile(Mutex<Entrants>);

#[derive(Debug, Default)]
struct Entrants {
    /// Large requests that are inside.
    inside: usize,
    /// Bytes of their bodies.
    bytes: usize,
    waiting: VecDeque<Arc<WaitingRequest>>,
}

#[derive(Debug)]
struct WaitingRequest {
    thread: Thread,
    bytes: usize,
    is_in: AtomicBool,
}

/// One that is inside, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    /// `None` of a small one.
    turnstile: Option<&'a Turnstile>,
    bytes: usize,
}

impl Turnstile {
    /// Waits for a turn of a request with so long a body.
    pub fn enter(&self, bytes: usize) -> Turn<'_> {
        if !is_large(bytes) {
            let turnstile = None;
            return Turn { turnstile, bytes };
        }
        let turn = Turn {
            turnstile: Some(self),
            bytes,
        };
        let mut queue = self.lock();
        if queue.waiting.is_empty() && queue.let_in(bytes) {
            return turn;
        }
        let waiter = Arc::new(WaitingRequest {
            thread: thread::current(),
            bytes,
            is_in: AtomicBool::new(false),
        });
        queue.waiting.push_back(Arc::clone(&waiter));
        drop(queue);
        while !waiter.is_in.load(Ordering::Acquire) {
            thread::park();
        }
        turn
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Entrants> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entrants {
    /// One more, if it fits beside those that are inside.
    fn let_in(&mut self, bytes: usize) -> bool {
        let together = self.bytes.saturating_add(bytes);
        let fits = self.inside == 0 || together <= TOGETHER;
        if fits {
            self.inside += 1;
            self.bytes = together;
        }
        fits
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(turnstile) = self.turnstile else {
            return;
        };
        let mut queue = turnstile.lock();
        queue.inside -= 1;
        queue.bytes = queue.bytes.saturating_sub(self.bytes);
        while let Some(next) = queue.waiting.front().map(Arc::clone)
            && queue.let_in(next.bytes)
        {
            queue.waiting.pop_front();
            next.is_in.store(true, Ordering::Release);
            next.thread.unpark();
        }
    }
}

/// Whether a request with so long a body is a large one, which is answered by others than small
/// ones are.
pub(super) fn is_large(bytes: usize) -> bool {
    bytes > SMALL
}

/// Our limit: bytes of a body up to which its request is a small one. One push has less, whatever
/// it carries to the provider.
const SMALL: usize = 16 * 1024;

/// Our limit: bytes of bodies that are parsed and checked at once, if they are of several large
/// requests. Device tokens of a character each take fourteen times their bytes meanwhile.
const TOGETHER: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fixture::until;

    #[test]
    fn those_that_do_not_fit_together_come_in_their_order() {
        let turnstile = Turnstile::default();
        let order = Mutex::new(Vec::new());
        let [one, other] = [(); 2].map(|()| turnstile.enter(TOGETHER / 2));
        thread::scope(|scope| {
            for number in 0..8 {
                let (turnstile, order) = (&turnstile, &order);
                scope.spawn(move || {
                    // The first ones would fit last.
                    let turn = turnstile.enter(TOGETHER - number);
                    order.lock().unwrap().push(number);
                    drop(turn);
                });
                until("it waits", || turnstile.lock().waiting.len() == number + 1);
            }
            drop(one);
            assert_eq!(turnstile.lock().waiting.len(), 8);
            drop(other);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        let queue = turnstile.lock();
        assert_eq!((queue.inside, queue.bytes), (0, 0));
    }

    #[test]
    fn a_large_one_is_inside_alone_and_small_ones_pass_beside_it() {
        let turnstile = Turnstile::default();
        let half = turnstile.enter(TOGETHER / 2);
        drop(turnstile.enter(TOGETHER / 2));
        thread::scope(|scope| {
            let large = scope.spawn(|| drop(turnstile.enter(TOGETHER)));
            until("it waits", || turnstile.lock().waiting.len() == 1);
            let late = scope.spawn(|| drop(turnstile.enter(SMALL + 1)));
            until("the next one waits behind it", || {
                turnstile.lock().waiting.len() == 2
            });
            drop([turnstile.enter(SMALL), turnstile.enter(1)]);
            drop(half);
            large.join().unwrap();
            late.join().unwrap();
        });
        drop(turnstile.enter(usize::MAX));
        let queue = turnstile.lock();
        assert_eq!((queue.inside, queue.bytes), (0, 0));
    }
}
