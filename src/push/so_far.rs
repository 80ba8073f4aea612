//! What was accepted up to a moment.

use super::{Node, Push, PushId};
use crate::moment::Moment;

/// The pushes that were accepted up to a moment.
#[derive(Clone, Copy, Debug)]
pub struct SoFar {
    /// That moment.
    pub at: Moment,
    /// The daemon, and the last id that was given by then, where pushes are kept: what is scheduled
    /// counts as accepted when its time comes, which may be later.
    pub ids: Option<(Node, PushId)>,
}

impl SoFar {
    /// Whether a push is one of those.
    pub fn has(&self, push: &Push) -> bool {
        match self.ids {
            Some((node, last)) => node.rank(push.id().0) <= node.rank(last.0),
            None => push.accepted().at.monotonic <= self.at.monotonic,
        }
    }
}
