use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::delivery::fixture::idle_route;
use crate::lane::{MaySend, Proof, Suspect, Target, Witness};
use crate::oauth::{AccessTokens, Class};
use crate::provider::fcm;
use crate::push::{ConnectionId, LaneId, PushId, fixture};

/// A lane to FCM whose access tokens a test hands out.
fn android() -> (Arc<Lane>, Arc<PresentRoute>) {
    let lane = Lane::new(LaneId::ANDROID, 10, 1);
    let route = PresentRoute::new(&lane, route());
    (lane, route)
}

fn route() -> Route {
    Route {
        address: Arc::new(fcm::Address {
            authority: "localhost".into(),
            path: "/v1/projects/p/messages:send".into(),
        }),
        credentials: Credentials::AccessTokens(AccessTokens::by_hand(1)),
        channels: None,
        credential_name: "service account a@b".to_owned(),
        ..idle_route()
    }
}

fn grant(route: &Route, now: Moment) {
    let Credentials::AccessTokens(tokens) = &route.credentials else {
        panic!("{route:?}");
    };
    let hour = Duration::from_secs(3600);
    tokens.granted("t".to_owned(), hour, now.monotonic, now);
}

#[test]
fn a_want_of_an_access_token_ends_with_one() {
    let (lane, present) = android();
    let (_, route) = present.current();
    let now = Moment::now();
    let Credentials::AccessTokens(tokens) = &route.credentials else {
        panic!("{route:?}");
    };
    tokens.failed(Class::Stopping, "invalid_grant", None, now.monotonic, now);
    assert_eq!(lane.may_send(now.monotonic), MaySend::No);
    grant(&route, now);
    assert!(!lane.holding().is_held());
}

#[test]
fn where_pushes_were_refused_one_access_token_after_the_other_another_proves_nothing() {
    let (lane, present) = android();
    let (_, route) = present.current();
    let now = Moment::now();
    let trouble = crate::delivery::credential::Trouble::Refused;
    for _ in 0..3 {
        assert!(!lane.holding().is_held());
        grant(&route, now);
        let used = route.credentials.current(lane.id(), now).unwrap();
        for token in ["one", "other"] {
            let target = Target::to(token);
            route
                .credentials
                .report(lane.id(), (trouble, target), &used, now);
        }
    }
    present.look_at_access_token(now);
    assert_eq!(lane.may_send(now.monotonic), MaySend::No);
    grant(&route, now);
    assert_eq!(lane.may_send(now.monotonic), MaySend::No);
    let due = lane.holding().next_reading().unwrap();
    assert!(lane.holding().begin_reading(due));
    lane.credential_read(due, 0);
    assert_eq!(lane.may_send(due), MaySend::Probe);
}

#[test]
fn a_refusal_says_what_was_met_by_which_credential_and_what_to_do() {
    let (_, present) = android();
    let (_, route) = present.current();
    for (reason, cure) in [
        ("SERVICE_DISABLED", fcm_cure("SERVICE_DISABLED")),
        ("SOMETHING_NEW", "Look at the credential and its rights."),
    ] {
        let now = Moment::now();
        let text = || {
            refusal(
                (LaneId::IOS, reason),
                "403: no",
                &route,
                EndsWith::Probe,
                now,
            )
            .text
        };
        let front = format!("403: no (service account a@b). {cure} ");
        route.clock.note(now.unix_secs() - 10, now);
        assert!(text().starts_with(&front), "{}", text());
        route.clock.note(now.unix_secs() + 600, now);
        let front = "403: no (service account a@b). The time is wrong: this machine's clock is 10 \
                     minutes behind the provider's; ";
        assert!(
            text().starts_with(front) && text().contains(cure),
            "{}",
            text()
        );
    }
}

fn fcm_cure(reason: &str) -> &'static str {
    let mut advice = fcm::ADVICE.iter();
    advice.find(|advice| advice.reason == reason).unwrap().cure
}

