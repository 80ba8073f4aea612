//! The connections that are open, and which of them may be closed for a new one.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::crowd::CrowdTally;
use super::socket::ListeningSocket;
use super::standing::{Awaited, Claim, Rank, Standing, StandingVerdict, whom_to_close};
use crate::moment;

/// One open connection, as far as it is not in the hands of one alone.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) socket: ListeningSocket,
    state: Mutex<PlaceState>,
}

/// The lock orders what is done with a connection and what is done to it: no request that
/// was begun is cut off as idle, and a connection that falls idle while the listener stops is seen
/// by one of the two.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct PlaceState {
    standing: Standing,
    /// Closed for another, or at the end.
    evicted: bool,
    /// Closed for another, and counted as such: nothing keeps it.
    leaving: bool,
    /// It has been answered and stays for more.
    stays: bool,
    /// Its request waits for who answers.
    queued: bool,
    /// Bytes of the budget for large bodies and answers.
    holds: usize,
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Registry {
    open: Mutex<Open>,
    left: Condvar,
    /// When a request that waited was last taken up.
    taken: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Open {
    slots: HashMap<u64, Arc<Slot>>,
    next: u64,
    /// Those that were closed for others and have not gone yet.
    leaving: usize,
    /// Those that have been answered and stay for more.
    staying: usize,
    /// Most that may stay.
    most_staying: usize,
    /// Those that were closed for others, since it was last asked.
    closed: CrowdTally,
    /// Whether requests that wait are being taken up.
    goes_on: bool,
}

/// Whether there is room for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Free,
    /// There will be soon: it is to be asked again after that time.
    Soon(Duration),
    /// There may be, when one of the requests is answered.
    Busy,
}

/// The place of a connection in the registry; dropping it takes the connection out.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) slot: Arc<Slot>,
    /// Behind the slot: who leaves has the last hand on the socket, which is closed in the moment
    /// in which it is no more counted.
    entry: Enrolled,
}

#[derive(Debug)]
struct Enrolled {
    registry: Arc<Registry>,
    number: u64,
}

/// The connection was closed for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evicted;

impl Registry {
    pub(super) fn new() -> Arc<Self> {
        let registry = Self::default();
        let mut open = registry.lock();
        (open.most_staying, open.next) = (usize::MAX, FIRST);
        drop(open);
        Arc::new(registry)
    }

    /// Registers a connection whose first request is awaited from now on.
    pub(super) fn enter(self: &Arc<Self>, socket: ListeningSocket) -> Place {
        let slot = Arc::new(Slot {
            socket,
            state: Mutex::new(PlaceState {
                standing: Standing::new(moment::now()),
                evicted: false,
                leaving: false,
                stays: false,
                queued: false,
                holds: 0,
            }),
        });
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.slots.insert(number, Arc::clone(&slot));
        let registry = Arc::clone(self);
        Place {
            slot,
            entry: Enrolled { registry, number },
        }
    }

    /// Connections that are open.
    pub(super) fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Sees to it that fewer than `most` connections are open, beside those that leave already.
    pub(super) fn make_room(&self, most: usize) -> Room {
        let taken = *self.lock_taken();
        let mut open = self.lock();
        open.goes_on = taken.is_some_and(|at| moment::since(at) < GOES_ON);
        let room = open.make_room(most);
        let left = usize::from(room != Room::Free);
        open.most_staying = most.saturating_sub(left.max(most / SPARE));
        room
    }

    /// What was closed for others since this was last asked.
    pub(super) fn take_closed(&self) -> CrowdTally {
        std::mem::take(&mut self.lock().closed)
    }

    /// Closes a connection so that its descriptor is free soon.
    pub(super) fn free_one(&self) {
        // That some are too young to be closed now is no matter: it is asked again.
        let _closed = self.lock().close_one(0, |_| true);
    }

