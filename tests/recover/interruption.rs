//! A recovery that is stopped, or killed, and run again.

use super::*;
use crate::harness::daemon::Daemon;
use crate::harness::wait_until;

/// Pushes of the log; more than are let into a lane at a time.
const PUSHES: u64 = 6000;

/// Two connections of 1000 streams, and as many lines as the log's writer gathers.
const IN_FLIGHT: usize = 2 * 1000 + 500;

fn log(site: &Site) {
    let text: String = (1..=PUSHES).map(|id| ios("accepted", 60, id, id)).collect();
    write(site, "access.log", text);
}

fn started(site: &Site) -> Daemon {
    let mut command = command(site, &["access.log"], &["--allow-incomplete"]);
    site.capture(&mut command);
    Daemon::spawn(command)
}

fn settled(site: &Site) -> usize {
    lines::ids(&site.access_log(), "succeeded-push").len()
}

fn finish(site: &Site, settled: u64) {
    let output = recover(site, &["access.log"], &["--allow-incomplete"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let left = PUSHES - settled;
    assert_eq!(output.status.code(), Some(0), "{text}");
    let left = format!("{},{:03}", left / 1000, left % 1000);
    let left = left.trim_start_matches("0,");
    assert!(
        text.starts_with(&format!("{left} outstanding of 6,000, ")),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("{left} succeeded, 0 failed, 0 left\n")),
        "{text}"
    );
}

#[test]
fn a_stopped_recovery_goes_on_where_it_was_and_sends_nothing_twice() {
    let simulated = slow();
    let site = Site::simulated(&simulated.simulator);
    log(&site);
    let first = started(&site);
    wait_until("some outcomes", || settled(&site) > 100);
    first.signal("INT");
    assert_eq!(first.wait(), 75);
    let done = settled(&site) as u64;
    assert!(done < PUSHES, "it was stopped too late to show anything");
    let text = fs::read_to_string(site.path("stdout")).unwrap();
    let left = text.lines().last().unwrap();
    assert!(
        left.ends_with(" left") && !left.ends_with(" 0 left"),
        "{text}"
    );
    assert!(lines::ids(&site.access_log(), "failed-push").is_empty());

    finish(&site, done);
    let times = simulated.received();
    assert_eq!(times.len() as u64, PUSHES);
    assert!(
        times.values().all(|times| *times == 1),
        "what was in flight was waited for"
    );
}

#[test]
fn a_killed_recovery_goes_on_and_doubles_what_was_in_flight_at_most() {
    let simulated = slow();
    let site = Site::simulated(&simulated.simulator);
    log(&site);
    let first = started(&site);
    wait_until("some outcomes", || settled(&site) > 100);
    first.signal("KILL");
    drop(first);
    let done = settled(&site);
    finish(&site, done as u64);
    let times = simulated.received();
    assert_eq!(times.len() as u64, PUSHES);
    let doubled = times.values().filter(|times| **times > 1).count();
    assert!(doubled <= IN_FLIGHT, "{doubled} doubled, {done} done");
    assert!(times.values().all(|times| *times <= 2));
}
