//! Lanes that are held, and routes that are replaced, before a provider that a test plays.

use super::*;
use crate::http2::StreamId;
use crate::lane::Hold;
use crate::moment::Moment;

/// Waits until the lane's credential was refused, and in vain so many times since.
fn held(running: &Running, probes: u32) {
    let until = Instant::now() + AMPLE;
    let is_held = || {
        let holds = running.lane.holding().holds();
        matches!(&holds[..], [Hold::Credential { probes: so_far, .. }] if *so_far == probes)
    };
    while !is_held() {
        assert!(
            Instant::now() < until,
            "{:?}",
            running.lane.holding().holds()
        );
        thread::yield_now();
    }
}

/// The credential files have been read: a probe may go.
fn read(running: &Running) {
    let due = running.lane.holding().next_reading().unwrap();
    assert!(running.lane.holding().begin_reading(due));
    running.lane.credential_read(Instant::now(), 0);
}

#[test]
fn a_refused_credential_holds_the_lane_keeps_its_pushes_and_is_probed_one_by_one() {
    let running = Running::start(1, 100);
    enqueue(&running.lane, 3);
    let first = running.provider.connection();
    let forbidden = r#"{"reason":"Forbidden"}"#;
    // All of them before the first answer, which holds the others back.
    for stream in [(); 3].map(|()| first.request()) {
        first.order(Order::Answer(stream, 403, forbidden));
    }
    held(&running, 0);
    first.ends();
    assert_eq!(running.lane.room().outstanding(), 3);
    for probes in 1..=3 {
        assert!(running.provider.has_no_more());
        read(&running);
        let connection = running.provider.connection();
        let probe = connection.request();
        let none = connection.requests.recv_timeout(Duration::from_millis(100));
        assert!(none.is_err(), "a second push beside the probe");
        connection.order(Order::Answer(probe, 403, forbidden));
        held(&running, probes);
        connection.ends();
    }
    read(&running);
    let last = running.provider.connection();
    for _ in 0..3 {
        last.order(Order::Answer(last.request(), 200, ""));
    }
    assert_eq!(running.settled(), (3, 0), "however often they were refused");
    assert!(running.lane.holding().holds().is_empty());
}

