//! What a connection takes from the queue of its lane, and what waits for it there.

use std::collections::VecDeque;

use super::Lane;
use crate::push::{ConnectionId, Push};

impl Lane {
    /// Takes a chunk of pushes into `hand`, which is empty, that the connection has not refused;
    /// false if there was none. What it has refused is kept for the others, and those that wait are
    /// woken.
    pub fn take_for(&self, connection: ConnectionId, hand: &mut VecDeque<Push>) -> bool {
        self.queue
            .take_for(connection, hand, || self.crew.wake_warm())
    }

    /// As [`Lane::take_for`], but of transactional pushes alone.
    pub fn take_transactional_for(
        &self,
        connection: ConnectionId,
        hand: &mut VecDeque<Push>,
    ) -> bool {
        self.queue
            .take_transactional_for(connection, hand, || self.crew.wake_warm())
    }

    /// As [`Lane::take_transactional_for`], to go before bulk ones that the caller has.
    pub fn overtake_for(&self, connection: ConnectionId, hand: &mut VecDeque<Push>) -> bool {
        self.queue
            .overtake_for(connection, hand, || self.crew.wake_warm())
    }

    /// Whether bulk pushes go before the transactional ones that wait: enough of these went before
    /// them.
    pub fn is_turn_of_bulk(&self) -> bool {
        self.queue.is_turn_of_bulk()
    }

    /// A bulk push was sent.
    pub fn bulk_goes(&self) {
        self.queue.bulk_goes();
    }

    /// Whether transactional pushes are queued, of whatever connection.
    pub fn has_transactional(&self) -> bool {
        self.queue.has_transactional()
    }

    /// Whether something waits for which a connection keeps streams that bulk pushes do not get:
    /// transactional pushes, or one that goes last and may.
    pub fn has_urgent_for(&self, connection: Option<ConnectionId>) -> bool {
        self.queue.has_transactional_for(connection) || self.holding.has_work()
    }

    /// Whether bulk pushes wait.
    pub fn has_bulk(&self) -> bool {
        self.queue.has_bulk()
    }

    /// Whether something waits that the connection may take; `None` is one that is still to be
    /// opened.
    pub fn has_work_for(&self, connection: Option<ConnectionId>) -> bool {
        self.has_work() || self.queue.has_aside_for(connection)
    }

    /// Whether a push waits that the connection has refused.
    pub fn is_avoided(&self, connection: ConnectionId) -> bool {
        self.queue.is_avoided(connection)
    }

    /// Keeps pushes for other connections than those that refused them.
    pub(super) fn put_aside(&self, pushes: Vec<Push>) {
        self.put_back(self.queue.put_aside(pushes));
        self.crew.wake_warm();
    }
}
