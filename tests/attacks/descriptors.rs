//! A flood of callers takes no descriptor with which a lane dials, a log is opened again, or the
//! journal begins another segment.

use std::fs;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::crowd::{Crowd, all_manners};
use crate::crowds::place;
use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run, sterna};
use crate::harness::{fcm_token, hex_token, wait_for, wait_until};
use crate::{check_served, during};

/// The command that serves a site, within limits as the shell sets them.
fn within(limits: &str, site: &Site) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{limits}; exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(sterna().get_program());
    command.arg("-c").arg(site.write_config()).env("TZ", "UTC");
    site.capture(&mut command);
    command
}

fn start_within(limits: &str, site: &Site) -> Daemon {
    Daemon::start(within(limits, site), &site.path("operator.log"))
}

/// Descriptors of the daemon at present.
fn open_files(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
        .unwrap()
        .count()
}

/// One push to each of so many devices of both platforms.
fn push_to(daemon: &Daemon, devices: u64) {
    let hex: Vec<_> = (0..devices).map(hex_token).collect();
    let fcm: Vec<_> = (0..devices).map(fcm_token).collect();
    let reply = daemon.push(&json!({"notifications": [
        {"platform": 1, "token": hex, "message": "m"},
        {"platform": 2, "token": fcm, "message": "m"},
    ]}));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn callers_who_fill_every_connection_take_no_descriptor_of_others() {
    const LIMIT: usize = 480;
    let simulated = Simulated::start();
    let mut site = Site::simulated(&simulated.simulator)
        .with("core.max_connections", 512)
        .with("journal.segment_bytes", 65_536)
        .with_path("core.control_socket", "control");
    let begun = Instant::now();
    let daemon = start_within(&format!("ulimit -n {LIMIT}"), &site);
    let told = site.operator_log();
    let warning = format!("core.max_connections = 512: the limit of open files is {LIMIT}, which");
    assert_eq!(told.matches(&warning).count(), 1, "{told}");

    let manners = all_manners();
    let crowds = manners.iter().take(2);
    let crowds: Vec<_> = crowds
        .map(|manners| Crowd::gather(&place(&daemon), LIMIT, manners).unwrap())
        .collect();
    wait_until("the crowds to come again and again", || {
        crowds.iter().all(|crowd| crowd.connected() > 2 * LIMIT)
    });
    // Nothing is open yet of what follows.
    let first = site.segments();
    for _ in 0..3 {
        push_to(&daemon, 300);
        daemon.wait_idle();
    }
    push_to(&daemon, 1);
    wait_until("the journal to go on in another segment", || {
        let now = site.segments();
        first.iter().all(|segment| !now.contains(segment))
    });
    fs::rename(site.path("access.log"), site.path("access.log.1")).unwrap();
    daemon.signal("HUP");
    wait_until("the log to be opened again", || {
        site.path("access.log").exists()
    });
    push_to(&daemon, 1);
    // Too many connections are warned of where they were asked for.
    for (key, number, warnings) in [("core.queues", 5000, 1), ("core.max_connections", 600, 2)] {
        site = site.with(key, number);
        let mut reload = sterna();
        reload.arg("reload").arg("--wait").arg("-c");
        let output = run({
            reload.arg(site.write_config());
            reload
        });
        let told = String::from_utf8(output.stdout).unwrap();
        let applied = format!("applied: {key} = {number}");
        assert!(told.contains(&applied), "{told}");
        let told = wait_for("all of it to be logged", || {
            let told = site.operator_log();
            let is_done = told.split_once(&applied)?.1.contains("reload: done");
            is_done.then_some(told)
        });
        let warning = format!(": the limit of open files is {LIMIT}, which");
        assert_eq!(told.matches(&warning).count(), warnings, "{told}");
    }
    assert_eq!(daemon.request("GET", "/stat/go", b"").status, 200);
    assert!(open_files(&daemon) <= LIMIT);
    daemon.wait_idle();
    drop(crowds);
    let stat = daemon.settle();
    for platform in ["ios", "android"] {
        assert_eq!(stat.number(&format!("/{platform}/push_success")), 902);
    }
    let log = site.operator_log();
    assert!(!log.contains("open files (os"), "{log}");
    let line = "too many callers at once";
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    let lines = log.matches(line).count();
    assert!((1..=1 + minutes).contains(&lines), "{log}");
    assert!(log.contains("raise the limit of open files"), "{log}");
}

#[test]
fn the_limit_is_raised_as_far_as_it_may_be_and_what_it_leaves_is_told() {
    let site = Site::unreachable()
        .with("core.shutdown_timeout", 0)
        .with_path("core.control_socket", "control");
    let limit_of = |daemon: &Daemon| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let mut words = line.unwrap().split_whitespace().skip(3);
        let mut next = || words.next().unwrap().parse::<u32>().unwrap();
        (next(), next())
    };
    let daemon = start_within("ulimit -Sn 64; ulimit -Hn 1000", &site);
    assert_eq!(limit_of(&daemon), (1000, 1000));
    let log = site.operator_log();
    assert!(!log.contains("open files"), "{log}");
    // By a reload it is asked for more than there is.
    let site = site.with("core.max_connections", 700);
    let reload = |site: &Site| {
        let mut reload = sterna();
        reload.arg("reload").arg("--wait").arg("-c");
        reload.arg(site.write_config());
        String::from_utf8(run(reload).stdout).unwrap()
    };
    let check = |site: &Site, limits: &str| {
        let mut command = Command::new("sh");
        let script = format!("{limits}; exec \"$0\" check -c \"$1\"");
        command.arg("-c").arg(script).arg(sterna().get_program());
        let output = run({
            command.arg(site.write_config());
            command
        });
        String::from_utf8(output.stderr).unwrap()
    };
    let told = "core.max_connections = 700: the limit of open files is 1000, which leaves ";
    let said = reload(&site);
    assert!(said.contains(told), "{said}");
    wait_until("it to be logged", || site.operator_log().contains(told));
    // The command looks at the daemon that runs, whatever its own limit is.
    let said = check(&site, "ulimit -n 90");
    let its = told.replace("the limit", "the running daemon's limit");
    assert!(said.contains(&its), "{said}");
    let site = site.with("core.max_connections", 80);
    let said = reload(&site);
    assert!(!said.contains("open files"), "{said}");
    drop(daemon);
    let said = check(&site, "ulimit -Sn 90");
    assert!(!said.contains("open files"), "{said}");
    let said = check(&site, "ulimit -n 90");
    let told = "core.max_connections = 80: the limit of open files is 90, and lanes, logs and \
                journal may need ";
    assert!(said.contains(told), "{said}");
}

