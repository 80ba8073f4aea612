//! What a connection was worth, when it is let go, and when another is opened.

use super::*;
use crate::delivery::credential::Credential;
use crate::delivery::link::{Begun, Link, Worth};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// A link of the scene's route, to a provider of such manners, with so many pushes sent.
fn link(scene: &Scene, manners: fn(usize, usize) -> Manners, pushes: usize) -> Link<Kind> {
    let mut link = begun_at(scene.now, scene, manners);
    link.set_credential(Credential::Certificate);
    round(&mut link, scene.now);
    for push in fixture::pushes(1, pushes, scene.now) {
        link.send(push, scene.now).unwrap();
        round(&mut link, scene.now);
    }
    link
}

/// A link whose handshakes are over now.
fn begun_at(at: Moment, scene: &Scene, manners: fn(usize, usize) -> Manners) -> Link<Kind> {
    let kind = Kind::new(0, manners, None, scene.now.monotonic);
    let id = scene.lane.new_connection();
    let generation = 0;
    Link::new(
        id,
        kind,
        &scene.desk.following.route,
        Begun {
            generation,
            is_candidate: false,
            at,
        },
        scene.now,
    )
}

/// Lets both sides hear each other.
fn round(link: &mut Link<Kind>, now: Moment) -> Vec<Ended> {
    let mut ended = Vec::new();
    for _ in 0..3 {
        link.flush(now, &mut ended);
        link.receive(now, &mut ended);
    }
    ended
}

fn later(now: Moment, by: Duration) -> Moment {
    Moment {
        monotonic: now.monotonic + by,
        ..now
    }
}

const ANSWERS: fn(usize, usize) -> Manners = |_, _| Manners::Answers;
const IS_SILENT: fn(usize, usize) -> Manners = |_, _| Manners::IsSilent;

/// sterna-limits(7): less than 10 s and 100 answers.
#[test]
fn a_connection_is_worth_its_opening_by_its_age_or_its_answers() {
    let scene = Scene::new();
    for (manners, pushes, age, worth) in [
        (ANSWERS, 1, 9 * SECOND, Some(Worth::Short)),
        (ANSWERS, 1, 10 * SECOND, Some(Worth::Good)),
        (ANSWERS, 99, SECOND, Some(Worth::Short)),
        (ANSWERS, 100, SECOND, Some(Worth::Good)),
        // What is in flight may yet be answered; so far it was of no use at whatever age.
        (IS_SILENT, 1, SECOND, Some(Worth::Short)),
        (IS_SILENT, 1, 100 * SECOND, Some(Worth::Short)),
        // Of one that was of no use its end tells.
        (ANSWERS, 0, 100 * SECOND, None),
    ] {
        let mut link = link(&scene, manners, pushes);
        let now = scene.now.monotonic + age;
        assert_eq!(link.judge(now), None, "it takes pushes");
        link.session().retire("a test");
        assert_eq!(link.judge(now), worth, "{pushes} pushes, {age:?}");
        assert_eq!(link.judge(now), None, "told once");
    }
}

/// A provider may part with a connection whose last pushes it has not answered yet.
#[test]
fn the_answers_that_are_under_way_decide_what_a_connection_was_worth() {
    let scene = Scene::new();
    for (comes, worth) in [(true, Worth::Good), (false, Worth::Short)] {
        let mut link = link(&scene, ANSWERS, 99);
        link.transport().way = Way::Held;
        link.send(fixture::push_to("0000", scene.now), scene.now)
            .unwrap();
        round(&mut link, scene.now);
        link.session().retire("a test");
        let soon = scene.now.monotonic + SECOND;
        assert_eq!(link.judge(soon), None, "the hundredth is awaited");
        if comes {
            link.transport().way = Way::Open;
            round(&mut link, scene.now);
        } else {
            link.transport().client.transport_closed();
        }
        // The time that it is waited with for its answers makes it no older.
        let later = scene.now.monotonic + 20 * SECOND;
        assert_eq!(link.judge(later), Some(worth));
        assert_eq!(link.judge(later), None, "told once");
    }
}

