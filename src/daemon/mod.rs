//! The wiring: what starts when, who knows whom, and how it all ends.
//!
//! Start: logs, credentials, pid file, port, lanes with their threads, listener. A failure before
//! the listener leaves nothing behind. End: the listener stops taking, the lanes finish within
//! `shutdown_timeout`, what is left is settled as failed with reason `shutdown`.

mod host;
mod intruders;
mod resend;
mod routes;
mod running_lane;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::api::{self, ApiKeys, BindError, Bound, Ids, Listener, RequestIds, Rules, Service};
use crate::config::{self, Bind, Config, Core, HideToken};
use crate::delivery::policy::Limits;
use crate::log::{self, Destination, Logs, Privacy, TokenShown};
use crate::moment::Moment;
use crate::pid_file::PidFile;
use crate::provider::KEY_FILE_MAX;
use crate::push::{self, Platform};
use crate::signal::{Signal, Signals};
use crate::stats::Stats;
use host::{DaemonHost, LaneDoor};
pub use resend::{Fate, Hold, Judge, Resend, Resent};
use running_lane::RunningLane;

/// How often the wait for the lanes looks whether they are done.
const DRAIN_LOOKS_EVERY: Duration = Duration::from_millis(20);
/// How long callers' requests in progress may take when the daemon ends.
const CALLERS_END_WITHIN: Duration = Duration::from_secs(1);
/// How long the last log lines may take.
const LOGS_CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Our limit: octets of the key that device tokens are hashed with; fewer could be guessed.
const HASH_KEY_MIN: usize = 16;

/// Why the daemon did not start.
#[derive(Debug)]
pub struct StartError {
    /// What kind of trouble it is.
    pub kind: StartErrorKind,
    text: String,
}

/// Kinds of trouble at start, each with an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartErrorKind {
    /// A file that the configuration names cannot be used.
    Config,
    /// A log file or the pid file cannot be created.
    CannotCreate,
    /// Another instance holds the pid file.
    AlreadyRunning,
    /// The port cannot be listened on.
    CannotListen,
    /// The system gave no thread or descriptor.
    System,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StartError {}

impl StartError {
    fn new(kind: StartErrorKind, error: impl fmt::Display) -> Self {
        Self {
            kind,
            text: error.to_string(),
        }
    }
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Pushes that were accepted and could not be sent in time.
    pub left: usize,
    /// Octets of log lines that could not be written.
    pub unlogged: usize,
}

/// A running daemon.
pub struct Daemon {
    listener: Listener,
    lanes: Vec<RunningLane>,
    logs: Logs,
    shutdown_timeout: Duration,
    _pid_file: Option<PidFile>,
}

impl Daemon {
    /// Starts everything. `warnings` are the configuration's, for the operator log.
    pub fn start(config: &Config, warnings: &[config::Warning]) -> Result<Self, StartError> {
        let logs = open_logs(config)?;
        for warning in warnings {
            ::log::warn!("{warning}");
        }
        let mut routes = Vec::new();
        let mut problems = Vec::new();
        if let Some(ios) = &config.ios {
            match routes::ios(ios) {
                Ok(route) => routes.push((Platform::Ios, ios.retry_max, route)),
                Err(error) => problems.push(error.to_string()),
            }
        }
        if let Some(android) = &config.android {
            match routes::android(android) {
                Ok(route) => routes.push((Platform::Android, android.retry_max, route)),
                Err(error) => problems.push(error.to_string()),
            }
        }
        if !problems.is_empty() {
            return Err(StartError::new(StartErrorKind::Config, problems.join("\n")));
        }
        let pid_file = config
            .core
            .pid
            .as_deref()
            .map(PidFile::create)
            .transpose()
            .map_err(|error| {
                let kind = if error.is_held() {
                    StartErrorKind::AlreadyRunning
                } else {
                    StartErrorKind::CannotCreate
                };
                StartError::new(kind, error)
            })?;
        let bound = bound(&config.core)
            .map_err(|error| StartError::new(StartErrorKind::CannotListen, error))?;
        let stats = Arc::new(Stats::new(Moment::now()));
        let mut lanes = Vec::new();
        for (platform, retry_max, route) in routes {
            let limits = Limits {
                retry_max,
                max_age: config.core.max_age,
                resend_unknown: config.core.resend_unknown,
            };
            let lane = RunningLane::start(platform, &config.core, route, limits, &logs, &stats)
                .map_err(|error| StartError::new(StartErrorKind::System, error))?;
            lanes.push(lane);
        }
        let listener = listen(bound, config, &lanes, &logs, &stats)?;
        let daemon = Self {
            listener,
            lanes,
            logs,
            shutdown_timeout: config.core.shutdown_timeout,
            _pid_file: pid_file,
        };
        ::log::info!(
            "Sterna {} serves on {}",
            env!("CARGO_PKG_VERSION"),
            daemon
                .local_addr()
                .map_or(config.core.bind.to_string(), |address| address.to_string())
        );
        Ok(daemon)
    }

