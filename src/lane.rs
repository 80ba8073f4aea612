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
mod calls;
mod chunks;
mod connection_limit;
mod crew;
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
mod queue;
mod rest;
mod resting;
mod retries;
mod retry_budget;
mod room;
mod shared_outage;
mod shelf;
mod sifting;
mod suspects;
mod taking;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use alarms::{ALARM_EVERY, ALARM_REASONS, Alarms};
pub use attendance::{Attendance, Call, SeatState};
pub use connection_limit::ConnectionLimit;
pub use crew::{Crew, Start, Wake};
pub use dial::{Dial, FIRST_WAIT, LONGEST_WAIT, Permit, SHORT_LIVED_BURST, SHORT_LIVED_EVERY};
pub use gate::{
    Cleared, CredentialRefusal, DECIDES_WITHIN, EndsWith, FIRST_PROBE, Gate, Hold, MaySend, Others,
    ProbeEnd, Proof, Refused, Target, Witness,
};
pub use holding::Holding;
pub use inquiry::{Held, INQUIRIES_MAX, Inquiries, Inquiry, NoAnswer, Wish};
pub use lanes::Lanes;
pub use oldest::{Oldest, Waiting};
pub use outage::{Failing, Lack, OUTAGE_TOLD_AFTER, OUTAGE_TOLD_EVERY, Unreachable};
pub use pace::{BURST, GATHER, Pace, RAMP, RAMP_STARTS_AT};
pub use pacing::{Pacing, Tickets};
pub use prevalence::{DECIDED, MANY_TOKENS, News, PREVALENCE_TOLD_EVERY, Prevailing, TokenRefusal};
pub use queue::{BULK_ONE_IN, BULK_WAITS_FOR};
pub use rest::{ANSWERS, Asked, Resting, Said, Turn};
pub use retries::Retries;
pub use retry_budget::{IN_FLIGHT_PER_RETRY, LEAST_RETRIES, RetryBudget};
pub use room::{
    Occupancy, QueueKind, Reservation, Room, RoomShare, SCHEDULED_QUEUES, TRANSACTIONAL_SHARE,
};
pub use shared_outage::SharedOutage;
pub use sifting::SWEPT_AT_A_TIME;
pub use suspects::{Rebuff, Suspect};

use crate::moment::Moment;
use crate::push::{ConnectionId, LaneId, Push, PushId};
use crate::stats::LaneStats;
use prevalence::Prevalence;
use queue::Queue;
use resting::SharedRest;

/// Pushes in one chunk at the most: enough that channel and wake-up cost nothing beside the
/// push, few enough that a slow connection does not hoard.
pub const CHUNK: usize = 64;

/// While nothing can be sent, one thread looks this often for pushes whose time has passed.
pub const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// One provider's queue.
pub struct Lane {
    id: LaneId,
    room: Arc<Room>,
    queue: Queue,
    /// The number of the next connection.
    connections: AtomicU32,
    retries: Retries,
    pacing: Pacing,
    rest: SharedRest,
    holding: Holding,
    prevalence: Mutex<Prevalence>,
    outage: SharedOutage,
    waiting: Mutex<Waiting>,
    crew: Crew,
    swept: Mutex<Option<Instant>>,
    quiet: AtomicBool,
    /// Held by the one thread that sifts.
    sifting: Mutex<()>,
    stopped: AtomicBool,
    stats: Arc<LaneStats>,
    stream_limit: AtomicUsize,
}

