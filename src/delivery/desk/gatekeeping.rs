//! What a connection thread does for its lane's gate: it tells it of credentials that are refused
//! and of those that are taken, sends its probes, and follows when the lane's route is replaced.

use std::time::Duration;

use super::super::link::{HELD, REPLACED, WEDGED, WEDGED_AFTER};
use super::super::outage;
use super::super::outcome::Outcome;
use super::super::present_route::{refusal, tell_refusal, tell_release};
use super::super::session::Ended;
use super::super::stop;
use super::super::transport::Transport;
use super::{Desk, Timer};
use crate::lane::{Cleared, EndsWith, MaySend, ProbeEnd, Proof, Rebuff, Suspect, Target, Witness};
use crate::moment::Moment;
use crate::provider::{Answer, Verdict};
use crate::push::{ConnectionId, Push, PushId};

/// Proofs are noted so often while nothing is doubted.
const PROOFS_NOTED_EVERY: Duration = Duration::from_secs(1);

impl<T: Transport> Desk<T> {
    /// Takes the lane's present route, if it has been replaced, and lets a connection go that
    /// belongs to another.
    pub(super) fn follow_route(&mut self) {
        let replaced = self
            .following
            .follow(self.lane.holding().route_generation());
        if let Some(link) = self.links.present.as_mut().filter(|_| replaced) {
            link.session().retire(REPLACED);
        }
    }

    /// Lets a connection go that knows a credential which is to be tried anew, or that alone
    /// refuses one.
    pub(super) fn part_with_refuser(&mut self, now: Moment) {
        if let Some(link) = &mut self.links.present {
            let refusals = link.session().refusals();
            if self.lane.holding().parts_with(refusals > 0, now.monotonic) {
                link.session().retire(HELD);
            } else if refusals >= WEDGED_AFTER && !self.lane.holding().is_held() {
                link.session().retire(WEDGED);
            }
        }
    }

    /// Decides what is open about the credential, as far as it is for this thread to do.
    pub(super) fn look_at_gate(&mut self, now: Moment) {
        outage::look(&self.lane, now);
        if !self.lane.holding().is_held() {
            return;
        }
        let random = self.settler.random();
        let told = self.lane.judge(self.are_in_flight(), now.monotonic, random);
        tell_refusal(&self.lane, told);
        self.lane.holding().look_at_last(now.monotonic);
        if self.lane.holding().has_suspects() {
            self.sweep(now);
        }
    }

    /// Whether pushes of the lane are in flight, on this thread or another.
    fn are_in_flight(&self) -> bool {
        self.shown.has_others(&self.lane) || self.links.in_flight() > 0
    }

    /// Nothing can be sent: what was taken goes back, and its time goes on.
    pub(super) fn stand_by(&mut self, now: Moment) {
        self.stands_by = true;
        self.trays.hand_back(&self.lane);
        self.sweep(now);
    }

    /// A push to see by whether the credential is taken: one to another target than those that have
    /// met its refusal, now or before, if there is one. They go last, and so does what has another
    /// topic than the configured one, of which it says nothing.
    pub(super) fn take_probe(&mut self, now: Moment) -> Option<Push> {
        loop {
            while let Some(push) = self.trays.hand.pop_front() {
                let holding = self.lane.holding();
                let is_fit = push.envelope().has_bare_topic() && holding.is_another(&push);
                if is_fit || !holding.is_refused() {
                    return Some(push);
                }
                self.lane.put_last(push);
            }
            if !self.take_work(true) {
                break;
            }
        }
        let link = self.links.present.as_mut()?;
        let last = self.lane.holding().take_last(link.id(), now.monotonic);
        if last.is_none() && self.lane.has_work() {
            // This connection has refused those that are left.
            link.session().retire(HELD);
        }
        last
    }

    /// Whether that push may go, if `may_send` is what the lane says.
    pub(super) fn lets_go(&mut self, push: &Push, may_send: MaySend, now: Moment) -> bool {
        match may_send {
            MaySend::Yes => true,
            MaySend::Probe => {
                let goes = self.lane.holding().begin_probe(push, now.monotonic);
                self.probes.extend(goes.then_some(push.id()));
                goes
            }
            MaySend::No => false,
        }
    }

