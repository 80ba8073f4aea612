//! `sterna simulate`: the APNs and FCM look-alike.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::{Behaviour, Simulate, Trouble};
use super::{ExitCode, report};
use crate::count;
use crate::daemon;
use crate::regular;
use crate::signal::Signal;
use crate::simulator::{
    Counts, Credentials, Faults, MAX_SCRIPT, Options, Ports, Provider, Report, Script, Simulator,
};

/// The configuration that is written for a daemon to use with the simulator.
pub(super) const CONFIG_NAME: &str = "sterna.toml";

/// Runs the simulator until it is told to stop.
pub(super) fn run(simulate: &Simulate) -> ExitCode {
    match serve(simulate) {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            report(format_args!("the simulator cannot run: {error}"));
            exit_code(&error)
        }
    }
}

/// A script that cannot be used is a mistake in a file.
pub(super) fn exit_code(error: &io::Error) -> ExitCode {
    match error.kind() {
        io::ErrorKind::InvalidData => ExitCode::Config,
        _ => ExitCode::Io,
    }
}

fn serve(simulate: &Simulate) -> io::Result<()> {
    let signals = daemon::signals().map_err(io::Error::other)?;
    let directory = Directory::of(&simulate.behaviour)?;
    let ports = Ports {
        apns: simulate.apns_port,
        fcm: simulate.fcm_port,
        oauth: simulate.oauth_port,
        channels: simulate.channels_port,
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
    writeln!(out, "Channels  {}", addresses.channels_url())?;
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
    let faults = faults_told(&simulator);
    drop(simulator);
    let mut out = io::stdout().lock();
    for (name, counts) in ["APNs", "FCM"].into_iter().zip(counts) {
        writeln!(out, "{name}: {}", summary(counts))?;
    }
    write!(out, "{faults}")?;
    Ok(())
}

/// How often each fault that was asked for has struck, and which never has; empty if there is none.
pub(super) fn faults_told(simulator: &Simulator) -> String {
    let mut struck = simulator.struck();
    struck.retain(|fault| fault.times > 0);
    let struck: Vec<_> = struck
        .iter()
        .map(|it| format!("{it} {}", it.times))
        .collect();
    let never = simulator.never_struck();
    let never: Vec<_> = never.iter().map(ToString::to_string).collect();
    let line = |what, faults: &[String]| {
        let faults = faults.join(", ");
        if faults.is_empty() {
            faults
        } else {
            format!("{what}: {faults}\n")
        }
    };
    line("Struck", &struck) + &line("Never struck, though asked for", &never)
}

/// Starts a simulator that behaves as asked.
pub(super) fn start(
    behaviour: &Behaviour,
    directory: &Path,
    report: Report,
    change: impl FnOnce(&mut Options),
) -> io::Result<Simulator> {
    // What the command line names is looked at before anything is made.
    let trouble = &behaviour.trouble;
    let script = match &trouble.script {
        Some(path) => read_script(path, trouble.seed)?,
        None => Script::default(),
    };
    let ledger = match &trouble.ledger {
        Some(path) => Some(create(path)?),
        None => None,
    };
    let credentials = Arc::new(Credentials::generate(directory)?);
    let mut options = Options::new(credentials);
    options.faults = faults(behaviour.latency, trouble);
    options.script = script;
    options.ledger = ledger;
    options.report = report;
    change(&mut options);
    Simulator::start(options)
}

fn faults(latency: u64, trouble: &Trouble) -> Faults {
    let fail = trouble.fail.clone().unwrap_or_default();
    Faults {
        latency: Duration::from_millis(latency),
        latency_spread: Duration::from_millis(trouble.latency_spread),
        fail_percent: fail.percent,
        failures: fail.named,
        refuse_percent: trouble.refuse.unwrap_or_default().0,
        strikes: trouble.strike.clone().unwrap_or_default(),
        goaway_after: trouble.goaway_after,
        goaway: trouble.goaway.unwrap_or_default(),
        retry_after: trouble.retry_after.clone(),
        penalty: trouble.penalty,
        streams: trouble.streams,
        stream_window: trouble.stream_window,
        connection_window: trouble.connection_window,
        header_table: trouble.header_table,
        slow: trouble.slow,
        closed: false,
        seed: trouble.seed,
    }
}

fn read_script(path: &Path, seed: u64) -> io::Result<Script> {
    let named = |error: &dyn Display| format!("script {}: {error}", path.display());
    let text = regular::read(path, MAX_SCRIPT)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
        .map_err(|error| io::Error::new(error.kind(), named(&error)))?;
    Script::read(&text, seed).map_err(|error| {
        let text = format!("script {}:{error}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

fn create(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    let file = File::create(path).map_err(|error| {
        let text = format!("cannot create the ledger {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    })?;
    Ok(Box::new(file))
}

/// What was seen, in one line.
pub(super) fn summary(counts: Counts) -> String {
    let unanswered = match counts.unanswered {
        0 => String::new(),
        pushes => format!(" ({pushes} unanswered)"),
    };
    format!(
        "{}: {} accepted{unanswered}, {} refused, {} turned away; {} doubled, {} lost",
        count::of(counts.received, "request", "requests"),
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
