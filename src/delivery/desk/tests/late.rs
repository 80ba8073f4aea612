use super::*;

/// A push is in flight, and its time is over by `late` when its thread looks again.
fn scene(way: Way, late: Duration) -> Scene {
    let mut scene = Scene::with(1, false, None);
    scene.enqueue(1, 1);
    scene.pass(Duration::from_secs(1));
    assert_eq!(succeeded(&scene), 1);
    scene.desk.transports().for_each(|kind| kind.way = way);
    scene.enqueue(2, 1);
    scene.pass(Duration::ZERO);
    scene.now.monotonic += HOUR + late;
    scene
}

fn succeeded(scene: &Scene) -> u64 {
    scene.desk.lane.stats().figures().push_success
}

#[test]
fn an_answer_that_is_there_is_read_before_its_time_is_judged_whatever_the_wait_has_said() {
    for late in [0, 50, 40_000].map(Duration::from_millis) {
        let mut scene = scene(Way::Unannounced, late);
        scene.pass(Duration::ZERO);
        assert_eq!(succeeded(&scene), 2, "{late:?} late");
        assert_eq!(scene.opened.len(), 1, "{late:?} late");
    }
}

#[test]
fn a_thread_that_is_late_itself_grants_what_is_on_its_way_a_grace() {
    for late in [200, 40_000].map(Duration::from_millis) {
        let mut scene = scene(Way::Held, late);
        scene.pass(GRACE / 2);
        assert_eq!(scene.settled, [1], "{late:?} late");
        scene
            .desk
            .transports()
            .for_each(|kind| kind.way = Way::Open);
        scene.pass(GRACE / 4);
        assert_eq!(succeeded(&scene), 2, "{late:?} late");
    }
}

#[test]
fn what_has_not_come_by_then_is_no_answer() {
    for (late, grace) in [(0, Duration::ZERO), (200, GRACE), (40_000, GRACE)] {
        let mut scene = scene(Way::Held, Duration::from_millis(late));
        scene.pass(grace);
        scene.pass(Duration::ZERO);
        assert_eq!(scene.settled, [1, 2], "{late} ms late");
        assert_eq!(succeeded(&scene), 1, "{late} ms late");
    }
}

#[test]
fn a_thread_looks_again_when_the_time_of_a_push_is_over() {
    let mut scene = Scene::new();
    scene.manners = |_, _| Manners::IsSilent;
    scene.enqueue(1, 1);
    scene.pass(Duration::ZERO);
    let over = scene.now.monotonic + HOUR;
    scene.now.monotonic = over.checked_sub(Duration::from_secs(1)).unwrap();
    scene.desk.round(scene.now);
    let next = scene.desk.next(scene.now.monotonic);
    assert_eq!(next, Next::WaitUntil(over));
}

/// A balancer on the way forgets an idle connection also while the process stands still.
#[test]
fn a_connection_that_was_idle_through_a_standstill_takes_no_push() {
    for (stood, connections) in [(9 * HOUR, 1), (10 * HOUR, 2)] {
        let mut scene = Scene::with(1, false, None);
        scene.enqueue(1, 1);
        scene.pass(Duration::from_secs(1));
        scene.now.stood += stood;
        scene.enqueue(2, 1);
        scene.pass(Duration::ZERO);
        scene.pass(Duration::ZERO);
        assert_eq!(scene.opened.len(), connections, "stood {stood:?}");
        assert_eq!(succeeded(&scene), 2, "stood {stood:?}");
    }
}

/// Another came into the present one's place while it was opened: that of a candidate.
#[test]
fn a_connection_that_comes_late_puts_none_away_that_has_pushes() {
    let mut scene = Scene::with(1, true, None);
    scene.manners = |_, _| Manners::IsSilent;
    scene.enqueue(1, 1);
    scene.pass(Duration::ZERO);
    assert_eq!(scene.desk.links.in_flight(), 1);
    let late = Kind::new(0, scene.manners, None, scene.now.monotonic);
    scene.desk.opened(Ok(late), scene.now);
    assert_eq!(scene.desk.links.in_flight(), 1);
    scene.pass(Duration::ZERO);
    assert_eq!(scene.desk.transports().count(), 1, "it goes");
}
