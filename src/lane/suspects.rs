//! Pushes that go last while the credential is refused or doubted: those that met the refusal, and
//! others to their targets.
//!
//! Bounded by the lane's reservation counter: every push here holds its reservation.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::gate::{Gate, Target};
use super::lock;
use crate::push::{ConnectionId, Push};

/// A push that goes last.
#[derive(Debug)]
pub struct Suspect {
    /// The push.
    pub push: Push,
    /// What was said to it, unless it only goes where another has met that, or was on a connection
    /// that was refused as a whole.
    pub met: Option<Rebuff>,
}

/// A refusal of the credential, as one push has met it.
#[derive(Debug)]
pub struct Rebuff {
    /// HTTP status.
    pub status: u16,
    /// The provider's word; empty if it gave none.
    pub reason: Cow<'static, str>,
    /// The sentence for the push log.
    pub error: String,
    /// On which connection.
    pub connection: ConnectionId,
    /// Whether it is about the configured topic.
    pub of_topic: bool,
}

/// A lock around them, and what is asked for each wake-up beside it.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    waiting: Mutex<VecDeque<Suspect>>,
    /// Any of them may go.
    due: AtomicBool,
}

impl Suspects {
    pub(super) fn put(&self, suspects: impl IntoIterator<Item = Suspect>) {
        lock(&self.waiting).extend(suspects);
    }

    pub(super) fn take_first(&self, fits: impl FnMut(&Suspect) -> bool) -> Option<Suspect> {
        let mut waiting = lock(&self.waiting);
        let first = waiting.iter().position(fits)?;
        waiting.remove(first)
    }

    pub(super) fn any(&self, fits: impl FnMut(&Suspect) -> bool) -> bool {
        lock(&self.waiting).iter().any(fits)
    }

    pub(super) fn take_all(&self) -> VecDeque<Suspect> {
        std::mem::take(&mut *lock(&self.waiting))
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.waiting).is_empty()
    }

    /// Whether one may go, as far as was seen last.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Ordering::Acquire) && !self.is_empty()
    }

    pub(super) fn set_due(&self, is_due: bool) {
        self.due.store(is_due, Ordering::Release);
    }

    /// What was said to them was of a credential that has been replaced since.
    pub(super) fn clear(&self) {
        lock(&self.waiting).iter_mut().for_each(Suspect::clear);
    }
}

/// Whether more may be learnt by a push than by those that were refused: it goes to another
/// target, and has not been refused before while others were taken.
pub(super) fn is_another(gate: &Gate, push: &Push) -> bool {
    !push.is_discredited() && gate.is_another(Target::of(push.token()))
}

impl Suspect {
    /// Whether it was not refused itself, and more may be learnt by it than by those that were.
    pub(super) fn is_bystander(&self, gate: &Gate) -> bool {
        self.met.is_none() && is_another(gate, &self.push)
    }

    /// Whether it has met a refusal of the configured topic.
    pub(super) fn is_of_topic(&self) -> bool {
        self.met.as_ref().is_some_and(|rebuff| rebuff.of_topic)
    }

    /// The push, which has nothing to wait for any more.
    pub(super) fn released(mut self) -> Push {
        self.clear();
        self.push
    }

    /// Takes back what was said to it: it says nothing of the push.
    fn clear(&mut self) {
        if self.met.take().is_some() {
            self.push.used_its_second_chance = false;
        }
    }
}
