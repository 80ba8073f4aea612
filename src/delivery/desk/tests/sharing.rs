//! Connections that go from lane to lane.

use super::*;
use crate::delivery::link::REPLACED;
use crate::delivery::pool::{ASKED_MAX, ConnectionPool};
use crate::delivery::pool_key::{PoolKey, Speaker};
use crate::net::tls::Stance;
use crate::push::Provider;

const MILLI: Duration = Duration::from_millis(1);

/// Lanes of one process, each with a thread.
struct Lanes {
    scenes: Vec<Scene>,
    next_id: u64,
}

impl Lanes {
    /// So many of one team's key, before providers of such manners.
    fn of_one_key(many: u16, manners: fn(usize, usize) -> Manners) -> Self {
        Self::of_teams(&vec!["one"; usize::from(many)], manners)
    }

    /// One for each of those teams.
    fn of_teams(teams: &[&str], manners: fn(usize, usize) -> Manners) -> Self {
        let pool = Arc::<ConnectionPool<Kind>>::default();
        let lanes = (1..).zip(teams);
        let scenes = lanes.map(|(number, team)| {
            let mut scene = Scene::new();
            let name: &'static str = format!("lane{number}").leak();
            scene.lane = Lane::new(LaneId::new(number, Provider::Apns, name), 10_000, 1);
            let route = PresentRoute::new(&scene.lane, route(team));
            let nowhere = Destination::Discard;
            let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
            let limits = Limits {
                retry_max: 3,
                max_age: HOUR,
                resend_unknown: true,
            };
            let settler = Settler::new(Arc::clone(&scene.lane), logs, limits, 1);
            let desk = Desk::new(0, Arc::clone(&scene.lane), route, settler);
            scene.desk = desk.sharing(Arc::clone(&pool));
            scene.manners = manners;
            scene.sit_down();
            scene
        });
        Self {
            scenes: scenes.collect(),
            next_id: 1,
        }
    }

    /// A push comes to that lane, and it looks.
    fn enqueue(&mut self, lane: usize) {
        self.scenes[lane].enqueue(self.next_id, 1);
        self.next_id += 1;
        self.pass(lane, Duration::ZERO);
    }

    fn pass(&mut self, lane: usize, time: Duration) {
        let latest = self.scenes.iter().map(|it| it.now.monotonic).max();
        let scene = &mut self.scenes[lane];
        scene.now.monotonic = latest.unwrap();
        scene.pass(time);
    }

    /// Whoever was rung looks, until nobody is.
    fn settle(&mut self) {
        let is_rung = |scene: &Scene| scene.bell.swap(false, Ordering::Relaxed);
        while let Some(lane) = self.scenes.iter().position(is_rung) {
            self.pass(lane, MILLI);
        }
    }

    /// A push comes to that lane and is taken.
    fn push(&mut self, lane: usize) {
        self.enqueue(lane);
        self.settle();
        self.pass(lane, MILLI);
        assert_eq!(self.scenes[lane].lane.room().outstanding(), 0);
    }

    /// How many connections each has opened.
    fn opened(&self) -> Vec<usize> {
        self.scenes.iter().map(|it| it.opened.len()).collect()
    }

    /// How many each has.
    fn open(&mut self) -> Vec<usize> {
        let scenes = self.scenes.iter_mut();
        scenes.map(|it| it.desk.transports().count()).collect()
    }
}

/// The route of a lane of that team.
fn route(team: &str) -> Route {
    let key = PoolKey {
        host: "localhost".to_owned(),
        port: 443,
        stance: Stance::default(),
        speaker: Speaker::Account(team.to_owned()),
        idle_timeout: 10 * HOUR,
    };
    Route {
        timeout: HOUR,
        idle_timeout: 10 * HOUR,
        pool: Some(Arc::new(key)),
        ..idle_route()
    }
}

const ANSWERS: fn(usize, usize) -> Manners = |_, _| Manners::Answers;
const IS_SILENT: fn(usize, usize) -> Manners = |_, _| Manners::IsSilent;

/// More hand-overs than a connection has templates.
#[test]
fn lanes_of_one_key_that_push_in_turn_use_one_connection() {
    let mut lanes = Lanes::of_one_key(3, ANSWERS);
    for turn in 0..60 {
        lanes.push(turn % 3);
        assert_eq!(lanes.opened(), [1, 0, 0]);
        assert_eq!(lanes.open().iter().sum::<usize>(), 1);
        let has_lent = |scene: &Scene| scene.lane.crew().dial().has_lent();
        let lent = lanes.scenes.iter().map(has_lent);
        let had_it = |lane| lane != turn % 3 && lane <= turn;
        assert!(lent.eq((0..3).map(had_it)), "{turn}");
    }
    let settled = lanes.scenes.iter().map(|it| it.settled.len());
    assert_eq!(settled.collect::<Vec<_>>(), [20; 3]);
    for scene in &lanes.scenes {
        assert_eq!(scene.lane.stats().figures().push_success, 20);
    }
}