#[test]
fn a_probe_by_which_nothing_is_learnt_is_waited_for_like_one_that_is_refused() {
    let faults: [fn(StreamId) -> Order; 3] = [|_| Order::Drop, Order::Refuse, |_| Order::GoAway(0)];
    for fault in faults {
        let running = Running::start(1, 100);
        enqueue(&running.lane, 2);
        let first = running.provider.connection();
        for stream in [first.request(), first.request()] {
            first.order(Order::Answer(stream, 403, r#"{"reason":"Forbidden"}"#));
        }
        held(&running, 0);
        first.ends();
        for probes in 1..=2 {
            read(&running);
            let connection = running.provider.connection();
            connection.order(fault(connection.request()));
            held(&running, probes);
            connection.ends();
            assert!(running.provider.has_no_more(), "the next one waits");
        }
        read(&running);
        let last = running.provider.connection();
        for _ in 0..2 {
            last.order(Order::Answer(last.request(), 200, ""));
        }
        assert_eq!(running.settled(), (2, 0));
    }
}

#[test]
fn a_probe_that_a_provider_out_of_order_answers_opens_nothing() {
    let running = Running::start(1, 100);
    enqueue(&running.lane, 2);
    let first = running.provider.connection();
    for stream in [first.request(), first.request()] {
        first.order(Order::Answer(stream, 403, r#"{"reason":"Forbidden"}"#));
    }
    held(&running, 0);
    first.ends();
    read(&running);
    let connection = running.provider.connection();
    connection.order(Order::Answer(connection.request(), 500, ""));
    held(&running, 1);
    connection.ends();
    read(&running);
    let last = running.provider.connection();
    last.order(Order::Answer(last.request(), 200, ""));
    let until = Instant::now() + AMPLE;
    while !running.lane.holding().holds().is_empty() {
        assert!(
            Instant::now() < until,
            "{:?}",
            running.lane.holding().holds()
        );
        thread::yield_now();
    }
}

#[test]
fn a_certificate_refused_by_goaway_costs_no_push_an_attempt_however_often() {
    let running = Running::start(1, 100);
    running.lane.set_stream_limit(1);
    enqueue(&running.lane, 2);
    let refused = || {
        let connection = running.provider.connection();
        connection.request();
        connection.order(Order::GoAwayFor(r#"{"reason":"BadCertificate"}"#));
    };
    refused();
    for probes in 0..10 {
        refused();
        held(&running, probes);
        read(&running);
    }
    let last = running.provider.connection();
    for _ in 0..2 {
        last.order(Order::Answer(last.request(), 200, ""));
    }
    assert_eq!(running.settled(), (2, 0));
}

#[test]
fn a_refused_auth_token_is_tried_once_on_a_fresh_connection_before_it_holds() {
    let running = Running::start(1, 100);
    let refused = r#"{"reason":"InvalidProviderToken"}"#;
    for last in [200, 403] {
        enqueue(&running.lane, 1);
        let first = running.provider.connection();
        first.order(Order::Answer(first.request(), 403, refused));
        let second = running.provider.connection();
        second.order(Order::Answer(second.request(), last, refused));
        if last == 200 {
            assert_eq!(running.settled(), (1, 0));
            assert!(running.lane.holding().holds().is_empty());
            second.order(Order::Drop);
        }
    }
    held(&running, 0);
    assert_eq!(running.lane.room().outstanding(), 1);
    assert_eq!(running.lane.stats().figures().push_error, 0);
}

#[test]
fn refusals_of_many_device_tokens_hold_nothing() {
    let running = Running::start(1, 100);
    enqueue(&running.lane, 20);
    let connection = running.provider.connection();
    for _ in 0..20 {
        let stream = connection.request();
        let body = r#"{"reason":"DeviceTokenNotForTopic"}"#;
        connection.order(Order::Answer(stream, 400, body));
    }
    assert_eq!(running.settled(), (0, 20));
    assert!(running.lane.holding().holds().is_empty());
}

#[test]
fn a_lane_paused_by_hand_sends_nothing_until_it_is_resumed() {
    let running = Running::start(2, 100);
    enqueue(&running.lane, 1);
    let connection = running.provider.connection();
    let in_flight = connection.request();
    assert!(running.lane.holding().pause(Moment::now()));
    enqueue(&running.lane, 5);
    let none = connection.requests.recv_timeout(Duration::from_millis(100));
    assert!(none.is_err() && running.provider.has_no_more());
    // What is in flight finishes.
    connection.order(Order::Answer(in_flight, 200, ""));
    assert!(running.lane.resume());
    for _ in 0..5 {
        connection.order(Order::Answer(connection.request(), 200, ""));
    }
    assert_eq!(running.settled(), (6, 0));
}

#[test]
fn what_expires_while_the_lane_is_held_is_settled() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let worker = worker(&lane);
    let mut notification = Notification::empty(LaneId::IOS);
    notification.expiry = 1;
    let at = Moment::now();
    let built = built(&mut notification, at);
    let accepted = Arc::new(accept(
        &notification,
        &built,
        [DeviceToken::new("ab")],
        PushId(1),
        Moment {
            monotonic: at.monotonic.checked_sub(Duration::from_secs(2)).unwrap(),
            ..at
        },
    ));
    lane.holding().pause(at);
    lane.enqueue(
        lane.room().reserve(1).unwrap(),
        Push::all(&accepted).collect(),
    );
    let running = thread::spawn(move || worker.run());
    while lane.room().outstanding() > 0 && at.monotonic.elapsed() < AMPLE {
        thread::yield_now();
    }
    lane.stop();
    running.join().unwrap();
    assert_eq!(lane.room().outstanding(), 0);
    assert_eq!(lane.stats().figures().push_error, 1);
}

#[test]
fn a_route_that_is_replaced_leaves_what_is_in_flight_to_the_old_one() {
    // With a second thread there may be a second connection by then.
    let running = Running::start(1, 100);
    enqueue(&running.lane, 2);
    let old = running.provider.connection();
    let in_flight = [old.request(), old.request()];
    let other = Provider::start(100);
    running.route.replace(route_to(&other), Moment::now());
    enqueue(&running.lane, 3);
    let new = other.connection();
    for _ in 0..3 {
        new.order(Order::Answer(new.request(), 200, ""));
    }
    for stream in in_flight {
        old.order(Order::Answer(stream, 200, ""));
    }
    assert_eq!(running.settled(), (5, 0));
    assert!(running.provider.has_no_more());
    // With its last answer the old connection ends.
    let ended = old.requests.recv_timeout(AMPLE);
    assert!(ended.is_err());
}

#[test]
fn a_route_is_replaced_again_and_again_under_load_and_no_push_fails() {
    const PUSHES: usize = 900;
    let running = Running::start(2, 20);
    let mut providers = vec![Provider::start(20), Provider::start(20)];
    enqueue(&running.lane, PUSHES);
    let mut connections = vec![running.provider.connection()];
    let until = Instant::now() + AMPLE;
    let mut answered = 0;
    while answered < PUSHES {
        assert!(Instant::now() < until, "{answered} answered");
        let mut waiting = false;
        for connection in &connections {
            while let Ok(stream) = connection.requests.try_recv() {
                // An old connection may have gone with its last answer.
                let _gone = connection.orders.send(Order::Answer(stream, 200, ""));
                answered += 1;
                waiting = true;
                if answered % 100 == 0 {
                    let next = providers.remove(0);
                    running.route.replace(route_to(&next), Moment::now());
                    providers.push(next);
                }
            }
        }
        for provider in providers.iter().chain([&running.provider]) {
            connections.extend(provider.try_connection());
        }
        if !waiting {
            thread::yield_now();
        }
    }
    assert_eq!(running.settled(), (PUSHES as u64, 0));
    assert!(connections.len() > 3, "{} connections", connections.len());
}

#[test]
fn what_the_old_credential_is_told_after_it_was_replaced_holds_nothing() {
    let running = Running::start(1, 100);
    enqueue(&running.lane, 1);
    let old = running.provider.connection();
    let stream = old.request();
    let other = Provider::start(100);
    running.route.replace(route_to(&other), Moment::now());
    old.order(Order::Answer(stream, 403, r#"{"reason":"Forbidden"}"#));
    let new = other.connection();
    new.order(Order::Answer(new.request(), 200, ""));
    assert_eq!(running.settled(), (1, 0));
    assert!(running.lane.holding().holds().is_empty());
}

fn route_to(provider: &Provider) -> Route {
    Route {
        endpoint: provider.endpoint.clone(),
        timeout: AMPLE,
        idle_timeout: AMPLE,
        ..route_to_nowhere()
    }
}
