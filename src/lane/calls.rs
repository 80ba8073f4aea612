//! Who is called for the work of a lane, and which of its threads may wait or end.

use super::Lane;
use super::attendance::State;
use crate::push::ConnectionId;

impl Lane {
    /// Thread `seat` is about to wait in that state. False if it may; true if it must go on, since
    /// there is work for it. Work for another thread is passed on. `connection` is the one that it
    /// may send on, if it has such a one.
    pub fn leave(&self, seat: usize, state: State, connection: Option<ConnectionId>) -> bool {
        self.crew.attendance().leave(seat, state);
        if !self.has_work_for(connection) || self.pacing.waits_for_tickets() {
            return false;
        }
        if state == State::Warm {
            self.crew.attendance().look(seat);
            return true;
        }
        self.crew.pass_on(Some(seat))
    }

    /// Wakes a thread for work, unless one is looking already or none could send it.
    pub fn call(&self) {
        if !self.pacing.waits_for_tickets() {
            self.crew.call();
        }
    }

    /// Starts a thread if none runs though pushes wait. To be called when pushes came onto the
    /// shelf, and again for those for which no thread could be started.
    pub fn call_first(&self) {
        if self.room.outstanding() > 0 {
            self.crew.call_first();
        }
    }

    /// Thread `seat`, which has nothing in its hands, has had nothing to do for long: true if it
    /// must end. It goes on if it is asked something, if work has come, or if pushes wait for
    /// something and no other thread runs.
    pub fn dismiss(&self, seat: usize) -> bool {
        let is_needed =
            |others: usize| self.has_work_for(None) || (others == 0 && self.room.outstanding() > 0);
        let present = || self.crew.attendance().present();
        !is_needed(present().saturating_sub(1)) && self.crew.dismiss(seat, || is_needed(present()))
    }
}
