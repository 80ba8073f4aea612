//! Lets few requests at a time do what needs nothing but the processor, in the order in which they
//! come; small ones and others each in their own.
//!
//! With hundreds of them at once, each would have its share of a processor only now and then, and
//! the threads of journal, logs and lanes no more than that; and each holds many times its bytes
//! in memory meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// The ways in: one for small requests, so that none waits behind the bodies of a campaign, and one
/// for the others, so that no number of small ones keeps those out.
#[derive(Debug)]
pub struct Turnstile {
    small: Gateway,
    large: Gateway,
}

/// One way in, first come, first served.
#[derive(Debug)]
struct Gateway {
    most: usize,
    queue: Mutex<Entrants>,
}

#[derive(Debug, Default)]
struct Entrants {
    /// Requests that are inside.
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
    gateway: &'a Gateway,
    bytes: usize,
}

impl Default for Turnstile {
    /// For as many as the machine's processors have to do.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::new(processors.saturating_mul(PER_PROCESSOR))
    }
}

impl Turnstile {
    /// For `most` small ones and `most` others at a time.
    fn new(most: usize) -> Self {
        Self {
            small: Gateway::new(most),
            large: Gateway::new(most),
        }
    }

    /// Waits for a turn of a request with so long a body.
    pub fn enter(&self, bytes: usize) -> Turn<'_> {
        let gateway = if bytes <= SMALL {
            &self.small
        } else {
            &self.large
        };
        gateway.enter(bytes)
    }
}

impl Gateway {
    /// For `most` at a time.
    fn new(most: usize) -> Self {
        Self {
            most,
            queue: Mutex::default(),
        }
    }

    fn enter(&self, bytes: usize) -> Turn<'_> {
        let turn = Turn {
            gateway: self,
            bytes,
        };
        let mut queue = self.lock();
        if queue.waiting.is_empty() && queue.let_in(bytes, self.most) {
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
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entrants {
    /// One more, if it fits beside those that are inside.
    fn let_in(&mut self, bytes: usize, most: usize) -> bool {
        let together = self.bytes.saturating_add(bytes);
        let fits = self.inside < most && (self.inside == 0 || together <= TOGETHER);
        if fits {
            self.inside += 1;
            self.bytes = together;
        }
        fits
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.gateway.lock();
        queue.inside -= 1;
        queue.bytes = queue.bytes.saturating_sub(self.bytes);
        while let Some(next) = queue.waiting.front().map(Arc::clone)
            && queue.let_in(next.bytes, self.gateway.most)
        {
            queue.waiting.pop_front();
            next.is_in.store(true, Ordering::Release);
            next.thread.unpark();
        }
    }
}

/// Our limit: requests for each processor that are parsed and checked at once: so many small ones,
/// and so many others.
const PER_PROCESSOR: usize = 2;

/// Our limit: bytes of a body up to which its request is a small one. One push has less, whatever
/// it carries to the provider.
const SMALL: usize = 16 * 1024;

/// Our limit: bytes of bodies that are parsed and checked at once, if they are of several small
/// requests, or of several others. Device tokens of a character each take fourteen times their
/// bytes meanwhile.
const TOGETHER: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::http1::fixture::until;

    #[test]
    fn so_many_are_inside_and_the_others_come_in_their_order() {
        let turnstile = Turnstile::new(2);
        let order = Mutex::new(Vec::new());
        let most = AtomicUsize::new(0);
        let (one, other) = (turnstile.enter(1), turnstile.enter(1));
        thread::scope(|scope| {
            for number in 0..8 {
                let (turnstile, order, most) = (&turnstile, &order, &most);
                scope.spawn(move || {
                    let turn = turnstile.enter(1);
                    most.fetch_max(turnstile.small.lock().inside, Ordering::SeqCst);
                    order.lock().unwrap().push(number);
                    drop(turn);
                });
                until("it waits", || {
                    turnstile.small.lock().waiting.len() == number + 1
                });
            }
            drop(one);
            until("all have had their turn", || {
                order.lock().unwrap().len() == 8
            });
            drop(other);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((most.into_inner(), turnstile.small.lock().inside), (2, 0));
    }

    #[test]
    fn a_large_one_is_inside_alone() {
        let turnstile = Turnstile::new(8);
        let half = turnstile.enter(TOGETHER / 2);
        drop(turnstile.enter(TOGETHER / 2));
        thread::scope(|scope| {
            let large = scope.spawn(|| drop(turnstile.enter(TOGETHER)));
            until("it waits", || turnstile.large.lock().waiting.len() == 1);
            let late = scope.spawn(|| drop(turnstile.enter(SMALL + 1)));
            until("the next one waits behind it", || {
                turnstile.large.lock().waiting.len() == 2
            });
            drop(half);
            large.join().unwrap();
            late.join().unwrap();
        });
        drop(turnstile.enter(usize::MAX));
        let queue = turnstile.large.lock();
        assert_eq!((queue.inside, queue.bytes), (0, 0));
    }

    #[test]
    fn a_small_one_waits_for_no_large_one_and_large_ones_for_no_small_one() {
        let turnstile = Turnstile::new(2);
        let campaign = turnstile.enter(TOGETHER);
        thread::scope(|scope| {
            // One byte more, and it waits with the campaign's.
            let next = scope.spawn(|| drop(turnstile.enter(SMALL + 1)));
            until("it waits", || turnstile.large.lock().waiting.len() == 1);
            let small = [turnstile.enter(SMALL), turnstile.enter(1)];
            let late = scope.spawn(|| drop(turnstile.enter(1)));
            until("the small ones have their bound", || {
                turnstile.small.lock().waiting.len() == 1
            });
            drop(campaign);
            next.join().unwrap();
            assert_eq!(turnstile.small.lock().waiting.len(), 1);
            drop(small);
            late.join().unwrap();
        });
        for queue in [turnstile.small.lock(), turnstile.large.lock()] {
            assert_eq!((queue.inside, queue.bytes), (0, 0));
        }
    }
}
