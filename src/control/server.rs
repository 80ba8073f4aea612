//! The daemon's end of the control socket: a thread that waits for nobody in particular.
//!
//! Each client has a stage and a deadline of its own, so that who is silent keeps no one waiting.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Receiver;
use mio::{Events, Poll, Waker};

use super::clients::{CLIENTS_MAX, Clients};
use super::desk::{Asked, Desk};
use crate::count::{self, Seldom};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::http1::{BindError, Bound, advice};
use crate::moment;

/// The socket and its thread. Dropping it ends both.
#[derive(Debug)]
pub struct Control {
    waker: Arc<Waker>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    asked: Receiver<Asked>,
    heartbeat: Heartbeat,
}

impl Control {
    /// Binds the socket; a stale one is replaced, a live one is not.
    ///
    /// # Errors
    ///
    /// Why nobody can be listened to there.
    pub fn bind(path: &Path) -> Result<Bound, BindError> {
        Bound::unix(path, Some(MODE), None)
    }

    /// Begins to take requests.
    ///
    /// # Errors
    ///
    /// The system's, when it gives no thread or descriptor.
    pub fn start(bound: Bound) -> io::Result<Self> {
        let (poll, waker) = bound.watch()?;
        let waker = Arc::new(waker);
        let (desk, asked) = Desk::new(Arc::clone(&waker));
        let (heartbeat, ends) = (Heartbeat::new(moment::now()), Arc::<AtomicBool>::default());
        let door = Door {
            bound,
            poll,
            clients: Clients::default(),
            short: Seldom::default(),
            ends: Arc::clone(&ends),
            heartbeat: heartbeat.clone(),
        };
        let thread = thread::Builder::new().name("control".to_owned());
        let thread = thread.spawn(move || door.run(&desk))?;
        Ok(Self {
            waker,
            ends,
            thread: Some(thread),
            asked,
            heartbeat,
        })
    }

    /// The thread's sign of life.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// What is asked for.
    pub fn asked(&self) -> &Receiver<Asked> {
        &self.asked
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.asked = crossbeam_channel::never();
        self.ends.store(true, Ordering::SeqCst);
        if let (Some(thread), Ok(())) = (self.thread.take(), self.waker.wake())
            && thread.join().is_err()
        {
            ::log::error!("the control socket's thread panicked");
        }
    }
}

/// The thread.
struct Door {
    bound: Bound,
    poll: Poll,
    clients: Clients,
    /// Accepts that failed for want of something.
    short: Seldom,
    ends: Arc<AtomicBool>,
    heartbeat: Heartbeat,
}

impl Door {
    fn run(mut self, desk: &Desk) {
        let mut events = Events::with_capacity(32);
        while !self.ends.load(Ordering::SeqCst) {
            let mut rest = LONGEST_REST;
            if !self.accept_all(desk) {
                rest = PAUSE;
            }
            let now = moment::now();
            if let Some(due) = self.clients.go_on(desk, now) {
                rest = rest.min(due.saturating_duration_since(now));
            }
            self.heartbeat.rest(now + rest);
            match self.poll.poll(&mut events, Some(rest)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    ::log::error!("the control socket is given up: {error}");
                    break;
                }
            }
        }
        self.clients.end();
        self.heartbeat.end();
    }

    /// Takes all who wait; false if the system is short of something.
    fn accept_all(&mut self, desk: &Desk) -> bool {
        loop {
            match self.bound.accept_unix() {
                Ok(stream) => {
                    let now = moment::now();
                    self.heartbeat.busy(now);
                    self.clients.come(stream, self.poll.registry(), desk, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if let Some(times) = self.short.note(moment::now()) {
                        ::log::warn!(
                            "cannot take requests over the control socket, trying on ({} since \
                             this was last said): {error}{}",
                            count::of(times, "failure", "failures"),
                            advice(&error)
                        );
                    }
                    return false;
                }
            }
        }
    }
}

/// Descriptors at most: the socket, what is waited with, all clients and one who has just come.
pub const DESCRIPTORS: usize = 3 + CLIENTS_MAX + 1;

/// Mode of the socket's file: who may reload may as well send signals.
const MODE: u32 = 0o600;

/// How long it waits when the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);