    /// The TCP address of the API, if it has one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr()
    }

    /// Opens the log files again (they were rotated).
    pub fn reopen_logs(&self) {
        self.logs.reopen();
        ::log::info!("log files are opened again");
    }

    /// Pushes accepted and not settled.
    pub fn outstanding(&self) -> usize {
        self.lanes
            .iter()
            .map(|running| running.lane.outstanding())
            .sum()
    }

    /// Serves until a signal says otherwise, then finishes what was accepted.
    pub fn run(self, signals: &Receiver<Signal>) -> Ended {
        loop {
            match signals.recv() {
                Ok(Signal::Hangup | Signal::User1) => self.reopen_logs(),
                Ok(Signal::Terminate | Signal::Interrupt) | Err(_) => return self.stop(signals),
            }
        }
    }

    /// Takes nothing more, finishes queue and flight within `shutdown_timeout`, and ends. A second
    /// SIGTERM or SIGINT on `signals` ends the wait.
    pub fn stop(mut self, signals: &Receiver<Signal>) -> Ended {
        let deadline = Instant::now().checked_add(self.shutdown_timeout);
        ::log::info!(
            "shutting down: {} to finish within {} s",
            push::counted(self.outstanding() as u64),
            self.shutdown_timeout.as_secs(),
        );
        self.listener.drain();
        let finished = self.finish(deadline, signals);
        let callers_ended = self.listener.stop(CALLERS_END_WITHIN);
        if !callers_ended {
            ::log::warn!("a caller's request was still in progress at the end");
        }
        if finished {
            // A request that was in progress when the draining began may have been accepted since.
            self.finish(deadline, signals);
        }
        // What is left behind makes more lines than a log that is stuck has room for.
        self.logs.hurry(LOGS_CLOSE_WITHIN);
        for running in &self.lanes {
            running.lane.stop();
        }
        let left = self
            .lanes
            .drain(..)
            .map(|running| running.end(&self.logs))
            .sum();
        if left > 0 {
            let left = push::counted(left as u64);
            ::log::error!("{left} not finished in time, settled as failed with reason shutdown");
        } else {
            ::log::info!("shut down, nothing left behind");
        }
        let unlogged = self.logs.close(LOGS_CLOSE_WITHIN);
        Ended { left, unlogged }
    }

    /// Waits until everything is settled; false if that was not to be within the time, or somebody
    /// is in a hurry.
    fn finish(&self, deadline: Option<Instant>, signals: &Receiver<Signal>) -> bool {
        while self.outstanding() > 0 {
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return false;
            }
            match signals.recv_timeout(DRAIN_LOOKS_EVERY) {
                Ok(Signal::Terminate | Signal::Interrupt) => return false,
                Ok(Signal::Hangup | Signal::User1) => self.reopen_logs(),
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody can hurry us any more.
                Err(RecvTimeoutError::Disconnected) => std::thread::park_timeout(DRAIN_LOOKS_EVERY),
            }
        }
        true
    }
}

/// Reads the signals that the daemon listens to.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub fn signals() -> Result<Receiver<Signal>, StartError> {
    Signals::listen().map_err(|error| {
        StartError::new(
            StartErrorKind::System,
            format_args!("no signal handlers: {error}"),
        )
    })
}

