//! A lane with its connection threads, in virtual time, and connections to a server that the
//! script plays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use sterna::delivery::credential::Credentials;
use sterna::delivery::desk::{Desk, Next};
use sterna::delivery::policy::Limits;
use sterna::delivery::present_route::PresentRoute;
use sterna::delivery::route::Route;
use sterna::delivery::settler::Settler;
use sterna::http2::Options;
use sterna::lane::Lane;
use sterna::log::{Destination, Logs};
use sterna::moment::Moment;
use sterna::net::connection::{Endpoint, Timeouts};
use sterna::net::resolve::Resolver;
use sterna::provider::{self, Addressing, Built, apns, fcm};
use sterna::push::{Content, DeviceToken, Envelope, LaneId, Notification, Provider, Push, PushId};

use crate::operator;
use crate::wire::{MemoryTransport, Wire};

/// Rounds at one point in time, after which a thread is taken for a busy loop.
const ROUNDS_AT_ONCE: u32 = 2000;
/// How long one waits who does not run.
const NEVER: Duration = Duration::from_secs(1_000_000_000);
/// The wall clock at the beginning.
const UNIX: Duration = Duration::from_secs(1_790_000_000);

/// What the `lane` line says.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) platform: LaneId,
    pub(crate) threads: usize,
    pub(crate) timeout: Duration,
    pub(crate) idle: Duration,
    pub(crate) retry_max: u16,
    pub(crate) resend_unknown: bool,
}

struct Seat {
    desk: Desk<MemoryTransport>,
    /// It is woken, or started if it does not run.
    bell: Arc<AtomicBool>,
    runs: bool,
    wait_until: Instant,
}

/// What a line of the script acts upon.
pub(crate) struct Stage {
    setting: Setting,
    pub(crate) lane: Arc<Lane>,
    present_route: Arc<PresentRoute>,
    seats: Vec<Seat>,
    pub(crate) wires: Vec<Rc<RefCell<Wire>>>,
    /// What a connection begins with.
    pub(crate) greeting: Vec<u8>,
    /// So many of the next attempts to connect are refused.
    pub(crate) refusing: usize,
    /// So many of those were.
    pub(crate) refused: usize,
    pub(crate) dials: usize,
    pub(crate) settled: BTreeMap<u64, Value>,
    pub(crate) log: Vec<String>,
    origin: Instant,
    now: Instant,
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
        host: "push.example".to_owned(),
        port: 443,
        tls: Arc::new(tls),
        resolver: Arc::new(Resolver::system()),
        http2: Options::default(),
        timeouts: Timeouts::default(),
    }
});

impl Setting {
    /// The lane's route with a credential of that name.
    fn route(&self, credential: &str) -> Route {
        let address: Arc<dyn Addressing> = match self.platform.provider() {
            Provider::Apns => Arc::new(apns::Address {
                authority: "push.example".into(),
                topic: Some("com.example.app".into()),
                ids: Arc::default(),
                other: None,
            }),
            Provider::Fcm => Arc::new(fcm::Address {
                authority: "push.example".into(),
                path: "/v1/projects/p/messages:send".into(),
            }),
        };
        Route {
            endpoint: ENDPOINT.clone(),
            address,
            credentials: Credentials::Certificate(None),
            pool: None,
            channels: None,
            credential_name: credential.to_owned(),
            clock: Arc::default(),
            timeout: self.timeout,
            idle_timeout: self.idle,
        }
    }
}

impl Stage {
    pub(crate) fn new(setting: Setting) -> Self {
        operator::lines();
        let origin = Instant::now();
        let lane = Lane::new(setting.platform, 100_000, setting.threads);
        let route = PresentRoute::new(&lane, setting.route("a certificate"));
        let mut stage = Self {
            setting,
            lane,
            present_route: Arc::clone(&route),
            seats: Vec::new(),
            wires: Vec::new(),
            greeting: Vec::new(),
            refusing: 0,
            refused: 0,
            dials: 0,
            settled: BTreeMap::new(),
            log: Vec::new(),
            origin,
            now: origin,
        };
        for number in 0..setting.threads {
            stage.seat(number, &route);
        }
        let bells: Vec<_> = stage
            .seats
            .iter()
            .map(|seat| Arc::clone(&seat.bell))
            .collect();
        let start = move |seat: usize| {
            bells[seat].store(true, Ordering::Relaxed);
            true
        };
        stage.lane.crew().on_start(Box::new(start));
        stage
    }

    fn seat(&mut self, number: usize, route: &Arc<PresentRoute>) {
        let nowhere = Destination::Discard;
        let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
        let limits = Limits {
            resend_unknown: self.setting.resend_unknown,
            retry_max: self.setting.retry_max,
            max_age: Duration::from_secs(86_400),
        };
        let lane = Arc::clone(&self.lane);
        let settler = Settler::new(Arc::clone(&lane), logs, limits, 7);
        self.seats.push(Seat {
            desk: Desk::new(number, lane, Arc::clone(route), settler),
            bell: Arc::default(),
            runs: false,
            wait_until: self.now + NEVER,
        });
    }

