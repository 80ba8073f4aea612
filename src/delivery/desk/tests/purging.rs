use super::*;
use crate::lane::{Held, Wish};

/// Asks for a push to be purged while the thread goes on; so many are outstanding by the answer.
fn purge(scene: &mut Scene, id: u64) -> (Option<Held>, usize) {
    let lane = Arc::clone(&scene.lane);
    let asked = std::thread::spawn(move || {
        let held = lane.ask(PushId(id), Wish::Purge, Duration::from_secs(20));
        (held.unwrap(), lane.room().outstanding())
    });
    while !asked.is_finished() {
        scene.pass(Duration::from_micros(1));
        std::thread::yield_now();
    }
    asked.join().unwrap()
}

#[test]
fn a_push_that_a_thread_has_is_purged_and_told_of_when_its_room_is_free() {
    let mut scene = Scene::new();
    scene.manners = |_, _| Manners::IsSilent;
    scene.lane.set_stream_limit(1);
    scene.enqueue(1, 3);
    scene.pass(Duration::from_millis(1));
    // The first is in flight, the others are in hand.
    assert_eq!(purge(&mut scene, 3), (Some(Held::Purged), 2));
    assert_eq!(scene.settled, [3]);
    assert_eq!(purge(&mut scene, 1), (Some(Held::Purged), 1));
    assert_eq!(scene.settled, [1, 3]);
    let figures = scene.lane.stats().figures();
    assert_eq!(figures.attempts, 1, "what was in flight");
    assert_eq!(purge(&mut scene, 1).0, None, "it is gone");
    // The provider may have what was in flight.
    let mut push = fixture::push_to("0000", scene.now);
    let settlement = crate::delivery::purge::settlement_in_flight(&mut push);
    assert!(push.maybe_sent && settlement.attempt == 1);
    // What waited behind it goes.
    scene.pass(Duration::from_millis(1));
    let held = scene.desk.links.find(PushId(2)).map(Push::id);
    assert_eq!(held, Some(PushId(2)));
}

#[test]
fn a_probe_that_is_purged_makes_way_for_the_next() {
    let mut scene = Scene::new();
    scene.manners = |_, _| Manners::IsSilent;
    let now = scene.now;
    let refusal = CredentialRefusal {
        reason: "Forbidden".into(),
        text: "the credential is not allowed to do this".into(),
        ends_with: EndsWith::Probe,
    };
    scene.lane.refuse(refusal, 0, None, None, now, 0);
    let due = scene.lane.holding().next_reading().unwrap();
    assert!(scene.lane.holding().begin_reading(due));
    scene.lane.credential_read(now.monotonic, 0);
    scene.enqueue(1, 2);
    scene.pass(Duration::from_millis(1));
    let is_probing = |scene: &Scene, id| scene.desk.links.find(PushId(id)).is_some();
    assert!(is_probing(&scene, 1) && !is_probing(&scene, 2));
    assert_eq!(purge(&mut scene, 1).0, Some(Held::Purged));
    scene.pass(Duration::from_millis(1));
    assert!(is_probing(&scene, 2));
}
