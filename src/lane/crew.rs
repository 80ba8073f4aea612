//! The connection threads of a lane: who looks after its queue, who is woken or started for work,
//! and which of them may connect.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::attendance::{Attendance, Call, SeatState};
use super::connection_limit::ConnectionLimit;
use super::dial::Dial;
use super::inquiry::Inquiries;
use super::lock;

/// What wakes a connection thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Starts a thread on a seat, which is to take it by [`Crew::seat`]; false if it could not.
pub type Start = Box<dyn Fn(usize) -> bool + Send + Sync>;

/// The threads of a lane: as many as work asks for, up to the number of its seats.
pub struct Crew {
    attendance: Attendance,
    /// What wakes those that run.
    wakes: Box<[Mutex<Option<Wake>>]>,
    start: OnceLock<Start>,
    /// What bounds their number, and as whom that knows them.
    limit: OnceLock<(Arc<ConnectionLimit>, u64)>,
    /// Whether they go for the sake of another lane: [`STAYS`], [`ASKED`] or [`GOES`].
    to_go: Box<[AtomicU8]>,
    idle: Mutex<Idle>,
    inquiries: Inquiries,
    dial: Mutex<Dial>,
    /// Connections that are opened as soon as streams are lacking; all, if not bounded.
    eager: OnceLock<usize>,
    /// Whether another one would take what those that are open do not.
    waits_for_answers: AtomicBool,
    /// Wakes who reads the credential files again.
    reader: OnceLock<Wake>,
}

/// Whether a lane is idle.
#[derive(Clone, Copy, Debug, Default)]
struct Idle {
    /// Since when there has been nothing to do.
    since: Option<Instant>,
    /// For [`IDLE_KEPT`], as far as was seen.
    is_for_long: bool,
}

/// Our limit: how long an idle lane keeps its last thread from lanes that have one and want more:
/// who sends now and then need not connect each time because others have a campaign.
const IDLE_KEPT: Duration = Duration::from_secs(60);

/// Our limit: connections that carry so many pushes a second for each CPU are busy with it; another
/// one would not take more. For one CPU it is what Google lets a project send.
const CARRIED_PER_SECOND: u32 = 10_000;

/// The thread has its place.
const STAYS: u8 = 0;
/// It is to give its place back, or to say that it does not.
const ASKED: u8 = 1;
/// It has given its place back, and is asked no more.
const GOES: u8 = 2;

