//! The connections that are open, and which of them may be closed for a new one.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
struct PlaceState {
    standing: Standing,
    /// Closed for another, or at the end.
    evicted: bool,
    /// Closed for another, and counted as such: nothing keeps it.
    leaving: bool,
    /// It has been answered and stays for more.
    stays: bool,
    /// Bytes of the budget for large bodies and answers.
    holds: usize,
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Registry {
    open: Mutex<Open>,
    left: Condvar,
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
        let mut open = self.lock();
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
        for (&number, slot) in &self.slots {
            let state = slot.lock();
            if !state.evicted
                && is_asked(&state)
                && let Some(claim) = state.standing.claim(number, now)
            {
                claims.push(claim);
            }
        }
        let mut are_spared = false;
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
    pub(super) fn since(&self) -> std::time::Instant {
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

/// How soon it is looked again whether there is room: connections go and requests are read
/// meanwhile.
const MOMENT: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    fn enter(registry: &Arc<Registry>) -> (Place, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (registry.enter(ListeningSocket::Unix(ours)), theirs)
    }

    fn hears_no_more(place: &Place) -> bool {
        place.slot.is_evicted() && matches!(place.slot.socket.read_now(&mut [0; 1]), Ok(0))
    }

    /// Asks until there is room: nobody is closed in its first moments.
    fn room(registry: &Registry, most: usize) {
        loop {
            match registry.make_room(most) {
                Room::Free => return,
                Room::Soon(_) | Room::Busy => std::thread::park_timeout(MOMENT),
            }
        }
    }

    #[test]
    fn who_is_behind_goes_first_then_the_longest_idle_and_who_has_a_request_never() {
        let registry = Registry::new();
        let (busy, _busy_client) = enter(&registry);
        let (older, _older_client) = enter(&registry);
        let (newer, _newer_client) = enter(&registry);
        let (half, _half_client) = enter(&registry);
        busy.slot.begin();
        older.slot.fall_idle().unwrap();
        newer.slot.fall_idle().unwrap();
        half.slot.begin();
        half.slot.wait(Awaited::Head, 0).unwrap();
        assert_eq!(registry.make_room(5), Room::Free);
        for (most, place) in [(4, &half), (3, &older), (2, &newer)] {
            assert!(!place.slot.is_evicted());
            room(&registry, most);
            assert!(hears_no_more(place), "one of {most} too many");
        }
        assert_eq!(registry.make_room(1), Room::Busy);
        assert!(!busy.slot.is_evicted() && busy.parts());
        let tally = registry.take_closed();
        assert_eq!((tally.unfinished, tally.idle, tally.parting), (1, 2, 1));
        assert_eq!(registry.take_closed(), CrowdTally::default());
        busy.slot.fall_idle().unwrap();
        room(&registry, 1);
        assert!(hears_no_more(&busy));
        // Whose answer said that the connection ends has lost nothing.
        let (parting, _parting_client) = enter(&registry);
        registry.take_closed();
        parting.slot.wait(Awaited::Farewell, 0).unwrap();
        room(&registry, 1);
        assert!(parting.slot.is_evicted());
        assert_eq!(registry.take_closed(), CrowdTally::default());
    }

    #[test]
    fn what_has_come_and_was_not_read_does_not_count_against_a_caller() {
        let registry = Registry::new();
        let (place, client) = enter(&registry);
        std::io::Write::write_all(&mut &client, b"G").unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            assert!(matches!(registry.make_room(1), Room::Soon(_)));
        }
        assert_eq!(place.slot.socket.read_now(&mut [0; 1]).unwrap(), 1);
        room(&registry, 1);
    }

    #[test]
    fn a_request_that_was_read_before_its_connection_was_closed_is_answered() {
        let registry = Registry::new();
        let (place, client) = enter(&registry);
        room(&registry, 1);
        assert_eq!(registry.lock().leaving, 1);
        place.slot.begin();
        place.work();
        assert_eq!(registry.lock().leaving, 0, "it stays for a while");
        place.slot.socket.write_now(b"x").unwrap();
        assert_eq!(std::io::Read::read(&mut &client, &mut [0; 9]).unwrap(), 1);
        assert_eq!(place.slot.wait(Awaited::Head, 0), Err(Evicted));
        assert_eq!(place.slot.fall_idle(), Err(Evicted));
    }

    #[test]
    fn as_many_stay_as_leave_places_for_others() {
        let registry = Registry::new();
        let places: Vec<_> = (0..16).map(|_| enter(&registry)).collect();
        let parting = || places.iter().filter(|(place, _)| place.parts()).count();
        assert_eq!(registry.make_room(18), Room::Free);
        assert_eq!(parting(), 0, "two places are spare");
        assert_eq!(registry.make_room(17), Room::Free);
        assert_eq!(parting(), 1);
        // Those that were never answered take nobody's place.
        let silent: Vec<_> = (0..9).map(|_| enter(&registry)).collect();
        assert_eq!(registry.make_room(26), Room::Free);
        assert_eq!(parting(), 0);
        drop((places, silent));
        // Where there are few places, one parts for one that waits.
        let places: Vec<_> = (0..2).map(|_| enter(&registry)).collect();
        let parting = || places.iter().filter(|(place, _)| place.parts()).count();
        for (place, _) in &places {
            place.slot.begin();
        }
        assert_eq!(registry.make_room(3), Room::Free);
        assert_eq!(parting(), 0);
        assert_eq!(registry.make_room(2), Room::Busy);
        assert_eq!(parting(), 1);
        assert_eq!(registry.take_closed().parting, 2);
        drop(places);
        assert_eq!(registry.lock().staying, 0);
    }

    #[test]
    fn those_that_leave_are_few() {
        let registry = Registry::new();
        let mut places: Vec<_> = (0..=LEAVING_MAX).map(|_| enter(&registry)).collect();
        room(&registry, 2);
        assert_eq!(registry.lock().leaving, LEAVING_MAX);
        places.push(enter(&registry));
        assert_eq!(registry.make_room(2), Room::Soon(MOMENT));
        let leaves = places.iter().position(|(place, _)| place.slot.is_evicted());
        drop(places.remove(leaves.unwrap()));
        room(&registry, 2);
    }

    #[test]
    fn memory_is_freed_by_who_holds_it_and_lets_us_wait() {
        let registry = Registry::new();
        let (behind, _behind_client) = enter(&registry);
        let (free, _free_client) = enter(&registry);
        let (busy, _busy_client) = enter(&registry);
        for place in [&behind, &free] {
            place.slot.begin();
            place.slot.wait(Awaited::Body, 0).unwrap();
        }
        busy.slot.begin();
        behind.slot.hold(10);
        busy.slot.hold(10);
        while !behind.slot.is_evicted() {
            registry.free_memory(1);
            std::thread::yield_now();
        }
        let (other, _other_client) = enter(&registry);
        other.slot.begin();
        other.slot.hold(1);
        other.slot.wait(Awaited::Body, 0).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            registry.free_memory(10);
        }
        assert!(!other.slot.is_evicted(), "enough is coming");
        drop(behind);
        while !other.slot.is_evicted() {
            registry.free_memory(10);
            std::thread::yield_now();
        }
        assert!(!free.slot.is_evicted() && !busy.slot.is_evicted());
    }

    #[test]
    fn at_the_end_who_has_just_come_is_spared_for_a_while() {
        let registry = Registry::new();
        let (place, _client) = enter(&registry);
        registry.evict_all_idle_for(Duration::from_secs(3600));
        assert!(!place.slot.is_evicted());
        registry.evict_all_idle_for(Duration::ZERO);
        assert!(hears_no_more(&place));
    }

    #[test]
    fn leaving_makes_room() {
        let registry = Registry::new();
        let (place, _client) = enter(&registry);
        assert_eq!(registry.len(), 1);
        assert!(!registry.wait_below(1, Duration::ZERO));
        drop(place);
        assert!(registry.wait_below(1, Duration::ZERO));
    }
}
