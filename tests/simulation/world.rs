//! A lane, its connection threads, a provider and the network between them, in virtual time.

mod acts;
pub(crate) mod alarms;
mod dialling;
mod keeper;
mod machine;
pub(crate) mod poison;
pub(crate) mod process;
mod restart;
pub(crate) mod rotation;
mod said;
mod scheduled;
mod sharing;
mod storm;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sterna::delivery::desk::{Desk, Next};
use sterna::delivery::present_route::PresentRoute;
use sterna::delivery::transport::Transport as _;
use sterna::lane::{Lack, Lane};
use sterna::moment::Moment;

use crate::coverage::{Coverage, Kind};
use crate::dice::Dice;
use crate::issuer::{Issuer, UNIX};
use crate::ledger::{FIRST_PROBE, Ledger};
use crate::net::{Link, Net, SimulatedTransport};
use crate::provider::Peer;
use crate::reply::ALWAYS_REFUSING;
use crate::script::{self, Script};
use crate::seat::{Called, Dialled, Dialling, Seat, settler};
use crate::site::Site;
use alarms::Reasons;
use keeper::Keeper;
use machine::Machine;
use rotation::Rotation;
use scheduled::Schedule;

/// Rounds of one thread at one point in time, after which it is taken for a busy loop: more than
/// answers ever come in at once.
const ROUNDS_AT_ONCE: u32 = 1000;
/// Rounds within a second that no byte asked for, of which the same is true.
const ROUNDS_IN_A_SECOND: u32 = 1000;
/// How long after the world has become healthy every push must be settled: the hour in which it
/// may be tried again, and the longest Retry-After.
const SETTLED_WITHIN: Duration = Duration::from_secs(2 * 3600 + 1200);
/// How soon the threads end once nothing is outstanding.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// How long a thread rests after a panic.
const RESTART_AFTER: Duration = Duration::from_millis(250);

/// What came of a world.
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) coverage: Coverage,
    pub(crate) digest: u64,
    /// The same, of what happened until the provider was well again.
    pub(crate) digest_until_healed: u64,
    pub(crate) pushes: u64,
    /// Requests on the wire before the provider was well again.
    pub(crate) seen_until_healed: u64,
    pub(crate) lasted: Duration,
    /// Connections that were another lane's.
    pub(crate) taken_over: u64,
    /// Rounds of one thread within a second, at most.
    pub(crate) busiest: u32,
    /// The longest that a push waited which was not poison, from its acceptance or the last start
    /// until it was taken.
    pub(crate) slowest: Duration,
    /// New credentials: how often one was tried, in vain, and how many came into use.
    pub(crate) trials: [u64; 3],
}

pub(crate) struct World {
    net: Rc<RefCell<Net>>,
    origin: Instant,
    now: Instant,
    machine: Rc<Machine>,
    /// How often the clock had been set at the last look.
    clock_sets: u64,
    lane: Arc<Lane>,
    called: Called,
    present_route: Arc<PresentRoute>,
    /// The number of the credential.
    key: u64,
    site: Site,
    keeper: Keeper,
    seats: Vec<Seat>,
    peers: Vec<Peer>,
    acts: Script,
    scheduled: Schedule,
    /// In a world in which a new credential is tried beside the one in use.
    rotation: Option<Rotation>,
    next_id: u64,
    /// Of its pushes.
    first_id: u64,
    /// Of a thousand, how many requests and connections fare badly.
    troubled: u64,
    /// Of a thousand requests, in how many a push is poison.
    poisoned: u64,
    outage_until: Instant,
    healed: bool,
    /// Rounds of one thread within a second, at most.
    busiest: u32,
    /// Requests on the wire by then.
    seen_until_healed: u64,
    digest_until_healed: u64,
    /// Nothing more is accepted.
    draining: bool,
    stopped: bool,
}