    /// That push is this thread's probe no more; whether it was.
    pub(super) fn forget_probe(&mut self, push: PushId) -> bool {
        let index = self.probes.iter().position(|probe| *probe == push);
        index.map(|index| self.probes.swap_remove(index)).is_some()
    }

    /// Of an auth token that nothing has shown of late to be taken it is not believed that it is
    /// only not for a push's own topic: where all pushes name theirs, all would fail by a bad key.
    pub(super) fn doubt_unproved(&mut self, now: Moment) {
        for ended in &mut self.trays.ended {
            if let Outcome::Answered(answer) = &mut ended.outcome
                && answer.of_other_topic
                && matches!(answer.verdict, Verdict::Retry(_))
            {
                answer.of_other_topic = self.lane.holding().is_proved(now.monotonic);
            }
        }
    }

    /// Puts those last in what has ended, thus first to be looked at, that say that the credential
    /// is refused: of what came in the same round, what says that it is taken came after.
    pub(super) fn refusals_first(&mut self) {
        let stops = |ended: &Ended| {
            let is_probe = self.probes.contains(&ended.push.id());
            stopping_answer(ended, is_probe).is_some()
        };
        self.trays.put_first(stops);
    }

    /// Keeps a push from its settlement whose answer may not be about it but about the credential.
    /// It goes last then, or is given back if it is to be sent again at once.
    pub(super) fn keep_back(&mut self, ended: Ended, now: Moment) -> Result<Ended, Option<Push>> {
        let (id, generation) = (ended.push.id(), ended.generation);
        // The lane may wait for it no more: a GOAWAY of the same round, or another credential, has
        // ended the probe. What is said to it is about the credential all the same.
        let is_probe = self.forget_probe(id);
        if matches!(&ended.outcome, Outcome::Answered(answer) if answer.proves) {
            let proof = Proof::of(ended.push.envelope().has_bare_topic());
            self.take_proof(generation, proof, now);
            if is_probe && proof == Proof::Credential {
                // Should it have opened nothing.
                self.end_probe(id, generation, ProbeEnd::Unanswered, now);
            }
            return Ok(ended);
        }
        if is_probe && is_of_other_topic(&ended.outcome) {
            // It may be the credential all the same: while that is refused, or doubted, no push
            // fails by it.
            self.settler.count_attempt(&ended, true, now);
            let mut push = ended.push;
            stop::spare(&mut push);
            self.settler.note_tried(&push, None, now);
            self.end_probe(id, generation, ProbeEnd::Unanswered, now);
            self.lane.put_last(push);
            return Err(None);
        }
        if let Some(answer) = stopping_answer(&ended, is_probe) {
            if let Some(date) = answer.date {
                self.following.route.clock.note(date, now);
            }
            if matches!(answer.verdict, Verdict::Retry(_)) {
                // The next one goes elsewhere: it may be the connection.
                self.links.retire(ended.connection, HELD);
            }
            let (reason, why) = words(answer, id);
            let rebuff = Rebuff {
                status: answer.status,
                reason: answer.reason.clone(),
                error: answer.error.clone(),
                connection: ended.connection,
                of_topic: answer.of_topic,
            };
            self.settler.count_attempt(&ended, true, now);
            let mut push = ended.push;
            stop::spare(&mut push);
            self.settler.note_tried(&push, None, now);
            let suspect = Suspect {
                push,
                met: Some(rebuff),
            };
            let witness = (
                Some((id, Target::of(suspect.push.token()))),
                ended.connection,
            );
            self.refuse(&reason, &why, Some(suspect), witness, generation, now);
            return Err(None);
        }
        if is_probe {
            let end = match &ended.outcome {
                Outcome::NotSent => ProbeEnd::NotSent,
                // Nobody knows whether the credential was looked at before.
                Outcome::Answered(answer) if answer.verdict == Verdict::Refused => {
                    ProbeEnd::NotSent
                }
                // A provider that is out of order has not looked at the credential.
                _ => ProbeEnd::Unanswered,
            };
            if end == ProbeEnd::Unanswered && self.lane.holding().is_judged() {
                // The next one shall not meet what this one has met.
                self.links.retire(ended.connection, HELD);
            }
            self.end_probe(id, generation, end, now);
        }
        if ended.is_spared && self.settler.resends_unknown() {
            self.settler.count_attempt(&ended, true, now);
            let mut push = ended.push;
            stop::spare(&mut push);
            push.used_its_second_chance = false;
            push.maybe_sent = true;
            return Err(Some(push));
        }
        Ok(ended)
    }