#[test]
fn with_hardly_any_descriptors_it_serves_few_or_says_why_it_cannot() {
    let site = Site::unreachable().with("core.shutdown_timeout", 0);
    let daemon = start_within("ulimit -n 64", &site);
    let log = site.operator_log();
    assert_eq!(log.matches("they may be left without").count(), 1, "{log}");
    check_served(&daemon);
    assert_eq!(daemon.terminate(), 0);
    let output = run(within("ulimit -n 12", &Site::unreachable()));
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("Too many open files"), "{told}");
}

#[test]
fn want_of_descriptors_does_not_deafen_the_daemon() {
    let site = Site::unreachable()
        .without_journal()
        .with("core.shutdown_timeout", 0);
    let begun = Instant::now();
    let daemon = start_within("ulimit -n 1000", &site);
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    let limit = |files: usize| {
        let (current, maximum) = (Some(files as u64), Some(1000));
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    during(&daemon, || {
        limit(open_files(&daemon));
        let attackers: Vec<_> = (0..8).map(|_| daemon.client()).collect();
        wait_until("the want to be told", || {
            let told = "Too many open files (os error 24); raise LimitNOFILE= in the unit";
            site.operator_log().contains(told)
        });
        drop(attackers);
        limit(1000);
        check_served(&daemon);
    });
    check_served(&daemon);
    assert_eq!(daemon.terminate(), 75);
    let log = site.operator_log();
    let lines = log.matches("cannot accept connections, trying on").count();
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!((1..=1 + minutes).contains(&lines), "{log}");
}
