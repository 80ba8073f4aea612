//! A credential that is refused or doubted: who has met that, and how far the next probe is.
//!
//! Pure: time and the random number are arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::terms::{CredentialRefusal, EndsWith, Refused, Target, Witness};
use super::{PROBE_GROWTH, READ_WITHIN, WITNESSES_KEPT};
use crate::jitter;
use crate::moment::Moment;
use crate::push::{ConnectionId, PushId};

/// A credential that was refused, and how far it is with finding out more.
#[derive(Debug)]
pub(super) struct ClosedGate {
    pub(super) refusal: CredentialRefusal,
    /// What a push was refused for, while an access token is wanted to send a probe with.
    pub(super) behind: Option<CredentialRefusal>,
    pub(super) since: Moment,
    pub(super) met: Met,
    /// Those that have met it, each push once, at most [`WITNESSES_KEPT`].
    witnesses: VecDeque<Witness>,
    /// There were more.
    has_forgotten: bool,
    /// While one alone has met it, another may go from then on.
    pub(super) others_from: Instant,
    /// Such pushes so far, and the last of them.
    pub(super) others_sent: u32,
    pub(super) last_other: Option<PushId>,
    /// It counts as refused.
    pub(super) is_judged: bool,
    /// An operator was told that it is the credential.
    pub(super) is_told: bool,
    pub(super) next_probe: Instant,
    pub(super) probes: u32,
    pub(super) phase: HoldPhase,
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
    /// It is a connection as a whole, and any push on it may have been the cause.
    is_whole: bool,
    /// Others have contradicted it before.
    is_discredited: bool,
}

impl Common {
    fn of(witness: Witness) -> Self {
        Self {
            push: witness.push,
            connection: Some(witness.connection),
            is_whole: witness.push.is_none(),
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

    /// The first push, if all that have met it went to its target.
    pub(super) fn push(self) -> Option<PushId> {
        self.push.map(|(push, _)| push)
    }
}

impl Met {
    /// Another has met it.
    fn and(self, witness: Witness) -> Self {
        match self {
            Self::One(common) if common.is_discredited => Self::One(Common::of(witness)),
            // Whoever was contradicted before corroborates nobody.
            Self::One(common) if witness.is_discredited => Self::One(common),
            // It may have been that push before.
            Self::One(common) if common.is_whole && witness.push.is_some() => {
                Self::One(Common::of(witness))
            }
            Self::One(common) => common.and(witness).map_or(Self::Several, Self::One),
            Self::Nobody => Self::One(Common::of(witness)),
            Self::Several => self,
        }
    }

    /// It is one push alone, which others have contradicted before.
    pub(super) fn is_discredited(self) -> bool {
        matches!(self, Self::One(common) if common.is_discredited)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HoldPhase {
    /// Until `next_probe`, once it is judged.
    Waiting,
    /// The credential files are being read.
    Reading,
    /// The next push is the probe.
    Ready,
    /// It is under way.
    Probing { push: PushId, since: Instant },
}

impl ClosedGate {
    /// Nobody has met it, and it is not judged.
    pub(super) fn new(refusal: CredentialRefusal, now: Moment) -> Self {
        Self {
            refusal,
            behind: None,
            since: now,
            met: Met::Nobody,
            witnesses: VecDeque::new(),
            has_forgotten: false,
            others_from: now.monotonic,
            others_sent: 0,
            last_other: None,
            is_judged: false,
            is_told: false,
            next_probe: now.monotonic,
            probes: 0,
            phase: HoldPhase::Waiting,
        }
    }

    /// It counts as refused from now on. What one alone says is not told of the credential that
    /// others have contradicted before, if `is_proved`: others were taken of late.
    pub(super) fn hold(
        &mut self,
        is_proved: bool,
        first_probe: Duration,
        now: Instant,
        random: u64,
    ) -> Refused {
        self.is_judged = true;
        let wait = wait_before(first_probe, 0, random);
        self.next_probe = later(now, wait);
        self.tell(is_proved, Refused::HeldForOne { wait }, wait)
    }

    /// What is to be told: that it is the credential, once, and `else_told` before and after.
    pub(super) fn tell(&mut self, is_proved: bool, else_told: Refused, wait: Duration) -> Refused {
        let is_doubtful = self.met.is_discredited() && is_proved;
        if self.is_told || is_doubtful && self.refusal.ends_with == EndsWith::Probe {
            return else_told;
        }
        self.is_told = true;
        Refused::Held { wait }
    }

    /// Another has met it. True if it is no longer one alone.
    pub(super) fn meet(&mut self, witness: Witness) -> bool {
        if let Some((push, _)) = witness.push {
            self.strike_out(push);
        }
        if self.witnesses.len() >= WITNESSES_KEPT {
            self.witnesses.pop_front();
            self.has_forgotten = true;
        }
        self.witnesses.push_back(witness);
        let before = self.met;
        self.met = before.and(witness);
        self.met == Met::Several && before != Met::Several
    }

    pub(super) fn forget_witnesses(&mut self) {
        self.met = Met::Nobody;
        self.witnesses.clear();
        self.has_forgotten = false;
    }

    /// A push has left the lane, and with it what it has met. True if nobody is left who has met
    /// it.
    pub(super) fn forget(&mut self, push: PushId) -> bool {
        if !self.strike_out(push) || self.has_forgotten {
            return false;
        }
        let met = self.witnesses.iter().copied();
        self.met = met.fold(Met::Nobody, Met::and);
        self.witnesses.is_empty()
    }

    /// Takes the word of that push out; whether it was there.
    fn strike_out(&mut self, push: PushId) -> bool {
        let before = self.witnesses.len();
        let is_other = |it: &Witness| it.push.is_none_or(|(other, _)| other != push);
        self.witnesses.retain(is_other);
        self.witnesses.len() < before
    }

    /// The pushes that have met it, as far as they are known, the last of them last.
    pub(super) fn pushes(&self) -> impl DoubleEndedIterator<Item = PushId> {
        let pushes = self.witnesses.iter().filter_map(|it| it.push);
        pushes.map(|(push, _)| push)
    }

    /// Whether a push to that target has met it, as far as is known.
    pub(super) fn knows(&self, target: Target) -> bool {
        let mut pushes = self.witnesses.iter().filter_map(|it| it.push);
        pushes.any(|(_, other)| other == target)
    }

    pub(super) fn is_probing(&self, push: PushId) -> bool {
        matches!(self.phase, HoldPhase::Probing { push: probe, .. } if probe == push)
    }

    /// A probe may go, or is under way.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.phase, HoldPhase::Ready | HoldPhase::Probing { .. })
    }

    /// A push that ends the hold may go, or is under way.
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
        self.refusal.ends_with == EndsWith::Probe && self.phase == HoldPhase::Ready
    }

    /// It is refused for another reason now.
    pub(super) fn turn_to(&mut self, refusal: CredentialRefusal) {
        let before = std::mem::replace(&mut self.refusal, refusal);
        let wants_token = self.refusal.ends_with == EndsWith::AccessToken;
        if wants_token && before.ends_with == EndsWith::Probe {
            self.behind = Some(before);
        }
    }

    /// Takes note of what ends no probe.
    pub(super) fn note(&mut self, refusal: CredentialRefusal) {
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
            HoldPhase::Ready => true,
            HoldPhase::Probing { .. } => false,
            // Whoever reads the files is stuck: the lane must not be held for good by that.
            HoldPhase::Waiting | HoldPhase::Reading => now >= later(self.next_probe, READ_WITHIN),
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
        self.phase = HoldPhase::Waiting;
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
