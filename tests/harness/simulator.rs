//! The simulator, within the test's own process or as one of its own, and what it received.
//!
//! A fault that a test asks for must strike: whoever strikes counts, and a test that ends without
//! it fails, whatever else it looked at.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sterna::simulator::{
    Counts, Credentials, Options, Ports, Provider, Receipt, Report, Simulator,
};
use tempfile::TempDir;

use super::credentials;
use super::daemon::Daemon;
use super::site::{ReservedPort, Site, read_text, sterna};
use super::wait_until;

/// A simulator, its credentials' directory, and a note of each request.
pub(crate) struct Simulated {
    pub(crate) simulator: Watched,
    notes: Notes,
    directory: TempDir,
}

type Notes = Arc<Mutex<Vec<Note>>>;

/// One request for a push as the simulator saw it.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) provider: Provider,
    /// On which connection to that, counted from 0.
    pub(crate) connection: u64,
    pub(crate) device_token: String,
    pub(crate) headers: BTreeMap<&'static str, String>,
    pub(crate) body: String,
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    /// When it was answered.
    pub(crate) at: Instant,
}

impl From<&Receipt<'_>> for Note {
    fn from(receipt: &Receipt<'_>) -> Self {
        let headers = receipt.headers.iter();
        Self {
            provider: receipt.provider,
            connection: receipt.connection,
            device_token: receipt.device_token.to_owned(),
            headers: headers
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            body: String::from_utf8(receipt.body.to_vec()).unwrap(),
            status: receipt.status,
            reason: receipt.reason,
            at: Instant::now(),
        }
    }
}

impl Simulated {
    /// One without faults.
    pub(crate) fn start() -> Self {
        Self::with(|_| ())
    }

    /// One with other options.
    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let credentials = credentials::simulated(directory.path());
        let mut options = Options::new(Arc::new(credentials));
        let notes = take_notes(&mut options);
        change(&mut options);
        Self {
            simulator: Watched::start(options),
            notes,
            directory,
        }
    }

    /// Stops; connections are refused from now on, until it starts again in the same place.
    pub(crate) fn stop(self) -> Stopped {
        let credentials = Arc::clone(self.simulator.credentials());
        let addresses = self.simulator.addresses();
        self.simulator.stop();
        Stopped {
            credentials,
            ports: [
                addresses.apns,
                addresses.fcm,
                addresses.oauth,
                addresses.channels,
            ]
            .map(|address| ReservedPort::at(address.port())),
            directory: self.directory,
        }
    }

    /// Requests for pushes so far.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let notes = self.notes.lock().unwrap();
        let pushes = notes.iter().filter(|note| note.provider.takes_pushes());
        pushes.cloned().collect()
    }

    /// How often each device token was received.
    pub(crate) fn received(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for note in self.notes() {
            *times.entry(note.device_token).or_default() += 1;
        }
        times
    }

    /// What both providers have seen.
    pub(crate) fn counts(&self) -> Counts {
        self.simulator.counts()
    }
}

/// A simulator that was, and will be again.
pub(crate) struct Stopped {
    credentials: Arc<Credentials>,
    ports: [ReservedPort; 4],
    directory: TempDir,
}

impl Stopped {
    /// Starts again, having forgotten what it saw.
    pub(crate) fn start(self) -> Simulated {
        let mut options = Options::new(self.credentials);
        let [apns, fcm, oauth, channels] = self.ports.each_ref().map(|port| port.number);
        options.ports = Ports {
            apns,
            fcm,
            oauth,
            channels,
        };
        let notes = take_notes(&mut options);
        Simulated {
            simulator: Watched::start(options),
            notes,
            directory: self.directory,
        }
    }
}

/// A simulator that fails its test if a fault that was asked for never struck.
pub(crate) struct Watched(Option<Simulator>);

impl Watched {
    fn start(options: Options) -> Self {
        Self(Some(Simulator::start(options).unwrap()))
    }

    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(simulator) = self.0.take() else {
            return;
        };
        let never = simulator.never_struck();
        let never: Vec<_> = never.iter().map(ToString::to_string).collect();
        drop(simulator);
        if !std::thread::panicking() {
            assert!(never.is_empty(), "never struck: {}", never.join(", "));
        }
    }
}

impl Deref for Watched {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

/// `sterna simulate` as a process, with its files in a site's directory `sim`.
pub(crate) struct Simulate {
    process: Option<Daemon>,
    stdout: PathBuf,
    config: PathBuf,
}

impl Simulate {
    /// Starts it and waits until it listens.
    pub(crate) fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut command = sterna();
        command.args([
            "simulate",
            "--apns-port=0",
            "--fcm-port=0",
            "--oauth-port=0",
            "--channels-port=0",
        ]);
        command.args(arguments).arg("--dir").arg(site.path("sim"));
        site.capture(&mut command);
        let started = Self {
            process: Some(Daemon::spawn(command)),
            stdout: site.path("stdout"),
            config: site.path("sim/sterna.toml"),
        };
        let hint = format!("sterna -c {}\n", started.config.display());
        wait_until("the simulator to say how to use it", || {
            read_text(&started.stdout).contains(&hint)
        });
        started
    }

    /// The configuration that it wrote for a daemon.
    pub(crate) fn config(&self) -> String {
        fs::read_to_string(&self.config).unwrap()
    }

    /// Ends it; what it has told.
    pub(crate) fn stop(mut self) -> String {
        let process = self.process.take().unwrap();
        assert_eq!(process.terminate(), 0);
        let told = read_text(&self.stdout);
        check_struck(&told);
        told
    }
}

impl Drop for Simulate {
    fn drop(&mut self) {
        assert!(
            self.process.is_none() || std::thread::panicking(),
            "a simulator is to be stopped: its end tells which faults have struck"
        );
    }
}

/// What a simulator's process told at its end names no fault that never struck.
#[track_caller]
pub(crate) fn check_struck(told: &str) {
    let never = told.lines().find(|line| line.starts_with("Never struck"));
    assert_eq!(never, None);
}

fn take_notes(options: &mut Options) -> Notes {
    let notes = Notes::default();
    let taken = Arc::clone(&notes);
    options.report = Report::Each(Box::new(move |receipt| {
        taken.lock().unwrap().push(receipt.into());
    }));
    notes
}
