//! A lane's pace as its connection threads share it.
//!
//! Without a rate it is one flag that is read. With one, the thread that finds the tickets used up
//! and pushes waiting becomes the *keeper*: it alone looks again when there are tickets, and until
//! then nobody is woken for work, for nobody could send it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Lane;
use super::pace::Pace;

/// A pace behind a lock, or none.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// Whether there is a pace.
    has_rate: AtomicBool,
    pace: Mutex<Option<Pace>>,
    /// The tickets are used up, and a keeper looks again.
    used_up: AtomicBool,
}

/// What [`Lane::tickets`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tickets {
    /// So many pushes may go; at least one.
    Go(usize),
    /// None may go. The caller is the keeper if it gets a time: it must ask again then.
    UsedUp(Option<Instant>),
}

impl Lane {
    /// Lets no more than so many pushes go in a second; 0 for as many as can.
    pub fn set_rate(&self, per_second: u32, now: Instant) {
        let rate = NonZeroU32::new(per_second);
        *self.pacing.lock() = rate.map(|rate| Pace::new(rate, now));
        self.pacing
            .has_rate
            .store(rate.is_some(), Ordering::Release);
        self.stop_waiting_for_tickets();
        self.wake_all();
    }

    /// Asks to send so many pushes, at least one. Those that are not sent after all go back by
    /// [`Lane::give_back_tickets`].
    pub fn tickets(&self, now: Instant, wanted: usize) -> Tickets {
        if !self.pacing.has_rate.load(Ordering::Acquire) {
            return Tickets::Go(wanted);
        }
        let mut pace = self.pacing.lock();
        let Some(pace) = pace.as_mut() else {
            return Tickets::Go(wanted);
        };
        match pace.take(now, wanted) {
            0 => {
                let has_keeper = self.pacing.used_up.swap(true, Ordering::SeqCst);
                Tickets::UsedUp((!has_keeper).then(|| pace.not_before()))
            }
            tickets => {
                // A keeper that came late, or not at all.
                self.stop_waiting_for_tickets();
                Tickets::Go(tickets)
            }
        }
    }

    /// Takes back tickets that were not used.
    pub fn give_back_tickets(&self, tickets: usize) {
        if tickets > 0
            && let Some(pace) = self.pacing.lock().as_mut()
        {
            pace.give_back(tickets);
        }
    }

    /// The ramp of the rate starts over: the lane was paused.
    pub fn restart_pace(&self) {
        if let Some(pace) = self.pacing.lock().as_mut() {
            pace.restart();
        }
    }

    /// Whether work has to wait: its keeper looks again when there are tickets. Whoever adds work
    /// calls this after adding it.
    pub fn waits_for_tickets(&self) -> bool {
        if !self.pacing.has_rate.load(Ordering::Acquire) {
            return false;
        }
        fence(Ordering::SeqCst);
        self.pacing.used_up.load(Ordering::SeqCst)
    }

    /// Whether it is no use to ask for tickets yet. A keeper that does not come is not waited for.
    pub fn has_no_tickets(&self, now: Instant) -> bool {
        self.waits_for_tickets()
            && self
                .pacing
                .lock()
                .as_ref()
                .is_some_and(|pace| now < pace.not_before())
    }

    /// The keeper looks again, or gives up: from now on threads are woken for work. It must read
    /// the queue after this, or see to it that another thread does.
    pub fn stop_waiting_for_tickets(&self) {
        if self.pacing.used_up.load(Ordering::SeqCst) {
            self.pacing.used_up.store(false, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
    }
}

impl Pacing {
    fn lock(&self) -> MutexGuard<'_, Option<Pace>> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
