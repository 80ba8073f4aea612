//! The listener: accepts connections, gives each a thread, and never has more than it may.
//!
//! When all connections are taken, the one that has been idle longest is closed for the new one;
//! if all are busy, the new one is answered 503.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::body::{Budget, LARGE_BODIES};
use super::connection::{self, Timeouts};
use super::head::{Head, Refusal};
use super::registry::{Place, Registry};
use super::reply::{RETRY_AFTER_SECS, Reply};
use super::socket::{Bound, Socket};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::live::Live;
use crate::moment;

/// What answers the requests.
pub trait Handler: Send + Sync {
    /// Called when a head was read, before its body is. It may name the request; with a refusal
    /// the body is not read.
    fn begin(&self, head: &mut Head, peer: &dyn Fn() -> String) -> Result<(), Refusal>;
    /// Answers a request; may change the body while it reads it.
    fn answer(&self, head: &Head, body: &mut Vec<u8>, phase: Phase) -> Reply;
}

/// How far the listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connections are accepted.
    Serving,
    /// The listening socket is closed; open connections get one answer each.
    Draining,
    /// Connections end.
    Stopped,
}

/// The listener's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most connections open at once, each with a thread.
    pub max_connections: usize,
    /// Most octets of a request body.
    pub max_body_bytes: usize,
    /// How long clients may take.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_body_bytes: 4 * 1024 * 1024,
            timeouts: Timeouts::default(),
        }
    }
}

impl Settings {
    /// Octets of large bodies that may be in memory at once.
    fn large_bodies(&self) -> usize {
        self.max_body_bytes.saturating_mul(LARGE_BODIES)
    }
}

/// What the listener does to the operating system, replaceable where failures are tried.
pub struct Hooks {
    /// Starts a connection's thread.
    pub spawn: Box<dyn Fn(Job) -> io::Result<()> + Send>,
    /// Comes before each accept; an error stands for the accept's.
    pub before_accept: Box<dyn FnMut() -> io::Result<()> + Send>,
}

/// The work of a connection's thread.
pub type Job = Box<dyn FnOnce() + Send>;

impl Default for Hooks {
    fn default() -> Self {
        Self {
            spawn: Box::new(|job| {
                let thread = thread::Builder::new()
                    .name("api".to_owned())
                    .stack_size(STACK);
                thread.spawn(job).map(drop)
            }),
            before_accept: Box::new(|| Ok(())),
        }
    }
}

/// A running listener. Dropping it stops it.
pub struct Listener {
    shared: Arc<Shared>,
    waker: Waker,
    acceptor: Option<JoinHandle<()>>,
    local_addr: Option<SocketAddr>,
    heartbeat: Heartbeat,
}

struct Shared {
    handler: Arc<dyn Handler>,
    settings: Live<Settings>,
    budget: Arc<Budget>,
    registry: Arc<Registry>,
    phase: AtomicU8,
}

impl Listener {
    /// Begins to accept connections.
    pub fn start(bound: Bound, handler: Arc<dyn Handler>, settings: Settings) -> io::Result<Self> {
        Self::start_with(bound, handler, settings, Hooks::default())
    }

    /// The same, with other hooks.
    pub fn start_with(
        bound: Bound,
        handler: Arc<dyn Handler>,
        settings: Settings,
        hooks: Hooks,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut SourceFd(&bound.raw_fd()), SOCKET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let local_addr = bound.local_addr();
        let shared = Arc::new(Shared {
            handler,
            budget: Budget::new(settings.large_bodies()),
            settings: Live::new(settings),
            registry: Registry::new(),
            phase: AtomicU8::new(SERVING),
        });
        let heartbeat = Heartbeat::new(moment::now());
        let acceptor = Acceptor {
            heartbeat: heartbeat.clone(),
            bound,
            poll,
            hooks,
            shared: Arc::clone(&shared),
            is_short: false,
        };
        let thread = thread::Builder::new().name("api-accept".to_owned());
        let acceptor = thread.spawn(move || acceptor.run())?;
        Ok(Self {
            shared,
            waker,
            acceptor: Some(acceptor),
            local_addr,
            heartbeat,
        })
    }

    /// What tells that the accepting thread lives.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Changes the bounds, for what comes from now on. Connections beyond a lower
    /// `max_connections` are closed as further ones come.
    pub fn set(&self, settings: Settings) {
        let old = self.shared.settings.get();
        let budget = &self.shared.budget;
        budget.resize(old.large_bodies(), settings.large_bodies());
        self.shared.settings.set(settings);
    }

