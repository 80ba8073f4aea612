//! Who looks after a lane's queue: one state per connection thread, so that a push wakes exactly
//! the thread that should take it, and no thread when one is looking already.
//!
//! ```text
//!            sees work                  all streams in use, or connecting
//!   Warm ───────────────→ Looking ───────────────────────────────────────→ Busy
//!   Cold ←─────────────── (runs)  ←─────────────────────────────────────── (runs or waits)
//!        nothing to take                       a stream came free
//! ```
//!
//! The rule that loses no wake-up (the store-buffering pattern): whoever adds work makes it
//! visible, fences, then reads the states; whoever stops looking writes its state, fences, then
//! reads the queue. One of the two sees the other: `tests/loom_attendance.rs` checks it over all
//! interleavings, which is why the atomics come from the parent module.
//!
//! Pure: atomics only. The caller rings the thread that [`Attendance::call`] names.

use super::atomics::{AtomicU8, Ordering, fence};

/// What a connection thread does, as those who bring work see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Runs, and will look at the queue before it waits.
    Looking = 0,
    /// Waits, with a connection that has room.
    Warm = 1,
    /// Waits, without a connection: woken only when no warm thread can take the work.
    Cold = 2,
    /// Has no room, or is connecting; looks at the queue by itself once that has changed.
    Busy = 3,
}

/// The states of a lane's connection threads, by index.
#[derive(Debug)]
pub struct Attendance {
    seats: Box<[AtomicU8]>,
}

impl Attendance {
    /// As many seats as the lane has threads, all busy until their threads have started.
    pub fn new(threads: usize) -> Self {
        Self {
            seats: (0..threads)
                .map(|_| AtomicU8::new(State::Busy as u8))
                .collect(),
        }
    }

    /// Thread `seat` runs and will look at the queue before it waits. True if it is entitled to
    /// connect for what it finds: it was called, or had not been waiting for a call. One that
    /// woke by itself leaves a new connection to [`Attendance::call`], which knows of better.
    pub fn look(&self, seat: usize) -> bool {
        let Some(state) = self.seats.get(seat) else {
            return false;
        };
        let before = state.swap(State::Looking as u8, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        before != State::Cold as u8
    }

    /// Thread `seat` is about to wait, or to be busy. It must read the queue after this: if work
    /// is there, a warm thread calls [`Attendance::look`] and goes on, any other passes the work
    /// on by [`Attendance::call`], which may name the caller itself.
    pub fn leave(&self, seat: usize, state: State) {
        if let Some(cell) = self.seats.get(seat) {
            cell.store(state as u8, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
    }

    /// Whether thread `seat` is in that state.
    pub fn is(&self, seat: usize, state: State) -> bool {
        fence(Ordering::SeqCst);
        let seat = self.seats.get(seat);
        seat.is_some_and(|seat| seat.load(Ordering::SeqCst) == state as u8)
    }

    /// Work is there: names the thread to wake, if one must be woken. It counts as looking from
    /// here on. A cold thread is named only if `may_connect`: who is connecting looks at the queue
    /// when that is done.
    pub fn call(&self, may_connect: impl FnOnce() -> bool) -> Option<usize> {
        fence(Ordering::SeqCst);
        // A warm thread that wakes by itself between being seen and being claimed is looking now:
        // that calls for another look, not for another connection.
        for _ in 0..LOOKS {
            let mut warm = false;
            for seat in &self.seats {
                let state = seat.load(Ordering::SeqCst);
                if state == State::Looking as u8 {
                    return None;
                }
                warm |= state == State::Warm as u8;
            }
            if !warm {
                break;
            }
            let claimed = self.claim(State::Warm);
            if claimed.is_some() {
                return claimed;
            }
        }
        self.call_cold(may_connect)
    }

    /// Names a thread without a connection, if there is one and it may connect. It counts as
    /// looking from here on.
    pub fn call_cold(&self, may_connect: impl FnOnce() -> bool) -> Option<usize> {
        let is_cold = |seat: &AtomicU8| seat.load(Ordering::SeqCst) == State::Cold as u8;
        let wanted = self.seats.iter().any(is_cold) && may_connect();
        wanted.then(|| self.claim(State::Cold)).flatten()
    }

    /// Turns the first thread in the state `wanted` into a looking one.
    fn claim(&self, wanted: State) -> Option<usize> {
        self.seats.iter().position(|seat| {
            seat.compare_exchange(
                wanted as u8,
                State::Looking as u8,
                Ordering::SeqCst,
                Ordering::SeqCst,
            )
            .is_ok()
        })
    }
}

/// Times that [`Attendance::call`] looks for a thread with a connection before it takes one
/// without.
const LOOKS: usize = 3;
