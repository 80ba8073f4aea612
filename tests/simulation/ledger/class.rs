//! Which pushes go before others.

use std::time::Instant;

use sterna::push::PushClass;

use super::Ledger;
use super::record::Record;
use crate::coverage::Kind;

impl Ledger {
    /// No transactional push that has come stays behind a bulk one that goes now.
    pub(crate) fn check_class(&mut self, push: u64, left_others: bool, now: Instant) {
        let Some(class) = self.class_of(push) else {
            return;
        };
        if class == PushClass::Bulk && left_others {
            let what = format!("push {push} is bulk, and was sent before transactional ones");
            self.violate(now, what);
        }
        let mut before = self.records.range(..push).map(|(_, record)| record);
        let waits = |it: &Record| !it.settled && it.first_attempt.is_none() && it.is_bulk();
        if class == PushClass::Transactional && before.any(waits) {
            self.coverage.count(Kind::Overtook);
        }
    }

    /// Bulk pushes leave streams to transactional ones, of those that there are, unless they are to
    /// show whether a credential is taken.
    pub(crate) fn check_kept(
        &mut self,
        push: u64,
        carried: impl Iterator<Item = u64>,
        streams: usize,
        now: Instant,
    ) {
        let of_bulk = |push: &u64| self.class_of(*push) == Some(PushClass::Bulk);
        let is_probe = self.records.get(&push).is_some_and(|it| it.is_probe);
        if streams < 4 || is_probe || !of_bulk(&push) {
            return;
        }
        let bulk = carried.filter(of_bulk).count() + 1;
        if bulk > streams - (streams / 16).max(1) {
            let what = format!("push {push} is the bulk push {bulk} on {streams} streams");
            self.violate(now, what);
        }
    }

    fn class_of(&self, push: u64) -> Option<PushClass> {
        let record = self.records.get(&push);
        record.map(|record| record.accepted.envelope.class)
    }
}
