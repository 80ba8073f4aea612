//! What keeps a lane from sending, and how it finds out that it may again.
//!
//! A lane may be held by hand, and by a credential that its provider refuses. The second is not
//! believed on one push's word: while one target alone has met the refusal nothing more is sent,
//! and the answers that are still to come decide, or another push that is sent to see. Only if that
//! is refused too, on another connection, or if there is no other, is it the credential. Then now
//! and then its files are read again and one push is sent as a probe.
//!
//! ```text
//!                 silence: another push goes
//!                         ┌───┐
//!                         ▼   │  two met it, or there is no other     due              read
//!  open ─refused─▶ doubted ───┴──────────────────────────────▶ waiting ──▶ reading ──▶ ready
//!    ▲                │                                           ▲                     │ ▲
//!    │                │                refused, 5xx, no answer    │    a push goes      │ │ not an
//!    │                │                                        probing ◀───────────────┘ │ byte
//!    │                │                                          │ └─────────────────────┘ left
//!    └────────────────┴───── a good answer to any push ──────────┘
//! ```
//!
//! Each time that it goes back to waiting it waits longer, and the next probe goes to another
//! target where there is one. As long as one alone has met it, others need not wait for that. Where
//! it is an access token that is wanted, having one opens the gate; but not one that the provider's
//! answer to a push has closed: that takes a good answer.
//!
//! The words, here and in delivery:
//!
//! - A *refusal* of the credential is an answer, or a GOAWAY, that may be about the credential or
//!   about its push alone. It is *doubted* which, until it is *judged* to be about the credential.
//! - A *witness* has met the refusal: a push, or a connection that was refused as a whole.
//! - *Another* push is one by which more may be learnt: it goes to another target than the
//!   witnesses, and is not discredited.
//! - A *proof* is an answer that only a credential is given that is taken. It *contradicts* every
//!   witness there is; but of what the configured topic has met, one to a push of another topic
//!   says nothing, and while a push waits that has met that it opens nothing.
//! - A push that was contradicted is *discredited*: alone, its word calls no operator while others
//!   are taken.
//! - A *suspect* is a push that goes last: a witness, whose *rebuff* is what was said to it, or a
//!   push that goes where one has gone or was on a connection that was refused.
//!
//! Pure: time and the random number are arguments.

mod closed;
mod terms;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use terms::{
    Cleared, CredentialRefusal, EndsWith, Hold, MaySend, Others, ProbeEnd, Proof, Refused, Target,
    Witness,
};

use crate::moment::Moment;
use crate::push::PushId;
use closed::{ClosedGate, HoldPhase, Met, later, wait_before};

/// Wait before the first probe of a refused credential, unless the configuration says otherwise.
pub const FIRST_PROBE: Duration = Duration::from_secs(30);
/// The wait doubles with each probe that is refused, up to this many times the first.
pub(super) const PROBE_GROWTH: u32 = 10;
/// How long the reading of the credential files may take before a probe goes without it.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(30);
/// A probe that has not ended after this is given up: longer than any attempt may take.
pub(super) const PROBE_ENDS_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How long the pushes in flight have to decide whether a refusal is about one push alone, before
/// another one is sent to see; and that one, before the next.
pub const DECIDES_WITHIN: Duration = Duration::from_millis(500);
/// Our limit: pushes that are sent to decide that and are not answered, before the lane counts as
/// held.
pub(super) const UNDECIDED_MAX: u32 = 10;
/// Our limit: pushes that are known to have met a refusal; those to other targets go before them.
pub(super) const WITNESSES_KEPT: usize = 64;
/// For so long after a push was taken the word of one that was contradicted before is no reason to
/// call an operator.
pub(super) const PROVED_FOR: Duration = Duration::from_secs(60);

/// A lane's gate.
#[derive(Debug)]
pub struct Gate {
    by_hand: Option<Moment>,
    credential: Option<ClosedGate>,
    first_probe: Duration,
    /// When a push was taken last, to about a second.
    proved_at: Option<Instant>,
}

impl Gate {
    /// An open gate that waits so long before the first probe.
    pub fn new(first_probe: Duration) -> Self {
        Self {
            by_hand: None,
            credential: None,
            first_probe,
            proved_at: None,
        }
    }

    /// Sets the wait before the first probe of a refused credential.
    pub fn set_first_probe(&mut self, first_probe: Duration) {
        self.first_probe = first_probe;
    }

