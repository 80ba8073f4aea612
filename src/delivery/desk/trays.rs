//! Where a push lies on a thread's desk, unless it is in flight.

use std::collections::VecDeque;

use super::super::session::Ended;
use crate::lane::{Lane, Rebuff};
use crate::push::{Push, PushClass, PushId};

/// The pushes of a thread that are not in flight: each lies in one tray.
#[derive(Debug, Default)]
pub(in crate::delivery) struct Trays {
    /// Those that were taken from the lane and not yet sent; none without a connection.
    pub(in crate::delivery) hand: VecDeque<Push>,
    /// One that waits for the candidate's connection.
    pub(super) to_try: Option<Push>,
    /// Those whose attempt has ended.
    pub(super) ended: Vec<Ended>,
    /// Those that go back to the lane at once after their attempt.
    pub(super) again: Vec<Push>,
    /// Those that were refused while others are taken, still to be dealt with.
    pub(super) contradicted: Vec<(Push, Rebuff)>,
    /// A copy of the push that is being worked on, in case that ends in a panic.
    pub(in crate::delivery) at_work: Option<Push>,
}

impl Trays {
    /// Gives back to the lane what was taken from it and not sent.
    pub(super) fn hand_back(&mut self, lane: &Lane) {
        lane.put_back(self.to_try.take().into_iter().chain(self.hand.drain(..)));
    }

    /// Gives back to the lane what was to be sent to try a candidate.
    pub(super) fn give_up_trying(&mut self, lane: &Lane) {
        lane.put_back(self.to_try.take());
    }

    /// The class of the first push in the hand.
    pub(super) fn class_in_hand(&self) -> Option<PushClass> {
        self.hand.front().map(Push::class)
    }

    /// Whether a push is in the hand.
    pub(super) fn is_in_hand(&self, id: PushId) -> bool {
        self.hand
            .iter()
            .chain(&self.to_try)
            .any(|push| push.id() == id)
    }

    /// Takes a push out of the hand, if it is there.
    pub(super) fn take_from_hand(&mut self, id: PushId) -> Option<Push> {
        if let Some(push) = self.to_try.take_if(|push| push.id() == id) {
            return Some(push);
        }
        let index = self.hand.iter().position(|push| push.id() == id)?;
        self.hand.remove(index)
    }

    /// Takes the push that was worked on when that ended in a panic, if it lies nowhere else.
    pub(super) fn take_lost(&mut self) -> Option<Push> {
        let lost = self.at_work.take()?;
        let ended = self.ended.iter().map(|ended| &ended.push);
        let mut all = ended
            .chain(&self.hand)
            .chain(&self.to_try)
            .chain(&self.again);
        all.all(|push| push.id() != lost.id()).then_some(lost)
    }

    /// Puts those last in what has ended, thus first to be looked at, for which `goes_first`.
    pub(super) fn put_first(&mut self, goes_first: impl Fn(&Ended) -> bool) {
        if self.ended.len() > 1 && self.ended.iter().any(&goes_first) {
            self.ended.sort_by_cached_key(goes_first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::push::fixture;

    #[test]
    fn what_was_worked_on_is_lost_if_it_lies_in_no_tray() {
        let pushes = fixture::pushes(1, 3, Moment::now());
        let mut trays = Trays {
            hand: [pushes[0].clone()].into(),
            again: vec![pushes[1].clone()],
            ..Trays::default()
        };
        for (push, is_lost) in pushes.iter().zip([false, false, true]) {
            trays.at_work = Some(push.clone());
            assert_eq!(trays.take_lost().is_some(), is_lost, "{}", push.id());
            assert!(trays.at_work.is_none());
        }
        let id = pushes[0].id();
        assert!(trays.is_in_hand(id) && trays.take_from_hand(id).is_some());
        assert!(!trays.is_in_hand(id) && trays.take_from_hand(id).is_none());
    }
}
