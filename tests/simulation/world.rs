//! A lane, its connection threads, a provider and the network between them, in virtual time.

mod storm;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sterna::delivery::credential::Credentials;
use sterna::delivery::desk::{Desk, Next};
use sterna::delivery::policy::Limits;
use sterna::delivery::present_route::PresentRoute;
use sterna::delivery::route::{Address, Route};
use sterna::delivery::settler::Settler;
use sterna::http2;
use sterna::lane::Lane;
use sterna::log::{Destination, Logs};
use sterna::moment::Moment;
use sterna::net::connection::{Endpoint, Timeouts};
use sterna::net::resolve::Resolver;
use sterna::push::{Accepted, DeviceToken, Notification, Platform, Push, PushId};
use sterna::stats::Stats;

use crate::coverage::{Coverage, Kind};
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::net::{Net, SimulatedTransport};
use crate::provider::Peer;
use crate::reply::ALWAYS_REFUSING;
use crate::script::{self, Act, Script};

/// Rounds of one thread at one point in time, after which it is taken for a busy loop: more than
/// answers ever come in at once.
const ROUNDS_AT_ONCE: u32 = 1000;
/// How long after the world has become healthy every push must be settled: the hour in which it
/// may be tried again, and the longest Retry-After.
const SETTLED_WITHIN: Duration = Duration::from_secs(2 * 3600 + 1200);
/// How soon the threads end once nothing is outstanding.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// The wall clock at the beginning.
const UNIX: Duration = Duration::from_secs(1_790_000_000);

/// What came of a world.
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) coverage: Coverage,
    pub(crate) digest: u64,
    pub(crate) pushes: u64,
    /// Requests on the wire before the provider was well again.
    pub(crate) seen_until_healed: u64,
    pub(crate) lasted: Duration,
}

/// How an attempt to connect goes.
#[derive(Clone, Copy, Debug)]
enum Dialled {
    Connected,
    Refused,
}

struct Seat {
    desk: Desk<SimulatedTransport>,
    bell: Arc<AtomicBool>,
    wait_until: Instant,
    /// It goes on without a wait.
    again: bool,
    dialling: Option<(Instant, Dialled)>,
    over: bool,
    /// Rounds in a row at one point in time.
    rounds: (Instant, u32),
}

impl Seat {
    fn new(
        number: usize,
        lane: &Arc<Lane>,
        route: &Arc<PresentRoute>,
        stats: &Arc<Stats>,
        settler: Settler,
    ) -> Self {
        let bell = Arc::new(AtomicBool::new(false));
        let rung = Arc::clone(&bell);
        lane.seat(
            number,
            Box::new(move || rung.store(true, Ordering::Relaxed)),
        );
        let (lane, route, stats) = (Arc::clone(lane), Arc::clone(route), Arc::clone(stats));
        let mut desk = Desk::new(number, lane, route, stats, settler);
        desk.look();
        Self {
            desk,
            bell,
            wait_until: *ORIGIN,
            again: false,
            dialling: None,
            over: false,
            rounds: (*ORIGIN, 0),
        }
    }
}

pub(crate) struct World {
    net: Rc<RefCell<Net>>,
    origin: Instant,
    now: Instant,
    skew_secs: i64,
    lane: Arc<Lane>,
    stats: Arc<Stats>,
    limits: Limits,
    timeout: Duration,
    seats: Vec<Seat>,
    peers: Vec<Peer>,
    acts: Script,
    next_id: u64,
    /// Of a thousand, how many requests and connections fare badly.
    troubled: u64,
    outage_until: Instant,
    healed: bool,
    /// Requests on the wire by then.
    seen_until_healed: u64,
    /// Nothing more is accepted.
    draining: bool,
    stopped: bool,
}

/// What is configured.
#[derive(Clone, Copy)]
struct Site {
    limits: Limits,
    timeout: Duration,
    idle_timeout: Duration,
    threads: usize,
    capacity: usize,
}

/// Where the connections would lead, were they real.
static ENDPOINT: LazyLock<Endpoint> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Endpoint {
        host: "api.push.apple.com".to_owned(),
        port: 443,
        tls: Arc::new(tls),
        resolver: Arc::new(Resolver::system()),
        http2: http2::Options::default(),
        timeouts: Timeouts::default(),
    }
});

fn route(timeout: Duration, idle_timeout: Duration) -> Route {
    Route {
        endpoint: ENDPOINT.clone(),
        address: Address::Apns {
            authority: "api.push.apple.com".into(),
            topic: Some("com.example.app".into()),
        },
        credentials: Credentials::Certificate,
        credential_name: "a certificate".to_owned(),
        timeout,
        idle_timeout,
    }
}

