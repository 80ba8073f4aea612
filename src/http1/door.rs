//! Where callers come in: who gets a place, and who hears why there is none.
//!
//! When all places are taken, one is closed for the new one: see `standing`. If all are busy, the
//! new one is answered 503, for which nobody waits.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Poll;

use super::crowd::Crowd;
use super::doorstep::{Doorstep, SWEEP_EVERY};
use super::registry::Room;
use super::reply::{RETRY_AFTER_SECS, Reply};
use super::shared::ListenerShared;
use super::socket::{Bound, ListeningSocket, advice};
use crate::count::{self, Seldom};
use crate::moment::{self, Moment};

/// See the module.
pub(super) struct ApiDoor {
    /// `None` once it is closed.
    bound: Option<Bound>,
    /// Comes before each accept; an error stands for the accept's.
    before_accept: Box<dyn FnMut() -> io::Result<()> + Send>,
    shared: Arc<ListenerShared>,
    /// One that was accepted and waits for a place, and when it came. Those behind it wait in the
    /// kernel's queue.
    newcomer: Option<(ListeningSocket, Instant)>,
    /// When somebody may be waiting, of whom the socket has said all that it will.
    due: Option<Instant>,
    /// Since when one has always waited because all were busy.
    crowded: Option<Instant>,
    /// When one last had a place.
    placed: Instant,
    doorstep: Doorstep,
    crowd: Crowd,
    /// Accepts that failed for want of something.
    short: Seldom,
}

impl ApiDoor {
    /// Of a listening socket.
    pub(super) fn new(
        bound: Bound,
        before_accept: Box<dyn FnMut() -> io::Result<()> + Send>,
        shared: &Arc<ListenerShared>,
    ) -> Self {
        Self {
            bound: Some(bound),
            before_accept,
            shared: Arc::clone(shared),
            newcomer: None,
            due: None,
            crowded: None,
            placed: moment::now(),
            doorstep: Doorstep::default(),
            crowd: Crowd::default(),
            short: Seldom::default(),
        }
    }

    /// Notes that somebody may have come.
    pub(super) fn knock(&mut self) {
        self.due = Some(moment::now());
    }

    /// Whether somebody may be waiting to be let in.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.bound.is_some() && self.due.is_some_and(|due| due <= now)
    }

    /// When there is something to be done here, if nobody comes.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let due = self.due.filter(|_| self.bound.is_some());
        let sweep = (!self.doorstep.is_empty()).then(|| now + SWEEP_EVERY);
        due.into_iter().chain(sweep).min()
    }

    /// Looks after those who are told to go, and tells the operator of a crowd.
    pub(super) fn look_after(&mut self, now: Instant) {
        self.doorstep.sweep(now);
        self.crowd.closed(self.shared.registry.take_closed());
        let settings = self.shared.settings.get();
        let (most, is_cut) = (settings.max_connections, settings.is_cut);
        if let Some(text) = self.crowd.tell(most, is_cut, now) {
            log::warn!("{text}");
        }
    }

    /// Lets nobody in any more.
    pub(super) fn close(&mut self, poll: &Poll) {
        if let Some((socket, _)) = self.newcomer.take() {
            self.refuse(socket, "shutting down");
        }
        if let Some(bound) = self.bound.take()
            && let Err(error) = bound.leave(poll)
        {
            log::error!("the listening socket is watched on: {error}");
        }
    }

    /// Lets in whom there is a place for.
    pub(super) fn let_in(&mut self, mut admit: impl FnMut(ListeningSocket) -> io::Result<()>) {
        self.due = None;
        for _ in 0..ROUND {
            let accepted = match (self.newcomer.take(), &self.bound) {
                (Some(newcomer), _) => Ok(newcomer),
                (None, None) => return,
                (None, Some(bound)) => (self.before_accept)()
                    .and_then(|()| bound.accept())
                    .map(|socket| (socket, moment::now())),
            };
            let done = match accepted {
                Ok(newcomer) => self.place(newcomer, &mut admit),
                Err(error) => Err(error),
            };
            match done {
                Ok(None) => {}
                Ok(Some(time)) => return self.later(time),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.crowded = None;
                    return;
                }
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => return self.is_short(&error),
            }
        }
        self.later(Duration::ZERO);
    }

    fn later(&mut self, time: Duration) {
        self.due = Some(moment::now() + time);
    }

    /// Gives a newcomer a place, or the reason why there is none; or says when to try again.
    fn place(
        &mut self,
        (socket, came): (ListeningSocket, Instant),
        admit: &mut impl FnMut(ListeningSocket) -> io::Result<()>,
    ) -> io::Result<Option<Duration>> {
        let now = moment::now();
        let waited = now.saturating_duration_since(came);
        let most = self.shared.settings.get().max_connections;
        match self.shared.registry.make_room(most) {
            Room::Free => {
                self.placed = now;
                admit(socket)?;
                Ok(None)
            }
            Room::Soon(time) if waited < LEAVES_WITHIN => {
                self.newcomer = Some((socket, came));
                Ok(Some(time))
            }
            Room::Busy if self.may_wait(now) => {
                self.newcomer = Some((socket, came));
                Ok(Some(LOOK_EVERY))
            }
            Room::Soon(_) | Room::Busy => {
                self.crowd.refused();
                self.refuse(socket, "all connections are busy");
                Ok(None)
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
    fn is_short(&mut self, error: &io::Error) {
        if let Some(times) = self.short.note(moment::now()) {
            log::error!(
                "cannot accept connections, trying on ({} since this was last said): {error}{}",
                count::of(times, "failure", "failures"),
                advice(error)
            );
        }
        self.shared.registry.free_one();
        self.later(PAUSE);
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
