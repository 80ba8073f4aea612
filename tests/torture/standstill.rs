//! The daemon is stopped under load, and goes on: nobody is late for that.
//!
//! `STERNA_STANDSTILLS="10,30" cargo test --test torture standstill` stops it ten times for 30 s,
//! with time-outs as they are by default.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::harness::daemon::Daemon;
use crate::harness::http::{Client, request};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text};
use crate::harness::{wait_for, wait_until};
use crate::ledger::{self, Ledger, Resends};
use crate::load::{ANSWERED_WITHIN, Load};

/// How often and for how long it is stopped, unless that is said.
const STANDSTILLS: (u32, u64) = (3, 2);

/// The least time that the provider takes for an answer.
const LATENCY: Duration = Duration::from_millis(100);

/// The longest that it runs in between.
const RUNS_MS: u64 = 500;

#[test]
fn a_standstill_longer_than_every_timeout_costs_no_push_and_no_caller_anything() {
    let asked = std::env::var("STERNA_STANDSTILLS").ok();
    let (times, secs) = asked.as_deref().map_or(STANDSTILLS, |text| {
        let (times, secs) = text.split_once(',').unwrap();
        (times.parse().unwrap(), secs.parse().unwrap())
    });
    let stands = Duration::from_secs(secs);
    let simulated = Simulated::with(|options| {
        options.faults.latency = LATENCY;
        options.faults.latency_spread = LATENCY;
        // Connections are begun and access tokens fetched all the time.
        options.faults.goaway_after = NonZeroU64::new(300);
        options.access_token_lifetime = 4 * stands;
    });
    let mut site = Site::simulated(&simulated.simulator).with("core.resend_unknown", false);
    if asked.is_none() {
        site = site.with("ios.timeout", 1).with("android.timeout", 10);
    }
    let daemon = site.start();
    let mut load = Load::new(Duration::from_millis(1));
    let callers = load.start(&daemon.address);
    let mut dice = Dice::new(7);
    let mut answered_meanwhile = 0;
    for _ in 0..times {
        // Its connections are older than what it may be cut for that is new.
        let before = simulated.notes().len();
        wait_until("pushes to be taken", || {
            simulated.notes().len() > before + 20
        });
        wait(Duration::from_millis(dice.below(RUNS_MS)));
        let mut halves = halves(&daemon);
        daemon.signal("HUP");
        daemon.signal("STOP");
        let stopped = Instant::now();
        wait(stands);
        let notes = simulated.notes();
        let late = notes.iter().filter(|note| note.at + LATENCY > stopped);
        answered_meanwhile += late.count();
        let told = lines(&site, " was stopped for ").len();
        daemon.signal("CONT");
        wait_for("the standstill to be told", || {
            (lines(&site, " was stopped for ").len() > told).then_some(())
        });
        for (client, rest, status) in &mut halves {
            client.send(rest);
            let reply = client.try_reply("POST");
            let is_right = reply.as_ref().is_ok_and(|reply| reply.status == *status);
            let sent = String::from_utf8_lossy(rest);
            assert!(is_right, "{sent:?} was answered {reply:?}");
        }
    }
    load.stop();
    load.finish(callers);
    daemon.wait_idle();
    assert_eq!(daemon.terminate(), 0);
    ledger::check_end(&site.path("journal"));
    let found = Ledger::default().check(&load, &simulated, &site, Resends::Never);
    println!(
        "{times} standstills of {secs} s, {answered_meanwhile} pushes answered meanwhile; {found}"
    );
    assert!(answered_meanwhile > 0, "no answer lay in a socket");
    assert!(
        found.contains("with maybe_sent 0, unanswered 0;"),
        "{found}"
    );
    assert_eq!(load.cut(), 0, "callers were cut off");
    assert_eq!(load.unanswered(), [""; 0]);
    let told = lines(&site, " was stopped for ");
    assert_eq!(told.len(), usize::try_from(times).unwrap(), "{told:#?}");
    for line in &told {
        // On a busy host it takes a while to stop, and to look at the clock.
        let (_, stood) = line.split_once(" was stopped for ").unwrap();
        let stood: u64 = stood.split_once(" s ").unwrap().0.parse().unwrap();
        assert!((secs..=secs + 2).contains(&stood), "{line}");
    }
    let mut alarms = [lines(&site, "[WARN]"), lines(&site, "[ERROR]")].concat();
    // These access tokens are short-lived: one may come to its end between here and the provider.
    // And the requests in halves are for nothing.
    alarms.retain(|line| {
        !line.ends_with("oauth: FCM refused the access token; asking for another")
            && !line.ends_with(r#"no notifications: "notifications" has none"#)
    });
    assert_eq!(alarms, told, "nothing else is amiss");
}

/// Callers in the middle of a head, of a body, and between two requests; what each sends next, and
/// what it is answered.
fn halves(daemon: &Daemon) -> Vec<(Client, Vec<u8>, u16)> {
    let whole = request("POST", "/push", br#"{"notifications":[]}"#);
    let parts = [(0, whole.clone(), 400)];
    let cut = [10, whole.len() - 5].map(|at| (at, whole[at..].to_vec(), 400));
    let clients = parts.into_iter().chain(cut).map(|(sent, rest, status)| {
        let mut client = daemon.client();
        client.set_read_timeout(ANSWERED_WITHIN);
        // One request before: between two there is more time.
        assert_eq!(client.request("GET", "/healthz", b"").status, 200);
        client.send(&whole[..sent]);
        (client, rest, status)
    });
    clients.collect()
}

/// Lines of the operator log that say so.
fn lines(site: &Site, what: &str) -> Vec<String> {
    let log = read_text(&site.path("operator.log"));
    let lines = log.lines().filter(|line| line.contains(what));
    lines.map(str::to_owned).collect()
}

fn wait(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
