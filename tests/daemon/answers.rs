//! What was answered is true after a crash: of pushes that were purged or have ended, of requests
//! that were refused, of lanes that were told something.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sterna::journal::{self, DiskFiles};
use sterna::moment::Moment;

use crate::harness::daemon::Daemon;
use crate::harness::http::Reply;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, make_pipe};
use crate::harness::{batch, each, hex_token, wait_for, wait_until};

#[test]
fn what_was_purged_does_not_come_back_after_a_kill() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    for round in 0..3 {
        let daemon = site.start();
        pause(&daemon, "ios");
        let mut request = batch(50 * round..50 * (round + 1));
        request["notifications"][0]["identifier"] = json!("wrong");
        let accepted = daemon.push(&request).accepted_ids();
        let reply = daemon.request("DELETE", "/pushes?identifier=wrong", b"");
        daemon.kill();
        assert_eq!((reply.status, &reply.json()["purged"]), (200, &json!(50)));
        let left = journal::read(&DiskFiles, &site.path("journal"), Moment::now()).unwrap();
        assert_eq!(left.recovered().outstanding, 0);
        let log = site.error_log();
        check_same(&ids(&log, "failed-push"), &accepted);
        assert!(log.iter().all(|line| line.text_of("reason") == "purged"));
        fs::remove_file(site.path("error.log")).unwrap();
    }
    let daemon = site.start();
    let last = daemon.push(&batch([9999]));
    daemon.settle();
    check_same(
        &ids(&site.access_log(), "succeeded-push"),
        &last.accepted_ids(),
    );
    assert_eq!(simulated.notes().len(), 1);
}

#[test]
fn without_a_journal_what_was_answered_is_in_the_push_log() {
    let site = Site::unreachable().without_journal();
    let daemon = site.start();
    for number in 0..100 {
        let accepted = daemon.push(&batch([number])).accepted_ids();
        let log = ids(&site.access_log(), "accepted-push");
        assert_eq!(log.last(), accepted.last(), "{number}");
    }
    daemon.kill();
}

/// A queue that holds fewer than the journal: a purge reaches what has not come into it, too.
#[test]
fn what_was_purged_before_it_was_read_from_the_journal_is_not_sent() {
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let push = |numbers: std::ops::Range<u64>, identifier: &str| {
        let mut request = batch(numbers);
        request["notifications"][0]["identifier"] = json!(identifier);
        daemon.push(&request).accepted_ids()
    };
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for first in (0..400).step_by(20) {
        right.extend(push(first..first + 10, "right"));
        wrong.extend(push(first + 10..first + 20, "wrong"));
    }
    daemon.kill();
    let away = Simulated::start();
    let site = Site::simulated(&away.simulator)
        .with_journal_of(&nowhere)
        .with("core.queues", 100);
    let away = away.stop();
    let daemon = site.start();
    wait_until("the first of them to be read", || {
        daemon.stat().number("/queue_usage") > 0
    });
    let purge = || daemon.request("DELETE", "/pushes?identifier=wrong", b"");
    let first = purge().json();
    let unread = first["unread"].as_u64().unwrap();
    assert!((300..400).contains(&unread), "{first}");
    // One by its id, which the queue has no room for either.
    let one = right.pop().unwrap();
    let reply = daemon.request("DELETE", &format!("/push/{one}"), b"");
    assert_eq!(
        reply.json(),
        json!({"message": "ok", "purged": 0, "unread": 1})
    );
    wrong.push(one);
    wrong.sort_unstable();
    let back = away.start();
    daemon.wait_idle();
    wait_until("all to be read", || {
        purge().json() == json!({"message": "ok", "purged": 0})
    });
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &right);
    let failed = site.error_log();
    check_same(&ids(&failed, "failed-push"), &wrong);
    assert!(failed.iter().all(|line| line.text_of("reason") == "purged"));
    assert_eq!(back.notes().len(), 199);
}

/// The answer says so: what is never to go out has to be purged.
#[test]
fn a_pause_and_streams_set_by_hand_last_as_long_as_the_process() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    assert_eq!(pause(&daemon, "ios")["until"], "the process ends");
    let streams = daemon.request("PUT", "/config/pushers?max=3", b"");
    assert_eq!(streams.status, 200);
    assert_eq!(streams.json()["until"], "the process ends");
    let accepted = daemon.push(&batch(0..5));
    daemon.kill();
    let daemon = site.start();
    let health = daemon.request("GET", "/healthz", b"").json();
    assert_eq!(health["lanes"]["ios"], json!({"state": "open"}));
    assert_eq!(daemon.stat().number("/pusher_max"), 0);
    daemon.settle();
    let sent = ids(&site.access_log(), "succeeded-push");
    check_same(&sent, &accepted.accepted_ids());
}

/// A log that takes nothing holds the journal up: what it has no line of would be sent again.
#[test]
fn what_is_said_to_be_settled_is_so_after_a_kill() {
    let simulated = Simulated::start();
    let site = || Site::simulated(&simulated.simulator);
    let stuck = site().with_path("log.access_log", "pipe");
    let pipe = stuck.path("pipe");
    make_pipe(&pipe);
    // Nobody reads: it takes 64 KiB.
    let unread = fs::OpenOptions::new().read(true).write(true).open(&pipe);
    let daemon = stuck.start();
    let (mut settled, identifier) = (0, "i".repeat(8000));
    let settling = loop {
        let mut body = batch([settled]);
        body["notifications"][0]["identifier"] = json!(identifier);
        let id = daemon.push(&body).accepted_ids()[0];
        let state = wait_for("its end", || {
            let state = daemon.request("GET", &format!("/push/{id}"), b"").json();
            state.get("end").is_some().then_some(state)
        });
        assert_eq!(state["end"], "succeeded");
        if state["state"] != "settled" {
            break state;
        }
        settled += 1;
    };
    assert_eq!(
        (&settling["state"], settled > 1),
        (&json!("settling"), true)
    );
    daemon.kill();
    drop(unread);
    let next = site().with_journal_of(&stuck);
    let daemon = next.start();
    daemon.settle();
    let times = simulated.received();
    for (token, times) in (0..=settled).map(|number| (number, times[&hex_token(number)])) {
        assert_eq!(
            times,
            if token < settled { 1 } else { 2 },
            "{token} of {settled}"
        );
    }
}

