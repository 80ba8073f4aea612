//! What a connection thread decides: which pushes go where, what became of them, when to connect,
//! to wait, to part with a connection.
//!
//! ```text
//! round:  bytes → events → outcomes → settle or retry
//!         lane → hand → requests → bytes
//! ```
//!
//! It knows neither socket nor clock nor thread: [`Worker`](super::worker::Worker) is one around
//! it, and the simulation of the tests runs several of it on one thread in a time of its own.
//!
//! It opens a connection only with work queued, and one thread of a lane at a time, so that a lane
//! grows one connection after the other while all streams of the open ones are in use. A
//! connection that retires keeps its last pushes until they are answered, beside its successor.

mod followed_route;
mod gatekeeping;
mod inquiring;
mod leaving;
mod opening;
mod parting;
mod recovery;
mod refusing;
mod sharing;
mod shown_in_flight;
mod sweeping;
mod trays;
mod trying_out;
mod yielding;

use std::sync::Arc;
use std::time::{Duration, Instant};

use followed_route::FollowedRoute;
use sharing::Sharing;
use shown_in_flight::ShownInFlight;
use sweeping::Sweeps;
use trays::Trays;

use super::link::{Begun, Link};
use super::links::Links;
use super::present_route::PresentRoute;
use super::route::Route;
use super::settler::Settler;
use super::transport::Transport;
use crate::crash_point;
use crate::http2::SendError;
use crate::lane::{Inquiry, Lane, MaySend, ProbeEnd, SWEPT_AT_A_TIME, SeatState, Tickets, Wake};
use crate::moment::Moment;
use crate::moment::timers::Timers;
use crate::push::{Push, PushClass, PushId};

/// The longest a thread waits without looking at its lane.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Retries that fall due within this are taken from the shelf together: a wake-up each would cost
/// more than the push.
const PROMOTE_EVERY: Duration = Duration::from_millis(20);

/// Our limit: how long a thread waits for work without a connection before it ends at its next look
/// at the lane. A connection without pushes is closed after the lane's `keepalive_timeout`.
pub const IDLE_MAX: Duration = Duration::from_secs(60);

/// What alarms of a provider that wants fewer fields are known as.
const HEADER_LIST: &str = "MAX_HEADER_LIST_SIZE";

/// One connection thread's state, less what it waits with.
#[derive(Debug)]
pub struct Desk<T> {
    seat: usize,
    pub(super) lane: Arc<Lane>,
    following: FollowedRoute,
    settler: Settler,
    links: Links<T>,
    sharing: Sharing<T>,
    pub(super) trays: Trays,
    /// The push that tried a candidate last.
    tried_last: Option<PushId>,
    /// Those in flight that were sent to try a credential.
    probes: Vec<PushId>,
    /// Who asked for pushes to be purged that are settled when the round is flushed.
    purged: Vec<Inquiry>,
    /// No other thread is better placed for work that is found queued.
    may_dial: bool,
    pub(super) timers: Timers<Timer>,
    /// There was work, and no credential to send it with, or the lane is held.
    stands_by: bool,
    sweeps: Sweeps,
    /// It yields its place to a thread of another lane.
    is_going: bool,
    shown: ShownInFlight,
    /// Called in each round, to panic in.
    #[cfg(test)]
    pub(super) trap: fn(&mut Self),
}

/// What a thread looks at the clock for, besides its connections and its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// No connection is tried before.
    Connect,
    /// Another lane is asked for its connection no longer.
    TakeOver,
    /// There will be a credential.
    Credential,
    /// The lane's rate is used up, and this thread looks again.
    Tickets,
    /// Others have had their time to take what the present connection has refused.
    OthersTake,
    /// The present connection makes way for one that such pushes may go on.
    MakeWay,
    /// It is noted again that a push was taken, while nothing is doubted.
    NoteProof,
    /// A push has waited for long enough for the candidate's connection.
    Try,
    /// This thread has had nothing to do for long.
    Idle,
}

