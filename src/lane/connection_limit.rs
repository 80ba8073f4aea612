//! How many connection threads all lanes together may have, and which lane yields one to another.
//!
//! A lane that wants a thread takes a place, or waits for one; then another is asked to yield. Of
//! those that are idle and do not need it soon the one that was idle longest is. If there is none,
//! a lane without a thread gets it of the busy one that has the most, which keeps one, and else of
//! an idle one; a lane that wants another one waits: no campaign takes the last connection of a
//! lane that sends now and then. A thread that goes sends nothing more, and ends once what
//! it has sent is answered; that may take as long as the provider's `timeout`, so its place is
//! another's from the begin. Where each place is the only one of a busy lane, as lanes finish that
//! were disabled, a lane without a thread has one beyond the bound.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::{Lane, lock};

/// The bound on the connection threads of all lanes that share it.
#[derive(Debug, Default)]
pub struct ConnectionLimit(Mutex<Places>);

#[derive(Debug)]
struct Places {
    most: usize,
    taken: usize,
    /// By the order in which they came.
    members: BTreeMap<u64, Member>,
    /// Lanes that have come.
    joined: u64,
    /// How often one has waited for a place.
    waits: u64,
}

/// A lane that shares the places.
#[derive(Debug)]
struct Member {
    lane: Weak<Lane>,
    /// Places that it has.
    threads: usize,
    /// Of those, how many it was asked to yield.
    asked: usize,
    /// Where it stands among those that wait for one.
    waits: Option<u64>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            most: usize::MAX,
            taken: 0,
            members: BTreeMap::new(),
            joined: 0,
            waits: 0,
        }
    }
}

impl Member {
    /// Threads that stay.
    fn stay(&self) -> usize {
        self.threads.saturating_sub(self.asked)
    }

    fn is_idle(&self) -> bool {
        let lane = self.lane.upgrade();
        lane.is_none_or(|lane| lane.room().outstanding() == 0)
    }

    fn idle_since(&self) -> Option<Instant> {
        self.lane.upgrade()?.crew().idle_since()
    }

    /// Whether it is idle and does not need one of its threads.
    fn spares_one(&self) -> bool {
        let lane = self.lane.upgrade();
        let spares_last = || lane.is_none_or(|lane| lane.crew().spares_its_last());
        self.is_idle() && (self.stay() > 1 || spares_last())
    }

    /// Has one of its threads go; false if there is none to be asked, as when it ends just now.
    fn ask(&mut self) -> bool {
        let lane = self.lane.upgrade();
        let is_asked = lane.is_some_and(|lane| lane.crew().ask_to_go());
        self.asked += usize::from(is_asked);
        is_asked
    }
}

impl Places {
    /// Asks another lane than that one to yield a place: one that is idle and spares it, or, if
    /// this `takes_last`, one that is busy and keeps others, or else one that is idle. Whether
    /// one was asked.
    fn ask_one(&mut self, other_than: Option<u64>, takes_last: bool) -> bool {
        let others = self.members.iter_mut();
        let others = others.filter(|(id, it)| Some(**id) != other_than && it.stay() > 0);
        let (idle, busy): (Vec<_>, Vec<_>) = others.partition(|(_, it)| it.is_idle());
        let idle = idle.into_iter().map(|(_, it)| (it.spares_one(), it));
        // Who has become idle a moment ago does not know yet since when.
        let longest = idle.min_by_key(|(spares, it)| {
            let since = it.idle_since();
            (!spares, since.is_none(), since)
        });
        let busy = busy.into_iter().filter(|(_, it)| it.stay() > 1);
        let most = busy.map(|(_, it)| it).max_by_key(|it| it.stay());
        let yields = match longest {
            Some((true, spares)) => Some(spares),
            _ if !takes_last => None,
            idle => most.or(idle.map(|(_, it)| it)),
        };
        yields.is_some_and(Member::ask)
    }

    /// Asks for as many places as are waited for. Names the lane that has none and gets none so.
    fn ask_for_waiting(&mut self) -> Option<u64> {
        let id = self.first_waiting()?;
        let waiting = self.members.values().filter(|it| it.waits.is_some());
        let without = waiting.clone().filter(|it| it.threads == 0).count();
        let (waiting, asked) = (waiting.count(), self.asked());
        // Also for the bound, where it was exceeded.
        let takes_last = without > asked || self.is_exceeded();
        let is_asked = waiting <= asked || self.ask_one(Some(id), takes_last);
        (!is_asked && without > asked).then_some(id)
    }

    /// Whether there are more threads than may be, besides those that go.
    fn is_exceeded(&self) -> bool {
        self.taken.saturating_sub(self.asked()) > self.most
    }

    /// Whether a place may come of it for one that waits that this one has nothing to do.
    fn gains_by(&self, id: u64) -> bool {
        let first = self.first_waiting().and_then(|id| self.members.get(&id));
        let Some(first) = first else {
            return false;
        };
        let takes_last = first.threads == 0 || self.is_exceeded();
        let idle = self.members.get(&id);
        self.taken < self.most || takes_last || idle.is_some_and(Member::spares_one)
    }

