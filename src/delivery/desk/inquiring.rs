//! What a connection thread says to those who ask for a push, and how it lets one go that is to be
//! purged.

use super::super::link::Link;
use super::super::purge;
use super::super::transport::Transport;
use super::Desk;
use crate::lane::{Held, ProbeEnd, Wish};
use crate::moment::Moment;
use crate::push::PushId;

impl<T: Transport> Desk<T> {
    /// Tells whoever asked what is here. What is purged is told of when its line is with the log.
    pub(super) fn answer_inquiries(&mut self, now: Moment) {
        for inquiry in self.lane.crew().inquiries().take(self.seat) {
            match inquiry.wish {
                Wish::Find => {
                    let held = self.find(inquiry.id);
                    inquiry.answer(held);
                }
                Wish::Purge if self.purge(inquiry.id, now) => self.purged.push(inquiry),
                Wish::Purge => inquiry.answer(None),
            }
        }
    }

    /// Tells of what was purged.
    pub(super) fn answer_purges(&mut self) {
        let purged = self.purged.drain(..);
        purged.for_each(|inquiry| inquiry.answer(Some(Held::Purged)));
    }

    fn find(&self, id: PushId) -> Option<Held> {
        let in_flight = self.links.find(id);
        let in_flight = in_flight.map(|push| Held::InFlight {
            attempts: push.attempts,
        });
        in_flight.or_else(|| self.trays.is_in_hand(id).then_some(Held::InHand))
    }

    /// Settles a push that is here; false if it is not.
    fn purge(&mut self, id: PushId, now: Moment) -> bool {
        if let Some(push) = self.trays.take_from_hand(id) {
            self.trays.at_work = Some(push.clone());
            self.settler.settle(&push, purge::settlement(&push), now);
        } else {
            let ended = &mut self.trays.ended;
            let cancel = |link: &mut Link<T>| link.cancel(id, now, ended);
            let Some(cancelled) = self.links.iter_mut().find_map(cancel) else {
                return false;
            };
            self.settler.count_attempt(&cancelled, false, now);
            let mut push = cancelled.push;
            self.trays.at_work = Some(push.clone());
            let settlement = purge::settlement_in_flight(&mut push);
            self.settler.settle(&push, settlement, now);
            if self.forget_probe(id) {
                self.end_probe(id, self.following.generation, ProbeEnd::NotSent, now);
            }
        }
        self.trays.at_work = None;
        purge::forget(&self.lane, id);
        true
    }
}
