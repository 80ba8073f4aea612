//! Another process, with what the one before has left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use sterna::lane::Lane;

use super::pace::Pace;
use super::rest::Rest;
use super::{FIRST_PROBE, Hold, Ledger};

impl Ledger {
    /// Another process begins, which knows of its pushes how far they have come and how long they
    /// wait. Returns those that are not settled.
    pub(crate) fn restarted(&mut self, lane: &Arc<Lane>, rate: u32, now: Instant) -> BTreeSet<u64> {
        self.tell(now, 9, || "another process".to_owned());
        self.lane = Arc::clone(lane);
        self.stopped = false;
        self.hold = Hold::new(FIRST_PROBE);
        self.pace = Pace::new(rate, now);
        self.slowed = None;
        self.rest = Rest::default();
        self.started = now;
        self.moved = Some(now);
        let mut outstanding = BTreeSet::new();
        let mut in_flight = Vec::new();
        for (push, record) in self.records.iter_mut().filter(|(_, it)| !it.settled) {
            outstanding.insert(*push);
            in_flight.extend(record.flight.map(|_| *push));
            record.refused_on = None;
        }
        for push in in_flight {
            self.violate(now, format!("push {push} is in flight over a restart"));
        }
        outstanding
    }
}
