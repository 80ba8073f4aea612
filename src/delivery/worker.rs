//! A connection thread: takes pushes from its lane, feeds its connection, hands results on.
//!
//! ```text
//! round:  socket → events → outcomes → settle or retry
//!         lane → hand → requests → socket
//!         wait for socket, bell or the next deadline
//! ```
//!
//! It opens a connection only with work queued, and one thread of a lane at a time, so that a lane
//! grows one connection after the other while all streams of the open ones are in use. A
//! connection that retires keeps its last pushes until they are answered, beside its successor. A
//! panic is caught: what was in flight comes back as an unknown outcome and the thread goes on.
//!
//! Nothing here blocks but [`Waiter::wait`] and a log that is full.

mod opening;
mod recovery;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dialling::Dialling;
use super::link::{Link, Parting};
use super::links::Links;
use super::outcome::Outcome;
use super::route::Route;
use super::session::Ended;
use super::settler::Settler;
use crate::http2::SendError;
use crate::lane::{Lane, State};
use crate::moment::Moment;
use crate::net::readiness::Waiter;
use crate::push::Push;
use crate::stats::Stats;

/// The longest a thread waits without looking at its lane.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Retries that fall due within this are taken from the shelf together: a wake-up each would cost
/// more than the push.
const PROMOTE_EVERY: Duration = Duration::from_millis(20);

