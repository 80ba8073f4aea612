//! What outlives the process: pushes that are left at a stop or a kill, callers' keys, ids; and
//! what keeps a journal from being opened.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::http::{Client, Reply};
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run, sterna};
use crate::harness::{batch, hex_token, wait_for, wait_until};

/// A provider that asks a single push for patience does not keep an end waiting for it.
#[test]
fn a_retry_that_is_due_after_the_time_for_the_end_is_left_at_once() {
    let simulated = Simulated::with(|options| {
        options.faults.retry_after = Some("900".parse().unwrap());
    });
    let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 600);
    let daemon = site.start();
    let token = ["0bad5030".to_owned()];
    let notification = json!({"platform": 1, "message": "m", "token": token});
    let reply = daemon.push(&json!({"notifications": [notification]}));
    let id = reply.accepted_ids()[0];
    wait_until("the push to wait for its retry", || {
        let state = daemon.request("GET", &format!("/push/{id}"), b"").json();
        state["state"] == "retrying"
    });
    assert_eq!(daemon.terminate(), 0);
    let log = site.operator_log();
    assert!(
        log.contains("shut down, 1 push stays in the journal"),
        "{log}"
    );
}

#[test]
fn what_sigterm_leaves_goes_out_after_the_next_start_and_nothing_twice() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(300);
    });
    let site = |pushers: u32| {
        Site::simulated(&simulated.simulator)
            .with("core.workers", 1)
            .with("core.queues", 200)
            .with("core.shutdown_timeout", 1)
            .with("core.pusher_max", pushers)
    };
    let first = site(10);
    let daemon = first.start();
    let reply = daemon.push(&batch(0..200));
    assert_eq!(reply.status, 200);
    assert_eq!(
        daemon.push(&batch(200..210)).status,
        503,
        "the queue is full"
    );
    assert_eq!(daemon.terminate(), 0);
    let sent = simulated.received().len();
    assert!((10..200).contains(&sent), "{sent} were sent before the end");
    let left = format!("shut down, {} pushes stay in the journal", 200 - sent);
    let log = first.operator_log();
    assert!(log.contains(&left), "{left:?} is not in {log}");
    assert_eq!(first.error_log().len(), 0, "nothing has failed");

    let second = site(100).with_journal_of(&first);
    let daemon = second.start();
    wait_until("the rest to be received", || {
        simulated.received().len() == 200
    });
    daemon.settle();
    let log = second.operator_log();
    let read = format!("{} outstanding of 200", 200 - sent);
    assert!(log.contains(&read), "{read:?} is not in {log}");
    assert!(log.contains("nothing left behind"), "{log}");
    let times = simulated.received();
    assert_eq!(times.len(), 200, "lost");
    assert!(
        times.values().all(|times| *times == 1),
        "doubled: {times:?}"
    );
    let mut ended = ids(&first.access_log(), "succeeded-push");
    ended.extend(ids(&second.access_log(), "succeeded-push"));
    ended.sort_unstable();
    check_same(&ended, &reply.accepted_ids());
    // The provider knows a push by the same name over all processes.
    let notes = simulated.notes();
    let names = notes.iter().map(|note| &note.headers["apns-id"]);
    assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 200);
}

#[test]
fn what_was_accepted_is_sent_as_it_was_and_to_the_topic_that_is_configured_now() {
    let simulated = Simulated::start();
    let first = Site::unreachable()
        .with_text("core.compatible_with", "gaurun")
        .with_text("ios.topic", "com.example.former");
    let daemon = first.start();
    let body = json!({"notifications": [
        {"platform": 1, "token": [hex_token(0)], "message": "m", "extend": [{"key": "k", "val": "v"}]},
        {"platform": 2, "token": ["android-1"], "message": " ", "content_available": true},
    ]});
    assert_eq!(daemon.push(&body).accepted_ids().len(), 2);
    daemon.kill();

    // By its own rules this one would send neither a badge nor a blank message.
    let second = Site::simulated(&simulated.simulator).with_journal_of(&first);
    second.start().settle();
    let mut notes = simulated.notes();
    notes.sort_by_key(|note| note.device_token == "android-1");
    let bodies = notes
        .iter()
        .map(|note| serde_json::from_str::<Value>(&note.body).unwrap());
    let expected = [
        json!({"aps": {"alert": "m", "badge": 0}, "k": "v"}),
        json!({"message": {"token": "android-1", "data": {"message": " "}, "android": {}}}),
    ];
    assert_eq!(bodies.collect::<Vec<_>>(), expected);
    assert_ne!(notes[0].headers["apns-topic"], "com.example.former");
}