#[test]
fn a_connection_that_was_idle_was_worth_its_opening() {
    let scene = Scene::new();
    let mut link = link(&scene, ANSWERS, 1);
    let soon = later(scene.now, 2 * SECOND);
    link.retire_if_idle(soon, 3 * SECOND);
    assert!(!link.is_retiring());
    assert_eq!(
        link.next_timeout(3 * SECOND).map(|at| at <= soon.monotonic),
        Some(true)
    );
    link.retire_if_idle(soon, 2 * SECOND);
    assert_eq!(link.judge(soon.monotonic), Some(Worth::Good));
}

#[test]
fn a_connection_with_pushes_in_flight_is_not_idle() {
    let scene = Scene::new();
    let mut link = link(&scene, IS_SILENT, 1);
    let late = later(scene.now, 100 * SECOND);
    assert!(link.newly_settled(late.monotonic));
    let next = link.next_timeout(SECOND).unwrap();
    assert_eq!(next, scene.now.monotonic + HOUR, "the push times out");
    link.retire_if_idle(late, SECOND);
    assert!(!link.is_retiring());
    assert!(
        link.is_stuck(late.monotonic),
        "what waits shall not wait for it"
    );
    assert!(!link.is_retiring(), "what is in flight is awaited");
}

#[test]
fn a_connection_that_takes_no_push_is_let_go_after_10_s_without_one() {
    let scene = Scene::new();
    let mut link = link(&scene, ANSWERS, 0);
    let sent = later(scene.now, 5 * SECOND);
    link.send(fixture::push_to("0000", sent), sent).unwrap();
    round(&mut link, sent);
    let at = |secs| scene.now.monotonic + secs * SECOND;
    assert!(!link.is_stuck(at(14)) && !link.is_retiring());
    assert!(link.is_stuck(at(15)) && link.is_retiring());
}

#[test]
fn the_lane_hears_once_that_another_connection_may_be_opened() {
    let scene = Scene::new();
    // By its use, by its time, which is a second, or by its end.
    for (manners, retires, after) in [
        (ANSWERS, false, Duration::ZERO),
        (IS_SILENT, false, SECOND),
        (IS_SILENT, true, Duration::ZERO),
    ] {
        let mut link = link(&scene, manners, 1);
        let at = scene.now.monotonic + after;
        if !after.is_zero() {
            assert!(!link.newly_settled(at.checked_sub(MILLI).unwrap()));
            assert_eq!(link.next_timeout(HOUR), Some(at), "it looks again then");
        }
        if retires {
            link.session().retire("a test");
        }
        assert!(link.newly_settled(at));
        assert!(!link.newly_settled(at));
    }
}

#[test]
fn the_next_connection_waits_only_after_one_that_was_of_no_use() {
    let scene = Scene::new();
    for (manners, pushes, why, failed) in [
        (ANSWERS, 0, "the peer closed it", true),
        (ANSWERS, 1, "the peer closed it", false),
        (ANSWERS, 0, "idle", false),
        (ANSWERS, 0, crate::delivery::link::REPLACED, false),
        (ANSWERS, 0, crate::delivery::link::HELD, false),
        (IS_SILENT, 1, "the peer closed it", true),
    ] {
        let mut link = link(&scene, manners, pushes);
        link.session().retire(why);
        let parting = link.end(scene.now, &mut Vec::new());
        assert_eq!((parting.failed, &*parting.why), (failed, why));
    }
    let mut link = link(&scene, IS_SILENT, 1);
    let why = br#"{"reason":"BadCertificate"}"#;
    let provider = &mut link.transport().provider;
    provider.send_goaway(0, http2::ErrorCode::NO_ERROR, why);
    round(&mut link, scene.now);
    assert!(
        !link.end(scene.now, &mut Vec::new()).failed,
        "it was the credential"
    );
}

#[test]
fn a_connection_that_is_lost_over_a_standstill_is_no_alarm_even_in_its_handshakes() {
    let mut scene = Scene::new();
    let begun = scene.now;
    for stood in [0, 30] {
        scene.now.stood += stood * SECOND;
        let mut link = begun_at(begun, &scene, ANSWERS);
        link.transport().client.transport_closed();
        let parting = link.end(scene.now, &mut Vec::new());
        assert_eq!((parting.failed, parting.stood), (true, stood > 0));
    }
}

