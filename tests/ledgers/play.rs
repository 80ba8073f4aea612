//! A run: the daemon's binary before a simulator with faults, a load, and the join.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use sterna::simulator::{Faults, Options, Script};

use crate::harness::daemon::Daemon;
pub(crate) use crate::harness::each;
use crate::harness::lines::Line;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token};
use crate::join::{Connections, Entry, Findings, join};

/// A platform, and the form of its device tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) platform: u64,
    pub(crate) token: fn(u64) -> String,
    /// The simulator's word for its provider.
    pub(crate) provider: &'static str,
}

pub(crate) const IOS: Side = Side {
    name: "ios",
    platform: 1,
    token: hex_token,
    provider: "apns",
};

pub(crate) const ANDROID: Side = Side {
    name: "android",
    platform: 2,
    token: fcm_token,
    provider: "fcm",
};

/// Pushes in flight on a connection: few enough that its end does not strike all that there is.
pub(crate) const PUSHER_MAX: u64 = 50;

/// A run before a simulator.
pub(crate) struct Play {
    sides: Vec<Side>,
    pushes: u64,
    faults: Faults,
    script: Script,
    keys: Vec<(String, String)>,
    message: String,
}

/// What came of it, for one side.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) findings: Findings,
    pub(crate) connections: Connections,
    pub(crate) entries: Vec<Entry>,
    pub(crate) log: Vec<Line>,
    /// What the operator was told, of both sides.
    pub(crate) told: String,
}

impl Play {
    /// So many pushes to each side.
    pub(crate) fn new(sides: &[Side], pushes: u64) -> Self {
        Self {
            sides: sides.to_vec(),
            pushes,
            faults: Faults {
                seed: 1,
                ..Faults::default()
            },
            script: Script::default(),
            keys: Vec::new(),
            message: "m".to_owned(),
        }
        .with("core.pusher_max", PUSHER_MAX)
    }

    /// With these faults all the time.
    pub(crate) fn faults(mut self, change: impl FnOnce(&mut Faults)) -> Self {
        change(&mut self.faults);
        self
    }

    /// With faults in phases.
    pub(crate) fn script(mut self, text: &str) -> Self {
        self.script = Script::read(text, 1).unwrap();
        self
    }

    /// With messages of so many characters.
    pub(crate) fn message(mut self, characters: usize) -> Self {
        self.message = "m".repeat(characters);
        self
    }

    /// With a key of the daemon's configuration.
    pub(crate) fn with(mut self, key: &str, value: impl Display) -> Self {
        self.keys.push((key.to_owned(), value.to_string()));
        self
    }

    /// Plays it. The outcomes are in the order of the sides, and nothing is wrong in them.
    #[track_caller]
    pub(crate) fn run(self, what: &str) -> Vec<Outcome> {
        let ledger = Ledger::default();
        let out = ledger.clone();
        let (faults, script) = (self.faults, self.script);
        let simulated = Simulated::with(|options: &mut Options| {
            options.faults = faults;
            options.script = script;
            options.ledger = Some(Box::new(out));
        });
        let mut site = Site::simulated(&simulated.simulator);
        for (key, value) in self.keys {
            site = site.with(&key, value);
        }
        let daemon = site.start();
        let accepted = push_messages(&daemon, &self.sides, self.pushes, &self.message);
        settle(daemon);
        // Its last lines come with its end.
        drop(simulated);
        let entries = ledger.entries();
        let log = [site.access_log(), site.error_log()].concat();
        let told = site.operator_log();
        let outcomes = self.sides.iter().zip(accepted).map(|(side, accepted)| {
            let entries = of_provider(&entries, side.provider);
            let log: Vec<Line> = of_platform(&log, side.name);
            let findings = join(&accepted, &log, &entries);
            findings.check(&format!("{what}, {}", side.name));
            Outcome {
                findings,
                connections: Connections::of(&entries),
                entries,
                log,
                told: told.clone(),
            }
        });
        outcomes.collect()
    }
}

/// Pushes so many to each side, in several requests; their ids by side.
pub(crate) fn push_all(daemon: &Daemon, sides: &[Side], pushes: u64) -> Vec<Vec<u64>> {
    push_messages(daemon, sides, pushes, "m")
}

/// The same of that message.
pub(crate) fn push_messages(
    daemon: &Daemon,
    sides: &[Side],
    pushes: u64,
    message: &str,
) -> Vec<Vec<u64>> {
    const AT_ONCE: u64 = 200;
    let mut accepted = vec![Vec::new(); sides.len()];
    let mut client = daemon.client();
    for first in (0..pushes).step_by(usize::try_from(AT_ONCE).unwrap()) {
        for (side, accepted) in sides.iter().zip(&mut accepted) {
            let numbers = first..pushes.min(first + AT_ONCE);
            let tokens: Vec<String> = numbers.map(side.token).collect();
            let body = json!({"notifications": [
                {"platform": side.platform, "message": message, "token": tokens},
            ]});
            let reply = client.request("POST", "/push", body.to_string().as_bytes());
            assert_eq!(reply.status, 200, "{}", reply.text());
            accepted.extend(reply.accepted_ids());
        }
    }
    accepted
}

/// Waits until all is settled, for as long as the largest run may take, and ends the daemon.
pub(crate) fn settle(daemon: Daemon) {
    const PATIENCE: Duration = Duration::from_secs(900);
    let end = Instant::now() + PATIENCE;
    while daemon.stat().number("/queue_usage") > 0 {
        assert!(Instant::now() < end, "not settled: {:?}", daemon.stat());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(daemon.terminate(), 0);
}

pub(crate) fn of_platform(log: &[Line], platform: &str) -> Vec<Line> {
    let of_it = log
        .iter()
        .filter(|line| line.text_of("platform") == platform);
    of_it.cloned().collect()
}

fn of_provider(entries: &[(String, Entry)], provider: &str) -> Vec<Entry> {
    let of_it = entries.iter().filter(|(of, _)| of == provider);
    of_it.map(|(_, entry)| entry.clone()).collect()
}

/// A ledger in memory.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<u8>>>);

impl Ledger {
    /// Its entries, each with the provider.
    fn entries(&self) -> Vec<(String, Entry)> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        read(&text)
    }
}

/// The entries of a ledger, each with its provider, as the requests came: they are written when it
/// is known what became of the answers, which may be much later.
pub(crate) fn read(text: &str) -> Vec<(String, Entry)> {
    let mut values: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let time = |value: &serde_json::Value| value["time"].as_f64().unwrap();
    values.sort_by(|one, other| time(one).total_cmp(&time(other)));
    let entries = values.into_iter().map(|value| {
        let provider = value["provider"].as_str().unwrap().to_owned();
        (provider, serde_json::from_value(value).unwrap())
    });
    entries.collect()
}

impl Write for Ledger {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