/// The beginning of time; only differences matter.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl World {
    /// The world of a seed; `traced` if its story is to be told.
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let machine = Machine::new(dice.chance(600));
        let most = if seed.is_multiple_of(4) {
            1
        } else {
            usize::MAX
        };
        let machine = Rc::new(machine.bounded(most));
        let site = Site::of_chance(&mut dice);
        Self::of_chance(site, machine, dice, traced).scheduling(seed)
    }

    /// A world with trouble.
    fn of_chance(site: Site, machine: Rc<Machine>, mut dice: Dice, traced: bool) -> Self {
        let troubled = dice.one_of(&[0, 30, 100, 300, 300, 500, 800, ALWAYS_REFUSING]);
        let script_ends = dice.millis(1000, 300_000);
        let acts = script::of_chance(*ORIGIN, script_ends, &mut dice);
        let poisoned = dice.one_of(&[0, 0, 200, 600]);
        Self {
            troubled,
            poisoned,
            ..Self::of(site, machine, acts, dice, traced)
        }
    }

    /// A world without trouble.
    fn of(site: Site, machine: Rc<Machine>, acts: Script, dice: Dice, traced: bool) -> Self {
        let origin = *ORIGIN;
        let issuer = Issuer::new(site.proof, origin);
        let lane = Lane::new(site.lane, site.capacity, site.threads);
        lane.holding().set_first_probe(FIRST_PROBE);
        lane.set_rate(site.rate, origin);
        let moment = moment_at(origin, origin, 0);
        let present_route = PresentRoute::new(&lane, site.route(0, &issuer, moment));
        machine.limit().join(&lane);
        let called = Called::of(&lane);
        let ledger = Ledger::new(origin, Arc::clone(&lane), site.limits, site.rate, traced);
        let net = Net {
            origin,
            dice,
            ledger,
            links: Vec::new(),
            pusher_max: usize::MAX,
            half_unavailable: false,
            refusing: None,
            reasons: Reasons::default(),
            used_up_until: None,
            wide: false,
            poison: BTreeMap::new(),
            issuer,
            trap: None,
            taken_over: 0,
        };
        let mut world = Self {
            net: Rc::new(RefCell::new(net)),
            origin,
            now: origin,
            machine,
            clock_sets: 0,
            lane,
            called,
            present_route,
            key: 0,
            site,
            keeper: Keeper::default(),
            seats: Vec::new(),
            peers: Vec::new(),
            acts,
            scheduled: Schedule::default(),
            rotation: None,
            next_id: 1,
            first_id: 1,
            troubled: 0,
            poisoned: 0,
            outage_until: origin,
            healed: false,
            busiest: 0,
            seen_until_healed: 0,
            digest_until_healed: 0,
            draining: false,
            stopped: false,
        };
        world.seats = (0..site.threads).map(|seat| world.seat(seat)).collect();
        world
    }

    /// A thread that does not run yet.
    fn seat(&self, number: usize) -> Seat {
        let (lane, seed) = (&self.lane, self.net.borrow_mut().dice.draw());
        let settler = settler(lane, self.site.limits, seed).with_register(self.machine.register());
        let pool = Arc::clone(&self.machine.pool);
        Seat::new(number, lane, &self.present_route, settler, pool, self.now)
    }

    /// Starts the threads that the lane has called for.
    fn start_called(&mut self) -> bool {
        let called = self.called.take();
        for number in &called {
            if !self.seats[*number].over {
                self.violate(&format!("thread {number} is started beside itself"));
            }
            if self.seats[*number].begun.is_some() {
                self.seats[*number] = self.seat(*number);
            }
            self.seats[*number].start(self.now);
            self.net
                .borrow_mut()
                .ledger
                .coverage
                .count(Kind::ThreadStarted);
        }
        !called.is_empty()
    }

    /// Its first push has that id.
    fn begin_ids(&mut self, first: u64) {
        (self.first_id, self.next_id) = (first, first);
    }

    fn moment(&self) -> Moment {
        moment_at(self.now, self.origin, self.machine.skew_secs.get())
    }

    /// Lets time run on until every push is settled and every thread has ended.
    pub(crate) fn run(self) -> Report {
        machine::run(vec![self]).remove(0)
    }

    /// Everything that is to happen now, once; true if something has.
    fn turn(&mut self) -> bool {
        let mut moved = self.act();
        // By that the clock may have been set, and threads run by it at once.
        let sets = self.machine.clock_sets.get();
        if std::mem::replace(&mut self.clock_sets, sets) != sets {
            self.net.borrow_mut().issuer.clock_set = Some(self.now);
        }
        moved |= self.feed_scheduled() | self.keep() | self.start_called();
        for index in 0..self.seats.len() {
            moved |= self.step(index);
        }
        for index in 0..self.peers.len() {
            moved |= self.step_peer(index);
        }
        moved
    }

    fn is_over(&self) -> bool {
        self.stopped && self.called.is_empty() && self.seats.iter().all(|seat| seat.over)
    }

    /// Threads that run, and have not given their place to another lane.
    fn threads(&self) -> usize {
        let stays = |seat: &&Seat| !seat.over && !seat.desk.is_going();
        self.seats.iter().filter(stays).count()
    }

    /// What waits is looked after by somebody, whoever has ended meanwhile, unless other lanes have
    /// all the threads that there may be.
    fn check_threads(&self, all_run: bool) {
        let is_left = self.seats.iter().all(|seat| seat.over) && self.called.is_empty();
        if is_left && !all_run && !self.stopped && self.lane.room().outstanding() > 0 {
            self.violate("pushes wait, and no thread runs");
        }
    }

    fn is_settled(&self) -> bool {
        self.net.borrow().ledger.unsettled() == 0 && self.scheduled.is_empty()
    }

    fn is_hopeless(&self) -> bool {
        self.net.borrow().ledger.violations.len() > 20
    }

    fn violate(&self, what: &str) {
        let ledger = &mut self.net.borrow_mut().ledger;
        ledger.violate(self.now, what);
    }

    /// The next point in time at which something happens.
    fn next_event(&self) -> Option<Instant> {
        let net = self.net.borrow();
        let acts = self.acts.keys().next().map(|(at, _)| *at);
        let peers = self.peers.iter().filter_map(|peer| peer.next(&net));
        let links = net.links.iter().filter_map(|link| {
            let seat = &self.seats[link.seat];
            link.next(self.now)
                .filter(|_| !seat.over && seat.rests_until.is_none())
                .map(|at| seat.stands_until.map_or(at, |until| until.max(at)))
        });
        let seats = self.seats.iter().filter(|seat| !seat.over);
        let seats = seats.map(Seat::next);
        acts.into_iter()
            .chain(peers)
            .chain(links)
            .chain(seats)
            .chain(self.keeper_next())
            .chain(self.next_scheduled())
            .min()
    }

    /// Lets a thread run if it has a reason to.
    fn step(&mut self, index: usize) -> bool {
        let moment = self.moment();
        let now = self.now;
        let seat = &mut self.seats[index];
        if seat.over {
            return false;
        }
        if let Some(until) = seat.stands_until {
            if now < until {
                return false;
            }
            seat.stands_until = None;
            self.wake(index);
        }
        let seat = &mut self.seats[index];
        if let Some(until) = seat.rests_until {
            if now < until {
                return false;
            }
            (seat.rests_until, seat.wait_until) = (None, now);
        }
        let rung = seat.bell.swap(false, Ordering::Relaxed);
        let net = self.net.borrow();
        let ready = net
            .links
            .iter()
            .any(|link| link.seat == index && link.next(now).is_some_and(|at| at <= now));
        drop(net);
        let dialled = seat.dialling.take_if(|it| it.until <= now);
        let again = std::mem::take(&mut seat.again);
        if !again {
            if !rung && !ready && dialled.is_none() && seat.wait_until > now {
                return false;
            }
            seat.desk.look();
        }
        if let Some(dialled) = dialled {
            self.adopt(index, dialled, moment);
        }
        self.seats[index].has_bytes = ready;
        self.round(index, moment);
        true
    }

    /// A thread that has not run for a while does: an interrupted wait says nothing of sockets.
    fn wake(&mut self, index: usize) {
        let now = self.now;
        let seat = &mut self.seats[index];
        seat.desk
            .transports()
            .for_each(SimulatedTransport::go_blind);
        let is_past = !seat.again && seat.wait_until < now;
        let net = &mut *self.net.borrow_mut();
        let unread = |link: &Link| link.seat == index && link.next(now).is_some_and(|at| at <= now);
        let has_unread = net.links.iter().any(unread);
        net.ledger.coverage.count(Kind::StoodStill);
        if is_past && has_unread {
            net.ledger.coverage.count(Kind::StoodStillPast);
        }
    }

    /// A connection was opened, or could not be.
    fn adopt(&mut self, index: usize, dialled: Dialling, moment: Moment) {
        let now = self.now;
        let desk = &mut self.seats[index].desk;
        match dialled.ends_as {
            Dialled::Refused => desk.opened(Err(&"connection refused"), moment),
            Dialled::Connected => {
                let mut net = self.net.borrow_mut();
                let id = net.open(index, dialled.generation, dialled.speaker);
                self.peers.push(Peer::new(id, self.troubled, now, &mut net));
                drop(net);
                let transport = SimulatedTransport::new(Rc::clone(&self.net), id, now);
                desk.opened(Ok(transport), moment);
            }
        }
        let lacks = self.lane.unreachable().map(|known| known.lack);
        let is_told = match dialled.ends_as {
            Dialled::Refused => lacks.is_some() || self.lane.room().outstanding() == 0,
            Dialled::Connected => lacks != Some(Lack::Connection),
        };
        if !is_told {
            let what = format!(
                "{:?}, and the lane says that it lacks {lacks:?}",
                dialled.ends_as
            );
            self.net.borrow_mut().ledger.violate(now, what);
        }
    }

    fn round(&mut self, index: usize, moment: Moment) {
        let now = self.now;
        let seat = &mut self.seats[index];
        let (at_once, in_second) = seat.count_round(now);
        self.busiest = self.busiest.max(in_second);
        if at_once > ROUNDS_AT_ONCE || in_second > ROUNDS_IN_A_SECOND {
            let what = format!("thread {index} is in a busy loop");
            (0..21).for_each(|_| self.net.borrow_mut().ledger.violate(now, what.clone()));
            return;
        }
        self.take_over(index, moment);
        let seat = &mut self.seats[index];
        self.net.borrow_mut().trap = seat.doom.take();
        let dials = catch_unwind(AssertUnwindSafe(|| seat.desk.round(moment)));
        // A thread without a connection is safe.
        seat.doom = self.net.borrow_mut().trap.take();
        match dials {
            Ok(true) => self.dial(index),
            Ok(false) => {}
            Err(panic) if panic.is::<&str>() => self.recover(index, moment),
            Err(panic) => resume_unwind(panic),
        }
        self.give_away(index);
        let seat = &mut self.seats[index];
        Self::read_logs(&self.net, &mut seat.desk, moment);
        if seat.rests_until.is_none() {
            match seat.desk.next(now) {
                Next::Round => seat.again = true,
                Next::WaitUntil(at) => seat.wait_until = at,
                Next::End => {
                    seat.desk.leave(moment);
                    Self::read_logs(&self.net, &mut seat.desk, moment);
                    seat.over = true;
                }
                Next::Dismissed => {
                    seat.over = true;
                    self.net
                        .borrow_mut()
                        .ledger
                        .coverage
                        .count(Kind::ThreadDismissed);
                }
            }
        }
        self.look_at_credential();
        let net = &mut *self.net.borrow_mut();
        net.issuer.check_signed(now, &mut net.ledger);
        if self.lane.holding().is_refused() {
            net.let_all_be_replaced();
        }
        let (outstanding, unsettled) = (self.lane.room().outstanding(), net.ledger.unsettled());
        if outstanding != unsettled {
            let what = format!("{outstanding} pushes are reserved for, {unsettled} unsettled");
            net.ledger.violate(now, what);
        }
    }

    /// A thread has panicked in its round.
    fn recover(&mut self, index: usize, moment: Moment) {
        // What it had for a connection that it did not come to is seen by nobody else.
        for transport in self.seats[index].desk.transports() {
            if !transport.http2().is_closed() {
                transport.look_at_output(self.now);
            }
        }
        let mut net = self.net.borrow_mut();
        net.ledger.coverage.count(Kind::Panicked);
        net.ledger
            .tell(self.now, 7, || format!("thread {index} panics"));
        let links = net.links.iter_mut();
        for link in links.filter(|link| link.seat == index) {
            link.wire.abandoned = true;
        }
        drop(net);
        let seat = &mut self.seats[index];
        let transports = seat.desk.transports();
        transports.for_each(|transport| transport.look_at_output(self.now));
        seat.rests_until = Some(self.now + RESTART_AFTER);
        seat.desk.recover("a trap", moment);
    }

    fn read_logs(net: &Rc<RefCell<Net>>, desk: &mut Desk<SimulatedTransport>, moment: Moment) {
        let net = &mut *net.borrow_mut();
        let ledger = &mut net.ledger;
        let [access, error] = desk.unflushed();
        ledger.read_log(access, true, moment);
        ledger.read_log(error, false, moment);
        ledger.check_round(moment.monotonic);
        net.reasons.read(error);
        desk.flush(moment);
        if let Some(what) = net.reasons.contradict(&ledger.lane) {
            ledger.violate(moment.monotonic, what);
        }
    }

    fn step_peer(&mut self, index: usize) -> bool {
        let net = &mut *self.net.borrow_mut();
        let peer = &mut self.peers[index];
        let due = peer.next(net).is_some_and(|at| at <= self.now);
        if due {
            peer.act(self.now, self.troubled, self.site.timeout, net);
        }
        due
    }

    /// What came of it, once its threads have ended.
    fn end(mut self) -> Report {
        self.leave_the_rest();
        let net = Rc::clone(&self.net);
        let net = &mut *net.borrow_mut();
        let (ledger, taken_over) = (&mut net.ledger, net.taken_over);
        let faults = self.machine.journal.as_ref().map(|it| it.take_faults());
        for fault in faults.into_iter().flatten() {
            ledger.violate(self.now, fault);
        }
        if ledger.violations.is_empty() {
            ledger.check_end(self.now);
            if self.lane.room().outstanding() > 0 {
                ledger.violate(self.now, "room is reserved at the end".to_owned());
            }
        }
        Report {
            violations: std::mem::take(&mut ledger.violations),
            trace: ledger.trace.take().unwrap_or_default(),
            coverage: ledger.coverage.clone(),
            digest: ledger.digest,
            digest_until_healed: self.digest_until_healed,
            pushes: self.next_id - self.first_id,
            seen_until_healed: self.seen_until_healed,
            taken_over,
            lasted: self.now.duration_since(self.origin),
            busiest: self.busiest,
            slowest: ledger.slowest,
            trials: [ledger.trial.tried, ledger.trial.refused, ledger.trial.used],
        }
    }
}

fn moment_at(now: Instant, origin: Instant, skew_secs: i64) -> Moment {
    let unix = UNIX + now.duration_since(origin);
    let skew = Duration::from_secs(skew_secs.unsigned_abs());
    Moment {
        stood: Duration::ZERO,
        monotonic: now,
        unix: if skew_secs < 0 {
            unix.saturating_sub(skew)
        } else {
            unix + skew
        },
    }
}
