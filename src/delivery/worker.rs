//! A connection thread: the shell that gives a [`Desk`] its sockets, its clock and its bell.
//!
//! ```text
//! what was opened ─ round ─ open? ─ flush ─ next ─ wait for socket, bell or the next deadline
//! ```
//!
//! A panic is caught: what was in flight comes back as an unknown outcome and the thread goes on.
//! Nothing here blocks but [`Waiter::wait`] and a log that is full.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;

use super::desk::{Desk, Next};
use super::dialling::{DialFailure, Dialling, panic_text};
use super::pool::ConnectionPool;
use super::present_route::PresentRoute;
use super::settler::Settler;
use super::transport::Transport;
use crate::heartbeat::Heartbeat;
use crate::http2;
use crate::lane::Lane;
use crate::moment::{self, Moment};
use crate::net::connection::Connection;
use crate::net::readiness::{Readiness, Waiter};

/// How long a thread pauses after a panic, lest one that recurs at once should fill the log.
const RESTART_AFTER: Duration = Duration::from_millis(250);

/// One connection thread's state.
#[derive(Debug)]
pub struct Worker {
    desk: Desk<Wire>,
    waiter: Waiter,
    heartbeat: Heartbeat,
    /// The next connection.
    dialling: Option<Dialling>,
}

/// The connections of a process that lanes hand each other.
pub type Wires = ConnectionPool<Wire>;

/// A connection, and what the last wait said of its socket.
#[derive(Debug)]
pub struct Wire {
    connection: Connection,
    readiness: Readiness,
}

impl Worker {
    /// The worker of thread `seat` of a lane.
    ///
    /// # Errors
    ///
    /// When the system gives no poll descriptor.
    pub fn new(
        seat: usize,
        lane: Arc<Lane>,
        route: Arc<PresentRoute>,
        settler: Settler,
        pool: Arc<Wires>,
    ) -> std::io::Result<Self> {
        let waiter = Waiter::new()?;
        let desk = Desk::new(seat, lane, route, settler).sharing(pool);
        Ok(Self {
            desk,
            waiter,
            heartbeat: Heartbeat::new(moment::now()),
            dialling: None,
        })
    }

    /// What tells that the thread lives.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Works until the lane is stopped, or this thread has had nothing to do for long.
    pub fn run(mut self) {
        let bell = self.waiter.bell();
        self.desk.sit_down(Box::new(move || bell.ring()));
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work())) {
            self.desk.recover(panic_text(&*panic), Moment::now());
            self.wait(moment::now() + RESTART_AFTER);
        }
        self.heartbeat.end();
    }

    fn work(&mut self) {
        self.desk.look();
        loop {
            let now = Moment::now();
            self.heartbeat.busy(now.monotonic);
            self.round(now);
            match self.desk.next(now.monotonic) {
                Next::Round => {}
                Next::WaitUntil(deadline) => {
                    self.wait(deadline);
                    self.desk.look();
                }
                Next::End => {
                    self.desk.leave(now);
                    return self.desk.flush(now);
                }
                Next::Dismissed => return,
            }
        }
    }

    fn round(&mut self, now: Moment) {
        if let Some(opened) = self.dialling.as_ref().and_then(Dialling::result) {
            self.dialling = None;
            self.adopt(opened, now);
        }
        let registry = self.waiter.registry();
        self.desk.take_over(|wire| wire.join(registry), now);
        if self.desk.round(now) {
            match Dialling::start(self.desk.route(), &self.waiter) {
                Ok(dialling) => self.dialling = Some(dialling),
                Err(error) => self
                    .desk
                    .opened(Err(&format_args!("no thread: {error}")), now),
            }
        }
        let registry = self.waiter.registry();
        self.desk.give_away(|wire| wire.connection.leave(registry));
        self.desk.flush(now);
    }

    fn adopt(&mut self, opened: Result<Connection, DialFailure>, now: Moment) {
        match opened {
            Ok(connection) => {
                let readiness = Readiness::UNKNOWN;
                let wire = Wire {
                    connection,
                    readiness,
                };
                self.desk.opened(Ok(wire), now);
            }
            Err(DialFailure { text, panicked }) => {
                if panicked {
                    self.desk.count_panic();
                }
                self.desk.opened(Err(&text), now);
            }
        }
    }

    fn wait(&mut self, deadline: Instant) {
        self.heartbeat.rest(deadline);
        let timeout = deadline.saturating_duration_since(moment::now());
        match self.waiter.wait(Some(timeout)) {
            Ok(()) => {
                for wire in self.desk.transports() {
                    wire.readiness = self.waiter.readiness(wire.connection.token());
                }
            }
            Err(error) => ::log::error!("cannot wait for the socket: {error}"),
        }
    }
}

impl Wire {
    /// Has a thread's waiter wait for it that had another owner.
    fn join(&mut self, registry: &Registry) -> std::io::Result<()> {
        self.readiness = Readiness::UNKNOWN;
        self.connection.join(registry)
    }
}

impl Transport for Wire {
    fn http2(&mut self) -> &mut http2::Connection {
        self.connection.http2()
    }

    fn receive(&mut self, now: Instant) {
        let readiness = std::mem::replace(&mut self.readiness, Readiness::NOTHING);
        self.connection.receive_ready(readiness, now);
    }

    fn look_again(&mut self) {
        self.readiness = Readiness::UNKNOWN;
    }

    fn flush(&mut self, now: Instant) {
        self.connection.flush(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.connection.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    fn has_more(&self) -> bool {
        self.connection.has_more()
    }

    fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    fn peer_addr(&self) -> SocketAddr {
        self.connection.peer_addr()
    }
}

#[cfg(test)]
mod tests;
