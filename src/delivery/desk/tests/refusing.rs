use super::*;
use crate::delivery::link::{OTHERS_TAKE_WITHIN, WORTHY_AGE};
use crate::delivery::links::DRAINING_MAX;

const MILLI: Duration = Duration::from_millis(1);

/// How long after the beginning a connection was opened.
fn opened_after(scene: &Scene, nth: usize) -> Duration {
    scene.opened[nth].duration_since(scene.opened[0])
}

/// Some servers refuse what comes before they have acknowledged our SETTINGS, on each connection.
#[test]
fn not_processed_what_was_refused_too_early_goes_again_on_the_same_connection() {
    let mut scene = Scene::new();
    scene.manners = |_, nth| match nth {
        0 | 1 => Manners::Refuses,
        _ => Manners::Answers,
    };
    scene.enqueue(1, 2);
    scene.pass(OTHERS_TAKE_WITHIN);
    assert_eq!((scene.settled.len(), scene.opened.len()), (2, 1));
}

#[test]
fn not_processed_a_refused_push_goes_to_a_fresh_connection_at_once_if_the_old_one_is_of_no_use() {
    let mut scene = Scene::new();
    scene.manners = |connection, _| match connection {
        0 => Manners::Refuses,
        _ => Manners::Answers,
    };
    scene.enqueue(1, 3);
    scene.pass(OTHERS_TAKE_WITHIN.saturating_sub(MILLI));
    assert_eq!(
        (scene.opened.len(), scene.lane.room().outstanding()),
        (1, 3)
    );
    // One that was of no use is a failure: the next one waits as after any other.
    scene.pass(MILLI + crate::lane::FIRST_WAIT);
    assert_eq!(scene.opened.len(), 2);
    assert_eq!(scene.settled, [1, 2, 3]);
}

#[test]
fn not_processed_a_connection_that_serves_others_makes_way_when_it_was_worth_its_opening() {
    let mut scene = Scene::new();
    // The second request is refused.
    scene.manners = |connection, nth| match (connection, nth) {
        (0, 1) => Manners::Refuses,
        _ => Manners::Answers,
    };
    scene.enqueue(1, 1);
    scene.pass(MILLI);
    scene.enqueue(2, 1);
    scene.pass(MILLI);
    for id in 3..20 {
        scene.enqueue(id, 1);
        scene.pass(100 * MILLI);
    }
    let others: Vec<u64> = [1].into_iter().chain(3..20).collect();
    assert_eq!(scene.settled, others, "the others go on");
    assert_eq!(scene.opened.len(), 1);
    let rounds = scene.rounds;
    scene.pass(WORTHY_AGE);
    assert!(scene.rounds - rounds <= 20, "{}", scene.rounds - rounds);
    assert_eq!(scene.lane.room().outstanding(), 0);
    assert_eq!(opened_after(&scene, 1), WORTHY_AGE);
}

#[test]
fn not_processed_a_provider_that_refuses_now_and_then_causes_no_storm_of_connections() {
    let mut scene = Scene::new();
    scene.manners = |_, nth| match nth % 10 {
        9 => Manners::Refuses,
        _ => Manners::Answers,
    };
    let (seconds, every) = (300_u64, 50 * MILLI);
    let pushes = seconds * 20;
    for id in 1..=pushes {
        scene.enqueue(id, 1);
        scene.pass(every);
    }
    let most = usize::try_from(seconds).unwrap() / 10 + 1;
    let opened = scene.opened.len();
    assert!(opened <= most && opened > most / 2, "{opened} connections");
    scene.pass(Duration::from_secs(120));
    let all: Vec<u64> = (1..=pushes).collect();
    assert_eq!(scene.settled, all);
    assert!(scene.rounds < 8 * all.len(), "{} rounds", scene.rounds);
}

