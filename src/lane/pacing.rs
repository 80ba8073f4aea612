//! A lane's pace as its connection threads share it.
//!
//! Without a rate it is one flag that is read. With one, the thread that finds the tickets used up
//! and pushes waiting becomes the *keeper*: it alone looks again when there are tickets, and until
//! then nobody is woken for work, for nobody could send it.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Instant;

use super::lock;
use super::pace::Pace;

/// The pace of a lane behind a lock, or none.
#[derive(Debug, Default)]
pub struct Pacing {
    /// Whether there is a pace.
    has_rate: AtomicBool,
    pace: Mutex<Option<Pace>>,
    /// The tickets are used up, and a keeper looks again.
    used_up: AtomicBool,
}

/// What [`Pacing::tickets`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tickets {
    /// So many pushes may go; at least one.
    Go(usize),
    /// None may go. The caller is the keeper if it gets a time: it must ask again then.
    UsedUp(Option<Instant>),
}

impl Pacing {
    /// Lets no more than so many pushes go in a second; 0 for as many as can.
    pub fn set_rate(&self, per_second: u32, now: Instant) {
        let rate = NonZeroU32::new(per_second);
        *lock(&self.pace) = rate.map(|rate| Pace::new(rate, now));
        self.has_rate.store(rate.is_some(), Ordering::Release);
        self.stop_waiting_for_tickets();
    }

    /// Asks to send so many pushes, at least one. Those that are not sent after all go back by
    /// [`Pacing::give_back`].
    pub fn tickets(&self, now: Instant, wanted: usize) -> Tickets {
        if !self.has_rate.load(Ordering::Acquire) {
            return Tickets::Go(wanted);
        }
        let mut pace = lock(&self.pace);
        let Some(pace) = pace.as_mut() else {
            return Tickets::Go(wanted);
        };
        match pace.take(now, wanted) {
            0 => {
                let has_keeper = self.used_up.swap(true, Ordering::SeqCst);
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
    pub fn give_back(&self, tickets: usize) {
        if tickets > 0
            && let Some(pace) = lock(&self.pace).as_mut()
        {
            pace.give_back(tickets);
        }
    }

    /// The ramp of the rate starts over: the lane was paused.
    pub fn restart(&self) {
        if let Some(pace) = lock(&self.pace).as_mut() {
            pace.restart();
        }
    }

    /// Whether work has to wait: its keeper looks again when there are tickets. Whoever adds work
    /// calls this after adding it.
    pub fn waits_for_tickets(&self) -> bool {
        if !self.has_rate.load(Ordering::Acquire) {
            return false;
        }
        fence(Ordering::SeqCst);
        self.used_up.load(Ordering::SeqCst)
    }

    /// Whether it is no use to ask for tickets yet. A keeper that does not come is not waited for.
    pub fn has_no_tickets(&self, now: Instant) -> bool {
        self.waits_for_tickets()
            && lock(&self.pace)
                .as_ref()
                .is_some_and(|pace| now < pace.not_before())
    }

    /// The keeper looks again, or gives up: from now on threads are woken for work. It must read
    /// the queue after this, or see to it that another thread does.
    pub fn stop_waiting_for_tickets(&self) {
        if self.used_up.load(Ordering::SeqCst) {
            self.used_up.store(false, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_keeper_looks_again_when_the_tickets_are_used_up() {
        let (pacing, now) = (Pacing::default(), Instant::now());
        assert_eq!(pacing.tickets(now, 1000), Tickets::Go(1000), "no rate");
        pacing.set_rate(10, now);
        let Tickets::Go(first) = pacing.tickets(now, 1000) else {
            panic!("a rate has tickets at first");
        };
        assert!((1..1000).contains(&first) && !pacing.waits_for_tickets());
        let Tickets::UsedUp(Some(again_at)) = pacing.tickets(now, 1) else {
            panic!("they are used up, and nobody keeps them yet");
        };
        assert_eq!(pacing.tickets(now, 1), Tickets::UsedUp(None), "one does");
        assert!(pacing.waits_for_tickets() && pacing.has_no_tickets(now));
        assert!(
            !pacing.has_no_tickets(again_at),
            "a late keeper is not waited for"
        );
        pacing.stop_waiting_for_tickets();
        assert!(!pacing.waits_for_tickets());
        pacing.give_back(1);
        assert_eq!(pacing.tickets(again_at, 1), Tickets::Go(1));
        pacing.set_rate(0, now + Duration::from_secs(1));
        assert_eq!(pacing.tickets(now, 1000), Tickets::Go(1000));
    }
}
