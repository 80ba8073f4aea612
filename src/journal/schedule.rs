//! What is scheduled: notifications that are not to be sent before a time of their own.
//!
//! Pure: no file, no clock, no thread. Times are of the wall clock, as their callers mean them: one
//! that was set makes them come sooner or later.
//!
//! For each notification some 36 bytes beside its place in the index, in two trees: by its id, and
//! by its time. Those of its pushes that are handed out, taken back or settled are no more in it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};

use crate::push::{Envelope, Note, PushClass};

/// When a notification is to be sent that is scheduled, and by what it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendTime {
    /// The second since the Unix epoch before which it is not.
    pub(super) at: u32,
    /// What the identifier comes to that its caller has given it; another may come to the same.
    pub(super) name: u32,
}

impl SendTime {
    /// That of a notification, if it is scheduled.
    pub(super) fn of(envelope: &Envelope, note: &Note<'_>) -> Option<Self> {
        Some(Self {
            at: envelope.earliest?.get(),
            name: name_of(note.texts.identifier),
        })
    }
}

/// What an identifier comes to: the same in all of this process, and not kept beyond it.
pub(super) fn name_of(identifier: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(identifier.as_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    let name = hasher.finish() as u32;
    name
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    notifications: BTreeMap<u64, Scheduled>,
    /// By the numbers of their lanes.
    lanes: BTreeMap<u16, LaneSchedule>,
    /// Pushes that were taken back, until that is written.
    withdrawn: BTreeSet<u64>,
}

/// So many pushes, and the bytes of their records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScheduledLoad {
    /// How many they are.
    pub(super) pushes: u64,
    /// Bytes of their records.
    pub(super) bytes: u64,
}

impl ScheduledLoad {
    /// Both together.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            pushes: self.pushes.saturating_add(other.pushes),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// What is scheduled, by the names of the apps.
pub(super) type AppLoads = BTreeMap<&'static str, ScheduledLoad>;

/// A notification that is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    pub(super) time: SendTime,
    /// The index of the first device token whose push is not handed out.
    pub(super) from: u32,
    /// How many pushes are not handed out, taken back or settled; never 0.
    left: u32,
    pub(super) lane: u16,
    pub(super) class: PushClass,
    /// Whether its caller has still to be told that it is kept: until then nobody has it.
    is_held: bool,
}

const _: () = assert!(size_of::<Scheduled>() == 20);

/// What of a lane is scheduled.
#[derive(Debug, Default)]
struct LaneSchedule {
    /// By time and first id; of each class, what goes first before the others.
    times: [BTreeSet<(u32, u64)>; PushClass::ALL.len()],
    load: ScheduledLoad,
}

/// The place of a class among those.
fn rank(class: PushClass) -> usize {
    usize::from(class != PushClass::Transactional)
}

impl Schedule {
    /// Schedules so many pushes of a notification, in the place of what was known of it; nobody has
    /// them before [`Schedule::release`].
    pub(super) fn put(
        &mut self,
        first_id: u64,
        (lane, class): (u16, PushClass),
        time: SendTime,
        left: u32,
    ) {
        self.remove(first_id);
        if left == 0 {
            return;
        }
        let scheduled = Scheduled {
            time,
            from: 0,
            left,
            lane,
            class,
            is_held: true,
        };
        self.notifications.insert(first_id, scheduled);
        self.lanes.entry(lane).or_default().load.pushes += u64::from(left);
    }

    /// The records of what is scheduled for a lane take so many bytes more, and so many less.
    pub(super) fn weigh(&mut self, lane: u16, more: u32, less: u32) {
        let load = &mut self.lanes.entry(lane).or_default().load;
        load.bytes = load.bytes.saturating_add(more.into());
        load.bytes = load.bytes.saturating_sub(less.into());
    }

    /// From now on a notification may be handed out and taken back: its caller knows of it.
    pub(super) fn release(&mut self, first_id: u64) {
        if let Some(scheduled) = self.notifications.get_mut(&first_id) {
            scheduled.is_held = false;
            let of_lane = self.lanes.entry(scheduled.lane).or_default();
            if let Some(times) = of_lane.times.get_mut(rank(scheduled.class)) {
                times.insert((scheduled.time.at, first_id));
            }
        }
    }

    /// Has no more of a notification.
    pub(super) fn remove(&mut self, first_id: u64) {
        let Some(gone) = self.notifications.remove(&first_id) else {
            return;
        };
        if let Some(of_lane) = self.lanes.get_mut(&gone.lane) {
            for times in &mut of_lane.times {
                times.remove(&(gone.time.at, first_id));
            }
            of_lane.load.pushes = of_lane.load.pushes.saturating_sub(gone.left.into());
        }
    }

    /// What is scheduled of a notification.
    pub(super) fn get(&self, first_id: u64) -> Option<&Scheduled> {
        self.notifications.get(&first_id)
    }

    /// What of a notification may be taken back.
    pub(super) fn released(&self, first_id: u64) -> Option<&Scheduled> {
        self.get(first_id).filter(|scheduled| !scheduled.is_held)
    }

    /// Notes that so many more pushes of a notification are not scheduled, those before that index
    /// handed out; true if none of it is left.
    pub(super) fn lessen(&mut self, first_id: u64, pushes: u32, from: u32) -> bool {
        let Some(scheduled) = self.notifications.get_mut(&first_id) else {
            return true;
        };
        scheduled.from = scheduled.from.max(from);
        let fewer = pushes.min(scheduled.left);
        scheduled.left -= fewer;
        let (left, lane) = (scheduled.left, scheduled.lane);
        if let Some(of_lane) = self.lanes.get_mut(&lane) {
            of_lane.load.pushes = of_lane.load.pushes.saturating_sub(fewer.into());
        }
        if left == 0 {
            self.remove(first_id);
        }
        left == 0
    }

