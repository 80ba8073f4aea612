//! What lanes of one team's key have of each other's connections.

use sterna::moment::Moment;

use super::World;

impl World {
    /// A thread takes over the connection that it has asked for, if it is there.
    pub(super) fn take_over(&mut self, index: usize, moment: Moment) {
        let place = (index, self.present_route.current().0);
        let speaker = self.site.speaker(self.key);
        let desk = &mut self.seats[index].desk;
        desk.take_over(
            |transport| {
                transport.join(&self.net, place, speaker.as_deref(), &mut self.peers);
                Ok(())
            },
            moment,
        );
    }

    /// A thread gives its connection away, if it was asked and has no use for it.
    pub(super) fn give_away(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        // Who has panicked has none.
        if seat.rests_until.is_none() {
            seat.desk.give_away(|transport| {
                transport.leave(&mut self.peers);
                Ok(())
            });
        }
    }
}
