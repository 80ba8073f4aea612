//! `sterna simulate`: the APNs and FCM look-alike.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::{Behaviour, Simulate};
use super::{ExitCode, report};
use crate::daemon;
use crate::signal::Signal;
use crate::simulator::{Counts, Credentials, Faults, Options, Ports, Provider, Report, Simulator};

/// The configuration that is written for a daemon to use with the simulator.
pub(super) const CONFIG_NAME: &str = "sterna.toml";

/// Runs the simulator until it is told to stop.
pub(super) fn run(simulate: &Simulate) -> ExitCode {
    match serve(simulate) {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            report(format_args!("the simulator cannot run: {error}"));
            ExitCode::Io
        }
    }
}

fn serve(simulate: &Simulate) -> io::Result<()> {
    let signals = daemon::signals().map_err(io::Error::other)?;
    let directory = Directory::of(&simulate.behaviour)?;
    let ports = Ports {
        apns: simulate.apns_port,
        fcm: simulate.fcm_port,
        oauth: simulate.oauth_port,
    };
    let out = Box::new(io::stdout());
    let report = if simulate.behaviour.summary {
        Report::Summary(out)
    } else {
        Report::Lines(out)
    };
    let simulator = start(&simulate.behaviour, &directory.path, report, |options| {
        options.ip = simulate.listen;
        options.ports = ports;
    })?;
    let config = directory.path.join(CONFIG_NAME);
    fs::write(&config, simulator.config_text())?;
    let addresses = simulator.addresses();
    let mut out = io::stdout().lock();
    writeln!(out, "APNs   {}", addresses.apns_url())?;
    writeln!(out, "FCM    {}", addresses.fcm_url())?;
    writeln!(out, "OAuth  {}", addresses.token_url())?;
    writeln!(
        out,
        "Serve pushes to it with:  sterna -c {}",
        config.display()
    )?;
    out.flush()?;
    drop(out);
    // Log files are no business of the simulator's: a reopening has nothing to do.
    while let Ok(Signal::Hangup | Signal::User1) = signals.recv() {}
    let counts = [Provider::Apns, Provider::Fcm].map(|provider| simulator.counts_of(provider));
    drop(simulator);
    let mut out = io::stdout().lock();
    for (name, counts) in ["APNs", "FCM"].into_iter().zip(counts) {
        writeln!(out, "{name}: {}", summary(counts))?;
    }
    Ok(())
}

/// Starts a simulator that behaves as asked.
pub(super) fn start(
    behaviour: &Behaviour,
    directory: &Path,
    report: Report,
    change: impl FnOnce(&mut Options),
) -> io::Result<Simulator> {
    let credentials = Arc::new(Credentials::generate(directory)?);
    let mut options = Options::new(credentials);
    options.faults = Faults {
        latency: Duration::from_millis(behaviour.latency),
        fail_percent: behaviour.fail.into(),
        refuse_percent: behaviour.refuse.into(),
        goaway_after: behaviour.goaway_after,
        ..Faults::default()
    };
    options.report = report;
    change(&mut options);
    Simulator::start(options)
}

/// What was seen, in one line.
pub(super) fn summary(counts: Counts) -> String {
    format!(
        "{} requests: {} accepted, {} refused, {} turned away; {} doubled, {} lost",
        counts.received,
        counts.accepted,
        counts.refused,
        counts.turned_away,
        counts.doubled,
        counts.lost,
    )
}

/// Where the generated files are. One that was not asked for goes with the process.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    ours: bool,
}

impl Directory {
    /// The directory that was asked for, or a fresh one.
    pub(super) fn of(behaviour: &Behaviour) -> io::Result<Self> {
        let (path, ours) = match &behaviour.dir {
            Some(path) => (path.clone(), false),
            None => (fresh()?, true),
        };
        fs::create_dir_all(&path)?;
        Ok(Self {
            path: path.canonicalize()?,
            ours,
        })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.ours {
            // What cannot be removed is a few small files in the directory for such.
            let _removed = fs::remove_dir_all(&self.path);
        }
    }
}

/// A new directory that only this user can read.
fn fresh() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let pid = std::process::id();
    for number in 0..FRESH_TRIES {
        let path = std::env::temp_dir().join(format!("sterna-{pid}-{number}"));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|()| path),
        }
    }
    Err(io::Error::other(
        "no fresh directory for the credentials; name one with --dir",
    ))
}

/// Left-over directories of the same pid that are passed over.
const FRESH_TRIES: u32 = 100;
