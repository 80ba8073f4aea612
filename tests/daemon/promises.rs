//! Promises to the operator that no other test holds the daemon to: lanes that do not wait for each
//! other, pushers that change at once, warnings that do not repeat, logs that cannot be written.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{io, thread};

use serde_json::{Value, json};

use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token, wait_until};

const IOS: u64 = 1;
const ANDROID: u64 = 2;

/// A connection thread looks at its lane this often without being told to.
const WAKES_EVERY: Duration = Duration::from_secs(10);

#[test]
fn a_provider_that_is_silent_holds_up_only_its_own_pushes() {
    let silent_ios = |number| format!("0bad0000{number:02}");
    let silent_android = |number| format!("silent-{number}");
    check_lanes(
        (ANDROID, "android", silent_android),
        (IOS, "ios", hex_token),
    );
    check_lanes((IOS, "ios", silent_ios), (ANDROID, "android", fcm_token));
}

/// A platform, its name, and its device tokens.
type Side = (u64, &'static str, fn(u64) -> String);

/// One provider takes ten pushes and never answers: its lane is full.
fn check_lanes((slow, slow_name, silent): Side, (fast, fast_name, good): Side) {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with("ios.timeout", 600)
        .with("android.timeout", 600)
        .with("core.bulk_from", 1)
        .with("core.shutdown_timeout", 0);
    let daemon = site.start_with(&["-q", "10"]);
    let stuck = daemon.push(&one(slow, (0..10).map(silent)));
    assert_eq!(stuck.status, 200);
    wait_until("some to be sent in vain", || !simulated.notes().is_empty());

    let mut sent = Vec::new();
    let succeeded = format!("/{fast_name}/push_success");
    for round in 0..3 {
        let refused = daemon.push(&one(slow, [silent(99)]));
        let text =
            format!("{slow_name} queue is full: 1 push does not fit, it has room for 0 of 10");
        assert_eq!((refused.status, refused.message()), (503, text));
        let tokens = (round * 10..round * 10 + 10).map(good);
        let taken = daemon.push(&one(fast, tokens));
        assert_eq!(taken.status, 200, "{}", taken.text());
        sent.extend(taken.accepted_ids());
        wait_until("the other provider's pushes to be settled", || {
            daemon.stat().number(&succeeded) == sent.len() as u64
        });
    }
    assert_eq!(daemon.stat().number("/queue_usage"), 10);
    assert_eq!(daemon.terminate(), 75);
    check_same(&ids(&site.access_log(), "succeeded-push"), &sent);
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &stuck.accepted_ids());
    assert!(log.iter().all(|line| line.text_of("reason") == "shutdown"));
}

/// Nothing arrives on the connection that could remind the daemon of the new number.
#[test]
fn more_pushers_take_effect_on_a_connection_that_is_quiet() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with("core.workers", 1)
        .with("core.pusher_max", 2)
        .with("core.bulk_from", 1000)
        .with("core.shutdown_timeout", 0)
        .with("ios.timeout", 600);
    let daemon = site.start();
    // APNs opens its streams after the first answer.
    assert_eq!(daemon.push(&one(IOS, [hex_token(1)])).status, 200);
    daemon.wait_idle();
    let silent = (0..10).map(|number| format!("0bad0000{number:02}"));
    assert_eq!(daemon.push(&one(IOS, silent)).status, 200);
    let wait_for_streams = |streams| {
        wait_until("all of them to be in flight", || {
            daemon.stat().number("/pusher_count") == streams
        });
    };
    wait_for_streams(2);
    let begun = Instant::now();
    for (max, streams) in [(5, 5), (20, 10)] {
        let target = format!("/config/pushers?max={max}");
        assert_eq!(daemon.request("PUT", &target, b"").status, 200);
        wait_for_streams(streams);
    }
    let took = begun.elapsed();
    assert!(took < WAKES_EVERY / 2, "not at once: {took:?}");
    wait_until("each to arrive", || simulated.notes().len() >= 11);
    assert!(!site.operator_log().contains("ended after"));
    assert_eq!(daemon.terminate(), 75);
    assert_eq!(simulated.notes().len(), 11, "each was sent once");
}

#[test]
fn fewer_pushers_take_effect_without_losing_what_is_in_flight() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(250);
    });
    let site = Site::simulated(&simulated.simulator)
        .with("core.workers", 1)
        .with("core.pusher_max", 10)
        .with("core.bulk_from", 1000);
    let daemon = site.start();
    let in_flight = || daemon.stat().number("/pusher_count");
    let put = |max: u64| {
        let target = format!("/config/pushers?max={max}");
        assert_eq!(daemon.request("PUT", &target, b"").status, 200);
    };
    let reply = daemon.push(&one(IOS, (0..200).map(hex_token)));
    wait_until("ten to be in flight", || in_flight() == 10);
    put(1);
    wait_until("those to be answered", || in_flight() <= 1);
    let before = daemon.stat().number("/ios/push_success");
    wait_until("four more to be answered", || {
        let stat = daemon.stat();
        assert!(stat.number("/pusher_count") <= 1, "{stat:?}");
        stat.number("/ios/push_success") >= before + 4
    });
    put(100);
    wait_until("many to be in flight", || in_flight() >= 50);
    assert!(!site.operator_log().contains("ended after"));
    daemon.settle();
    let log = site.access_log();
    check_same(&ids(&log, "succeeded-push"), &reply.accepted_ids());
    let counts = simulated.counts();
    assert_eq!((counts.received, counts.accepted), (200, 200));
}

