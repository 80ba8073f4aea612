//! The simulator within the test's own process, and what it received.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sterna::simulator::{
    Counts, Credentials, Options, Ports, Provider, Receipt, Report, Simulator,
};
use tempfile::TempDir;

use super::site::ReservedPort;

/// A simulator, its credentials' directory, and a note of each request.
pub(crate) struct Simulated {
    pub(crate) simulator: Simulator,
    notes: Notes,
    directory: TempDir,
}

type Notes = Arc<Mutex<Vec<Note>>>;

/// One request for a push as the simulator saw it.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) provider: Provider,
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
        let credentials = Credentials::generate(directory.path()).unwrap();
        let mut options = Options::new(Arc::new(credentials));
        let notes = take_notes(&mut options);
        change(&mut options);
        Self {
            simulator: Simulator::start(options).unwrap(),
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
            ports: [addresses.apns, addresses.fcm, addresses.oauth]
                .map(|address| ReservedPort::at(address.port())),
            directory: self.directory,
        }
    }

    /// Requests for pushes so far.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let notes = self.notes.lock().unwrap();
        let pushes = notes.iter().filter(|note| note.provider != Provider::OAuth);
        pushes.cloned().collect()
    }

    /// What both providers have seen.
    pub(crate) fn counts(&self) -> Counts {
        self.simulator.counts()
    }
}

/// A simulator that was, and will be again.
pub(crate) struct Stopped {
    credentials: Arc<Credentials>,
    ports: [ReservedPort; 3],
    directory: TempDir,
}

impl Stopped {
    /// Starts again, having forgotten what it saw.
    pub(crate) fn start(self) -> Simulated {
        let mut options = Options::new(self.credentials);
        let [apns, fcm, oauth] = self.ports.each_ref().map(|port| port.number);
        options.ports = Ports { apns, fcm, oauth };
        let notes = take_notes(&mut options);
        Simulated {
            simulator: Simulator::start(options).unwrap(),
            notes,
            directory: self.directory,
        }
    }
}

fn take_notes(options: &mut Options) -> Notes {
    let notes = Notes::default();
    let taken = Arc::clone(&notes);
    options.report = Report::Each(Box::new(move |receipt| {
        taken.lock().unwrap().push(receipt.into());
    }));
    notes
}
