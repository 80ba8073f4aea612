//! The same before an HTTP/2 server that is not ours: the `h2` crate's, with manners that its
//! interface can express, and a ledger of its own.

pub(crate) mod server;

use std::path::Path;
use std::time::Duration;

use self::server::{Farewell, Foreign, Manners};

use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::join::{Connections, Entry, join};
use crate::play::{ANDROID, IOS, Outcome, PUSHER_MAX, each, of_platform, push_messages, settle};

/// A server that is not ours, while it runs.
pub(crate) trait Provider {
    fn url(&self) -> &str;
    /// Its CA, and the simulator's.
    fn ca_path(&self) -> &str;
    /// Ends it; what it saw, with the provider each request was meant for.
    fn stop(self) -> Vec<(&'static str, Entry)>;
}

/// Plays so many pushes to each side, of so long a message, before the server that `start` begins
/// in a directory, with another CA to be trusted. The token endpoint is the simulator's. Nothing is
/// wrong in what comes of it, and nothing fails.
#[track_caller]
pub(crate) fn play_before<P: Provider>(
    what: &str,
    pushes: u64,
    message: usize,
    start: impl FnOnce(&Path, &Path) -> P,
) -> Vec<Outcome> {
    let simulated = Simulated::start();
    let directory = tempfile::tempdir().unwrap();
    let others = &simulated.simulator.credentials().ca_path;
    let foreign = start(directory.path(), others);
    let site = Site::simulated(&simulated.simulator)
        .with("core.pusher_max", PUSHER_MAX)
        .with_text("ios.endpoint", foreign.url())
        .with_text("android.endpoint", foreign.url())
        .with_text("ios.ca_path", foreign.ca_path())
        .with_text("android.ca_path", foreign.ca_path());
    let daemon = site.start();
    let sides = [IOS, ANDROID];
    let accepted = push_messages(&daemon, &sides, pushes, &"m".repeat(message));
    settle(daemon);
    let seen = foreign.stop();
    let log = [site.access_log(), site.error_log()].concat();
    let outcomes = sides.iter().zip(accepted).map(|(side, accepted)| {
        let entries = seen
            .iter()
            .filter(|(provider, _)| *provider == side.provider);
        let entries: Vec<_> = entries.map(|(_, entry)| entry.clone()).collect();
        let log = of_platform(&log, side.name);
        let findings = join(&accepted, &log, &entries);
        findings.check(&format!("{what}, {}", side.name));
        assert_eq!(findings.failed, 0, "{what}, {}: {findings:?}", side.name);
        let connections = Connections::of(&entries);
        Outcome {
            findings,
            connections,
            entries,
            log,
            told: site.operator_log(),
        }
    });
    outcomes.collect()
}

impl Provider for Foreign {
    fn url(&self) -> &str {
        &self.url
    }

    fn ca_path(&self) -> &str {
        &self.ca_path
    }

    fn stop(self) -> Vec<(&'static str, Entry)> {
        Self::stop(self)
    }
}

#[track_caller]
fn play(what: &str, pushes: u64, manners: Manners) -> Vec<Outcome> {
    let start = |directory: &_, others: &_| Foreign::start(manners, directory, others);
    play_before(what, pushes, 1, start)
}

#[test]
fn a_foreign_server_of_good_manners_gets_each_push_once() {
    for window in [None, Some(70)] {
        let manners = Manners {
            window,
            ..Manners::default()
        };
        for Outcome { findings, .. } in play("good manners", 1_000, manners) {
            assert_eq!(
                (findings.doubled, findings.maybe_sent),
                (0, 0),
                "{window:?}"
            );
        }
    }
}

#[test]
fn a_foreign_server_refuses_streams_at_no_cost() {
    let manners = Manners {
        refuses_every: Some(20),
        ..Manners::default()
    };
    for Outcome {
        findings, entries, ..
    } in play("refusals", 1_000, manners)
    {
        assert_eq!((findings.doubled, findings.maybe_sent), (0, 0));
        let refused = entries.iter().filter(|entry| !entry.processed).count();
        assert!(refused >= 20, "{refused}");
        let (resent, on_the_same) = resent_elsewhere(&entries);
        assert!(resent > 0 && on_the_same == 0, "{resent}, {on_the_same}");
    }
}

/// How many refused pushes came again, and how many of them on the connection that had refused
/// them. What a connection refuses at its beginning may have come before its SETTINGS were
/// acknowledged: that is left out.
fn resent_elsewhere(entries: &[Entry]) -> (usize, usize) {
    const BEGINNING: usize = 100;
    let (mut resent, mut on_the_same) = (0, 0);
    for (at, entry) in entries.iter().enumerate().filter(|(_, it)| !it.processed) {
        let is_same = |it: &&Entry| it.connection == entry.connection;
        if entries[..at].iter().filter(is_same).count() < BEGINNING {
            continue;
        }
        let mut later = entries[at + 1..].iter();
        if let Some(next) = later.find(|it| it.token == entry.token) {
            resent += 1;
            on_the_same += usize::from(is_same(&next));
        }
    }
    (resent, on_the_same)
}

#[test]
fn a_foreign_server_cancels_what_it_has_processed() {
    let manners = Manners {
        cancels_every: Some(50),
        ..Manners::default()
    };
    for Outcome { findings, .. } in play("cancellations", 500, manners) {
        assert!(findings.doubled > 0, "{findings:?}");
        assert_eq!(findings.doubled, findings.maybe_sent);
    }
}

#[test]
fn a_foreign_server_goes_away_in_good_order() {
    let manners = Manners {
        leaves_after: Some((100, Farewell::Graceful)),
        delay: Duration::from_millis(2),
        ..Manners::default()
    };
    for Outcome {
        findings,
        connections,
        ..
    } in play("graceful", 1_000, manners)
    {
        assert_eq!((findings.doubled, findings.maybe_sent), (0, 0));
        assert!((5..=12).contains(&connections.used), "{connections:?}");
    }
}

#[test]
fn a_foreign_server_goes_away_abruptly() {
    each(&[Farewell::Abrupt, Farewell::Dropped], |farewell| {
        let manners = Manners {
            leaves_after: Some((100, *farewell)),
            delay: Duration::from_millis(5),
            ..Manners::default()
        };
        for Outcome { findings, .. } in play(&format!("{farewell:?}"), 300, manners) {
            assert!(findings.maybe_sent > 0, "{farewell:?}: {findings:?}");
            assert!(
                findings.doubled <= findings.maybe_sent,
                "{farewell:?}: {findings:?}"
            );
        }
    });
}

#[test]
fn all_of_it_at_once_before_a_foreign_server() {
    let manners = Manners {
        refuses_every: Some(31),
        cancels_every: Some(67),
        leaves_after: Some((150, Farewell::Graceful)),
        delay: Duration::from_millis(1),
        window: Some(70),
        streams: Some(10),
    };
    for Outcome { findings, .. } in play("all of it", 1_000, manners) {
        assert!(
            findings.doubled > 0 && findings.doubled <= findings.maybe_sent,
            "{findings:?}"
        );
    }
}
