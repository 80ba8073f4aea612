//! `sterna recover` as a process, against the simulator: what it finds in Gaurun's logs and in a
//! journal, what it sends of that, and that it sends nothing twice.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper of tests fails the test by panicking, and says what is skipped"
)]

#[path = "../torture/dice.rs"]
mod dice;
mod interruption;
mod journal;
#[path = "../torture/load.rs"]
mod load;
mod refusals;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::lines;
use crate::harness::simulator::{Note, Simulated};
use crate::harness::site::{Site, run, sterna};
use crate::harness::{fcm_token, hex_token, wait_until};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::Value;

/// A line of Gaurun's, written so many seconds ago.
fn gaurun(kind: &str, ago: i64, id: u64, platform: &str, token: &str, more: &str) -> String {
    let at = Timestamp::now() - jiff::SignedDuration::from_secs(ago);
    let level = if kind == "failed" { "error" } else { "info" };
    format!(
        concat!(
            r#"{{"level":"{}","time":"{}","message":"hello","id":{},"platform":"{}","#,
            r#""token":"{}","type":"{}-push","ptime":0,"error":""{}}}"#,
            "\n",
        ),
        level,
        at.strftime("%Y/%m/%d %H:%M:%S UTC"),
        id,
        platform,
        token,
        kind,
        more,
    )
}

fn ios(kind: &str, ago: i64, id: u64, device: u64) -> String {
    gaurun(kind, ago, id, "ios", &hex_token(device), "")
}

/// `sterna recover` with the site's configuration and a log of each of these names.
fn recover(site: &Site, logs: &[&str], arguments: &[&str]) -> Output {
    run(command(site, logs, arguments))
}

fn command(site: &Site, logs: &[&str], arguments: &[&str]) -> Command {
    let mut command = sterna();
    command.arg("recover").arg("-c").arg(site.write_config());
    for log in logs {
        command.arg("-l").arg(site.path(log));
    }
    command.args(arguments);
    command
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, stdout, "{errors}");
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A simulator that needs a while for thousands of pushes.
fn slow() -> Simulated {
    Simulated::with(|options| options.faults.latency = Duration::from_millis(400))
}

/// The device tokens that the simulator was sent to, sorted.
fn sent_to(simulated: &Simulated) -> Vec<String> {
    let mut tokens: Vec<_> = simulated
        .notes()
        .into_iter()
        .map(|note| note.device_token)
        .collect();
    tokens.sort();
    tokens
}

fn note_to(simulated: &Simulated, token: &str) -> Note {
    let notes = simulated.notes();
    let mut to = notes.into_iter().filter(|note| note.device_token == token);
    let note = to
        .next()
        .unwrap_or_else(|| panic!("nothing was sent to {token}"));
    assert!(to.next().is_none(), "sent twice to {token}");
    note
}

