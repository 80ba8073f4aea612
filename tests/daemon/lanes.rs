//! A lane in the operator's hands: paused, resumed, purged of what waits, held to a rate and to its
//! memory.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{each, fcm_token, hex_token, wait_until};

const IOS: u64 = 1;
const ANDROID: u64 = 2;

#[test]
fn a_paused_lane_finishes_what_is_in_flight_and_keeps_the_rest() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(300);
    });
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start_with(&["-q", "60"]);
    // APNs opens its streams after the first answer.
    let mut sent = daemon.push(&one(IOS, "", [hex_token(0)])).accepted_ids();
    daemon.wait_idle();
    sent.extend(
        daemon
            .push(&one(IOS, "", (1..11).map(hex_token)))
            .accepted_ids(),
    );
    wait_until("ten to be in flight", || {
        daemon.stat().number("/pusher_count") == 10
    });
    assert_eq!(order(&daemon, "ios", "pause"), "paused");
    assert_eq!(order(&daemon, "ios", "pause"), "paused", "again");
    wait_until("those to be answered", || {
        daemon.stat().number("/ios/push_success") == 11
    });

    sent.extend(
        daemon
            .push(&one(IOS, "", (11..71).map(hex_token)))
            .accepted_ids(),
    );
    let refused = daemon.push(&one(IOS, "", (99..109).map(hex_token)));
    assert_eq!(refused.status, 503, "the queue is full");
    // The other lane goes on; by the time it is done, this one would have sent something.
    sent.extend(
        daemon
            .push(&one(ANDROID, "", (0..20).map(fcm_token)))
            .accepted_ids(),
    );
    wait_until("the other lane to be done", || {
        daemon.stat().number("/android/push_success") == 20
    });
    assert_eq!(simulated.notes().len(), 11 + 20);
    assert_eq!(daemon.stat().number("/queue_usage"), 60);
    let health = daemon.request("GET", "/healthz", b"");
    assert_eq!(health.status, 200, "it takes pushes");
    let lanes = &health.json()["lanes"];
    assert_eq!(lanes["ios"]["state"], "paused");
    assert!(lanes["ios"]["since"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(lanes["android"], json!({"state": "open"}));

    assert_eq!(order(&daemon, "ios", "resume"), "open");
    daemon.settle();
    let log = site.access_log();
    sent.sort_unstable();
    check_same(&ids(&log, "succeeded-push"), &sent);
    assert!(site.error_log().is_empty());
    let told = site.operator_log();
    for line in ["ios: paused by hand", "ios: resumed by hand"] {
        assert_eq!(told.matches(line).count(), 1, "{told}");
    }
}

#[test]
fn a_paused_lane_ends_with_the_daemon() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 0);
    let daemon = site.start();
    assert_eq!(order(&daemon, "android", "pause"), "paused");
    let accepted = daemon.push(&one(ANDROID, "", (0..5).map(fcm_token)));
    assert_eq!(daemon.terminate(), 0, "the journal has them");
    assert!(simulated.notes().is_empty());
    // The next one knows nothing of the pause.
    let daemon = site.start();
    let health = daemon.request("GET", "/healthz", b"").json();
    assert_eq!(health["lanes"]["android"]["state"], "open");
    // It may still be reading its journal.
    let sent = || ids(&site.access_log(), "succeeded-push");
    wait_until("five to be sent", || sent().len() >= 5);
    daemon.settle();
    let sent = sent();
    check_same(&sent, &accepted.accepted_ids());
}

#[test]
fn what_was_purged_does_not_come_back_with_the_next_start() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 0);
    let daemon = site.start();
    assert_eq!(order(&daemon, "android", "pause"), "paused");
    let purged = daemon.push(&one(ANDROID, "wrong", (0..5).map(fcm_token)));
    let kept = daemon.push(&one(ANDROID, "right", (5..10).map(fcm_token)));
    let reply = daemon.request("DELETE", "/pushes?identifier=wrong", b"");
    assert_eq!(reply.json()["purged"], 5);
    let first = purged.accepted_ids()[0];
    let state = daemon.request("GET", &format!("/push/{first}"), b"").json();
    assert_eq!(state["reason"], "purged", "{state}");
    assert_eq!(daemon.terminate(), 0);
    let daemon = site.start();
    // It may still be reading its journal.
    let sent = || ids(&site.access_log(), "succeeded-push");
    wait_until("five to be sent", || sent().len() >= 5);
    daemon.settle();
    let sent = sent();
    check_same(&sent, &kept.accepted_ids());
    let failed = ids(&site.error_log(), "failed-push");
    check_same(&failed, &purged.accepted_ids());
}

