//! Disks that are full or read-only, under a daemon: under its journal, and under its push log.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::disk::{can_mount, fill, on_disk, seen_by, serve_on_disk};
use crate::harness::documents;
use crate::harness::lines::{self, check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{hex_token, wait_for, wait_until};

const MIB: u64 = 1 << 20;

/// What the journal leaves to settlements.
const RESERVE: u64 = 32 * MIB;

/// One notification to so many devices from that number on, with a message of so many bytes.
fn batch(from: u64, devices: u64, message: usize) -> Value {
    let tokens: Vec<String> = (from..from + devices).map(hex_token).collect();
    let message = "m".repeat(message);
    json!({"notifications": [{"platform": 1, "token": tokens, "message": message}]})
}

#[test]
fn a_full_disk_under_the_journal_is_named_and_mended_by_making_room() {
    if !can_mount() {
        return;
    }
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let command = serve_on_disk(&site, "journal", RESERVE + 16 * MIB, "rw");
    let daemon = Daemon::start(command, &site.path("operator.log"));
    let mut accepted = daemon.push(&batch(0, 10, 1)).accepted_ids();

    for (round, left) in [(1, RESERVE - MIB), (2, 0)] {
        let filler = fill(&daemon, &site.path("journal"), left);
        let refused = wait_for("a push to be refused", || {
            let reply = daemon.push(&batch(100 * round, 1, 1));
            if reply.status == 200 {
                accepted.extend(reply.accepted_ids());
            }
            (reply.status != 200).then_some(reply)
        });
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.field("Retry-After"), Some("1"));
        let said = refused.message();
        let journal = site.path("journal");
        let named = format!("the disk under the journal {} is full: ", journal.display());
        assert!(said.starts_with(&named), "{said}");
        assert!(said.contains("make room"), "{said}");
        let health = daemon.request("GET", "/healthz", b"");
        assert_eq!(health.status, 503);
        assert!(health.message().starts_with(&named), "{health:?}");

        fs::remove_file(filler).unwrap();
        wait_until("pushes to be taken again", || {
            let reply = daemon.push(&batch(100 * round + 50, 1, 1));
            if reply.status == 200 {
                accepted.extend(reply.accepted_ids());
            }
            reply.status == 200
        });
        assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    }
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert_eq!(simulated.counts().received, accepted.len() as u64);
    let log = site.operator_log();
    assert!(log.contains("the disk under the journal "), "{log}");
    assert!(log.contains(" takes pushes again"), "{log}");
    assert!(log.contains("shut down, nothing left behind"), "{log}");
}

#[test]
fn a_disk_without_room_is_told_by_check_and_from_the_start_of_the_daemon() {
    if !can_mount() {
        return;
    }
    // It is not made yet.
    let site = Site::unreachable().with_path("journal.dir", "small/below/journal");
    let mut check = crate::harness::site::sterna();
    check.arg("check").arg("-c").arg(site.write_config());
    let checked =
        crate::harness::site::run(on_disk(&check, &site.path("small"), RESERVE / 2, "rw"));
    let said = [checked.stdout, checked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("no push is accepted"), "{said}");

    let command = serve_on_disk(&site, "small", RESERVE / 2, "rw");
    let daemon = Daemon::start(command, &site.path("operator.log"));
    let health = daemon.request("GET", "/healthz", b"");
    assert_eq!(health.status, 503, "{health:?}");
    assert!(health.message().contains("make room"), "{health:?}");
    let log = site.operator_log();
    assert!(log.contains("[ERROR] journal: the disk under "), "{log}");
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn a_journal_on_a_disk_that_is_mounted_read_only_is_named() {
    if !can_mount() {
        return;
    }
    let site = Site::unreachable();
    let output = crate::harness::site::run(serve_on_disk(&site, "journal", MIB, "ro"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{stderr}");
    let named = format!(
        "directory {} cannot be used: ",
        site.path("journal").display()
    );
    assert!(stderr.contains(&named), "{stderr}");
    assert!(stderr.contains("Read-only file system"), "{stderr}");
}

#[test]
fn a_full_disk_under_the_push_log_stops_nothing_and_the_log_says_what_it_has_lost() {
    if !can_mount() {
        return;
    }
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with_path("log.access_log", "logs/access.log")
        .with_path("log.error_log", "logs/error.log");
    let command = serve_on_disk(&site, "logs", 64 * MIB, "rw");
    let daemon = Daemon::start(command, &site.path("operator.log"));
    let mut accepted = daemon.push(&batch(0, 10, 1)).accepted_ids();
    daemon.wait_idle();
    let filler = fill(&daemon, &site.path("logs"), 0);
    // Eight times what the log's buffer holds.
    for round in 1..=10 {
        let reply = daemon.push(&batch(10_000 * round, 1_000, 3_000));
        assert_eq!(reply.status, 200, "{}", reply.text());
        accepted.extend(reply.accepted_ids());
    }
    daemon.wait_idle();
    assert_eq!(simulated.counts().received, accepted.len() as u64);
    assert_eq!(
        daemon.stat().number("/ios/push_success"),
        accepted.len() as u64
    );
    let health = daemon.request("GET", "/healthz", b"");
    assert_eq!(health.status, 200, "{health:?}");
    assert!(documents::shows(health.text()), "{}", health.text());
    let told = health.json()["logs"].as_str().unwrap().to_owned();
    assert!(
        told.starts_with("the access log cannot be written: No space left on device"),
        "{told}"
    );
    let operator = site.operator_log();
    assert!(operator.contains("[ERROR] cannot write log "), "{operator}");
    assert!(
        operator.contains("lines are dropped from now on"),
        "{operator}"
    );

    fs::remove_file(filler).unwrap();
    wait_until("the log to be well again", || {
        let health = daemon.request("GET", "/healthz", b"").json();
        health["logs"] == "ok"
    });
    let last = daemon.push(&batch(1, 1, 1)).accepted_ids();
    daemon.wait_idle();
    let path = seen_by(&daemon, &site.path("logs/access.log"));
    let log = wait_for("the last line", || {
        // Whole lines of JSON, whatever was cut by the full disk.
        let log = lines::read(&path);
        let ended = log
            .iter()
            .any(|line| line.kind() == "succeeded-push" && line.number("id") == Some(last[0]));
        ended.then_some(log)
    });
    assert_eq!(daemon.terminate(), 0);
    let gaps: Vec<u64> = lines::of_kind(&log, "lost-lines")
        .map(|line| line.number("lines").unwrap())
        .collect();
    let pushes = accepted.len() + last.len();
    // Of each push two lines, of each request one.
    let told = (log.len() - gaps.len()) as u64 + gaps.iter().sum::<u64>();
    assert_eq!(told, 2 * pushes as u64 + 12, "{gaps:?}");
    let gap = log.iter().find(|line| line.kind() == "lost-lines").unwrap();
    assert!(documents::shows(&gap.text), "{}", gap.text);
    let operator = site.operator_log();
    assert!(
        operator.contains("shut down, nothing left behind"),
        "{operator}"
    );
    assert!(
        operator.contains(" lines lost, as it says in their place"),
        "{operator}"
    );
}
