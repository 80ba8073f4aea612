//! What keeps a lane from sending, and how it finds out that it may again.
//!
//! A lane may be held by hand, and by a credential that its provider refuses. The second finds
//! its own end: now and then the credential files are read again and one push is sent as a probe.
//!
//! ```text
//!                       due                read        a push goes
//!  open ─refused─▶ waiting ──▶ reading ──▶ ready ──▶ probing
//!    ▲                ▲                      ▲        │ │ │
//!    │                │                      └────────┘ │ │  not an octet of it left
//!    │                └─────────────────────────────────┘ │  refused again, 5xx, or no answer
//!    └────────────────────────────────────────────────────┘  another answer below 500
//! ```
//!
//! Each time that it goes back to waiting it waits longer. Where it is an access token that is
//! wanted, having one opens the gate; but not one that the provider's answer to a push has closed:
//! that takes a probe.
//!
//! Pure: time and the random number are arguments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::jitter;
use crate::moment::Moment;
use crate::push::PushId;

/// Wait before the first probe of a refused credential, unless the configuration says otherwise.
pub const FIRST_PROBE: Duration = Duration::from_secs(30);
/// The wait doubles with each probe that is refused, up to this many times the first.
pub(super) const PROBE_GROWTH: u32 = 10;
/// How long the reading of the credential files may take before a probe goes without it.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(30);
/// A probe that has not ended after this is given up: longer than any attempt may take.
pub(super) const PROBE_ENDS_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Whether a lane may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaySend {
    /// Whatever it has.
    Yes,
    /// One push, to see whether the credential is taken again: see [`Gate::begin_probe`].
    Probe,
    /// Nothing.
    No,
}

/// One reason why a lane does not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An operator paused it, and has to resume it.
    Operator {
        /// Since when.
        since: Moment,
    },
    /// Its provider refuses its credential or what is configured with it; it resumes by itself.
    Credential {
        /// The provider's word for it, such as `InvalidProviderToken`.
        reason: Arc<str>,
        /// What is wrong, with which file, and what to do.
        text: Arc<str>,
        /// Since when.
        since: Moment,
        /// When it is tried again.
        next_probe: Instant,
        /// How often it has been tried again in vain.
        probes: u32,
    },
}

/// A credential that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The provider's word for it.
    pub reason: Arc<str>,
    /// What is wrong, with which file, and what to do.
    pub text: Arc<str>,
    /// What ends the hold.
    pub ends_with: EndsWith,
}

/// What proves that a credential is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsWith {
    /// The provider's answer to a push that is sent as a probe.
    Probe,
    /// An access token: without one no push can be sent.
    AccessToken,
}

/// What a refusal changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The lane is held from now on.
    Held {
        /// Until the first probe.
        wait: Duration,
    },
    /// A probe was refused: the lane stays held.
    Again {
        /// Until the next probe.
        wait: Duration,
    },
    /// It was held already, or the refusal was of a credential that has been replaced since.
    Known,
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEnd {
    /// The provider answered, below 500, and not that the credential is refused.
    Passed,
    /// It was sent, and nothing was learnt by it: the next one waits as after a refusal.
    Unanswered,
    /// It was not sent: another may go.
    NotSent,
}

/// A lane's gate.
#[derive(Debug)]
pub struct Gate {
    by_hand: Option<Moment>,
    credential: Option<Waiting>,
    first_probe: Duration,
}

/// A refused credential, and how far the next probe is.
#[derive(Debug)]
struct Waiting {
    refusal: Refusal,
    /// What a push was refused for, while an access token is wanted to send a probe with.
    behind: Option<Refusal>,
    since: Moment,
    next_probe: Instant,
    probes: u32,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until `next_probe`.
    Waiting,
    /// The credential files are being read.
    Reading,
    /// The next push is the probe.
    Ready,
    /// It is under way.
    Probing { push: PushId, since: Instant },
}

impl Gate {
    /// An open gate that waits so long before the first probe.
    pub fn new(first_probe: Duration) -> Self {
        Self {
            by_hand: None,
            credential: None,
            first_probe,
        }
    }

    /// Sets the wait before the first probe of a refused credential.
    pub fn set_first_probe(&mut self, first_probe: Duration) {
        self.first_probe = first_probe;
    }

    /// Whether nothing holds it.
    pub fn is_open(&self) -> bool {
        self.by_hand.is_none() && self.credential.is_none()
    }

