//! What is ready to be taken: fresh pushes, those that come back, and those that a connection has
//! refused and another may take. Each of them by class: transactional ones go before all bulk ones.
//!
//! Bounded by the lane's room; what waits comes in chunks.
//!
//! Should transactional pushes come without end, faster than the provider takes them, bulk ones are
//! not forgotten: while some wait, it is their turn after [`BULK_WAITS_FOR`] of the others, until
//! one of them has gone for [`BULK_ONE_IN`] less one of those.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::aside::Aside;
use super::chunks::Chunks;
use super::{CHUNK, lock};
use crate::push::{ConnectionId, Push, PushClass};

/// Our limit: of the pushes that a lane sends while bulk ones wait one in so many is of these, at
/// the least.
pub const BULK_ONE_IN: usize = 16;

/// Our limit: transactional pushes that go before bulk ones that wait, once none of these has gone
/// for long.
pub const BULK_WAITS_FOR: usize = 15 * CHUNK;

const _: () = assert!(BULK_WAITS_FOR == (BULK_ONE_IN - 1) * CHUNK);

/// The queue of a lane.
#[derive(Debug, Default)]
pub(super) struct Queue {
    transactional: ClassQueue,
    bulk: ClassQueue,
    /// Transactional pushes that were taken while bulk ones waited, less those that were due to
    /// the bulk ones that went.
    overtaking: AtomicUsize,
}

/// What waits of one class.
#[derive(Debug, Default)]
struct ClassQueue {
    ready: Chunks,
    /// Due retries, and what a lost connection never sent. They go first.
    returned: Chunks,
    aside: Mutex<Aside>,
}

impl ClassQueue {
    fn take(&self, hand: &mut VecDeque<Push>) -> bool {
        let chunk = self.returned.take().or_else(|| self.ready.take());
        chunk.map(|pushes| hand.extend(pushes)).is_some()
    }

