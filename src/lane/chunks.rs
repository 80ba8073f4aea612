//! Chunks of pushes that wait, and a look through them that is made a piece at a time: what it has
//! met goes before what it has not, so that all keep their order, however many are taken meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender};

use super::lock;
use crate::push::{Accepted, Push};

/// See the module. Has both ends of its channel, which cannot be disconnected so.
#[derive(Debug)]
pub(super) struct Chunks {
    sender: Sender<Chunk>,
    receiver: Receiver<Chunk>,
    looked: Mutex<Looked>,
    /// Chunks in there: nobody needs its lock while there are none.
    in_looked: AtomicUsize,
}

/// What a look has to do with; of what has come since it began it knows nothing.
#[derive(Debug, Default)]
struct Looked {
    /// What it has met.
    met: VecDeque<Chunk>,
    /// What earlier ones have met, and it has not yet.
    unmet: VecDeque<Chunk>,
    /// Chunks in the channel that it has still to meet.
    in_channel: usize,
}

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
        let runs = || pushes.chunk_by(|before, push| push.follows(before));
        // Counted first: one allocation, of just that size.
        let mut spans = Vec::with_capacity(runs().count());
        spans.extend(runs().filter_map(PushSpan::of));
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
    /// The span of pushes that follow each other, if there are any.
    fn of(pushes: &[Push]) -> Option<Self> {
        let (first, last) = pushes.first().zip(pushes.last())?;
        Some(Self {
            accepted: Arc::clone(first.accepted()),
            from: first.index(),
            to: last.index() + 1,
        })
    }

    fn pushes(&self) -> impl Iterator<Item = Push> {
        (self.from..self.to).filter_map(|index| Push::nth(&self.accepted, index))
    }
}

impl Chunks {
    pub(super) fn put(&self, chunk: Vec<Push>) {
        let _never_disconnected = self.sender.send(Chunk::of(chunk)).is_err();
    }

    pub(super) fn take(&self) -> Option<Vec<Push>> {
        let first = (self.in_looked.load(Ordering::Acquire) > 0)
            .then(|| self.with_looked(Looked::take))
            .flatten();
        let chunk = first.or_else(|| self.receiver.try_recv().ok());
        chunk.map(Chunk::pushes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty() && self.in_looked.load(Ordering::Acquire) == 0
    }

    /// Begins a look through all that is there; one that was under way is over.
    pub(super) fn begin_look(&self) {
        let in_channel = self.receiver.len();
        self.with_looked(|looked| {
            let met = std::mem::take(&mut looked.met);
            let unmet = std::mem::replace(&mut looked.unmet, met);
            looked.unmet.extend(unmet);
            looked.in_channel = in_channel;
        });
    }

    /// Takes the next chunk that the look has not met, which goes on by [`Chunks::put_met`].
    pub(super) fn take_unmet(&self) -> Option<Vec<Push>> {
        let chunk = self.with_looked(|looked| {
            looked.unmet.pop_front().or_else(|| {
                looked.in_channel = looked.in_channel.checked_sub(1)?;
                self.receiver.try_recv().ok()
            })
        });
        chunk.map(Chunk::pushes)
    }

    /// Puts back what the look has met.
    pub(super) fn put_met(&self, chunk: Vec<Push>) {
        let chunk = Chunk::of(chunk);
        self.with_looked(|looked| looked.met.push_back(chunk));
    }

    fn with_looked<R>(&self, change: impl FnOnce(&mut Looked) -> R) -> R {
        let looked = &mut *lock(&self.looked);
        let result = change(looked);
        for row in [&mut looked.met, &mut looked.unmet] {
            if row.is_empty() {
                // Its memory was as much as for all that has waited.
                *row = VecDeque::new();
            }
        }
        let chunks = looked.met.len() + looked.unmet.len();
        self.in_looked.store(chunks, Ordering::Release);
        result
    }
}

impl Looked {
    fn take(&mut self) -> Option<Chunk> {
        self.met.pop_front().or_else(|| self.unmet.pop_front())
    }
}

impl Default for Chunks {
    fn default() -> Self {
        let (sender, receiver) = crossbeam_channel::unbounded();
        Self {
            sender,
            receiver,
            looked: Mutex::default(),
            in_looked: AtomicUsize::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::push::{ConnectionId, Contradictions, Setback, fixture};

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

    /// Chunks of two pushes each, of which others are taken and put meanwhile.
    #[test]
    fn what_is_looked_at_a_piece_at_a_time_keeps_its_order() {
        let (chunks, now) = (Chunks::default(), Moment::now());
        let put = |ids: std::ops::RangeInclusive<u64>| {
            ids.for_each(|id| chunks.put(fixture::pushes(10 * id, 2, now)));
        };
        let id = |chunk: Option<Vec<Push>>| chunk.map(|pushes| pushes[0].id().0 / 10);
        let look = || {
            let chunk = chunks.take_unmet();
            let id = id(chunk.clone());
            if let Some(chunk) = chunk {
                chunks.put_met(chunk);
            }
            id
        };
        put(1..=6);
        assert_eq!(look(), None, "none has begun");
        chunks.begin_look();
        assert_eq!([look(), look(), look()], [1, 2, 3].map(Some));
        put(7..=7);
        assert_eq!([id(chunks.take()), id(chunks.take())], [1, 2].map(Some));
        // One that begins again meets all that is left, in its order, and no later one.
        chunks.begin_look();
        put(8..=8);
        let met: Vec<_> = std::iter::from_fn(look).collect();
        assert_eq!(met, [3, 4, 5, 6, 7]);
        chunks.begin_look();
        assert_eq!([look(), look()], [3, 4].map(Some));
        let rest: Vec<_> = std::iter::from_fn(|| id(chunks.take())).collect();
        assert_eq!(rest, [3, 4, 5, 6, 7, 8]);
        assert!(chunks.is_empty() && look().is_none());
    }
}
