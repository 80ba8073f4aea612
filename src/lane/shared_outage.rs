//! A lane's outage as its threads share it. While nothing is wrong it is a flag that is read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::lock;
use super::outage::{Failing, Lack, Outage, Unreachable};
use crate::moment::Moment;

/// A lock around the outage, and what is asked for each answer beside it.
#[derive(Debug, Default)]
pub struct SharedOutage {
    outage: Mutex<Outage>,
    /// Something is wrong with the provider.
    troubled: AtomicBool,
}

impl SharedOutage {
    fn with<R>(&self, change: impl FnOnce(&mut Outage) -> R) -> R {
        let mut outage = lock(&self.outage);
        let result = change(&mut outage);
        self.troubled.store(!outage.is_over(), Ordering::Release);
        result
    }

    /// Whether the provider is known to be out of reach, or to take nothing.
    pub fn is_known(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
    }

    /// The provider could not be reached.
    pub fn cannot_reach(&self, lack: Lack, why: &str, now: Moment) {
        self.with(|outage| outage.cannot_reach(lack, why, now));
    }

    /// What was lacking is there.
    pub fn has(&self, lack: Lack) {
        if self.is_known() {
            self.with(|outage| outage.has(lack));
        }
    }

    /// The provider has answered, whatever it said.
    pub fn answered(&self) {
        if self.is_known() {
            self.with(Outage::answered);
        }
    }

    /// An attempt showed the provider out of order.
    pub fn fail(&self, why: impl FnOnce() -> Arc<str>, now: Moment) {
        self.with(|outage| outage.fail(why, now));
    }

    /// An attempt showed the provider well: what has ended by that, if it was told.
    pub fn note_well(&self) -> Option<Failing> {
        self.is_known()
            .then(|| self.with(Outage::note_well))
            .flatten()
    }

    /// What is wrong with the provider and has to be told, and whether that goes on. `waits`:
    /// pushes do; `is_held`: their lane is, which has its own alarm.
    pub(super) fn look(&self, waits: bool, is_held: bool, now: Moment) -> Option<(Failing, bool)> {
        if !self.is_known() {
            return None;
        }
        if !waits {
            return self.with(Outage::nothing_waits).map(|ended| (ended, false));
        }
        if is_held {
            self.with(Outage::is_not_tried);
            return None;
        }
        let failing = lock(&self.outage).look(now.monotonic);
        failing.map(|failing| (failing, true))
    }

    /// The provider, if that cannot be reached.
    pub(super) fn unreachable(&self) -> Option<Unreachable> {
        let known = self
            .is_known()
            .then(|| lock(&self.outage).unreachable().cloned());
        known.flatten()
    }

    /// The provider may be reached by another route.
    pub(super) fn forget_unreachable(&self) {
        lock(&self.outage).forget_unreachable();
    }

    /// The provider, if that takes nothing and the operator has been told.
    pub fn failing(&self) -> Option<Failing> {
        let known = self
            .is_known()
            .then(|| lock(&self.outage).failing().cloned());
        known.flatten().filter(Failing::is_told)
    }
}
