//! What the threads of one listener share.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use super::budget::Budget;
use super::handler::{Handler, Phase};
use super::registry::Registry;
use super::settings::Settings;
use crate::live::Live;

/// What the threads of one listener share.
pub(super) struct ListenerShared {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) settings: Live<Settings>,
    pub(super) budget: Arc<Budget>,
    pub(super) registry: Arc<Registry>,
    /// Calls the watching thread.
    pub(super) doorbell: Arc<Doorbell>,
    phase: AtomicU8,
}

impl ListenerShared {
    /// Of a listener that accepts connections, whose watching thread hears that waker.
    pub(super) fn new(handler: Arc<dyn Handler>, settings: Settings, waker: Waker) -> Self {
        let doorbell = Arc::new(Doorbell {
            calls: Mutex::default(),
            waker,
        });
        let rings = Arc::clone(&doorbell);
        let (bytes, most_waiting) = (settings.large_bodies(), settings.most_waiting());
        Self {
            handler,
            budget: Budget::new(bytes, most_waiting, move |number| rings.call(number)),
            settings: Live::new(settings),
            registry: Registry::new(),
            doorbell,
            phase: AtomicU8::new(SERVING),
        }
    }

    /// How far the listener is.
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            SERVING => Phase::Serving,
            DRAINING => Phase::Draining,
            _ => Phase::Stopped,
        }
    }

    /// Whether the watching thread is to end.
    pub(super) fn is_over(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == OVER
    }

    /// Goes on to that phase, unless it is further, and has the watching thread look.
    ///
    /// # Errors
    ///
    /// The system's, when the thread cannot be woken.
    pub(super) fn advance(&self, phase: u8) -> io::Result<()> {
        self.phase.fetch_max(phase, Ordering::SeqCst);
        self.doorbell.waker.wake()
    }
}

/// Calls the watching thread to connections, by their numbers.
#[derive(Debug)]
pub(super) struct Doorbell {
    calls: Mutex<Vec<u64>>,
    waker: Waker,
}

impl Doorbell {
    /// Has the watching thread look at a connection.
    pub(super) fn call(&self, number: u64) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = calls.is_empty();
        calls.push(number);
        drop(calls);
        // Who has called before has woken it, or is about to.
        if is_first && let Err(error) = self.waker.wake() {
            log::error!("cannot wake the thread that watches callers: {error}");
        }
    }

    /// The connections to which it was called.
    pub(super) fn take(&self) -> Vec<u64> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *calls)
    }
}

/// Connections are accepted.
const SERVING: u8 = 0;
/// No more are accepted.
pub(super) const DRAINING: u8 = 1;
/// Those that are open end.
pub(super) const STOPPED: u8 = 2;
/// So does the watching thread.
pub(super) const OVER: u8 = 3;