#[test]
fn not_processed_a_provider_that_refuses_everything_is_dialled_with_a_back_off() {
    let mut scene = Scene::new();
    scene.manners = |_, _| Manners::Refuses;
    scene.enqueue(1, 100);
    scene.pass(Duration::from_secs(600));
    let opened = scene.opened.len();
    assert!((6..=30).contains(&opened), "{opened} connections in 10 min");
    assert!(scene.rounds < 5_000, "{} rounds", scene.rounds);
    scene.manners = |_, _| Manners::Answers;
    scene.pass(Duration::from_secs(3600));
    assert_eq!(scene.lane.room().outstanding(), 0);
}

#[test]
fn not_processed_with_other_threads_another_connection_is_opened_for_what_was_refused() {
    let mut scene = Scene::with_threads(2);
    scene.manners = |_, nth| match nth {
        1 => Manners::Refuses,
        _ => Manners::Answers,
    };
    let called = Arc::new(AtomicBool::new(false));
    let rung = Arc::clone(&called);
    scene
        .lane
        .crew()
        .seat(1, Box::new(move || rung.store(true, Ordering::Relaxed)));
    scene.enqueue(1, 1);
    scene.pass(MILLI);
    scene.enqueue(2, 1);
    scene.pass(MILLI);
    scene.lane.crew().attendance().leave(1, SeatState::Cold);
    scene.pass(OTHERS_TAKE_WITHIN.saturating_sub(2 * MILLI));
    assert!(!called.load(Ordering::Relaxed));
    scene.pass(2 * MILLI);
    assert!(called.load(Ordering::Relaxed), "the other is called");
    let mut hand = VecDeque::new();
    assert!(scene.lane.take_for(scene.lane.new_connection(), &mut hand));
    assert_eq!(hand.pop_front().map(|push| push.id()), Some(PushId(2)));
    scene.pass(2 * WORTHY_AGE);
    assert_eq!(scene.opened.len(), 1, "it has no reason to make way");
}

/// It stays in its place beside the most connections that may wait for their last answers.
#[test]
fn not_processed_with_other_threads_what_a_retiring_connection_refused_is_passed_on() {
    let mut scene = Scene::with_threads(2);
    let last = DRAINING_MAX;
    scene.manners = |connection, nth| match (connection, nth) {
        (DRAINING_MAX, 1) => Manners::Refuses,
        _ => Manners::IsSilent,
    };
    for id in 1..=last as u64 + 1 {
        scene.enqueue(id, 1);
        scene.pass(MILLI);
        if scene.opened.len() <= last {
            let link = scene.desk.links.present.as_mut().unwrap();
            link.session().retire("a test");
            scene.pass(LONGEST_WAIT);
        }
    }
    assert_eq!(scene.opened.len(), last + 1);
    let called = Arc::new(AtomicBool::new(false));
    let rung = Arc::clone(&called);
    scene
        .lane
        .crew()
        .seat(1, Box::new(move || rung.store(true, Ordering::Relaxed)));
    scene.lane.crew().attendance().leave(1, SeatState::Cold);
    scene.enqueue(100, 1);
    scene.pass(2 * OTHERS_TAKE_WITHIN);
    let present = scene.desk.links.present.as_ref();
    assert!(present.is_some_and(Link::is_retiring));
    assert!(scene.lane.has_work_for(None));
    assert!(called.load(Ordering::Relaxed), "the other is called");
}

#[test]
fn what_waits_for_another_connection_is_left_at_the_end() {
    let mut scene = Scene::new();
    scene.manners = |_, nth| match nth {
        1 => Manners::Refuses,
        _ => Manners::Answers,
    };
    scene.enqueue(1, 1);
    scene.pass(MILLI);
    scene.enqueue(2, 1);
    scene.pass(10 * MILLI);
    scene.lane.fall_quiet();
    scene.pass(2 * WORTHY_AGE);
    assert_eq!(scene.opened.len(), 1, "nothing more is sent");
    let rest: Vec<_> = scene.lane.take_rest().iter().map(Push::id).collect();
    assert_eq!(rest, [PushId(2)]);
}