#[test]
fn purging_settles_what_waits_under_that_name_and_nothing_else() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with("core.shutdown_timeout", 0)
        .with("ios.timeout", 600);
    let daemon = site.start_with(&["-q", "100"]);
    let push = |platform, identifier: &str, tokens: Vec<String>| {
        let reply = daemon.push(&one(platform, identifier, tokens));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.accepted_ids()
    };
    push(IOS, "spring sale", vec![hex_token(1)]);
    daemon.wait_idle();
    // In flight for good, and on the shelf.
    let silent = push(IOS, "spring sale", vec!["0bad000001".to_owned()]);
    let shelved = (0..10).map(|number| format!("0bad5030{number:02}"));
    let shelved = push(IOS, "spring sale", shelved.collect());
    wait_until("them to be answered", || {
        simulated.notes().len() >= 12 && daemon.stat().number("/pusher_count") == 1
    });
    order(&daemon, "ios", "pause");
    order(&daemon, "android", "pause");
    wait_until("the lanes to be at rest", || {
        daemon.stat().number("/pusher_count") == 1
    });
    let queued = push(IOS, "spring sale", (10..30).map(hex_token).collect());
    let android = push(ANDROID, "spring sale", (0..5).map(fcm_token).collect());
    let others = push(ANDROID, "spring", (10..15).map(fcm_token).collect());
    let nameless = push(ANDROID, "", (20..25).map(fcm_token).collect());

    let purge = |query: &str| {
        let reply = daemon.request("DELETE", &format!("/pushes?{query}"), b"");
        (reply.status, reply.json()["purged"].as_u64())
    };
    assert_eq!(purge("identifier="), (400, None));
    assert_eq!(purge("identifier=sale"), (200, Some(0)));
    assert_eq!(purge("identifier=spring+sale"), (200, Some(35)));
    assert_eq!(purge("identifier=spring%20sale"), (200, Some(0)));
    let stat = daemon.stat();
    assert_eq!(stat.number("/queue_usage"), 1 + 10, "room is given back");
    assert_eq!(stat.number("/ios/push_error"), 30);
    assert_eq!(stat.number("/android/push_error"), 5);

    order(&daemon, "android", "resume");
    wait_until("the rest to be sent", || {
        daemon.stat().number("/android/push_success") == 10
    });
    assert_eq!(daemon.terminate(), 75);
    let mut sent = [others, nameless].concat();
    sent.sort_unstable();
    let succeeded = ids(&site.access_log(), "succeeded-push");
    check_same(&succeeded[1..], &sent);
    let log = site.error_log();
    let mut failed = [&shelved, &queued, &android, &silent]
        .map(Vec::as_slice)
        .concat();
    failed.sort_unstable();
    check_same(&ids(&log, "failed-push"), &failed);
    for line in &log {
        let is_silent = silent.contains(&line.id());
        let reason = if is_silent { "shutdown" } else { "purged" };
        assert_eq!(line.text_of("reason"), reason, "{}", line.text);
        assert_eq!(line.text_of("identifier"), "spring sale");
        let attempts = u64::from(shelved.contains(&line.id()));
        if !is_silent {
            assert!(line.number("attempt").unwrap() >= attempts, "{}", line.text);
        }
    }
}

/// The first two seconds of the ramp to 400 pushes per second have 92 of them.
#[test]
fn a_rate_holds_from_the_first_push_on() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("ios.rate", 400);
    let daemon = site.start();
    let begun = Instant::now();
    let accepted = daemon.push(&one(IOS, "", (0..100).map(hex_token)));
    // The other lane does not wait for it.
    let android = daemon.push(&one(ANDROID, "", (0..100).map(fcm_token)));
    daemon.wait_idle();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    daemon.settle();
    let mut sent = [accepted.accepted_ids(), android.accepted_ids()].concat();
    sent.sort_unstable();
    check_same(&ids(&site.access_log(), "succeeded-push"), &sent);
    let notes = simulated.notes();
    assert_eq!(notes.len(), 200, "each was sent once");
}

