//! A lane's rest as its threads share it. While answers are good it is two flags that are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::rest::{Asked, Rest, Resting, Said, Turn};
use super::{Lane, lock};
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
}

impl Lane {
    /// The provider has answered: what that says of the lane, and how long it is asked to wait.
    /// Retries wait for that, unless it was said to one target alone.
    pub fn heard(
        &self,
        said: Said,
        asked: Option<Asked>,
        why: impl FnOnce() -> Arc<str>,
        now: Moment,
    ) -> Turn {
        if said == Said::Nothing && self.rest.well.load(Ordering::Acquire) {
            return Turn::None;
        }
        let heard = |rest: &mut Rest| (rest.heard(said, asked, why, now), rest.asked_of_all());
        let ((turn, of_all), is_over) = self.rest.with(now.monotonic, heard);
        if let Some(Asked { until, spread }) = of_all.filter(|_| said != Said::Nothing) {
            lock(&self.shelf).hold(until, spread);
        }
        if is_over {
            self.restart_pace();
        }
        if is_over || turn == Turn::Lifted {
            self.wake_all();
        }
        turn
    }

    /// Whether it rests; the ramp of its rate starts over after that.
    pub fn rests(&self, now: Instant) -> bool {
        self.resting(now).is_some()
    }

    /// The rest that is under way.
    pub fn resting(&self, now: Instant) -> Option<Resting> {
        if !self.rest.resting.load(Ordering::Acquire) {
            return None;
        }
        let (resting, is_over) = self.rest.with(now, |rest| rest.resting());
        if is_over {
            self.restart_pace();
        }
        resting
    }
}
