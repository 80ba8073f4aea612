//! Who looks after a lane's queue: one state per connection thread, so that a push wakes exactly
//! the thread that should take it, and no thread when one is looking already. A thread that is not
//! needed ends; its seat is absent until work asks for it.
//!
//! ```text
//!            sees work                  all streams in use, or connecting
//!   Warm ───────────────→ Looking ───────────────────────────────────────→ Busy
//!   Cold ←─────────────── (runs)  ←─────────────────────────────────────── (runs or waits)
//!        nothing to take   ↑   │               a stream came free
//!                  started │   │ idle for long
//!                          └─ Absent
//! ```
//!
//! Of a connection's streams some are kept for transactional pushes. A thread whose others are in
//! use waits as one that is warm for those, and as one that is busy for all else: [`Reserved`].
//!
//! [`Reserved`]: SeatState::Reserved
//!
//! The rule that loses no wake-up (the store-buffering pattern): whoever adds work makes it
//! visible, fences, then reads the states; whoever stops looking writes its state, fences, then
//! reads the queue. One of the two sees the other: `tests/loom_attendance.rs` checks it over all
//! interleavings, which is why the atomics come from the parent module. The same holds of a thread
//! that ends: it is absent first, and then reads what waits; if that needs it, it comes back, or
//! whoever brought it has claimed the seat and starts another thread on it.
//!
//! Pure: atomics only. The caller rings or starts the thread that [`Attendance::call`] names.

use super::atomics::{AtomicU8, Ordering, fence};

/// What a connection thread does, as those who bring work see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SeatState {
    /// Runs, and will look at the queue before it waits.
    Looking = 0,
    /// Waits, with a connection that has room.
    Warm = 1,
    /// Waits, without a connection: woken only when no warm thread can take the work.
    Cold = 2,
    /// Has no room, or is connecting; looks at the queue by itself once that has changed.
    Busy = 3,
    /// Waits until it may connect, for work that is there, and looks at the queue by itself then.
    Waiting = 4,
    /// Does not run: started only when nobody else can take the work.
    Absent = 5,
    /// Waits, with a connection that has room for urgent work alone; looks at the queue by itself
    /// when it has more.
    Reserved = 6,
}

/// Who is to look after work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The thread on this seat, which waits.
    Wake(usize),
    /// A new thread on this seat.
    Start(usize),
}

/// The states of a lane's connection threads, by index.
#[derive(Debug)]
pub struct Attendance {
    seats: Box<[AtomicU8]>,
}

impl Attendance {
    /// As many seats as the lane may have threads, none of which runs.
    pub fn new(threads: usize) -> Self {
        Self {
            seats: (0..threads)
                .map(|_| AtomicU8::new(SeatState::Absent as u8))
                .collect(),
        }
    }

    /// A thread has started on that seat. It is busy, unless it was called: then it looks.
    pub fn arrive(&self, seat: usize) {
        self.exchange(seat, SeatState::Absent, SeatState::Busy);
    }

    /// Thread `seat` is needed after all, and goes on, unless another is being started on its seat.
    pub fn come_back(&self, seat: usize) -> bool {
        self.exchange(seat, SeatState::Absent, SeatState::Looking)
    }

    /// No thread came of the call to that seat. Names one instead that has begun to wait without a
    /// connection, having seen that seat look, if one may connect; it counts as looking then.
    pub fn stay_away(&self, seat: usize, may_connect: impl FnOnce() -> bool) -> Option<usize> {
        self.exchange(seat, SeatState::Looking, SeatState::Absent);
        may_connect().then(|| self.claim(SeatState::Cold)).flatten()
    }

    /// Threads that run, or are being started.
    pub fn present(&self) -> usize {
        fence(Ordering::SeqCst);
        let is_present = |seat: &&AtomicU8| seat.load(Ordering::SeqCst) != SeatState::Absent as u8;
        self.seats.iter().filter(is_present).count()
    }

    /// Whether thread `seat` has a connection, or is to.
    pub fn is_connected(&self, seat: usize) -> bool {
        let has_none = [SeatState::Cold as u8, SeatState::Absent as u8];
        fence(Ordering::SeqCst);
        let seat = self.seats.get(seat);
        seat.is_some_and(|seat| !has_none.contains(&seat.load(Ordering::SeqCst)))
    }

