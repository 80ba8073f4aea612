//! The simulator, in a process of its own so that what it costs is not the daemon's.
//!
//! The process is this program again. It ends when its standard input does, so it cannot be left
//! behind. It writes one line that says where everything is, then a line of counts for each line
//! that names a platform.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sterna::push::LaneId;
use sterna::simulator::{self, Credentials, Options};

use super::Failure;

/// Where the simulator listens, and what it takes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) apns_url: String,
    pub(crate) fcm_url: String,
    pub(crate) apns_port: u16,
    pub(crate) fcm_port: u16,
    pub(crate) ca_path: PathBuf,
    pub(crate) key_path: PathBuf,
    pub(crate) key_id: String,
    pub(crate) team_id: String,
    pub(crate) topic: String,
    pub(crate) service_account_path: PathBuf,
    /// The platforms' part of the daemon's configuration.
    pub(crate) config: String,
}

/// What a provider has seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Answered 200.
    pub(crate) accepted: u64,
    /// Answered otherwise, or not at all.
    pub(crate) turned_down: u64,
    /// Answered 200 although it had been before.
    pub(crate) doubled: u64,
    /// Turned away and not seen again.
    pub(crate) lost: u64,
}

/// The simulator's process, seen from ours.
pub(crate) struct Simulator {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) site: Site,
}

impl Simulator {
    /// Starts it; its files go to that directory.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        Self::with_latency(directory, 0)
    }

    /// The same, with so many milliseconds before each answer.
    pub(crate) fn with_latency(directory: &Path, millis: u32) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--latency", &millis.to_string()])
            .arg("--simulate")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        let mut answers = BufReader::new(answers.ok_or("the simulator has no output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let site = serde_json::from_str(&line)
            .map_err(|error| format!("the simulator did not start: {error}"))?;
        Ok(Self {
            child,
            questions: questions.ok_or("the simulator has no input")?,
            answers,
            site,
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the platform's provider has seen so far.
    pub(crate) fn counts(&mut self, platform: LaneId) -> Result<Counts, Failure> {
        writeln!(self.questions, "{platform}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the simulator's process does.
pub(crate) fn serve(directory: &Path, latency: Duration) -> Result<(), Failure> {
    let credentials = Arc::new(Credentials::generate(directory)?);
    let mut options = Options::new(Arc::clone(&credentials));
    options.faults.latency = latency;
    let simulator = simulator::Simulator::start(options)?;
    let addresses = simulator.addresses();
    // The first key is the daemon's; h2load uses the other.
    let [_, key] = &credentials.signing_keys;
    let site = Site {
        apns_url: addresses.apns_url(),
        fcm_url: addresses.fcm_url(),
        apns_port: addresses.apns.port(),
        fcm_port: addresses.fcm.port(),
        ca_path: credentials.ca_path.clone(),
        key_path: key.path.clone(),
        key_id: key.id.clone(),
        team_id: credentials.team_id.clone(),
        topic: credentials.topic.clone(),
        service_account_path: credentials.service_account_path.clone(),
        config: simulator.config_text(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&site)?)?;
    for line in std::io::stdin().lines() {
        let provider = if line? == LaneId::IOS.platform() {
            simulator::Provider::Apns
        } else {
            simulator::Provider::Fcm
        };
        let counts = simulator.counts_of(provider);
        let counts = Counts {
            accepted: counts.accepted,
            turned_down: counts.received - counts.accepted,
            doubled: counts.doubled,
            lost: counts.lost,
        };
        writeln!(out, "{}", serde_json::to_string(&counts)?)?;
    }
    simulator.stop();
    Ok(())
}
