//! The daemon is killed again and again, at random and at named points, under load; then ledgers
//! are joined: what callers were answered, what the providers received, what the logs say, and what
//! the journal held at each kill.
//!
//! `STERNA_TORTURE_KILLS="200,175" cargo test --test torture` kills 200 times at random and 175
//! times at named points; `STERNA_TORTURE_SEED` begins with other random numbers, and
//! `STERNA_TORTURE_PAUSE_MS` is how long each caller waits between two requests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail the test by panicking; what was found is told"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod dice;
mod ledger;
mod load;
mod standstill;

use std::time::Duration;

use dice::Dice;
use harness::daemon::Daemon;
use harness::simulator::Simulated;
use harness::site::{Site, read_text};
use harness::wait_until;
use ledger::{Ledger, Resends};
use load::Load;

/// Where a debug build can be made to kill itself.
const POINTS: [&str; 7] = [
    "read", "append", "sync", "answer", "send", "response", "settle",
];

/// Kills at random and at named points, unless it is said how many.
const KILLS: (u32, u32) = (6, 7);

/// From so many kills on, callers push more slowly.
const MANY: u32 = 50;

/// The longest that a process lives before it is killed.
const LIFE_MS: u64 = 700;

/// The latest passage of a point at which it is killed.
const PASSAGES: u64 = 40;

#[test]
fn nothing_that_was_answered_200_is_lost_however_the_daemon_dies() {
    torture(Resends::AnyTime);
}

/// `core.resend_unknown = false`.
#[test]
fn nothing_is_received_twice_where_that_is_asked_for_however_the_daemon_dies() {
    torture(Resends::Never);
}

fn torture(resends: Resends) {
    let (random, directed) = kills();
    let mut dice = Dice::new(number_of("STERNA_TORTURE_SEED").unwrap_or(1));
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(5);
        options.faults.latency_spread = Duration::from_millis(40);
    });
    let mut ledger = Ledger::default();
    // What is remembered of each push is too much for half a million of them.
    let pause = if random + directed > MANY { 15 } else { 4 };
    let pause = number_of("STERNA_TORTURE_PAUSE_MS").unwrap_or(pause);
    let mut load = Load::new(Duration::from_millis(pause));
    let mut site = Site::simulated(&simulated.simulator)
        .with("journal.segment_bytes", 65536)
        .with("core.queues", 4000)
        .with("core.resend_unknown", resends == Resends::AnyTime);
    for number in 0..random + directed {
        let sync = ["group", "interval"][(number % 2) as usize];
        site = site.with_text("journal.sync", sync);
        let point = number.checked_sub(random).map(|number| {
            let name = POINTS[number as usize % POINTS.len()];
            format!("{name}:{}", 1 + dice.below(PASSAGES))
        });
        let life = Duration::from_millis(dice.below(LIFE_MS));
        let killed = live_and_die(&site, point.as_deref(), life, &mut load);
        println!("kill {number}, sync {sync}: {killed}");
        ledger.note_kill(&site.path("journal"));
    }
    let daemon = site.start();
    daemon.wait_idle();
    wait_until("every push that was answered to have its line", || {
        ledger::unsettled(load.answered(), &site) == 0
    });
    daemon.wait_idle();
    assert_eq!(daemon.terminate(), 0);
    ledger::check_end(&site.path("journal"));
    println!("{}", ledger.check(&load, &simulated, &site, resends));
}

/// Starts the daemon, lets callers push, and kills it, or waits until it has killed itself.
fn live_and_die(site: &Site, point: Option<&str>, life: Duration, load: &mut Load) -> String {
    let mut command = site.command(&[]);
    if let Some(point) = point {
        command.env("STERNA_CRASH_AT", point);
    }
    let before = read_text(&site.path("operator.log")).len();
    let mut daemon = Daemon::spawn(command);
    let mut serves = false;
    wait_until("the daemon to serve or to die", || {
        let log = read_text(&site.path("operator.log"));
        serves = daemon.find_address(log.get(before..).unwrap_or_default());
        serves || daemon.ended().is_some()
    });
    let mut said = format!("at {}, before it served", point.unwrap_or_default());
    if serves {
        let callers = load.start(&daemon.address);
        if point.is_some() {
            // A point that is not passed often enough is a kill at random.
            daemon.ends_within(Duration::from_secs(2));
        } else {
            daemon.ends_within(life);
        }
        said = match daemon.ended() {
            Some(_) => format!("at {}", point.unwrap_or_default()),
            None => format!("after {} ms or more", life.as_millis()),
        };
        daemon.signal_if_alive("KILL");
        wait_until("the daemon to be dead", || daemon.ended().is_some());
        load.finish(callers);
    }
    let status = daemon.ended().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "it ended by itself: {status}");
    said
}

fn kills() -> (u32, u32) {
    let Ok(text) = std::env::var("STERNA_TORTURE_KILLS") else {
        return KILLS;
    };
    let (random, directed) = text.split_once(',').unwrap();
    (random.parse().unwrap(), directed.parse().unwrap())
}

fn number_of(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
