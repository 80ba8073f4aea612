//! However much waits: what a round looks at of it is bounded, and another one follows at once.

use super::*;
use crate::lane::{CHUNK, LEAST_RETRIES, SWEEP_EVERY, SWEPT_AT_A_TIME};

const CAMPAIGN: usize = 4 * SWEPT_AT_A_TIME;

/// A scene with a connection, and the pushes of a campaign that have expired.
fn scene() -> (Scene, Vec<Push>) {
    let mut scene = Scene::new();
    scene.lane.room().set_capacity(2 * CAMPAIGN);
    scene.enqueue(1, 1);
    scene.pass(Duration::from_millis(1));
    let campaign = fixture::bulk_pushes(10, CAMPAIGN, scene.now);
    scene.now.monotonic += 2 * HOUR;
    (scene, campaign)
}

impl Scene {
    /// What each round settles, until one has nothing more to do at once.
    fn rounds(&mut self) -> Vec<usize> {
        let mut settled = Vec::new();
        loop {
            let before = self.lane.room().outstanding();
            let next = self.round();
            settled.push(before - self.lane.room().outstanding());
            match next {
                Next::WaitUntil(at) if at > self.now.monotonic => return settled,
                next => assert!(matches!(next, Next::Round | Next::WaitUntil(_))),
            }
        }
    }
}

fn is_bounded(settled: &[usize]) -> bool {
    let most = SWEPT_AT_A_TIME + CHUNK;
    settled.len() >= 3 && settled.iter().all(|count| *count <= most)
}

#[test]
fn a_sweep_of_what_waits_is_made_a_piece_in_a_round() {
    let in_queue = |scene: &Scene, pushes| scene.enqueue_all(pushes);
    let on_shelf = |scene: &Scene, pushes: Vec<_>| {
        scene.lane.room().reserve(pushes.len()).unwrap().occupy();
        for push in pushes {
            scene.lane.retries().shelve(push, scene.now.monotonic);
        }
    };
    let places: [fn(&Scene, Vec<Push>); 2] = [in_queue, on_shelf];
    for put in places {
        let (mut scene, campaign) = scene();
        scene.lane.holding().pause(scene.now);
        put(&scene, campaign);
        let settled = scene.rounds();
        assert!(is_bounded(&settled), "{settled:?}");
        // Retries that became due in the first round are looked at next time, in the queue.
        assert!(settled.iter().sum::<usize>() + LEAST_RETRIES >= CAMPAIGN);
        scene.pass(2 * SWEEP_EVERY);
        assert_eq!(scene.lane.room().outstanding(), 0);
    }
}

#[test]
fn what_expires_on_its_way_out_keeps_nothing_else_from_going() {
    let (mut scene, campaign) = scene();
    scene.enqueue_all(campaign);
    let settled = scene.rounds();
    assert!(is_bounded(&settled), "{settled:?}");
    assert_eq!(scene.lane.room().outstanding(), 0);
}

#[test]
fn a_transactional_push_goes_before_a_sweep_has_come_to_its_end() {
    let (mut scene, campaign) = scene();
    scene.lane.holding().pause(scene.now);
    scene.enqueue_all(campaign);
    scene.round();
    scene.lane.resume();
    scene.enqueue(20_000, 1);
    scene.round();
    assert!(scene.desk.links.in_flight() == 1 && scene.lane.room().outstanding() > 1);
}