#[test]
fn a_killed_daemon_goes_on_with_the_same_ids_and_new_ones_are_above() {
    let simulated = Simulated::start();
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let reply = daemon.push(&batch(0..50));
    let accepted = reply.accepted_ids();
    daemon.kill();
    let site = Site::simulated(&simulated.simulator).with_journal_of(&nowhere);
    let daemon = site.start();
    let later = daemon.push(&batch(100..101)).accepted_ids();
    assert!(
        later[0] > accepted[49],
        "{later:?} is not above {accepted:?}"
    );
    wait_until("all to be settled", || {
        ids(&site.access_log(), "succeeded-push").len() == 51
    });
    daemon.settle();
    let mut expected = accepted;
    expected.extend(later);
    check_same(&ids(&site.access_log(), "succeeded-push"), &expected);
    assert_eq!(simulated.received().len(), 51);
}

#[test]
fn a_key_is_known_after_a_crash() {
    let site = Site::unreachable();
    let daemon = site.start();
    let body = batch(0..3);
    let first = keyed(&daemon, "order-4711", &body);
    assert_eq!(first.status, 200);
    daemon.kill();
    let daemon = site.start();
    let again = keyed(&daemon, "order-4711", &body);
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(keyed(&daemon, "order-4711", &batch(0..4)).status, 422);
    assert_eq!(keyed(&daemon, "order-4712", &body).status, 200);
    wait_until("both requests' pushes to be queued", || {
        daemon.stat().number("/queue_usage") == 6
    });
}

#[test]
fn a_push_can_be_asked_for() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("ios.timeout", 600);
    let daemon = site.start();
    // No answer; a failure that passes; a device that is gone; and one that is fine.
    let tokens = ["0bad0000", "0bad5000", "0bad4100", &hex_token(1)];
    let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
    let ids = daemon.push(&body).accepted_ids();
    let state = |id: u64, wanted: &str| {
        wait_for(wanted, || {
            let reply = daemon.request("GET", &format!("/push/{id}"), b"");
            assert_eq!(reply.status, 200, "{reply:?}");
            let json = reply.json();
            assert_eq!(
                (json["id"].as_u64(), &json["platform"]),
                (Some(id), &json!("ios"))
            );
            (json["state"] == wanted).then_some(json)
        })
    };
    assert_eq!(state(ids[0], "in flight")["attempt"], 1);
    let retrying = state(ids[1], "retrying");
    assert_eq!(retrying["attempts"], 1);
    assert!(
        retrying["at"].as_str().unwrap().ends_with('Z'),
        "{retrying}"
    );
    let gone = state(ids[2], "settled");
    assert_eq!(
        (&gone["end"], &gone["status"]),
        (&json!("failed"), &json!(410))
    );
    assert_eq!(gone["reason"], "Unregistered");
    assert_eq!(state(ids[3], "settled")["end"], "succeeded");
    for (target, status) in [("/push/1", 404), ("/push/x", 400), ("/push/0", 400)] {
        assert_eq!(
            daemon.request("GET", target, b"").status,
            status,
            "{target}"
        );
    }

    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let id = daemon.push(&batch(0..1)).accepted_ids()[0];
    let reply = daemon.request("GET", &format!("/push/{id}"), b"");
    assert_eq!(reply.json()["state"], "accepted");
}

#[test]
fn pushes_to_a_platform_that_is_disabled_wait_in_the_journal() {
    let simulated = Simulated::start();
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let accepted = daemon.push(&batch(0..7)).accepted_ids();
    daemon.kill();
    let site = || Site::simulated(&simulated.simulator).with_journal_of(&nowhere);
    let disabled = site().with("ios.enabled", false);
    let daemon = disabled.start();
    // They are not to be read by this process: who asks until all are read would ask for ever.
    let purged = daemon.request("DELETE", "/pushes?identifier=none", b"");
    assert_eq!(
        (purged.status, purged.json()),
        (200, json!({"message": "ok", "purged": 0}))
    );
    assert_eq!(daemon.terminate(), 0);
    let log = disabled.operator_log();
    assert!(
        log.contains("ios is disabled: 7 pushes to it stay"),
        "{log}"
    );
    assert!(
        log.contains("shut down, 7 pushes stay in the journal"),
        "{log}"
    );
    let enabled = site();
    let daemon = enabled.start();
    wait_until("them to be settled", || {
        ids(&enabled.access_log(), "succeeded-push").len() == 7
    });
    daemon.settle();
    check_same(&ids(&enabled.access_log(), "succeeded-push"), &accepted);
}

