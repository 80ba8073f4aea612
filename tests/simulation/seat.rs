//! A connection thread, as the world runs it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sterna::delivery::desk::Desk;
use sterna::delivery::policy::Limits;
use sterna::delivery::pool::ConnectionPool;
use sterna::delivery::present_route::PresentRoute;
use sterna::delivery::settler::Settler;
use sterna::lane::Lane;
use sterna::log::{Destination, Logs};

use crate::net::{SimulatedTransport, Trap};

/// How an attempt to connect goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialled {
    Connected,
    Refused,
}

/// The next connection of a seat.
#[derive(Clone)]
pub(crate) struct Dialling {
    pub(crate) until: Instant,
    pub(crate) ends_as: Dialled,
    /// The number of the route that it is opened by.
    pub(crate) generation: u64,
    /// As whom it speaks, if other lanes may have it.
    pub(crate) speaker: Option<String>,
}

/// Those whom a lane has called for.
#[derive(Clone, Default)]
pub(crate) struct Called(Arc<Mutex<Vec<usize>>>);

impl Called {
    /// Those of that lane, from now on.
    pub(crate) fn of(lane: &Lane) -> Self {
        let called = Self::default();
        let theirs = called.clone();
        lane.crew().on_start(Box::new(move |seat| {
            theirs.0.lock().unwrap().push(seat);
            true
        }));
        called
    }

    /// Those since the last call.
    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

pub(crate) struct Seat {
    pub(crate) desk: Desk<SimulatedTransport>,
    pub(crate) bell: Arc<AtomicBool>,
    pub(crate) wait_until: Instant,
    /// It goes on without a wait.
    pub(crate) again: bool,
    pub(crate) dialling: Option<Dialling>,
    /// It does not run.
    pub(crate) over: bool,
    /// When it began to.
    pub(crate) begun: Option<Instant>,
    /// Bytes have come, or there is room for some.
    pub(crate) has_bytes: bool,
    /// Rounds in a row at one point in time.
    pub(crate) rounds: (Instant, u32),
    /// Rounds within a second that no byte asked for.
    pub(crate) in_second: (Instant, u32),
    /// It rests after a panic.
    pub(crate) rests_until: Option<Instant>,
    /// Until when it does not run.
    pub(crate) stands_until: Option<Instant>,
    /// A round of it ends in a panic, there.
    pub(crate) doom: Option<Trap>,
}

impl Seat {
    /// One that does not run.
    pub(crate) fn new(
        number: usize,
        lane: &Arc<Lane>,
        route: &Arc<PresentRoute>,
        settler: Settler,
        pool: Arc<ConnectionPool<SimulatedTransport>>,
        now: Instant,
    ) -> Self {
        let (lane, route) = (Arc::clone(lane), Arc::clone(route));
        Self {
            desk: Desk::new(number, lane, route, settler).sharing(pool),
            bell: Arc::default(),
            wait_until: now,
            again: false,
            dialling: None,
            over: true,
            begun: None,
            has_bytes: false,
            rounds: (now, 0),
            in_second: (now, 0),
            rests_until: None,
            stands_until: None,
            doom: None,
        }
    }

    /// It runs.
    pub(crate) fn start(&mut self, now: Instant) {
        let rung = Arc::clone(&self.bell);
        let wake = move || rung.store(true, Ordering::Relaxed);
        self.desk.sit_down(Box::new(wake));
        (self.over, self.begun, self.wait_until) = (false, Some(now), now);
    }

    /// One more round; so many in a row at this point in time, and so many within a second that no
    /// byte asked for.
    pub(crate) fn count_round(&mut self, now: Instant) -> (u32, u32) {
        let counted = |(since, rounds): (Instant, u32), within: Duration| match rounds {
            rounds if now <= since + within => (since, rounds + 1),
            _ => (now, 1),
        };
        self.rounds = counted(self.rounds, Duration::ZERO);
        if !self.has_bytes {
            self.in_second = counted(self.in_second, Duration::from_secs(1));
        }
        (self.rounds.1, self.in_second.1)
    }

    /// When it has something to do of itself.
    pub(crate) fn next(&self) -> Instant {
        let dialled = self
            .dialling
            .as_ref()
            .map_or(self.wait_until, |it| it.until);
        let next = dialled.min(self.wait_until);
        let next = self.rests_until.unwrap_or(next);
        let Some(until) = self.stands_until else {
            return next;
        };
        // Whoever was called while it stood runs as soon as it can.
        let is_called = self.again || self.bell.load(Ordering::Relaxed);
        if is_called && self.rests_until.is_none() {
            until
        } else {
            until.max(next)
        }
    }
}

/// A settler whose lines go nowhere.
pub(crate) fn settler(lane: &Arc<Lane>, limits: Limits, seed: u64) -> Settler {
    let nowhere = Destination::Discard;
    let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
    Settler::new(Arc::clone(lane), logs, limits, seed)
}
