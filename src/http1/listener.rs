//! The listener: accepts connections, gives each a thread, and never has more than it may.
//!
//! When all connections are taken, one is closed for the new one: see `standing`. If all are busy,
//! the new one is answered 503, for which nobody waits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};

use super::budget::Budget;
use super::connection;
use super::crowd::Crowd;
use super::doorstep::{Doorstep, REFUSED_MAX, SWEEP_EVERY};
use super::handler::{Handler, Phase};
use super::registry::{LEAVING_MAX, Place, Registry, Room};
use super::reply::{RETRY_AFTER_SECS, Reply};
use super::settings::Settings;
use super::socket::{Bound, ListeningSocket, advice};
use crate::count::{self, Seldom};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::live::Live;
use crate::moment::{self, Moment};

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
    shared: Arc<ListenerShared>,
    waker: Waker,
    acceptor: Option<JoinHandle<()>>,
    local_addr: Option<SocketAddr>,
    heartbeat: Heartbeat,
}

struct ListenerShared {
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
        let (poll, waker) = bound.watch()?;
        let local_addr = bound.local_addr();
        let shared = Arc::new(ListenerShared {
            handler,
            budget: Budget::new(settings.large_bodies(), settings.most_waiting()),
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
            newcomer: None,
            crowded: None,
            placed: moment::now(),
            doorstep: Doorstep::default(),
            crowd: Crowd::default(),
            short: Seldom::default(),
            unborn: Seldom::default(),
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
        let budget = &self.shared.budget;
        budget.resize(settings.large_bodies(), settings.most_waiting());
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
        registry.evict_all_idle_for(Duration::ZERO);
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

impl ListenerShared {
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
    shared: Arc<ListenerShared>,
    /// One that was accepted and waits for a place, and when it came. Those behind it wait in the
    /// kernel's queue.
    newcomer: Option<(ListeningSocket, Instant)>,
    /// Since when one has always waited because all were busy.
    crowded: Option<Instant>,
    /// When one last had a place.
    placed: Instant,
    doorstep: Doorstep,
    crowd: Crowd,
    /// Accepts that failed for want of something.
    short: Seldom,
    /// Threads that could not be started.
    unborn: Seldom,
}

/// How a round of accepting ended.
enum Round {
    /// Nobody is waiting: the socket will say when somebody is.
    Empty,
    /// Somebody may be waiting, of whom the socket has said all that it will: the next round is
    /// due after this time.
    Later(Duration),
}

impl Acceptor {
    fn run(mut self) {
        let mut events = Events::with_capacity(4);
        while self.shared.phase() == Phase::Serving {
            let mut timeout = match self.accept_some() {
                Round::Empty => LONGEST_REST,
                Round::Later(time) => time,
            };
            let now = moment::now();
            self.doorstep.sweep(now);
            if !self.doorstep.is_empty() {
                timeout = timeout.min(SWEEP_EVERY);
            }
            self.tell(now);
            self.heartbeat.rest(now + timeout);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => log::error!("waiting for connections failed: {error}"),
            }
        }
        if let Some((socket, _)) = self.newcomer.take() {
            self.refuse(socket, "shutting down");
        }
        self.heartbeat.end();
    }

    fn accept_some(&mut self) -> Round {
        for _ in 0..ROUND {
            let accepted = match self.newcomer.take() {
                Some(newcomer) => Ok(newcomer),
                None => (self.hooks.before_accept)()
                    .and_then(|()| self.bound.accept())
                    .map(|socket| (socket, moment::now())),
            };
            match accepted {
                Ok(newcomer) => {
                    if let Some(time) = self.place(newcomer) {
                        return Round::Later(time);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.crowded = None;
                    return Round::Empty;
                }
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => return self.is_short(&error),
            }
        }
        Round::Later(Duration::ZERO)
    }

    /// Gives a newcomer a place, or the reason why there is none; or says when to try again.
    fn place(&mut self, (socket, came): (ListeningSocket, Instant)) -> Option<Duration> {
        let now = moment::now();
        self.heartbeat.busy(now);
        let waited = now.saturating_duration_since(came);
        let most = self.shared.settings.get().max_connections;
        let room = self.shared.registry.make_room(most);
        match room {
            Room::Free => {
                self.placed = now;
                self.admit(socket);
                None
            }
            Room::Soon(time) if waited < LEAVES_WITHIN => {
                self.newcomer = Some((socket, came));
                Some(time)
            }
            Room::Busy if self.may_wait(now) => {
                self.newcomer = Some((socket, came));
                Some(LOOK_EVERY)
            }
            Room::Soon(_) | Room::Busy => {
                self.crowd.refused();
                self.refuse(socket, "all connections are busy");
                None
            }
        }
    }

    /// Whether it makes sense to wait while all are busy: as long as they are answered at all, and
    /// nobody behind the first one waits too long. Else all are refused at once.
    fn may_wait(&mut self, now: Instant) -> bool {
        let since = *self.crowded.get_or_insert(now);
        let waits = |since| now.saturating_duration_since(since);
        waits(since.max(self.placed)) < ANSWER_WITHIN && waits(since) < PLACE_WITHIN
    }

    /// The system has no descriptor or memory for another connection.
    fn is_short(&mut self, error: &io::Error) -> Round {
        if let Some(times) = self.short.note(moment::now()) {
            log::error!(
                "cannot accept connections, trying on ({} since this was last said): {error}{}",
                count::of(times, "failure", "failures"),
                advice(error)
            );
        }
        self.shared.registry.free_one();
        Round::Later(PAUSE)
    }

    /// Gives a connection a thread, or the reason why there is none.
    fn admit(&mut self, socket: ListeningSocket) {
        let place = self.shared.registry.enter(socket);
        let slot = Arc::clone(&place.slot);
        let shared = Arc::clone(&self.shared);
        if let Err(error) = (self.hooks.spawn)(Box::new(move || shared.serve(&place))) {
            if let Some(times) = self.unborn.note(moment::now()) {
                log::error!(
                    "cannot start a thread for a connection ({} since this was last said): {error}",
                    count::of(times, "failure", "failures")
                );
            }
            // The place went with the job.
            if let Some(slot) = Arc::into_inner(slot) {
                self.refuse(slot.socket, "no thread for this connection");
            }
        }
    }

    fn refuse(&mut self, socket: ListeningSocket, message: &str) {
        let mut answer = Vec::new();
        let reply = Reply::message(503, message);
        let reply = reply.with_retry_after(RETRY_AFTER_SECS).closing();
        self.shared.handler.had_no_place(&reply);
        reply.render(None, Moment::now().unix_secs(), &mut answer);
        let linger = self.shared.settings.get().timeouts.linger;
        self.doorstep.refuse(socket, &answer, linger, moment::now());
    }

    fn tell(&mut self, now: Instant) {
        self.crowd.closed(self.shared.registry.take_closed());
        let settings = self.shared.settings.get();
        let (most, is_cut) = (settings.max_connections, settings.is_cut);
        if let Some(text) = self.crowd.tell(most, is_cut, now) {
            log::warn!("{text}");
        }
    }
}

impl ListenerShared {
    fn serve(&self, place: &Place) {
        let budget = Arc::clone(&self.budget);
        let (settings, phase) = (|| *self.settings.get(), || self.phase());
        connection::serve(place, &*self.handler, settings, budget, phase);
    }
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

/// Descriptors of callers beside those of their connections: who leaves, who is refused, and one
/// that waits for a place.
pub const BESIDE_CONNECTIONS: usize = LEAVING_MAX + REFUSED_MAX + 1;

const SERVING: u8 = 0;
const DRAINING: u8 = 1;
const STOPPED: u8 = 2;

/// How long to wait when the system has no descriptor or memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections are accepted before others are looked after.
const ROUND: usize = 64;

/// Our limit: how long a new connection waits, while all are busy, for one of them to be answered.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// Our limit: how long new connections wait for places, one after the other, while all are busy.
const PLACE_WITHIN: Duration = Duration::from_secs(2);

/// Our limit: how long a new connection waits for the one that is closed for it: longer than one
/// may be idle.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether one has its answer.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Our limit: at the end, a connection that came, or was answered, less long ago may still bring
/// a request and be answered, if only by 503.
const NEWCOMERS: Duration = Duration::from_secs(1);

/// How long threads may take to see that their connections are shut.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Our limit: stack of a connection's thread. Nothing here recurses.
const STACK: usize = 512 * 1024;

#[cfg(test)]
mod tests;