#[test]
fn a_push_is_found_and_counted_on_whichever_connection_it_is() {
    let mut scene = Scene::new();
    scene.manners = IS_SILENT;
    for id in 1..=3 {
        scene.enqueue(id, 1);
        scene.pass(SECOND);
        if id < 3 {
            scene
                .desk
                .links
                .present
                .as_mut()
                .unwrap()
                .session()
                .retire("a test");
        }
    }
    assert_eq!((scene.opened.len(), scene.desk.links.in_flight()), (3, 3));
    let found = [1, 2, 3, 4].map(|id| scene.desk.links.find(PushId(id)).is_some());
    assert_eq!(found, [true, true, true, false]);
    let shown = |scene: &Scene| {
        let figures = scene.desk.lane.stats().figures();
        (figures.in_flight, scene.lane.retries().budget().in_flight())
    };
    assert_eq!(shown(&scene), (3, 3));
    // One of them is told to go, and no other.
    let ids: Vec<_> = scene.desk.links.iter_mut().map(|link| link.id()).collect();
    scene.desk.links.retire(ids[1], "another test");
    let present = scene.desk.links.present.as_ref().unwrap();
    assert!(!present.is_retiring());
    scene.desk.recover("a fault on purpose", scene.now);
    assert_eq!(shown(&scene), (0, 0));
}

#[test]
fn pushes_that_a_connection_has_no_room_for_are_others_after_a_second() {
    let mut scene = Scene::new();
    scene.manners = IS_SILENT;
    scene.lane.set_stream_limit(1);
    scene.enqueue(1, 3);
    scene.pass(SECOND.saturating_sub(MILLI));
    assert_eq!(
        (scene.desk.trays.hand.len(), scene.lane.has_work()),
        (2, false)
    );
    scene.pass(2 * MILLI);
    assert_eq!(
        (scene.desk.trays.hand.len(), scene.lane.has_work()),
        (0, true)
    );
}

#[test]
fn a_connection_on_which_nothing_ever_comes_is_closed() {
    let scene = Scene::new();
    let mut link = begun_at(scene.now, &scene, ANSWERS);
    link.transport().way = Way::Held;
    let due = link.transport().next_timeout().unwrap();
    for (by, is_over) in [(due.checked_sub(MILLI).unwrap(), false), (due, true)] {
        let by = later(scene.now, by - scene.now.monotonic);
        link.receive(by, &mut Vec::new());
        assert_eq!(link.is_over(), is_over);
    }
}

#[test]
fn no_connection_is_opened_for_what_may_not_be_sent() {
    let mut paused = Scene::new();
    paused.lane.holding().pause(paused.now);
    let mut quiet = Scene::new();
    quiet.lane.fall_quiet();
    for scene in [&mut paused, &mut quiet] {
        scene.enqueue(1, 1);
        scene.pass(60 * SECOND);
        assert!(scene.opened.is_empty());
    }
    paused.lane.resume();
    paused.pass(SECOND);
    assert_eq!(paused.opened.len(), 1);
}

#[test]
fn a_connection_that_was_opened_for_an_old_route_takes_no_push() {
    let mut scene = Scene::new();
    scene.enqueue(1, 1);
    scene.desk.look();
    assert!(scene.desk.round(scene.now), "it wants a connection");
    scene.desk.following.generation += 1;
    let kind = Kind::new(0, ANSWERS, None, scene.now.monotonic);
    scene.desk.opened(Ok(kind), scene.now);
    let present = scene.desk.links.present.as_ref().unwrap();
    assert!(present.is_retiring());
}

/// Apple's connection is asked after an hour without pushes; if it complained of that, the next one
/// after two hours.
#[test]
fn who_complained_of_pings_is_asked_more_rarely_on_the_next_connection() {
    let mut scene = Scene::new();
    for (id, hours) in [(1, 1), (2, 2), (3, 4)] {
        scene.enqueue(id, 1);
        scene.pass(SECOND);
        let link = scene.desk.links.present.as_mut().unwrap();
        let next = link.next_timeout(100 * HOUR).unwrap();
        let idle = next.duration_since(*scene.opened.last().unwrap());
        assert_eq!(idle.as_secs() / 3600, hours);
        let provider = &mut link.transport().provider;
        let calm = http2::ErrorCode::ENHANCE_YOUR_CALM;
        provider.send_goaway(1, calm, b"too_many_pings");
        scene.pass(SECOND);
    }
    assert_eq!(scene.opened.len(), 3);
}
