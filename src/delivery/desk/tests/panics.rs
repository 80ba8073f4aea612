//! Panics on purpose: what is in the hands of a thread then is settled once all the same.

use std::cell::Cell;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static DOOMED: Cell<u64> = const { Cell::new(0) };
}

/// The next settlement of that push panics.
fn doom(id: u64, scene: &mut Scene) {
    DOOMED.set(id);
    scene.desk.settler.trap = |push| {
        if DOOMED.get() == push.id().0 {
            DOOMED.set(0);
            panic!("a fault on purpose");
        }
    };
}

#[test]
fn a_panic_while_an_answer_is_settled_loses_no_push_and_settles_none_twice() {
    for id in 1..=5 {
        let mut scene = Scene::new();
        doom(id, &mut scene);
        scene.enqueue(1, 5);
        scene.pass(10 * SECOND);
        assert_eq!(scene.panics, 1);
        assert_eq!(scene.settled, [1, 2, 3, 4, 5]);
        assert_eq!(
            (scene.lane.room().outstanding(), scene.opened.len()),
            (0, 2)
        );
    }
}

/// Those that were concluded before it, and go to another connection.
#[test]
fn a_panic_gives_back_what_was_to_be_sent_again() {
    let mut scene = Scene::new();
    scene.manners = |connection, nth| match (connection, nth) {
        (0, 0 | 2 | 4) => Manners::Refuses,
        _ => Manners::Answers,
    };
    doom(2, &mut scene);
    scene.enqueue(1, 5);
    scene.pass(60 * SECOND);
    assert_eq!((scene.panics, scene.lane.room().outstanding()), (1, 0));
    assert_eq!(scene.settled, [1, 2, 3, 4, 5]);
}

#[test]
fn a_panic_while_what_expired_is_settled_loses_no_push_and_settles_none_twice() {
    for id in [1, 3, 100] {
        let mut scene = Scene::new();
        scene.enqueue(1, 100);
        scene.lane.holding().pause(scene.now);
        doom(id, &mut scene);
        scene.pass(3700 * SECOND);
        assert_eq!((scene.panics, scene.lane.room().outstanding()), (1, 0));
        let all: Vec<u64> = (1..=100).collect();
        assert_eq!(scene.settled, all);
    }
}

#[test]
fn a_panic_while_a_push_expires_in_the_hand_settles_it_once() {
    let mut scene = Scene::new();
    scene.enqueue(1, 3);
    scene.now.monotonic += 3601 * SECOND;
    doom(2, &mut scene);
    // With a connection at hand, so that they are met one by one on their way to it.
    scene.pass(60 * SECOND);
    assert_eq!((scene.panics, scene.lane.room().outstanding()), (1, 0));
    assert_eq!(scene.settled, [1, 2, 3]);
}

/// It is in flight then, and may still count as being worked on.
#[test]
fn a_panic_as_soon_as_a_push_was_sent_settles_it_once() {
    let mut scene = Scene::new();
    scene.desk.trap = |desk| {
        if desk.links.in_flight() > 0 {
            desk.trap = |_| {};
            desk.trays.at_work = desk.links.find(PushId(1)).cloned();
            panic!("a fault on purpose");
        }
    };
    scene.enqueue(1, 1);
    scene.pass(60 * SECOND);
    assert_eq!((scene.panics, scene.lane.room().outstanding()), (1, 0));
    assert_eq!(scene.settled, [1]);
}

#[test]
fn a_panic_while_a_connection_is_closed_at_the_end_loses_no_push() {
    let mut scene = Scene::new();
    scene.manners = |_, _| Manners::IsSilent;
    scene.enqueue(1, 3);
    scene.pass(SECOND);
    scene
        .desk
        .transports()
        .for_each(|kind| kind.is_trapped = true);
    scene.lane.stop();
    let (desk, now) = (&mut scene.desk, scene.now);
    assert!(catch_unwind(AssertUnwindSafe(|| desk.leave(now))).is_err());
    desk.recover("a fault on purpose", now);
    desk.leave(now);
    scene.read_logs();
    scene.desk.flush(now);
    let rest = scene.lane.take_rest();
    let left = scene.settled.len() + rest.len();
    assert_eq!((left, scene.lane.room().outstanding()), (3, rest.len()));
}

/// Nobody waits for a window of a connection that is gone.
#[test]
fn the_wait_for_a_window_ends_with_a_panic_and_with_the_thread() {
    let mut scene = Scene::new();
    for (end, secs) in [
        (
            (|desk, now| desk.recover("a fault", now)) as fn(&mut Desk<Kind>, Moment),
            5,
        ),
        (|desk, now| desk.leave(now), 10),
    ] {
        scene.desk.shown.stalls(true, scene.now, &scene.lane);
        scene.now.monotonic += 5 * SECOND;
        end(&mut scene.desk, scene.now);
        assert_eq!(scene.lane.stats().stalled_for(), secs * SECOND);
        scene.now.monotonic += 60 * SECOND;
        scene.desk.shown.stalls(false, scene.now, &scene.lane);
        assert_eq!(scene.lane.stats().stalled_for(), secs * SECOND);
    }
}

/// It is ours: the provider was never asked.
#[test]
fn a_panic_says_nothing_of_the_provider() {
    let mut scene = Scene::new();
    scene.manners = |_, _| Manners::IsSilent;
    scene.enqueue(1, 3);
    scene.pass(SECOND);
    scene.desk.recover("a fault on purpose", scene.now);
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.lane.room().outstanding(), 3);
    assert!(!scene.lane.takes_nothing());
    scene.manners = |_, _| Manners::Answers;
    scene.pass(60 * SECOND);
    assert_eq!(scene.settled.len(), 3);
}
