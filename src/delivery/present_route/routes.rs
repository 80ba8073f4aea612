//! The present route and the one beside it, with their numbers.

use std::sync::Arc;
use std::time::Instant;

use super::super::candidate::Candidate;
use super::super::route::Route;

/// A lane's present route, and the one beside it.
#[derive(Debug)]
pub(super) struct Routes {
    /// The present one's number.
    pub(super) generation: u64,
    pub(super) route: Arc<Route>,
    pub(super) candidate: Option<Candidate>,
    /// The last number that was given.
    pub(super) last: u64,
}

impl Routes {
    pub(super) fn next_number(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// The candidate of that number, if it is one still.
    pub(super) fn candidate(&mut self, generation: u64) -> Option<&mut Candidate> {
        let candidate = self.candidate.as_mut();
        candidate.filter(|it| it.generation == generation)
    }

    /// The present one becomes the candidate, and the candidate the present one; false if there is
    /// none.
    pub(super) fn swap(&mut self, now: Instant) -> bool {
        let number = self.next_number();
        let Some(candidate) = &mut self.candidate else {
            return false;
        };
        candidate.swap(&mut self.route, number, now);
        self.generation = self.next_number();
        true
    }

    /// What the credentials are, for an operator.
    pub(super) fn shown(&self) -> ShownCredentials {
        let candidate = self.candidate.as_ref();
        let name = |is_former: bool| {
            let candidate = candidate.filter(|it| it.is_former == is_former);
            candidate.map(|it| it.route.credential_name.clone())
        };
        ShownCredentials {
            present: self.route.credential_name.clone(),
            new: name(false),
            refusal: candidate.and_then(|it| it.refusal().map(ToString::to_string)),
            old: name(true),
        }
    }
}

/// The credentials of a lane, as an operator is shown them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCredentials {
    /// The one in use.
    pub present: String,
    /// The new one, which is in use once a push has shown that it is taken.
    pub new: Option<String>,
    /// What the new one was refused with last.
    pub refusal: Option<String>,
    /// The old one, while it is not known of the one in use whether it is taken.
    pub old: Option<String>,
}
