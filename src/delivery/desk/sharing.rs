//! How a connection thread comes by the connection of another lane's, and gives its own away: see
//! the module `pool`.
//!
//! One is given away as soon as it has nothing to do, without a pause: who needs it again asks
//! back, which costs two wake-ups, and a handshake costs three ways to the provider and back. It is
//! asked for transactional pushes alone, and by a lane that sends on none of its own: a campaign
//! would keep it for long, and one after the other, from those whose pushes it must not hold up. A
//! lane whose connections fail asks for none, nor does one that is held: what ended them might end
//! those of others too, or be judged by what they have learnt.

use std::io;
use std::sync::Arc;

use super::super::link::{HandedOver, Link, REPLACED};
use super::super::pool::{ASKED_MAX, Asked, ConnectionPool, Membership, Reply};
use super::super::transport::Transport;
use super::{Desk, Timer};
use crate::lane::{Lack, MaySend};
use crate::moment::Moment;

/// What a thread has to do with other lanes' connections.
#[derive(Debug)]
pub(super) struct Sharing<T> {
    pool: Option<Arc<ConnectionPool<T>>>,
    /// Of the present connection.
    membership: Option<Membership<T>>,
    /// What is asked for, in the place of the connection that is to be opened next.
    asked: Option<Asked<T>>,
    /// It was asked for in vain: that one is opened.
    opens: bool,
}

impl<T> Default for Sharing<T> {
    fn default() -> Self {
        Self {
            pool: None,
            membership: None,
            asked: None,
            opens: false,
        }
    }
}

impl<T> Sharing<T> {
    /// The present connection is lost.
    pub(super) fn forget_present(&mut self) {
        self.membership = None;
    }

    /// Whether a connection was asked for in vain, once.
    pub(super) fn take_opens(&mut self) -> bool {
        std::mem::take(&mut self.opens)
    }
}

impl<T: Transport> Desk<T> {
    /// The desk of a thread that shares its connections with those of other lanes.
    #[must_use]
    pub fn sharing(mut self, pool: Arc<ConnectionPool<T>>) -> Self {
        self.sharing.pool = Some(pool);
        self
    }

    /// Asks for another lane's connection instead of the one that is to be opened; whether there
    /// is one to ask for.
    pub(super) fn asks_for_one(&mut self, now: Moment) -> bool {
        let key = self.following.route.pool.as_ref();
        let Some((pool, key)) = self.sharing.pool.as_ref().zip(key) else {
            return false;
        };
        // A campaign would leave the others without, and who tries a credential gives nothing back.
        let is_small = self.lane.has_urgent_for(None)
            && !self.lane.has_bulk()
            && !self.shown.has_others(&self.lane);
        let is_well = is_small
            && !self.following.has_candidate()
            && self.lane.may_send(now.monotonic) == MaySend::Yes
            && self.lane.crew().dial().may_take_over();
        let asked = is_well.then(|| pool.ask(&self.lane, self.seat, key));
        self.sharing.asked = asked.flatten();
        let until = now.monotonic.checked_add(ASKED_MAX);
        if self.sharing.asked.is_some() {
            self.timers.set(Timer::TakeOver, until);
        }
        self.sharing.asked.is_some()
    }

    /// Takes over the connection that was asked for, if it is there, once `join` has put it to the
    /// thread's waiter. To be called before each round.
    pub fn take_over(&mut self, join: impl FnOnce(&mut T) -> io::Result<()>, now: Moment) {
        let Some(asked) = &self.sharing.asked else {
            return;
        };
        let handed = if self.timers.is_due(Timer::TakeOver, now.monotonic) {
            asked.withdraw()
        } else {
            match asked.reply() {
                Reply::Awaited => return,
                Reply::Given(handed) => Some(*handed),
                Reply::Refused => None,
            }
        };
        self.sharing.asked = None;
        self.timers.stop(Timer::TakeOver);
        let Some(mut handed) = handed else {
            self.sharing.opens = true;
            return;
        };
        match join(&mut handed.connection) {
            Ok(()) => self.adopt(handed, now),
            Err(error) => {
                let (lane, from) = (self.lane.id(), handed.from);
                ::log::error!("{lane}: cannot wait for the connection of lane {from}: {error}");
                handed.close(now);
                self.sharing.opens = true;
            }
        }
    }

