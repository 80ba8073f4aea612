//! The daemon as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Client, Reply};
use super::site::read_text;
use super::{wait_for, wait_until};

/// Where the API is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A process of ours, killed when dropped.
pub(crate) struct Daemon {
    child: Mutex<Child>,
    pid: u32,
    pub(crate) address: Address,
}

impl Daemon {
    /// Starts a command and waits until the operator log says where it serves.
    pub(crate) fn start(command: Command, operator_log: &Path) -> Self {
        let before = read_text(operator_log).len();
        let mut daemon = Self::spawn(command);
        daemon.address = wait_for("the daemon to serve", || {
            let log = read_text(operator_log);
            if let Some(status) = daemon.ended() {
                panic!("the daemon ended with {status}: {log}");
            }
            address_in(log.get(before..)?)
        });
        daemon
    }

    /// Starts a command that serves no API, or not yet.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        Self {
            pid: child.id(),
            child: Mutex::new(child),
            address: Address::Unix(PathBuf::new()),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    /// Takes the address from what the operator log says, if it does.
    pub(crate) fn find_address(&mut self, log: &str) -> bool {
        let found = address_in(log);
        let is_there = found.is_some();
        self.address = found.unwrap_or_else(|| self.address.clone());
        is_there
    }

    /// Waits until it has ended, at most for so long.
    pub(crate) fn ends_within(&self, within: Duration) {
        let end = Instant::now() + within;
        while self.ended().is_none() && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Sends a signal unless it has ended.
    pub(crate) fn signal_if_alive(&self, name: &str) {
        if self.ended().is_none() {
            self.signal(name);
        }
    }

    /// A connection of its own.
    pub(crate) fn client(&self) -> Client {
        Client::try_connect(&self.address).unwrap_or_else(|error| {
            let ended = self.ended();
            panic!(
                "no connection to {:?}: {error}; it ended: {ended:?}",
                self.address
            );
        })
    }

    /// Sends one request on a connection of its own.
    pub(crate) fn request(&self, method: &str, target: &str, body: &[u8]) -> Reply {
        self.client().request(method, target, body)
    }

    /// `POST /push` on a connection of its own.
    pub(crate) fn push(&self, body: &Value) -> Reply {
        self.request("POST", "/push", body.to_string().as_bytes())
    }

    /// `/stat/app`.
    pub(crate) fn stat(&self) -> Stat {
        let reply = self.request("GET", "/stat/app", b"");
        assert_eq!(reply.status, 200);
        Stat(reply.json())
    }

    /// Waits until nothing is queued, on the shelf or in flight.
    pub(crate) fn wait_idle(&self) {
        wait_until("all pushes to be settled", || {
            // As Gaurun, what is in flight is no more in the queue.
            let stat = self.stat();
            let is_idle = stat.number("/queue_usage") == 0 && stat.number("/pusher_count") == 0;
            // What the journal has is in neither before it is read.
            is_idle
                && !self
                    .request("GET", "/healthz", b"")
                    .text()
                    .contains("recovering:")
        });
    }

    /// Sends a signal by its name, without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
        wait_until("the daemon to be dead", || self.ended().is_some());
    }

    /// Waits for its end; its exit code.
    pub(crate) fn wait(&self) -> i32 {
        let status = wait_for("the daemon to end", || self.ended());
        status
            .code()
            .unwrap_or_else(|| panic!("the daemon was killed: {status}"))
    }

    /// Asks it to end and waits for that; its exit code.
    pub(crate) fn terminate(self) -> i32 {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until all pushes are settled, and ends the daemon: its logs are complete then. What
    /// `/stat/app` said at last.
    pub(crate) fn settle(self) -> Stat {
        self.wait_idle();
        let stat = self.stat();
        assert_eq!(self.terminate(), 0);
        stat
    }

    /// A number of `/proc/PID/status`, such as `Threads` or (in KiB) `VmHWM`.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap().trim_start_matches(':').trim();
        let digits = value.split(' ').next().unwrap();
        digits.parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Sends a signal by its name, without `SIG`.
pub(crate) fn signal(pid: u32, name: &str) {
    let command = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

/// What an operator log says of it, be it text or JSON.
fn address_in(log: &str) -> Option<Address> {
    let (_, place) = log.split_once(" serves on ")?;
    let (place, _) = place.split_once('\n')?;
    Some(address(place.trim_end_matches("\"}")))
}

fn address(place: &str) -> Address {
    match place.strip_prefix("unix:") {
        Some(path) => Address::Unix(path.into()),
        None => Address::Tcp(place.parse().unwrap()),
    }
}

/// The answer of `/stat/app`.
#[derive(Debug)]
pub(crate) struct Stat(Value);

impl Stat {
    /// The number at a JSON pointer.
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        let value = self.0.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no {pointer} in {}", self.0))
    }
}
