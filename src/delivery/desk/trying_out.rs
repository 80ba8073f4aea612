//! How a connection thread finds out whether a candidate's credential is taken: beside its present
//! connection it opens one by the candidate's route, and sends one push after the other on it until
//! an answer says so. All others go by the present route meanwhile.

use std::fmt::Display;
use std::sync::Arc;

use super::super::link::{Begun, HELD, HELD_MAX, Link, PUT_OFF, REPLACED};
use super::super::outcome::Outcome;
use super::super::session::Ended;
use super::super::stop;
use super::super::transport::Transport;
use super::gatekeeping::words;
use super::{Desk, Timer};
use crate::http2::SendError;
use crate::lane::{MaySend, Proof, Tickets};
use crate::moment::Moment;
use crate::provider::Verdict;
use crate::push::{ConnectionId, Push};

impl<T: Transport> Desk<T> {
    /// Lets the candidate go if it is none any more.
    pub(super) fn follow_candidate(&mut self) {
        if self.following.has_lost_candidate() {
            self.let_candidate_go(REPLACED);
        }
    }

    /// Sends a push by the candidate's route, or takes one to open a connection for, if it is
    /// time.
    pub(super) fn try_candidate(&mut self, now: Moment) {
        if !self.following.has_candidate() {
            return;
        }
        if self.timers.take_due(Timer::Try, now.monotonic) {
            self.trays.give_up_trying(&self.lane);
        }
        let may_send = self.lane.may_send(now.monotonic) == MaySend::Yes;
        if !may_send || self.links.dialling.is_some() {
            return;
        }
        if let Some(link) = &mut self.links.candidate {
            let is_free = link.in_flight() == 0 && link.room(1) > 0;
            if is_free {
                self.send_by_candidate(now);
            }
        } else if self.links.present.is_some() {
            self.begin_trying(now);
        }
    }

    /// Takes a push to try the candidate with, for which a connection is to be opened; whether
    /// there is one.
    pub(super) fn begin_trying(&mut self, now: Moment) -> bool {
        if self.is_going || self.links.candidate.is_some() || !self.following.has_candidate() {
            return false;
        }
        if self.trays.to_try.is_none() && self.has_work() && self.following.claim(self.seat, now) {
            if self.take_to_try() {
                let until = now.monotonic.checked_add(HELD_MAX);
                self.timers.set(Timer::Try, until);
            } else {
                self.let_candidate_go(REPLACED);
            }
        }
        self.trays.to_try.is_some()
    }

    fn has_work(&self) -> bool {
        let present = self.links.present.as_ref().map(Link::id);
        !self.trays.hand.is_empty() || self.lane.has_work_for(present)
    }

    /// Takes a push that has the configured topic, if one is at hand: by another one nobody learns
    /// whether the credential is for that.
    fn take_to_try(&mut self) -> bool {
        let hand = &mut self.trays.hand;
        if self.trays.to_try.is_none() {
            let links = [&self.links.present, &self.links.candidate];
            let id = links.into_iter().flatten().map(Link::id).next();
            if hand.is_empty() {
                self.lane.take_for(id.unwrap_or(ConnectionId::new(0)), hand);
            }
            let index = hand.iter().position(|it| it.envelope().has_bare_topic());
            self.trays.to_try = hand.remove(index.unwrap_or_default());
        }
        if self.links.present.is_none() {
            self.lane.put_back(hand.drain(..));
        }
        self.trays.to_try.is_some()
    }

    fn send_by_candidate(&mut self, now: Moment) {
        let lane = self.lane.id();
        let Some(route) = self.following.candidate_route() else {
            return;
        };
        let Some(credential) = route.credentials.current(lane, now) else {
            return self.trays.give_up_trying(&self.lane);
        };
        if !self.has_work() && self.trays.to_try.is_none() || !self.take_to_try() {
            return;
        }
        self.timers.stop(Timer::Try);
        if self.lane.pacing().has_no_tickets(now.monotonic) {
            return self.trays.give_up_trying(&self.lane);
        }
        if let Tickets::UsedUp(again_at) = self.lane.pacing().tickets(now.monotonic, 1) {
            self.timers.set(Timer::Tickets, again_at);
            return self.trays.give_up_trying(&self.lane);
        }
        let Some(push) = self.trays.to_try.take() else {
            return;
        };
        let id = push.id();
        self.trays.at_work = Some(push.clone());
        if let Some(push) = self.settler.settle_if_expired(push, now)
            && let Some(link) = &mut self.links.candidate
        {
            link.set_credential(credential);
            match link.send(push, now).map_err(|refused| *refused) {
                Ok(()) => self.settler.hand(id),
                Err((push, SendError::BadHead)) => self.settle_unsendable(&push, now),
                Err((push, _)) => {
                    link.session().retire("it takes no more streams");
                    self.trays.hand.push_front(push);
                }
            }
        }
        self.trays.at_work = None;
    }