impl Crew {
    /// A crew of at most so many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            attendance: Attendance::new(threads),
            wakes: (0..threads).map(|_| Mutex::default()).collect(),
            start: OnceLock::new(),
            limit: OnceLock::new(),
            to_go: (0..threads).map(|_| AtomicU8::new(STAYS)).collect(),
            idle: Mutex::default(),
            inquiries: Inquiries::new(threads),
            dial: Mutex::default(),
            eager: OnceLock::new(),
            waits_for_answers: AtomicBool::new(false),
            reader: OnceLock::new(),
        }
    }

    /// Bounds the connections that are opened as soon as streams are lacking: more are while the
    /// lane [waits for answers](Self::note_full). The first bound stays.
    pub fn set_eager(&self, connections: usize) {
        let _already_bounded = self.eager.set(connections).is_err();
    }

    /// Notes of a connection whose streams are in use, how many these are and after what time they
    /// come free: whether the lane waits for answers, and not for a processor.
    pub fn note_full(&self, streams: usize, answered_after: Duration) {
        let Some(eager) = self.eager.get() else {
            return;
        };
        // All that there are, as if they were like this one.
        let streams = streams.saturating_mul(self.connected().max(1)) as u64;
        let eager = u32::try_from(*eager).unwrap_or(u32::MAX);
        let busy = CARRIED_PER_SECOND.saturating_mul(eager);
        let waits = answered_after.saturating_mul(busy) > Duration::from_secs(streams);
        if waits != self.waits_for_answers.load(Ordering::Relaxed) {
            self.waits_for_answers.store(waits, Ordering::Relaxed);
        }
    }

    /// Threads that have a connection, or are to, and do not go for the sake of another lane.
    fn connected(&self) -> usize {
        let goes = |seat: usize| {
            let to_go = self.to_go.get(seat);
            to_go.is_some_and(|it| it.load(Ordering::Relaxed) == GOES)
        };
        let seats = 0..self.wakes.len();
        let connected = seats.filter(|seat| self.attendance.is_connected(*seat) && !goes(*seat));
        connected.count()
    }

    /// Whether another connection may be opened, and is worth it.
    fn may_connect(&self) -> bool {
        let is_worth_it = self.eager.get().is_none_or(|eager| {
            self.waits_for_answers.load(Ordering::Relaxed) || self.connected() < *eager
        });
        is_worth_it && self.dial().is_free()
    }

    /// When the next connection may be opened.
    pub fn dial(&self) -> MutexGuard<'_, Dial> {
        lock(&self.dial)
    }

    /// The states of the threads.
    pub fn attendance(&self) -> &Attendance {
        &self.attendance
    }

    /// What the threads are asked.
    pub fn inquiries(&self) -> &Inquiries {
        &self.inquiries
    }

    /// Registers what starts threads; the first registration stays. Without one they come by
    /// themselves.
    pub fn on_start(&self, start: Start) {
        let _already_registered = self.start.set(start).is_err();
    }

    /// A thread takes that seat, and is woken by that from now on.
    pub fn seat(&self, seat: usize, wake: Wake) {
        if let Some(place) = self.wakes.get(seat) {
            *lock(place) = Some(wake);
        }
        self.inquiries.open(seat);
        self.attendance.arrive(seat);
    }

    /// Thread `seat`, which has nothing in its hands, ends unless `is_needed` says otherwise then:
    /// true if it must end. What is asked of it has to be answered before.
    pub(super) fn dismiss(&self, seat: usize, is_needed: impl FnOnce() -> bool) -> bool {
        if !self.inquiries.close(seat) {
            return false;
        }
        let wake = self.wakes.get(seat).and_then(|place| lock(place).take());
        self.attendance.leave(seat, SeatState::Absent);
        if !is_needed() || !self.attendance.come_back(seat) {
            return true;
        }
        if let Some(wake) = wake {
            self.seat(seat, wake);
        }
        false
    }

    /// Has the number of threads bounded by that, as of `id`; the first stays.
    pub(super) fn share(&self, limit: Arc<ConnectionLimit>, id: u64) {
        let _already_shares = self.limit.set((limit, id)).is_err();
    }

    /// Thread `seat` has ended and gives its place back, unless it had when it began to go.
    pub(super) fn has_ended(&self, seat: usize, was_going: bool) {
        if let Some((limit, id)) = self.limit.get() {
            let stays = |it: &AtomicU8| it.swap(STAYS, Ordering::AcqRel) == ASKED;
            limit.give_back(*id, was_going, || self.to_go.get(seat).is_some_and(stays));
            limit.hand_on();
        }
    }

    /// Asks a thread to go, the one that is missed least; false if there is none.
    pub(super) fn ask_to_go(&self) -> bool {
        let states = [
            SeatState::Cold,
            SeatState::Waiting,
            SeatState::Warm,
            SeatState::Reserved,
            SeatState::Busy,
            SeatState::Looking,
        ];
        let by_state = states.into_iter().flat_map(|state| {
            let seats = 0..self.wakes.len();
            seats.filter(move |seat| self.attendance.is(*seat, state))
        });
        let is_free = |seat: &usize| {
            let (set, fetch) = (Ordering::AcqRel, Ordering::Relaxed);
            let to_go = self.to_go.get(*seat);
            to_go.is_some_and(|it| it.compare_exchange(STAYS, ASKED, set, fetch).is_ok())
        };
        let asked = by_state.into_iter().find(is_free);
        asked.inspect(|seat| self.wake(*seat)).is_some()
    }

    /// Whether thread `seat` is to go, which it is not if the lane `is_busy` with it alone; true
    /// once. Its place is another's then.
    pub(super) fn is_to_go(&self, seat: usize, is_busy: bool) -> bool {
        let to_go = self.to_go.get(seat);
        let asked = to_go.filter(|it| it.load(Ordering::Relaxed) == ASKED);
        let Some((asked, (limit, id))) = asked.zip(self.limit.get()) else {
            return false;
        };
        let note = |goes| asked.store(if goes { GOES } else { STAYS }, Ordering::Release);
        let goes = limit.goes(*id, is_busy, note);
        if !goes {
            // Others hear of it when there is nothing to do again, however soon that is.
            *lock(&self.idle) = Idle::default();
        }
        limit.hand_on();
        goes
    }

    /// Notes whether there is nothing to do.
    pub(super) fn note_idle(&self, is_idle: bool, now: Instant) {
        let Some((limit, id)) = self.limit.get() else {
            return;
        };
        let mut idle = lock(&self.idle);
        let since = is_idle.then(|| idle.since.unwrap_or(now));
        let is_for_long =
            since.is_some_and(|since| now.saturating_duration_since(since) >= IDLE_KEPT);
        let noted = Idle { since, is_for_long };
        let is_news =
            noted.since.is_some() != idle.since.is_some() || is_for_long != idle.is_for_long;
        *idle = noted;
        drop(idle);
        if is_idle && is_news {
            limit.has_idle(*id);
        }
    }

    /// A thread waits without a connection, with nothing to do: another lane may have its place.
    pub(super) fn note_cold(&self) {
        if let Some((limit, id)) = self.limit.get() {
            limit.has_idle(*id);
        }
    }

    /// Since when there has been nothing to do.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        lock(&self.idle).since
    }

    /// Whether the lane, which is idle, has nothing to lose with its last thread: it will not need
    /// that soon, or would have to connect anyway. Who has lent its connection has it back.
    pub(super) fn spares_its_last(&self) -> bool {
        let connected = [
            SeatState::Looking,
            SeatState::Warm,
            SeatState::Busy,
            SeatState::Reserved,
        ];
        let mut seats = 0..self.wakes.len();
        let is_connected = |seat| connected.iter().any(|it| self.attendance.is(seat, *it));
        let is_for_long = lock(&self.idle).is_for_long;
        is_for_long || !(self.dial().has_lent() || seats.any(is_connected))
    }

    /// Wakes a thread for work, or starts one, unless one is looking already or none could send it;
    /// for work that `is_urgent` also one that takes no other.
    pub fn call(&self, is_urgent: bool) {
        self.pass_on(None, is_urgent);
    }

    /// Wakes or starts a thread that has no connection, if one could be opened, for pushes that
    /// none of the open ones takes; false if there is none.
    pub fn call_another(&self) -> bool {
        let called = self.attendance.call_cold(|| self.dial().is_free());
        called.is_some_and(|called| self.rouse(called))
    }

    /// Starts a thread if none runs.
    pub(super) fn call_first(&self) {
        if self.attendance.present() == 0
            && let Some(called) = self.attendance.call_absent()
        {
            self.rouse(called);
        }
    }

    /// Passes work on from a thread that is about to wait: true if it is for that one.
    pub(super) fn pass_on(&self, from: Option<usize>, is_urgent: bool) -> bool {
        match self.attendance.call(is_urgent, || self.may_connect()) {
            Some(Call::Wake(seat)) if Some(seat) == from => true,
            called => {
                called.map(|called| self.rouse(called));
                false
            }
        }
    }

    /// Wakes every thread that runs: a limit changed, or the end has come.
    pub fn wake_all(&self) {
        (0..self.wakes.len()).for_each(|seat| self.wake(seat));
    }

    /// Wakes those that wait with a connection which has room: whoever looks or is busy will see
    /// it, and who has no connection is called if none takes it.
    pub(super) fn wake_warm(&self) {
        let is = |seat: &usize, state| self.attendance.is(*seat, state);
        let warm = (0..self.wakes.len())
            .filter(|seat| is(seat, SeatState::Warm) || is(seat, SeatState::Reserved));
        warm.for_each(|seat| self.wake(seat));
    }

    /// Registers what wakes the thread that reads the credential files; the first stays.
    pub fn on_hold(&self, wake: Wake) {
        let _already_registered = self.reader.set(wake).is_err();
    }

    pub(super) fn wake_reader(&self) {
        if let Some(wake) = self.reader.get() {
            wake();
        }
    }

    /// Has a thread look that was named, or one that waits if it could not be started; false if
    /// none does.
    fn rouse(&self, called: Call) -> bool {
        match called {
            Call::Wake(seat) => self.wake(seat),
            Call::Start(seat) => {
                let limit = self.limit.get();
                let has_place = limit.is_none_or(|(limit, id)| limit.take(*id));
                if has_place && self.start.get().is_some_and(|start| start(seat)) {
                    return true;
                }
                let instead = self.attendance.stay_away(seat, || self.may_connect());
                if has_place {
                    self.has_ended(seat, false);
                }
                return instead.inspect(|seat| self.wake(*seat)).is_some();
            }
        }
        true
    }

    /// Wakes thread `seat`, if it runs.
    pub fn wake(&self, seat: usize) {
        if let Some(place) = self.wakes.get(seat)
            && let Some(wake) = &*lock(place)
        {
            wake();
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("attendance", &self.attendance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A crew of which each thread notes that it was woken.
    fn crew(threads: usize) -> (Crew, Arc<Mutex<Vec<usize>>>) {
        let (crew, woken) = (Crew::new(threads), Arc::<Mutex<Vec<usize>>>::default());
        for seat in 0..threads {
            let woken = Arc::clone(&woken);
            crew.seat(seat, Box::new(move || lock(&woken).push(seat)));
        }
        (crew, woken)
    }

    #[test]
    fn work_is_passed_on_and_the_caller_may_have_it_itself() {
        let (crew, woken) = crew(2);
        assert!(!crew.pass_on(Some(0), false), "both are busy");
        crew.attendance.leave(1, SeatState::Warm);
        assert!(!crew.pass_on(Some(0), false));
        assert_eq!(*lock(&woken), [1]);
        crew.attendance.leave(1, SeatState::Busy);
        crew.attendance.leave(0, SeatState::Cold);
        assert!(crew.pass_on(Some(0), false), "nobody else can");
        assert_eq!(*lock(&woken), [1]);
    }

    #[test]
    fn more_than_are_eager_connect_only_while_answers_take_long() {
        let (crew, woken) = crew(3);
        crew.set_eager(1);
        let cold = || [1, 2].map(|seat| crew.attendance.leave(seat, SeatState::Cold));
        cold();
        crew.call(false);
        assert!(lock(&woken).is_empty(), "one is connected, and busy");
        // Of 100 streams, each of which is free again after that time.
        crew.note_full(100, Duration::from_millis(10));
        crew.call(false);
        assert!(lock(&woken).is_empty(), "it takes ten thousand a second");
        crew.note_full(100, Duration::from_millis(11));
        crew.call(false);
        assert_eq!(*lock(&woken), [1]);
        cold();
        crew.attendance.leave(1, SeatState::Busy);
        crew.note_full(100, Duration::from_millis(11));
        crew.call(false);
        assert_eq!(*lock(&woken), [1], "two take more");
        cold();
        crew.note_full(1000, Duration::from_millis(11));
        crew.call(false);
        assert_eq!(*lock(&woken), [1], "more streams need no other connection");
        crew.attendance.leave(0, SeatState::Cold);
        crew.call(false);
        assert_eq!(
            *lock(&woken),
            [1, 0],
            "the first is opened however fast answers come"
        );
    }

    #[test]
    fn who_is_not_needed_ends_and_another_is_started_on_its_seat() {
        let (crew, woken) = crew(1);
        let started = Arc::new(Mutex::new(vec![]));
        let noted = Arc::clone(&started);
        crew.on_start(Box::new(move |seat| {
            let mut started = lock(&noted);
            started.push(seat);
            started.len() > 1
        }));
        crew.attendance.look(0);
        assert!(!crew.dismiss(0, || true), "work has come meanwhile");
        crew.wake_all();
        assert_eq!(*lock(&woken), [0], "it is woken as before");
        assert!(crew.dismiss(0, || false));
        crew.wake_all();
        assert_eq!(*lock(&woken), [0], "and no more");
        crew.call(false);
        assert_eq!(crew.attendance.present(), 0, "it could not be started");
        crew.call_first();
        crew.call_first();
        assert_eq!((*lock(&started)).len(), 2, "at the next try it could");
    }

    #[test]
    fn who_begins_to_wait_while_none_can_be_started_is_woken_instead() {
        let (crew, woken) = crew(2);
        let crew = Arc::new(crew);
        crew.attendance.leave(1, SeatState::Absent);
        let weak = Arc::downgrade(&crew);
        crew.on_start(Box::new(move |_| {
            let crew = weak.upgrade().unwrap();
            crew.attendance.leave(0, SeatState::Cold);
            assert!(
                !crew.pass_on(Some(0), false),
                "another is looking, as it seems"
            );
            false
        }));
        assert!(crew.call_another());
        assert_eq!(*lock(&woken), [0]);
    }

    #[test]
    fn whoever_is_called_to_the_seat_of_one_that_ends_has_it() {
        let (crew, _) = crew(1);
        crew.on_start(Box::new(|_| true));
        crew.attendance.look(0);
        let comes = || {
            crew.call(false);
            true
        };
        assert!(crew.dismiss(0, comes), "another has been started for it");
        assert_eq!(crew.attendance.present(), 1);
    }

    #[test]
    fn who_has_no_connection_is_called_only_if_one_may_be_opened() {
        let (crew, woken) = crew(2);
        crew.attendance.leave(0, SeatState::Warm);
        crew.attendance.leave(1, SeatState::Cold);
        crew.wake_warm();
        assert_eq!(*lock(&woken), [0]);
        crew.dial().succeeded();
        assert!(!crew.call_another());
        crew.dial().settled();
        assert!(crew.call_another());
        assert_eq!(*lock(&woken), [0, 1]);
        crew.wake_all();
        assert_eq!(*lock(&woken), [0, 1, 0, 1]);
    }
}
