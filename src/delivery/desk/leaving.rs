//! The end of a connection thread: what becomes of the pushes that it has.

use super::super::link::REPLACED;
use super::super::outcome::Outcome;
use super::super::session::Ended;
use super::super::transport::Transport;
use super::Desk;
use crate::lane::SeatState;
use crate::moment::Moment;

impl<T: Transport> Desk<T> {
    /// Gives everything back or settles it, and closes the connections. [`Desk::flush`] follows.
    pub fn leave(&mut self, now: Moment) {
        self.lane
            .crew()
            .attendance()
            .leave(self.seat, SeatState::Busy);
        self.give_up_keeping();
        self.let_candidate_go(REPLACED);
        self.end_sharing(now);
        for link in self.links.iter_mut() {
            if link.newly_settled(now.monotonic) {
                self.lane.crew().dial().settled();
            }
        }
        self.shown.stalls(false, now, &self.lane);
        while self.links.end_any(now, &mut self.trays.ended).is_some() {}
        self.leave_ended(now);
        self.trays.hand_back(&self.lane);
        self.lane.has_ended(self.seat, self.is_going);
    }

    /// Settles what was answered, and leaves the rest to the next start.
    fn leave_ended(&mut self, now: Moment) {
        if self.settler.keeps_what_is_left() {
            return self.conclude(now);
        }
        let is_answered = |ended: &mut Ended| matches!(ended.outcome, Outcome::Answered(_));
        let mut unanswered: Vec<Ended> = Vec::new();
        unanswered.extend(self.trays.ended.extract_if(.., |ended| !is_answered(ended)));
        for ended in unanswered {
            let mut push = ended.push;
            push.maybe_sent |= ended.outcome.may_be_there();
            self.trays.again.push(push);
        }
        while let Some(push) = self.trays.again.last() {
            self.settler.leave(push, None, now);
            self.trays.again.pop();
        }
        self.conclude(now);
    }
}