    /// Takes over the candidate's connection that was opened, or the reason why there is none.
    pub(super) fn opened_candidate(
        &mut self,
        opened: Result<T, &dyn Display>,
        begun: Begun,
        now: Moment,
    ) {
        let route = self.following.candidate_route();
        let is_ours = route.is_some() && self.following.is_trying(begun.generation);
        match opened {
            Ok(connection) => {
                let route = route.unwrap_or_else(|| Arc::clone(&self.following.route));
                let id = self.lane.new_connection();
                let mut link = Link::new(id, connection, &route, begun, now);
                if !is_ours {
                    link.session().retire(REPLACED);
                }
                self.links.candidate = Some(link);
            }
            Err(why) if is_ours => self.learnt_nothing(&format!("no connection: {why}"), now),
            Err(_) => {}
        }
    }

    /// What became of a push that went by the candidate's route, as far as that is about the
    /// candidate. A push of which it says nothing is given back.
    pub(super) fn look_at_tried(&mut self, ended: Ended, now: Moment) -> Result<Ended, Push> {
        let generation = ended.generation;
        if !self.following.is_candidate(generation) {
            return Ok(ended);
        }
        let is_trying = self.following.is_trying(generation);
        match &ended.outcome {
            Outcome::Answered(answer) if answer.proves => {
                let proof = Proof::of(ended.push.envelope().has_bare_topic());
                self.following.candidate_taken(generation, proof, now);
                return Ok(ended);
            }
            // What one has that is not for the push's own topic, the other may be for.
            Outcome::Answered(answer)
                if answer.of_other_topic || stop::stops_the_lane(answer, true) =>
            {
                if let Some((date, route)) = answer.date.zip(self.following.candidate_route()) {
                    route.clock.note(date, now);
                }
                let (reason, mut why) = words(answer, ended.push.id());
                if !ended.push.envelope().has_bare_topic() {
                    why.push_str(", which is not for the configured topic");
                }
                self.candidate_refused(generation, &reason, &why, now);
            }
            Outcome::Answered(answer) if answer.verdict == Verdict::Refused => return Ok(ended),
            Outcome::Answered(answer) => {
                let why = format!("{} {}: {}", answer.status, answer.reason, answer.error);
                if is_trying {
                    self.learnt_nothing(&why, now);
                }
                return Ok(ended);
            }
            Outcome::Unknown(why) | Outcome::NotProcessed(why) => {
                let why = why.to_string();
                if is_trying {
                    self.learnt_nothing(&why, now);
                }
            }
            Outcome::NotSent => {
                if is_trying {
                    self.learnt_nothing("the connection ended", now);
                }
                return Ok(ended);
            }
        }
        let maybe_sent = matches!(ended.outcome, Outcome::Unknown(_));
        if maybe_sent && !self.settler.resends_unknown() {
            return Ok(ended);
        }
        let mut push = ended.push;
        stop::spare(&mut push);
        push.maybe_sent |= maybe_sent;
        push.refused_by = None;
        self.settler.count_attempt(true);
        self.settler.note_tried(&push, None, now);
        Err(push)
    }

    /// The candidate's credential was refused with that word.
    pub(super) fn candidate_refused(
        &mut self,
        generation: u64,
        reason: &str,
        why: &str,
        now: Moment,
    ) {
        if self.following.is_trying(generation) {
            self.following
                .candidate_failed(generation, Some(reason), why, now);
            self.let_candidate_go(HELD);
        }
    }

    /// The candidate was tried in vain, which says nothing of its credential.
    pub(super) fn learnt_nothing(&mut self, why: &str, now: Moment) {
        if let Some(generation) = self.following.trying() {
            self.following.candidate_failed(generation, None, why, now);
        }
        self.let_candidate_go(PUT_OFF);
    }

    /// This thread tries no candidate any more.
    pub(super) fn let_candidate_go(&mut self, why: &str) {
        self.following.let_candidate_go(self.seat);
        self.trays.give_up_trying(&self.lane);
        self.timers.stop(Timer::Try);
        let present = self.following.generation;
        if let Some(link) = &mut self.links.candidate
            && link.session().generation() != present
        {
            link.session().retire(why);
        }
    }
}