    /// The configuration has another credential of that name.
    pub(crate) fn rotate(&self, credential: &str) {
        let route = self.setting.route(credential);
        self.present_route.try_out(route, false, self.moment());
    }

    fn moment(&self) -> Moment {
        Moment {
            stood: Duration::ZERO,
            monotonic: self.now,
            unix: UNIX + self.now.duration_since(self.origin),
        }
    }

    /// So many pushes are accepted, numbered from `first` on.
    pub(crate) fn accept(
        &mut self,
        (first, count): (u64, usize),
        payload: usize,
        topic: Option<&str>,
        envelope: Envelope,
    ) {
        let notification = Notification::empty(self.setting.platform);
        let token = |id: u64| match self.setting.platform.provider() {
            Provider::Apns => DeviceToken::new(format!("{id:08x}")),
            Provider::Fcm => DeviceToken::new(format!("token-{id}")),
        };
        let content = match self.setting.platform.provider() {
            Provider::Apns => Content::whole(vec![b'x'; payload]),
            Provider::Fcm => fcm::payload(&notification, false).unwrap(),
        };
        let head = topic.map(|topic| ("apns-topic", topic));
        let built = Built {
            envelope,
            content: content.with_head(head.as_slice()),
            ..Built::nothing(self.setting.platform)
        };
        let accepted = Arc::new(provider::accept(
            &notification,
            &built,
            (first..).take(count).map(token),
            PushId(first),
            self.moment(),
        ));
        let reservation = self.lane.room().reserve(count).unwrap();
        self.lane
            .enqueue(reservation, Push::all(&accepted).collect());
    }

    /// What the script has asked for and never happened, if there is such a thing.
    pub(crate) fn never_struck(&self) -> Result<(), String> {
        if self.refusing > 0 && self.refused == 0 {
            return Err("no attempt to connect was refused".to_owned());
        }
        for (index, wire) in self.wires.iter().enumerate() {
            if let Some(what) = wire.borrow().never_struck() {
                return Err(format!("connection {}: {what}", index + 1));
            }
        }
        Ok(())
    }

    /// Lets everything happen that happens now.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS_AT_ONCE {
            let moved = (0..self.seats.len()).fold(false, |moved, seat| moved | self.step(seat));
            if !moved {
                self.log.extend(operator::lines());
                return;
            }
        }
        panic!("a thread is in a busy loop");
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        loop {
            let next = self.seats.iter().map(|seat| seat.wait_until).min().unwrap();
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = until;
        self.settle();
    }

    fn step(&mut self, index: usize) -> bool {
        let moment = self.moment();
        let readable = |wire: &Rc<RefCell<Wire>>| {
            let wire = wire.borrow();
            wire.seat == index && wire.is_readable()
        };
        let ready = self.wires.iter().any(readable);
        let seat = &mut self.seats[index];
        let rung = seat.bell.swap(false, Ordering::Relaxed);
        if !rung && !ready && seat.wait_until > self.now {
            return false;
        }
        if !std::mem::replace(&mut seat.runs, true) {
            let bell = Arc::clone(&seat.bell);
            let wake = move || bell.store(true, Ordering::Relaxed);
            seat.desk.sit_down(Box::new(wake));
        }
        seat.desk.look();
        for _ in 0..ROUNDS_AT_ONCE {
            let dials = self.seats[index].desk.round(moment);
            if dials {
                self.dial(index, moment);
            }
            let seat = &mut self.seats[index];
            for lines in seat.desk.unflushed() {
                for line in lines.split(|byte| *byte == b'\n') {
                    if let Ok(line) = serde_json::from_slice::<Value>(line) {
                        let id = line["id"].as_u64().unwrap();
                        let before = self.settled.insert(id, line);
                        assert!(before.is_none(), "push {id} was settled twice");
                    }
                }
            }
            seat.desk.flush(moment);
            match seat.desk.next(self.now) {
                Next::Round => {}
                Next::WaitUntil(at) => {
                    seat.wait_until = at;
                    // What was dialled stands by now.
                    if dials {
                        continue;
                    }
                    return true;
                }
                Next::End => return false,
                Next::Dismissed => {
                    (seat.runs, seat.wait_until) = (false, self.now + NEVER);
                    return true;
                }
            }
        }
        panic!("thread {index} is in a busy loop");
    }

    fn dial(&mut self, index: usize, moment: Moment) {
        self.dials += 1;
        let desk = &mut self.seats[index].desk;
        if self.refusing > 0 {
            self.refusing -= 1;
            self.refused += 1;
            return desk.opened(Err(&"connection refused"), moment);
        }
        let wire = Wire::new(index);
        let options = Options {
            streams_before_settings: match self.setting.platform.provider() {
                Provider::Apns => 1,
                Provider::Fcm => 100,
            },
            ..Options::default()
        };
        let transport = MemoryTransport::new(Rc::clone(&wire), options, self.now);
        wire.borrow_mut().down.clone_from(&self.greeting);
        self.wires.push(wire);
        self.seats[index].desk.opened(Ok(transport), moment);
    }
}