fn open_logs(config: &Config) -> Result<Logs, StartError> {
    let [access, error, operator] = [
        &config.log.access_log,
        &config.log.error_log,
        &config.log.operator_log,
    ]
    .map(Destination::named);
    let logs = Logs::open(&access, &error, &operator)
        .map_err(|error| StartError::new(StartErrorKind::CannotCreate, error))?
        .hiding(privacy(&config.log)?);
    if log::operator::start(&logs.operator, config.log.level).is_err() {
        // A second daemon in one process shares the first one's operator log.
        log::operator::set_level(config.log.level);
    }
    Ok(logs)
}

fn privacy(log: &config::Log) -> Result<Privacy, StartError> {
    let token = match &log.hide_token {
        HideToken::No => TokenShown::Plain,
        HideToken::Yes => TokenShown::Hidden,
        HideToken::Hash { key_path } => {
            let wrong = |error: &dyn fmt::Display| {
                StartError::new(
                    StartErrorKind::Config,
                    format_args!("log.hash_key_path: {error}"),
                )
            };
            let key = routes::read(key_path).map_err(|error| wrong(&error))?;
            if !(HASH_KEY_MIN..=KEY_FILE_MAX).contains(&key.len()) {
                return Err(wrong(&format_args!(
                    "{} has {} octets; {HASH_KEY_MIN} to {KEY_FILE_MAX} make a key",
                    key_path.display(),
                    key.len()
                )));
            }
            TokenShown::hashed(&key)
        }
    };
    Ok(Privacy {
        token,
        hides_message: log.hide_message,
    })
}

fn listen(
    bound: Bound,
    config: &Config,
    lanes: &[RunningLane],
    logs: &Logs,
    stats: &Arc<Stats>,
) -> Result<Listener, StartError> {
    let keys = config
        .core
        .api_key_path
        .as_deref()
        .map(api_keys)
        .transpose()?;
    let door = |platform| {
        let running = lanes
            .iter()
            .find(|running| running.lane.platform() == platform)?;
        Some(Arc::new(LaneDoor(Arc::clone(&running.lane))))
    };
    let service = Service {
        ios: door(Platform::Ios),
        android: door(Platform::Android),
        rules: Rules {
            notification_max: config.core.notification_max.get(),
            allows_empty_message: config.core.allows_empty_message,
            check_token: routes::check_device_token,
            payload: Box::new(routes::payload_of(config)),
        },
        ids: Ids::starting(Moment::now()),
        keys,
        request_ids: RequestIds::starting(
            u64::try_from(Moment::now().unix.as_nanos()).unwrap_or_default(),
        ),
        host: DaemonHost {
            logs: logs.clone(),
            stats: Arc::clone(stats),
            lanes: lanes
                .iter()
                .map(|running| Arc::clone(&running.lane))
                .collect(),
            connections_per_lane: config.core.workers.get(),
            intruders: Mutex::default(),
        },
    };
    let settings = api::Settings {
        max_connections: config.core.max_connections.get(),
        max_body_bytes: config.core.max_body_bytes.get(),
        ..api::Settings::default()
    };
    Listener::start(bound, Arc::new(service), settings).map_err(|error| {
        StartError::new(
            StartErrorKind::System,
            format_args!("cannot start the API: {error}"),
        )
    })
}

/// Reads the API keys; a file that cannot be used must not open the API to everyone.
fn api_keys(path: &Path) -> Result<ApiKeys, StartError> {
    let wrong = |error: &dyn fmt::Display| {
        StartError::new(
            StartErrorKind::Config,
            format_args!("core.api_key_path: {error}"),
        )
    };
    let octets = routes::read(path).map_err(|error| wrong(&error))?;
    let shown = path.display();
    if octets.len() > KEY_FILE_MAX {
        return Err(wrong(&format_args!(
            "{shown} is over {KEY_FILE_MAX} bytes: it is no file of API keys"
        )));
    }
    let text = String::from_utf8_lossy(&octets);
    ApiKeys::parse(&text).map_err(|error| wrong(&format_args!("{shown}: {error}")))
}

fn bound(core: &Core) -> Result<Bound, BindError> {
    let access = &core.socket_access;
    match &core.bind {
        Bind::Tcp(address) => Bound::tcp(*address),
        Bind::Unix(path) => Bound::unix(path, access.mode, access.group.as_deref()),
    }
}
