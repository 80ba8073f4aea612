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
use crate::push::{ConnectionId, Push, PushClass};

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
            let is_free = link.in_flight() == 0 && link.room(1, PushClass::Transactional) > 0;
            if is_free {
                self.send_by_candidate(now);
            }
            return;
        }
        let present = self.links.present.as_ref();
        if present.is_some_and(|link| !link.is_retiring()) {
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
            if self.take_to_try(now) {
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

    /// Takes a push to try the candidate with: one that has the configured topic, if that comes,
    /// since by another one nobody learns whether the credential is for that; and not the one
    /// which was tried last, which has its turn by the present route.
    fn take_to_try(&mut self, now: Moment) -> bool {
        let hand = &mut self.trays.hand;
        if self.trays.to_try.is_none() {
            let links = [&self.links.present, &self.links.candidate];
            let id = links.into_iter().flatten().map(Link::id).next();
            if hand.is_empty() {
                self.lane.take_for(id.unwrap_or(ConnectionId::new(0)), hand);
            }
            let last = self.tried_last;
            let is_another = |push: &Push| last != Some(push.id());
            let mut is_fit = |push: &Push| is_another(push) && push.envelope().has_bare_topic();
            let mut index = hand.iter().position(&mut is_fit);
            if index.is_none() && self.following.takes_other_topics(now) {
                index = hand.iter().position(is_another);
            }
            self.trays.to_try = index.and_then(|index| hand.remove(index));
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
        if !self.has_work() && self.trays.to_try.is_none() || !self.take_to_try(now) {
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
                Ok(()) => {
                    self.tried_last = Some(id);
                    self.settler.hand(id);
                }
                Err((push, SendError::BadHead)) => self.settle_unsendable(&push, now),
                Err((push, _)) => {
                    link.session().retire("it takes no more streams");
                    self.lane.put_back([push]);
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
        self.lane.stats().connects(opened.is_ok());
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
    /// candidate. A push that was not taken by it is given back: the present route has the word on
    /// it.
    pub(super) fn look_at_tried(&mut self, ended: Ended, now: Moment) -> Result<Ended, Push> {
        if !ended.was_on_trial {
            return Ok(ended);
        }
        let generation = ended.generation;
        let has_bare_topic = ended.push.envelope().has_bare_topic();
        match &ended.outcome {
            Outcome::Answered(answer) if answer.proves => {
                let proof = Proof::of(has_bare_topic);
                self.following.candidate_taken(generation, proof, now);
                return Ok(ended);
            }
            Outcome::Answered(answer) => {
                if let Some((date, route)) = answer.date.zip(self.following.candidate_route()) {
                    route.clock.note(date, now);
                }
                let (reason, mut why) = words(answer, ended.push.id());
                let is_refused = stop::stops_the_lane(answer, true) && !answer.of_other_topic;
                // What says it to a push of another topic may be about that, or about the key.
                let to_others =
                    !has_bare_topic && matches!(answer.verdict, Verdict::Retry(it) if it.once);
                if to_others {
                    why.push_str(", which is not for the configured topic");
                    if self.following.is_refused_to_others(generation) {
                        self.candidate_refused(generation, &reason, &why, now);
                    }
                } else if is_refused {
                    self.candidate_refused(generation, &reason, &why, now);
                }
                let is_of_push = answer.verdict == Verdict::Refused || answer.of_other_topic;
                if !is_of_push || to_others || self.following.says_nothing(generation) {
                    self.learnt_nothing_of(generation, &why, now);
                }
            }
            Outcome::Unknown(why) | Outcome::NotProcessed(why) => {
                self.learnt_nothing_of(generation, why, now);
            }
            Outcome::Forgotten(why) => self.learnt_nothing_of(generation, why, now),
            Outcome::NotSent => {
                self.learnt_nothing_of(generation, "the connection ended", now);
                return Ok(ended);
            }
        }
        let maybe_sent = ended.outcome.may_be_there();
        if maybe_sent && !self.settler.resends_unknown() {
            return Ok(ended);
        }
        self.settler.count_attempt(&ended, true, now);
        let mut push = ended.push;
        stop::spare(&mut push);
        push.maybe_sent |= maybe_sent;
        push.refused_by = None;
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
            self.learnt_nothing_of(generation, why, now);
        }
    }

    fn learnt_nothing_of(&mut self, generation: u64, why: &str, now: Moment) {
        if self.following.is_trying(generation) {
            self.following.candidate_failed(generation, None, why, now);
            self.let_candidate_go(PUT_OFF);
        }
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