impl Timer {
    /// Whether a round is due when the time has come; the others only keep something back.
    fn is_waited_for(self) -> bool {
        !matches!(self, Self::OthersTake | Self::NoteProof | Self::Idle)
    }
}

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another round at once.
    Round,
    /// Wait for input or the bell, at most until then.
    WaitUntil(Instant),
    /// The lane is done: [`Desk::leave`] follows.
    End,
    /// The thread has had nothing to do for long, has nothing, and ends at once: the lane starts
    /// another when it needs one.
    Dismissed,
}

impl<T: Transport> Desk<T> {
    /// The desk of thread `seat` of a lane.
    pub fn new(
        seat: usize,
        lane: Arc<Lane>,
        present_route: Arc<PresentRoute>,
        settler: Settler,
    ) -> Self {
        Self {
            seat,
            lane,
            following: FollowedRoute::new(present_route),
            settler,
            links: Links::default(),
            sharing: Sharing::default(),
            trays: Trays::default(),
            tried_last: None,
            probes: Vec::new(),
            purged: Vec::new(),
            may_dial: false,
            timers: Timers::default(),
            stands_by: false,
            sweeps: Sweeps::default(),
            is_going: false,
            shown: ShownInFlight::default(),
            #[cfg(test)]
            trap: |_| {},
        }
    }

    /// The thread has started, and is woken by that: [`Desk::look`] follows.
    pub fn sit_down(&self, wake: Wake) {
        self.lane.crew().seat(self.seat, wake);
    }

    /// The thread runs: to be called at its start and after each wait.
    pub fn look(&mut self) {
        self.may_dial = self.lane.crew().attendance().look(self.seat);
    }

    /// One round. True if a connection is to be opened at once: what comes of that is to be told
    /// by [`Desk::opened`]. [`Desk::flush`] follows.
    pub fn round(&mut self, now: Moment) -> bool {
        self.lane.promote_due(now.monotonic);
        self.follow_route();
        self.follow_candidate();
        self.go_on_sweeping(now);
        self.links.receive(now, &mut self.trays.ended);
        if !self.trays.ended.is_empty() {
            crash_point::pass("response");
        }
        self.take_news(now);
        // A push that was taken may have brought another route.
        self.follow_route();
        // What has come by now is said before what is asked.
        self.answer_inquiries(now);
        self.part_with_refuser(now);
        self.yield_place();
        let idle_timeout = self.following.route.idle_timeout;
        for link in self.links.taking() {
            link.retire_if_idle(now, idle_timeout);
        }
        self.fill(now);
        #[cfg(test)]
        (self.trap)(self);
        self.settler.note_handed();
        self.links.flush(now, &mut self.trays.ended);
        if self.shown.is_below(self.links.in_flight()) {
            crash_point::pass("send");
        }
        self.make_way(now);
        self.part(now);
        self.take_news(now);
        self.look_at_gate(now);
        self.wants_connection(now)
    }

    /// What the next connection is to be opened by.
    pub fn route(&self) -> &Arc<Route> {
        let begun = self.links.dialling;
        let generation = begun.map_or(self.following.generation, |begun: Begun| begun.generation);
        self.following.of(generation)
    }

    /// Lines of settlements that [`Desk::flush`] has still to hand to the logs: access, error.
    pub fn unflushed(&self) -> [&[u8]; 2] {
        self.settler.unflushed()
    }

    /// Hands the logs what a round has settled, and gives its room back.
    pub fn flush(&mut self, now: Moment) {
        self.settler.flush(now.monotonic);
        self.shown.show(&mut self.links, &self.lane);
        self.answer_purges();
    }

    /// A panic was caught that cost no push.
    pub(super) fn count_panic(&self) {
        self.lane.stats().panicked();
    }

    /// Whether it sends nothing more, since its place is another lane's.
    pub fn is_going(&self) -> bool {
        self.is_going
    }

    /// What carries its connections.
    pub fn transports(&mut self) -> impl Iterator<Item = &mut T> {
        self.links.iter_mut().map(Link::transport)
    }

