//! What is ready to be taken: fresh pushes, those that come back, and those that a connection has
//! refused and another may take.
//!
//! Bounded by the lane's room; the channels carry chunks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender};

use super::aside::Aside;
use super::{CHUNK, lock};
use crate::push::{Accepted, ConnectionId, Push};

/// Chunks of pushes, both ends: so the channel cannot be disconnected.
#[derive(Debug)]
pub(super) struct Chunks(Sender<Chunk>, Receiver<Chunk>);

/// Pushes that wait together. Those of which nothing has become yet wait as places in their
/// notifications.
#[derive(Debug)]
enum Chunk {
    Span(PushSpan),
    Spans(Box<[PushSpan]>),
    Tried(Vec<Push>),
}

/// Pushes of one notification to device tokens that follow each other.
#[derive(Debug)]
struct PushSpan {
    accepted: Arc<Accepted>,
    from: u32,
    to: u32,
}

const _: () = assert!(size_of::<Chunk>() == 24);

impl Chunk {
    fn of(pushes: Vec<Push>) -> Self {
        if !pushes.iter().all(Push::is_fresh) {
            return Self::Tried(pushes);
        }
        let mut spans: Vec<PushSpan> = Vec::new();
        for push in &pushes {
            let (accepted, index) = (push.accepted(), push.index());
            match spans.last_mut() {
                Some(last) if Arc::ptr_eq(&last.accepted, accepted) && last.to == index => {
                    last.to += 1;
                }
                _ => spans.push(PushSpan {
                    accepted: Arc::clone(accepted),
                    from: index,
                    to: index + 1,
                }),
            }
        }
        match <[PushSpan; 1]>::try_from(spans) {
            Ok([span]) => Self::Span(span),
            Err(spans) => Self::Spans(spans.into()),
        }
    }

    fn pushes(self) -> Vec<Push> {
        match self {
            Self::Span(span) => span.pushes().collect(),
            Self::Spans(spans) => spans.iter().flat_map(PushSpan::pushes).collect(),
            Self::Tried(pushes) => pushes,
        }
    }
}

impl PushSpan {
    fn pushes(&self) -> impl Iterator<Item = Push> {
        (self.from..self.to).filter_map(|index| Push::nth(&self.accepted, index))
    }
}

impl Chunks {
    /// In chunks that a thread may take whole; false if there was none.
    pub(super) fn put_all(&self, pushes: impl Iterator<Item = Push>) -> bool {
        let mut pushes = pushes.peekable();
        let is_some = pushes.peek().is_some();
        while pushes.peek().is_some() {
            self.put(pushes.by_ref().take(CHUNK).collect());
        }
        is_some
    }

    pub(super) fn put(&self, chunk: Vec<Push>) {
        let _never_disconnected = self.0.send(Chunk::of(chunk)).is_err();
    }

    pub(super) fn take(&self) -> Option<Vec<Push>> {
        self.1.try_recv().ok().map(Chunk::pushes)
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
        self.ready.put_all(pushes);
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
    use crate::push::{Contradictions, Setback, fixture};

    #[test]
    fn pushes_wait_in_their_order_and_fresh_ones_as_places_in_their_notifications() {
        let now = Moment::now();
        let [one, other] = [(1, 5), (9, 2)].map(|(id, count)| fixture::pushes(id, count, now));
        // Each fact alone is more than a place can say.
        let facts: [fn(&mut Push); 10] = [
            |push| push.attempts = 1,
            |push| push.refusals = 1,
            |push| push.refused_by = Some(ConnectionId::new(1)),
            |push| push.maybe_sent = true,
            |push| push.in_doubt = true,
            |push| push.used_its_second_chance = true,
            |push| push.is_retry = true,
            |push| push.first_attempt = Some(push.accepted().at.monotonic),
            |push| push.setback = Some(Setback::Refused),
            |push| push.contradictions = Contradictions::kept(1, 0),
        ];
        let tried = facts.map(|become_of| {
            let mut pushes = one.clone();
            become_of(&mut pushes[1]);
            (pushes, false, true)
        });
        let fresh = [
            (one.clone(), true, false),
            (one[2..4].to_vec(), true, false),
            ([&one[3..], &other].concat(), false, false),
            (
                vec![one[2].clone(), one[1].clone(), one[4].clone()],
                false,
                false,
            ),
        ];
        for (pushes, is_span, is_tried) in fresh.into_iter().chain(tried) {
            let chunk = Chunk::of(pushes.clone());
            assert_eq!(matches!(chunk, Chunk::Span(_)), is_span, "{chunk:?}");
            assert_eq!(matches!(chunk, Chunk::Tried(_)), is_tried, "{chunk:?}");
            assert_eq!(chunk.pushes(), pushes);
        }
    }

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
