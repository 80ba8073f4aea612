//! What becomes of pushes that a connection has refused unprocessed: they go to another one.
//!
//! An open one of another thread takes them if it has room, and soon after that one which is opened
//! for them. If no thread is left that could, the connection that refused them makes way: it
//! retires, and its successor takes them. It does so at once if it was of no use to anybody, and
//! else not before it was worth its opening, nor while no other may be opened.

use std::collections::VecDeque;

use super::super::link::{OTHERS_TAKE_WITHIN, REFUSES};
use super::super::transport::Transport;
use super::{Desk, Timer};
use crate::lane::CHUNK;
use crate::moment::Moment;
use crate::push::{Push, PushClass};

impl<T: Transport> Desk<T> {
    /// Takes pushes into the empty hand that the present connection has not refused, bulk ones only
    /// if it has room for them; false if there are none.
    pub(super) fn take_work(&mut self, takes_bulk: bool) -> bool {
        let (present, hand) = (self.links.present.as_ref(), &mut self.trays.hand);
        present.is_some_and(|link| {
            if takes_bulk {
                self.lane.take_for(link.id(), hand)
            } else {
                self.lane.take_transactional_for(link.id(), hand)
            }
        })
    }

    /// Takes transactional pushes before the bulk ones that are in the hand, as many as there are
    /// streams for: others may have some for the rest. None if those in the hand go in their turn.
    pub(super) fn overtake(&mut self, stream_limit: usize) {
        let Some(link) = &mut self.links.present else {
            return;
        };
        if self.lane.is_turn_of_bulk() && link.room_in_turn(stream_limit) > 0 {
            return;
        }
        let most = link.room(stream_limit, PushClass::Transactional).min(CHUNK);
        let (mut first, mut chunk) = (VecDeque::new(), VecDeque::new());
        while first.len() < most && self.lane.overtake_for(link.id(), &mut chunk) {
            first.append(&mut chunk);
        }
        if !first.is_empty() {
            let rest = first.split_off(most.min(first.len()));
            first.append(&mut self.trays.hand);
            self.trays.hand = first;
            self.lane.put_back(rest);
        }
    }

    /// Finds another connection for pushes that the present one has refused, or lets it retire.
    pub(super) fn make_way(&mut self, moment: Moment) {
        let (others, now) = (self.timers.at(Timer::OthersTake), moment.monotonic);
        self.timers.stop(Timer::OthersTake);
        self.timers.stop(Timer::MakeWay);
        let Some(link) = &mut self.links.present else {
            return;
        };
        if link.is_retiring() || self.lane.is_quiet() || !self.lane.is_avoided(link.id()) {
            return;
        }
        let others = others.unwrap_or(now + OTHERS_TAKE_WITHIN);
        let mut at = others;
        if now >= at && link.session().is_useful() {
            let opens_at = self.lane.crew().dial().opens_at(now);
            at = match opens_at {
                Some(at) => at,
                None if self.lane.crew().call_another() => now + OTHERS_TAKE_WITHIN,
                None => link.may_make_way_at(),
            };
        }
        if now >= at {
            link.session().retire(REFUSES);
        } else {
            self.timers.set(Timer::OthersTake, others);
            self.timers.set(Timer::MakeWay, at);
            // The time of what waits may pass.
            if self.lane.is_sweep_due(now) {
                let settler = &mut self.settler;
                self.lane.sift_aside(|push| settler.keeps(push, moment));
            }
        }
    }

    /// Settles a push that no connection can carry.
    pub(super) fn settle_unsendable(&mut self, push: &Push, now: Moment) {
        let text = "a field of the request has characters that HTTP/2 does not carry";
        self.settler.settle_as_unsendable(push, text, now);
    }
}