    /// What the connections have learnt: of their credentials, of their use, of their pushes.
    fn take_news(&mut self, now: Moment) {
        for link in self.links.iter_mut() {
            let session = link.session();
            let (proved, troubles) = (session.take_proof(), session.take_troubles());
            if let Some(used) = session.credential() {
                let credentials = &self.following.of(session.generation()).credentials;
                if proved {
                    credentials.proved(used);
                }
                for trouble in troubles {
                    credentials.report(self.lane.id(), trouble, used, now);
                }
            }
            for (reason, count) in link.session().take_goaway_reasons() {
                self.lane.stats().went_away(reason, count);
            }
            if link.session().take_wants_fresh() && !link.is_candidate() {
                self.lane.crew().dial().wants_fresh();
            }
            if link.newly_settled(now.monotonic) && !link.is_candidate() {
                self.lane.crew().dial().settled();
            }
            if let Some(before) = link.take_ping_complaint() {
                self.lane.crew().dial().complained_of_pings(before);
            }
            if let Some((size, limit)) = link.session().take_list_exceeded()
                && self
                    .lane
                    .holding()
                    .alarms()
                    .is_due(HEADER_LIST, now.monotonic)
            {
                ::log::error!(
                    "{}: {} says that it takes {limit} bytes of header fields \
                     ({HEADER_LIST}), and a push has {size}; pushes are sent all the same, for \
                     that is advice. If they are answered 431, look at what stands between here \
                     and the provider",
                    self.lane.id(),
                    link.peer(),
                );
            }
        }
        self.take_refusals(now);
        self.conclude(now);
    }

    /// Settles what has ended, or gives it back to the lane.
    fn conclude(&mut self, now: Moment) {
        self.doubt_unproved(now);
        self.refusals_first();
        while let Some(ended) = self.trays.ended.pop() {
            self.trays.at_work = Some(ended.push.clone());
            let ended = match self.look_at_tried(ended, now) {
                Ok(ended) => ended,
                Err(push) => {
                    self.trays.again.push(push);
                    self.trays.at_work = None;
                    continue;
                }
            };
            let is_refused = ended.is_refused;
            let again = match self.keep_back(ended, now) {
                Ok(ended) => self.settler.conclude(ended, now),
                Err(again) => {
                    let noted = again.as_ref();
                    noted.inspect(|push| self.settler.note_tried(push, None, now));
                    again
                }
            };
            match again {
                // It may be why the connection was refused: others show that before it goes again.
                Some(push) if is_refused => self.lane.put_last(push),
                again => self.trays.again.extend(again),
            }
            self.trays.at_work = None;
        }
        self.conclude_contradicted(now);
        self.lane.put_back(self.trays.again.drain(..));
    }

    /// Sends what the lane has and the connection has room for.
    fn fill(&mut self, now: Moment) {
        self.timers.stop(Timer::Credential);
        self.stands_by = false;
        if self.timers.take_due(Timer::Tickets, now.monotonic) {
            self.lane.pacing().stop_waiting_for_tickets();
        }
        if self.lane.is_quiet() {
            return self.trays.hand_back(&self.lane);
        }
        self.try_candidate(now);
        let stream_limit = self.stream_limit(now.monotonic);
        let Some(link) = &mut self.links.present else {
            return;
        };
        if self.trays.hand.is_empty() && !self.lane.has_work_for(Some(link.id())) {
            return;
        }
        let may_send = self.lane.may_send(now.monotonic);
        if may_send == MaySend::No {
            return self.stand_by(now);
        }
        if self.lane.pacing().has_no_tickets(now.monotonic) {
            return self.wait_for_tickets(now);
        }
        let is_probe = may_send == MaySend::Probe;
        let class = if is_probe || self.lane.has_urgent_for(Some(link.id())) {
            PushClass::Transactional
        } else {
            self.trays.class_in_hand().unwrap_or(PushClass::Bulk)
        };
        if link.room(stream_limit, class) == 0 {
            if link.holds_up(now.monotonic) {
                self.trays.hand_back(&self.lane);
            }
            if link.is_stuck(now.monotonic) {
                // The time of what waits may pass.
                self.sweep(now);
            }
            return;
        }
        let Some(credential) = self
            .following
            .route
            .credentials
            .current(self.lane.id(), now)
        else {
            let serves_at = self.following.await_credential(now);
            self.timers.set(Timer::Credential, serves_at);
            return self.stand_by(now);
        };
        link.set_credential(credential);
        self.send_all(stream_limit, now);
    }

