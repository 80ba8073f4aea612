//! What waits in the lane and has become needless.

use super::Desk;
use crate::delivery::transport::Transport;
use crate::moment::Moment;

impl<T: Transport> Desk<T> {
    /// Settles it, if it is time to look for such.
    pub(super) fn settle_needless(&mut self, now: Moment) {
        let (lane, settler) = (&self.lane, &mut self.settler);
        let updates = lane.channel_updates();
        let is_due = updates.is_look_due(now.monotonic);
        if is_due && !lane.try_sift_all(|push| settler.keeps(push, now)) {
            updates.look_again();
        }
    }
}
