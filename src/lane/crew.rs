//! The connection threads of a lane: who looks after its queue, who is woken for work, and which
//! of them may connect.

use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock};

use super::attendance::{Attendance, State};
use super::dial::Dial;
use super::lock;

/// What wakes a connection thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The threads of a lane.
pub struct Crew {
    attendance: Attendance,
    wakes: Box<[OnceLock<Wake>]>,
    dial: Mutex<Dial>,
    /// Wakes who reads the credential files again.
    reader: OnceLock<Wake>,
}

impl Crew {
    /// A crew of so many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            attendance: Attendance::new(threads),
            wakes: (0..threads).map(|_| OnceLock::new()).collect(),
            dial: Mutex::default(),
            reader: OnceLock::new(),
        }
    }

    /// When the next connection may be opened.
    pub fn dial(&self) -> MutexGuard<'_, Dial> {
        lock(&self.dial)
    }

    /// The states of the threads.
    pub fn attendance(&self) -> &Attendance {
        &self.attendance
    }

    /// Registers what wakes thread `seat`; the first registration stays.
    pub fn seat(&self, seat: usize, wake: Wake) {
        if let Some(cell) = self.wakes.get(seat) {
            let _already_registered = cell.set(wake).is_err();
        }
    }

    /// Wakes a thread for work, unless one is looking already or none could send it.
    pub fn call(&self) {
        self.pass_on(None);
    }

    /// Wakes a thread that has no connection, if one could be opened, for pushes that none of the
    /// open ones takes; false if there is none.
    pub fn call_another(&self) -> bool {
        let called = self.attendance.call_cold(|| self.dial().is_free());
        called.inspect(|seat| self.wake(*seat)).is_some()
    }

    /// Passes work on from a thread that is about to wait: true if it is for that one.
    pub(super) fn pass_on(&self, from: Option<usize>) -> bool {
        let called = self.attendance.call(|| self.dial().is_free());
        let is_own = called.is_some() && called == from;
        if let Some(seat) = called.filter(|_| !is_own) {
            self.wake(seat);
        }
        is_own
    }

    /// Wakes every thread: a limit changed, or the end has come.
    pub fn wake_all(&self) {
        (0..self.wakes.len()).for_each(|seat| self.wake(seat));
    }

    /// Wakes those that wait with a connection: whoever looks or is busy will see it, and who has
    /// no connection is called if none takes it.
    pub(super) fn wake_warm(&self) {
        let seats = 0..self.wakes.len();
        let warm = seats.filter(|seat| self.attendance.is(*seat, State::Warm));
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

    fn wake(&self, seat: usize) {
        if let Some(wake) = self.wakes.get(seat).and_then(OnceLock::get) {
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
        assert!(!crew.pass_on(Some(0)), "both are busy");
        crew.attendance.leave(1, State::Warm);
        assert!(!crew.pass_on(Some(0)));
        assert_eq!(*lock(&woken), [1]);
        crew.attendance.leave(1, State::Busy);
        crew.attendance.leave(0, State::Cold);
        assert!(crew.pass_on(Some(0)), "nobody else can");
        assert_eq!(*lock(&woken), [1]);
    }

    #[test]
    fn who_has_no_connection_is_called_only_if_one_may_be_opened() {
        let (crew, woken) = crew(2);
        crew.attendance.leave(0, State::Warm);
        crew.attendance.leave(1, State::Cold);
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