/// A simulator that answers every push so, and asks for that wait.
fn refusing(reason: &str, asked: Duration) -> Simulated {
    Simulated::with(|options| {
        options.faults.failures = format!("{reason}=100").parse().unwrap();
        options.faults.retry_after = Some(asked.as_secs().to_string().parse().unwrap());
    })
}

/// When the requests for that device came.
fn times(simulated: &Simulated, token: &str) -> Vec<Instant> {
    let notes = simulated.notes().into_iter();
    let of_it = notes.filter(|note| note.device_token == token);
    of_it.map(|note| note.at).collect()
}

/// The state of a lane.
fn state(daemon: &Daemon) -> Value {
    daemon.request("GET", "/stat/app", b"").json()["lanes"]["ios"].take()
}

fn await_times(simulated: &Simulated, token: &str, number: usize) -> Vec<Instant> {
    wait_until("the request to come", || {
        times(simulated, token).len() >= number
    });
    times(simulated, token)
}

#[test]
fn a_restart_undercuts_no_retry_after() {
    const ASKED: Duration = Duration::from_secs(4);
    each(&["TERM", "KILL"], |name| {
        let simulated = refusing("TooManyRequests", ASKED);
        let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 0);
        let daemon = site.start();
        daemon.push(&one(IOS, "", [hex_token(1)]));
        wait_until("it to be on the shelf", || {
            site.operator_log().contains("TooManyRequests")
        });
        // What is answered is in the journal, and so is what was noted before.
        assert_eq!(daemon.push(&one(IOS, "", [hex_token(2)])).status, 200);
        daemon.signal(name);
        wait_until("its end", || daemon.ended().is_some());
        let daemon = site.start();
        // It concerns that push only.
        daemon.push(&one(IOS, "", [hex_token(3)]));
        let fresh = await_times(&simulated, &hex_token(3), 1);
        let tried = await_times(&simulated, &hex_token(1), 2);
        assert!(tried[1] - tried[0] >= ASKED, "{name}: {tried:?}");
        assert!(fresh[0] < tried[1], "{name}");
    });
}

#[test]
fn a_lane_that_its_provider_refuses_rests_as_long_as_it_is_asked_to_over_a_restart_too() {
    const ASKED: Duration = Duration::from_secs(2);
    let simulated = refusing("ServiceUnavailable", ASKED);
    let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 600);
    let daemon = site.start();
    // What one is told is its own.
    daemon.push(&one(IOS, "", [hex_token(0)]));
    await_times(&simulated, &hex_token(0), 1);
    daemon.push(&one(IOS, "", [hex_token(1)]));
    wait_until("the lane to rest", || state(&daemon)["state"] == "resting");
    let resting = state(&daemon);
    let left = resting["seconds_left"].as_u64().unwrap();
    assert!((1..=ASKED.as_secs()).contains(&left), "{resting}");
    assert_eq!(resting["reason"], "503 ServiceUnavailable");
    daemon.push(&one(IOS, "", [hex_token(2)]));
    let begun = await_times(&simulated, &hex_token(1), 1)[0];
    let first = await_times(&simulated, &hex_token(2), 1)[0];
    assert!(first - begun >= ASKED, "{:?}", first - begun);

    wait_until("the lane to rest again", || {
        state(&daemon)["state"] == "resting"
    });
    daemon.push(&one(IOS, "", [hex_token(3)]));
    let before = Instant::now();
    assert_eq!(daemon.terminate(), 0);
    assert!(
        before.elapsed() < Duration::from_secs(60),
        "it waits for nothing"
    );
    let log = site.operator_log();
    let told = log
        .matches("refuses whatever comes and asks to wait (503 ServiceUnavailable")
        .count();
    assert!(
        (1..=3).contains(&told),
        "once for each time asked for: {log}"
    );
    let daemon = site.start();
    let fresh = await_times(&simulated, &hex_token(3), 1)[0];
    let last = times(&simulated, &hex_token(1)).into_iter();
    let last = last.chain(times(&simulated, &hex_token(2)));
    let last = last.filter(|at| *at < before).max().unwrap();
    assert!(fresh - last >= ASKED, "{:?}", fresh - last);
    drop(daemon);
}

