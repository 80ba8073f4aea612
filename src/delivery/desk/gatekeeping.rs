//! What a connection thread does for its lane's gate: it tells it of credentials that are refused,
//! sends its probes, and follows when the lane's route is replaced.

use super::super::link::{HELD, REPLACED};
use super::super::outcome::Outcome;
use super::super::present_route::{refusal, tell_refusal, tell_release};
use super::super::session::Ended;
use super::super::stop;
use super::super::transport::Transport;
use super::Desk;
use crate::lane::{EndsWith, MaySend, ProbeEnd};
use crate::moment::Moment;
use crate::push::{Push, PushId};

impl<T: Transport> Desk<T> {
    /// Takes the lane's present route, if it has been replaced, and lets a connection go that
    /// belongs to another, or that knows a credential which is to be tried anew.
    pub(super) fn follow_route(&mut self, now: Moment) {
        if self.lane.route_generation() != self.generation {
            (self.generation, self.route) = self.present_route.current();
            if let Some(link) = &mut self.links.present {
                link.session().retire(REPLACED);
            }
        }
        if let Some(link) = &mut self.links.present
            && self.lane.waits_for_probe(now.monotonic)
        {
            link.session().retire(HELD);
        }
    }

    /// Nothing may be sent: what was taken goes back, and its time goes on.
    pub(super) fn stand_by(&mut self, now: Moment) {
        self.stands_by = true;
        self.lane.put_back(self.hand.drain(..));
        self.sweep(now);
    }

    /// Whether that push may go, if `may_send` is what the lane says.
    pub(super) fn lets_go(&mut self, push: PushId, may_send: MaySend, now: Moment) -> bool {
        match may_send {
            MaySend::Yes => true,
            MaySend::Probe => {
                let goes = self.lane.begin_probe(push, now.monotonic);
                self.probes.extend(goes.then_some(push));
                goes
            }
            MaySend::No => false,
        }
    }

    /// Keeps a push from its settlement whose answer is not about it but about the lane: that is
    /// given back.
    pub(super) fn keep_back(&mut self, ended: Ended, now: Moment) -> Result<Ended, Push> {
        let (id, generation) = (ended.push.id(), ended.generation);
        // The lane may wait for it no more: a GOAWAY of the same round, or another credential, has
        // ended the probe. What is said to it is about the credential all the same.
        let is_probe = self.probes.contains(&id);
        self.probes.retain(|probe| *probe != id);
        let Outcome::Answered(answer) = &ended.outcome else {
            if is_probe {
                let end = match ended.outcome {
                    Outcome::NotSent => ProbeEnd::NotSent,
                    _ => ProbeEnd::Unanswered,
                };
                self.end_probe(id, generation, end, now);
            }
            if ended.is_spared && self.settler.resends_unknown() {
                let mut push = ended.push;
                stop::spare(&mut push);
                push.maybe_sent = true;
                return Err(push);
            }
            return Ok(ended);
        };
        let last = is_probe || ended.push.used_its_second_chance;
        if !stop::stops_the_lane(answer, last) {
            // A provider that is out of order has not looked at the credential, and of a refusal
            // without its reason nobody knows.
            let end = if answer.status >= 500 || answer.is_cut_off {
                ProbeEnd::Unanswered
            } else {
                ProbeEnd::Passed
            };
            if is_probe && self.end_probe(id, generation, end, now) {
                tell_release(&self.lane);
            }
            return Ok(ended);
        }
        let status = answer.status.to_string();
        let (reason, why) = if answer.reason.is_empty() {
            (status.clone(), format!("{status}: {}", answer.error))
        } else {
            let why = format!("{status} {}: {}", answer.reason, answer.error);
            (answer.reason.to_string(), why)
        };
        self.refuse(&reason, &why, Some(id), generation, now);
        let mut push = ended.push;
        stop::spare(&mut push);
        Err(push)
    }

    /// Tells the lane that a GOAWAY refused a connection's credential.
    pub(super) fn take_refusals(&mut self, now: Moment) {
        let mut refusals = Vec::new();
        for link in self.links.iter_mut() {
            let session = link.session();
            if let Some(row) = session.take_refusal() {
                refusals.push((row, session.generation()));
            }
        }
        for (row, generation) in refusals {
            let why = format!("GOAWAY {}: {}", row.reason, row.meaning);
            self.refuse(row.reason, &why, None, generation, now);
        }
    }

    /// A probe has ended, other than by a refusal; whether that opens the lane.
    pub(super) fn end_probe(
        &mut self,
        push: PushId,
        generation: u64,
        end: ProbeEnd,
        now: Moment,
    ) -> bool {
        let random = self.settler.random();
        self.lane
            .end_probe(push, generation, end, now.monotonic, random)
    }

    fn refuse(
        &mut self,
        reason: &str,
        why: &str,
        push: Option<PushId>,
        generation: u64,
        now: Moment,
    ) {
        let refusal = refusal(reason, why, &self.route, EndsWith::Probe);
        let random = self.settler.random();
        let told = self.lane.refuse(refusal, generation, push, now, random);
        tell_refusal(&self.lane, told);
    }
}
