//! Pushes that a connection has refused unprocessed, and that wait for another one.
//!
//! Bounded by the lane's reservation counter: every push here holds its reservation.

use std::collections::{BTreeMap, VecDeque};

use super::CHUNK;
use crate::push::{ConnectionId, Push};

/// Pushes by the connection that refused them last.
#[derive(Debug, Default)]
pub(super) struct Aside {
    by: BTreeMap<ConnectionId, VecDeque<Push>>,
}

impl Aside {
    /// Keeps a push for others than that connection.
    pub(super) fn put(&mut self, push: Push, refuser: ConnectionId) {
        self.by.entry(refuser).or_default().push_back(push);
    }

    /// Moves a chunk of what another connection has refused than that one; false if there is none.
    pub(super) fn take_for(&mut self, connection: ConnectionId, hand: &mut VecDeque<Push>) -> bool {
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

    /// Whether a push waits that the connection has refused.
    pub(super) fn is_avoided(&self, connection: ConnectionId) -> bool {
        self.by.contains_key(&connection)
    }

    /// Takes all of it.
    pub(super) fn take_all(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.by)
            .into_values()
            .flatten()
            .collect()
    }
}