/// The beginning of time; only differences matter.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl World {
    /// The world of a seed; `traced` if its story is to be told.
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let site = Site {
            limits: Limits {
                retry_max: u16::try_from(dice.one_of(&[0, 1, 3, 10])).unwrap(),
                max_age: Duration::from_secs(dice.one_of(&[90, 1000, 86_400, 86_400])),
                resend_unknown: dice.chance(850),
            },
            timeout: Duration::from_secs(dice.one_of(&[2, 5, 10, 30])),
            threads: dice.one_of(&[1, 1, 2, 3, 5]),
            capacity: usize::try_from(dice.one_of(&[10, 60, 1000])).unwrap(),
            idle_timeout: Duration::from_secs(dice.one_of(&[5, 60, 600])),
        };
        let troubled = dice.one_of(&[0, 30, 100, 300, 300, 500, 800, ALWAYS_REFUSING]);
        let script_ends = dice.millis(1000, 300_000);
        let acts = script::of_chance(*ORIGIN, script_ends, &mut dice);
        Self {
            troubled,
            ..Self::of(site, acts, dice, traced)
        }
    }

    /// A world without trouble.
    fn of(site: Site, acts: Script, mut dice: Dice, traced: bool) -> Self {
        let origin = *ORIGIN;
        let platform = Platform::Ios;
        let Site {
            limits,
            timeout,
            threads,
            capacity,
            idle_timeout,
        } = site;
        let lane = Lane::new(platform, capacity, threads);
        let route = PresentRoute::new(&lane, route(timeout, idle_timeout));
        let stats = Arc::new(Stats::new(moment_at(origin, origin, 0)));
        let mut seat = |number| {
            let settler = settler(&lane, &stats, limits, dice.draw());
            Seat::new(number, &lane, &route, &stats, settler)
        };
        let all_seats = (0..threads).map(&mut seat).collect();
        let ledger = Ledger::new(origin, Arc::clone(&lane), limits, traced);
        let net = Net {
            dice,
            ledger,
            links: Vec::new(),
            pusher_max: usize::MAX,
            half_unavailable: false,
        };
        Self {
            net: Rc::new(RefCell::new(net)),
            origin,
            now: origin,
            skew_secs: 0,
            lane,
            stats,
            limits,
            timeout,
            seats: all_seats,
            peers: Vec::new(),
            acts,
            next_id: 1,
            troubled: 0,
            outage_until: origin,
            healed: false,
            seen_until_healed: 0,
            draining: false,
            stopped: false,
        }
    }

    fn moment(&self) -> Moment {
        moment_at(self.now, self.origin, self.skew_secs)
    }

    /// Lets time run on until every push is settled and every thread has ended.
    pub(crate) fn run(mut self) -> Report {
        let mut give_up = None;
        loop {
            let mut moved = self.act() | self.net.borrow_mut().read_credential(self.now);
            for index in 0..self.seats.len() {
                moved |= self.step(index);
            }
            for index in 0..self.peers.len() {
                moved |= self.step_peer(index);
            }
            if self.seats.iter().all(|seat| seat.over) || self.is_hopeless() {
                break;
            }
            if self.acts.is_empty() && self.healed {
                let settled = self.net.borrow().ledger.unsettled() == 0;
                if give_up.is_none() {
                    give_up = Some(self.now + SETTLED_WITHIN);
                }
                if settled && !self.stopped {
                    self.befall(Act::Stop);
                    give_up = Some(self.now + ENDED_WITHIN);
                    moved = true;
                }
                if give_up.is_some_and(|at| self.now > at) {
                    self.violate("the threads do not come to an end");
                    break;
                }
            }
            if !moved {
                self.advance();
            }
        }
        self.end()
    }

    fn is_hopeless(&self) -> bool {
        self.net.borrow().ledger.violations.len() > 20
    }

    fn violate(&self, what: &str) {
        let ledger = &mut self.net.borrow_mut().ledger;
        ledger.violate(self.now, what);
    }

    /// On to the next point in time at which something happens.
    fn advance(&mut self) {
        let net = self.net.borrow();
        let acts = self.acts.keys().next().map(|(at, _)| *at);
        let peers = self.peers.iter().filter_map(|peer| peer.next(&net));
        let links = net.links.iter().filter_map(|link| {
            let seat = &self.seats[link.seat];
            link.next(self.now).filter(|_| !seat.over)
        });
        let seats = self.seats.iter().filter(|seat| !seat.over);
        let seats = seats.map(|seat| {
            let dialled = seat.dialling.map_or(seat.wait_until, |(at, _)| at);
            dialled.min(seat.wait_until)
        });
        let first = acts
            .into_iter()
            .chain(peers)
            .chain(links)
            .chain(seats)
            .chain(self.lane.next_reading())
            .min();
        drop(net);
        match first {
            Some(at) if at > self.now => self.now = at,
            _ => {
                self.violate("time stands still");
                // Makes an end.
                self.now += SETTLED_WITHIN;
                (0..20).for_each(|_| self.violate("time stands still"));
            }
        }
        self.net.borrow_mut().ledger.check_waiting(self.now);
    }

    /// What the script says.
    fn act(&mut self) -> bool {
        let mut moved = false;
        while let Some(entry) = self.acts.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let act = entry.remove();
            moved = true;
            match act {
                Act::Accept if !self.draining => self.accept(self.moment()),
                Act::Offer => self.offer(self.moment()),
                _ => self.befall(act),
            }
        }
        moved
    }

    fn befall(&mut self, act: Act) {
        let net = &mut *self.net.borrow_mut();
        net.ledger.tell(self.now, 2, || format!("{act:?}"));
        match act {
            Act::Accept | Act::Offer => {}
            Act::PusherMax => {
                let most = net.dice.one_of(&[1, 2, 10, 1000]);
                self.lane.set_stream_limit(most);
                net.pusher_max = most;
                net.ledger.coverage.count(Kind::PusherMax);
            }
            Act::ClockJump => {
                self.skew_secs = net.dice.one_of(&[-31_536_000, -3600, 0, 3600, 31_536_000]);
                net.ledger.coverage.count(Kind::ClockJump);
            }
            Act::Outage => self.outage_until = self.now + net.dice.millis(1000, 60_000),
            Act::Heal => {
                self.healed = true;
                self.troubled = 0;
                net.half_unavailable = false;
                self.seen_until_healed = net.ledger.requests;
            }
            Act::Drain => {
                self.draining = true;
                net.ledger.coverage.count(Kind::Shutdown);
            }
            Act::Stop => {
                net.ledger.stopped = true;
                self.stopped = true;
                self.lane.stop();
            }
        }
    }

    /// A request for pushes comes, as the API takes it.
    fn accept(&mut self, at: Moment) {
        let net = &mut *self.net.borrow_mut();
        let dice = &mut net.dice;
        let many = dice.one_of(&[1, 3, 20, 70]);
        let count = usize::try_from(dice.between(1, many)).unwrap();
        let unused = if dice.chance(100) { dice.index(5) } else { 0 };
        let Some(reservation) = self.lane.reserve(count + unused) else {
            net.ledger.coverage.count(Kind::QueueFull);
            return;
        };
        if unused > 0 {
            net.ledger.coverage.count(Kind::RoomReturned);
        }
        let mut notification = Notification::empty(Platform::Ios);
        notification.expiry = dice.one_of(&[0, 0, 0, 1, 10, 60, 4000]);
        let length = dice.one_of(&[2, 200, 200, 1000, 4000]);
        let accepted = Arc::new(Accepted {
            notification,
            tokens: (0..count)
                .map(|_| DeviceToken::new(format!("{:016x}", dice.draw())))
                .collect(),
            first_id: PushId(self.next_id),
            at,
            payload: vec![b'x'; length].into(),
        });
        self.next_id += count as u64;
        net.ledger.accept(&accepted);
        net.ledger.tell(self.now, self.next_id, || {
            let expiry = accepted.notification.expiry;
            format!(
                "accepted {count} from {:?}, expiry {expiry}",
                accepted.first_id
            )
        });
        self.lane
            .enqueue(reservation, Push::all(&accepted).collect());
    }

    /// Lets a thread run if it has a reason to.
    fn step(&mut self, index: usize) -> bool {
        let moment = self.moment();
        let now = self.now;
        let seat = &mut self.seats[index];
        if seat.over {
            return false;
        }
        let rung = seat.bell.swap(false, Ordering::Relaxed);
        let ready = self
            .net
            .borrow()
            .links
            .iter()
            .any(|link| link.seat == index && link.next(now).is_some_and(|at| at <= now));
        let dialled = seat.dialling.take_if(|(at, _)| *at <= now);
        let again = std::mem::take(&mut seat.again);
        if !again {
            if !rung && !ready && dialled.is_none() && seat.wait_until > now {
                return false;
            }
            seat.desk.look();
        }
        match dialled {
            Some((_, Dialled::Refused)) => {
                seat.desk.opened(Err(&"connection refused"), moment);
            }
            Some((_, Dialled::Connected)) => {
                let mut net = self.net.borrow_mut();
                let id = net.open(index);
                self.peers.push(Peer::new(id, self.troubled, now, &mut net));
                drop(net);
                let transport = SimulatedTransport::new(Rc::clone(&self.net), id, now);
                seat.desk.opened(Ok(transport), moment);
            }
            None => {}
        }
        self.round(index, moment);
        true
    }

    fn round(&mut self, index: usize, moment: Moment) {
        let now = self.now;
        let seat = &mut self.seats[index];
        seat.rounds = match seat.rounds {
            (at, rounds) if at == now => (at, rounds + 1),
            _ => (now, 1),
        };
        if seat.rounds.1 > ROUNDS_AT_ONCE {
            let what = format!("thread {index} is in a busy loop");
            (0..21).for_each(|_| self.net.borrow_mut().ledger.violate(now, what.clone()));
            return;
        }
        if seat.desk.round(moment) {
            let net = &mut *self.net.borrow_mut();
            let dialled = if now < self.outage_until || net.dice.chance(self.troubled / 4) {
                net.ledger.coverage.count(Kind::DialRefused);
                Dialled::Refused
            } else {
                Dialled::Connected
            };
            let slow = net.dice.chance(self.troubled / 8);
            let wait = if slow {
                net.dice.millis(5000, 20_000)
            } else {
                net.dice.millis(1, 500)
            };
            if slow {
                net.ledger.coverage.count(Kind::DialSlow);
            }
            net.ledger.tell(now, 3, || {
                format!("thread {index} dials: {dialled:?} in {wait:?}")
            });
            seat.dialling = Some((now + wait, dialled));
        }
        Self::read_logs(&self.net, &mut seat.desk, moment);
        match seat.desk.next(now) {
            Next::Round => seat.again = true,
            Next::WaitUntil(at) => seat.wait_until = at,
            Next::End => {
                seat.desk.leave(moment);
                Self::read_logs(&self.net, &mut seat.desk, moment);
                seat.over = true;
            }
        }
        let (outstanding, unsettled) = (self.lane.outstanding(), self.unsettled());
        if outstanding != unsettled {
            let what = format!("{outstanding} pushes are reserved for, {unsettled} unsettled");
            self.violate(&what);
        }
    }

    fn unsettled(&self) -> usize {
        self.net.borrow().ledger.unsettled()
    }

    fn read_logs(net: &Rc<RefCell<Net>>, desk: &mut Desk<SimulatedTransport>, moment: Moment) {
        let ledger = &mut net.borrow_mut().ledger;
        let [access, error] = desk.unflushed();
        ledger.read_log(access, true, moment);
        ledger.read_log(error, false, moment);
        ledger.check_round(moment.monotonic);
        desk.flush(moment);
    }

    fn step_peer(&mut self, index: usize) -> bool {
        let net = &mut *self.net.borrow_mut();
        let peer = &mut self.peers[index];
        let due = peer.next(net).is_some_and(|at| at <= self.now);
        if due {
            peer.act(self.now, self.troubled, self.timeout, net);
        }
        due
    }

    /// What the daemon does once its threads have ended.
    fn end(self) -> Report {
        let moment = self.moment();
        let net = Rc::clone(&self.net);
        let mut settler = settler(&self.lane, &self.stats, self.limits, 0);
        if self.stopped {
            for push in self.lane.take_rest() {
                settler.leave(&push, moment);
            }
        }
        let ledger = &mut net.borrow_mut().ledger;
        let [access, error] = settler.unflushed();
        ledger.read_log(access, true, moment);
        ledger.read_log(error, false, moment);
        settler.flush(self.now);
        if ledger.violations.is_empty() {
            ledger.check_end(self.now);
            if self.lane.outstanding() > 0 {
                ledger.violate(self.now, "room is reserved at the end".to_owned());
            }
        }
        Report {
            violations: std::mem::take(&mut ledger.violations),
            trace: ledger.trace.take().unwrap_or_default(),
            coverage: ledger.coverage.clone(),
            digest: ledger.digest,
            pushes: self.next_id - 1,
            seen_until_healed: self.seen_until_healed,
            lasted: self.now.duration_since(self.origin),
        }
    }
}

fn settler(lane: &Arc<Lane>, stats: &Arc<Stats>, limits: Limits, seed: u64) -> Settler {
    let nowhere = Destination::Discard;
    let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
    Settler::new(Arc::clone(lane), logs, Arc::clone(stats), limits, seed)
}

fn moment_at(now: Instant, origin: Instant, skew_secs: i64) -> Moment {
    let unix = UNIX + now.duration_since(origin);
    let skew = Duration::from_secs(skew_secs.unsigned_abs());
    Moment {
        monotonic: now,
        unix: if skew_secs < 0 {
            unix.saturating_sub(skew)
        } else {
            unix + skew
        },
    }
}
