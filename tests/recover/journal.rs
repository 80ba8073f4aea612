//! The recovery of a journal: of a daemon that was killed, of one that runs, of a damaged one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use sterna::journal::{self, DiskFiles};
use sterna::moment::Moment;

use super::*;
use crate::harness::daemon::Daemon;
use crate::harness::site::read_text;
use crate::harness::wait_until;
use load::Load;

/// `sterna recover` on the journal of the site's configuration.
fn command(site: &Site, arguments: &[&str]) -> Command {
    super::command(site, &[], arguments)
}

fn recover(site: &Site, arguments: &[&str]) -> Output {
    run(command(site, arguments))
}

/// What a journal has as outstanding: the device token of each push, by id.
fn outstanding(site: &Site) -> BTreeMap<u64, String> {
    let reading = journal::read(&DiskFiles, &site.path("journal"), Moment::now()).unwrap();
    let mut pushes = BTreeMap::new();
    for notification in reading {
        let notification = notification.unwrap();
        for (index, _) in &notification.pushes {
            let token = notification.parcel.token(*index).unwrap();
            pushes.insert(notification.id(*index).0, token.text().into_owned());
        }
    }
    pushes
}

/// Ids of pushes with a line that says how they ended. A kill may have cut the last line of a
/// process, which the next one's first line follows.
fn ended(site: &Site) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    for log in ["access.log", "error.log"] {
        for line in read_text(&site.path(log)).lines() {
            let (_cut, whole) = line.split_at(line.rfind("{\"level\":").unwrap_or(0));
            let Ok(line) = serde_json::from_str::<Value>(whole) else {
                continue;
            };
            let kind = line.get("type").and_then(Value::as_str);
            if matches!(kind, Some("succeeded-push" | "failed-push")) {
                ids.extend(line.get("id").and_then(Value::as_u64));
            }
        }
    }
    ids
}

/// Pushes to the devices of these numbers.
fn to(devices: std::ops::Range<u64>) -> Value {
    let tokens: Vec<String> = devices.map(hex_token).collect();
    json!({"platform": 1, "token": tokens, "message": "m"})
}

fn push(daemon: &Daemon, notification: &Value) -> Vec<u64> {
    let reply = daemon.push(&json!({"notifications": [notification]}));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.accepted_ids()
}

/// The journal of a daemon that reached nobody and was killed goes to another site.
fn inherit(site: &Site, notifications: &[Value]) -> Vec<u64> {
    let before = Site::unreachable();
    let daemon = before.start();
    let ids = notifications.iter().flat_map(|one| push(&daemon, one));
    let ids = ids.collect();
    drop(daemon);
    fs::create_dir(site.path("journal")).unwrap();
    for entry in fs::read_dir(before.path("journal")).unwrap() {
        let entry = entry.unwrap();
        // The feed beside it is for who asks, and no part of what is recovered.
        if entry.path().is_dir() {
            continue;
        }
        fs::copy(entry.path(), site.path("journal").join(entry.file_name())).unwrap();
    }
    ids
}

fn figures(output: &Output) -> (String, String) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(output));
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    (next(), next())
}

/// Ids come from the clock, so that daemons that were started together give the same ones.
#[test]
fn a_line_with_the_id_of_a_push_and_another_device_says_nothing_of_it() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let ids = inherit(&site, &[to(0..3)]);
    let ended = [
        ios("succeeded", 5, ids[0], 7),
        ios("succeeded", 5, ids[1], 1),
    ];
    write(&site, "access.log", ended.concat());
    write(&site, "error.log", ios("failed", 5, ids[2], 8));
    let output = recover(&site, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let notes = simulated.notes();
    let received: BTreeSet<_> = notes.iter().map(|note| &*note.device_token).collect();
    assert_eq!(received, BTreeSet::from([&*hex_token(0), &*hex_token(2)]));
    assert!(stderr(&output).contains("1 push had ended before the crash"));
}

/// A number with commas, at the beginning of a line.
fn first_number(line: &str) -> usize {
    let digits = line.split(' ').next().unwrap().replace(',', "");
    digits.parse().unwrap()
}

