//! Failures that may pass, refused streams, answers that do not come.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use sterna::simulator::Provider;

use super::batch;
use crate::harness::daemon::Daemon;
use crate::harness::hex_token;
use crate::harness::lines::{self, Line, check_same, ids};
use crate::harness::simulator::{Note, Simulate, Simulated, check_struck};
use crate::harness::site::{Site, read_text, sterna};

#[test]
fn streams_refused_and_connections_sent_away_cost_no_push() {
    let site = Site::with_logs();
    let mut command = sterna();
    command
        .args([
            "demo",
            "--port=0",
            "--summary",
            "--refuse=5",
            "--goaway-after=250",
            "--dir",
        ])
        .arg(site.path("demo"));
    site.capture(&mut command);
    let daemon = Daemon::start(command, &site.path("stderr"));
    let mut accepted = Vec::new();
    for round in 0..10 {
        accepted.extend(daemon.push(&batch(round * 100, 100)).accepted_ids());
    }
    assert_eq!(accepted.len(), 2_000);
    daemon.settle();

    assert_eq!(read_text(&site.path("demo/error.log")), "");
    let log = lines::read(&site.path("demo/access.log"));
    check_same(&ids(&log, "succeeded-push"), &accepted);
    for line in lines::of_kind(&log, "succeeded-push") {
        assert_eq!(line.number("attempt"), Some(1), "{}", line.text);
    }
    let told = read_text(&site.path("stdout"));
    check_struck(&told);
    for provider in ["APNs", "FCM"] {
        let summary = told
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{provider}: ")))
            .unwrap();
        assert!(summary.contains(" 1000 accepted, 0 refused, "), "{summary}");
        assert!(
            !summary.contains(" 0 turned away"),
            "nothing was tried: {summary}"
        );
        assert!(summary.ends_with("; 0 doubled, 0 lost"), "{summary}");
    }
}

#[test]
fn answers_that_may_pass_are_failures_once_the_retries_are_used_up() {
    let simulated = Simulated::with(|options| options.faults.fail_percent = 30.0);
    let site = Site::simulated(&simulated.simulator)
        .with("ios.retry_max", 0)
        .with("android.retry_max", 0);
    let daemon = site.start();
    let accepted = daemon.push(&batch(0, 500)).accepted_ids();
    let stat = daemon.settle();

    let (access, errors) = (site.access_log(), site.error_log());
    let succeeded = ids(&access, "succeeded-push");
    let failed = ids(&errors, "failed-push");
    check_settled_once(&accepted, &succeeded, &failed);
    assert!(
        (200..=400).contains(&failed.len()),
        "{} of 1000",
        failed.len()
    );
    for line in lines::of_kind(&errors, "failed-push") {
        let expected = match line.text_of("platform") {
            "ios" => [
                (429, "TooManyRequests"),
                (500, "InternalServerError"),
                (503, "ServiceUnavailable"),
            ],
            _ => [
                (429, "QUOTA_EXCEEDED"),
                (500, "INTERNAL"),
                (503, "UNAVAILABLE"),
            ],
        };
        let answer = (line.number("status").unwrap(), line.text_of("reason"));
        assert!(expected.contains(&answer), "{}", line.text);
        assert_eq!(line.number("attempt"), Some(1), "{}", line.text);
    }
    for (provider, platform) in [(Provider::Apns, "ios"), (Provider::Fcm, "android")] {
        let counts = simulated.simulator.counts_of(provider);
        let figure = |name: &str| stat.number(&format!("/{platform}/{name}"));
        assert_eq!(counts.accepted, figure("push_success"));
        assert_eq!(counts.turned_away, figure("push_error"));
        assert_eq!((counts.received, counts.doubled), (500, 0));
    }
}

