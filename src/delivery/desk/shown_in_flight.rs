//! What statistics and retry budget know of the connections of one thread, and of the pushes in
//! flight on them.

use std::time::Instant;

use super::super::links::Links;
use super::super::transport::Transport;
use crate::lane::Lane;
use crate::moment::Moment;
use crate::stats::OpenConnections;

/// What a thread's lane was told that is open and in flight there.
#[derive(Debug, Default)]
pub(super) struct ShownInFlight {
    in_flight: usize,
    open: OpenConnections,
    /// Since when a push waits for a window of the provider, as far as the lane was not told.
    stalled: Option<Instant>,
}

impl ShownInFlight {
    /// Whether more are in flight than the lane was told.
    pub(super) fn is_below(&self, in_flight: usize) -> bool {
        self.in_flight < in_flight
    }

    /// Whether other threads of the lane have pushes in flight.
    pub(super) fn has_others(&self, lane: &Lane) -> bool {
        lane.retries().budget().in_flight() > self.in_flight
    }

    /// Tells the lane what there is here.
    pub(super) fn show<T: Transport>(&mut self, links: &mut Links<T>, lane: &Lane) {
        let in_flight = links.in_flight();
        match in_flight.checked_sub(self.in_flight) {
            Some(0) => {}
            Some(more) => {
                lane.stats().sent(more as u64);
                lane.retries().budget().sent(more);
            }
            None => {
                let fewer = self.in_flight - in_flight;
                lane.stats().returned(fewer as u64);
                lane.retries().budget().returned(fewer);
            }
        }
        self.in_flight = in_flight;
        let open = links.open();
        if open != self.open {
            lane.stats().shows(open, self.open);
            self.open = open;
        }
    }

    /// From now on a push waits for a window of the provider, or none does.
    pub(super) fn stalls(&mut self, is_stalled: bool, now: Moment, lane: &Lane) {
        if let Some(since) = self.stalled {
            let time = now.monotonic.saturating_duration_since(since);
            lane.stats().stalled(time);
        }
        self.stalled = is_stalled.then_some(now.monotonic);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::push::LaneId;

    #[test]
    fn the_time_counts_in_which_a_push_waits_for_a_window_and_no_other() {
        let lane = Lane::new(LaneId::IOS, 10, 1);
        let mut shown = ShownInFlight::default();
        let start = Moment::now();
        for (secs, is_stalled, counted) in [
            (0, false, 0),
            (5, true, 0),
            (7, true, 2),
            (10, false, 5),
            (60, false, 5),
            (61, true, 5),
        ] {
            let now = Moment {
                monotonic: start.monotonic + Duration::from_secs(secs),
                ..start
            };
            shown.stalls(is_stalled, now, &lane);
            assert_eq!(lane.stats().stalled_for().as_secs(), counted, "{secs}");
        }
    }
}
