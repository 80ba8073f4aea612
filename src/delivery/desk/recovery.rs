//! How a connection thread goes on after a panic: its connections are lost, its pushes are not.

use super::super::link::REPLACED;
use super::super::outcome::Outcome;
use super::super::session::Ended;
use super::super::transport::Transport;
use super::Desk;
use crate::lane::SeatState;
use crate::moment::Moment;
use crate::push::ConnectionId;

impl<T: Transport> Desk<T> {
    /// After a panic: the connections' state cannot be trusted any more, the pushes can.
    pub fn recover(&mut self, panic: &str, now: Moment) {
        self.lane.stats().panicked();
        ::log::error!(
            "{}: connection thread {} panicked ({panic}); its pushes are sent again. \
             This is a fault of Sterna: please report it with this line",
            self.lane.id(),
            self.seat,
        );
        let why = "a connection thread panicked";
        self.sharing.forget_present();
        for mut link in self.links.take() {
            let before = self.trays.ended.len();
            link.abandon(why, now, &mut self.trays.ended);
            for it in self.trays.ended.iter_mut().skip(before) {
                if matches!(it.outcome, Outcome::Unknown(_)) {
                    it.outcome = Outcome::Forgotten(why);
                }
            }
        }
        let lost = self.trays.take_lost();
        self.trays.ended.extend(lost.map(|push| Ended {
            push,
            outcome: Outcome::Forgotten(why),
            // Nobody knows any more.
            sent: now.monotonic,
            generation: self.following.generation,
            connection: ConnectionId::new(0),
            is_refused: false,
            is_spared: false,
            was_early: false,
            was_on_trial: false,
        }));
        self.lane.crew().dial().settled();
        // What went wrong once may go wrong on the next connection at once.
        let random = self.settler.random();
        self.lane.crew().dial().back_off(now.monotonic, random);
        self.lane
            .crew()
            .attendance()
            .leave(self.seat, SeatState::Busy);
        self.give_up_keeping();
        let contradicted = self.trays.contradicted.drain(..);
        self.lane.put_back(contradicted.map(|(push, _)| push));
        self.lane.put_back(self.trays.again.drain(..));
        self.let_candidate_go(REPLACED);
        self.trays.hand_back(&self.lane);
        self.shown.show(&mut self.links, &self.lane);
        self.shown.stalls(false, now, &self.lane);
    }
}