#[test]
fn pushes_to_a_platform_that_is_disabled_expire_all_the_same() {
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let with_expiry = |tokens: std::ops::Range<u64>, expiry: u64| {
        let tokens: Vec<String> = tokens.map(hex_token).collect();
        let body = json!({"notifications": [
            {"platform": 1, "token": tokens, "message": "m", "expiry": expiry},
        ]});
        daemon.push(&body).accepted_ids()
    };
    let soon = with_expiry(0..4, 2);
    let late = with_expiry(4..7, 600);
    daemon.kill();
    let site = || {
        Site::unreachable()
            .with_journal_of(&nowhere)
            .with("ios.enabled", false)
    };
    let disabled = site();
    let daemon = disabled.start();
    wait_until("some to expire", || {
        ids(&disabled.error_log(), "failed-push").len() == soon.len()
    });
    // They are counted a moment after their lines are handed over.
    wait_until("them to be counted", || {
        daemon.stat().number("/ios/push_error") == 4
    });
    let gone = daemon
        .request("GET", &format!("/push/{}", soon[0]), b"")
        .json();
    assert_eq!(
        (&gone["state"], &gone["end"]),
        (&json!("settled"), &json!("expired"))
    );
    let waits = daemon
        .request("GET", &format!("/push/{}", late[0]), b"")
        .json();
    assert_eq!(waits["state"], "accepted");
    assert_eq!(daemon.terminate(), 0);
    let log = disabled.error_log();
    check_same(&ids(&log, "failed-push"), &soon);
    assert!(log.iter().all(|line| line.text_of("reason") == "expired"));

    // Once is enough, and `core.max_age` counts as well, also if a reload says so.
    let aged = site();
    let daemon = aged.start();
    assert!(
        aged.operator_log()
            .contains("ios is disabled: 3 pushes to it stay")
    );
    let aged = aged.with("core.max_age", 1);
    aged.write_config();
    daemon.signal("HUP");
    wait_until("the others to expire", || {
        ids(&aged.error_log(), "failed-push").len() == late.len()
    });
    assert_eq!(daemon.terminate(), 0);
    check_same(&ids(&aged.error_log(), "failed-push"), &late);
    let log = aged.operator_log();
    assert!(log.contains("shut down, nothing left behind"), "{log}");
}

#[test]
fn ids_never_repeat_though_the_clock_was_set_back() {
    let site = Site::unreachable();
    let daemon = site.start();
    let first = daemon.push(&batch(0..5)).accepted_ids();
    wait_until("the first lines", || site.access_log().len() == 6);
    daemon.kill();
    let mut command = site.command(&[]);
    command.env("STERNA_CLOCK_BEHIND", "7200");
    let daemon = Daemon::start(command, &site.path("operator.log"));
    wait_until("them to be queued", || {
        daemon.stat().number("/queue_usage") == 5
    });
    let second = daemon.push(&batch(10..15)).accepted_ids();
    let is_logged = |id: u64| {
        let lines = site.access_log();
        lines.iter().any(|line| line.number("id") == Some(id))
    };
    wait_until("its lines", || is_logged(second[0]));
    daemon.kill();
    let daemon = site.start();
    let third = daemon.push(&batch(20..25)).accepted_ids();
    wait_until("all to be queued", || {
        daemon.stat().number("/queue_usage") == 15
    });
    wait_until("the last lines", || is_logged(third[0]));
    assert!(
        first[4] < second[0] && second[4] < third[0],
        "{first:?} {second:?} {third:?}"
    );
    daemon.kill();
    // It was set back: the lines say so.
    let lines = site.access_log();
    let time = |id: u64| {
        let line = lines.iter().find(|line| line.number("id") == Some(id));
        line.unwrap().text_of("time").to_owned()
    };
    let times = [first[0], second[0], third[0]].map(time);
    assert!(times[1] < times[0] && times[0] <= times[2], "{times:?}");
    assert!(site.error_log().is_empty(), "nothing has expired");
}

