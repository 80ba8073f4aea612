//! How many pushes a lane holds, and how many it may.
//!
//! What was scheduled has room of its own: however much of it is due, callers' pushes have as much
//! room as without it.
//!
//! Pure: a few counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::push::{Push, PushClass};

/// Our limit: one part in so many of a lane's room there is beyond it for transactional pushes
/// alone, so that no campaign that has filled the queue turns them away.
pub const TRANSACTIONAL_SHARE: usize = 8;

/// The room of a lane: each of its pushes holds some of it until it is settled.
#[derive(Debug)]
pub struct Room {
    callers: RoomShare,
    scheduled: RoomShare,
    /// Of the callers' pushes that are there, those of each class; what is merely reserved is in
    /// neither.
    transactional: AtomicUsize,
    bulk: AtomicUsize,
    left_behind: AtomicUsize,
}

/// A kind of pushes that a lane holds, of which each has a bound of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueKind {
    /// Callers' pushes of one class.
    Of(PushClass),
    /// Those that were scheduled and are due, of whichever class.
    Scheduled,
}

impl QueueKind {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::Of(PushClass::Transactional),
        Self::Of(PushClass::Bulk),
        Self::Scheduled,
    ];

    /// That of a push.
    pub fn of(push: &Push) -> Self {
        match push.envelope().earliest {
            None => Self::Of(push.class()),
            Some(_) => Self::Scheduled,
        }
    }

    /// The word for it, where queues are shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Of(class) => class.word(),
            Self::Scheduled => "scheduled",
        }
    }
}

/// How full a lane is with pushes of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Pushes that are there: waiting, on the shelf or in flight.
    pub pushes: usize,
    /// Pushes that may be there beside those of other kinds: once there are as many, the next one
    /// finds no room.
    pub capacity: usize,
}

/// A part of a lane's room.
#[derive(Debug)]
pub struct RoomShare {
    capacity: AtomicUsize,
    outstanding: AtomicUsize,
}

impl RoomShare {
    fn new(capacity: usize) -> Self {
        Self {
            capacity: AtomicUsize::new(capacity),
            outstanding: AtomicUsize::new(0),
        }
    }

    /// Pushes that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    /// Changes how many pushes there is room for; those that are there beyond that stay.
    pub fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Pushes that are there: reserved, ready, on the shelf or in flight.
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Pushes that may be there for one of that class to be taken: all that there is room for, and
    /// for transactional ones a share beyond.
    pub fn limit(&self, class: PushClass) -> usize {
        let capacity = self.capacity();
        match class {
            PushClass::Transactional => capacity.saturating_add(capacity / TRANSACTIONAL_SHARE),
            PushClass::Bulk => capacity,
        }
    }

    fn reserve(&self, class: PushClass, pushes: usize) -> bool {
        let limit = self.limit(class);
        let taken = |outstanding: usize| {
            let sum = outstanding.checked_add(pushes);
            sum.filter(|sum| *sum <= limit)
        };
        self.outstanding
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }

    /// So many pushes were settled; their room is free again.
    pub fn settled(&self, pushes: usize) {
        let before = self.outstanding.fetch_sub(pushes, Ordering::Relaxed);
        debug_assert!(before >= pushes, "settled more than was outstanding");
    }
}

