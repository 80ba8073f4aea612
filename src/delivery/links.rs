//! The connections of one thread: the present one, which takes pushes, and those that retire and
//! wait for their last answers.
//!
//! # What a connection refuses
//!
//! What a connection refuses (`REFUSED_STREAM`) goes to another one: to an open one that has room,
//! after 100 ms to one that is opened for it. Where all threads have theirs, or there is but one,
//! the connection that refused makes way to a successor: at once if it was of no use, else when it
//! is 10 s old, so that a provider which refuses now and then is not dialled each time; until then
//! the others go on. What was refused before the provider had acknowledged our SETTINGS goes again
//! on the same connection: some servers refuse what comes so early, on each new one.

use std::time::{Duration, Instant};

use super::link::{Begun, Link, Parting};
use super::session::Ended;
use super::transport::Transport;
use crate::moment::Moment;
use crate::push::{ConnectionId, Push, PushId};
use crate::stats::OpenConnections;

/// Retiring connections whose last answers a thread waits for, beside its present connection.
/// While there are as many, it opens no further one.
pub const DRAINING_MAX: usize = 4;

/// The connections of one thread.
#[derive(Debug)]
pub(super) struct Links<T> {
    /// The one that takes pushes.
    pub(super) present: Option<Link<T>>,
    /// The one by which a candidate is tried.
    pub(super) candidate: Option<Link<T>>,
    /// At most [`DRAINING_MAX`].
    draining: Vec<Link<T>>,
    /// The next one, which is being opened.
    pub(super) dialling: Option<Begun>,
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self {
            present: None,
            candidate: None,
            draining: Vec::new(),
            dialling: None,
        }
    }
}

impl<T: Transport> Links<T> {
    /// Sockets, events, time-outs.
    pub(super) fn receive(&mut self, now: Moment, ended: &mut Vec<Ended>) {
        self.iter_mut().for_each(|link| link.receive(now, ended));
    }

    /// Writes what there is to write.
    pub(super) fn flush(&mut self, now: Moment, ended: &mut Vec<Ended>) {
        // What those that drain have given up was known before what the present one sends.
        let links = self.draining.iter_mut().chain(&mut self.candidate);
        let links = links.chain(&mut self.present);
        links.for_each(|link| link.flush(now, ended));
    }

    /// Whether there is none, nor one that drains.
    pub(super) fn are_none(&self) -> bool {
        self.iter().next().is_none()
    }

    /// There is input that no wait will report.
    pub(super) fn have_more(&self) -> bool {
        self.iter().any(Link::has_more)
    }

    /// Whether there is none, nor one that is being opened.
    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none() && self.dialling.is_none()
    }

    /// Pushes in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.iter().map(Link::in_flight).sum()
    }

    /// How many there are, and streams that the provider allows on them.
    pub(super) fn open(&mut self) -> OpenConnections {
        let links = self.iter_mut().filter(|link| !link.is_over());
        links.fold(OpenConnections::default(), |open, link| OpenConnections {
            connections: open.connections + 1,
            streams: open.streams + link.streams() as u64,
        })
    }

    /// The push of that id, if it is in flight.
    pub(super) fn find(&self, id: PushId) -> Option<&Push> {
        self.iter().find_map(|link| link.find(id))
    }

    /// Lets one take no more pushes.
    pub(super) fn retire(&mut self, id: ConnectionId, why: &str) {
        for link in self.iter_mut().filter(|link| link.id() == id) {
            link.session().retire(why);
        }
    }

    /// When one of them has to be looked at again.
    pub(super) fn next_timeout(&self, idle_timeout: Duration) -> Option<Instant> {
        self.iter()
            .filter_map(|link| link.next_timeout(idle_timeout))
            .min()
    }

    /// Takes one that was opened as the present one. If there is one by now it goes beside that.
    pub(super) fn take_opened(&mut self, link: Link<T>) {
        match &self.present {
            None => self.present = Some(link),
            Some(_) => self.draining.push(link),
        }
    }

    /// Lets the present one retire if it takes no more pushes, and that of a candidate. Where the
    /// candidate's route is the present one by now, so is its connection.
    pub(super) fn part(&mut self, generation: u64) {
        let draining = self.draining.len();
        let goes =
            |link: &mut Link<T>| link.is_over() || (link.is_retiring() && draining < DRAINING_MAX);
        self.draining.extend(self.present.take_if(goes));
        let draining = self.draining.len();
        let goes =
            |link: &mut Link<T>| link.is_over() || (link.is_retiring() && draining < DRAINING_MAX);
        self.draining.extend(self.candidate.take_if(goes));
        if self.present.is_none() {
            let is_present = |link: &mut Link<T>| link.session().generation() == generation;
            self.present = self.candidate.take_if(is_present);
            self.present.iter_mut().for_each(Link::is_adopted);
        }
    }

    /// Ends one that has nothing left to do, and says what became of it.
    pub(super) fn end_one(&mut self, now: Moment, ended: &mut Vec<Ended>) -> Option<Parting> {
        let index = self.draining.iter().position(Link::is_over)?;
        self.end(index, now, ended)
    }

    /// Ends one, whatever it has left to do.
    pub(super) fn end_any(&mut self, now: Moment, ended: &mut Vec<Ended>) -> Option<Parting> {
        self.draining.extend(self.present.take());
        self.draining.extend(self.candidate.take());
        self.end(0, now, ended)
    }

    /// It stays where it is until its pushes are handed over, in case that ends in a panic.
    fn end(&mut self, index: usize, now: Moment, ended: &mut Vec<Ended>) -> Option<Parting> {
        let parting = self.draining.get_mut(index)?.end(now, ended);
        self.draining.swap_remove(index);
        Some(parting)
    }

    /// All of them, to be given up.
    pub(super) fn take(&mut self) -> Vec<Link<T>> {
        self.draining.extend(self.present.take());
        self.draining.extend(self.candidate.take());
        std::mem::take(&mut self.draining)
    }

    /// Those that take pushes: the present one, and that of a candidate.
    pub(super) fn taking(&mut self) -> impl Iterator<Item = &mut Link<T>> {
        self.present.iter_mut().chain(&mut self.candidate)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link<T>> {
        let taking = self.present.iter_mut().chain(&mut self.candidate);
        taking.chain(&mut self.draining)
    }

    fn iter(&self) -> impl Iterator<Item = &Link<T>> {
        let taking = self.present.iter().chain(&self.candidate);
        taking.chain(&self.draining)
    }
}