    fn adopt(&mut self, handed: HandedOver<T>, now: Moment) {
        let Some(begun) = self.links.dialling.take() else {
            return handed.close(now);
        };
        let complaints = {
            let mut dial = self.lane.crew().dial();
            dial.succeeded();
            // It has shown that it is good.
            dial.settled();
            dial.ping_complaints()
        };
        self.lane.outage().has(Lack::Connection);
        let (id, from) = (self.lane.new_connection(), handed.from);
        let mut link = Link::taken_over(handed, id, &self.following.route, begun);
        link.slow_down_pings_to(complaints);
        if self.links.present.is_some() || begun.generation != self.following.generation {
            link.session().retire(REPLACED);
        }
        let (lane, peer) = (self.lane.id(), link.peer());
        ::log::debug!("{lane}: took over the connection of lane {from} to {peer}");
        self.links.take_opened(link);
    }

    /// Gives the present connection away if it is free and another lane's thread has asked for it,
    /// once `leave` has taken it from the thread's waiter. To be called after each round.
    pub fn give_away(&mut self, leave: impl FnOnce(&mut T) -> io::Result<()>) {
        if self.sharing.pool.is_none() {
            return;
        }
        let is_free = self.is_free();
        let key = self.following.route.pool.as_ref();
        let Some((pool, key)) = self.sharing.pool.as_ref().zip(key) else {
            return;
        };
        let has_link = self.links.present.is_some();
        let known = self.sharing.membership.take();
        let known = known.filter(|known| has_link && known.is_of(key));
        let joined = known.or_else(|| is_free.then(|| pool.join(&self.lane, self.seat, key)));
        let Some(membership) = joined else {
            return;
        };
        membership.show(is_free);
        let (lane, present) = (self.lane.id(), &mut self.links.present);
        let given = membership.answer(|| {
            let mut link = present.take_if(|_| is_free)?;
            match leave(link.transport()) {
                Ok(()) => Some(link.give_away(lane)),
                Err(error) => {
                    link.session()
                        .retire(format!("it cannot be given away: {error}"));
                    *present = Some(link);
                    None
                }
            }
        });
        let Some(taker) = given else {
            self.sharing.membership = Some(membership);
            return;
        };
        self.lane.crew().dial().lent();
        ::log::debug!("{lane}: gave its connection to lane {taker}");
    }

    /// Whether the present connection is one that another lane may have.
    fn is_free(&mut self) -> bool {
        let Some(link) = &mut self.links.present else {
            return false;
        };
        if link.in_flight() > 0 || !link.is_free() {
            return false;
        }
        let generation = link.session().generation();
        let is_present = generation == self.following.generation
            && generation == self.lane.holding().route_generation();
        let has_work = !self.trays.hand.is_empty() || self.lane.has_work_for(None);
        let is_busy = self.is_going || self.links.dialling.is_some() || has_work;
        let is_doubted = self.following.has_candidate() || self.lane.holding().is_held();
        let ends = self.lane.is_quiet() || self.lane.is_stopped();
        is_present && !is_busy && !is_doubted && !ends
    }

    /// Asks no longer for what would be closed at once: whoever was asked keeps it.
    pub(super) fn call_off(&mut self, now: Moment) {
        let is_shared = self.sharing.asked.is_some() || self.sharing.opens;
        let Some(begun) = self.links.dialling.filter(|_| is_shared) else {
            return;
        };
        let is_present = begun.generation == self.following.generation;
        let takes = is_present && self.links.present.is_none();
        if takes && !self.is_going && !self.lane.is_quiet() {
            return;
        }
        self.withdraw(now);
        self.sharing.opens = false;
        self.links.dialling = None;
        self.lane.crew().dial().called_off();
    }

    /// Has no more to do with other lanes.
    pub(super) fn end_sharing(&mut self, now: Moment) {
        self.sharing.forget_present();
        self.withdraw(now);
    }

    fn withdraw(&mut self, now: Moment) {
        self.timers.stop(Timer::TakeOver);
        let asked = self.sharing.asked.take();
        if let Some(handed) = asked.and_then(|asked| asked.withdraw()) {
            handed.close(now);
        }
    }
}
