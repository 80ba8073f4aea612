//! What is kept of what is settled, and what is fed in which order.

use super::*;
use crate::push::Provider;

const PLACE: Location = Location {
    segment: 1,
    len: 100,
    offset: 40,
};

#[test]
fn of_what_is_settled_nothing_is_kept_whatever_is_noted_later() {
    let mut index = Index::default();
    let head = RecordHead {
        first_id: 7,
        tokens: 2,
        lane: LaneId::IOS,
        at: Duration::ZERO,
        class: PushClass::Bulk,
        send: None,
    };
    index.insert(&head, PLACE, false);
    for id in [7, 8] {
        index.hand(id);
        assert!(index.settle(id));
        index.note(id, Attempts::default());
        index.hand(id);
        assert!(index.attempts.is_empty());
    }
    assert!(index.entries.is_empty() && index.settled.is_empty());
    assert_eq!(index.live_bytes(), 0);
}

#[test]
fn of_a_lane_transactional_pushes_are_fed_first() {
    let mut index = Index::default();
    for (first_id, class) in [
        (10, PushClass::Bulk),
        (20, PushClass::Transactional),
        (30, PushClass::Bulk),
        (40, PushClass::Transactional),
    ] {
        let head = RecordHead {
            first_id,
            tokens: 3,
            lane: LaneId::IOS,
            at: Duration::ZERO,
            class,
            send: None,
        };
        index.insert(&head, PLACE, false);
    }
    for again in [false, true] {
        index.start_feeding(again.then_some(&[LaneId::IOS]));
        let mut fed = Vec::new();
        while let Some(rest) = index.feed(LaneId::IOS, 2) {
            fed.push(rest.first_id + u64::from(rest.pushes[0].0));
            if fed.len() == 1 {
                // One that is fed, one that is to be, and one of the other class.
                let settled = [20, 41, 11].map(|id| !again && index.settle(id));
                assert_eq!(settled, [!again; 3]);
            }
            let left = index.transactional_unfed(LaneId::IOS);
            assert!(left <= index.unfed(LaneId::IOS));
            let is_between = fed.last().is_some_and(|id| (20..30).contains(id));
            assert_eq!(left > 0, is_between);
        }
        let expected: &[u64] = if again {
            &[21, 40, 10, 30, 32]
        } else {
            &[20, 22, 40, 10, 30, 32]
        };
        assert_eq!((&*fed, index.unfed(LaneId::IOS)), (expected, 0));
    }
    assert_eq!(index.look(LaneId::IOS, 0, 9).unwrap().0.first_id, 10);
}

#[test]
fn each_lane_is_fed_its_own_however_many_there_are() {
    let lanes = [1, 2, 3, 300, u16::MAX].map(|number| {
        let provider = Provider::Fcm;
        LaneId::new(number, provider, "a lane")
    });
    let mut index = Index::default();
    for (first_id, lane) in (10..).step_by(10).zip(lanes) {
        let head = RecordHead {
            first_id,
            tokens: 3,
            lane,
            at: Duration::ZERO,
            class: PushClass::Bulk,
            send: None,
        };
        index.insert(&head, PLACE, false);
    }
    index.start_feeding(None);
    assert!(index.settle(11));
    for (first_id, lane) in (10..).step_by(10).zip(lanes) {
        let left = if lane == lanes[0] { 2 } else { 3 };
        assert_eq!(
            (index.unfed(lane), index.lane_of(first_id)),
            (left, Some(lane))
        );
        assert_eq!(index.feed(lane, 9).unwrap().first_id, first_id);
        assert_eq!((index.unfed(lane), index.feed(lane, 9)), (0, None));
    }
    let stranger = LaneId::new(7, Provider::Apns, "a stranger");
    assert_eq!((index.unfed(stranger), index.feed(stranger, 9)), (0, None));
}