fn write(site: &Site, name: &str, text: impl AsRef<[u8]>) {
    fs::write(site.path(name), text).unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn contents(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Three runs of Gaurun, of which the first log is rotated and compressed.
///
/// Run 1: id 1 sent, id 2 lost, id 3 refused. Run 2: id 1 lost, id 2 sent, id 3 expired long ago
/// by its expiry. Run 3: id 1 lost, to the device of run 2; id 2 (Android) lost.
fn three_runs(site: &Site) {
    let run_1 = [
        ios("accepted", 500, 1, 1),
        ios("accepted", 500, 2, 2),
        ios("accepted", 500, 3, 3),
        ios("succeeded", 499, 1, 1),
    ];
    let expiring = gaurun("accepted", 400, 3, "ios", &hex_token(6), ",\"expiry\":300");
    let run_2 = [
        ios("accepted", 400, 1, 4),
        ios("accepted", 400, 2, 5),
        expiring,
        ios("succeeded", 398, 2, 5),
    ];
    let android = gaurun(
        "accepted",
        300,
        2,
        "android",
        &fcm_token(7),
        ",\"collapse_key\":\"ck\",\"time_to_live\":3600",
    );
    let fields = concat!(
        r#","title":"T","badge":3,"sound":"s","content_available":true,"mutable_content":true,"#,
        r#""expiry":3600"#,
    );
    let run_3 = [
        gaurun("accepted", 300, 1, "ios", &hex_token(4), fields),
        android,
    ];
    write(site, "access.log.1.gz", gzip(&run_1.concat()));
    // The process was killed in its last line.
    let torn = r#"{"level":"info","time":"2026/11"#;
    write(site, "access.log", run_2.concat() + torn + &run_3.concat());
    write(site, "error.log", ios("failed", 498, 3, 3));
}

const THREE_RUNS: [&str; 3] = ["access.log.1.gz", "error.log", "access.log"];

#[test]
fn what_is_outstanding_is_sent_once_and_its_outcome_written() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    three_runs(&site);

    let dry = recover(&site, &THREE_RUNS, &["-n", "--allow-incomplete"]);
    let figures = "4 outstanding of 8, 1 expired, 1 damaged\n";
    check(
        &dry,
        0,
        &format!("{figures}dry run: nothing was sent or written\n"),
    );
    assert!(simulated.notes().is_empty());

    let before = contents(&site.path("access.log"));
    let output = recover(&site, &THREE_RUNS, &["--allow-incomplete"]);
    check(
        &output,
        0,
        &format!("{figures}4 succeeded, 0 failed, 0 left\n"),
    );
    let mut expected = vec![hex_token(2), hex_token(4), hex_token(4), fcm_token(7)];
    expected.sort();
    assert_eq!(sent_to(&simulated), expected);
    assert_eq!(simulated.counts().doubled, 0, "apns-ids of two runs differ");

    // Appended, nothing else touched; each line names its push as the log did.
    let after = contents(&site.path("access.log"));
    assert!(after.starts_with(&before));
    let appended = String::from_utf8(after[before.len()..].to_vec()).unwrap();
    let lines: Vec<Value> = appended
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut named: Vec<_> = lines
        .iter()
        .map(|line| (line["id"].as_u64().unwrap(), line["type"].as_str().unwrap()))
        .collect();
    named.sort_unstable();
    let succeeded = "succeeded-push";
    let expected = [
        (1, succeeded),
        (1, succeeded),
        (2, succeeded),
        (2, succeeded),
        (3, "failed-push"),
    ];
    assert_eq!(named, expected);
    assert!(lines.iter().all(|line| line["accepted"].is_string()));
    let expired = lines.iter().find(|line| line["id"] == 3).unwrap();
    assert_eq!(expired["reason"], "expired");

    let again = recover(&site, &THREE_RUNS, &["--allow-incomplete"]);
    let nothing = "0 outstanding of 8, 0 expired, 1 damaged\n0 succeeded, 0 failed, 0 left\n";
    check(&again, 0, nothing);
    assert_eq!(simulated.notes().len(), 4);
    assert_eq!(contents(&site.path("access.log")), after);
}

#[test]
fn texts_that_stand_once_in_a_log_are_sent_to_all() {
    let lost = Site::unreachable().without_journal();
    let daemon = lost.start();
    let text = "m".repeat(2000);
    let tokens = ["0a", "0b", "0c"];
    let body = serde_json::json!({"notifications": [
        {"platform": 1, "token": tokens, "message": text},
    ]});
    assert_eq!(daemon.push(&body).status, 200);
    wait_until("the lines", || {
        lines::of_kind(&lost.access_log(), "accepted-push").count() == 3
    });
    daemon.signal("KILL");
    let log = contents(&lost.path("access.log"));
    let log = String::from_utf8(log).unwrap();
    assert_eq!(log.matches(&text).count(), 1);

    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    write(&site, "access.log", &log);
    let sent = recover(&site, &["access.log"], &["--allow-incomplete"]);
    let figures = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert_eq!(sent.status.code(), Some(0), "{figures}");
    assert!(
        figures.ends_with("3 succeeded, 0 failed, 0 left\n"),
        "{figures}"
    );
    assert_eq!(sent_to(&simulated), tokens);
    for note in simulated.notes() {
        assert!(note.body.contains(&text), "{}", note.body);
    }
    // Without that line they are held back, and it is said why.
    let others = log.split_inclusive('\n');
    let without: String = others.filter(|line| !line.contains(&text)).collect();
    write(&site, "without.log", without);
    let held = recover(&site, &["without.log"], &["--allow-incomplete"]);
    let text = String::from_utf8_lossy(&held.stdout).into_owned();
    assert_eq!(held.status.code(), Some(75), "{text}");
    assert!(
        text.contains("2 held back: their texts are in the line of the push that texts_of names"),
        "{text}"
    );
}

#[test]
fn every_logged_field_is_sent_and_times_count_from_acceptance() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_text("log.mode", "0606");
    three_runs(&site);
    let outcomes = site.path("recovered.log");
    let arguments = [
        "--allow-incomplete",
        "--outcomes",
        outcomes.to_str().unwrap(),
    ];
    let output = recover(&site, &THREE_RUNS, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let now = Timestamp::now().as_second();

    let notes = simulated.notes();
    let is_full = |note: &&Note| note.body.contains("\"title\"");
    let note = notes.iter().find(is_full).unwrap();
    let payload: Value = serde_json::from_str(&note.body).unwrap();
    let expected = serde_json::json!({"aps": {
        "alert": {"title": "T", "body": "hello"},
        "badge": 3, "sound": "s", "content-available": 1, "mutable-content": 1,
    }});
    assert_eq!(payload, expected);
    let expiration: i64 = note.headers["apns-expiration"].parse().unwrap();
    assert!(
        (now + 3200..=now + 3301).contains(&expiration),
        "{expiration}"
    );

    let android: Value = serde_json::from_str(&note_to(&simulated, &fcm_token(7)).body).unwrap();
    let message = &android["message"];
    assert_eq!(message["notification"]["body"], "hello");
    assert_eq!(message["android"]["collapse_key"], "ck");
    let ttl = message["android"]["ttl"].as_str().unwrap();
    let ttl: i64 = ttl.trim_end_matches('s').parse().unwrap();
    assert!((3200..=3301).contains(&ttl), "{ttl}");

    // The outcomes are read back from where they went, a push log like the daemon's.
    assert_eq!(lines::read(&outcomes).len(), 5);
    let mode = fs::metadata(&outcomes).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o606);
    let again = recover(&site, &THREE_RUNS, &arguments);
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("0 outstanding of 8, 0 expired,"));
    assert_eq!(simulated.notes().len(), 4);
}