    /// How long a credential that was refused so often rests before it is tried again.
    pub fn wait_before_probe(&self, probes: u32, random: u64) -> Duration {
        wait_before(self.first_probe, probes, random)
    }

    /// Whether nothing holds it, and nothing is doubted.
    pub fn is_open(&self) -> bool {
        self.by_hand.is_none() && self.credential.is_none()
    }

    /// Whether the credential is refused, or doubted.
    pub fn is_refused(&self) -> bool {
        self.credential.is_some()
    }

    /// Whether the credential counts as refused.
    pub fn is_judged(&self) -> bool {
        let closed = self.credential.as_ref();
        closed.is_some_and(|closed| closed.is_judged)
    }

    /// Whether the credential is doubted, and not judged yet.
    pub fn is_doubted(&self) -> bool {
        self.is_refused() && !self.is_judged()
    }

    /// What holds it. A doubt does not: it is over within seconds.
    pub fn holds(&self) -> Vec<Hold> {
        let by_hand = self.by_hand.map(|since| Hold::Operator { since });
        let judged = self.credential.as_ref().filter(|closed| closed.is_judged);
        let credential = judged.map(|closed| Hold::Credential {
            reason: Arc::clone(&closed.refusal.reason),
            text: Arc::clone(&closed.refusal.text),
            push: self.only_witness().or_else(|| closed.pushes().next_back()),
            since: closed.since,
            next_probe: closed.next_probe,
            probes: closed.probes,
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
            Some(closed) if closed.takes_any(now) || closed.takes_another(now) => MaySend::Probe,
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

    /// The credential was refused: to `witness`, or before a push could be sent.
    pub fn refuse(
        &mut self,
        refusal: CredentialRefusal,
        witness: Option<Witness>,
        now: Moment,
        random: u64,
    ) -> Refused {
        let (first_probe, is_proved) = (self.first_probe, self.is_proved(now.monotonic));
        let Some(closed) = &mut self.credential else {
            let closed = self.credential.insert(ClosedGate::new(refusal, now));
            return match witness {
                None => closed.hold(is_proved, first_probe, now.monotonic, random),
                Some(witness) => {
                    closed.meet(witness);
                    if witness.others_decide {
                        closed.others_from = later(now.monotonic, DECIDES_WITHIN);
                    }
                    Refused::Doubted
                }
            };
        };
        let turns_to_several = witness.is_some_and(|witness| closed.meet(witness));
        if !closed.is_judged {
            if witness.is_some() {
                return Refused::Known;
            }
            closed.turn_to(refusal);
            return closed.hold(is_proved, first_probe, now.monotonic, random);
        }
        let of_probe = match (witness, refusal.ends_with) {
            (Some(witness), _) => closed.is_word_on_probe(witness),
            // Refused before it could take a push.
            (None, EndsWith::Probe) => closed.takes_part_in_probing(),
            // A probe under way has its token.
            (None, EndsWith::AccessToken) => closed.is_ready(),
        };
        let wants_token = closed.refusal.ends_with == EndsWith::AccessToken;
        if !of_probe && (!turns_to_several || wants_token) {
            closed.note(refusal);
            return Refused::Known;
        }
        closed.turn_to(refusal);
        closed.others_from = now.monotonic;
        let wait = closed.wait_again(first_probe, now.monotonic, random);
        closed.tell(is_proved, Refused::Again { wait }, wait)
    }

    /// Whether what is doubted is to count as refused by now: two have met it, or there is nobody
    /// else, or too many have not been answered.
    pub fn judge(&mut self, others: Others, now: Instant, random: u64) -> Refused {
        let (first_probe, is_paused) = (self.first_probe, self.by_hand.is_some());
        let is_proved = self.is_proved(now);
        let closed = self.credential.as_mut();
        let Some(closed) = closed.filter(|closed| !closed.is_judged && !is_paused) else {
            return Refused::Known;
        };
        if others.in_flight && now < closed.others_from {
            return Refused::Known;
        }
        let has_others = others.in_flight || others.waiting;
        let is_silent = closed.others_sent >= UNDECIDED_MAX && now >= closed.others_from;
        if closed.met != Met::Several && has_others && !is_silent {
            return Refused::Known;
        }
        closed.hold(is_proved, first_probe, now, random)
    }

    /// A push was answered as only a credential is that is taken, while nothing was doubted; once
    /// in a second is enough.
    pub fn note_proof(&mut self, now: Instant) {
        self.proved_at = Some(now);
    }

    /// Whether a push was taken of late, and the credential has not been replaced since.
    pub fn is_proved(&self, now: Instant) -> bool {
        let is_young = |at| now.saturating_duration_since(at) < PROVED_FOR;
        self.proved_at.is_some_and(is_young)
    }

    /// The pushes that have met a refusal of the credential, as far as they are known.
    pub fn witnesses(&self) -> Vec<PushId> {
        let closed = self.credential.iter();
        closed.flat_map(ClosedGate::pushes).collect()
    }

    /// What is told of the credential that is refused.
    pub fn refusal(&self) -> Option<&CredentialRefusal> {
        self.credential.as_ref().map(|closed| &closed.refusal)
    }

    /// The push that alone has met the refusal, or the first of several to its target.
    pub fn only_witness(&self) -> Option<PushId> {
        match self.credential.as_ref()?.met {
            Met::One(common) => common.push(),
            Met::Nobody | Met::Several => None,
        }
    }

    /// Whether a refused credential waits for its next probe: no connection that knows it should
    /// be kept for that.
    pub fn waits(&self, now: Instant) -> bool {
        let closed = self.credential.as_ref().filter(|closed| closed.is_judged);
        closed.is_some_and(|closed| {
            let is_one = matches!(closed.met, Met::One(_));
            !is_one && !closed.has_begun() && !closed.takes_any(now)
        })
    }

    /// Whether a connection on which the credential was refused should be kept no longer: another
    /// one is to show whether it was the connection.
    pub fn parts_with_refusers(&self, now: Instant) -> bool {
        let closed = self.credential.as_ref();
        closed.is_some_and(|closed| {
            closed.is_judged || closed.others_sent > 0 || now >= closed.others_from
        })
    }

    /// When it has to be looked at again by those who send, if that is still to come.
    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        let closed = self.credential.as_ref()?;
        let is_open_question = !closed.is_judged || matches!(closed.met, Met::One(_));
        (is_open_question && closed.others_from > now).then_some(closed.others_from)
    }

    /// When [`Gate::begin_reading`] has something to do.
    pub fn next_reading(&self) -> Option<Instant> {
        let closed = self.credential.as_ref().filter(|closed| closed.is_judged)?;
        match closed.phase {
            HoldPhase::Waiting | HoldPhase::Ready => Some(closed.next_probe),
            HoldPhase::Reading => None,
            HoldPhase::Probing { since, .. } => Some(later(since, PROBE_ENDS_WITHIN)),
        }
    }

    /// Whether it is time to read the credential files again; [`Gate::read`] follows.
    pub fn begin_reading(&mut self, now: Instant) -> bool {
        let due = self.next_reading().is_some_and(|at| now >= at);
        if let Some(closed) = &mut self.credential
            && due
        {
            closed.phase = HoldPhase::Reading;
        }
        due
    }

    /// The files were read, or could not be: the next push is a probe. Where an access token is
    /// what is wanted it has been asked for.
    pub fn read(&mut self, now: Instant, random: u64) {
        let first_probe = self.first_probe;
        let Some(closed) = &mut self.credential else {
            return;
        };
        if closed.phase != HoldPhase::Reading {
            return;
        }
        match closed.refusal.ends_with {
            EndsWith::AccessToken => {
                closed.wait_again(first_probe, now, random);
            }
            EndsWith::Probe => {
                // If no push comes to be the probe, the files are read again after as long.
                let wait = wait_before(first_probe, closed.probes, random);
                closed.next_probe = later(now, wait);
                closed.phase = HoldPhase::Ready;
            }
        }
    }

    /// Whether a target has not met the refusal yet, as far as is known.
    pub fn is_another(&self, target: Target) -> bool {
        let closed = self.credential.as_ref();
        !closed.is_some_and(|closed| closed.knows(target))
    }

    /// Whether a push that has met the refusal may go to see whether that is over.
    pub fn takes_any(&self, now: Instant) -> bool {
        let closed = self.credential.as_ref();
        self.by_hand.is_none() && closed.is_some_and(|closed| closed.takes_any(now))
    }

    /// Whether only one that has not met it may go, to see whether it is about that one alone.
    pub fn takes_another(&self, now: Instant) -> bool {
        let closed = self.credential.as_ref();
        self.by_hand.is_none() && closed.is_some_and(|closed| closed.takes_another(now))
    }

    /// Lets that push go as a probe, `is_another` if it is one by which more may be learnt than by
    /// those that were refused; false if it is not to go.
    pub fn begin_probe(&mut self, push: PushId, is_another: bool, now: Instant) -> bool {
        let is_paused = self.by_hand.is_some();
        let Some(closed) = self.credential.as_mut().filter(|_| !is_paused) else {
            return false;
        };
        if closed.takes_any(now) {
            closed.phase = HoldPhase::Probing { push, since: now };
        } else if !is_another || !closed.takes_another(now) {
            return false;
        }
        closed.others_from = later(now, DECIDES_WITHIN);
        closed.others_sent = closed.others_sent.saturating_add(1);
        closed.last_other = Some(push);
        true
    }

    /// A push is the probe no more, and nothing was learnt by it: another may go. True if it
    /// was the probe.
    pub fn withdraw_probe(&mut self, push: PushId) -> bool {
        let closed = self.credential.as_mut();
        let probing = closed.filter(|closed| closed.is_probing(push));
        probing
            .map(|closed| closed.phase = HoldPhase::Ready)
            .is_some()
    }

    /// A push that went as a probe has ended, and it is not known what that says. One that the gate
    /// no longer waits for changes nothing.
    pub fn end_probe(&mut self, push: PushId, end: ProbeEnd, now: Instant, random: u64) {
        let first_probe = self.first_probe;
        let Some(closed) = &mut self.credential else {
            return;
        };
        let is_probing = closed.is_probing(push);
        match end {
            ProbeEnd::Unanswered if is_probing => {
                closed.wait_again(first_probe, now, random);
            }
            // The next one that is to decide has its time.
            ProbeEnd::Unanswered => {}
            ProbeEnd::NotSent => {
                if closed.last_other.take_if(|other| *other == push).is_some() {
                    closed.others_from = closed.others_from.min(now);
                    closed.others_sent = closed.others_sent.saturating_sub(1);
                }
                if is_probing {
                    closed.phase = HoldPhase::Ready;
                }
            }
        }
    }

    /// A push was answered as only a credential is that is taken.
    pub fn taken(&mut self, now: Instant) -> Cleared {
        self.proved_at = Some(now);
        let Some(closed) = &mut self.credential else {
            return Cleared::Nothing;
        };
        if closed.refusal.ends_with == EndsWith::AccessToken {
            closed.forget_witnesses();
            let behind = closed.behind.take();
            return behind.map_or(Cleared::Nothing, |_| Cleared::Behind);
        }
        let cleared = match closed.met {
            _ if !closed.is_judged => Cleared::Doubt,
            Met::One(_) => Cleared::HoldForOne,
            Met::Nobody | Met::Several => Cleared::Hold,
        };
        self.credential = None;
        cleared
    }

    /// There is an access token. True if that opens what waited for one; what a push was refused
    /// for waits for a good answer.
    pub fn has_access_token(&mut self, now: Instant) -> bool {
        let Some(closed) = &mut self.credential else {
            return false;
        };
        if closed.refusal.ends_with == EndsWith::Probe {
            return false;
        }
        match closed.behind.take() {
            Some(refusal) => {
                closed.refusal = refusal;
                closed.others_from = now;
            }
            None => self.credential = None,
        }
        self.credential.is_none()
    }

    /// The credential was replaced: it is tried at once, and what was only doubted of the one
    /// before is forgotten.
    pub fn replaced(&mut self, now: Instant) {
        self.turned();
        if let Some(closed) = &mut self.credential {
            closed.phase = HoldPhase::Ready;
            closed.next_probe = later(now, self.first_probe);
        }
    }

    /// The credential is another one, which is tried when the one before it would have been.
    pub fn turned(&mut self) {
        self.proved_at = None;
        self.credential.take_if(|closed| !closed.is_judged);
        if let Some(closed) = &mut self.credential {
            closed.forget_witnesses();
            closed.behind = None;
        }
    }

    /// A push has left the lane. True if that opens it, since nobody is left who has met the
    /// refusal.
    pub fn forget(&mut self, push: PushId) -> bool {
        self.withdraw_probe(push);
        let ends = |closed: &mut ClosedGate| {
            let is_nothing = closed.forget(push);
            closed.behind.take_if(|_| is_nothing);
            is_nothing && closed.refusal.ends_with == EndsWith::Probe
        };
        self.credential.take_if(ends).is_some()
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(FIRST_PROBE)
    }
}

#[cfg(test)]
mod tests;
