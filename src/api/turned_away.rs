//! What the operator is told of those who were not let in.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use super::rights::Right;
use super::strangers::Stranger;
use crate::count::{self, Seldom};
use crate::moment;

/// Those who were not let in, each sort told to the operator once a minute.
#[derive(Debug, Default)]
pub struct TurnedAway {
    keyless: Mutex<Seldom>,
    /// By the rights that they lack.
    lacking: [Mutex<Seldom>; Right::ALL.len()],
    of_apps: Mutex<Seldom>,
    pages: Mutex<Seldom>,
    misnamed: Mutex<Seldom>,
}

impl TurnedAway {
    /// Takes note of a request that is not let in; `peer` is who sent it.
    pub(super) fn note(&self, stranger: Stranger, peer: &dyn Fn() -> String) {
        let (strangers, which): (_, Cow<'_, str>) = match stranger {
            Stranger::Keyless => (&self.keyless, "without a valid API key".into()),
            Stranger::Lacking(lacking) => {
                let mut all = Right::ALL.iter().zip(&self.lacking);
                let of_it = all.find(|(right, _)| **right == lacking);
                let which = format!("whose API key lacks the right {}", lacking.word());
                (
                    of_it.map_or(&self.keyless, |(_, of_it)| of_it),
                    which.into(),
                )
            }
            Stranger::OfApps => (
                &self.of_apps,
                "about all apps whose API key is for some alone".into(),
            ),
            Stranger::Page => (&self.pages, "of web pages of other origins".into()),
            Stranger::Name => (
                &self.misnamed,
                "with a Host that is not in core.hosts".into(),
            ),
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