    /// The TCP address listened on.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.shared.registry.len()
    }

    /// Closes the listening socket. Open connections are still answered, once each: what was
    /// begun is finished, what comes now is refused with 503.
    pub fn drain(&mut self) {
        self.shared.advance(DRAINING);
        self.end_acceptor();
    }

    /// Closes all connections, those with a request in progress only after `grace`; false if a
    /// thread outlives that by more than a second.
    pub fn stop(&mut self, grace: Duration) -> bool {
        self.shared.advance(STOPPED);
        self.end_acceptor();
        let registry = &self.shared.registry;
        // The request of a connection that has just come is under way, or here and not yet read.
        let newcomers = NEWCOMERS.min(grace);
        registry.evict_all_idle_for(newcomers);
        registry.wait_below(1, newcomers);
        registry.evict_all();
        if registry.wait_below(1, grace) {
            return true;
        }
        registry.shut_all();
        registry.wait_below(1, LAST_GRACE)
    }

    fn end_acceptor(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            if let Err(error) = self.waker.wake() {
                log::error!("cannot wake the accepting thread: {error}");
                return;
            }
            if acceptor.join().is_err() {
                log::error!("the accepting thread panicked");
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl Shared {
    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            SERVING => Phase::Serving,
            DRAINING => Phase::Draining,
            _ => Phase::Stopped,
        }
    }

    fn advance(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::SeqCst);
    }
}

/// The accepting thread.
struct Acceptor {
    heartbeat: Heartbeat,
    bound: Bound,
    poll: Poll,
    hooks: Hooks,
    shared: Arc<Shared>,
    /// Whether the last accept failed for want of something, which was logged then.
    is_short: bool,
}

/// How a round of accepting ended.
enum Round {
    /// Nobody is waiting: the socket will say when somebody is.
    Empty,
    /// The system is short of something: the socket will not say when it no longer is.
    Short,
}

impl Acceptor {
    fn run(mut self) {
        let mut events = Events::with_capacity(4);
        while self.shared.phase() == Phase::Serving {
            let timeout = match self.accept_all() {
                Round::Empty => LONGEST_REST,
                Round::Short => PAUSE,
            };
            self.heartbeat.rest(moment::now() + timeout);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => log::error!("waiting for connections failed: {error}"),
            }
        }
        self.heartbeat.end();
    }

    fn accept_all(&mut self) -> Round {
        while self.shared.phase() == Phase::Serving {
            match (self.hooks.before_accept)().and_then(|()| self.bound.accept()) {
                Ok(socket) => {
                    self.is_short = false;
                    self.admit(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.is_short, true) {
                        log::error!("cannot accept connections, trying on: {error}");
                    }
                    self.shared.registry.evict();
                    return Round::Short;
                }
            }
        }
        Round::Empty
    }

    /// Gives a connection a thread, or the reason why there is none.
    fn admit(&self, socket: Socket) {
        self.heartbeat.busy(moment::now());
        if !self.make_room() {
            return refuse(&socket, "all connections are busy");
        }
        let registry = &self.shared.registry;
        let place = registry.enter(socket);
        let slot = Arc::clone(&place.slot);
        let shared = Arc::clone(&self.shared);
        if let Err(error) = (self.hooks.spawn)(Box::new(move || shared.serve(&place))) {
            log::error!("cannot start a thread for a connection: {error}");
            refuse(&slot.socket, "no thread for this connection");
        }
    }
}

impl Acceptor {
    /// Sees to it that fewer connections are open than may be; false if all of them stay busy.
    fn make_room(&self) -> bool {
        let registry = &self.shared.registry;
        let most = self.shared.settings.get().max_connections;
        // Requests take a millisecond, so one of hundreds of connections soon has none.
        (0..TRIES).any(|_| {
            registry.wait_below(most, Duration::ZERO)
                || (registry.evict() && registry.wait_below(most, EVICTION))
                || registry.wait_below(most, TRY)
        })
    }
}

impl Shared {
    fn serve(&self, place: &Place) {
        let budget = Arc::clone(&self.budget);
        let (settings, phase) = (|| *self.settings.get(), || self.phase());
        connection::serve(place, &*self.handler, settings, budget, phase);
    }
}

fn refuse(socket: &Socket, message: &str) {
    let mut answer = Vec::new();
    Reply::message(503, message)
        .with_retry_after(RETRY_AFTER_SECS)
        .closing()
        .render(None, &mut answer);
    socket.refuse(&answer);
}

/// Errors of one connection that was gone before it was accepted.
fn is_clients_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

const SERVING: u8 = 0;
const DRAINING: u8 = 1;
const STOPPED: u8 = 2;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// How long to wait when the system has no descriptor or memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How often and how long a new connection waits for another to fall idle: not for long, since
/// those behind it wait with it.
const TRIES: u32 = 5;
const TRY: Duration = Duration::from_millis(5);

/// How long a new connection waits for the one that is closed for it.
const EVICTION: Duration = Duration::from_secs(1);

/// Our limit: at the end, a connection that came, or was answered, less long ago may still bring
/// a request and be answered, if only by 503.
const NEWCOMERS: Duration = Duration::from_secs(1);

/// How long threads may take to see that their connections are shut.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Our limit: stack of a connection's thread. Nothing here recurses.
const STACK: usize = 512 * 1024;

#[cfg(test)]
mod tests;