    /// A push was answered as only a credential is that is taken: what was refused is contradicted.
    fn take_proof(&mut self, generation: u64, proof: Proof, now: Moment) {
        let now = now.monotonic;
        self.following.proved(generation, proof);
        if !self.lane.holding().is_held() {
            let again_at = self.timers.at(Timer::NoteProof);
            if again_at.is_none_or(|at| at <= now) {
                self.timers.set(Timer::NoteProof, now + PROOFS_NOTED_EVERY);
                self.lane.holding().note_proof(generation, now);
            }
            return;
        }
        let (cleared, refused) = self.lane.taken(generation, proof, now);
        self.trays.contradicted.extend(refused);
        if matches!(cleared, Cleared::Hold | Cleared::HoldForOne) {
            tell_release(&self.lane);
        }
    }

    /// Settles what others contradict, or has it wait for another attempt.
    pub(super) fn conclude_contradicted(&mut self, now: Moment) {
        while let Some((push, rebuff)) = self.trays.contradicted.pop() {
            self.trays.at_work = Some(push.clone());
            let again = self.settler.contradict(push, rebuff, now);
            self.trays.again.extend(again);
            self.trays.at_work = None;
        }
    }

    /// Tells the lane that a GOAWAY refused a connection's credential.
    pub(super) fn take_refusals(&mut self, now: Moment) {
        let mut refusals = Vec::new();
        for link in self.links.iter_mut() {
            let id = link.id();
            let session = link.session();
            if let Some((row, only)) = session.take_refusal() {
                refusals.push((row, only, id, session.generation()));
            }
        }
        for (row, only, connection, generation) in refusals {
            let why = format!("GOAWAY {}: {}", row.reason, row.meaning);
            if self.following.is_candidate(generation) {
                self.candidate_refused(generation, row.reason, &why, now);
                continue;
            }
            let witness = (only, connection);
            self.refuse(row.reason, &why, None, witness, generation, now);
        }
    }

    /// A probe has ended, and it is not known what that says.
    pub(super) fn end_probe(&mut self, push: PushId, generation: u64, end: ProbeEnd, now: Moment) {
        let random = self.settler.random();
        self.lane
            .end_probe(push, generation, end, now.monotonic, random);
    }

    fn refuse(
        &mut self,
        reason: &str,
        why: &str,
        suspect: Option<Suspect>,
        (push, connection): (Option<(PushId, Target)>, ConnectionId),
        generation: u64,
        now: Moment,
    ) {
        let refusal = {
            let (lane, route) = (self.lane.id(), &self.following.route);
            refusal((lane, reason), why, route, EndsWith::Probe, now)
        };
        let random = self.settler.random();
        let witness = Witness {
            push,
            connection,
            is_discredited: suspect.as_ref().is_some_and(|it| it.push.is_discredited()),
            others_decide: self.are_in_flight(),
        };
        let lane = &self.lane;
        let told = lane.refuse(refusal, generation, Some(witness), suspect, now, random);
        // The lane has it.
        self.trays.at_work = None;
        tell_refusal(&self.lane, told);
    }
}

/// Whether a push was refused for another topic than the configured one.
fn is_of_other_topic(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered(answer) if answer.of_other_topic)
}

/// What was said to a push, if it may be about the credential.
fn stopping_answer(ended: &Ended, is_probe: bool) -> Option<&Answer> {
    let Outcome::Answered(answer) = &ended.outcome else {
        return None;
    };
    let last = is_probe || ended.push.used_its_second_chance;
    stop::stops_the_lane(answer, last).then_some(answer)
}

/// The provider's word for a refusal, and a sentence for the operator that names the push.
pub(super) fn words(answer: &Answer, push: PushId) -> (String, String) {
    let Answer { status, error, .. } = answer;
    let said = format!("{status} {}", answer.reason);
    let said = said.trim_end();
    let why = format!("{said}: {error}, said to push {push}");
    let reason = if answer.reason.is_empty() {
        said
    } else {
        &answer.reason
    };
    (reason.to_owned(), why)
}
