//! A connection to the provider together with the pushes on it.
//!
//! It carries events from the one to the other, so that no push is forgotten when the connection
//! ends.

mod handed_over;

use std::time::{Duration, Instant};

pub(super) use handed_over::HandedOver;

use super::outcome::Outcome;
use super::route::Route;
use super::session::{Ended, Session};
use super::transport::Transport;
use crate::http2::{ErrorCode, SendError};
use crate::lane::Target;
use crate::moment::Moment;
use crate::moment::grace::Grace;
use crate::push::{ConnectionId, Push, PushClass, PushId};

/// How long pushes wait for a connection that takes none.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How long a thread keeps pushes that its connection does not take: others may have room.
pub(super) const HELD_MAX: Duration = Duration::from_secs(1);
/// How long a fresh connection has to answer before the lane may open another.
pub(super) const PROOF_TIME: Duration = Duration::from_secs(1);
/// Age, or answers, that make a connection worth its opening: of those that end sooner only so many
/// are replaced at once ([`crate::lane::SHORT_LIVED_BURST`]).
pub(super) const WORTHY_AGE: Duration = Duration::from_secs(10);
/// See [`WORTHY_AGE`].
pub(super) const WORTHY_ANSWERS: u64 = 100;

/// How long other connections have to take what this one has refused.
pub(super) const OTHERS_TAKE_WITHIN: Duration = Duration::from_millis(100);

/// A connection and the pushes on it.
#[derive(Debug)]
pub(super) struct Link<T> {
    id: ConnectionId,
    connection: T,
    session: Session,
    begun: Begun,
    /// Or taken over.
    opened: Instant,
    /// When a push was last sent on it.
    used: Moment,
    /// What the peer is granted if this thread is late.
    grace: Grace,
    /// It was told that the lane may open another connection beside it.
    settled: bool,
    /// It was told whether it was worth its opening.
    judged: bool,
    /// How often its provider had complained of PINGs when it was opened.
    ping_complaints: u32,
    /// When it was first seen to take no more pushes: answers that are waited for make it no older.
    left: Option<Instant>,
    /// The answers that it had carried when it was taken over from another lane.
    answers_before: Option<u64>,
}

/// How a connection was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    /// By the route of that number.
    pub(super) generation: u64,
    /// Which is not the lane's present one, but to be tried.
    pub(super) is_candidate: bool,
    /// Before its handshakes.
    pub(super) at: Moment,
}

/// Whether a connection that takes no more pushes was worth its opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Yes, or it was idle, and nobody can tell.
    Good,
    /// It ended soon.
    Short,
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub(super) struct Parting {
    /// Where it led.
    pub(super) peer: std::net::SocketAddr,
    /// Why it ended.
    pub(super) why: String,
    /// Answers that it carried.
    pub(super) answered: u64,
    /// It was no good: the next one must not follow at once.
    pub(super) failed: bool,
    /// The process stood still meanwhile: it may have been our fault.
    pub(super) stood: bool,
    /// The target of its pushes, if they had one alone.
    pub(super) only_target: Option<Target>,
    /// Its last requests had no answer.
    pub(super) was_silent: bool,
    /// It was taken over from another lane and has ended, by no wish of ours, before an answer.
    pub(super) in_vain: bool,
    /// The number of the route by which it was tried whether its credential is taken.
    pub(super) candidate: Option<u64>,
}

impl<T: Transport> Link<T> {
    /// A connection that was just opened.
    pub(super) fn new(
        id: ConnectionId,
        connection: T,
        route: &Route,
        begun: Begun,
        now: Moment,
    ) -> Self {
        let mut session = route.session(id);
        session.belongs_to(begun.generation);
        session.set_on_trial(begun.is_candidate);
        Self {
            id,
            connection,
            session,
            begun,
            opened: now.monotonic,
            used: now,
            grace: Grace::default(),
            settled: false,
            judged: false,
            ping_complaints: 0,
            left: None,
            answers_before: None,
        }
    }

    /// Its number within the lane.
    pub(super) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Whether it is there to try a route that is not the lane's present one.
    pub(super) fn is_candidate(&self) -> bool {
        self.begun.is_candidate
    }