    /// What holds it.
    pub fn holds(&self) -> Vec<Hold> {
        let by_hand = self.by_hand.map(|since| Hold::Operator { since });
        let credential = self.credential.as_ref().map(|held| Hold::Credential {
            reason: Arc::clone(&held.refusal.reason),
            text: Arc::clone(&held.refusal.text),
            since: held.since,
            next_probe: held.next_probe,
            probes: held.probes,
        });
        by_hand.into_iter().chain(credential).collect()
    }

    /// Whether pushes may go.
    pub fn may_send(&self, now: Instant) -> MaySend {
        if self.by_hand.is_some() {
            return MaySend::No;
        }
        match &self.credential {
            None => MaySend::Yes,
            Some(held) if held.takes_probe(now) => MaySend::Probe,
            Some(_) => MaySend::No,
        }
    }

    /// Holds it by hand; false if it was so already.
    pub fn pause(&mut self, now: Moment) -> bool {
        let begins = self.by_hand.is_none();
        self.by_hand.get_or_insert(now);
        begins
    }

    /// Ends what [`Gate::pause`] began; false if it was not so.
    pub fn resume(&mut self) -> bool {
        self.by_hand.take().is_some()
    }

    /// The credential was refused, to `push` if it was a push that it was refused to.
    pub fn refuse(
        &mut self,
        refusal: Refusal,
        push: Option<PushId>,
        now: Moment,
        random: u64,
    ) -> Refused {
        let first_probe = self.first_probe;
        let Some(held) = &mut self.credential else {
            let wait = wait_before(first_probe, 0, random);
            self.credential = Some(Waiting {
                refusal,
                behind: None,
                since: now,
                next_probe: later(now.monotonic, wait),
                probes: 0,
                phase: Phase::Waiting,
            });
            return Refused::Held { wait };
        };
        let of_probe = match (push, refusal.ends_with) {
            (Some(push), _) => held.is_probing(push),
            // Refused before it could take a push.
            (None, EndsWith::Probe) => held.takes_part_in_probing(),
            // A probe under way has its token.
            (None, EndsWith::AccessToken) => held.is_ready(),
        };
        if !of_probe {
            held.note(refusal);
            return Refused::Known;
        }
        held.turn_to(refusal);
        Refused::Again {
            wait: held.wait_again(first_probe, now.monotonic, random),
        }
    }

    /// What is told of the credential that is refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.credential.as_ref().map(|held| &held.refusal)
    }

    /// Whether a refused credential waits for its next probe: no connection that knows it should
    /// be kept for that.
    pub fn waits(&self, now: Instant) -> bool {
        let held = self.credential.as_ref();
        held.is_some_and(|held| !held.has_begun() && !held.takes_probe(now))
    }

    /// When [`Gate::begin_reading`] has something to do.
    pub fn next_reading(&self) -> Option<Instant> {
        let held = self.credential.as_ref()?;
        match held.phase {
            Phase::Waiting | Phase::Ready => Some(held.next_probe),
            Phase::Reading => None,
            Phase::Probing { since, .. } => Some(later(since, PROBE_ENDS_WITHIN)),
        }
    }

    /// Whether it is time to read the credential files again; [`Gate::read`] follows.
    pub fn begin_reading(&mut self, now: Instant) -> bool {
        let due = self.next_reading().is_some_and(|at| now >= at);
        if let Some(held) = &mut self.credential
            && due
        {
            held.phase = Phase::Reading;
        }
        due
    }

    /// The files were read, or could not be: the next push is a probe. Where an access token is
    /// what is wanted it has been asked for.
    pub fn read(&mut self, now: Instant, random: u64) {
        let first_probe = self.first_probe;
        let Some(held) = &mut self.credential else {
            return;
        };
        if held.phase != Phase::Reading {
            return;
        }
        match held.refusal.ends_with {
            EndsWith::AccessToken => {
                held.wait_again(first_probe, now, random);
            }
            EndsWith::Probe => {
                // If no push comes to be the probe, the files are read again after as long.
                let wait = wait_before(first_probe, held.probes, random);
                held.next_probe = later(now, wait);
                held.phase = Phase::Ready;
            }
        }
    }

    /// Lets that push go as the probe; false if it is not to go.
    pub fn begin_probe(&mut self, push: PushId, now: Instant) -> bool {
        let goes = self.may_send(now) == MaySend::Probe;
        if let Some(held) = &mut self.credential
            && goes
        {
            held.phase = Phase::Probing { push, since: now };
        }
        goes
    }

    /// That push is the probe no more, and nothing was learnt by it: another may go. True if it
    /// was the probe.
    pub fn withdraw_probe(&mut self, push: PushId) -> bool {
        let mut held = self.credential.as_mut();
        let probing = held.take_if(|held| held.is_probing(push));
        probing.map(|held| held.phase = Phase::Ready).is_some()
    }

    /// A probe has ended, other than by a refusal. True if that opens what it was to open. One that
    /// the gate no longer waits for changes nothing.
    pub fn end_probe(&mut self, push: PushId, end: ProbeEnd, now: Instant, random: u64) -> bool {
        let first_probe = self.first_probe;
        let Some(held) = &mut self.credential else {
            return false;
        };
        if !held.is_probing(push) {
            return false;
        }
        match end {
            ProbeEnd::Passed => self.credential = None,
            ProbeEnd::Unanswered => {
                held.wait_again(first_probe, now, random);
            }
            ProbeEnd::NotSent => held.phase = Phase::Ready,
        }
        end == ProbeEnd::Passed
    }

    /// There is an access token. True if that opens what waited for one; what a push was refused
    /// for waits for its probe.
    pub fn has_access_token(&mut self) -> bool {
        let Some(held) = &mut self.credential else {
            return false;
        };
        if held.refusal.ends_with == EndsWith::Probe {
            return false;
        }
        match held.behind.take() {
            Some(refusal) => held.refusal = refusal,
            None => self.credential = None,
        }
        self.credential.is_none()
    }

    /// The credential was replaced: it is tried at once.
    pub fn replaced(&mut self, now: Instant) {
        if let Some(held) = &mut self.credential {
            held.phase = Phase::Ready;
            held.next_probe = later(now, self.first_probe);
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(FIRST_PROBE)
    }
}

