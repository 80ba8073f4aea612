//! How a connection thread settles what has expired while it cannot be sent: a piece in a round, so
//! that neither pushes that may be sent nor answers wait for the end of that.

use super::super::transport::Transport;
use super::Desk;
use crate::moment::Moment;
use crate::push::Push;

/// What this thread has begun to sweep, and not to the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweeps {
    queue: bool,
    shelf: bool,
}

impl Sweeps {
    /// Whether another round is due for it.
    pub(super) fn go_on(self) -> bool {
        self.queue || self.shelf
    }
}

impl<T: Transport> Desk<T> {
    /// Begins to settle what has expired in the queue, if it is time to.
    pub(super) fn sweep(&mut self, now: Moment) {
        if self.lane.is_sweep_due(now.monotonic) {
            let settler = &mut self.settler;
            self.sweeps.queue = self.lane.sift(true, |push| settler.keeps(push, now));
        }
    }

    /// Settles a piece of what has expired, in the queue where that has begun, on the shelf if it
    /// is time to.
    pub(super) fn go_on_sweeping(&mut self, now: Moment) {
        let settler = &mut self.settler;
        let mut keep = |push: &mut Push| settler.keeps(push, now);
        self.sweeps = Sweeps {
            queue: self.sweeps.queue && self.lane.sift(false, &mut keep),
            shelf: self.lane.sift_shelf(now.monotonic, keep),
        };
    }
}
