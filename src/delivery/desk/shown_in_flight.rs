//! What statistics and retry budget know of the pushes in flight of one thread.

use crate::lane::Lane;

/// How many pushes of a thread its lane was told to be in flight.
#[derive(Debug, Default)]
pub(super) struct ShownInFlight(usize);

impl ShownInFlight {
    /// Whether more are in flight than the lane was told.
    pub(super) fn is_below(&self, in_flight: usize) -> bool {
        self.0 < in_flight
    }

    /// Whether other threads of the lane have pushes in flight.
    pub(super) fn has_others(&self, lane: &Lane) -> bool {
        lane.retries().budget().in_flight() > self.0
    }

    /// Tells the lane how many are in flight here.
    pub(super) fn show(&mut self, in_flight: usize, lane: &Lane) {
        match in_flight.checked_sub(self.0) {
            Some(0) => {}
            Some(more) => {
                lane.stats().sent(more as u64);
                lane.retries().budget().sent(more);
            }
            None => {
                let fewer = self.0 - in_flight;
                lane.stats().returned(fewer as u64);
                lane.retries().budget().returned(fewer);
            }
        }
        self.0 = in_flight;
    }
}
