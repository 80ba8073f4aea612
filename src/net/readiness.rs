//! One thread waits on its sockets and on queues at once.
//!
//! A [`Waiter`] belongs to one thread and holds that thread's epoll; sockets are registered with
//! [`Waiter::registry`]. [`Bell::ring`] ends the thread's wait from any other thread. It is a
//! system call each time: whom to ring, and whether at all, is known to the owner of the queue.
//!
//! Sockets are edge-triggered: what a [`Waiter::wait`] has reported it does not report again, so
//! the owner hands [`Waiter::readiness`] to each connection before it waits again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token, Waker};

/// What a thread waits with.
#[derive(Debug)]
pub struct Waiter {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    /// The last wait was interrupted before it could look.
    was_interrupted: bool,
}

/// Wakes the thread that owns a [`Waiter`].
#[derive(Clone, Debug)]
pub struct Bell {
    waker: Arc<Waker>,
}

/// What the last wait said about one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// There may be something to read.
    pub readable: bool,
    /// The peer has closed, or the socket failed: reading goes on until that is seen.
    pub closed: bool,
}

impl Readiness {
    /// Nothing is known: the socket is to be read until it has no more.
    pub const UNKNOWN: Self = Self {
        readable: true,
        closed: true,
    };

    /// The socket has nothing new.
    pub const NOTHING: Self = Self {
        readable: false,
        closed: false,
    };
}

impl Waiter {
    /// Opens the epoll descriptor and the event descriptor of a thread.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), BELL)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_WAIT),
            waker: Arc::new(waker),
            was_interrupted: false,
        })
    }

    /// What wakes this waiter; may be cloned and sent to any thread.
    pub fn bell(&self) -> Bell {
        Bell {
            waker: Arc::clone(&self.waker),
        }
    }

    /// Where sockets are registered.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits until a socket is ready, the bell rings or `timeout` is over; a bell that rang since
    /// the last wait ends it at once. May return early without cause.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let polled = self.poll.poll(&mut self.events, timeout);
        self.was_interrupted = matches!(&polled, Err(error) if is_interrupted(error));
        if self.was_interrupted {
            self.events.clear();
            return Ok(());
        }
        polled
    }

    /// What the last [`Waiter::wait`] said about the socket registered with `token`. One that was
    /// interrupted, as by a process that was stopped and goes on, says nothing of any.
    pub fn readiness(&self, token: Token) -> Readiness {
        if self.was_interrupted {
            return Readiness::UNKNOWN;
        }
        let mut readiness = Readiness::NOTHING;
        for event in self.events.iter().filter(|event| event.token() == token) {
            readiness.closed |= event.is_read_closed() || event.is_error();
            readiness.readable |= event.is_readable() || readiness.closed;
        }
        readiness
    }
}

impl Bell {
    /// Ends the thread's wait, or its next one if it does not wait now.
    pub fn ring(&self) {
        if let Err(error) = self.waker.wake() {
            // An event descriptor fails for no reason that the daemon could survive long; the
            // waiter's timeout is the net.
            log::error!("cannot wake a thread: {error}");
        }
    }
}

fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// Socket events taken per wait; more are reported by the next one.
const EVENTS_PER_WAIT: usize = 64;

/// The bell's own token; sockets have others.
pub(super) const BELL: Token = Token(usize::MAX);

#[cfg(test)]
mod tests;