#[test]
fn delay_while_idle_is_taken_and_warned_of_once() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let mut accepted = Vec::new();
    for round in 0..3 {
        let notifications: Vec<Value> = (0..20)
            .map(|number| {
                json!({
                    "platform": ANDROID, "token": [fcm_token(round * 20 + number)],
                    "message": "m", "delay_while_idle": true,
                })
            })
            .collect();
        let reply = daemon.push(&json!({"notifications": notifications}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        accepted.extend(reply.accepted_ids());
    }
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    let told = site.operator_log();
    let warnings: Vec<_> = told
        .lines()
        .filter(|line| line.contains("delay_while_idle"))
        .collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("[WARN]"),
        "{warnings:?}"
    );
    let sent = simulated.notes();
    assert_eq!(sent.len(), 60);
    assert!(sent.iter().all(|note| !note.body.contains("idle")));
}

#[test]
fn a_badge_that_is_absent_stays_absent_unless_the_site_wants_gauruns_zero() {
    for predecessor in ["", "gaurun"] {
        let simulated = Simulated::start();
        let site = Site::simulated(&simulated.simulator);
        let site = site.with_text("core.compatible_with", predecessor);
        let daemon = site.start();
        let body = json!({"notifications": [
            {"platform": IOS, "token": ["aa01"], "message": "m"},
            {"platform": IOS, "token": ["aa02"], "message": "m", "badge": 0},
            {"platform": IOS, "token": ["aa03"], "message": "m", "badge": 7},
            {"platform": IOS, "token": ["aa04"], "message": "m", "push_type": "background",
             "content_available": true},
        ]});
        assert_eq!(daemon.push(&body).accepted_ids().len(), 4);
        daemon.settle();
        assert!(site.error_log().is_empty(), "{:?}", site.error_log());
        let absent = (predecessor == "gaurun").then_some(0);
        let notes = simulated.notes();
        for (token, badge, push_type, priority) in [
            ("aa01", absent, "alert", None),
            ("aa02", Some(0), "alert", None),
            ("aa03", Some(7), "alert", None),
            ("aa04", absent, "background", Some("5")),
        ] {
            let mut of_token = notes.iter().filter(|note| note.device_token == token);
            let note = of_token.next().unwrap();
            let payload: Value = serde_json::from_str(&note.body).unwrap();
            let sent = payload["aps"].get("badge").and_then(Value::as_u64);
            assert_eq!(sent, badge, "{note:?}");
            let header = |name| note.headers.get(name).map(String::as_str);
            assert_eq!(header("apns-push-type"), Some(push_type), "{note:?}");
            assert_eq!(header("apns-priority"), priority, "{note:?}");
        }
    }
}

#[test]
fn the_second_access_token_that_is_refused_for_a_push_holds_the_lane() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let accepted = daemon.push(&one(ANDROID, ["expired-1".to_owned()]));
    assert_eq!(accepted.status, 200);
    wait_until("the lane to be held", || {
        site.operator_log().contains("the lane is held")
    });
    let notes = simulated.notes();
    let tries = notes.iter().filter(|note| note.device_token == "expired-1");
    assert_eq!(tries.count(), 2, "one with each access token");
    assert_eq!(daemon.stat().number("/queue_usage"), 1, "it is kept");
    assert_eq!(daemon.terminate(), 75);
    let log = site.error_log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0].text_of("reason"), "shutdown");
    let told = site.operator_log();
    let alarms: Vec<_> = told
        .lines()
        .filter(|line| line.contains("[ERROR]") && line.contains("ACCESS_TOKEN_EXPIRED"))
        .collect();
    assert_eq!(alarms.len(), 1, "{told}");
    assert!(alarms[0].contains("android: the lane is held"), "{told}");
}

#[test]
fn a_log_that_nobody_reads_holds_pushes_back_and_loses_no_line() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with_path("log.access_log", "fifo");
    make_fifo(&site);
    let daemon = site.start();
    // Their lines fit into the log's buffer, those of their outcomes do not.
    let reply = daemon.push(&large(2_000));
    assert_eq!(reply.status, 200);
    let alarm = format!("log {} is full: ", site.path("fifo").display());
    wait_until("the alarm", || site.operator_log().contains(&alarm));
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    let waiting = daemon.stat().number("/queue_usage");
    assert!(waiting > 0, "settled without a line");

    let (from, to) = (site.path("fifo"), site.path("access.log"));
    // It ends with the daemon, also if the test fails.
    let reading = thread::spawn(move || io::copy(&mut File::open(from)?, &mut File::create(to)?));
    daemon.settle();
    reading.join().unwrap().unwrap();
    let log = site.access_log();
    check_same(&ids(&log, "accepted-push"), &reply.accepted_ids());
    check_same(&ids(&log, "succeeded-push"), &reply.accepted_ids());
    assert_eq!(site.operator_log().matches(&alarm).count(), 1);
    assert_eq!(simulated.counts().received, 2_000);
}

