use std::time::Duration;

use super::*;
use crate::lane::SeatState;
use crate::moment::Moment;
use crate::push::{LaneId, Provider, fixture};

/// Lanes of up to three threads each, which share so many places.
struct Site {
    limit: Arc<ConnectionLimit>,
    lanes: Vec<Arc<Lane>>,
    start: Instant,
}

impl Site {
    fn new(most: usize, lanes: u16) -> Self {
        let limit = ConnectionLimit::new(most);
        let lane = |number| {
            let lane = Lane::new(LaneId::new(number, Provider::Apns, "lane"), 100, 3);
            limit.join(&lane);
            let weak = Arc::downgrade(&lane);
            let start = move |seat| {
                let lane = weak.upgrade().unwrap();
                lane.crew().seat(seat, Box::new(|| ()));
                lane.crew().attendance().leave(seat, SeatState::Busy);
                true
            };
            lane.crew().on_start(Box::new(start));
            lane
        };
        Self {
            lanes: (1..=lanes).map(lane).collect(),
            limit,
            start: Instant::now(),
        }
    }

    /// So many pushes come to a lane.
    fn enqueue(&self, lane: usize, pushes: usize) {
        let lane = &self.lanes[lane];
        let room = lane.room().reserve(pushes).unwrap();
        lane.enqueue(room, fixture::pushes(1, pushes, Moment::now()));
    }

    /// All of them are settled, that many seconds after the start.
    fn settle(&self, lane: usize, secs: u64) {
        let lane = &self.lanes[lane];
        lane.room().settled(lane.take_rest().len());
        lane.note_idle(self.start + Duration::from_secs(secs));
    }

    /// Its threads look; those that were asked to go do.
    fn look(&self, lane: usize) {
        let lane = &self.lanes[lane];
        let seats = 0..3;
        let go = seats.filter(|seat| lane.is_to_go(*seat));
        let go: Vec<_> = go.collect();
        assert!(go.into_iter().all(|seat| lane.withdraw(seat)));
    }

    /// The threads of each lane.
    fn threads(&self) -> Vec<usize> {
        let present = |lane: &Arc<Lane>| lane.crew().attendance().present();
        let threads: Vec<_> = self.lanes.iter().map(present).collect();
        assert!(threads.iter().sum::<usize>() <= self.limit.most());
        threads
    }
}

#[test]
fn the_lane_that_was_idle_longest_yields_and_the_bound_holds() {
    let site = Site::new(2, 3);
    site.enqueue(0, 1);
    site.enqueue(1, 1);
    assert_eq!(site.threads(), [1, 1, 0]);
    site.settle(1, 1);
    site.settle(0, 2);
    site.enqueue(2, 1);
    assert_eq!(site.threads(), [1, 1, 0], "none is free yet");
    site.look(0);
    assert_eq!(site.threads(), [1, 1, 0], "it was idle for less long");
    site.look(1);
    assert_eq!(site.threads(), [1, 0, 1]);
}

#[test]
fn each_busy_lane_keeps_one_thread() {
    let site = Site::new(3, 3);
    (0..3).for_each(|_| site.enqueue(0, 1));
    assert_eq!(site.threads(), [3, 0, 0]);
    site.enqueue(0, 1);
    site.enqueue(1, 1);
    site.look(0);
    assert_eq!(site.threads(), [2, 1, 0]);
    site.enqueue(1, 1);
    site.look(0);
    assert_eq!(
        site.threads(),
        [2, 1, 0],
        "who has one takes none from who is busy"
    );
    site.enqueue(2, 1);
    site.look(0);
    site.look(1);
    assert_eq!(site.threads(), [1, 1, 1]);
    (0..3).for_each(|lane| site.enqueue(lane, 1));
    (0..3).for_each(|lane| site.look(lane));
    assert_eq!(site.threads(), [1, 1, 1]);
    site.settle(2, 1);
    site.look(2);
    assert_eq!(site.threads(), [1, 1, 1], "it may need its last one soon");
    site.lanes[2].note_idle(site.start + Duration::from_secs(61));
    site.look(2);
    assert_eq!(site.threads(), [2, 1, 0], "who has waited longest");
}

/// A campaign has all places but those of two lanes that send now and then.
#[test]
fn an_idle_lane_yields_its_last_thread_to_who_has_none_and_last_of_all() {
    let site = Site::new(4, 4);
    site.enqueue(1, 1);
    site.enqueue(2, 1);
    (0..3).for_each(|_| site.enqueue(0, 1));
    site.settle(1, 1);
    site.settle(2, 2);
    let look = || (0..4).for_each(|lane| site.look(lane));
    look();
    assert_eq!(site.threads(), [2, 1, 1, 0]);
    site.enqueue(3, 1);
    look();
    assert_eq!(
        site.threads(),
        [1, 1, 1, 1],
        "the campaign had more than one"
    );
    site.settle(3, 3);
    // Without a connection it has nothing to lose, but it has lent its own.
    let crew = site.lanes[2].crew();
    crew.dial().lent();
    assert!(!site.lanes[2].leave(0, SeatState::Cold, None));
    look();
    assert_eq!(site.threads(), [1, 1, 1, 1], "it has that back");
    crew.dial().succeeded();
    crew.dial().settled();
    assert!(!site.lanes[2].leave(0, SeatState::Cold, None));
    look();
    assert_eq!(site.threads(), [2, 1, 0, 1]);
    site.limit.set_most(3);
    look();
    assert_eq!(site.threads(), [1, 1, 0, 1]);
    site.enqueue(2, 1);
    look();
    assert_eq!(site.threads(), [1, 0, 1, 1], "who was idle longest");
}