impl Room {
    /// Room for so many pushes, and as many that were scheduled as are usual.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            callers: RoomShare::new(capacity),
            scheduled: RoomShare::new(SCHEDULED_QUEUES),
            transactional: AtomicUsize::new(0),
            bulk: AtomicUsize::new(0),
            left_behind: AtomicUsize::new(0),
        })
    }

    /// Pushes that there is room for, beside those that were scheduled.
    pub fn capacity(&self) -> usize {
        self.callers.capacity()
    }

    /// Changes how many pushes there is room for; those that are there beyond that stay.
    pub fn set_capacity(&self, capacity: usize) {
        self.callers.set_capacity(capacity);
    }

    /// The room of pushes that were scheduled.
    pub fn scheduled(&self) -> &RoomShare {
        &self.scheduled
    }

    /// The room of all others.
    pub fn callers(&self) -> &RoomShare {
        &self.callers
    }

    /// Pushes that are there: reserved, ready, on the shelf or in flight; those that were scheduled
    /// too.
    pub fn outstanding(&self) -> usize {
        let scheduled = self.scheduled.outstanding();
        self.callers.outstanding().saturating_add(scheduled)
    }

    /// How full it is with pushes of that kind.
    pub fn occupancy(&self, kind: QueueKind) -> Occupancy {
        let class = match kind {
            QueueKind::Of(class) => class,
            QueueKind::Scheduled => {
                return Occupancy {
                    pushes: self.scheduled.outstanding(),
                    capacity: self.scheduled.capacity(),
                };
            }
        };
        let pushes = self.of(class).load(Ordering::Relaxed);
        let others = self.callers.outstanding().saturating_sub(pushes);
        Occupancy {
            pushes,
            capacity: self.callers.limit(class).saturating_sub(others),
        }
    }

    fn of(&self, class: PushClass) -> &AtomicUsize {
        match class {
            PushClass::Transactional => &self.transactional,
            PushClass::Bulk => &self.bulk,
        }
    }

    /// Reserves room for so many pushes of any class, all or nothing.
    pub fn reserve(self: &Arc<Self>, pushes: usize) -> Option<Reservation> {
        self.reserve_for(PushClass::Bulk, pushes)
    }

    /// Reserves room for so many pushes of that class, all or nothing.
    pub fn reserve_for(self: &Arc<Self>, class: PushClass, pushes: usize) -> Option<Reservation> {
        self.reserve_in(class, pushes, false)
    }

    /// Reserves room for so many pushes that were scheduled, all or nothing.
    pub fn reserve_scheduled(self: &Arc<Self>, pushes: usize) -> Option<Reservation> {
        self.reserve_in(PushClass::Bulk, pushes, true)
    }

    fn reserve_in(
        self: &Arc<Self>,
        class: PushClass,
        pushes: usize,
        is_scheduled: bool,
    ) -> Option<Reservation> {
        let reserved = self.share(is_scheduled).reserve(class, pushes);
        reserved.then(|| Reservation {
            room: Arc::clone(self),
            is_scheduled,
            pushes,
        })
    }

    fn share(&self, is_scheduled: bool) -> &RoomShare {
        if is_scheduled {
            &self.scheduled
        } else {
            &self.callers
        }
    }

    /// So many pushes were settled that were not scheduled; their room is free again.
    pub fn settled(&self, pushes: usize) {
        self.callers.settled(pushes);
    }

    /// So many of those were of that class.
    pub fn settled_of(&self, class: PushClass, pushes: usize) {
        if pushes > 0 {
            // Saturates, so that one that was never counted does not show the others as endless.
            let fewer = |counted: usize| Some(counted.saturating_sub(pushes));
            let _ = (self.of(class)).fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        }
    }

    /// One more push is settled unsent because the daemon ends.
    pub fn leave_behind(&self) {
        self.left_behind.fetch_add(1, Ordering::Relaxed);
    }

    /// Pushes that the end of the daemon left unsent: settled as such, or not settled at all.
    pub fn left_behind(&self) -> usize {
        let settled = self.left_behind.load(Ordering::Relaxed);
        settled.saturating_add(self.outstanding())
    }
}

/// Pushes of a lane that were scheduled and are due, waiting or in flight, unless it is set.
pub const SCHEDULED_QUEUES: usize = 10_000;

/// Room for pushes in a lane. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    room: Arc<Room>,
    is_scheduled: bool,
    pushes: usize,
}

impl Reservation {
    /// Whether it is for pushes that were scheduled.
    pub fn is_scheduled(&self) -> bool {
        self.is_scheduled
    }

    /// Pushes that it has room for.
    pub fn pushes(&self) -> usize {
        self.pushes
    }

    /// Leaves the room of one push to that push's settlement: it ends without being queued.
    pub fn spend(&mut self, class: PushClass) {
        if self.pushes > 0 {
            self.pushes -= 1;
            self.count(class, 1);
        }
    }

    /// Takes the room for pushes that are settled without ever being queued.
    pub fn occupy(mut self) {
        self.pushes = 0;
    }

    /// Leaves room to as many of the pushes as it has, which give it back by their settlements; to
    /// how many.
    pub(super) fn take(&mut self, pushes: &[Push]) -> usize {
        debug_assert!(
            pushes.len() <= self.pushes,
            "more pushes than were reserved"
        );
        let taken = pushes.len().min(self.pushes);
        self.pushes -= taken;
        for class in PushClass::ALL {
            let of_it = pushes.iter().take(taken);
            let of_it = of_it.filter(|push| push.class() == class);
            self.count(class, of_it.count());
        }
        taken
    }