    /// Its route is the lane's present one now.
    pub(super) fn is_adopted(&mut self) {
        self.begun.is_candidate = false;
        self.session.set_on_trial(false);
    }

    /// The pushes on it.
    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Sends PINGs more rarely, as its provider has complained of them so often.
    pub(super) fn slow_down_pings(&mut self, complaints: u32) {
        self.ping_complaints = complaints;
        self.session.slow_down_pings(complaints);
    }

    /// Sends PINGs more rarely, if fewer were complained of when it was opened.
    pub(super) fn slow_down_pings_to(&mut self, complaints: u32) {
        if let Some(more @ 1..) = complaints.checked_sub(self.ping_complaints) {
            self.slow_down_pings(more);
            self.ping_complaints = complaints;
        }
    }

    /// Once, when the provider has complained of its PINGs: how often it had before it was opened.
    pub(super) fn take_ping_complaint(&mut self) -> Option<u32> {
        let complains = self.session.take_too_many_pings();
        complains.then_some(self.ping_complaints)
    }

    /// Where it leads, for the log.
    pub(super) fn peer(&self) -> std::net::SocketAddr {
        self.connection.peer_addr()
    }

    /// Pushes in flight on it.
    pub(super) fn in_flight(&self) -> usize {
        self.session.in_flight()
    }

    /// The push of that id, if it is in flight on it.
    pub(super) fn find(&self, id: PushId) -> Option<&Push> {
        self.session.find(id)
    }

    /// Takes the push of that id back, of which the provider may have all, unless it ends by an
    /// answer that has begun.
    pub(super) fn cancel(
        &mut self,
        id: PushId,
        now: Moment,
        ended: &mut Vec<Ended>,
    ) -> Option<Ended> {
        let http2 = self.connection.http2();
        self.session.cancel(id, http2, now, ended)
    }

    /// What carries it.
    pub(super) fn transport(&mut self) -> &mut T {
        &mut self.connection
    }

    /// Socket, events, time-outs.
    pub(super) fn receive(&mut self, now: Moment, ended: &mut Vec<Ended>) {
        self.connection.receive(now.monotonic);
        if self.due().is_some_and(|due| due <= now.monotonic) {
            // Whoever has answered by now is not late, though no wait has said so.
            if !self.connection.http2().wants_input() {
                self.connection.flush(now.monotonic);
            }
            self.connection.look_again();
            self.connection.receive(now.monotonic);
        }
        self.take_events(now, ended);
        let judged = Moment {
            monotonic: self.judged_at(now.monotonic),
            ..now
        };
        self.connection.handle_timeout(judged.monotonic);
        self.take_events(now, ended);
        self.session
            .handle_timeout(self.connection.http2(), judged, ended);
    }

    /// Up to when the peer's deadlines are judged: until now, unless this thread is late itself.
    fn judged_at(&mut self, now: Instant) -> Instant {
        let Some(due) = self.due() else {
            self.grace = Grace::default();
            return now;
        };
        let left = self.grace.left(due, self.connection.has_more(), now);
        if due > now || left.is_zero() {
            return now;
        }
        let before = due.checked_sub(Duration::from_nanos(1));
        before.unwrap_or(due)
    }

    /// When the peer must have said something.
    fn due(&self) -> Option<Instant> {
        let due = [self.connection.next_timeout(), self.session.next_timeout()];
        due.into_iter().flatten().min()
    }

    /// Pushes of that class that it may take now.
    pub(super) fn room(&mut self, stream_limit: usize, class: PushClass) -> usize {
        let http2 = self.connection.http2();
        self.session.room(http2, stream_limit, class)
    }

    /// Bulk pushes that it may take now if it is their turn.
    pub(super) fn room_in_turn(&mut self, stream_limit: usize) -> usize {
        let http2 = self.connection.http2();
        self.session.room_in_turn(http2, stream_limit)
    }

    /// Streams that its provider allows, those of pushes in flight among them.
    pub(super) fn streams(&mut self) -> usize {
        let more = self.connection.http2().available_streams();
        self.in_flight().saturating_add(more)
    }