#[test]
fn while_one_waits_lanes_that_have_one_thread_cost_it_no_look_at_all_when_they_turn_idle() {
    let site = Site::new(3, 3);
    (0..3).for_each(|lane| site.enqueue(lane, 1));
    let gains = |lane| lock(&site.limit.0).gains_by(lane);
    site.settle(1, 1);
    site.settle(2, 1);
    assert!(![2, 3].map(gains).contains(&true), "nobody waits");
    site.enqueue(0, 1);
    assert!(
        ![2, 3].map(gains).contains(&true),
        "each has one connection"
    );
    site.lanes[1].note_idle(site.start + Duration::from_secs(61));
    assert!(gains(2), "idle for long");
    site.look(1);
    assert_eq!(site.threads(), [2, 0, 1]);
}

/// As while it ends: it has left its seat, and not yet given back its place.
#[test]
fn a_lane_without_a_thread_does_not_wait_for_one_that_nobody_could_ask() {
    let site = Site::new(1, 2);
    site.enqueue(0, 1);
    site.settle(0, 1);
    let lane = &site.lanes[0];
    lane.crew().attendance().leave(0, SeatState::Absent);
    site.enqueue(1, 1);
    assert_eq!(site.lanes[1].crew().attendance().present(), 1);
    lane.has_ended(0, false);
    assert_eq!(site.threads(), [0, 1], "the bound holds");
}

#[test]
fn nobody_waits_for_the_last_answers_of_a_thread_that_goes() {
    let site = Site::new(2, 2);
    (0..2).for_each(|_| site.enqueue(0, 1));
    site.enqueue(1, 1);
    let (lane, other) = (&site.lanes[0], &site.lanes[1]);
    let going: Vec<_> = (0..3).filter(|seat| lane.is_to_go(*seat)).collect();
    assert_eq!(going.len(), 1);
    assert_eq!(other.crew().attendance().present(), 1);
    site.enqueue(1, 1);
    assert!(
        (0..3).all(|seat| !lane.is_to_go(seat)),
        "it keeps the other"
    );
    assert!(lane.withdraw(going[0]));
    assert_eq!(site.threads(), [1, 1], "its place was given back once");
}

#[test]
fn who_has_ended_with_its_lane_is_not_asked_for_a_place() {
    let site = Site::new(3, 3);
    (0..3).for_each(|_| site.enqueue(0, 1));
    site.lanes[0].has_ended(0, false);
    site.enqueue(1, 1);
    assert_eq!(site.threads(), [2, 1, 0]);
    site.enqueue(2, 1);
    site.look(0);
    assert_eq!(site.threads(), [1, 1, 1]);
}

#[test]
fn who_turns_busy_before_it_has_gone_keeps_its_last_thread() {
    let site = Site::new(2, 2);
    site.enqueue(0, 1);
    site.enqueue(1, 1);
    let settle_for_long = |secs| {
        site.settle(0, secs);
        site.lanes[0].note_idle(site.start + Duration::from_secs(secs + 60));
    };
    settle_for_long(1);
    site.enqueue(1, 1);
    site.enqueue(0, 1);
    site.look(0);
    assert_eq!(site.threads(), [1, 1]);
    settle_for_long(62);
    site.look(0);
    assert_eq!(site.threads(), [0, 2], "it was asked again");
    site.settle(1, 123);
    site.enqueue(0, 1);
    assert!(site.lanes[1].dismiss(0), "by itself, having been asked");
    assert_eq!(site.threads(), [1, 1]);
}

/// As when one of them was disabled, and another enabled instead, while its provider is silent.
#[test]
fn a_lane_without_a_thread_has_one_beyond_the_bound_if_each_other_needs_its_own() {
    let site = Site::new(2, 3);
    site.enqueue(0, 2);
    site.enqueue(1, 1);
    site.enqueue(2, 1);
    let present = |lane: usize| site.lanes[lane].crew().attendance().present();
    assert_eq!([0, 1, 2].map(present), [1, 1, 1]);
    site.enqueue(2, 1);
    assert_eq!(present(2), 1, "it has one now");
    site.settle(0, 1);
    site.look(0);
    assert_eq!([0, 1, 2].map(present), [0, 1, 1], "the bound holds again");
}

/// It has promised its place already.
#[test]
fn who_turns_busy_when_it_was_asked_costs_the_bound_if_nobody_else_can_yield() {
    let site = Site::new(1, 2);
    site.enqueue(0, 1);
    site.settle(0, 1);
    site.enqueue(1, 1);
    assert_eq!(site.threads(), [1, 0]);
    site.enqueue(0, 1);
    assert!(!site.lanes[0].is_to_go(0));
    let present = |lane: usize| site.lanes[lane].crew().attendance().present();
    assert_eq!([0, 1].map(present), [1, 1]);
}

#[test]
fn another_bound_holds_from_then_on() {
    let site = Site::new(3, 2);
    (0..3).for_each(|_| site.enqueue(0, 1));
    site.enqueue(1, 1);
    site.look(0);
    assert_eq!(site.threads(), [2, 1]);
    site.limit.set_most(2);
    site.look(0);
    site.look(1);
    assert_eq!(site.threads(), [1, 1]);
    site.enqueue(0, 1);
    assert_eq!(site.threads(), [1, 1]);
    site.limit.set_most(usize::MAX);
    assert_eq!(site.threads(), [2, 1], "who waits need not come again");
}

#[test]
fn a_thread_that_was_asked_as_it_ended_is_waited_for_no_more() {
    let site = Site::new(1, 2);
    site.enqueue(0, 1);
    site.settle(0, 1);
    site.enqueue(1, 1);
    site.limit.give_back(1, false, || false);
    assert_eq!(lock(&site.limit.0).asked(), 0);
    site.limit.set_most(1);
    assert_eq!(lock(&site.limit.0).taken, 1, "the other lane has it");
}
