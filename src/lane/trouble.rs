//! A lane's outage as its threads share it. While nothing is wrong it is a flag that is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::oldest::Oldest;
use super::outage::{Failing, Lack, Outage, Unreachable};
use super::{Lane, lock};
use crate::moment::Moment;
use crate::push::Push;

impl Lane {
    fn with_outage<R>(&self, change: impl FnOnce(&mut Outage) -> R) -> R {
        let mut outage = lock(&self.outage);
        let result = change(&mut outage);
        self.troubled.store(!outage.is_over(), Ordering::Release);
        result
    }

    /// Whether its provider is known to be out of reach, or to take nothing.
    pub fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
    }

    /// The provider could not be reached.
    pub fn cannot_reach(&self, lack: Lack, why: &str, now: Moment) {
        self.with_outage(|outage| outage.cannot_reach(lack, why, now));
    }

    /// What was lacking is there.
    pub fn has(&self, lack: Lack) {
        if self.is_troubled() {
            self.with_outage(|outage| outage.has(lack));
        }
    }

    /// The provider has answered, whatever it said.
    pub fn answered(&self) {
        if self.is_troubled() {
            self.with_outage(Outage::answered);
        }
    }

    /// An attempt showed the provider out of order.
    pub fn fail(&self, why: impl FnOnce() -> Arc<str>, now: Moment) {
        self.with_outage(|outage| outage.fail(why, now));
    }

    /// An attempt showed the provider well: what has ended by that, if it was told.
    pub fn note_well(&self) -> Option<Failing> {
        self.is_troubled()
            .then(|| self.with_outage(Outage::note_well))
            .flatten()
    }

    /// What is wrong with the provider and has to be told, and whether that goes on.
    pub fn look_at_outage(&self, now: Moment) -> Option<(Failing, bool)> {
        if !self.is_troubled() {
            return None;
        }
        if self.outstanding() == 0 {
            let ended = self.with_outage(Outage::nothing_waits);
            return ended.map(|ended| (ended, false));
        }
        if self.is_held() {
            // That has its own alarm.
            self.with_outage(Outage::is_not_tried);
            return None;
        }
        let failing = lock(&self.outage).look(now.monotonic);
        failing.map(|failing| (failing, true))
    }

    /// Its provider, if that cannot be reached although pushes wait.
    pub fn unreachable(&self) -> Option<Unreachable> {
        let is_sought = self.is_troubled() && self.outstanding() > 0;
        let known = is_sought.then(|| lock(&self.outage).unreachable().cloned());
        known.flatten()
    }

    /// Its provider, if that takes nothing and the operator has been told.
    pub fn failing(&self) -> Option<Failing> {
        let known = self
            .is_troubled()
            .then(|| lock(&self.outage).failing().cloned());
        known.flatten().filter(Failing::is_told)
    }

    /// These pushes, of one notification, wait although they are not queued.
    pub fn has_waiting(&self, pushes: &[Push]) {
        lock(&self.waiting).add(pushes);
    }

    /// The notification that has waited for longest.
    pub fn oldest(&self) -> Option<Oldest> {
        lock(&self.waiting).oldest()
    }
}