#[test]
fn lanes_that_push_at_the_same_time_have_a_connection_each() {
    let mut lanes = Lanes::of_one_key(2, |_, nth| match nth {
        0 => Manners::Answers,
        _ => Manners::IsSilent,
    });
    lanes.push(0);
    lanes.enqueue(0);
    lanes.enqueue(1);
    assert_eq!((lanes.opened(), lanes.open()), (vec![1, 1], vec![1, 1]));
    // Nor is one given away that has not answered yet.
    let mut lanes = Lanes::of_one_key(2, IS_SILENT);
    lanes.enqueue(0);
    lanes.enqueue(1);
    assert_eq!(lanes.opened(), [1, 1]);
}

#[test]
fn teams_never_share() {
    let mut lanes = Lanes::of_teams(&["one", "other", "one", "other"], ANSWERS);
    for lane in [0, 1, 2, 3, 0, 1] {
        lanes.push(lane);
        assert_eq!(
            lanes.open().iter().sum::<usize>(),
            lanes.next_id.min(3) as usize - 1
        );
    }
    assert_eq!(lanes.opened(), [1, 1, 0, 0]);
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let mut lanes = Lanes::of_one_key(3, ANSWERS);
    lanes.push(0);
    lanes.enqueue(1);
    // It is asked once at a time.
    lanes.enqueue(2);
    assert_eq!(lanes.opened(), [1, 0, 1]);
    lanes.pass(1, ASKED_MAX / 2);
    assert_eq!(lanes.opened(), [1, 0, 1]);
    lanes.pass(1, ASKED_MAX / 2 + MILLI);
    assert_eq!(lanes.opened(), [1, 1, 1]);
    lanes.settle();
    assert_eq!(lanes.open(), [1, 1, 1], "it keeps what nobody waits for");
    lanes.push(0);
    assert_eq!(lanes.opened(), [1, 1, 1]);
}

#[test]
fn who_has_got_work_meanwhile_keeps_its_connection() {
    let mut lanes = Lanes::of_one_key(2, |_, nth| match nth {
        0 => Manners::Answers,
        _ => Manners::IsSilent,
    });
    lanes.push(0);
    lanes.enqueue(1);
    lanes.enqueue(0);
    lanes.settle();
    assert_eq!((lanes.opened(), lanes.open()), (vec![1, 1], vec![1, 1]));
}

type Befall = fn(&mut Scene);

#[test]
fn who_would_close_it_at_once_asks_no_longer() {
    let cases: [(&str, usize, Befall); 3] = [
        ("it yields its place", 0, |scene| {
            scene.lane.holding().pause(scene.now);
            scene.desk.is_going = true;
        }),
        ("nothing more is sent", 0, |scene| {
            scene.lane.fall_quiet();
        }),
        ("its route was replaced", 1, |scene| {
            let present = PresentRoute::new(&scene.lane, route("one"));
            present.replace(route("one"), scene.now);
            scene.desk.following = FollowedRoute::new(present);
        }),
    ];
    for (why, opens, befall) in cases {
        let mut lanes = Lanes::of_one_key(2, ANSWERS);
        lanes.push(0);
        lanes.enqueue(1);
        befall(&mut lanes.scenes[1]);
        lanes.pass(1, Duration::ZERO);
        lanes.settle();
        lanes.pass(1, MILLI);
        assert_eq!(lanes.opened(), [1, opens], "{why}");
        assert_eq!(lanes.open(), [1, opens], "{why}");
    }
}

/// Nor is it asked for.
#[test]
fn what_may_not_be_good_is_not_given_away() {
    let cases: [(&str, Befall); 5] = [
        ("it retires", |scene| {
            let present = scene.desk.links.present.as_mut();
            present.unwrap().session().retire("a test says so");
        }),
        ("the lane is paused", |scene| {
            scene.lane.holding().pause(scene.now);
        }),
        ("its route was replaced", |scene| {
            let of_lane = PresentRoute::new(&scene.lane, route("one"));
            of_lane.replace(route("one"), scene.now);
        }),
        ("a credential is tried", |scene| {
            let present = PresentRoute::new(&scene.lane, route("one"));
            present.try_out(route("one"), true, scene.now);
            scene.desk.following = FollowedRoute::new(present);
        }),
        ("it was asked by a PING", |scene| {
            let present = scene.desk.links.present.as_mut();
            present.unwrap().transport().way = Way::Held;
            scene.pass(HOUR + GRACE + Duration::from_secs(1));
        }),
    ];
    for (why, befall) in cases {
        let mut lanes = Lanes::of_one_key(2, ANSWERS);
        lanes.push(0);
        befall(&mut lanes.scenes[0]);
        lanes.enqueue(1);
        lanes.settle();
        lanes.pass(1, MILLI);
        assert_eq!(lanes.opened()[1], 1, "{why}");
        let may_take_over = lanes.scenes[1].lane.crew().dial().may_take_over();
        assert!(may_take_over, "{why}: it had that, in vain");
        assert_eq!(lanes.scenes[1].lane.room().outstanding(), 0, "{why}");
    }
}

