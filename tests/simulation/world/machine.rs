//! A host and the daemon's process on it: its lanes, with one clock, one journal, one start
//! and one end.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sterna::delivery::pool::ConnectionPool;
use sterna::delivery::register::Register;
use sterna::lane::ConnectionLimit;

use super::{ENDED_WITHIN, Report, SETTLED_WITHIN, World};
use crate::coverage::Kind;
use crate::journal::{Hold, Journal};
use crate::net::SimulatedTransport;
use crate::script::Act;

/// How long the daemon is down between two starts.
const DOWN: Duration = Duration::from_secs(3);

/// What the lanes of a process share.
pub(crate) struct Machine {
    /// How far the wall clock is ahead.
    pub(super) skew_secs: Cell<i64>,
    /// How often it was set.
    pub(super) clock_sets: Cell<u64>,
    /// What outlives the process, if it keeps a journal.
    pub(super) journal: Option<Arc<Journal>>,
    register: RefCell<Arc<Register>>,
    /// How many threads all lanes together may have.
    most: usize,
    limit: RefCell<Arc<ConnectionLimit>>,
    pub(super) pool: Arc<ConnectionPool<SimulatedTransport>>,
}

impl Machine {
    pub(super) fn new(keeps: bool) -> Self {
        let machine = Self {
            skew_secs: Cell::new(0),
            clock_sets: Cell::new(0),
            journal: keeps.then(Arc::default),
            register: RefCell::default(),
            most: usize::MAX,
            limit: RefCell::default(),
            pool: Arc::default(),
        };
        machine.start();
        machine
    }

    /// One whose lanes have no more threads than that together.
    pub(super) fn bounded(self, most: usize) -> Self {
        let machine = Self { most, ..self };
        machine.start();
        machine
    }

    /// What bounds the threads.
    pub(super) fn limit(&self) -> Arc<ConnectionLimit> {
        Arc::clone(&self.limit.borrow())
    }

    /// A process begins.
    fn start(&self) {
        self.limit.replace(ConnectionLimit::new(self.most));
        let register = Register::default();
        if let Some(journal) = &self.journal {
            register.set_backlog(Arc::new(Hold(Arc::clone(journal))));
        }
        // Lines are written as soon as they are there.
        register.written_or_lost();
        self.register.replace(Arc::new(register));
    }

    pub(super) fn register(&self) -> Arc<Register> {
        Arc::clone(&self.register.borrow())
    }
}

/// Lets time run on until every push is settled and every thread has ended.
pub(crate) fn run(mut worlds: Vec<World>) -> Vec<Report> {
    let mut give_up = None;
    loop {
        let mut moved = false;
        for world in &mut worlds {
            moved |= world.turn();
        }
        if worlds.iter().any(World::is_hopeless) {
            break;
        }
        if worlds.iter().all(World::is_over) {
            if !restart(&mut worlds) {
                break;
            }
            moved = true;
        }
        if worlds
            .iter()
            .all(|world| world.acts.is_empty() && world.healed)
        {
            let now = worlds[0].now;
            let settled = worlds.iter().all(World::is_settled);
            if give_up.is_none() {
                give_up = Some(now + SETTLED_WITHIN);
            }
            if settled && !worlds[0].stopped {
                for world in &mut worlds {
                    world.befall(Act::Stop);
                }
                give_up = Some(now + ENDED_WITHIN);
                moved = true;
            }
            if give_up.is_some_and(|at| now > at) {
                worlds[0].violate("the threads do not come to an end");
                break;
            }
        }
        if !moved {
            advance(&mut worlds);
        }
    }
    worlds.into_iter().map(World::end).collect()
}

/// On to the next point in time at which something happens.
fn advance(worlds: &mut [World]) {
    let now = worlds[0].now;
    let first = worlds.iter().filter_map(World::next_event).min();
    match first {
        Some(at) if at > now => set_time(worlds, at),
        _ => {
            (0..21).for_each(|_| worlds[0].violate("time stands still"));
            // Makes an end.
            set_time(worlds, now + SETTLED_WITHIN);
        }
    }
    let running: usize = worlds.iter().map(World::threads).sum();
    let most = worlds[0].machine.most;
    if running > most {
        worlds[0].violate("more threads run than may");
    }
    if running == most {
        worlds[0].count(Kind::BoundReached);
    }
    for world in worlds {
        let now = world.now;
        world.net.borrow_mut().ledger.check_waiting(now);
        world.check_threads(running == most);
    }
}

fn set_time(worlds: &mut [World], now: Instant) {
    for world in worlds {
        world.now = now;
    }
}

/// The process was stopped and is started again, if it left something to go on with.
fn restart(worlds: &mut [World]) -> bool {
    let machine = std::rc::Rc::clone(&worlds[0].machine);
    let Some(journal) = &machine.journal else {
        return false;
    };
    worlds.iter_mut().for_each(World::leave_the_rest);
    for fault in journal.take_faults() {
        worlds[0].violate(&fault);
    }
    if worlds.iter().all(World::is_settled) {
        return false;
    }
    set_time(worlds, worlds[0].now + DOWN);
    machine.start();
    for world in worlds {
        world.start_again();
        world.count(Kind::Restarted);
    }
    true
}
