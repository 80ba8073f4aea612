//! What is accepted, from which on it is looked after.

use std::sync::Arc;

use sterna::push::{Accepted, Push};

use super::record::Record;
use super::{Ledger, life};

impl Ledger {
    pub(crate) fn accept(&mut self, accepted: &Arc<Accepted>) {
        Push::all(accepted).for_each(|push| self.accept_push(&push));
    }

    /// One of a notification's.
    pub(crate) fn accept_push(&mut self, push: &Push) {
        let (accepted, id) = (push.accepted(), push.id().0);
        self.pace.begins(accepted.at.monotonic);
        let life = life::longest(accepted, self.limits.max_age);
        let nth = u32::try_from(id - accepted.first_id.0).unwrap();
        let token = accepted.parcel.token(nth).unwrap();
        self.records.insert(id, Record::new(accepted, life));
        self.tokens.insert(token.text().into_owned(), id);
        self.unsettled += 1;
    }
}