#[test]
fn what_a_daemon_killed_under_load_left_is_sent_and_nothing_else() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(150);
    });
    let site = Site::simulated(&simulated.simulator).with("core.queues", 4000);
    let daemon = site.start();
    let mut load = Load::new(Duration::from_millis(1));
    let callers = load.start(&daemon.address);
    wait_until("hundreds of outcomes", || ended(&site).len() > 300);
    daemon.signal("KILL");
    drop(daemon);
    load.finish(callers);
    // It forgets what it has seen so far.
    let simulated = simulated.stop().start();

    let left = outstanding(&site);
    let ended_before = ended(&site);
    let accepted = load.answered();
    let unsettled = accepted.iter().filter(|(id, _)| !ended_before.contains(id));
    let unsettled: Vec<_> = unsettled.collect();
    assert!(!unsettled.is_empty(), "it was killed too late");
    assert!(
        unsettled
            .iter()
            .all(|(id, token)| left.get(id) == Some(*token))
    );
    for (id, token) in &left {
        // Kept, and the kill came before the answer.
        let is_unanswered = load.unanswered().contains(token);
        assert!(accepted.get(id) == Some(token) || is_unanswered, "{id}");
    }

    let (found, dry) = figures(&recover(&site, &["-n"]));
    assert_eq!(dry, "dry run: nothing was sent or written");
    assert_eq!(first_number(&found), left.len(), "{found}");
    assert!(found.ends_with(", 0 expired, 0 damaged"), "{found}");
    let named = first_number(found.split_once(" of ").unwrap().1.trim_end_matches(','));
    let most = accepted.len() + load.unanswered().len();
    assert!((accepted.len()..=most).contains(&named), "{found}");
    assert!(simulated.notes().is_empty());
    assert_eq!(outstanding(&site), left);

    let output = recover(&site, &[]);
    // The load has pushes that are refused.
    assert!(
        matches!(output.status.code(), Some(0 | 69)),
        "{}",
        stderr(&output)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let (first, last) = text.trim_end().split_once('\n').unwrap();
    assert_eq!(first, found);
    assert!(last.ends_with(" failed, 0 left"), "{last}");
    // What the log says has ended is settled, and not sent.
    let unsent = left.iter().filter(|(id, _)| !ended_before.contains(id));
    let mut expected: Vec<_> = unsent.map(|(_, token)| token.clone()).collect();
    expected.sort();
    assert_eq!(sent_to(&simulated), expected);
    let ended = ended(&site);
    assert!(accepted.keys().all(|id| ended.contains(id)), "lost");

    let (nothing, done) = figures(&recover(&site, &[]));
    assert!(nothing.starts_with("0 outstanding of "), "{nothing}");
    assert_eq!(done, "0 succeeded, 0 failed, 0 left");
    assert_eq!(simulated.notes().len(), expected.len());
    assert!(outstanding(&site).is_empty());
}

#[test]
fn the_figures_are_those_of_the_ledgers_and_no_port_is_needed() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    push(&daemon, &to(0..300));
    wait_until("300 to be settled in the journal", || {
        outstanding(&site).is_empty()
    });
    let stopped = simulated.stop();
    let mut ids = push(&daemon, &to(1000..1500));
    // In seconds, as the callers of Gaurun give it.
    let mut expiring = to(2000..2002);
    expiring["expiry"] = json!(3);
    let expired = push(&daemon, &expiring);
    drop(daemon);
    assert_eq!(ended(&site).len(), 300);
    let simulated = stopped.start();
    wait_until("two to expire", || {
        figures(&recover(&site, &["--dry-run"])).0 == "500 outstanding of 802, 2 expired, 0 damaged"
    });

    let taken = simulated.simulator.addresses().apns.port().to_string();
    let site = site.with_text("core.port", &taken);
    let (found, done) = figures(&recover(&site, &[]));
    assert_eq!(found, "500 outstanding of 802, 2 expired, 0 damaged");
    assert_eq!(done, "500 succeeded, 0 failed, 0 left");
    assert_eq!(simulated.notes().len(), 500);
    let log = site.error_log();
    assert_eq!(lines::ids(&log, "failed-push"), expired);
    assert!(lines::of_kind(&log, "failed-push").all(|line| line.text_of("reason") == "expired"));
    let succeeded = lines::ids(&site.access_log(), "succeeded-push");
    ids.extend(
        succeeded
            .iter()
            .filter(|id| !ids.contains(id))
            .copied()
            .collect::<Vec<_>>(),
    );
    ids.sort_unstable();
    assert_eq!((succeeded.len(), succeeded), (800, ids));

    let (nothing, done) = figures(&recover(&site, &[]));
    assert_eq!(nothing, "0 outstanding of 802, 0 expired, 0 damaged");
    assert_eq!(done, "0 succeeded, 0 failed, 0 left");
    assert_eq!(simulated.notes().len(), 500);
}

