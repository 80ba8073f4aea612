//! A lane: one provider's queue, from a push's acceptance to its settlement.
//!
//! It owns the ready queue, the retry shelf, the count of what is outstanding, the pace, and the
//! knowledge of which connection thread to wake. It knows nothing of connections or providers.
//!
//! The bound is a counter of pushes, reserved before a request is taken and held until each push
//! is settled (ready + shelf + in flight); the channels themselves carry chunks and are unbounded
//! because nothing enters them without a reservation.

mod atomics {
    //! What `attendance` is built on; its loom test puts loom's in this place.
    pub(super) use std::sync::atomic::{AtomicU8, Ordering, fence};
}
mod alarms;
mod aside;
mod attendance;
mod dial;
mod gate;
mod holding;
mod inquiry;
mod lanes;
mod oldest;
mod outage;
mod pace;
mod pacing;
mod prevalence;
mod rest;
mod resting;
mod retry_budget;
mod shelf;
mod sifting;
mod suspects;
mod trouble;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

pub use alarms::{ALARM_EVERY, ALARM_REASONS, Alarms};
pub use attendance::{Attendance, State};
pub use dial::{Dial, FIRST_WAIT, LONGEST_WAIT, Permit, SHORT_LIVED_BURST, SHORT_LIVED_EVERY};
pub use gate::{
    Cleared, CredentialRefusal, DECIDES_WITHIN, EndsWith, FIRST_PROBE, Gate, Hold, MaySend, Others,
    ProbeEnd, Refused, Target, Witness,
};
pub use inquiry::{Held, INQUIRIES_MAX, Inquiry, NoAnswer, Wish};
pub use lanes::Lanes;
pub use oldest::Oldest;
pub use outage::{Failing, Lack, OUTAGE_TOLD_AFTER, OUTAGE_TOLD_EVERY, Unreachable};
pub use pace::{BURST, GATHER, Pace, RAMP, RAMP_STARTS_AT};
pub use pacing::Tickets;
pub use prevalence::{DECIDED, MANY_TOKENS, News, PREVALENCE_TOLD_EVERY, Prevailing, TokenRefusal};
pub use rest::{ANSWERS, Asked, Resting, Said, Turn};
pub use retry_budget::{IN_FLIGHT_PER_RETRY, LEAST_RETRIES, RetryBudget};
pub use suspects::{Rebuff, Suspect};

use crate::push::{ConnectionId, LaneId, Push, PushId};
use crate::stats::LaneStats;
use aside::Aside;
use holding::Holding;
use inquiry::Inquiries;
use oldest::Waiting;
use outage::Outage;
use pacing::Pacing;
use prevalence::Prevalence;
use resting::SharedRest;
use shelf::Shelf;
use suspects::Suspects;

/// Pushes in one chunk at the most: enough that channel and wake-up cost nothing beside the
/// push, few enough that a slow connection does not hoard.
pub const CHUNK: usize = 64;

/// While nothing can be sent, one thread looks this often for pushes whose time has passed.
pub const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What wakes a connection thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// One provider's queue.
pub struct Lane {
    id: LaneId,
    capacity: AtomicUsize,
    outstanding: AtomicUsize,
    ready: (Sender<Vec<Push>>, Receiver<Vec<Push>>),
    /// Pushes that come back: due retries, and what a lost connection never sent. They go first.
    returned: (Sender<Vec<Push>>, Receiver<Vec<Push>>),
    /// Those that a connection has refused, and that wait for another one.
    aside: Mutex<Aside>,
    /// Those that go last while the credential is refused.
    suspects: Suspects,
    /// The number of the next connection.
    connections: AtomicU32,
    shelf: Mutex<Shelf>,
    retry_budget: RetryBudget,
    dial: Mutex<Dial>,
    pacing: Pacing,
    rest: SharedRest,
    holding: Holding,
    prevalence: Mutex<Prevalence>,
    outage: Mutex<Outage>,
    /// Something is wrong with the provider.
    troubled: AtomicBool,
    waiting: Mutex<Waiting>,
    attendance: Attendance,
    inquiries: Inquiries,
    wakes: Box<[OnceLock<Wake>]>,
    swept: Mutex<Option<Instant>>,
    quiet: AtomicBool,
    /// Held by the one thread that sifts.
    sifting: Mutex<()>,
    stopped: AtomicBool,
    left_behind: AtomicUsize,
    stats: Arc<LaneStats>,
    stream_limit: AtomicUsize,
}