#[test]
fn one_that_ends_on_its_way_costs_no_push_and_the_next_is_opened() {
    let mut lanes = Lanes::of_one_key(3, ANSWERS);
    lanes.push(0);
    lanes.enqueue(1);
    lanes.scenes[0].desk.transports().for_each(|kind| {
        kind.way = Way::Held;
        kind.provider.close(http2::ErrorCode::NO_ERROR);
    });
    lanes.pass(0, Duration::ZERO);
    lanes.scenes[1].bell.store(true, Ordering::Relaxed);
    assert_eq!(lanes.open()[0], 0, "it was given away");
    lanes.pass(1, MILLI);
    for scene in &mut lanes.scenes {
        scene
            .desk
            .transports()
            .for_each(|kind| kind.way = Way::Open);
    }
    lanes.pass(1, Duration::from_secs(1));
    assert_eq!(lanes.opened(), [1, 1, 0], "at once");
    assert_eq!(lanes.scenes[1].settled.len(), 1, "once");
    assert_eq!(lanes.scenes[1].lane.room().outstanding(), 0);
    // It asks for no other before one of its own was of use.
    lanes.push(2);
    assert_eq!(lanes.opened(), [1, 1, 0]);
    assert!(lanes.scenes[1].lane.crew().dial().may_take_over());
}

/// That says nothing of what others have.
#[test]
fn one_that_is_let_go_before_it_was_of_use_was_not_had_in_vain() {
    for (why, may_take_over) in [(REPLACED, true), ("it ended", false)] {
        let mut lanes = Lanes::of_one_key(2, ANSWERS);
        lanes.push(0);
        lanes.enqueue(1);
        lanes.scenes[1].lane.holding().pause(lanes.scenes[1].now);
        lanes.settle();
        let present = lanes.scenes[1].desk.links.present.as_mut();
        present.unwrap().session().retire(why);
        lanes.pass(1, MILLI);
        assert_eq!(lanes.open(), [0, 0]);
        let dial = lanes.scenes[1].lane.crew().dial();
        assert_eq!(dial.may_take_over(), may_take_over, "{why}");
    }
}

#[test]
fn a_lane_whose_connections_fail_asks_for_none_of_another() {
    let mut lanes = Lanes::of_one_key(2, ANSWERS);
    lanes.push(0);
    let now = lanes.scenes[1].now.monotonic;
    lanes.scenes[1].lane.crew().dial().failed(now, 0);
    lanes.pass(1, Duration::from_secs(2));
    lanes.enqueue(1);
    lanes.pass(1, MILLI);
    assert_eq!((lanes.opened(), lanes.open()), (vec![1, 1], vec![1, 1]));
}

/// Those of others may be as old.
#[test]
fn what_asks_for_a_fresh_connection_has_one_that_the_lane_opens() {
    let mut lanes = Lanes::of_one_key(3, |_, nth| match nth {
        0 => Manners::Answers,
        _ => Manners::IsOld,
    });
    lanes.push(0);
    let room = lanes.scenes[1].lane.room().reserve(1).unwrap();
    let bulk = fixture::bulk_pushes(9, 1, lanes.scenes[1].now);
    lanes.scenes[1].lane.enqueue(room, bulk);
    lanes.pass(1, MILLI);
    assert_eq!(lanes.open(), [1, 1, 0]);
    lanes.push(2);
    assert_eq!(
        (lanes.opened(), lanes.open()),
        (vec![1, 1, 1], vec![1, 0, 1])
    );
    assert_eq!(lanes.scenes[2].lane.stats().figures().push_success, 1);
    assert!(!lanes.scenes[2].lane.holding().is_held());
}

#[test]
fn what_answers_with_errors_is_given_to_nobody_until_it_takes_a_push_again() {
    let mut lanes = Lanes::of_one_key(3, |_, nth| match nth {
        1 => Manners::Falters,
        _ => Manners::Answers,
    });
    lanes.push(0);
    lanes.enqueue(0);
    lanes.push(1);
    assert_eq!(
        (lanes.opened(), lanes.open()),
        (vec![1, 1, 0], vec![1, 1, 0])
    );
    lanes.pass(0, Duration::from_secs(60));
    assert_eq!(lanes.scenes[0].lane.stats().figures().push_success, 2);
    // It was used last.
    lanes.push(2);
    assert_eq!(
        (lanes.opened(), lanes.open()),
        (vec![1, 1, 0], vec![0, 1, 1])
    );
}

