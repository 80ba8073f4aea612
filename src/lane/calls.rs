//! Who is called for the work of a lane, and which of its threads may wait or end.

use super::Lane;
use std::time::Instant;

use super::attendance::SeatState;
use crate::push::ConnectionId;

impl Lane {
    /// Thread `seat` is about to wait in that state. False if it may; true if it must go on, since
    /// there is work for it. Work for another thread is passed on. `connection` is the one that it
    /// may send on, if it has such a one.
    pub fn leave(&self, seat: usize, state: SeatState, connection: Option<ConnectionId>) -> bool {
        self.crew.attendance().leave(seat, state);
        if state == SeatState::Cold && self.room.outstanding() == 0 {
            self.crew.note_cold();
        }
        if !self.has_work_for(connection) || self.pacing.waits_for_tickets() {
            return false;
        }
        let is_urgent = self.has_urgent_for(connection);
        if state == SeatState::Warm || state == SeatState::Reserved && is_urgent {
            self.crew.attendance().look(seat);
            return true;
        }
        self.crew.pass_on(Some(seat), is_urgent)
    }

    /// Wakes a thread for work, unless one is looking already or none could send it.
    pub fn call(&self) {
        if !self.pacing.waits_for_tickets() {
            self.crew.call(self.has_urgent_for(None));
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
        if is_needed(present().saturating_sub(1))
            || !self.crew.dismiss(seat, || is_needed(present()))
        {
            return false;
        }
        self.crew.has_ended(seat, false);
        true
    }

    /// Thread `seat`, which has nothing in its hands, ends, having yielded its place to another
    /// lane: true if it must. It goes on only if it is asked something.
    pub fn withdraw(&self, seat: usize) -> bool {
        let withdraws = self.crew.dismiss(seat, || false);
        if withdraws {
            self.crew.has_ended(seat, true);
            self.call_for_work();
        }
        withdraws
    }

    /// Thread `seat` has ended with its lane; `was_going` if it had to for the sake of another.
    pub fn has_ended(&self, seat: usize, was_going: bool) {
        self.crew.attendance().leave(seat, SeatState::Absent);
        self.crew.inquiries().end(seat);
        self.crew.has_ended(seat, was_going);
    }

    /// Whether thread `seat` is to go for the sake of another lane, which has its place then; true
    /// once. A busy lane keeps its last one.
    pub fn is_to_go(&self, seat: usize) -> bool {
        self.crew.is_to_go(seat, self.room.outstanding() > 0)
    }

    /// Notes whether the lane is idle, and since when: one that is yields to others.
    pub fn note_idle(&self, now: Instant) {
        self.crew.note_idle(self.room.outstanding() == 0, now);
    }

    /// Calls a thread if there is work for one that is still to connect, or for the first.
    pub(super) fn call_for_work(&self) {
        if !self.is_stopped() {
            if self.has_work_for(None) {
                self.call();
            }
            self.call_first();
        }
    }
}
