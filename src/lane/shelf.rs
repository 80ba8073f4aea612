//! The retry shelf: pushes that wait for their next attempt, by due time; of what is due
//! transactional ones go first.
//!
//! Bounded by the lane's reservation counter: every push on it holds its reservation.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::SWEEP_EVERY;
use crate::jitter::{self, Random};
use crate::push::{Push, PushClass, PushId};

/// Pushes of each class by due time, earliest first.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    transactional: ShelfRow,
    bulk: ShelfRow,
    hold: Option<Respite>,
    swept: Option<Instant>,
}

/// Those of one class. A look through them is made a piece at a time.
#[derive(Debug, Default)]
struct ShelfRow {
    /// What it has met, or has come since it began.
    met: BinaryHeap<Item>,
    unmet: BinaryHeap<Item>,
}

/// Nothing is taken before `until`; what was held back is spread over `spread` after it.
#[derive(Clone, Copy, Debug)]
struct Respite {
    until: Instant,
    spread: Duration,
}

impl Shelf {
    /// Puts a push down until `due`, or until the hold ends.
    pub(super) fn put(&mut self, push: Push, due: Instant) {
        let held_until = self.held_until(&push, due);
        self.put_item(Item {
            due: held_until.unwrap_or(due),
            is_held: held_until.is_some(),
            push,
        });
    }

    fn put_item(&mut self, item: Item) {
        self.of(item.push.class()).met.push(item);
    }

    fn of(&mut self, class: PushClass) -> &mut ShelfRow {
        match class {
            PushClass::Transactional => &mut self.transactional,
            PushClass::Bulk => &mut self.bulk,
        }
    }

    /// Holds back what falls due before `until`. Each push is held back once: should the provider
    /// ask for patience without end, retries are slow and do not stop.
    pub(super) fn hold(&mut self, until: Instant, spread: Duration) {
        if self.hold.is_none_or(|hold| hold.until < until) {
            self.hold = Some(Respite { until, spread });
        }
    }

    /// When the earliest push of that class is due.
    pub(super) fn next_due(&self, class: PushClass) -> Option<Instant> {
        let of_class = match class {
            PushClass::Transactional => &self.transactional,
            PushClass::Bulk => &self.bulk,
        };
        of_class.first().map(|item| item.due)
    }

    /// When the earliest push is due.
    fn first_due(&self) -> Option<Instant> {
        let each = PushClass::ALL.map(|class| self.next_due(class));
        each.into_iter().flatten().min()
    }

    /// How many pushes are on it.
    fn len(&self) -> usize {
        self.transactional.len() + self.bulk.len()
    }

    /// How many pushes are on it, if none is due before `at`; looks at one of them.
    pub(super) fn all_due_from(&self, at: Instant) -> Option<usize> {
        let later = self.first_due().is_none_or(|due| due >= at);
        later.then_some(self.len())
    }

    /// Takes at most `most` pushes of that class that are due at `now`, to those in `due`.
    pub(super) fn take_due(
        &mut self,
        class: PushClass,
        now: Instant,
        most: usize,
        due: &mut Vec<Push>,
    ) {
        let most = due.len().saturating_add(most);
        while due.len() < most
            && let Some(item) = self.pop_due(class, now)
        {
            // By when it was due: who comes after the end of a hold spreads as well.
            let held_until = self.held_until(&item.push, item.due);
            match held_until.filter(|_| !item.is_held) {
                Some(due) => self.put_item(Item {
                    due,
                    is_held: true,
                    push: item.push,
                }),
                None => due.push(item.push),
            }
        }
    }

    /// The first of that class, if it is due.
    fn pop_due(&mut self, class: PushClass, now: Instant) -> Option<Item> {
        let of_class = self.of(class);
        let is_due = of_class.first().is_some_and(|item| item.due <= now);
        is_due.then(|| of_class.pop()).flatten()
    }