/// sterna-limits(7): the queue is full of pushes with a notification each, and three times as many
/// are offered by many callers at once.
#[test]
fn memory_stays_within_the_formula_whatever_is_offered() {
    const QUEUE: u64 = 10_000;
    const CALLERS: u64 = 16;
    const TEXT: usize = 1_000;
    const BODY_MAX: u64 = 128 << 10;
    let site = Site::unreachable()
        .with("core.max_body_bytes", BODY_MAX)
        .with("core.shutdown_timeout", 0)
        .with_text("log.access_log", "discard");
    let daemon = site.start_with(&["-q", &QUEUE.to_string()]);
    let body = |from: u64| {
        let message = "m".repeat(TEXT);
        let notifications: Vec<Value> = (from..from + 100)
            .map(
                |number| json!({"platform": IOS, "token": [hex_token(number)], "message": message}),
            )
            .collect();
        json!({"notifications": notifications}).to_string()
    };
    let resident = || {
        let reply = daemon.request("GET", "/stat/runtime", b"");
        reply.json()["memory_resident_bytes"].as_u64().unwrap()
    };
    let before = resident();
    let (taken, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (daemon, taken, refused) = (&daemon, &taken, &refused);
            scope.spawn(move || {
                let mut client = daemon.client();
                for request in 0..=3 * QUEUE / 100 / CALLERS {
                    let from = (request * CALLERS + caller) * 100;
                    let reply = client.request("POST", "/push", body(from).as_bytes());
                    match reply.status {
                        200 => taken.fetch_add(100, Ordering::Relaxed),
                        503 => refused.fetch_add(100, Ordering::Relaxed),
                        other => panic!("{other}: {}", reply.text()),
                    };
                    if reply.text().contains("too many large requests") {
                        client = daemon.client();
                    }
                }
            });
        }
    });
    // What was refused for its size at a bad moment may fit yet.
    while daemon.stat().number("/queue_usage") < QUEUE {
        let reply = daemon.request("POST", "/push", body(1_000_000).as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert!(refused.into_inner() >= QUEUE && taken.into_inner() <= QUEUE);
    let (resident, thread) = (resident(), 3 << 20);
    let callers = CALLERS * (200 << 10) + 5 * 6 * BODY_MAX;
    // The text is in the payload, which has less than 40 bytes beside it, and nowhere else.
    let push = 20 + 32 + 400 + (TEXT as u64 + 40) + 70;
    let allowed = (48 << 20) + 2 * 2 * thread + callers + QUEUE * push;
    assert!(resident <= allowed, "{resident} of {allowed}");
    // The threads of the one lane have begun since then, and those that answer have done something
    // for the first time.
    let (grown, allowed) = (
        resident - before,
        2 * thread + 16 * (200 << 10) + callers + QUEUE * push,
    );
    assert!(grown <= allowed, "{grown} of {allowed}");
    let least = QUEUE * TEXT as u64;
    assert!(grown > least, "{grown}: less than what waits");
    assert_eq!(daemon.terminate(), 0);
}

/// What a provider allows on one connection is little where its answers take long.
#[test]
fn connections_follow_the_load_where_answers_take_long() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(500);
        options.faults.streams = Some(20);
    });
    let cpus = thread::available_parallelism().unwrap().get().max(2);
    let workers = cpus + 3;
    let site = Site::simulated(&simulated.simulator)
        .with("core.workers", workers)
        .with("android.rate", 0);
    let daemon = site.start();
    let tokens: Vec<_> = (0..2_000).map(fcm_token).collect();
    for tokens in tokens.chunks(500) {
        let reply = daemon.push(&one(ANDROID, "", tokens.iter().cloned()));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let all = format!("sterna_connections {workers}\n");
    wait_until("all connections to be open", || {
        daemon.request("GET", "/metrics", b"").text().contains(&all)
    });
    assert_eq!(daemon.terminate(), 0);
}

/// Gives a lane an order; its state then.
fn order(daemon: &Daemon, lane: &str, order: &str) -> String {
    let reply = daemon.request("PUT", &format!("/lanes/{lane}/{order}"), b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["state"].as_str().unwrap().to_owned()
}

/// One notification of that name to those devices.
fn one(platform: u64, identifier: &str, tokens: impl IntoIterator<Item = String>) -> Value {
    let tokens: Vec<String> = tokens.into_iter().collect();
    json!({"notifications": [{
        "platform": platform, "token": tokens, "message": "m", "identifier": identifier,
    }]})
}
