//! Pushes that a connection has refused unprocessed, and that wait for another one.
//!
//! Bounded by the lane's reservation counter: every push here holds its reservation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;

use super::{CHUNK, Lane, State, lock};
use crate::push::{ConnectionId, Push};

/// Pushes by the connection that refused them last.
#[derive(Debug, Default)]
pub(super) struct Aside {
    by: BTreeMap<ConnectionId, VecDeque<Push>>,
}

impl Aside {
    fn put(&mut self, push: Push, refuser: ConnectionId) {
        self.by.entry(refuser).or_default().push_back(push);
    }

    /// Moves a chunk of what another connection has refused than that one; false if there is none.
    fn take_for(&mut self, connection: ConnectionId, hand: &mut VecDeque<Push>) -> bool {
        let mut others = self.by.iter_mut();
        let Some((&refuser, pushes)) = others.find(|(refuser, _)| **refuser != connection) else {
            return false;
        };
        hand.extend(pushes.drain(..CHUNK.min(pushes.len())));
        if pushes.is_empty() {
            self.by.remove(&refuser);
        }
        true
    }

    /// Whether that connection could take some; `None` is one that is still to be opened.
    pub(super) fn has_for(&self, connection: Option<ConnectionId>) -> bool {
        self.by.keys().any(|refuser| Some(*refuser) != connection)
    }

    /// Takes all of it.
    pub(super) fn take_all(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.by)
            .into_values()
            .flatten()
            .collect()
    }
}

impl Lane {
    /// A number for a connection that was opened.
    pub fn new_connection(&self) -> ConnectionId {
        ConnectionId::new(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a chunk of pushes into `hand` that the connection has not refused; false if there was
    /// none. What it has refused is kept for the others, and those that wait are woken.
    pub fn take_for(&self, connection: ConnectionId, hand: &mut VecDeque<Push>) -> bool {
        if lock(&self.aside).take_for(connection, hand) {
            return true;
        }
        while self.take(hand) {
            if hand.iter().any(|push| push.refused_by == Some(connection)) {
                let (refused, fit): (Vec<_>, Vec<_>) = std::mem::take(hand)
                    .into_iter()
                    .partition(|push| push.refused_by == Some(connection));
                hand.extend(fit);
                self.put_aside(refused);
            }
            if !hand.is_empty() {
                return true;
            }
        }
        false
    }

    /// Whether something waits that the connection may take; `None` is one that is still to be
    /// opened.
    pub fn has_work_for(&self, connection: Option<ConnectionId>) -> bool {
        self.has_work() || lock(&self.aside).has_for(connection)
    }

    /// Whether a push waits that the connection has refused.
    pub fn is_avoided(&self, connection: ConnectionId) -> bool {
        lock(&self.aside).by.contains_key(&connection)
    }

    /// Wakes a thread that has no connection, if one could be opened, for pushes that none of the
    /// open ones takes; false if there is none.
    pub fn call_another(&self) -> bool {
        let called = self.attendance.call_cold(|| self.dial().is_free());
        called.inspect(|seat| self.wake(*seat)).is_some()
    }

    /// Keeps pushes for other connections than those that refused them.
    pub(super) fn put_aside(&self, pushes: Vec<Push>) {
        let mut aside = lock(&self.aside);
        let mut unrefused = Vec::new();
        for push in pushes {
            match push.refused_by {
                Some(refuser) => aside.put(push, refuser),
                None => unrefused.push(push),
            }
        }
        drop(aside);
        self.put_back(unrefused);
        // Whoever looks or is busy will see it; who has no connection is called if none takes it.
        for seat in 0..self.wakes.len() {
            if self.attendance.is(seat, State::Warm) {
                self.wake(seat);
            }
        }
    }
}