/// One connection thread's state.
#[derive(Debug)]
pub struct Worker {
    seat: usize,
    lane: Arc<Lane>,
    route: Arc<Route>,
    stats: Arc<Stats>,
    settler: Settler,
    waiter: Waiter,
    links: Links,
    /// The next connection.
    dialling: Option<Dialling>,
    /// Pushes taken from the lane and not yet sent; none without a connection.
    hand: VecDeque<Push>,
    ended: Vec<Ended>,
    /// The push that is being worked on, in case that ends in a panic.
    at_work: Option<Push>,
    /// No other thread is better placed for work that is found queued.
    may_dial: bool,
    /// No connection is tried before this.
    not_before: Option<Instant>,
    /// There was work, and no credential to send it with.
    lacks_credential: bool,
    /// Its share of the pushes in flight that the statistics show.
    shown_in_flight: usize,
    /// Called in each round, to panic in.
    #[cfg(test)]
    trap: fn(&mut Self),
}

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another round at once.
    Round,
    /// Wait at most until then.
    WaitUntil(Option<Instant>),
    /// The lane is done.
    End,
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
        route: Arc<Route>,
        stats: Arc<Stats>,
        settler: Settler,
    ) -> std::io::Result<Self> {
        let waiter = Waiter::new()?;
        let bell = waiter.bell();
        lane.seat(seat, Box::new(move || bell.ring()));
        Ok(Self {
            seat,
            lane,
            route,
            stats,
            settler,
            waiter,
            links: Links::default(),
            dialling: None,
            hand: VecDeque::new(),
            ended: Vec::new(),
            at_work: None,
            may_dial: false,
            not_before: None,
            lacks_credential: false,
            shown_in_flight: 0,
            #[cfg(test)]
            trap: |_| {},
        })
    }

    /// Works until the lane is stopped.
    pub fn run(mut self) {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work())) {
            self.recover(&*panic);
        }
    }

    fn work(&mut self) {
        self.look();
        loop {
            let now = Moment::now();
            self.round(now);
            match self.next(now.monotonic) {
                Next::Round => {}
                Next::WaitUntil(deadline) => {
                    self.wait(deadline);
                    self.look();
                }
                Next::End => return self.leave(now),
            }
        }
    }

    fn look(&mut self) {
        self.may_dial = self.lane.attendance().look(self.seat);
    }

    fn round(&mut self, now: Moment) {
        self.lane.promote_due(now.monotonic);
        self.links.receive(now, &mut self.ended);
        self.take_news(now);
        self.adopt(now);
        self.connect(now);
        self.fill(now);
        #[cfg(test)]
        (self.trap)(self);
        self.links.flush(now, &mut self.ended);
        self.part(now);
        self.take_news(now);
        self.settler.flush(now.monotonic);
        self.show_in_flight();
    }

    /// What the connections have learnt: of their credentials, of their use, of their pushes.
    fn take_news(&mut self, now: Moment) {
        for link in self.links.iter_mut() {
            if let Some((trouble, used)) = link.session().take_trouble() {
                self.route.credentials.report(trouble, &used, now);
            }
            if link.newly_proved() {
                self.lane.dial().proved();
            }
        }
        self.conclude(now);
    }

    fn conclude(&mut self, now: Moment) {
        let mut again = Vec::new();
        while let Some(ended) = self.ended.pop() {
            self.at_work = Some(ended.push.clone());
            again.extend(self.settler.conclude(ended, now));
            self.at_work = None;
        }
        self.lane.put_back(again);
    }

    /// Sends what the lane has and the connection has room for.
    fn fill(&mut self, now: Moment) {
        self.lacks_credential = false;
        let stream_limit = self.lane.stream_limit();
        let Some(link) = &mut self.links.present else {
            return;
        };
        if link.room(stream_limit) == 0 || (self.hand.is_empty() && !self.lane.has_work()) {
            return;
        }
        let Some(credential) = self.route.credentials.current(now) else {
            self.lacks_credential = true;
            self.lane.put_back(self.hand.drain(..));
            return self.sweep(now);
        };
        link.set_credential(credential);
        while link.room(stream_limit) > 0 {
            if self.hand.is_empty() && !self.lane.take(&mut self.hand) {
                return;
            }
            let Some(push) = self.hand.pop_front() else {
                continue;
            };
            self.at_work = Some(push.clone());
            if let Some(push) = self.settler.settle_if_expired(push, now)
                && let Err(refused) = link.send(push, now)
            {
                let (push, error) = *refused;
                if error == SendError::BadHead {
                    let text = "the request cannot be written as HTTP/2 fields";
                    self.settler.settle_as_unsendable(&push, text, now);
                } else {
                    self.hand.push_front(push);
                    link.session().retire("it takes no more streams");
                }
            }
            self.at_work = None;
        }
    }

    /// Parts with connections: one that retires drains beside its successor, one that has nothing
    /// left to do ends.
    fn part(&mut self, now: Moment) {
        if let Some(link) = &mut self.links.present {
            link.retire_if_idle(now.monotonic, self.route.idle_timeout);
            if link.is_retiring() || link.is_over() {
                self.lane.put_back(self.hand.drain(..));
            }
        }
        for link in self.links.part() {
            self.end_link(link, now);
        }
    }

    fn end_link(&mut self, link: Link, now: Moment) {
        let (platform, peer) = (self.lane.platform(), link.peer());
        let Parting {
            why,
            answered,
            failed,
        } = link.end(now, &mut self.ended);
        if failed {
            let random = self.settler.random();
            let wait = self.lane.dial().back_off(now.monotonic, random);
            ::log::error!(
                "{platform}: the connection to {peer} was of no use: {why}; next try in {:.1} s",
                wait.as_secs_f32(),
            );
        } else {
            ::log::info!("{platform}: connection to {peer} ended after {answered} answers: {why}");
        }
    }

    /// Settles what has expired while nothing can be sent.
    fn sweep(&mut self, now: Moment) {
        if self.lane.is_sweep_due(now.monotonic) {
            let settler = &mut self.settler;
            self.lane.sift(|push| settler.settle_if_expired(push, now));
        }
    }

    /// Decides between another round and waiting, and tells the lane.
    fn next(&mut self, now: Instant) -> Next {
        if self.lane.is_stopped() {
            return Next::End;
        }
        if self.links.have_more() {
            return Next::Round;
        }
        let stream_limit = self.lane.stream_limit();
        let room = self
            .links
            .present
            .as_mut()
            .map(|link| link.room(stream_limit));
        let state = match room {
            Some(1..) if !self.lacks_credential => State::Warm,
            None if self.dialling.is_none() && self.not_before.is_none() => State::Cold,
            _ => State::Busy,
        };
        if state == State::Warm && !self.hand.is_empty() {
            return Next::Round;
        }
        if self.lane.leave(self.seat, state) {
            self.may_dial = true;
            return Next::Round;
        }
        let timeout = self.links.next_timeout(self.route.idle_timeout);
        let next = [timeout, self.not_before].into_iter().flatten().min();
        Next::WaitUntil(next.map(|at| at.max(now)))
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let now = Instant::now();
        let due = self.lane.next_due().map(|at| at.max(now + PROMOTE_EVERY));
        let next = [deadline, due].into_iter().flatten().min();
        let timeout = next.map_or(LONGEST_WAIT, |at| at.saturating_duration_since(now));
        match self.waiter.wait(Some(timeout.min(LONGEST_WAIT))) {
            Ok(()) => self.links.hear(&self.waiter),
            Err(error) => ::log::error!(
                "{}: cannot wait for the socket: {error}",
                self.lane.platform()
            ),
        }
    }

    /// Gives everything back or settles it, and closes the connections.
    fn leave(&mut self, now: Moment) {
        self.lane.attendance().leave(self.seat, State::Busy);
        for link in self.links.take() {
            link.end(now, &mut self.ended);
        }
        for ended in std::mem::take(&mut self.ended) {
            if matches!(ended.outcome, Outcome::Answered(_)) {
                self.lane.put_back(self.settler.conclude(ended, now));
            } else {
                let mut push = ended.push;
                push.maybe_sent |= matches!(ended.outcome, Outcome::Unknown(_));
                self.settler.settle_as_left(&push, now);
            }
        }
        self.lane.put_back(self.hand.drain(..));
        self.settler.flush(now.monotonic);
        self.show_in_flight();
    }

    /// Tells the statistics how many pushes are in flight here.
    fn show_in_flight(&mut self) {
        let in_flight = self.links.in_flight();
        let stats = self.stats.lane(self.lane.platform());
        match in_flight.checked_sub(self.shown_in_flight) {
            Some(0) => {}
            Some(more) => stats.sent(more as u64),
            None => stats.returned((self.shown_in_flight - in_flight) as u64),
        }
        self.shown_in_flight = in_flight;
    }
}

#[cfg(test)]
mod tests;
