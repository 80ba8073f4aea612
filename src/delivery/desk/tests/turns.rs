//! Which pushes go first where both classes wait.

use super::*;
use crate::lane::{BULK_ONE_IN, BULK_WAITS_FOR, FIRST_PROBE};

/// As many as the connection takes come in each round, one by one, and as many wait.
#[test]
fn bulk_pushes_have_their_part_while_others_come_without_end() {
    const STREAMS: usize = 8;
    let mut scene = Scene::new();
    scene.lane.set_stream_limit(STREAMS);
    scene.enqueue(1, 1);
    scene.pass(Duration::from_millis(1));
    scene.enqueue_all(fixture::bulk_pushes(1_000_000, 1_000, scene.now));
    scene.round();
    assert!(!scene.desk.trays.hand.is_empty());
    let (mut of_bulk, mut id) = (Vec::new(), 2);
    for _ in 0..6 {
        for _ in 0..BULK_WAITS_FOR / STREAMS {
            for _ in 0..=STREAMS {
                scene.enqueue(id, 1);
                id += 1;
            }
            scene.round();
        }
        let bulk = |id: &&u64| **id >= 1_000_000;
        of_bulk.push(scene.settled.iter().filter(bulk).count());
    }
    let turns: Vec<_> = of_bulk.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let part = BULK_WAITS_FOR / BULK_ONE_IN;
    assert!(
        turns.iter().all(|turn| turn.abs_diff(part) <= STREAMS),
        "{turns:?}"
    );
}

/// A scene whose connection has silent bulk pushes on all streams that those may have, one is
/// kept; more of them lie in its thread's hand.
fn with_bulk_in_hand() -> Scene {
    let mut scene = Scene::new();
    scene.lane.set_stream_limit(4);
    scene.manners = |_, nth| match nth {
        0 => Manners::Answers,
        _ => Manners::IsSilent,
    };
    scene.enqueue(1, 1);
    scene.pass(Duration::from_millis(1));
    scene.enqueue_all(fixture::bulk_pushes(1_000, 10, scene.now));
    assert!(matches!(scene.round(), Next::WaitUntil(at) if at > scene.now.monotonic));
    assert_eq!(
        (scene.desk.links.in_flight(), scene.desk.trays.hand.len()),
        (3, 7)
    );
    scene
}

#[test]
fn a_probe_has_a_kept_stream_though_bulk_pushes_are_in_the_hand() {
    let mut scene = with_bulk_in_hand();
    let refusal = CredentialRefusal {
        reason: "Forbidden".into(),
        text: "the credential is not allowed to do this".into(),
        ends_with: EndsWith::Probe,
    };
    scene.lane.refuse(refusal, 0, None, None, scene.now, 0);
    scene.now.monotonic += 2 * FIRST_PROBE;
    let now = scene.now.monotonic;
    assert_eq!(scene.lane.may_send(now), MaySend::Probe);
    scene.round();
    let next = scene.round();
    assert!(matches!(next, Next::WaitUntil(at) if at > now), "{next:?}");
    assert_eq!(scene.desk.links.in_flight(), 4);
}

#[test]
fn who_takes_others_before_its_bulk_pushes_takes_no_more_than_it_has_streams_for() {
    let mut scene = with_bulk_in_hand();
    scene.enqueue(2, 5);
    scene.round();
    assert_eq!(scene.desk.links.in_flight(), 4);
    assert_eq!(scene.desk.trays.class_in_hand(), Some(PushClass::Bulk));
    let mut left = VecDeque::new();
    assert!(scene.lane.take(&mut left));
    let left: Vec<_> = left.iter().map(|push| push.id().0).collect();
    assert_eq!(left, [3, 4, 5, 6]);
}