#[test]
fn pushes_that_may_lack_something_are_held_back() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    three_runs(&site);
    let held = concat!(
        "4 outstanding of 8, 1 expired, 1 damaged\n",
        "4 held back: a push log has no extend, data, alert, priority, push_type, topic, collapse_id ",
        "and other fields that Gaurun did not have; ",
        "--allow-incomplete sends pushes without them\n",
    );
    let dry = recover(&site, &THREE_RUNS, &["--dry-run"]);
    let text = String::from_utf8(dry.stdout.clone()).unwrap();
    assert!(text.starts_with(held), "{text}");
    assert_eq!(text.matches("  id ").count(), 4, "{text}");
    assert!(
        !text.contains(&hex_token(2)),
        "device tokens are in logs only"
    );
    assert_eq!(dry.status.code(), Some(0));

    let output = recover(&site, &THREE_RUNS, &[]);
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(held), "{text}");
    assert!(text.ends_with("0 succeeded, 0 failed, 4 left\n"), "{text}");
    assert!(simulated.notes().is_empty());

    // What had expired is settled; the others are there to be sent.
    let output = recover(&site, &THREE_RUNS, &["--allow-incomplete"]);
    check(
        &output,
        0,
        "4 outstanding of 8, 0 expired, 1 damaged\n4 succeeded, 0 failed, 0 left\n",
    );
}

#[test]
fn pushes_that_are_too_old_expire() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    three_runs(&site);
    let output = recover(
        &site,
        &THREE_RUNS,
        &["--allow-incomplete", "--max-age", "6m"],
    );
    check(
        &output,
        0,
        "2 outstanding of 8, 3 expired, 1 damaged\n2 succeeded, 0 failed, 0 left\n",
    );
    let site = Site::simulated(&simulated.simulator).with("core.max_age", 60);
    three_runs(&site);
    let output = recover(&site, &THREE_RUNS, &["-n"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("0 outstanding of 8, 5 expired, 1 damaged\n"),
        "{text}"
    );
}

#[test]
fn our_own_push_log_is_recovered_under_its_own_ids() {
    let simulated = Simulated::start();
    let site = Site::unreachable();
    let daemon = site.start();
    let body = serde_json::json!({"notifications": [
        {"platform": 1, "token": [hex_token(1), hex_token(2)], "message": "m", "badge": 7},
    ]});
    assert_eq!(daemon.push(&body).status, 200);
    wait_until("the lines of both", || site.access_log().len() == 3);
    // Killed: nothing settles them.
    drop(daemon);
    let ids = lines::ids(&site.access_log(), "accepted-push");

    let other = Site::simulated(&simulated.simulator);
    fs::copy(site.path("access.log"), other.path("access.log")).unwrap();
    write(&other, "error.log", contents(&site.path("error.log")));
    let output = recover(
        &other,
        &["error.log", "access.log"],
        &["--allow-incomplete"],
    );
    check(
        &output,
        0,
        "2 outstanding of 2, 0 expired, 0 damaged\n\
         no line of an error log among them: if there is such a log, add it with -l, for without \
         it pushes that were refused look outstanding\n\
         2 succeeded, 0 failed, 0 left\n",
    );
    assert_eq!(lines::ids(&other.access_log(), "succeeded-push"), ids);
    for note in simulated.notes() {
        let payload: Value = serde_json::from_str(&note.body).unwrap();
        assert_eq!(payload["aps"]["badge"], 7);
        let id = note.headers["apns-id"].replace('-', "");
        let id = u64::from_str_radix(id.split_at(17).1, 16).unwrap() & ((1 << 53) - 1);
        assert!(ids.contains(&id), "{id:x} {ids:x?}");
    }
}