    /// Sends until the lane has nothing more, the connection no room or the rate is used up.
    fn send_all(&mut self, stream_limit: usize, now: Moment) {
        let (mut tickets, mut expired) = (0, 0);
        // Whether transactional pushes may have come behind bulk ones that are in the hand.
        let mut looks = true;
        loop {
            if looks && self.trays.class_in_hand() == Some(PushClass::Bulk) {
                self.overtake(stream_limit);
                looks = false;
            }
            let may_send = self.lane.may_send(now.monotonic);
            // An empty hand is filled with what there is room for, and a probe is urgent.
            let class = match self.trays.class_in_hand() {
                Some(class) if may_send != MaySend::Probe => class,
                _ => PushClass::Transactional,
            };
            let room = self.room(stream_limit, class);
            // What is sent waits for the end of the round.
            if room == 0 || expired == SWEPT_AT_A_TIME {
                break;
            }
            if may_send == MaySend::No {
                self.stand_by(now);
                break;
            }
            if self.trays.hand.is_empty() && may_send == MaySend::Yes {
                let takes_bulk = self.room(stream_limit, PushClass::Bulk) > 0;
                if !self.take_work(takes_bulk) {
                    break;
                }
                looks = false;
                continue;
            }
            if tickets == 0 {
                let wanted = self.trays.hand.len().min(room).max(1);
                match self.lane.pacing().tickets(now.monotonic, wanted) {
                    Tickets::Go(some) => tickets = some,
                    Tickets::UsedUp(again_at) => {
                        self.timers.set(Timer::Tickets, again_at);
                        return self.wait_for_tickets(now);
                    }
                }
            }
            let push = match may_send {
                MaySend::Probe => self.take_probe(now),
                MaySend::Yes | MaySend::No => self.trays.hand.pop_front(),
            };
            let Some(push) = push else {
                self.stand_by(now);
                break;
            };
            self.trays.at_work = Some(push.clone());
            match self.settler.settle_if_expired(push, now) {
                Some(push) => tickets -= usize::from(self.send(push, may_send, now)),
                None => expired += 1,
            }
            looks |= class == PushClass::Transactional;
            self.trays.at_work = None;
        }
        self.lane.pacing().give_back(tickets);
    }

    /// Leaves the pushes to whoever has tickets next, and settles those whose time passes.
    fn wait_for_tickets(&mut self, now: Moment) {
        self.trays.hand_back(&self.lane);
        self.sweep(now);
    }

    /// Pushes that may be in flight on the present connection.
    fn stream_limit(&self, now: Instant) -> usize {
        let present = self.links.present.as_ref();
        let is_new = present.is_some_and(|link| !link.has_shown_itself(now));
        if is_new && self.lane.crew().dial().is_wary() {
            1
        } else {
            self.lane.stream_limit()
        }
    }

    /// Pushes of that class that the present connection may take.
    fn room(&mut self, stream_limit: usize, class: PushClass) -> usize {
        let Some(link) = &mut self.links.present else {
            return 0;
        };
        if class == PushClass::Bulk && self.lane.is_turn_of_bulk() {
            link.room_in_turn(stream_limit)
        } else {
            link.room(stream_limit, class)
        }
    }

