//! A push on its stream, and whom a connection's pushes went to.

use std::time::Instant;

use super::super::outcome::Outcome;
use super::Ended;
use crate::http2::Fields;
use crate::lane::Target;
use crate::provider::Row;
use crate::push::{ConnectionId, Push, PushId};

/// A push whose request was handed to the connection.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) push: Push,
    /// When its request was handed to the connection.
    pub(super) sent: Instant,
    /// The credential that was sent with it.
    pub(super) credential_number: u32,
    pub(super) generation: u64,
    pub(super) is_early: bool,
    pub(super) is_on_trial: bool,
    pub(super) head: Option<Fields>,
    pub(super) content: Vec<u8>,
}

impl Flight {
    pub(super) fn end(self, outcome: Outcome, connection: ConnectionId, is_refused: bool) -> Ended {
        Ended {
            push: self.push,
            outcome,
            sent: self.sent,
            generation: self.generation,
            connection,
            is_refused,
            is_spared: false,
            was_early: self.is_early,
            was_on_trial: self.is_on_trial,
        }
    }
}

/// Whom the pushes of a connection went to: what becomes of it may be about one of them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Nothing,
    /// That push was the first.
    OneTarget(PushId, Target),
    Several,
}

impl Carried {
    pub(super) fn of<'a>(flights: impl Iterator<Item = &'a Flight>) -> Self {
        let mut carried = Self::Nothing;
        flights.for_each(|flight| carried.add(&flight.push));
        carried
    }

    /// Those whom a refusal of the connection may be about: a topic that a push here does not have
    /// is not the one that was refused.
    pub(super) fn refused<'a>(row: &Row, flights: impl Iterator<Item = &'a Flight>) -> Self {
        let has_it = |flight: &&Flight| flight.push.envelope().has_bare_topic();
        Self::of(flights.filter(|flight| !row.of_topic || has_it(flight)))
    }

    pub(super) fn add(&mut self, push: &Push) {
        let target = || Target::of(push.token());
        *self = match *self {
            Self::Nothing => Self::OneTarget(push.id(), target()),
            Self::OneTarget(first, one) if one == target() => {
                Self::OneTarget(first.min(push.id()), one)
            }
            Self::OneTarget(..) | Self::Several => Self::Several,
        };
    }

    pub(super) fn only(self) -> Option<(PushId, Target)> {
        match self {
            Self::OneTarget(first, target) => Some((first, target)),
            Self::Nothing | Self::Several => None,
        }
    }
}