    /// Whether content of a push that was sent waits for a window.
    pub(super) fn has_content_waiting(&mut self) -> bool {
        self.connection.http2().waits_for_window()
    }

    /// Whether nothing but the provider's window keeps a push that waits from being sent.
    pub(super) fn is_stalled(&mut self, stream_limit: usize) -> bool {
        let http2 = self.connection.http2();
        self.session.is_stalled(http2, stream_limit)
    }

    /// Sends with that credential from now on.
    pub(super) fn set_credential(&mut self, credential: super::credential::Credential) {
        self.session
            .set_credential(Some(credential), self.connection.http2());
    }

    /// Sends a push, or gives it back.
    pub(super) fn send(&mut self, push: Push, now: Moment) -> Result<(), Box<(Push, SendError)>> {
        self.used = now;
        self.session.send(push, self.connection.http2(), now)
    }

    /// Writes what there is to write. That may be when the socket's end shows: what became of the
    /// pushes is known then, too.
    pub(super) fn flush(&mut self, now: Moment, ended: &mut Vec<Ended>) {
        self.connection.flush(now.monotonic);
        self.take_events(now, ended);
    }

    /// When a push was last handed to it.
    pub(super) fn used(&self) -> Instant {
        self.used.monotonic
    }

    /// Whether it has turned out to be good for something, or has had its time to show it.
    pub(super) fn has_shown_itself(&self, now: Instant) -> bool {
        self.session.is_useful() || now >= self.opened + PROOF_TIME
    }

    /// True once, when it has shown itself, or ends.
    pub(super) fn newly_settled(&mut self, now: Instant) -> bool {
        let settled = self.has_shown_itself(now) || self.is_retiring() || self.is_over();
        settled && !std::mem::replace(&mut self.settled, true)
    }

    /// Whether it was worth its opening; once, when it takes no more pushes and that is known.
    /// `None` also of one that ends without use, of which [`Link::end`] tells.
    pub(super) fn judge(&mut self, now: Instant) -> Option<Worth> {
        let has_use = self.session.is_useful() || self.in_flight() > 0;
        if self.left.is_none() && (self.is_retiring() || self.is_over()) {
            self.left = Some(now);
        }
        let until = self.left.unwrap_or(now);
        let old = until.saturating_duration_since(self.opened) >= WORTHY_AGE;
        let before = self.answers_before.unwrap_or(0);
        let answered = self.session.answered().saturating_sub(before);
        let busy = self.session.is_useful() && (old || answered >= WORTHY_ANSWERS);
        let idle = matches!(self.session.retiring(), Some(IDLE | YIELDED));
        // Its provider may part with it while most of the answers are under way: they decide.
        let in_flight = u64::try_from(self.in_flight()).unwrap_or(u64::MAX);
        let is_open = answered.saturating_add(in_flight) >= WORTHY_ANSWERS;
        let is_ripe = self.is_over() || (self.is_retiring() && (busy || idle || !is_open));
        if !is_ripe || !has_use || std::mem::replace(&mut self.judged, true) {
            return None;
        }
        Some(if busy || idle {
            Worth::Good
        } else {
            Worth::Short
        })
    }

    /// Whether it has taken no push for so long that those in hand should not wait for it.
    pub(super) fn holds_up(&self, now: Instant) -> bool {
        now >= self.held_until()
    }

    /// When pushes in hand have waited for too long.
    pub(super) fn held_until(&self) -> Instant {
        self.used.monotonic + HELD_MAX
    }

    /// Lets it go if it was not used for so long, by the time of those between us and the peer, who
    /// forget an idle connection also while the process stands still.
    pub(super) fn retire_if_idle(&mut self, now: Moment, idle_timeout: Duration) {
        if self.in_flight() == 0 && now.since(self.used) >= idle_timeout {
            self.session.retire(IDLE);
        }
    }

    /// Whether it has taken no push for so long that those which wait should not wait for it. With
    /// nothing in flight it retires: a server that allows no streams should not do so for long
    /// (RFC 9113 §6.5.2).
    pub(super) fn is_stuck(&mut self, now: Instant) -> bool {
        let stuck = now.saturating_duration_since(self.used.monotonic) >= STUCK_AFTER;
        if stuck && self.in_flight() == 0 && !self.session.is_in_doubt() {
            self.session.retire("it allows no streams");
        }
        stuck
    }