#[test]
fn the_simulators_command_line_asks_for_faults_too() {
    let site = Site::with_logs();
    let arguments = ["--fail=100", "--latency=200", "--summary"];
    let simulator = Simulate::start(&site, &arguments);
    let config = simulator.config();
    let config = config
        .replace("[ios]\n", "[ios]\nretry_max = 0\n")
        .replace("[android]\n", "[android]\nretry_max = 0\n");
    fs::write(site.path("hasty.toml"), config).unwrap();
    let files = Site::with_logs();
    let mut command = sterna();
    command.arg("-c").arg(site.path("hasty.toml")).arg("-p=0");
    files.capture(&mut command);
    let daemon = Daemon::start(command, &files.path("stderr"));
    assert_eq!(daemon.push(&batch(0, 5)).status, 200);
    let stat = daemon.settle();
    assert_eq!(stat.number("/ios/push_error"), 5);
    assert_eq!(stat.number("/android/push_error"), 5);
    let told = read_text(&files.path("stderr"));
    let failed = told
        .lines()
        .filter(|line| line.contains(r#""type":"failed-push""#));
    let failed: Vec<Value> = failed
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(failed.len(), 10);
    for line in failed {
        assert!(line["ptime"].as_f64().unwrap() >= 0.2, "{line}");
        let status = line["status"].as_u64().unwrap();
        assert!([429, 500, 503].contains(&status), "{line}");
    }
    let told = simulator.stop();
    for provider in ["APNs", "FCM"] {
        let line = format!(
            "{provider}: 5 requests: 0 accepted, 0 refused, 5 turned away; 0 doubled, 5 lost\n"
        );
        assert!(told.contains(&line), "{line} is not in {told}");
    }
}

/// With the next try it succeeds, under the same `apns-id`. What is waited for up to ten seconds
/// and more is in `tests/scenarios`, in virtual time, and in the headline of the ledgers.
#[test]
fn a_trouble_that_passes_is_followed_by_another_try() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("ios.timeout", 1);
    let daemon = site.start();
    // By what the simulator does the first time: the attempts that are counted in the end.
    let ios = [
        ("1bad0000", 2, "no answer"),
        ("1bad0002", 2, "INTERNAL_ERROR"),
        ("1bad0007", 1, "REFUSED_STREAM"),
        ("1bad4031", 1, "ExpiredProviderToken"),
        ("1bad5031", 1, "Shutdown"),
    ];
    let android = [
        ("once-reset-1", 2, "INTERNAL_ERROR"),
        ("once-refuse-1", 1, "REFUSED_STREAM"),
        ("once-expired-1", 1, "ACCESS_TOKEN_EXPIRED"),
    ];
    let body = json!({"notifications": [
        {"platform": 1, "message": "m", "token": ios.map(|(token, ..)| token)},
        {"platform": 2, "message": "m", "token": android.map(|(token, ..)| token)},
    ]});
    let accepted = daemon.push(&body).accepted_ids();
    let stat = daemon.settle();
    assert!(site.error_log().is_empty(), "{:?}", site.error_log());
    let log = site.access_log();
    check_same(&ids(&log, "succeeded-push"), &accepted);
    let notes = simulated.notes();
    for (token, attempts, trouble) in ios.iter().chain(&android) {
        let of_token = |line: &&Line| line.text_of("token") == *token;
        let line = lines::of_kind(&log, "succeeded-push")
            .find(of_token)
            .unwrap();
        assert_eq!(line.number("attempt"), Some(*attempts), "{}", line.text);
        assert_eq!(line.number("status"), Some(200), "{}", line.text);
        let tries: Vec<&Note> = notes
            .iter()
            .filter(|note| note.device_token == *token)
            .collect();
        assert!(tries.len() >= 2, "{token}: {tries:?}");
        assert!(tries[0].status != 200, "{token}: {tries:?}");
        assert_eq!(tries.last().unwrap().status, 200, "{token}");
        let apns_ids: BTreeSet<_> = tries
            .iter()
            .map(|note| note.headers.get("apns-id"))
            .collect();
        assert_eq!(apns_ids.len(), 1, "{token}: {tries:?}");
        assert_eq!(tries[0].reason, *trouble, "{token}: {tries:?}");
    }
    let counts = simulated.counts();
    assert_eq!((counts.accepted, counts.doubled, counts.lost), (8, 0, 0));
    assert_eq!(
        counts.access_tokens, 2,
        "the one that FCM called expired, and the next"
    );
    let told = site.operator_log();
    assert!(
        told.contains("to be sent again after unanswered: no answer within 1 s"),
        "{told}"
    );
    assert_eq!(stat.number("/ios/push_error"), 0, "attempts are no errors");
}

#[test]
fn an_answer_that_never_comes_ends_in_a_failure_that_says_so() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with("ios.timeout", 1)
        .with("ios.retry_max", 1);
    let daemon = site.start();
    let body = json!({"notifications": [
        {"platform": 1, "message": "m", "token": ["0bad0000", hex_token(1)]},
    ]});
    let accepted = daemon.push(&body).accepted_ids();
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted[1..]);
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted[..1]);
    let line = &log[0];
    assert_eq!(line.text_of("reason"), "unanswered");
    assert_eq!(line.text_of("error"), "no answer within 1 s");
    assert_eq!(line.number("attempt"), Some(2));
    assert_eq!(line.number("status"), None);
    assert!(
        line.timeless().ends_with(",\"maybe_sent\":true}"),
        "{}",
        line.text
    );
    let tries = simulated.notes();
    let tries = tries.iter().filter(|note| note.device_token == "0bad0000");
    assert_eq!(tries.count(), 2);
}

fn check_settled_once(accepted: &[u64], succeeded: &[u64], failed: &[u64]) {
    let mut settled = [succeeded, failed].concat();
    settled.sort_unstable();
    assert_eq!(settled, accepted);
}
