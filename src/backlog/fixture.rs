//! What a test has happen before something is kept.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Refused;
use crate::journal::{KeptAnswer, State};
use crate::push::Accepted;

type Sprung = dyn Fn(&[Arc<Accepted>], Option<&KeptAnswer>) -> Result<(), Refused> + Send + Sync;

/// Called before something is accepted, to look, to wait, or to refuse it.
#[derive(Default)]
pub(crate) struct Trap(OnceLock<Box<Sprung>>);

impl Trap {
    pub(crate) fn set(
        &self,
        sprung: impl Fn(&[Arc<Accepted>], Option<&KeptAnswer>) -> Result<(), Refused>
        + Send
        + Sync
        + 'static,
    ) {
        assert!(self.0.set(Box::new(sprung)).is_ok(), "it is set once");
    }

    pub(super) fn pass(
        &self,
        accepted: &[Arc<Accepted>],
        answer: Option<&KeptAnswer>,
    ) -> Result<(), Refused> {
        self.0
            .get()
            .map_or(Ok(()), |sprung| sprung(accepted, answer))
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap").finish_non_exhaustive()
    }
}

/// What a journal says that cannot be written.
pub(crate) fn refused(why: &str, is_unknown: bool) -> Refused {
    let why = why.to_owned();
    let state = State::Unwritable { why };
    Refused { state, is_unknown }
}