impl Lane {
    /// A lane for at most `capacity` outstanding pushes, served by `threads` connection threads.
    pub fn new(id: LaneId, capacity: usize, threads: usize) -> Arc<Self> {
        Self::counting(id, capacity, threads, Arc::default())
    }

    /// [`Lane::new`], with the counters of who served it before.
    pub fn counting(
        id: LaneId,
        capacity: usize,
        threads: usize,
        stats: Arc<LaneStats>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            capacity: AtomicUsize::new(capacity),
            outstanding: AtomicUsize::new(0),
            ready: crossbeam_channel::unbounded(),
            returned: crossbeam_channel::unbounded(),
            aside: Mutex::default(),
            suspects: Suspects::default(),
            connections: AtomicU32::new(1),
            shelf: Mutex::default(),
            retry_budget: RetryBudget::default(),
            dial: Mutex::default(),
            pacing: Pacing::default(),
            rest: SharedRest::default(),
            holding: Holding::default(),
            prevalence: Mutex::default(),
            outage: Mutex::default(),
            troubled: AtomicBool::new(false),
            waiting: Mutex::default(),
            attendance: Attendance::new(threads),
            inquiries: Inquiries::new(threads),
            wakes: (0..threads).map(|_| OnceLock::new()).collect(),
            swept: Mutex::default(),
            quiet: AtomicBool::new(false),
            sifting: Mutex::default(),
            stopped: AtomicBool::new(false),
            left_behind: AtomicUsize::new(0),
            stats,
            stream_limit: AtomicUsize::new(usize::MAX),
        })
    }

    /// Which lane it is.
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// What is counted of it.
    pub fn stats(&self) -> &LaneStats {
        &self.stats
    }

    /// Pushes that it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    /// Changes what it can hold; what it holds beyond that stays.
    pub fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Pushes that it holds: reserved, ready, on the shelf or in flight.
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Reserves room for so many pushes, all or nothing.
    pub fn reserve(self: &Arc<Self>, pushes: usize) -> Option<Reservation> {
        let capacity = self.capacity();
        self.outstanding
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |outstanding| {
                outstanding
                    .checked_add(pushes)
                    .filter(|sum| *sum <= capacity)
            })
            .ok()?;
        Some(Reservation {
            lane: Arc::clone(self),
            pushes,
        })
    }

    /// Queues pushes on their reservation and wakes a thread; room reserved beyond them is given
    /// back. Pushes beyond the reservation would break the bound, so they are not taken.
    pub fn enqueue(&self, mut reservation: Reservation, pushes: Vec<Push>) {
        debug_assert!(
            pushes.len() <= reservation.pushes,
            "more pushes than were reserved"
        );
        let taken = pushes.len().min(reservation.pushes);
        reservation.pushes -= taken;
        lock(&self.waiting).add(pushes.get(..taken).unwrap_or_default());
        let mut pushes = pushes.into_iter().take(taken).peekable();
        while pushes.peek().is_some() {
            offer(&self.ready.0, pushes.by_ref().take(CHUNK).collect());
        }
        self.call();
    }

    /// Hands back pushes that were taken and not sent; they go before the queue.
    pub fn put_back(&self, pushes: impl IntoIterator<Item = Push>) {
        let pushes: Vec<Push> = pushes.into_iter().collect();
        if !pushes.is_empty() {
            offer(&self.returned.0, pushes);
            self.call();
        }
    }

    /// Puts a push on the shelf until `due`, or until the hold ends.
    pub fn shelve(&self, mut push: Push, due: Instant) {
        self.end_retry(&push);
        push.is_retry = false;
        lock(&self.shelf).put(push, due);
    }

    /// Moves what is due from the shelf to the front of the queue, as far as the retry budget
    /// goes; the others wait for it, the earliest first. Nothing while the lane rests.
    pub fn promote_due(&self, now: Instant) {
        if self.rests(now) {
            return;
        }
        loop {
            // Only who holds the lock begins retries, so that the room cannot shrink meanwhile.
            let mut guard = lock(&self.shelf);
            let due = guard.take_due(now, CHUNK.min(self.retry_budget.room()));
            self.retry_budget.begin(due.len());
            drop(guard);
            if due.is_empty() {
                return;
            }
            let retries = due.into_iter().map(|mut push| {
                push.is_retry = true;
                push
            });
            self.put_back(retries);
        }
    }

    /// When a push on the shelf is due, and its attempts that have counted.
    pub fn find_shelved(&self, id: PushId) -> Option<(Instant, u16)> {
        lock(&self.shelf).find(id)
    }

    /// What the connection threads have of a push, or have done with it, told within that time.
    ///
    /// # Errors
    ///
    /// When a thread does not say.
    pub fn ask(&self, id: PushId, wish: Wish, within: Duration) -> Result<Option<Held>, NoAnswer> {
        self.inquiries.ask(id, wish, within, || self.wake_all())
    }

    /// The questions to thread `seat` since its last call.
    pub fn take_inquiries(&self, seat: usize) -> Vec<Inquiry> {
        self.inquiries.take(seat)
    }

    /// When the shelf has something due next; `None` also while the retry budget is used up, since
    /// whoever ends a retry looks again.
    pub fn next_due(&self) -> Option<Instant> {
        if self.retry_budget.room() == 0 {
            return None;
        }
        lock(&self.shelf).next_due()
    }

    /// How many retries may be under way.
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.retry_budget
    }

    /// The push is settled or shelved again: if it was a retry, its place is free.
    pub fn end_retry(&self, push: &Push) {
        if push.is_retry {
            self.retry_budget.end();
        }
    }

    /// Takes a chunk of pushes into `hand`; false if there was none.
    pub fn take(&self, hand: &mut VecDeque<Push>) -> bool {
        let chunk = self
            .returned
            .1
            .try_recv()
            .or_else(|_| self.ready.1.try_recv());
        chunk.map(|pushes| hand.extend(pushes)).is_ok()
    }

    /// Whether it is time to look for pushes that have expired in the queue: true for one thread
    /// in [`SWEEP_EVERY`].
    pub fn is_sweep_due(&self, now: Instant) -> bool {
        let mut swept = lock(&self.swept);
        let due = swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_EVERY);
        if due {
            *swept = Some(now);
        }
        due
    }

    /// Takes what is on the shelf of a lane that has stopped, with when each is due.
    pub fn take_shelf(&self) -> Vec<(Push, Instant)> {
        let _alone = lock(&self.sifting);
        lock(&self.shelf).take_all()
    }

    /// Takes everything that is queued or on the shelf, for a lane that has stopped.
    pub fn take_rest(&self) -> Vec<Push> {
        // Whoever sifts has some of it in his hands.
        let _alone = lock(&self.sifting);
        let mut rest = VecDeque::new();
        while self.take(&mut rest) {}
        rest.extend(lock(&self.aside).take_all());
        let suspects = self.suspects.take_all().into_iter();
        rest.extend(suspects.map(|suspect| suspect.push));
        let shelved = lock(&self.shelf).take_all();
        rest.extend(shelved.into_iter().map(|(push, _)| push));
        rest.into()
    }

    /// Whether a chunk is waiting, or a push that goes last and may.
    pub fn has_work(&self) -> bool {
        self.has_queued() || self.is_held() && self.suspects.is_due()
    }

    /// Whether a chunk is waiting.
    fn has_queued(&self) -> bool {
        !self.ready.1.is_empty() || !self.returned.1.is_empty()
    }

    /// So many pushes were settled; their room is free again.
    pub fn settled(&self, pushes: usize) {
        let before = self.outstanding.fetch_sub(pushes, Ordering::Relaxed);
        debug_assert!(before >= pushes, "settled more than was outstanding");
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

    /// The lane's dialling state.
    pub fn dial(&self) -> MutexGuard<'_, Dial> {
        lock(&self.dial)
    }

    /// The states of its threads.
    pub fn attendance(&self) -> &Attendance {
        &self.attendance
    }

    /// Registers what wakes thread `seat`; the first registration stays.
    pub fn seat(&self, seat: usize, wake: Wake) {
        if let Some(cell) = self.wakes.get(seat) {
            let _already_registered = cell.set(wake).is_err();
        }
    }

    /// Thread `seat` is about to wait in that state. False if it may; true if it must go on, since
    /// there is work for it. Work for another thread is passed on. `connection` is the one that it
    /// may send on, if it has such a one.
    pub fn leave(&self, seat: usize, state: State, connection: Option<ConnectionId>) -> bool {
        self.attendance.leave(seat, state);
        if !self.has_work_for(connection) || self.waits_for_tickets() {
            return false;
        }
        if state == State::Warm {
            self.attendance.look(seat);
            return true;
        }
        let called = self.attendance.call(|| self.dial().is_free());
        match called {
            Some(called) if called == seat => true,
            Some(called) => {
                self.wake(called);
                false
            }
            None => false,
        }
    }

    /// Wakes a thread for work, unless one is looking already or none could send it.
    pub fn call(&self) {
        if self.waits_for_tickets() {
            return;
        }
        if let Some(seat) = self.attendance.call(|| self.dial().is_free()) {
            self.wake(seat);
        }
    }

    /// Wakes every thread: a limit changed, or the end has come.
    pub fn wake_all(&self) {
        (0..self.wakes.len()).for_each(|seat| self.wake(seat));
    }

    /// Whether nothing more is to be sent: answers are awaited, and nothing else.
    pub fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Acquire)
    }

    /// Lets nothing more be sent; for good.
    pub fn fall_quiet(&self) {
        self.quiet.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Whether time is up: whatever is left is handed back unsent.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Ends its threads; for good.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake_all();
        self.wake_reader();
    }

    /// Streams in flight per connection that the operator allows; the provider's limit holds too.
    pub fn stream_limit(&self) -> usize {
        self.stream_limit.load(Ordering::Relaxed)
    }

    /// Sets [`Lane::stream_limit`]; at least 1.
    pub fn set_stream_limit(&self, streams: usize) {
        self.stream_limit.store(streams.max(1), Ordering::Relaxed);
        self.wake_all();
    }

    fn wake(&self, seat: usize) {
        if let Some(wake) = self.wakes.get(seat).and_then(OnceLock::get) {
            wake();
        }
    }
}

/// Its name.
impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(f)
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("id", &self.id)
            .field("outstanding", &self.outstanding())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Room for pushes in a lane. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    lane: Arc<Lane>,
    pushes: usize,
}

impl Reservation {
    /// Pushes that it has room for.
    pub fn pushes(&self) -> usize {
        self.pushes
    }

    /// Leaves the room of one push to that push's settlement: it ends without being queued.
    pub fn spend(&mut self) {
        self.pushes = self.pushes.saturating_sub(1);
    }

    /// Takes the room for pushes that are settled without ever being queued.
    pub fn occupy(mut self) {
        self.pushes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.pushes > 0 {
            self.lane.settled(self.pushes);
        }
    }
}

fn offer(channel: &Sender<Vec<Push>>, chunk: Vec<Push>) {
    // The lane holds both ends, so the channel cannot be disconnected.
    let _never_disconnected = channel.send(chunk).is_err();
}

/// A panic while one of these locks is held leaves a heap or a few numbers, valid either way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
