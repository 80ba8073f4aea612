//! What holds the lane, by the answers that passed: a second account of its gate.

use std::time::{Duration, Instant};

/// The wait before a probe grows to so many times the first.
const GROWTH: u32 = 10;

/// Whether the daemon may send.
pub(crate) struct Hold {
    first_probe: Duration,
    /// An operator has paused the lane.
    pub(crate) paused: bool,
    refused: Option<Refused>,
    /// The number of the route in use.
    generation: u64,
}

/// The credential was refused.
struct Refused {
    /// No probe before this.
    not_before: Instant,
    /// The one that is under way.
    probe: Option<u64>,
    /// Those that were refused, or had no answer.
    refusals: u32,
    /// It was a GOAWAY that said so, in the present round.
    is_rumour: bool,
}

impl Refused {
    /// A probe was in vain.
    fn wait_again(&mut self, first_probe: Duration, now: Instant) {
        self.refusals += 1;
        self.probe = None;
        let factor = GROWTH.min(1 << self.refusals.min(8));
        self.not_before = now + first_probe * factor / 2;
    }
}

impl Hold {
    pub(crate) fn new(first_probe: Duration) -> Self {
        Self {
            first_probe,
            paused: false,
            refused: None,
            generation: 0,
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// A request goes out; what is wrong with that.
    pub(crate) fn sent(&mut self, push: u64, now: Instant) -> Option<&'static str> {
        if self.paused {
            return Some("while the lane is paused by hand");
        }
        let refused = self.refused.as_mut()?;
        if refused.probe.is_some() {
            return Some("beside a probe");
        }
        refused.probe = Some(push);
        (now < refused.not_before).then_some("as a probe, too early")
    }

    /// Whether that push shows whether the credential is taken again.
    pub(crate) fn is_probe(&self, push: u64) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|refused| refused.probe == Some(push))
    }

    /// The credential of that route was refused, to a push or by GOAWAY. True if that was the end
    /// of a probe.
    pub(crate) fn refuse(&mut self, push: Option<u64>, generation: u64, now: Instant) -> bool {
        if generation != self.generation {
            return false;
        }
        let Some(refused) = &mut self.refused else {
            self.refused = Some(Refused {
                not_before: now + self.first_probe / 2,
                probe: None,
                refusals: 0,
                is_rumour: push.is_none(),
            });
            return false;
        };
        let of_probe = refused.probe.is_some() && (push.is_none() || push == refused.probe);
        if of_probe {
            refused.wait_again(self.first_probe, now);
        }
        of_probe
    }

    /// A push was answered, and nothing was said against the credential. True if it was the probe.
    pub(crate) fn answered(&mut self, push: u64, generation: u64) -> bool {
        let is_probe = |refused: &mut Refused| refused.probe == Some(push);
        generation == self.generation && self.refused.take_if(is_probe).is_some()
    }

    /// Nothing was learnt by a push, which was sent or not.
    pub(crate) fn ended(&mut self, push: u64, was_sent: bool, now: Instant) {
        if let Some(refused) = &mut self.refused
            && refused.probe == Some(push)
        {
            refused.probe = None;
            if was_sent {
                refused.wait_again(self.first_probe, now);
            }
        }
    }

    /// Another credential is in use.
    pub(crate) fn replaced(&mut self, generation: u64, now: Instant) {
        self.generation = generation;
        if let Some(refused) = &mut self.refused {
            refused.not_before = now;
            refused.probe = None;
        }
    }

    /// The daemon holds nothing any more.
    pub(crate) fn forget(&mut self) {
        self.refused = None;
    }

    /// A round is over, after which the daemon holds the lane or does not. A GOAWAY on a connection
    /// that it has let go by then is nothing to it.
    pub(crate) fn round_over(&mut self, is_held: bool) -> bool {
        if let Some(refused) = &mut self.refused {
            let is_rumour = std::mem::replace(&mut refused.is_rumour, false);
            if is_rumour && !is_held {
                self.refused = None;
            }
        }
        is_held || self.refused.is_none()
    }
}