    /// When it is old enough to be given up for pushes that it has refused, though others are
    /// served on it: a provider that refuses now and then must not make us reconnect each time.
    pub(super) fn may_make_way_at(&self) -> Instant {
        self.opened + WORTHY_AGE
    }

    /// It takes no more pushes.
    pub(super) fn is_retiring(&self) -> bool {
        self.session.retiring().is_some()
    }

    /// It has nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.connection.is_closed() || (self.is_retiring() && self.in_flight() == 0)
    }

    /// There is input that no wait will report.
    pub(super) fn has_more(&self) -> bool {
        self.connection.has_more()
    }

    /// When it has to be looked at again.
    pub(super) fn next_timeout(&self, idle_timeout: Duration) -> Option<Instant> {
        let timeouts = [
            self.due().map(|due| self.grace.looks_at(due)),
            self.idle_at(idle_timeout),
            self.opened
                .checked_add(PROOF_TIME)
                .filter(|_| !self.settled),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Says goodbye and hands over every push that is still on it, with what is known of it.
    pub(super) fn end(&mut self, now: Moment, ended: &mut Vec<Ended>) -> Parting {
        self.take_events(now, ended);
        self.connection.http2().close(ErrorCode::NO_ERROR);
        self.flush(now, ended);
        self.abandon("the connection was lost", now, ended);
        let why = self.session.retiring().unwrap_or("closed").to_owned();
        let is_let_go = [IDLE, YIELDED, REPLACED, PUT_OFF, HELD].contains(&&*why);
        Parting {
            failed: !(self.session.is_useful() || self.session.is_refused() || is_let_go),
            peer: self.peer(),
            answered: self.session.answered(),
            stood: now.stood_since(self.begun.at),
            only_target: self.session.only_target(),
            was_silent: self.session.is_silent(),
            in_vain: !is_let_go && self.answers_before == Some(self.session.answered()),
            candidate: self.is_candidate().then_some(self.begun.generation),
            why,
        }
    }

    /// Hands over every push that is still on it as unknown, without a look at the connection.
    pub(super) fn abandon(&mut self, why: &'static str, now: Moment, ended: &mut Vec<Ended>) {
        self.session.abandon(why, now, ended);
    }

    fn take_events(&mut self, now: Moment, ended: &mut Vec<Ended>) {
        while let Some(event) = self.connection.http2().poll_event() {
            let before = ended.len();
            self.session
                .handle_event(event, self.connection.http2(), now, ended);
            for it in ended.iter_mut().skip(before) {
                if matches!(it.outcome, Outcome::NotProcessed(_)) && !it.was_early {
                    it.push.refused_by = Some(self.id);
                }
            }
        }
    }

    /// When it has been without pushes for too long, if it is without.
    fn idle_at(&self, idle_timeout: Duration) -> Option<Instant> {
        let idle = self.in_flight() == 0;
        let used = self.used.monotonic;
        idle.then(|| used.checked_add(idle_timeout)).flatten()
    }
}

/// Why a connection without pushes ends.
const IDLE: &str = "idle";

/// Why a connection ends that has refused pushes which no other connection takes.
pub(super) const REFUSES: &str = "it refused pushes that no other connection takes";

/// Why a connection ends whose thread yields its place.
pub(super) const YIELDED: &str = "core.provider_connections: another lane has its place";

/// Why a connection of a route that is no longer the lane's ends.
pub(super) const REPLACED: &str = "its route was replaced";

/// Why a connection ends by which a candidate was tried, of which nothing was learnt.
pub(super) const PUT_OFF: &str = "what it was opened to try is tried again later";

/// Why a connection ends whose credential was refused on it or on another: the next probe shall
/// not be judged by what this one has learnt of the credential.
pub(super) const HELD: &str = "the credential is refused";

/// Why a connection ends that refuses one push after the other what others take.
pub(super) const WEDGED: &str = "it refuses the credential that others take";
/// So many refusals in a row are not about their pushes.
pub(super) const WEDGED_AFTER: u32 = 2;