impl Waiting {
    fn is_probing(&self, push: PushId) -> bool {
        matches!(self.phase, Phase::Probing { push: probe, .. } if probe == push)
    }

    /// A probe may go, or is under way.
    fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Probing { .. })
    }

    /// The same, if a push is what it takes.
    fn takes_part_in_probing(&self) -> bool {
        self.refusal.ends_with == EndsWith::Probe && self.has_begun()
    }

    /// A push may go as the probe.
    fn is_ready(&self) -> bool {
        self.refusal.ends_with == EndsWith::Probe && self.phase == Phase::Ready
    }

    /// It is refused for another reason now.
    fn turn_to(&mut self, refusal: Refusal) {
        let before = std::mem::replace(&mut self.refusal, refusal);
        let wants_token = self.refusal.ends_with == EndsWith::AccessToken;
        if wants_token && before.ends_with == EndsWith::Probe {
            self.behind = Some(before);
        }
    }

    /// Takes note of what ends no probe.
    fn note(&mut self, refusal: Refusal) {
        if self.refusal.ends_with == EndsWith::AccessToken && refusal.ends_with == EndsWith::Probe {
            self.behind.get_or_insert(refusal);
        }
    }

    fn takes_probe(&self, now: Instant) -> bool {
        if self.refusal.ends_with == EndsWith::AccessToken {
            return false;
        }
        match self.phase {
            Phase::Ready => true,
            Phase::Probing { .. } => false,
            // Whoever reads the files is stuck: the lane must not be held for good by that.
            Phase::Waiting | Phase::Reading => now >= later(self.next_probe, READ_WITHIN),
        }
    }

    fn wait_again(&mut self, first_probe: Duration, now: Instant, random: u64) -> Duration {
        self.probes = self.probes.saturating_add(1);
        let wait = wait_before(first_probe, self.probes, random);
        self.next_probe = later(now, wait);
        self.phase = Phase::Waiting;
        wait
    }
}

/// The wait before a probe, after so many: spread, so that daemons do not probe together.
fn wait_before(first_probe: Duration, probes: u32, random: u64) -> Duration {
    let doubled = first_probe.saturating_mul(1_u32 << probes.min(16));
    let longest = first_probe.saturating_mul(PROBE_GROWTH);
    jitter::half_to_all(doubled.min(longest), random)
}

/// A wait that the clock cannot count is none.
fn later(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait).unwrap_or(at)
}

#[cfg(test)]
mod tests;
