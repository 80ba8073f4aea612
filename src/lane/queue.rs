//! What is ready to be taken: fresh pushes, those that come back, and those that a connection has
//! refused and another may take.
//!
//! Bounded by the lane's room; the channels carry chunks.

use std::collections::VecDeque;
use std::sync::Mutex;

use crossbeam_channel::{Receiver, Sender};

use super::aside::Aside;
use super::{CHUNK, lock};
use crate::push::{ConnectionId, Push};

/// Chunks of pushes, both ends: so the channel cannot be disconnected.
#[derive(Debug)]
pub(super) struct Chunks(Sender<Vec<Push>>, Receiver<Vec<Push>>);

impl Chunks {
    pub(super) fn put(&self, chunk: Vec<Push>) {
        let _never_disconnected = self.0.send(chunk).is_err();
    }

    pub(super) fn take(&self) -> Option<Vec<Push>> {
        self.1.try_recv().ok()
    }

    pub(super) fn len(&self) -> usize {
        self.1.len()
    }
}

impl Default for Chunks {
    fn default() -> Self {
        let (sender, receiver) = crossbeam_channel::unbounded();
        Self(sender, receiver)
    }
}

/// The queue of a lane.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) ready: Chunks,
    /// Due retries, and what a lost connection never sent. They go first.
    pub(super) returned: Chunks,
    aside: Mutex<Aside>,
}

impl Queue {
    /// Queues fresh pushes.
    pub(super) fn add(&self, pushes: impl Iterator<Item = Push>) {
        let mut pushes = pushes.peekable();
        while pushes.peek().is_some() {
            self.ready.put(pushes.by_ref().take(CHUNK).collect());
        }
    }

    /// Takes a chunk into `hand`; false if there was none.
    pub(super) fn take(&self, hand: &mut VecDeque<Push>) -> bool {
        let chunk = self.returned.take().or_else(|| self.ready.take());
        chunk.map(|pushes| hand.extend(pushes)).is_some()
    }

    /// Takes a chunk into `hand` that the connection has not refused; false if there was none. What
    /// it has refused is kept for the others, who are told of it each time.
    pub(super) fn take_for(
        &self,
        connection: ConnectionId,
        hand: &mut VecDeque<Push>,
        tell: impl Fn(),
    ) -> bool {
        if lock(&self.aside).take_for(connection, hand) {
            return true;
        }
        while self.take(hand) {
            if hand.iter().any(|push| push.refused_by == Some(connection)) {
                let (refused, fit): (Vec<_>, Vec<_>) = std::mem::take(hand)
                    .into_iter()
                    .partition(|push| push.refused_by == Some(connection));
                hand.extend(fit);
                hand.extend(self.put_aside(refused));
                tell();
            }
            if !hand.is_empty() {
                return true;
            }
        }
        false
    }

    /// Whether a chunk is waiting.
    pub(super) fn has_chunks(&self) -> bool {
        self.ready.len() > 0 || self.returned.len() > 0
    }

    /// Whether that connection could take what others have refused; `None` is one that is still to
    /// be opened.
    pub(super) fn has_aside_for(&self, connection: Option<ConnectionId>) -> bool {
        lock(&self.aside).has_for(connection)
    }

    /// Whether a push waits that the connection has refused.
    pub(super) fn is_avoided(&self, connection: ConnectionId) -> bool {
        lock(&self.aside).is_avoided(connection)
    }

    /// Keeps pushes for other connections than those that refused them; gives back the others.
    pub(super) fn put_aside(&self, pushes: Vec<Push>) -> Vec<Push> {
        let mut aside = lock(&self.aside);
        let mut unrefused = Vec::new();
        for push in pushes {
            match push.refused_by {
                Some(refuser) => aside.put(push, refuser),
                None => unrefused.push(push),
            }
        }
        unrefused
    }

    /// Takes what others have refused.
    pub(super) fn take_aside(&self) -> Vec<Push> {
        lock(&self.aside).take_all()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::moment::Moment;
    use crate::push::fixture;

    #[test]
    fn what_a_connection_has_refused_is_kept_for_another() {
        let (queue, mut hand) = (Queue::default(), VecDeque::new());
        let [one, two] = [1, 2].map(ConnectionId::new);
        let pushes = fixture::pushes(7, 3, Moment::now()).into_iter().enumerate();
        queue.add(pushes.map(|(index, mut push)| {
            push.refused_by = (index == 0).then_some(one);
            push
        }));
        assert!(queue.has_chunks() && !queue.has_aside_for(None));
        let told = Cell::new(0);
        let mut take_for = |connection| {
            let tell = || told.set(told.get() + 1);
            let found = queue.take_for(connection, &mut hand, tell);
            (found, hand.len())
        };
        assert_eq!(take_for(one), (true, 2));
        assert!(!queue.has_chunks());
        assert!(queue.is_avoided(one) && !queue.has_aside_for(Some(one)));
        assert_eq!(take_for(one), (false, 2));
        assert_eq!((take_for(two), told.get()), ((true, 3), 1));
        assert_eq!(
            queue.put_aside(hand.into()).len(),
            2,
            "nobody refused those"
        );
    }
}
