//! What the operator is told of those who were not let in.

use std::sync::{Mutex, PoisonError};

use super::rights::Right;
use super::strangers::Stranger;
use crate::count::{self, Seldom};
use crate::moment;

/// Those who were not let in, each sort told to the operator once a minute.
#[derive(Debug, Default)]
pub struct TurnedAway {
    keyless: Mutex<Seldom>,
    push: Mutex<Seldom>,
    read: Mutex<Seldom>,
    operate: Mutex<Seldom>,
    of_apps: Mutex<Seldom>,
    pages: Mutex<Seldom>,
    misnamed: Mutex<Seldom>,
}

impl TurnedAway {
    /// Takes note of a request that is not let in; `peer` is who sent it.
    pub(super) fn note(&self, stranger: Stranger, peer: &dyn Fn() -> String) {
        let (strangers, which) = match stranger {
            Stranger::Keyless => (&self.keyless, "without a valid API key"),
            Stranger::Lacking(Right::Push) => (&self.push, "whose API key lacks the right push"),
            Stranger::Lacking(Right::Read) => (&self.read, "whose API key lacks the right read"),
            Stranger::Lacking(Right::Operate) => {
                (&self.operate, "whose API key lacks the right operate")
            }
            Stranger::OfApps => (
                &self.of_apps,
                "about all apps whose API key is for some alone",
            ),
            Stranger::Page => (&self.pages, "of web pages of other origins"),
            Stranger::Name => (&self.misnamed, "with a Host that is not in core.hosts"),
        };
        let mut strangers = strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = strangers.note(moment::now()) {
            ::log::warn!(
                "{} {which} refused since this was last said; the last came from {}",
                count::of(requests, "request", "requests"),
                peer()
            );
        }
    }
}