    /// So many pushes of that class have their room now.
    fn count(&self, class: PushClass, pushes: usize) {
        if !self.is_scheduled && pushes > 0 {
            self.room.of(class).fetch_add(pushes, Ordering::Relaxed);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.pushes > 0 {
            self.room.share(self.is_scheduled).settled(self.pushes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::push::fixture::push_to;

    #[test]
    fn transactional_pushes_have_a_share_beyond_that_others_do_not_get() {
        let room = Room::new(17);
        let campaign = room.reserve_for(PushClass::Bulk, 17).unwrap();
        assert!(room.reserve_for(PushClass::Bulk, 1).is_none() && room.reserve(1).is_none());
        let two = room.reserve_for(PushClass::Transactional, 2).unwrap();
        assert!(room.reserve_for(PushClass::Transactional, 1).is_none());
        drop(campaign);
        // What transactional ones take is taken from all.
        assert!(room.reserve_for(PushClass::Bulk, 16).is_none());
        drop(two);
        assert_eq!(room.outstanding(), 0);
    }

    #[test]
    fn room_is_reserved_whole_and_comes_back() {
        let room = Room::new(3);
        let mut reserved = room.reserve(2).unwrap();
        assert!(room.reserve(2).is_none() && room.reserve(usize::MAX).is_none());
        let push = push_to("ab", Moment::now());
        assert_eq!((reserved.take(&[push]), reserved.pushes()), (1, 1));
        drop(reserved);
        assert_eq!(room.outstanding(), 1, "that of the push which was queued");

        room.set_capacity(0);
        assert!(room.reserve(1).is_none());
        assert_eq!((room.outstanding(), room.left_behind()), (1, 1));
        room.leave_behind();
        room.settled(1);
        assert_eq!((room.outstanding(), room.left_behind()), (0, 1));
    }

    #[test]
    fn what_was_scheduled_takes_no_room_from_others_nor_they_from_it() {
        let room = Room::new(2);
        room.scheduled().set_capacity(3);
        let scheduled = room.reserve_scheduled(3).unwrap();
        assert!(room.reserve_scheduled(1).is_none());
        let others = room.reserve(2).unwrap();
        assert!(room.reserve(1).is_none());
        assert_eq!((room.outstanding(), room.callers().outstanding()), (5, 2));
        scheduled.occupy();
        drop(others);
        assert_eq!((room.outstanding(), room.scheduled().outstanding()), (3, 3));
        room.scheduled().settled(3);
        assert_eq!(room.outstanding(), 0);
    }

    #[test]
    fn a_kind_that_is_full_finds_no_room_and_one_that_is_not_does() {
        let room = Room::new(16);
        let shown = |class| {
            let Occupancy { pushes, capacity } = room.occupancy(QueueKind::Of(class));
            (pushes, capacity)
        };
        let (code, campaign) = (PushClass::Transactional, PushClass::Bulk);
        assert_eq!((shown(code), shown(campaign)), ((0, 18), (0, 16)));
        let spend = |class, pushes| {
            let mut reserved = room.reserve_for(class, pushes)?;
            (0..pushes).for_each(|_| reserved.spend(class));
            Some(())
        };
        let settle = |class, pushes| {
            room.settled(pushes);
            room.settled_of(class, pushes);
        };
        spend(code, 4).unwrap();
        assert_eq!((shown(code), shown(campaign)), ((4, 18), (0, 12)));
        spend(campaign, 12).unwrap();
        assert_eq!((shown(code), shown(campaign)), ((4, 6), (12, 12)));
        assert!(spend(campaign, 1).is_none());
        spend(code, 2).unwrap();
        assert_eq!((shown(code), shown(campaign)), ((6, 6), (12, 10)));
        assert!(spend(code, 1).is_none());
        settle(code, 6);
        assert_eq!((shown(code), shown(campaign)), ((0, 6), (12, 16)));
        settle(campaign, 12);
        assert_eq!((shown(code), shown(campaign)), ((0, 18), (0, 16)));
    }

    #[test]
    fn what_is_reserved_is_of_no_class_until_it_is_known_of_which() {
        let room = Room::new(16);
        let of = |class| room.occupancy(QueueKind::Of(class)).pushes;
        let both = || (of(PushClass::Transactional), of(PushClass::Bulk));
        // So what comes out of the journal is reserved.
        let mut recovered = room.reserve_for(PushClass::Transactional, 4).unwrap();
        assert_eq!(both(), (0, 0));
        recovered.spend(PushClass::Bulk);
        recovered.spend(PushClass::Transactional);
        assert_eq!(recovered.take(&[push_to("ab", Moment::now())]), 1);
        drop(recovered);
        assert_eq!((room.outstanding(), both()), (3, (2, 1)));
        room.settled(3);
        room.settled_of(PushClass::Bulk, 1);
        room.settled_of(PushClass::Transactional, 3);
        assert_eq!((room.outstanding(), both()), (0, (0, 0)));
    }
}