    /// One that has no thread goes first.
    fn first_waiting(&self) -> Option<u64> {
        let waiting = self.members.iter().filter(|(_, it)| it.waits.is_some());
        let first = waiting.min_by_key(|(_, it)| (it.threads > 0, it.waits));
        first.map(|(id, _)| *id)
    }

    /// Places that are being yielded.
    fn asked(&self) -> usize {
        self.members.values().map(|it| it.asked).sum()
    }

    /// The lane that may have a place now, if one may; asks for places if none is free.
    fn next(&mut self) -> Option<Weak<Lane>> {
        let next = if self.taken < self.most {
            self.first_waiting()
        } else {
            self.ask_for_waiting()
        };
        let next = self.members.get_mut(&next?)?;
        next.waits = None;
        Some(Weak::clone(&next.lane))
    }
}

impl ConnectionLimit {
    /// So many at most.
    pub fn new(most: usize) -> Arc<Self> {
        let limit = Self::default();
        lock(&limit.0).most = most;
        Arc::new(limit)
    }

    /// Threads that there may be.
    pub fn most(&self) -> usize {
        lock(&self.0).most
    }

    /// Has that lane, which has no thread yet, share the places.
    pub fn join(self: &Arc<Self>, lane: &Arc<Lane>) {
        let mut places = lock(&self.0);
        let is_there = |it: &mut Member| it.threads > 0 || it.lane.strong_count() > 0;
        places.members.retain(|_, it| is_there(it));
        places.joined += 1;
        let (id, lane_of) = (places.joined, Arc::downgrade(lane));
        let member = Member {
            lane: lane_of,
            threads: 0,
            asked: 0,
            waits: None,
        };
        places.members.insert(id, member);
        drop(places);
        lane.crew().share(Arc::clone(self), id);
    }

    /// Lets there be so many from now on: those beyond that are asked to go, and as long as every
    /// lane is busy with one alone, there are more.
    pub fn set_most(&self, most: usize) {
        let mut places = lock(&self.0);
        places.most = most;
        let mut asked = None;
        while asked != Some(places.asked()) && places.taken - places.asked() > most {
            asked = Some(places.asked());
            places.ask_one(None, true);
        }
        drop(places);
        self.hand_on();
    }

    /// Takes a place for a thread of that lane; else it is called when there is one.
    pub(super) fn take(&self, id: u64) -> bool {
        let places = &mut *lock(&self.0);
        let Some(member) = places.members.get_mut(&id) else {
            return true;
        };
        let is_free = places.taken < places.most;
        if !is_free && member.waits.is_some() {
            return false;
        }
        places.waits += 1;
        member.waits = Some(places.waits);
        let takes = is_free || places.ask_for_waiting() == Some(id);
        if takes && let Some(member) = places.members.get_mut(&id) {
            (member.threads, member.waits) = (member.threads + 1, None);
            places.taken += 1;
        }
        takes
    }

    /// A thread of that lane has ended, which had given back its place before if it `was_going`;
    /// `was_asked` says, from now on, whether it is asked to.
    pub(super) fn give_back(&self, id: u64, was_going: bool, was_asked: impl FnOnce() -> bool) {
        let places = &mut *lock(&self.0);
        let was_asked = was_asked();
        if let Some(member) = places.members.get_mut(&id) {
            let given = member.threads.min(usize::from(!was_going));
            member.threads -= given;
            places.taken -= given;
            // One that was asked too late, as it ended already, leaves a request that nobody has.
            let asked = member.asked.saturating_sub(usize::from(was_asked));
            member.asked = asked.min(member.threads);
        }
    }

    /// Whether a thread of that lane that was asked to go does, now that the lane `is_busy` or not;
    /// `note` is told before another can be asked. If it does, it has given back its place.
    pub(super) fn goes(&self, id: u64, is_busy: bool, note: impl FnOnce(bool)) -> bool {
        let places = &mut *lock(&self.0);
        let Some(member) = places.members.get_mut(&id) else {
            return true;
        };
        let goes = !is_busy || member.threads > member.asked.max(1);
        note(goes);
        member.asked = member.asked.saturating_sub(1);
        if goes {
            let given = member.threads.min(1);
            member.threads -= given;
            places.taken -= given;
        }
        goes
    }

    /// That lane has nothing to do: calls and asks as [`ConnectionLimit::hand_on`] if that can
    /// change anything. Each push of lanes that send now and then comes here, and all lanes are
    /// looked at to ask one.
    pub(super) fn has_idle(&self, id: u64) {
        let gains = lock(&self.0).gains_by(id);
        if gains {
            self.hand_on();
        }
    }

    /// Calls those that wait, as far as places are free, and asks for the others.
    pub(super) fn hand_on(&self) {
        let next = || lock(&self.0).next();
        while let Some(next) = next() {
            if let Some(lane) = next.upgrade() {
                lane.call_for_work();
            }
        }
    }
}

#[cfg(test)]
mod tests;
