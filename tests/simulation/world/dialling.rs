//! A connection is to be opened.

use super::World;
use crate::coverage::Kind;
use crate::net::Link;
use crate::seat::{Dialled, Dialling};

impl World {
    /// A thread opens a connection.
    pub(super) fn dial(&mut self, index: usize) {
        let now = self.now;
        let net = &mut *self.net.borrow_mut();
        let generation = self.number_of(self.seats[index].desk.route());
        let ledger = &net.ledger;
        let is_well = |(id, link): (usize, &Link)| {
            let is_its = link.seat == index && ledger.generation_of(id) == generation;
            is_its && !link.dropped && !link.wire.is_lost()
        };
        if net.links.iter().enumerate().any(is_well) {
            let what = format!("thread {index} dials, and its connection is well");
            net.ledger.violate(now, what);
        }
        let ends_as = if now < self.outage_until || net.dice.chance(self.troubled / 4) {
            net.ledger.coverage.count(Kind::DialRefused);
            Dialled::Refused
        } else {
            Dialled::Connected
        };
        let slow = net.dice.chance(self.troubled / 8);
        let wait = if slow {
            net.dice.millis(5000, 20_000)
        } else {
            net.dice.millis(1, 500)
        };
        if slow {
            net.ledger.coverage.count(Kind::DialSlow);
        }
        net.ledger.tell(now, 3, || {
            format!("thread {index} dials: {ends_as:?} in {wait:?}")
        });
        let key = net.issuer.keys_by_route.get(&generation);
        let key = key.copied().unwrap_or(self.key);
        self.seats[index].dialling = Some(Dialling {
            until: now + wait,
            ends_as,
            generation,
            speaker: self.site.speaker(key),
        });
    }
}