    /// Sends a push on the present connection, or takes it back into the hand; whether it went.
    fn send(&mut self, push: Push, may_send: MaySend, now: Moment) -> bool {
        let (id, class) = (push.id(), push.class());
        let goes = self.lets_go(&push, may_send, now);
        let Some(link) = self.links.present.as_mut().filter(|_| goes) else {
            self.trays.hand.push_front(push);
            return false;
        };
        let Err(refused) = link.send(push, now) else {
            self.settler.hand(id);
            if class == PushClass::Bulk {
                self.lane.bulk_goes();
            }
            return true;
        };
        let (push, error) = *refused;
        if error == SendError::BadHead {
            self.settle_unsendable(&push, now);
            self.trays.at_work = None;
        } else {
            self.trays.at_work = None;
            self.trays.hand.push_front(push);
            link.session().retire("it takes no more streams");
        }
        if may_send == MaySend::Probe {
            self.forget_probe(id);
            self.end_probe(id, self.following.generation, ProbeEnd::NotSent, now);
        }
        false
    }

    /// Decides between another round and waiting, and tells the lane.
    pub fn next(&mut self, now: Instant) -> Next {
        if self.lane.is_stopped() {
            return Next::End;
        }
        if self.links.have_more() {
            return Next::Round;
        }
        self.lane.note_idle(now);
        if self.has_yielded() {
            return Next::Dismissed;
        }
        let stream_limit = self.stream_limit(now);
        let present = self.links.present.as_mut();
        let takes_more = present.as_ref().filter(|link| !link.is_retiring());
        let connection = takes_more.map(|link| link.id());
        let room = present.map(|link| {
            let mut room = |class| link.room(stream_limit, class);
            (room(PushClass::Transactional), room(PushClass::Bulk))
        });
        let waits_to_connect = self.timers.at(Timer::Connect).is_some();
        let state = match room {
            _ if self.lane.is_quiet() || self.is_going => SeatState::Busy,
            Some((_, 1..)) if !self.stands_by => SeatState::Warm,
            Some((1.., 0)) if !self.stands_by => SeatState::Reserved,
            None if waits_to_connect => SeatState::Waiting,
            None if self.links.dialling.is_none() => SeatState::Cold,
            _ => SeatState::Busy,
        };
        let goes_on = match state {
            SeatState::Warm => !self.trays.hand.is_empty(),
            SeatState::Reserved => self.trays.class_in_hand() == Some(PushClass::Transactional),
            _ => false,
        };
        if goes_on {
            return Next::Round;
        }
        // While tickets are waited for, nobody else is called; connections that retire may have
        // pushes that wait for their answers.
        let waits = self.timers.at(Timer::Tickets).is_some() || !self.links.is_empty();
        if state == SeatState::Cold && !waits {
            self.timers.start(Timer::Idle, now + IDLE_MAX);
        } else {
            self.timers.stop(Timer::Idle);
        }
        if self.timers.take_due(Timer::Idle, now) {
            let is_over = self.lane.dismiss(self.seat);
            // Who goes on may have missed its bell meanwhile.
            return if is_over {
                Next::Dismissed
            } else {
                Next::Round
            };
        }
        self.note_full(room, now);
        if self.lane.leave(self.seat, state, connection) {
            self.may_dial = true;
            return Next::Round;
        }
        let timeout = self.links.next_timeout(self.following.route.idle_timeout);
        let holds = self
            .links
            .present
            .as_ref()
            .filter(|_| !self.trays.hand.is_empty());
        let held = holds.map(Link::held_until);
        let rest = self.lane.resting(now).map(|resting| resting.until);
        let soonest = rest.unwrap_or(now).max(now + PROMOTE_EVERY);
        let due = self.lane.retries().next_due().map(|at| at.max(soonest));
        let deadlines = [
            self.lane.holding().next_look(now),
            timeout,
            held,
            due,
            rest,
            self.timers.next(Timer::is_waited_for),
            self.sweeps.go_on().then_some(now),
        ];
        let until = deadlines.into_iter().flatten();
        Next::WaitUntil(until.fold(now + LONGEST_WAIT, Instant::min).max(now))
    }

    /// Lets another thread be woken when there are tickets again.
    fn give_up_keeping(&mut self) {
        if self.timers.stop(Timer::Tickets) {
            self.lane.pacing().stop_waiting_for_tickets();
        }
    }
}

#[cfg(test)]
mod tests;