    /// Sees to it that connections which hold that much of the budget leave, as far as their
    /// callers let us wait for them.
    pub(super) fn free_memory(&self, bytes: usize) {
        let mut open = self.lock();
        let is_coming = |open: &Open| {
            let leaving = open.slots.values().map(|slot| {
                let state = slot.lock();
                if state.evicted { state.holds } else { 0 }
            });
            leaving.sum::<usize>()
        };
        let now = moment::now();
        let is_asked = |state: &PlaceState| state.holds > 0 && !state.standing.is_on_its_way(now);
        while is_coming(&open) < bytes {
            let Eviction::One = open.close_one(0, is_asked) else {
                break;
            };
        }
    }

    /// Closes every connection that has had no request for that time.
    pub(super) fn evict_all_idle_for(&self, time: Duration) {
        let now = moment::now();
        for slot in self.lock().slots.values() {
            let mut state = slot.lock();
            let idle = matches!(state.standing.awaited(), Awaited::First | Awaited::Next);
            if idle && now.saturating_duration_since(state.standing.since()) >= time {
                slot.evict(&mut state);
            }
        }
    }

    /// Closes every connection, whatever it is doing.
    pub(super) fn shut_all(&self) {
        for slot in self.lock().slots.values() {
            slot.socket.shut();
        }
    }

    /// Waits until fewer than `bound` connections are open; false if the time is out before.
    pub(super) fn wait_below(&self, bound: usize, timeout: Duration) -> bool {
        let are_many = |open: &mut Open| open.slots.len() >= bound;
        let open = moment::wait_while(&self.left, self.lock(), timeout, are_many);
        open.slots.len() < bound
    }

    fn lock_taken(&self) -> MutexGuard<'_, Option<Instant>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing panics while it holds the lock, and if it did, the map would still be a map.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of closing one connection for another.
enum Eviction {
    One,
    Later(Duration),
    Nobody,
}

impl Open {
    fn make_room(&mut self, most: usize) -> Room {
        while self.slots.len().saturating_sub(self.leaving) >= most {
            if self.leaving >= LEAVING_MAX {
                return Room::Soon(MOMENT);
            }
            match self.close_one(most, |_| true) {
                Eviction::One => {}
                Eviction::Later(time) => return Room::Soon(time),
                Eviction::Nobody => return Room::Busy,
            }
        }
        Room::Free
    }

