//! How a connection thread yields its place to a thread of another lane, where their number is
//! bounded: it sends nothing more, gives its place back, and ends once what it has sent is
//! answered.

use super::super::link::YIELDED;
use super::super::transport::Transport;
use super::Desk;

impl<T: Transport> Desk<T> {
    /// Lets the connection go if this thread is to.
    pub(super) fn yield_place(&mut self) {
        self.is_going = self.is_going || self.lane.is_to_go(self.seat);
        if self.is_going {
            self.let_candidate_go(YIELDED);
            for link in self.links.taking() {
                link.session().retire(YIELDED);
            }
        }
    }

    /// Whether this thread has gone, for the sake of another lane, and ends at once.
    pub(super) fn has_yielded(&mut self) -> bool {
        if !self.is_going || self.links.dialling.is_some() || !self.links.are_none() {
            return false;
        }
        self.give_up_keeping();
        self.lane.withdraw(self.seat)
    }
}