/// Where a journal knows what became of them, pushes do not stand still for a log.
#[test]
fn beside_a_journal_a_log_that_nobody_reads_says_what_it_has_lost() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_path("log.access_log", "fifo");
    make_fifo(&site);
    let daemon = site.start();
    let accepted = daemon.push(&large(2_000)).accepted_ids();
    daemon.wait_idle();
    let health = daemon.request("GET", "/healthz", b"");
    assert_eq!(health.status, 200);
    let told = health.json()["logs"].as_str().unwrap().to_owned();
    assert!(
        told.starts_with("the access log takes nothing; ") && told.ends_with(" dropped so far"),
        "{told}"
    );
    // Accepting goes on too.
    let later = daemon.push(&one(IOS, [hex_token(5_000)]));
    assert_eq!(later.status, 200);
    daemon.wait_idle();

    let (from, to) = (site.path("fifo"), site.path("access.log"));
    // It ends with the daemon, also if the test fails.
    let reading = thread::spawn(move || io::copy(&mut File::open(from)?, &mut File::create(to)?));
    wait_until("the log to be well again", || {
        let health = daemon.request("GET", "/healthz", b"").json();
        health["logs"] == "ok"
    });
    let last = daemon.push(&one(IOS, [hex_token(6_000)])).accepted_ids();
    daemon.settle();
    reading.join().unwrap().unwrap();
    let log = site.access_log();
    let gap = log.iter().position(|line| line.kind() == "lost-lines");
    let (before, after) = log.split_at(gap.unwrap());
    check_same(&ids(before, "accepted-push"), &accepted);
    check_same(&ids(after, "succeeded-push"), &last);
    let missing = usize::try_from(after[0].number("lines").unwrap()).unwrap();
    // Of each push two lines, of each request one.
    assert_eq!(
        log.len() - 1 + missing,
        2 * (2_000 + 2) + 3,
        "{}",
        after[0].text
    );
    let operator = site.operator_log();
    assert!(
        operator.contains(&format!("{missing} lines lost, as it says")),
        "{operator}"
    );
    assert!(
        operator.contains("shut down, nothing left behind"),
        "{operator}"
    );
}

#[test]
fn an_error_log_on_a_full_disk_alarms_and_keeps_nobody_from_pushing() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_text("log.error_log", "/dev/full");
    let daemon = site.start();
    let reply = daemon.push(&one(IOS, ["0bad4100".to_owned(), hex_token(1)]));
    let mut good = reply.accepted_ids().split_off(1);
    wait_until("the alarm", || {
        site.operator_log().contains("cannot write log /dev/full: ")
    });
    for round in 2..5 {
        let reply = daemon.push(&one(IOS, ["0bad4100".to_owned(), hex_token(round)]));
        good.extend(reply.accepted_ids().split_off(1));
    }
    daemon.wait_idle();
    assert_eq!(daemon.stat().number("/ios/push_error"), 4);
    assert_eq!(site.operator_log().matches("cannot write log").count(), 1);
    // The exit code says that lines are lost.
    assert_eq!(daemon.terminate(), 74);
    check_same(&ids(&site.access_log(), "succeeded-push"), &good);
}

/// The lines of what is left behind do not fit into the log's buffer.
#[test]
fn an_error_log_that_is_stuck_does_not_keep_the_daemon_from_ending() {
    let site = Site::unreachable()
        .without_journal()
        .with_path("log.error_log", "fifo")
        .with("core.shutdown_timeout", 0);
    make_fifo(&site);
    let daemon = site.start();
    assert_eq!(daemon.push(&large(4_000)).status, 200);
    let begun = Instant::now();
    assert_eq!(daemon.terminate(), 75);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let alarm = format!(
        "log {} takes nothing and is given up",
        site.path("fifo").display()
    );
    assert_eq!(site.operator_log().matches(&alarm).count(), 1);
}

/// In the place of a log.
fn make_fifo(site: &Site) {
    let mut command = Command::new("mkfifo");
    assert!(command.arg(site.path("fifo")).status().unwrap().success());
}

/// One notification to so many iOS devices, each line about which has three kilobytes.
fn large(devices: u64) -> Value {
    let tokens: Vec<String> = (0..devices).map(hex_token).collect();
    let message = "m".repeat(3_000);
    json!({"notifications": [{"platform": IOS, "token": tokens, "message": message}]})
}

/// One notification to those devices.
fn one(platform: u64, tokens: impl IntoIterator<Item = String>) -> Value {
    let tokens: Vec<String> = tokens.into_iter().collect();
    json!({"notifications": [{"platform": platform, "token": tokens, "message": "m"}]})
}