#[test]
fn what_has_expired_meanwhile_is_settled_as_expired() {
    let simulated = Simulated::start();
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let tokens = [hex_token(1)];
    let body =
        json!({"notifications": [{"platform": 1, "token": tokens, "message": "m", "expiry": 1}]});
    let accepted = daemon.push(&body).accepted_ids();
    let begun = std::time::Instant::now();
    daemon.kill();
    wait_until("its time to pass", || {
        begun.elapsed() > Duration::from_secs(1)
    });
    let site = Site::simulated(&simulated.simulator).with_journal_of(&nowhere);
    let daemon = site.start();
    wait_until("it to be settled", || !site.error_log().is_empty());
    daemon.settle();
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted);
    assert_eq!(log[0].text_of("reason"), "expired");
    assert!(simulated.notes().is_empty(), "it was sent");
}

#[test]
fn a_journal_has_one_daemon() {
    let first = Site::unreachable();
    let daemon = first.start();
    let second = Site::unreachable().with_journal_of(&first);
    let output = second.run(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    let pid = format!("another daemon, with pid {}", daemon.pid());
    assert!(stderr.contains(&pid), "{pid:?} is not in {stderr:?}");
    assert_eq!(daemon.push(&batch(0..1)).status, 200, "the first goes on");
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let site = Site::unreachable().with_path("journal.dir", "file/journal");
    fs::write(site.path("file"), "").unwrap();
    let output = site.run(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{stderr}");
    assert!(stderr.contains("file/journal cannot be used: "), "{stderr}");
    assert!(!site.operator_log().contains("serves on"));
}

/// A journal with pushes outstanding to the devices of these numbers; their ids.
fn left_by_a_crash(site: &Site, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let daemon = site.start();
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);
    let ids = daemon.push(&batch(numbers)).accepted_ids();
    daemon.kill();
    ids
}

fn start_failing(site: &Site, at: &str) -> Daemon {
    let mut command = site.command(&[]);
    command.env("STERNA_FAIL_AT", at);
    Daemon::start(command, &site.path("operator.log"))
}

#[test]
fn a_journal_that_cannot_be_read_at_the_start_is_left_for_a_better_day() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let ids_left = left_by_a_crash(&site, 0..5);
    let segment = site.path("journal").join("0000000001.journal");
    let before = fs::read(&segment).unwrap();
    let mut command = site.command(&[]);
    command.env("STERNA_FAIL_AT", "read:1");
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{stderr}");
    let named = "0000000001.journal cannot be read: the disk is made to fail; nothing in its";
    assert!(stderr.contains(named), "{stderr}");
    assert_eq!(fs::read(&segment).unwrap(), before);
    let _daemon = site.start();
    wait_until("all to be sent", || {
        ids(&site.access_log(), "succeeded-push").len() >= 5
    });
    check_same(&ids(&site.access_log(), "succeeded-push"), &ids_left);
}

#[test]
fn a_read_that_fails_while_pushes_are_queued_again_makes_them_late() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let ids_left = left_by_a_crash(&site, 0..5);
    // The first two are the start's: of room behind the records it is made sure that it is empty.
    let daemon = start_failing(&site, "read:3");
    wait_until("all to be sent", || {
        ids(&site.access_log(), "succeeded-push").len() >= 5
    });
    check_same(&ids(&site.access_log(), "succeeded-push"), &ids_left);
    assert!(simulated.received().values().all(|times| *times == 1));
    assert_eq!(site.error_log().len(), 0);
    let log = site.operator_log();
    for said in [
        "of 0000000001.journal cannot be read: the disk is made to fail; its pushes are kept",
        "what could not be read was read by now",
    ] {
        assert_eq!(log.matches(said).count(), 1, "{said:?}: {log}");
    }
    assert_eq!(daemon.stat().number("/ios/push_success"), 5);
}

