//! A lane's rest as its threads share it. While answers are good it is two flags that are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::lock;
use super::rest::{Asked, Rest, Resting, Said, Turn};
use crate::moment::Moment;

/// A lock around the rest, and what is asked for each push and each answer beside it.
#[derive(Debug, Default)]
pub(super) struct SharedRest {
    rest: Mutex<Rest>,
    /// A rest is under way.
    resting: AtomicBool,
    /// A good answer would change nothing.
    well: AtomicBool,
}

impl SharedRest {
    /// Also whether that has let a rest pass.
    fn with<R>(&self, now: Instant, change: impl FnOnce(&mut Rest) -> R) -> (R, bool) {
        let mut rest = lock(&self.rest);
        let is_over = rest.look(now);
        let result = change(&mut rest);
        self.resting
            .store(rest.resting().is_some(), Ordering::Release);
        self.well.store(rest.is_well(), Ordering::Release);
        (result, is_over)
    }

    /// The provider has answered: what that says of the lane, how long it asks all to wait, and
    /// whether a rest has passed.
    pub(super) fn heard(
        &self,
        said: Said,
        asked: Option<Asked>,
        why: impl FnOnce() -> Arc<str>,
        now: Moment,
    ) -> (Turn, Option<Asked>, bool) {
        if said == Said::Nothing && self.well.load(Ordering::Acquire) {
            return (Turn::None, None, false);
        }
        let heard = |rest: &mut Rest| (rest.heard(said, asked, why, now), rest.asked_of_all());
        let ((turn, of_all), is_over) = self.with(now.monotonic, heard);
        (turn, of_all.filter(|_| said != Said::Nothing), is_over)
    }

    /// The rest that is under way, and whether one has passed.
    pub(super) fn resting(&self, now: Instant) -> (Option<Resting>, bool) {
        if !self.resting.load(Ordering::Acquire) {
            return (None, false);
        }
        self.with(now, |rest| rest.resting())
    }
}