#[test]
fn a_journal_whose_daemon_runs_is_looked_at_and_left_alone() {
    let site = Site::unreachable();
    let daemon = site.start();
    push(&daemon, &to(1..4));
    let (found, _) = figures(&recover(&site, &["-n"]));
    assert_eq!(found, "3 outstanding of 3, 0 expired, 0 damaged");
    let output = recover(&site, &[]);
    check(&output, 75, "");
    let errors = stderr(&output);
    let owner = format!("belongs to a process that runs, with pid {}:", daemon.pid());
    assert!(errors.contains(&owner), "{errors}");
    push(&daemon, &to(4..5));
    assert_eq!(outstanding(&site).len(), 4);
}

#[test]
fn an_age_of_its_own_expires_what_is_older() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let ids = inherit(&site, &[to(1..3)]);
    let old = ["--max-age", "1s", "-n"];
    wait_until("a second to pass", || {
        figures(&recover(&site, &old)).0 == "0 outstanding of 2, 2 expired, 0 damaged"
    });
    let (_, done) = figures(&recover(&site, &["--max-age", "1s"]));
    assert_eq!(done, "0 succeeded, 0 failed, 0 left");
    assert_eq!(lines::ids(&site.error_log(), "failed-push"), ids);
    assert!(simulated.notes().is_empty() && outstanding(&site).is_empty());
}

/// As in the shell of somebody who is not the service, and may not read what it may.
#[test]
fn to_look_needs_no_credentials() {
    let site = Site::unreachable();
    inherit(&site, &[to(1..3)]);
    write(&site, "access.log", ios("accepted", 9, 1, 1));
    let site = site
        .with_text("ios.token_auth_key_path", "credential:apns.p8")
        .with_text("ios.ca_path", "/etc/sterna/private/ca")
        .without("android.service_account_path");
    let log = site.path("access.log");
    for (logs, found) in [
        (&["-n"][..], "2 outstanding of 2"),
        (&["-n", "-l", log.to_str().unwrap()], "1 outstanding of 1"),
    ] {
        let output = recover(&site, logs);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(text.starts_with(found), "{text}{}", stderr(&output));
    }
    let output = recover(&site, &[]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(stderr(&output).contains("CREDENTIALS_DIRECTORY"));
}

#[test]
fn a_platform_that_is_disabled_stays_in_the_journal() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without("android")
        .with("android.enabled", false);
    let android = json!({"platform": 2, "token": [fcm_token(9)], "message": "m"});
    let ids = inherit(&site, &[to(1..3), android]);
    let held = "3 outstanding of 3, 0 expired, 0 damaged\n\
                1 held back: android is disabled in the configuration\n";
    let output = recover(&site, &[]);
    check(
        &output,
        75,
        &format!("{held}2 succeeded, 0 failed, 1 left\n"),
    );
    assert_eq!(outstanding(&site).into_keys().collect::<Vec<_>>(), ids[2..]);
    let again = recover(&site, &[]);
    let held = held.replace("3 outstanding", "1 outstanding");
    check(
        &again,
        75,
        &format!("{held}0 succeeded, 0 failed, 1 left\n"),
    );
    assert_eq!(simulated.notes().len(), 2);
}

/// Pushes that are more than one second's work of a slow provider.
const MANY: u64 = 6000;