    /// Thread `seat` runs and will look at the queue before it waits. True if it is entitled to
    /// connect for what it finds: it was called, or had not been waiting for a call. One that
    /// woke by itself leaves a new connection to [`Attendance::call`], which knows of better.
    pub fn look(&self, seat: usize) -> bool {
        let Some(state) = self.seats.get(seat) else {
            return false;
        };
        let before = state.swap(SeatState::Looking as u8, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        before != SeatState::Cold as u8
    }

    /// Thread `seat` is about to wait, or to be busy. It must read the queue after this: if work
    /// is there, a warm thread calls [`Attendance::look`] and goes on, any other passes the work
    /// on by [`Attendance::call`], which may name the caller itself.
    pub fn leave(&self, seat: usize, state: SeatState) {
        if let Some(cell) = self.seats.get(seat) {
            cell.store(state as u8, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
    }

    /// Whether thread `seat` is in that state.
    pub fn is(&self, seat: usize, state: SeatState) -> bool {
        fence(Ordering::SeqCst);
        let seat = self.seats.get(seat);
        seat.is_some_and(|seat| seat.load(Ordering::SeqCst) == state as u8)
    }

    /// Work is there: names the thread to wake or to start, if one must be. It counts as looking
    /// from here on. One that has room for urgent work alone is named if this `is_urgent`, and one
    /// without a connection only if `may_connect`: who is connecting looks at the queue when that
    /// is done.
    pub fn call(&self, is_urgent: bool, may_connect: impl FnOnce() -> bool) -> Option<Call> {
        fence(Ordering::SeqCst);
        // A warm thread that wakes by itself between being seen and being claimed is looking now:
        // that calls for another look, not for another connection.
        for _ in 0..LOOKS {
            let (mut warm, mut reserved) = (false, false);
            for seat in &self.seats {
                let state = seat.load(Ordering::SeqCst);
                if state == SeatState::Looking as u8 {
                    return None;
                }
                warm |= state == SeatState::Warm as u8;
                reserved |= is_urgent && state == SeatState::Reserved as u8;
            }
            if !warm && !reserved {
                break;
            }
            let warm = warm.then(|| self.claim(SeatState::Warm)).flatten();
            let reserved = || reserved.then(|| self.claim(SeatState::Reserved)).flatten();
            if let Some(claimed) = warm.or_else(reserved) {
                return Some(Call::Wake(claimed));
            }
        }
        self.call_cold(may_connect)
    }

    /// Names a thread without a connection, if there is one and it may connect; else one that is
    /// to be started for that. It counts as looking from here on.
    pub fn call_cold(&self, may_connect: impl FnOnce() -> bool) -> Option<Call> {
        let has_none = |seat: &AtomicU8| {
            let state = seat.load(Ordering::SeqCst);
            state == SeatState::Cold as u8 || state == SeatState::Absent as u8
        };
        if !self.seats.iter().any(has_none) || !may_connect() {
            return None;
        }
        // In this order: who is cold may turn absent meanwhile.
        let cold = self.claim(SeatState::Cold).map(Call::Wake);
        cold.or_else(|| self.call_absent())
    }

    /// Names a thread that is to be started, unless one waits for what that would wait for too. It
    /// counts as looking from here on.
    pub fn call_absent(&self) -> Option<Call> {
        let waits = |seat: &AtomicU8| seat.load(Ordering::SeqCst) == SeatState::Waiting as u8;
        let claimed = (!self.seats.iter().any(waits)).then(|| self.claim(SeatState::Absent));
        claimed.flatten().map(Call::Start)
    }

    /// Turns the first thread in the state `wanted` into a looking one.
    fn claim(&self, wanted: SeatState) -> Option<usize> {
        (0..self.seats.len()).find(|seat| self.exchange(*seat, wanted, SeatState::Looking))
    }

    /// Turns a thread that is in one state into the other; whether it was.
    fn exchange(&self, seat: usize, from: SeatState, to: SeatState) -> bool {
        let (from, to) = (from as u8, to as u8);
        self.seats.get(seat).is_some_and(|seat| {
            seat.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        })
    }
}

/// Times that [`Attendance::call`] looks for a thread with a connection before it takes one
/// without.
const LOOKS: usize = 3;