    /// Takes a chunk into `hand` that the connection has not refused; false if there was none. What
    /// it has refused is kept for the others, who are told of it each time.
    fn take_for(
        &self,
        connection: ConnectionId,
        hand: &mut VecDeque<Push>,
        tell: &impl Fn(),
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

    fn has_chunks(&self) -> bool {
        !self.ready.is_empty() || !self.returned.is_empty()
    }

    fn has_aside_for(&self, connection: Option<ConnectionId>) -> bool {
        lock(&self.aside).has_for(connection)
    }

    /// Keeps pushes for other connections than those that refused them; gives back the others.
    fn put_aside(&self, pushes: Vec<Push>) -> Vec<Push> {
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
}

impl Queue {
    fn of(&self, class: PushClass) -> &ClassQueue {
        match class {
            PushClass::Transactional => &self.transactional,
            PushClass::Bulk => &self.bulk,
        }
    }

    /// What waits of each class, in the order in which they go.
    fn classes(&self) -> [&ClassQueue; 2] {
        PushClass::ALL.map(|class| self.of(class))
    }

    /// Where chunks wait, in the order in which they go.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Chunks> {
        let classes = self.classes().into_iter();
        classes.flat_map(|queue| [&queue.returned, &queue.ready])
    }

    /// Queues fresh pushes.
    pub(super) fn add(&self, pushes: impl Iterator<Item = Push>) {
        self.put_all(pushes, |queue| &queue.ready);
    }

    /// Queues pushes before all fresh ones of their class; false if there was none.
    pub(super) fn put_back(&self, pushes: impl Iterator<Item = Push>) -> bool {
        self.put_all(pushes, |queue| &queue.returned)
    }

    /// In chunks that a thread may take whole; false if there was none.
    fn put_all(
        &self,
        pushes: impl Iterator<Item = Push>,
        among: impl Fn(&ClassQueue) -> &Chunks,
    ) -> bool {
        let mut is_any = false;
        let (mut transactional, mut bulk) = (Vec::new(), Vec::new());
        for push in pushes {
            is_any = true;
            let class = push.class();
            let chunk = match class {
                PushClass::Transactional => &mut transactional,
                PushClass::Bulk => &mut bulk,
            };
            chunk.push(push);
            if chunk.len() == CHUNK {
                among(self.of(class)).put(std::mem::take(chunk));
            }
        }
        for (queue, chunk) in self.classes().into_iter().zip([transactional, bulk]) {
            if !chunk.is_empty() {
                among(queue).put(chunk);
            }
        }
        is_any
    }

    /// Takes a chunk into `hand`; false if there was none.
    pub(super) fn take(&self, hand: &mut VecDeque<Push>) -> bool {
        self.take_in_turn(hand, ClassQueue::take)
    }

    /// Takes a chunk into `hand`, which is empty, that the connection has not refused; false if
    /// there was none. What it has refused is kept for the others, who are told of it each time.
    pub(super) fn take_for(
        &self,
        connection: ConnectionId,
        hand: &mut VecDeque<Push>,
        tell: impl Fn(),
    ) -> bool {
        self.take_in_turn(hand, |queue, hand| queue.take_for(connection, hand, &tell))
    }

    /// As [`Queue::take_for`], but of transactional pushes alone.
    pub(super) fn take_transactional_for(
        &self,
        connection: ConnectionId,
        hand: &mut VecDeque<Push>,
        tell: impl Fn(),
    ) -> bool {
        let takes = self.transactional.take_for(connection, hand, &tell);
        self.count_overtaking(hand.len());
        takes
    }

    /// As [`Queue::take_transactional_for`], to go before bulk pushes that the caller has.
    pub(super) fn overtake_for(
        &self,
        connection: ConnectionId,
        hand: &mut VecDeque<Push>,
        tell: impl Fn(),
    ) -> bool {
        let takes = self.transactional.take_for(connection, hand, &tell);
        self.overtaking.fetch_add(hand.len(), Ordering::Relaxed);
        takes
    }

    fn take_in_turn(
        &self,
        hand: &mut VecDeque<Push>,
        take: impl Fn(&ClassQueue, &mut VecDeque<Push>) -> bool,
    ) -> bool {
        if self.is_turn_of_bulk() && take(&self.bulk, hand) {
            return true;
        }
        let before = hand.len();
        if take(&self.transactional, hand) {
            self.count_overtaking(hand.len() - before);
            return true;
        }
        take(&self.bulk, hand)
    }

    /// A bulk push goes: not one that was only taken, which may find no room.
    pub(super) fn bulk_goes(&self) {
        if self.overtaking.load(Ordering::Relaxed) > 0 {
            let less = |overtaking: usize| Some(overtaking.saturating_sub(BULK_ONE_IN - 1));
            let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
            let _always_set = self.overtaking.fetch_update(set, fetch, less).is_ok();
        }
    }

    /// Whether a bulk push goes before the transactional ones that wait.
    pub(super) fn is_turn_of_bulk(&self) -> bool {
        self.overtaking.load(Ordering::Relaxed) >= BULK_WAITS_FOR
    }

    /// So many transactional pushes go, maybe before bulk ones. Those that a thread has in its hand
    /// it counts itself: their turn is not taken back because none is queued.
    fn count_overtaking(&self, pushes: usize) {
        if self.bulk.has_chunks() || self.bulk.has_aside_for(None) {
            self.overtaking.fetch_add(pushes, Ordering::Relaxed);
        }
    }

    /// Whether a chunk is waiting.
    pub(super) fn has_chunks(&self) -> bool {
        self.classes().into_iter().any(ClassQueue::has_chunks)
    }

    /// Whether a chunk of transactional pushes is.
    pub(super) fn has_transactional(&self) -> bool {
        self.transactional.has_chunks()
    }

    /// Whether bulk pushes wait that no connection has refused.
    pub(super) fn has_bulk(&self) -> bool {
        self.bulk.has_chunks()
    }

    /// Whether transactional pushes wait that the connection may take; `None` is one that is still
    /// to be opened.
    pub(super) fn has_transactional_for(&self, connection: Option<ConnectionId>) -> bool {
        self.has_transactional() || self.transactional.has_aside_for(connection)
    }

    /// Whether that connection could take what others have refused; `None` is one that is still to
    /// be opened.
    pub(super) fn has_aside_for(&self, connection: Option<ConnectionId>) -> bool {
        let mut classes = self.classes().into_iter();
        classes.any(|queue| queue.has_aside_for(connection))
    }

    /// Whether a push waits that the connection has refused.
    pub(super) fn is_avoided(&self, connection: ConnectionId) -> bool {
        let mut classes = self.classes().into_iter();
        classes.any(|queue| lock(&queue.aside).is_avoided(connection))
    }

    /// Keeps pushes for other connections than those that refused them; gives back the others.
    pub(super) fn put_aside(&self, pushes: Vec<Push>) -> Vec<Push> {
        let (transactional, bulk) = pushes
            .into_iter()
            .partition(|push| push.class() == PushClass::Transactional);
        let mut unrefused = self.transactional.put_aside(transactional);
        unrefused.append(&mut self.bulk.put_aside(bulk));
        unrefused
    }

    /// Takes what others have refused.
    pub(super) fn take_aside(&self) -> Vec<Push> {
        let aside = self.classes().into_iter();
        aside
            .flat_map(|queue| lock(&queue.aside).take_all())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::moment::Moment;
    use crate::push::fixture;

    #[test]
    fn transactional_pushes_go_before_bulk_ones_wherever_they_wait() {
        let (queue, mut hand, now) = (Queue::default(), VecDeque::new(), Moment::now());
        let [one, two] = [1, 2].map(ConnectionId::new);
        let refused_by = |mut pushes: Vec<Push>, by: Option<ConnectionId>| {
            for push in &mut pushes {
                push.refused_by = by;
            }
            pushes
        };
        // Bulk ones have waited for longest, and in the places that go first.
        let bulk = refused_by(fixture::bulk_pushes(10, 1, now), Some(two));
        assert!(queue.put_aside(bulk).is_empty());
        let others = refused_by(fixture::pushes(20, 1, now), Some(two));
        queue.put_back(fixture::bulk_pushes(11, 1, now).into_iter());
        queue.add(fixture::bulk_pushes(12, 1, now).into_iter());
        queue.add(fixture::pushes(22, 1, now).into_iter());
        queue.put_back(fixture::pushes(21, 1, now).into_iter());
        assert!(queue.put_aside(others).is_empty());
        assert!(queue.has_transactional() && queue.has_transactional_for(Some(two)));
        let mut taken = Vec::new();
        while queue.take_for(one, &mut hand, || ()) {
            taken.extend(hand.drain(..).map(|push| push.id().0));
        }
        assert_eq!(taken, [20, 21, 22, 10, 11, 12]);
        // In one request or one hand they may be mixed.
        let mixed = [
            fixture::bulk_pushes(10, 1, now),
            fixture::pushes(20, 1, now),
            fixture::bulk_pushes(11, 1, now),
            fixture::pushes(21, 1, now),
        ];
        assert!(queue.put_back(mixed.into_iter().flatten()));
        assert!(queue.take_transactional_for(one, &mut hand, || ()));
        assert!(!queue.take_transactional_for(one, &mut hand, || ()));
        assert!(queue.take(&mut hand) && !queue.put_back(std::iter::empty()));
        let taken: Vec<_> = hand.iter().map(|push| push.id().0).collect();
        assert_eq!(taken, [20, 21, 10, 11]);
    }

    #[test]
    fn bulk_has_a_sixteenth_of_what_goes_while_others_come_without_end() {
        let (queue, mut hand, now) = (Queue::default(), VecDeque::new(), Moment::now());
        let one = ConnectionId::new(1);
        let flood = || queue.add(fixture::pushes(1, CHUNK, now).into_iter());
        let mut next = || {
            flood();
            assert!(queue.take_for(one, &mut hand, || ()));
            let first = hand.front().map(Push::class).unwrap();
            if first == PushClass::Bulk {
                (0..hand.len()).for_each(|_| queue.bulk_goes());
            }
            assert!(hand.drain(..).all(|push| push.class() == first));
            first
        };
        // What goes while no bulk push waits counts for nothing.
        let alone: Vec<_> = (0..40).map(|_| next()).collect();
        assert!(alone.iter().all(|class| *class == PushClass::Transactional));
        queue.add(fixture::bulk_pushes(1, 3 * CHUNK, now).into_iter());
        for _ in 0..3 {
            let turn: Vec<_> = (0..16).map(|_| next()).collect();
            let (last, others) = turn.split_last().unwrap();
            assert!(
                others
                    .iter()
                    .all(|class| *class == PushClass::Transactional)
            );
            assert_eq!(*last, PushClass::Bulk);
        }
        assert_eq!(next(), PushClass::Transactional);
        // Also before those that a thread has in its hand already. One that finds no room then
        // keeps its turn, and who goes one by one has no less of them.
        let mut overtake = || {
            flood();
            assert!(queue.overtake_for(one, &mut hand, || ()));
            hand.clear();
        };
        (1..BULK_WAITS_FOR / CHUNK).for_each(|_| overtake());
        assert!(!queue.is_turn_of_bulk());
        (0..2).for_each(|_| overtake());
        for _ in 0..=CHUNK / (BULK_ONE_IN - 1) {
            assert!(queue.is_turn_of_bulk());
            queue.bulk_goes();
        }
        assert!(!queue.is_turn_of_bulk());
    }

    /// Bulk pushes that wait are not only those that are queued.
    #[test]
    fn the_turn_of_bulk_pushes_counts_those_in_a_hand_and_those_that_were_refused() {
        let (mut hand, now) = (VecDeque::new(), Moment::now());
        let [one, two] = [1, 2].map(ConnectionId::new);
        let turn = BULK_WAITS_FOR / CHUNK;
        let queue = Queue::default();
        queue.add(fixture::pushes(1, (turn + 1) * CHUNK, now).into_iter());
        for _ in 0..turn - 1 {
            assert!(queue.overtake_for(one, &mut hand, || ()));
            hand.clear();
        }
        assert!(
            queue.take_for(two, &mut hand, || ()),
            "by one that has none"
        );
        assert!(!queue.is_turn_of_bulk());
        hand.clear();
        assert!(queue.overtake_for(one, &mut hand, || ()));
        assert!(queue.is_turn_of_bulk());

        let queue = Queue::default();
        let mut refused = fixture::bulk_pushes(1, 1, now);
        refused[0].refused_by = Some(two);
        assert!(queue.put_aside(refused).is_empty());
        queue.add(fixture::pushes(2, turn * CHUNK, now).into_iter());
        for _ in 0..turn {
            hand.clear();
            assert!(!queue.is_turn_of_bulk());
            assert!(queue.take_transactional_for(two, &mut hand, || ()));
        }
        assert!(queue.is_turn_of_bulk());
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
