//! A credential that is refused or doubted: who has met that, and how far the next probe is.
//!
//! Pure: time and the random number are arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::terms::{EndsWith, Refusal, Refused, Target, Witness};
use super::{PROBE_GROWTH, READ_WITHIN, TARGETS_KEPT};
use crate::jitter;
use crate::moment::Moment;
use crate::push::{ConnectionId, PushId};

/// A credential that was refused, and how far it is with finding out more.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) refusal: Refusal,
    /// What a push was refused for, while an access token is wanted to send a probe with.
    pub(super) behind: Option<Refusal>,
    pub(super) since: Moment,
    pub(super) met: Met,
    /// The last push that has met it.
    pub(super) last: Option<PushId>,
    /// Those that have met it, at most [`TARGETS_KEPT`].
    pub(super) targets: VecDeque<Target>,
    /// While one alone has met it, another may go from then on.
    pub(super) others_from: Instant,
    /// Such pushes so far, and the last of them.
    pub(super) others_sent: u32,
    pub(super) last_other: Option<PushId>,
    /// It counts as refused, and an operator was told.
    pub(super) is_judged: bool,
    pub(super) next_probe: Instant,
    pub(super) probes: u32,
    pub(super) phase: Phase,
}

/// Who has met a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// No push: there was no access token to send one with, or the credential is another since.
    Nobody,
    /// It may be about one target or one connection alone.
    One(Common),
    /// Neither is it one target, nor one connection.
    Several,
}

/// What those that have met a refusal have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Common {
    push: Option<(PushId, Target)>,
    connection: Option<ConnectionId>,
    /// Others have contradicted it before.
    is_discredited: bool,
}

impl Common {
    fn of(witness: Witness) -> Self {
        Self {
            push: witness.push,
            connection: Some(witness.connection),
            is_discredited: witness.is_discredited,
        }
    }

    /// Another has met it; nothing if they have nothing in common any more.
    fn and(mut self, other: Witness) -> Option<Self> {
        let target = other.push.map(|(_, target)| target);
        self.push.take_if(|(_, one)| target != Some(*one));
        self.connection.take_if(|one| *one != other.connection);
        (self.push.is_some() || self.connection.is_some()).then_some(self)
    }

    /// The push, if all that have met it went to its target.
    pub(super) fn push(self) -> Option<PushId> {
        self.push.map(|(push, _)| push)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Until `next_probe`, once it is judged.
    Waiting,
    /// The credential files are being read.
    Reading,
    /// The next push is the probe.
    Ready,
    /// It is under way.
    Probing { push: PushId, since: Instant },
}

impl Closed {
    /// Nobody has met it, and it is not judged.
    pub(super) fn new(refusal: Refusal, now: Moment) -> Self {
        Self {
            refusal,
            behind: None,
            since: now,
            met: Met::Nobody,
            last: None,
            targets: VecDeque::new(),
            others_from: now.monotonic,
            others_sent: 0,
            last_other: None,
            is_judged: false,
            next_probe: now.monotonic,
            probes: 0,
            phase: Phase::Waiting,
        }
    }

    /// It counts as refused from now on.
    pub(super) fn hold(&mut self, first_probe: Duration, now: Instant, random: u64) -> Refused {
        self.is_judged = true;
        let wait = wait_before(first_probe, 0, random);
        self.next_probe = later(now, wait);
        Refused::Held { wait }
    }

    /// Another has met it. True if it is no longer one alone.
    pub(super) fn meet(&mut self, witness: Witness) -> bool {
        if let Some((push, target)) = witness.push {
            self.last = Some(push);
            if !self.targets.contains(&target) {
                if self.targets.len() >= TARGETS_KEPT {
                    self.targets.pop_front();
                }
                self.targets.push_back(target);
            }
        }
        match self.met {
            Met::One(common) if !common.is_discredited => {
                // Whoever was contradicted before corroborates nobody.
                let common = if witness.is_discredited {
                    Some(common)
                } else {
                    common.and(witness)
                };
                self.met = common.map_or(Met::Several, Met::One);
                common.is_none()
            }
            Met::Nobody | Met::One(_) => {
                self.met = Met::One(Common::of(witness));
                false
            }
            Met::Several => false,
        }
    }

    pub(super) fn forget_witnesses(&mut self) {
        self.met = Met::Nobody;
        self.targets.clear();
    }

    pub(super) fn is_probing(&self, push: PushId) -> bool {
        matches!(self.phase, Phase::Probing { push: probe, .. } if probe == push)
    }

    /// A probe may go, or is under way.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Probing { .. })
    }

    /// The same, if a push is what it takes.
    pub(super) fn takes_part_in_probing(&self) -> bool {
        self.refusal.ends_with == EndsWith::Probe && self.has_begun()
    }

    /// Whether what was said to that one ends the probe that is due.
    pub(super) fn is_word_on_probe(&self, witness: Witness) -> bool {
        match witness.push {
            Some((push, _)) => self.is_probing(push),
            // A connection that could not take one.
            None => self.takes_part_in_probing(),
        }
    }

    /// A push may go as the probe.
    pub(super) fn is_ready(&self) -> bool {
        self.refusal.ends_with == EndsWith::Probe && self.phase == Phase::Ready
    }

    /// It is refused for another reason now.
    pub(super) fn turn_to(&mut self, refusal: Refusal) {
        let before = std::mem::replace(&mut self.refusal, refusal);
        let wants_token = self.refusal.ends_with == EndsWith::AccessToken;
        if wants_token && before.ends_with == EndsWith::Probe {
            self.behind = Some(before);
        }
    }

    /// Takes note of what ends no probe.
    pub(super) fn note(&mut self, refusal: Refusal) {
        if self.refusal.ends_with == EndsWith::AccessToken && refusal.ends_with == EndsWith::Probe {
            self.behind.get_or_insert(refusal);
        }
    }

    /// One that has not met it may go, to see whether it is about that one alone.
    pub(super) fn takes_another(&self, now: Instant) -> bool {
        let is_one = matches!(self.met, Met::One(_));
        is_one && self.refusal.ends_with == EndsWith::Probe && now >= self.others_from
    }

    /// Any may go, as a probe.
    pub(super) fn takes_any(&self, now: Instant) -> bool {
        if self.refusal.ends_with == EndsWith::AccessToken || !self.is_judged {
            return false;
        }
        match self.phase {
            Phase::Ready => true,
            Phase::Probing { .. } => false,
            // Whoever reads the files is stuck: the lane must not be held for good by that.
            Phase::Waiting | Phase::Reading => now >= later(self.next_probe, READ_WITHIN),
        }
    }

    pub(super) fn wait_again(
        &mut self,
        first_probe: Duration,
        now: Instant,
        random: u64,
    ) -> Duration {
        self.probes = self.probes.saturating_add(1);
        let wait = wait_before(first_probe, self.probes, random);
        self.next_probe = later(now, wait);
        self.phase = Phase::Waiting;
        wait
    }
}

/// The wait before a probe, after so many: spread, so that daemons do not probe together.
pub(super) fn wait_before(first_probe: Duration, probes: u32, random: u64) -> Duration {
    let doubled = first_probe.saturating_mul(1_u32 << probes.min(16));
    let longest = first_probe.saturating_mul(PROBE_GROWTH);
    jitter::half_to_all(doubled.min(longest), random)
}

/// A wait that the clock cannot count is none.
pub(super) fn later(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait).unwrap_or(at)
}