    /// Closes one of the connections for which `is_asked` says so.
    fn close_one(&mut self, most: usize, is_asked: impl Fn(&PlaceState) -> bool) -> Eviction {
        let now = moment::now();
        let mut claims: Vec<Claim> = Vec::new();
        let mut are_spared = false;
        for (&number, slot) in &self.slots {
            let state = slot.lock();
            // Not busy, but about to be.
            are_spared |= self.goes_on && state.queued;
            if !state.evicted
                && is_asked(&state)
                && let Some(claim) = state.standing.claim(number, now)
            {
                claims.push(claim);
            }
        }
        loop {
            let number = match whom_to_close(&claims, most) {
                StandingVerdict::Close(number) => number,
                StandingVerdict::Later(time) => return Eviction::Later(time.min(MOMENT)),
                StandingVerdict::Nobody if are_spared => return Eviction::Later(MOMENT),
                StandingVerdict::Nobody => return Eviction::Nobody,
            };
            claims.retain(|claim| claim.number != number);
            let Some(slot) = self.slots.get(&number) else {
                continue;
            };
            let mut state = slot.lock();
            let Some(claim) = state.standing.claim(number, now) else {
                continue;
            };
            // What has come and was not read yet does not count against the caller.
            if slot.has_input(state.standing.awaited()) {
                are_spared = true;
                continue;
            }
            slot.evict(&mut state);
            state.leaving = true;
            self.leaving += 1;
            match claim.rank {
                // Answered, and told to connect again.
                Rank::Behind if state.standing.awaited() == Awaited::Farewell => {}
                Rank::Behind | Rank::Keeping => self.closed.unfinished += 1,
                Rank::Idle => self.closed.idle += 1,
            }
            return Eviction::One;
        }
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, PlaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_input(&self, awaited: Awaited) -> bool {
        match awaited {
            Awaited::Nothing | Awaited::Taking | Awaited::Farewell => false,
            Awaited::First | Awaited::Next | Awaited::Head | Awaited::Body => {
                self.socket.has_input()
            }
        }
    }

    /// Ends what is read. What was read whole is still answered, and who has begun a request
    /// hears why that is not.
    fn evict(&self, state: &mut PlaceState) {
        state.evicted = true;
        match state.standing.awaited() {
            Awaited::Taking | Awaited::Farewell => self.socket.shut(),
            _ => self.socket.deafen(),
        }
    }

    /// Marks the connection as waiting for a request.
    pub(super) fn fall_idle(&self) -> Result<(), Evicted> {
        self.unless_evicted(|standing| standing.fall_idle(moment::now()))
    }

    /// Marks the connection as having a request, or one whose turn has come.
    pub(super) fn begin(&self) {
        self.lock().standing.begin(moment::now());
    }

    /// Marks the connection as waiting for its caller, of whose body or answer so much has moved.
    pub(super) fn wait(&self, awaited: Awaited, moved: usize) -> Result<(), Evicted> {
        self.unless_evicted(|standing| standing.wait(awaited, moved, moment::now()))
    }

    /// Marks the connection as ours to go on with.
    pub(super) fn resume(&self) {
        self.lock().standing.resume(moment::now());
    }

    /// Since when its caller owes what is awaited.
    #[cfg(test)]
    pub(super) fn since(&self) -> Instant {
        self.lock().standing.since()
    }

    /// Whether it was closed for another.
    pub(super) fn is_evicted(&self) -> bool {
        self.lock().evicted
    }

    /// Says how much of the budget for large bodies and answers it has.
    pub(super) fn hold(&self, bytes: usize) {
        self.lock().holds = bytes;
    }

    fn unless_evicted(&self, change: impl FnOnce(&mut Standing)) -> Result<(), Evicted> {
        let mut state = self.lock();
        if state.evicted {
            return Err(Evicted);
        }
        change(&mut state.standing);
        Ok(())
    }
}

impl Place {
    /// The number of the connection, which no other has.
    pub(super) fn number(&self) -> u64 {
        self.entry.number
    }

    /// Marks its request as one that waits for who answers.
    pub(super) fn queue(&self) {
        self.slot.lock().queued = true;
    }

    /// Marks its request as taken up by who answers.
    pub(super) fn take_up(&self) {
        self.slot.lock().queued = false;
        *self.entry.registry.lock_taken() = Some(moment::now());
    }

    /// Marks the connection as having a whole request. If it was closed for another meanwhile, it
    /// stays until that is answered.
    pub(super) fn work(&self) {
        if self.slot.lock().leaving {
            let mut open = self.entry.registry.lock();
            self.slot.lock().leaving = false;
            open.leaving = open.leaving.saturating_sub(1);
        }
    }

    /// Whether it is closed after this answer, since places are short: nobody is surprised by the
    /// end of a connection that its last answer told.
    pub(super) fn parts(&self) -> bool {
        let mut open = self.entry.registry.lock();
        let mut state = self.slot.lock();
        let others = open.staying - usize::from(state.stays);
        let stays = !state.evicted && others < open.most_staying;
        open.staying = others + usize::from(stays);
        open.closed.parting += u64::from(!stays && !state.evicted);
        state.stays = stays;
        !stays
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        let mut open = self.registry.lock();
        if let Some(slot) = open.slots.remove(&self.number) {
            let state = slot.lock();
            if state.leaving {
                open.leaving = open.leaving.saturating_sub(1);
            }
            open.staying -= usize::from(state.stays);
        }
        drop(open);
        self.registry.left.notify_all();
    }
}

/// The number of the first connection: those before are what else is watched.
const FIRST: u64 = 2;

/// Our limit: connections that are closed for others and have not gone yet.
pub(super) const LEAVING_MAX: usize = 16;

/// Our limit: the share of all places that is left to callers who have not been answered yet; one
/// in so many.
const SPARE: usize = 8;

/// How long after a request was taken up those that wait are no sign that all are busy.
const GOES_ON: Duration = Duration::from_millis(100);

/// How soon it is looked again whether there is room: connections go and requests are read
/// meanwhile.
const MOMENT: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
