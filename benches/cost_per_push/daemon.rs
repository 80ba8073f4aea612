//! The daemon: the shipped binary in a process of its own, with its default configuration but for
//! FCM's rate, which would be measured instead of the daemon.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sterna::push::LaneId;

use super::Failure;

/// How long the daemon may take to start.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long the daemon may go without settling a push.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// How long the daemon's count may be behind its log.
const COUNT_WITHIN: Duration = Duration::from_secs(5);
/// How often we look.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What the operator log says before the address.
const SERVES_ON: &str = "serves on ";

/// The running daemon.
pub(crate) struct Daemon {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

/// What the push log has of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) accepted: u64,
    pub(crate) succeeded: u64,
}

impl Daemon {
    /// Starts it, with its logs in that directory, and waits until it serves. `platforms` is the
    /// rest of its configuration, in which FCM's rate is taken away; `arguments` are the command
    /// line's.
    pub(crate) fn start(
        directory: &Path,
        platforms: &str,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let program = Path::new(env!("CARGO_BIN_EXE_sterna"));
        Self::start_of(program, directory, platforms, arguments)
    }

    /// The same for another program.
    pub(crate) fn start_of(
        program: &Path,
        directory: &Path,
        platforms: &str,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let config = directory.join("sterna.toml");
        let path = |name: &str| directory.join(name).display().to_string();
        let platforms = platforms.replace("[android]\n", "[android]\nrate = 0\n");
        let text = format!(
            "[log]\naccess_log = {:?}\nerror_log = {:?}\n\
             operator_log = {:?}\n\n{platforms}",
            path(ACCESS),
            path(ERROR),
            path(OPERATOR),
        );
        fs::write(&config, text)?;
        let child = Command::new(program)
            .arg("serve")
            .arg("-c")
            .arg(&config)
            .args(["-p", "0"])
            .args(arguments)
            .env_remove("GOOGLE_APPLICATION_CREDENTIALS")
            .stdin(Stdio::null())
            .spawn()?;
        let mut daemon = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            directory: directory.to_owned(),
        };
        daemon.address = daemon.wait_for_address()?;
        Ok(daemon)
    }

    /// Where its API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Connections of this machine to that port that carry bytes.
    pub(crate) fn connections_to(port: u16) -> Result<u32, Failure> {
        let remote = format!(":{port:04X}");
        let is_open = |line: &&str| {
            let mut fields = line.split_whitespace().skip(2);
            let to = fields.next().is_some_and(|to| to.ends_with(&remote));
            to && fields.next() == Some(ESTABLISHED)
        };
        let text = fs::read_to_string("/proc/net/tcp")?;
        Ok(u32::try_from(text.lines().filter(is_open).count())?)
    }

    /// Waits until so many pushes are settled by the push log, then empties it.
    pub(crate) fn wait_until_settled(&self, pushes: u64) -> Result<Lines, Failure> {
        let path = self.directory.join(ACCESS);
        let mut log = File::open(&path)?;
        let (mut lines, mut rest) = (Lines::default(), Vec::new());
        let mut last_news = Instant::now();
        while lines.succeeded < pushes {
            let failed = fs::read_to_string(self.directory.join(ERROR))?;
            if let Some(line) = failed.lines().next() {
                return Err(format!("a push failed: {line}").into());
            }
            let before = lines;
            lines.read(&mut log, &mut rest)?;
            if lines != before {
                last_news = Instant::now();
            } else if last_news.elapsed() > SETTLE_WITHIN {
                return Err(format!("{pushes} pushes were accepted, but: {lines:?}").into());
            } else {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        // The daemon appends: what it writes next stands at the beginning.
        File::options().write(true).open(&path)?.set_len(0)?;
        Ok(lines)
    }

    /// As [`Daemon::settled`], but waits until so many have succeeded: the count may come a little
    /// later than the line in the log.
    pub(crate) fn settled_at_last(
        &self,
        platform: LaneId,
        succeeded: u64,
    ) -> Result<(u64, u64), Failure> {
        let start = Instant::now();
        loop {
            let settled = self.settled(platform)?;
            if settled.0 >= succeeded || start.elapsed() > COUNT_WITHIN {
                return Ok(settled);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Pushes settled as succeeded and as failed, by the daemon's own count.
    pub(crate) fn settled(&self, platform: LaneId) -> Result<(u64, u64), Failure> {
        let stat = self.stat("/stat/app")?;
        // Gaurun's keys, which every commit has; there is one lane for each platform.
        let number = |key| {
            let of_platform = stat.get(platform.to_string());
            let number = of_platform.and_then(|of| of.get(key)?.as_u64());
            number.ok_or_else(|| Failure::from(format!("no {platform} {key} in /stat/app")))
        };
        Ok((number("push_success")?, number("push_error")?))
    }

    /// How often a push of that lane was to be sent again: no more of them wait for that.
    pub(crate) fn retries(&self, platform: LaneId) -> Result<u64, Failure> {
        self.number(platform, "retries")
    }

    /// A lane's number in `/stat/app`.
    fn number(&self, platform: LaneId, key: &str) -> Result<u64, Failure> {
        let stat = self.stat("/stat/app")?;
        let number = stat
            .get("lanes")
            .and_then(|lanes| lanes.get(platform.name())?.get(key)?.as_u64());
        number.ok_or_else(|| format!("no {platform} {key} in /stat/app").into())
    }

    /// Pushes that are accepted and not settled.
    pub(crate) fn waiting(&self) -> Result<u64, Failure> {
        let stat = self.stat("/stat/app")?;
        let waiting = stat.get("queue_usage").and_then(Value::as_u64);
        Ok(waiting.ok_or("no queue_usage in /stat/app")?)
    }

    /// Bytes of memory that it occupies.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        let stat = self.stat("/stat/runtime")?;
        let resident = stat.get("memory_resident_bytes").and_then(Value::as_u64);
        Ok(resident.ok_or("no memory_resident_bytes in /stat/runtime")?)
    }

    fn stat(&self, path: &str) -> Result<Value, Failure> {
        self.ask("GET", path)
    }

    /// What it answers to a request without a body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Result<Value, Failure> {
        let mut stream = TcpStream::connect(self.address)?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        Ok(serde_json::from_str(body)?)
    }

    /// Ends it as an operator does; it must have nothing left to do.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("the daemon has no process id")?, Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("the daemon ended with {status}: {}", self.operator_log()).into())
    }

    fn wait_for_address(&mut self) -> Result<SocketAddr, Failure> {
        let start = Instant::now();
        loop {
            let log = self.operator_log();
            if let Some((_, after)) = log.split_once(SERVES_ON)
                && let Some((address, _)) = after.split_once('\n')
            {
                return Ok(address.trim().parse()?);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the daemon ended with {status}: {log}").into());
            }
            if start.elapsed() > START_WITHIN {
                return Err(format!("the daemon does not start: {log}").into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn operator_log(&self) -> String {
        fs::read_to_string(self.directory.join(OPERATOR)).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has mostly ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Lines {
    /// Counts what the log has got since; an unfinished line stays in `rest`.
    fn read(&mut self, log: &mut File, rest: &mut Vec<u8>) -> Result<(), Failure> {
        let mut bytes = vec![0; 1 << 20];
        loop {
            let read = log.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            rest.extend_from_slice(bytes.get(..read).unwrap_or_default());
            let text = String::from_utf8_lossy(rest);
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            let (lines, unfinished) = text.split_at(whole);
            for line in lines.lines() {
                self.accepted += u64::from(line.contains(r#""type":"accepted-push""#));
                self.succeeded += u64::from(line.contains(r#""type":"succeeded-push""#));
            }
            *rest = unfinished.as_bytes().to_vec();
        }
    }
}

/// The logs' files.
const ACCESS: &str = "access.log";
const ERROR: &str = "error.log";
const OPERATOR: &str = "operator.log";

/// A connection's state in /proc/net/tcp.
const ESTABLISHED: &str = "01";