#[test]
fn pushes_whose_record_is_damaged_fail_with_one_line_each() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let ids_left = left_by_a_crash(&site, 0..5);
    let daemon = start_failing(&site, "damage:3");
    wait_until("all to be settled", || site.error_log().len() >= 5);
    let lines = site.error_log();
    check_same(&ids(&lines, "failed-push"), &ids_left);
    for line in &lines {
        assert_eq!(line.text_of("reason"), "journal_damaged");
        assert!(line.text_of("error").contains("is damaged"), "{line:?}");
    }
    // Counted behind their lines.
    wait_until("all to be counted", || {
        daemon.stat().number("/ios/push_error") == 5
    });
    wait_until("their room to be free", || {
        daemon.stat().number("/queue_usage") == 0
    });
    assert_eq!(daemon.terminate(), 0);
    let daemon = site.start();
    assert!(
        site.operator_log().contains("0 outstanding of "),
        "settled for good"
    );
    assert_eq!(daemon.stat().number("/queue_usage"), 0);
    assert!(simulated.notes().is_empty() && site.error_log().len() == 5);
}

#[test]
fn a_journal_without_any_sense_is_kept_aside_and_keeps_nobody_from_starting() {
    let site = Site::unreachable();
    let journal = site.path("journal");
    fs::create_dir(&journal).unwrap();
    let garbage = b"This is no journal. ".repeat(500);
    fs::write(journal.join("0000000007.journal"), &garbage).unwrap();
    let daemon = site.start();
    assert_eq!(daemon.push(&batch(0..1)).status, 200);
    let aside = journal.join("0000000007.journal.damaged");
    assert_eq!(fs::read(&aside).unwrap(), garbage);
    let log = site.operator_log();
    for said in [
        "0000000007.journal is damaged: 10000 bytes at offset 0",
        "is kept aside as ",
        "1 damaged (segments: 0",
    ] {
        assert!(log.contains(said), "{said:?}: {log}");
    }
    // As the log says to look at it.
    let copy = site.path("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(&aside, copy.join("0000000007.journal")).unwrap();
    let copy = copy.to_str().unwrap();
    let mut command = sterna();
    command.arg("recover").arg("-c").arg(site.write_config());
    command.args(["--dry-run", "--journal", copy]);
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{stderr}");
    assert!(stderr.contains("can be read: 10000 bytes"), "{stderr}");
    // And it is no obstacle the next time either.
    daemon.kill();
    let daemon = site.start();
    assert_eq!(daemon.push(&batch(1..2)).status, 200);
    assert_eq!(fs::read(&aside).unwrap(), garbage);
}

/// Each answer to these was 640 KB of bad device tokens once; a hundred took all the room for keys.
#[test]
fn requests_of_bad_tokens_take_no_room_from_other_keys_over_a_crash_neither() {
    let site = Site::unreachable();
    let mut daemon = site.start();
    let fine = hex_token(1);
    let mut tokens = vec!["x"; 10_000];
    tokens.push(&fine);
    let attack = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
    let answers: Vec<Reply> = (0..128)
        .map(|number| keyed(&daemon, &format!("k-{number}"), &attack))
        .collect();
    for round in 0..2 {
        for (number, answer) in answers.iter().enumerate().step_by(40) {
            let again = keyed(&daemon, &format!("k-{number}"), &attack);
            assert_eq!((again.status, &again.body), (200, &answer.body));
            let omitted = answer.json()["rejected_omitted"].as_u64().unwrap();
            let listed = answer.json()["rejected"].as_array().unwrap().len() as u64;
            assert_eq!(listed + omitted, 10_000);
        }
        let other = keyed(&daemon, &format!("other-{round}"), &batch(0..1));
        assert_eq!(other.status, 200, "{}", other.text());
        daemon.kill();
        daemon = site.start();
    }
    wait_until("all of them to be in the queue again", || {
        daemon.stat().number("/queue_usage") == 128 + 2
    });
}

#[test]
fn a_site_without_a_journal_is_told_what_it_loses() {
    let site = Site::unreachable().without_journal();
    let daemon = site.start();
    let log = site.operator_log();
    assert!(log.contains("are lost when this process dies"), "{log}");
    let id = daemon.push(&batch(0..1)).accepted_ids()[0];
    let reply = daemon.request("GET", &format!("/push/{id}"), b"");
    assert_eq!(reply.json()["state"], "accepted");
    daemon.kill();
    let daemon = site.start();
    assert_eq!(daemon.stat().number("/queue_usage"), 0);
}

fn keyed(daemon: &Daemon, key: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let mut client: Client = daemon.client();
    client.send(
        format!(
            "POST /push HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    client.reply_to("POST")
}