#[test]
fn a_thread_may_begin_for_what_is_let_go_while_the_route_is_replaced() {
    let ((lane, present), now) = (android(), Moment::now());
    let room = lane.room().reserve(1).unwrap();
    lane.enqueue(room, fixture::pushes(1, 1, now));
    let mut hand = VecDeque::new();
    assert!(lane.take(&mut hand));
    let push = hand.remove(0).unwrap();
    let (_, route_of_old) = present.current();
    let refusal = refusal((LaneId::IOS, "X"), "", &route_of_old, EndsWith::Probe, now);
    let connection = ConnectionId::new(1);
    let witness = Witness {
        push: Some((push.id(), Target::of(push.token()))),
        connection,
        is_discredited: false,
        others_decide: true,
    };
    let suspect = Suspect { push, met: None };
    lane.refuse(refusal, 0, Some(witness), Some(suspect), now, 0);
    let (of_thread, began) = (Arc::clone(&present), Arc::<AtomicUsize>::default());
    let noted = Arc::clone(&began);
    lane.crew().on_start(Box::new(move |_| {
        let may_ask = of_thread.present.try_lock().is_ok();
        noted.fetch_add(usize::from(may_ask), Ordering::Relaxed);
        true
    }));
    present.replace(route(), now);
    assert_eq!(began.load(Ordering::Relaxed), 1);
}

/// The credential was refused to a push to that target, on a connection of its own.
fn refuse(lane: &Lane, present: &PresentRoute, target: &str, now: Moment) {
    let (generation, route) = present.current();
    let of_lane = refusal((lane.id(), "X"), "", &route, EndsWith::Probe, now);
    let number: u32 = target.parse().unwrap();
    let witness = Witness {
        push: Some((PushId(number.into()), Target::to(target))),
        connection: ConnectionId::new(number),
        is_discredited: false,
        others_decide: false,
    };
    lane.refuse(of_lane, generation, Some(witness), None, now, 0);
    lane.judge(false, now.monotonic, 0);
}

#[test]
fn the_other_credential_has_its_turn_while_the_lane_is_held_for_all() {
    let (now, lane) = (Moment::now(), Lane::new(LaneId::IOS, 10, 1));
    let named = |name: &str| Route {
        credential_name: name.to_owned(),
        ..idle_route()
    };
    let present = PresentRoute::new(&lane, named("old"));
    present.try_out(named("new"), false, now);
    let in_use = || present.current().1.credential_name.clone();
    present.turn(now);
    assert_eq!(in_use(), "old", "it is not refused");
    let (number, _) = present.claim(0, now).unwrap();
    present.candidate_failed(number, Some("InvalidProviderToken"), "", now);
    refuse(&lane, &present, "1", now);
    assert!(lane.holding().is_judged());
    present.turn(now);
    assert_eq!(
        in_use(),
        "old",
        "one push is no reason for one that is refused too"
    );
    refuse(&lane, &present, "2", now);
    let probes_at = lane.holding().next_reading();
    present.turn(now);
    assert_eq!(
        (in_use(), present.shown().old),
        ("new".to_owned(), Some("old".to_owned()))
    );
    assert_eq!(lane.holding().next_reading(), probes_at, "its probe waits");
    present.turn(now);
    let shown = present.shown();
    assert_eq!(
        (in_use(), shown.new),
        ("old".to_owned(), Some("new".to_owned()))
    );
    assert_eq!(shown.refusal.as_deref(), Some("InvalidProviderToken"));
    // New content of the file is used at once, beside the old one; which goes when a push of the
    // configured topic is taken.
    present.renew(named("newer"), now);
    let (number, _) = present.current();
    assert_eq!(
        (in_use(), present.shown().old),
        ("newer".to_owned(), Some("old".to_owned()))
    );
    present.proved(number, Proof::Credential);
    assert!(
        present.shown().old.is_some(),
        "it may be for that topic alone"
    );
    present.proved(number, Proof::Topic);
    assert!(!present.has_candidate());
}