/// A daemon of which a sync fails: the ids that were answered 200, the first other answer, and the
/// device token of its push.
fn until_a_sync_fails(site: &Site, then: impl Fn()) -> (Daemon, Vec<u64>, Reply, String) {
    let mut command = site.command(&[]);
    // The first ones belong to the start.
    command.env("STERNA_FAIL_AT", "sync:12");
    let daemon = Daemon::start(command, &site.path("operator.log"));
    then();
    let mut accepted = Vec::new();
    for number in 0..100 {
        let reply = daemon.push(&batch([number]));
        if reply.status != 200 {
            return (daemon, accepted, reply, hex_token(number));
        }
        accepted.extend(reply.accepted_ids());
        if number == 0 {
            // From here on there is a connection: what is accepted is in flight soon.
            daemon.wait_idle();
        }
    }
    panic!("no sync has failed");
}

/// One log that cannot be written is not the other: what that one has is settled.
#[test]
fn an_error_log_that_takes_nothing_keeps_back_no_push_that_succeeded() {
    let simulated = Simulated::start();
    each(&["/dev/full", "pipe"], |log| {
        let site = Site::simulated(&simulated.simulator).with_path("log.error_log", log);
        if *log == "pipe" {
            make_pipe(&site.path(log));
        }
        let daemon = site.start();
        let push = |tokens: Vec<String>| {
            let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
            let ids = daemon.push(&body).accepted_ids();
            daemon.wait_idle();
            ids
        };
        // More lines than a pipe takes which nobody reads.
        let gone = push((0..400).map(|n| format!("0bad4100{n:056x}")).collect());
        let which = u64::from(*log == "pipe");
        let fine: Vec<String> = (0..500).map(|n| hex_token(2 * n + which)).collect();
        let accepted = push(fine.clone());
        let mut client = daemon.client();
        let mut state =
            |id| client.request("GET", &format!("/push/{id}"), b"").json()["state"].clone();
        assert_eq!(state(gone[399]), "settling", "its own line is not written");
        wait_until("what succeeded to be settled", || {
            accepted.iter().all(|id| state(*id) == "settled")
        });
        let purged = daemon.request("DELETE", "/pushes?identifier=none", b"");
        assert_eq!((purged.status, &purged.json()["purged"]), (200, &json!(0)));
        daemon.kill();
        fs::rename(site.path("access.log"), site.path("access.log.1")).unwrap();
        let daemon = site.start();
        daemon.wait_idle();
        let received = simulated.received();
        assert!(fine.iter().all(|token| received[token] == 1), "{log}");
    });
}

#[test]
fn a_sync_that_fails_ends_the_daemon_after_what_is_in_flight() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(300);
    });
    let site = Site::simulated(&simulated.simulator);
    let (daemon, accepted, refused, token) = until_a_sync_fails(&site, || {});
    assert_eq!(refused.status, 503);
    assert!(
        refused.message().contains("the journal has failed: "),
        "{refused:?}"
    );
    assert!(!accepted.is_empty());
    assert_eq!(daemon.wait(), 74);
    let log = site.operator_log();
    assert!(log.contains("the disk is made to fail"), "{log}");
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    // What was refused is not sent after the next start either, though it is in the file.
    let daemon = site.start();
    daemon.push(&batch([1000]));
    daemon.settle();
    let tokens = simulated.received();
    assert!(tokens.values().all(|times| *times == 1), "{tokens:?}");
    assert_eq!(tokens.len(), accepted.len() + 1);
    assert!(!tokens.contains_key(&token));
}

/// Where not even a note of the failure can be left, nobody is told that nothing was taken.
#[test]
fn a_sync_that_fails_without_a_trace_is_answered_with_what_is_known() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let note = site.path("journal/sync-failed");
    let (daemon, accepted, unknown, token) =
        until_a_sync_fails(&site, || fs::create_dir(&note).unwrap());
    // No 503: whoever is in front of several daemons may send such a request to another one.
    assert_eq!(unknown.status, 500, "{unknown:?}");
    let said = unknown.message();
    let known = "it is not known whether the pushes were taken: the journal has failed: ";
    assert!(said.starts_with(known), "{said}");
    assert_eq!(
        daemon.push(&batch([2000])).status,
        503,
        "not so of what comes later"
    );
    assert_eq!(daemon.wait(), 74);
    fs::remove_dir(&note).unwrap();
    let daemon = site.start();
    daemon.push(&batch([1000]));
    daemon.settle();
    let tokens = simulated.received();
    assert!(!tokens.contains_key(&hex_token(2000)));
    // Here it was taken.
    assert_eq!(tokens.len(), accepted.len() + 2);
    assert!(tokens.contains_key(&token));
}

/// Pauses a lane; what that was answered.
fn pause(daemon: &Daemon, lane: &str) -> Value {
    let reply = daemon.request("PUT", &format!("/lanes/{lane}/pause"), b"");
    assert_eq!(
        (reply.status, &reply.json()["state"]),
        (200, &json!("paused"))
    );
    reply.json()
}