impl Lane {
    /// A lane for at most `capacity` outstanding pushes, served by up to `threads` connection
    /// threads.
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
            room: Room::new(capacity),
            queue: Queue::default(),
            connections: AtomicU32::new(1),
            retries: Retries::default(),
            pacing: Pacing::default(),
            rest: SharedRest::default(),
            holding: Holding::default(),
            prevalence: Mutex::default(),
            outage: SharedOutage::default(),
            waiting: Mutex::default(),
            crew: Crew::new(threads),
            swept: Mutex::default(),
            quiet: AtomicBool::new(false),
            sifting: Mutex::default(),
            stopped: AtomicBool::new(false),
            stats,
            stream_limit: AtomicUsize::new(usize::MAX),
        })
    }

    /// Which lane it is.
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// What is counted of the lane.
    pub fn stats(&self) -> &Arc<LaneStats> {
        &self.stats
    }

    /// How many pushes the lane holds, and may.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The connection threads of the lane.
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// The pace of the lane.
    pub fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    /// What holds the lane.
    pub fn holding(&self) -> &Holding {
        &self.holding
    }

    /// What is wrong with the lane's provider.
    pub fn outage(&self) -> &SharedOutage {
        &self.outage
    }

    /// What waits for another attempt.
    pub fn retries(&self) -> &Retries {
        &self.retries
    }

    /// What has waited, and for how long.
    pub fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    /// The notification that has waited for longest.
    pub fn oldest(&self) -> Option<Oldest> {
        let each = QueueKind::ALL.map(|kind| self.oldest_of(kind));
        each.into_iter()
            .flatten()
            .min_by_key(|oldest| oldest.at.unix)
    }

    /// The same of that kind. Whoever queues pushes waits for a part of the look at most.
    fn oldest_of(&self, kind: QueueKind) -> Option<Oldest> {
        while !self.waiting().drop_some_dead(kind) {}
        self.waiting().oldest_of(kind)
    }

    /// For how long the oldest push of each kind waits that is there, in their order.
    pub fn oldest_wait(&self, now: Moment) -> [Option<Duration>; QueueKind::ALL.len()] {
        QueueKind::ALL.map(|kind| Some(self.oldest_of(kind)?.age(now)))
    }

    /// Queues pushes on their reservation and wakes a thread; room reserved beyond them is given
    /// back. Pushes beyond the reservation would break the bound, so they are not taken.
    pub fn enqueue(&self, mut reservation: Reservation, pushes: Vec<Push>) {
        let taken = reservation.take(&pushes);
        lock(&self.waiting).add(pushes.get(..taken).unwrap_or_default());
        self.queue.add(pushes.into_iter().take(taken));
        self.call();
    }

    /// Hands back pushes that were taken and not sent; they go before the queue.
    pub fn put_back(&self, pushes: impl IntoIterator<Item = Push>) {
        if self.queue.put_back(pushes.into_iter()) {
            self.call();
        }
    }

    /// Moves what is due from the shelf to the front of the queue, as far as the retry budget
    /// goes; the others wait for it, transactional ones and then the earliest first. Nothing while
    /// the lane rests.
    pub fn promote_due(&self, now: Instant) {
        if self.rests(now) {
            return;
        }
        loop {
            let due = self.retries.take_due(now);
            if due.is_empty() {
                return;
            }
            self.put_back(due);
        }
    }

    /// What the connection threads have of a push, or have done with it, told within that time.
    ///
    /// # Errors
    ///
    /// When a thread does not say.
    pub fn ask(&self, id: PushId, wish: Wish, within: Duration) -> Result<Option<Held>, NoAnswer> {
        let inquiries = self.crew.inquiries();
        inquiries.ask(id, wish, within, || self.crew.wake_all())
    }

    /// Takes a chunk of pushes into `hand`; false if there was none.
    pub fn take(&self, hand: &mut VecDeque<Push>) -> bool {
        self.queue.take(hand)
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

    /// Whether a chunk is waiting, or a push that goes last and may.
    pub fn has_work(&self) -> bool {
        self.queue.has_chunks() || self.holding.has_work()
    }

    /// Whether nothing more is to be sent: answers are awaited, and nothing else.
    pub fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Acquire)
    }

    /// Lets nothing more be sent; for good.
    pub fn fall_quiet(&self) {
        self.quiet.store(true, Ordering::Release);
        self.crew.wake_all();
    }

    /// Whether time is up: whatever is left is handed back unsent.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Ends its threads; for good.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake_all_and_reader();
    }

    /// Streams in flight per connection that the operator allows; the provider's limit holds too.
    pub fn stream_limit(&self) -> usize {
        self.stream_limit.load(Ordering::Relaxed)
    }

    /// Sets [`Lane::stream_limit`]; at least 1.
    pub fn set_stream_limit(&self, streams: usize) {
        self.stream_limit.store(streams.max(1), Ordering::Relaxed);
        self.crew.wake_all();
    }

    /// What holds the lane has changed.
    fn wake_all_and_reader(&self) {
        self.crew.wake_all();
        self.crew.wake_reader();
    }

    /// Lets no more than so many pushes go in a second; 0 for as many as can.
    pub fn set_rate(&self, per_second: u32, now: Instant) {
        self.pacing.set_rate(per_second, now);
        self.crew.wake_all();
    }

    /// A number for a connection that was opened.
    pub fn new_connection(&self) -> ConnectionId {
        ConnectionId::new(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets a push go last that goes where another was refused; it is queued if none is.
    pub fn put_last(&self, push: Push) {
        self.release(self.holding.put_last([Suspect { push, met: None }]));
    }

    /// Queues pushes that have nothing to wait for any more.
    fn release(&self, suspects: impl IntoIterator<Item = Suspect>) {
        self.put_back(suspects.into_iter().map(Suspect::released));
    }

    /// Whether its threads may send. Held, a lane keeps its pushes; their time goes on.
    pub fn may_send(&self, now: Instant) -> MaySend {
        if self.rests(now) {
            MaySend::No
        } else {
            self.holding.may_send(now)
        }
    }

    /// Ends what [`Holding::pause`] began, and lets its threads know; false if it was not so.
    pub fn resume(&self) -> bool {
        let resumed = self.holding.resume();
        self.pacing.restart();
        self.crew.wake_all();
        resumed
    }

    /// The credential of route `generation` was refused: to `witness`, or before a push could be
    /// sent. The push that has met it goes last from now on.
    pub fn refuse(
        &self,
        refusal: CredentialRefusal,
        generation: u64,
        witness: Option<Witness>,
        suspect: Option<Suspect>,
        now: Moment,
        random: u64,
    ) -> Refused {
        let suspect = suspect.map(|mut suspect| {
            // It must not keep other retries back by that.
            self.retries.end(&suspect.push);
            suspect.push.is_retry = false;
            suspect
        });
        let (told, may_probe, free) = self
            .holding
            .refuse(refusal, generation, witness, suspect, now, random);
        self.release(free);
        if told != Refused::Known || may_probe {
            self.wake_all_and_reader();
        }
        told
    }

    /// Whether what is doubted is to count as refused by now; `in_flight` if pushes are.
    pub fn judge(&self, in_flight: bool, now: Instant, random: u64) -> Refused {
        let others_wait = || self.queue.has_chunks() || self.queue.has_aside_for(None);
        let told = self.holding.judge(in_flight, others_wait, now, random);
        if told != Refused::Known {
            self.wake_all_and_reader();
        }
        told
    }

    /// A push of route `generation` was answered as only a credential is that is taken. What that
    /// changed, and the pushes that were refused, which is about each of them then.
    pub fn taken(
        &self,
        generation: u64,
        proof: Proof,
        now: Instant,
    ) -> (Cleared, Vec<(Push, Rebuff)>) {
        let (cleared, suspects) = self.holding.taken(generation, proof, now);
        let (mut refused, mut others) = (Vec::new(), Vec::new());
        for Suspect { push, met } in suspects {
            match met {
                Some(rebuff) => refused.push((push, rebuff)),
                None => others.push(push),
            }
        }
        self.put_back(others);
        if !matches!(cleared, Cleared::Nothing | Cleared::Behind) {
            // One push alone is no reason to go slowly.
            if cleared == Cleared::Hold {
                self.pacing.restart();
            }
            self.wake_all_and_reader();
        }
        (cleared, refused)
    }

    /// A push has been taken out by hand. What it has met is forgotten; true if that opens the
    /// lane.
    pub fn forget(&self, push: PushId) -> bool {
        if !self.holding.is_held() {
            return false;
        }
        let (opened, suspects, was_witness) = self.holding.forget(push);
        self.release(suspects);
        if was_witness {
            // Others may be tried now, if not all.
            self.crew.wake_all();
        }
        opened
    }

    /// A probe has ended, and it is not known what that says.
    pub fn end_probe(
        &self,
        push: PushId,
        generation: u64,
        end: ProbeEnd,
        now: Instant,
        random: u64,
    ) {
        self.holding.end_probe(push, generation, end, now, random);
        self.wake_all_and_reader();
    }

    /// There is an access token. True if that opens what waited for one.
    pub fn has_access_token(&self, now: Instant) -> bool {
        if !self.holding.is_held() {
            return false;
        }
        let (opened, suspects) = self.holding.has_access_token(now);
        self.release(suspects);
        if opened {
            self.pacing.restart();
            self.crew.wake_all();
        }
        opened
    }

    /// The credential files were read, or could not be: the next push is a probe.
    pub fn credential_read(&self, now: Instant, random: u64) {
        self.holding.credential_read(now, random);
        self.crew.wake_all();
    }

    /// The route has been replaced: the threads look, and a refused credential is tried at once.
    /// The alarm that was told of answers to the old route, and ends by that.
    pub fn route_replaced(&self, generation: u64, now: Instant) -> Option<Prevailing> {
        self.release(self.holding.route_replaced(generation, now));
        self.crew.dial().forget_failures();
        // After the generation has risen: answers to the old route count no more.
        let ended = lock(&self.prevalence).forget();
        self.outage.forget_unreachable();
        self.crew.wake_all();
        ended
    }

    /// The lane's other credential is in use, since the one that was is refused: when its probe
    /// goes stays, and whatever else was found out of the provider. As [`Lane::route_replaced`].
    pub fn route_turned(&self, generation: u64) -> Option<Prevailing> {
        self.release(self.holding.route_turned(generation));
        let ended = lock(&self.prevalence).forget();
        self.crew.wake_all();
        ended
    }

    /// Pushes of route `generation` were decided on: by such refusals, each said to that target, or
    /// otherwise. What of that is to be told.
    pub fn decided(
        &self,
        answers: &[Option<(TokenRefusal, Target)>],
        generation: u64,
        now: Moment,
    ) -> Vec<News> {
        let mut prevalence = lock(&self.prevalence);
        let changes_nothing = answers.iter().all(Option::is_none) && prevalence.is_clean();
        if changes_nothing || generation != self.holding.route_generation() {
            return Vec::new();
        }
        let answers = answers.iter().copied();
        answers
            .flat_map(|said| prevalence.add(said, now))
            .flatten()
            .collect()
    }

    /// The refusal of device tokens that most of the last answers are.
    pub fn prevailing(&self) -> Option<Prevailing> {
        lock(&self.prevalence).prevailing()
    }

    /// The provider has answered: what that says of the lane, and how long it is asked to wait.
    /// Retries wait for that, unless it was said to one target alone.
    pub fn heard(
        &self,
        said: Said,
        asked: Option<Asked>,
        why: impl FnOnce() -> Arc<str>,
        now: Moment,
    ) -> Turn {
        let (turn, of_all, is_over) = self.rest.heard(said, asked, why, now);
        if let Some(Asked { until, spread }) = of_all {
            self.retries.hold(until, spread);
        }
        if is_over {
            self.pacing.restart();
        }
        if is_over || turn == Turn::Lifted {
            self.crew.wake_all();
        }
        turn
    }

    /// Whether it rests; the ramp of its rate starts over after that.
    pub fn rests(&self, now: Instant) -> bool {
        self.resting(now).is_some()
    }

    /// The rest that is under way.
    pub fn resting(&self, now: Instant) -> Option<Resting> {
        let (resting, is_over) = self.rest.resting(now);
        if is_over {
            self.pacing.restart();
        }
        resting
    }

    /// What is wrong with the provider and has to be told, and whether that goes on.
    pub fn look_at_outage(&self, now: Moment) -> Option<(Failing, bool)> {
        let waits = self.room.outstanding() > 0;
        self.outage.look(waits, self.holding.is_held(), now)
    }

    /// Whether the last attempt showed its provider out of order or out of reach, and pushes wait.
    pub fn takes_nothing(&self) -> bool {
        self.outage.is_known() && self.room.outstanding() > 0
    }

    /// The lane's provider, if that cannot be reached although pushes wait.
    pub fn unreachable(&self) -> Option<Unreachable> {
        let waits = self.room.outstanding() > 0;
        self.outage.unreachable().filter(|_| waits)
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
            .field("outstanding", &self.room.outstanding())
            .field("capacity", &self.room.capacity())
            .finish_non_exhaustive()
    }
}

/// A panic while one of these locks is held leaves a heap or a few numbers, valid either way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