    /// Takes note that a push is taken back: nobody is to send it.
    pub(super) fn withdraw(&mut self, id: u64) {
        self.withdrawn.insert(id);
    }

    /// Whether a push was taken back.
    pub(super) fn is_withdrawn(&self, id: u64) -> bool {
        self.withdrawn.contains(&id)
    }

    /// Forgets that a push was taken back, since it is settled; whether it was.
    pub(super) fn settle_withdrawn(&mut self, id: u64) -> bool {
        !self.withdrawn.is_empty() && self.withdrawn.remove(&id)
    }

    /// The notification of a lane whose time was first, if that has come: of those that go before
    /// others, if there is one.
    pub(super) fn due(&self, lane: u16, now: u32) -> Option<u64> {
        let times = self.lanes.get(&lane)?.times.iter();
        let mut first = times.filter_map(BTreeSet::first);
        let due = first.find(|(at, _)| *at <= now);
        due.map(|(_, first_id)| *first_id)
    }

    /// When the next one of a lane is due.
    pub(super) fn next(&self, lane: u16) -> Option<u32> {
        let times = self.lanes.get(&lane)?.times.iter();
        times.filter_map(BTreeSet::first).map(|(at, _)| *at).min()
    }

    /// What of a lane is scheduled.
    pub(super) fn of_lane(&self, lane: u16) -> ScheduledLoad {
        let of_lane = self.lanes.get(&lane);
        of_lane.map_or_else(ScheduledLoad::default, |of_lane| of_lane.load)
    }

    /// What of all lanes is.
    pub(super) fn load(&self) -> ScheduledLoad {
        let all = self.lanes.values().map(|of_lane| of_lane.load);
        all.fold(ScheduledLoad::default(), ScheduledLoad::and)
    }

    /// The notifications of that name in lanes that are meant, with this id or a later one, and the
    /// id to go on from if there may be more; at most `looks` are looked at.
    pub(super) fn named(
        &self,
        name: u32,
        is_meant: impl Fn(u16) -> bool,
        from: u64,
        looks: usize,
    ) -> (Vec<u64>, Option<u64>) {
        let (mut found, mut looked) = (Vec::new(), 0);
        for (first_id, scheduled) in self.notifications.range(from..) {
            if looked == looks {
                return (found, Some(*first_id));
            }
            looked += 1;
            if scheduled.time.name == name && is_meant(scheduled.lane) {
                found.push(*first_id);
            }
        }
        (found, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: SendTime = SendTime { at: 100, name: 7 };

    fn put(schedule: &mut Schedule, first_id: u64, lane: u16, time: SendTime, left: u32) {
        schedule.put(first_id, (lane, PushClass::Bulk), time, left);
        schedule.release(first_id);
    }

    #[test]
    fn what_its_caller_does_not_know_of_is_nobodys_and_what_goes_first_is_due_first() {
        let mut schedule = Schedule::default();
        schedule.put(10, (1, PushClass::Bulk), at(100), 2);
        assert_eq!((schedule.due(1, 200), schedule.load().pushes), (None, 2));
        assert!(schedule.released(10).is_none());
        schedule.release(10);
        assert_eq!(schedule.due(1, 200), Some(10));
        schedule.put(20, (1, PushClass::Transactional), at(150), 1);
        schedule.release(20);
        assert_eq!(
            (schedule.due(1, 149), schedule.due(1, 150)),
            (Some(10), Some(20))
        );
        assert_eq!(schedule.next(1), Some(100));
    }

    fn at(at: u32) -> SendTime {
        SendTime { at, ..TIME }
    }

    #[test]
    fn what_is_scheduled_is_due_in_the_order_of_its_time_and_none_before_it() {
        let mut schedule = Schedule::default();
        for (first_id, time) in [(10, 300), (20, 100), (30, 200)] {
            put(&mut schedule, first_id, 1, at(time), 2);
        }
        put(&mut schedule, 40, 2, at(50), 1);
        assert_eq!((schedule.of_lane(1).pushes, schedule.load().pushes), (6, 7));
        assert_eq!((schedule.next(1), schedule.next(3)), (Some(100), None));
        assert_eq!(
            (schedule.due(1, 99), schedule.due(1, 100)),
            (None, Some(20))
        );
        assert!(!schedule.lessen(20, 1, 1), "one is left");
        assert_eq!(schedule.due(1, 250), Some(20));
        assert!(schedule.lessen(20, 1, 2));
        assert_eq!(schedule.due(1, 250), Some(30));
        schedule.remove(30);
        assert_eq!(
            (schedule.due(1, 250), schedule.due(1, 300)),
            (None, Some(10))
        );
        // Another time in the place of the one before.
        put(&mut schedule, 10, 2, at(40), 1);
        assert_eq!((schedule.of_lane(1).pushes, schedule.next(1)), (0, None));
        assert_eq!(
            (schedule.of_lane(2).pushes, schedule.next(2)),
            (2, Some(40))
        );
        put(&mut schedule, 10, 2, at(40), 0);
        assert_eq!((schedule.load().pushes, schedule.get(10)), (1, None));
    }

    #[test]
    fn those_of_a_name_are_found_a_part_at_a_time() {
        let mut schedule = Schedule::default();
        for first_id in 1..=10_u32 {
            let time = SendTime {
                at: 100,
                name: first_id % 2,
            };
            put(
                &mut schedule,
                first_id.into(),
                u16::from(first_id >= 9),
                time,
                1,
            );
        }
        let named = |from, looks| schedule.named(1, |lane| lane == 0, from, looks);
        assert_eq!(named(0, 4), (vec![1, 3], Some(5)));
        assert_eq!(named(5, 10), (vec![5, 7], None));
    }
}
