//! A lane's rest as its threads share it. While answers are good it is two flags that are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::rest::{Rest, Resting, Turn};
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
    /// The provider has answered: whether by a refusal that is meant for the lane, and until when
    /// it asks the lane to wait.
    pub fn heard(
        &self,
        refused: bool,
        until: Option<Instant>,
        why: impl FnOnce() -> Arc<str>,
        now: Moment,
    ) -> Turn {
        if !refused && self.rest.well.load(Ordering::Acquire) {
            return Turn::None;
        }
        let heard = |rest: &mut Rest| rest.heard(refused, until, why, now);
        let (turn, is_over) = self.rest.with(now.monotonic, heard);
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