fn interrupted(signal: &str) -> (Simulated, Site, Daemon, usize) {
    let simulated = slow();
    let site = Site::simulated(&simulated.simulator);
    inherit(&site, &[to(0..MANY)]);
    let mut command = command(&site, &[]);
    site.capture(&mut command);
    let first = Daemon::spawn(command);
    wait_until("some outcomes", || ended(&site).len() > 100);
    first.signal(signal);
    wait_until("its end", || first.ended().is_some());
    let left = outstanding(&site);
    assert!(!left.is_empty(), "it was stopped too late to show anything");
    let left = left.len();
    (simulated, site, first, left)
}

/// Runs it again; how often each device was sent to.
fn finish(simulated: &Simulated, site: &Site, left: usize) -> BTreeMap<String, usize> {
    // Of what the journal has outstanding a kill may have left lines of the end in the logs.
    let unsent = usize::try_from(MANY).unwrap() - ended(site).len();
    let (found, done) = figures(&recover(site, &[]));
    assert_eq!(first_number(&found), left);
    assert_eq!(first_number(&done), unsent, "{done}");
    assert!(done.ends_with(" succeeded, 0 failed, 0 left"), "{done}");
    assert_eq!(ended(site).len() as u64, MANY);
    let times = simulated.received();
    assert_eq!(times.len() as u64, MANY);
    times
}

#[test]
fn a_stopped_recovery_of_a_journal_goes_on_and_sends_nothing_twice() {
    let (simulated, site, first, left) = interrupted("INT");
    assert_eq!(first.wait(), 75);
    let text = read_text(&site.path("stdout"));
    let last = text.lines().last().unwrap();
    assert!(
        last.ends_with(" left") && !last.ends_with(" 0 left"),
        "{text}"
    );
    assert!(site.error_log().is_empty(), "nothing has failed");
    let times = finish(&simulated, &site, left);
    let twice = times.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "what was in flight was waited for");
}

#[test]
fn a_killed_recovery_of_a_journal_sends_nothing_again_that_was_settled() {
    let (simulated, site, _first, left) = interrupted("KILL");
    let open: BTreeSet<String> = outstanding(&site).into_values().collect();
    let times = finish(&simulated, &site, left);
    for (token, times) in times {
        let most = 1 + usize::from(open.contains(&token));
        assert!(times <= most, "{token}: {times}");
    }
}

#[test]
fn a_disk_that_fails_ends_it_and_the_next_run_goes_on() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    inherit(&site, &[to(1..4)]);
    let mut failing = command(&site, &[]);
    // Two syncs take the journal over; the third is that of the settlements.
    failing.env("STERNA_FAIL_AT", "sync:3");
    let output = run(failing);
    assert_eq!(output.status.code(), Some(74), "{}", stderr(&output));
    let errors = stderr(&output);
    assert!(errors.contains("the journal has failed: "), "{errors}");
    let output = recover(&site, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(outstanding(&site).is_empty());
    let ended = ended(&site).len();
    assert_eq!((ended, sent_to(&simulated).len() >= 3), (3, true));
}

fn segment(site: &Site) -> std::path::PathBuf {
    site.path("journal").join("0000000001.journal")
}

#[test]
fn damage_is_told_and_the_rest_is_sent() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let one = |message: &str| json!({"platform": 1, "token": [hex_token(1)], "message": message});
    inherit(&site, &["first", "second", "third"].map(one));
    let mut bytes = contents(&segment(&site));
    let at = bytes.windows(6).position(|at| at == b"second").unwrap();
    bytes[at] ^= 1;
    fs::write(segment(&site), bytes).unwrap();

    let output = recover(&site, &["-n"]);
    let found = "2 outstanding of 2, 0 expired, 1 damaged\n";
    check(
        &output,
        0,
        &format!("{found}dry run: nothing was sent or written\n"),
    );
    let errors = stderr(&output);
    let expected = format!(
        "sterna: journal segment {} is damaged: ",
        segment(&site).display()
    );
    assert!(errors.starts_with(&expected), "{errors}");

    let output = recover(&site, &[]);
    check(
        &output,
        0,
        &format!("{found}2 succeeded, 0 failed, 0 left\n"),
    );
    assert!(stderr(&output).starts_with(&expected));
    let bodies: String = simulated
        .notes()
        .into_iter()
        .map(|note| note.body)
        .collect();
    assert!(
        bodies.contains("first") && bodies.contains("third"),
        "{bodies}"
    );
}