    /// When a push is due, and its attempts that have counted; looks at all of them.
    pub(super) fn find(&self, id: PushId) -> Option<(Instant, u16)> {
        let rows = [&self.transactional, &self.bulk];
        let mut all = rows
            .into_iter()
            .flat_map(|row| row.met.iter().chain(&row.unmet));
        let found = all.find(|item| item.push.id() == id);
        found.map(|item| (item.due, item.push.attempts))
    }

    /// Takes everything, due or not, with when it is.
    pub(super) fn take_all(&mut self) -> Vec<(Push, Instant)> {
        self.begin_look();
        let items = self.take_unmet(usize::MAX).into_iter();
        let due = items.map(|item| {
            let held_until = self.held_until(&item.push, item.due);
            let held_until = held_until.filter(|_| !item.is_held);
            (item.push, held_until.unwrap_or(item.due))
        });
        due.collect()
    }

    /// Whether it is time to look for pushes that have expired: once in [`SWEEP_EVERY`] while
    /// pushes wait longer than until they were due.
    pub(super) fn is_sweep_due(&self, now: Instant) -> bool {
        let is_overdue = self.first_due().is_some_and(|at| at <= now);
        let is_held = self.hold.is_some_and(|hold| hold.until > now);
        let is_recent = |at| now.saturating_duration_since(at) < SWEEP_EVERY;
        self.len() > 0 && (is_overdue || is_held) && !self.swept.is_some_and(is_recent)
    }

    /// Begins the sweep that was due.
    pub(super) fn begin_sweep(&mut self, now: Instant) {
        self.swept = Some(now);
        self.begin_look();
    }

    /// Begins a look through all that is there.
    pub(super) fn begin_look(&mut self) {
        for row in [&mut self.transactional, &mut self.bulk] {
            row.unmet.append(&mut row.met);
        }
    }

    /// Whether a look through it has not met all.
    pub(super) fn has_unmet(&self) -> bool {
        !self.transactional.unmet.is_empty() || !self.bulk.unmet.is_empty()
    }

    /// Takes so many at most that a look through it has not met.
    pub(super) fn take_unmet(&mut self, most: usize) -> Vec<Item> {
        let mut unmet = Vec::new();
        for row in [&mut self.transactional, &mut self.bulk] {
            let left = most - unmet.len();
            unmet.extend(std::iter::from_fn(|| row.unmet.pop()).take(left));
        }
        unmet
    }

    /// Puts back what was kept of them, beside what was put down meanwhile.
    pub(super) fn put_back(&mut self, kept: Vec<Item>) {
        for item in kept {
            self.put_item(item);
        }
    }

    /// When a push that is due at `at` may go at the earliest, if that is later.
    fn held_until(&self, push: &Push, at: Instant) -> Option<Instant> {
        let hold = self.hold.filter(|hold| hold.until > at)?;
        let random = Random::new(push.id().0).draw();
        hold.until.checked_add(jitter::part_of(hold.spread, random))
    }
}

impl ShelfRow {
    /// The one that is due first.
    fn first(&self) -> Option<&Item> {
        self.met.peek().max(self.unmet.peek())
    }

    /// Takes the one that is due first.
    fn pop(&mut self) -> Option<Item> {
        if self.unmet.peek() > self.met.peek() {
            self.unmet.pop()
        } else {
            self.met.pop()
        }
    }

    fn len(&self) -> usize {
        self.met.len() + self.unmet.len()
    }
}

/// A push on the shelf.
#[derive(Debug)]
pub(super) struct Item {
    due: Instant,
    /// A hold has put it off.
    is_held: bool,
    push: Push,
}

impl Item {
    /// The push.
    pub(super) fn push_mut(&mut self) -> &mut Push {
        &mut self.push
    }
}

/// The heap gives its greatest first: the earliest is the greatest, among equals the lowest id.
impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.push.id()).cmp(&(self.due, self.push.id()))
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Item {}