/// What it did for others is no reason to reconnect each time.
#[test]
fn one_that_was_taken_over_is_as_new_to_who_has_it() {
    let refuses: fn(usize, usize) -> Manners = |_, nth| match nth {
        0 => Manners::Answers,
        _ => Manners::Refuses,
    };
    for (ends, manners) in [(true, ANSWERS), (false, refuses)] {
        let mut lanes = Lanes::of_one_key(2, manners);
        lanes.push(0);
        lanes.pass(0, Duration::from_secs(30));
        lanes.enqueue(1);
        lanes.settle();
        assert_eq!((lanes.opened(), lanes.open()), (vec![1, 0], vec![0, 1]));
        let now = lanes.scenes[1].now.monotonic;
        if ends {
            lanes.pass(1, Duration::from_secs(1));
            let mut dial = lanes.scenes[1].lane.crew().dial();
            while dial.short_lived(now, 0).is_none() {}
            dial.forget_failures();
            drop(dial);
            let ends = |kind: &mut Kind| kind.provider.close(http2::ErrorCode::NO_ERROR);
            lanes.scenes[1].desk.transports().for_each(ends);
        }
        lanes.pass(1, MILLI * if ends { 1 } else { 2000 });
        let scene = &lanes.scenes[1];
        let opens_at = scene.lane.crew().dial().opens_at(scene.now.monotonic);
        assert_eq!(opens_at.is_some(), ends);
        assert_eq!(lanes.open(), [0, usize::from(!ends)]);
        if !ends {
            lanes.pass(1, Duration::from_secs(10));
            assert_eq!(lanes.opened(), [1, 1], "it makes way");
        }
    }
}

/// Whose transactional pushes it must not hold up, nor who tries a credential, for long.
#[test]
fn who_would_not_give_it_back_soon_takes_no_connection_of_another_lane() {
    let begin: [Befall; 4] = [
        |scene| {
            let present = PresentRoute::new(&scene.lane, route("one"));
            present.try_out(route("one"), true, scene.now);
            scene.desk.following = FollowedRoute::new(present);
        },
        // On a connection of another thread.
        |scene| scene.lane.retries().budget().sent(1),
        // With one among them that goes first.
        |scene| {
            let room = scene.lane.room().reserve(1).unwrap();
            let pushes = fixture::bulk_pushes(9, 1, scene.now);
            scene.lane.enqueue(room, pushes);
        },
        |scene| {
            let room = scene.lane.room().reserve(1).unwrap();
            let pushes = fixture::bulk_pushes(9, 1, scene.now);
            scene.lane.enqueue(room, pushes);
        },
    ];
    for (case, begin) in begin.into_iter().enumerate() {
        let mut lanes = Lanes::of_one_key(2, ANSWERS);
        lanes.push(0);
        begin(&mut lanes.scenes[1]);
        if case < 3 {
            lanes.enqueue(1);
        }
        lanes.pass(1, MILLI);
        assert_eq!(lanes.open(), [1, 1], "{case}");
    }
}

/// What was said of the credential before is about another lane's pushes.
#[test]
fn a_goodbye_that_one_lane_is_owed_holds_no_other() {
    let mut lanes = Lanes::of_one_key(2, ANSWERS);
    lanes.push(0);
    lanes.enqueue(1);
    lanes.pass(0, Duration::ZERO);
    lanes.scenes[1].lane.crew().wake(0);
    let no_push = Duration::ZERO;
    // It has come when the lane has the connection and has sent nothing.
    lanes.scenes[1].lane.holding().pause(lanes.scenes[1].now);
    lanes.pass(1, no_push);
    lanes.scenes[1].desk.transports().for_each(|kind| {
        let last = kind.client.highest_stream();
        let debug = br#"{"reason":"BadCertificate"}"#;
        let code = http2::ErrorCode::NO_ERROR;
        kind.provider.send_goaway(last, code, debug);
    });
    lanes.pass(1, MILLI);
    lanes.scenes[1].lane.resume();
    lanes.pass(1, MILLI);
    assert!(!lanes.scenes[1].lane.holding().is_held());
    assert_eq!(lanes.scenes[1].settled.len(), 1);
    assert_eq!(lanes.opened(), [1, 1]);
}

#[test]
fn who_ends_gives_back_what_it_was_given() {
    let mut lanes = Lanes::of_one_key(2, ANSWERS);
    lanes.push(0);
    lanes.enqueue(1);
    lanes.pass(0, Duration::ZERO);
    assert_eq!(lanes.open(), [0, 0], "on its way");
    let scene = &mut lanes.scenes[1];
    scene.lane.stop();
    scene.desk.leave(scene.now);
    lanes.push(0);
    assert_eq!(lanes.opened(), [2, 0], "it was closed");
}