#[test]
fn what_is_no_journal_is_refused_and_left_as_it_is() {
    let site = Site::unreachable();
    let told = |output: Output, code: i32, expected: &str| {
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    };
    told(recover(&site, &[]), 65, "there is no journal in ");
    assert!(!site.path("journal").exists());
    let empty = site.path("empty");
    fs::create_dir(&empty).unwrap();
    let elsewhere = ["--journal", empty.to_str().unwrap()];
    told(recover(&site, &elsewhere), 65, "there is no journal in ");
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);

    inherit(&site, &[to(1..5)]);
    let whole = contents(&segment(&site));
    let noise: Vec<u8> = whole.iter().map(|byte| byte ^ 0x5a).collect();
    fs::write(segment(&site), &noise).unwrap();
    let nothing = "nothing of the journal in ";
    told(recover(&site, &["-n"]), 65, nothing);
    told(recover(&site, &[]), 65, nothing);
    assert_eq!(contents(&segment(&site)), noise);

    let off = site.without_journal();
    told(
        recover(&off, &["-n"]),
        64,
        "name a journal's directory with --journal",
    );
    fs::write(segment(&off), whole).unwrap();
    let named = ["-n", "--journal", off.path("journal").to_str().unwrap()].map(str::to_owned);
    let named = named.each_ref().map(String::as_str);
    let (found, _) = figures(&recover(&off, &named));
    assert_eq!(found, "4 outstanding of 4, 0 expired, 0 damaged");
}

#[test]
fn a_push_log_yields_nothing_that_the_journal_has() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let stopped = simulated.stop();
    let ids = push(&daemon, &to(1..4));
    wait_until("the lines of all", || site.access_log().len() == 4);
    drop(daemon);
    let simulated = stopped.start();
    write(&site, "error.log", ios("failed", 9, 5, 5));
    // A push of the log alone, of an older daemon.
    let other = gaurun("accepted", 9, ids[0] - 1000, "ios", &hex_token(9), "");
    let log = [contents(&site.path("access.log")), other.into_bytes()].concat();
    write(&site, "access.log", log);
    let logs = ["error.log", "access.log"];
    let output = super::recover(&site, &logs, &["--allow-incomplete"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let held = "4 outstanding of 4, 0 expired, 0 damaged\n3 held back: the journal has them too; \
                start the daemon on it, or run sterna recover with the same -c and --journal and \
                without -l\n";
    assert!(text.starts_with(held), "{text}{}", stderr(&output));
    for id in &ids {
        assert!(
            text.contains(&format!("  id {id} ios, accepted ")),
            "{text}"
        );
    }
    assert!(text.ends_with("1 succeeded, 0 failed, 3 left\n"), "{text}");
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(sent_to(&simulated), [hex_token(9)]);

    // The same if only the command line says where the journal is; it must be there then.
    let site = site.without_journal();
    let dir = site.path("journal");
    let named = ["-n", "--journal", dir.to_str().unwrap()];
    let output = super::recover(&site, &logs, &named);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("3 held back: the journal has them too; "),
        "{text}"
    );
    let nowhere = ["-n", "--journal", "/nonexistent"];
    let output = super::recover(&site, &logs, &nowhere);
    assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
    let site = site
        .without("journal.sync")
        .with_path("journal.dir", "journal");

    let (_, done) = figures(&recover(&site, &[]));
    assert_eq!(done, "3 succeeded, 0 failed, 0 left");
    let output = super::recover(&site, &logs, &["--allow-incomplete"]);
    check(
        &output,
        0,
        "0 outstanding of 4, 0 expired, 0 damaged\n0 succeeded, 0 failed, 0 left\n",
    );
    assert_eq!(simulated.notes().len(), 4);
}
