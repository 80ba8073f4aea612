//! What the operating system says about this process.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Figures of this process; `None` where the system does not tell (all but `cpus` outside Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Processors that it may use.
    pub cpus: Option<u64>,
    /// Its threads.
    pub threads: Option<u64>,
    /// Bytes of memory that it occupies (`VmRSS`).
    pub resident_bytes: Option<u64>,
    /// Bytes of address space that it has (`VmSize`).
    pub virtual_bytes: Option<u64>,
    /// Processor time that it has used, user and system.
    pub cpu_time: Option<Duration>,
    /// When it was started, since the Unix epoch.
    pub started: Option<Duration>,
    /// Files and sockets that it has open.
    pub open_files: Option<u64>,
    /// Files and sockets that it may have open.
    pub most_files: Option<u64>,
}

/// Held by who asks: each look takes a descriptor meanwhile.
static READING: Mutex<()> = Mutex::new(());

impl Process {
    /// Asks the system, one at a time.
    pub fn read() -> Self {
        let _reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
        Self::read_alone()
    }

    fn read_alone() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            cpus: thread::available_parallelism()
                .ok()
                .and_then(|cpus| u64::try_from(cpus.get()).ok()),
            threads: number(&status, "Threads"),
            resident_bytes: bytes(&status, "VmRSS"),
            virtual_bytes: bytes(&status, "VmSize"),
            cpu_time: cpu_time(&stat),
            ..Self::default()
        }
    }

    /// The same, and what costs more to find out: a look at each open file.
    pub fn read_all() -> Self {
        let _reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
        let process = Self::read_alone();
        let host = fs::read_to_string("/proc/stat").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // The one that the look itself takes is not counted.
        let files = fs::read_dir("/proc/self/fd").map(|files| files.count().saturating_sub(1));
        Self {
            started: started(&host, &own),
            open_files: files.ok().and_then(|files| u64::try_from(files).ok()),
            most_files: most_files(&limits),
            ..process
        }
    }
}

/// The number after `key:` in the form of /proc/self/status.
fn number(status: &str, key: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// As [`number`], for the values that stand there in kB.
fn bytes(status: &str, key: &str) -> Option<u64> {
    number(status, key)?.checked_mul(1024)
}

/// User and system time together in the form of /proc/self/stat: fields 14 and 15.
fn cpu_time(stat: &str) -> Option<Duration> {
    // The second field is the program's name in parentheses, and may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let used = ticks()?.checked_add(ticks()?)?;
    Some(Duration::from_millis(used.checked_mul(TICK_MS)?))
}

/// When a process was started, by the host's start in the form of /proc/stat and the process's
/// field 22 of /proc/PID/stat.
fn started(host: &str, stat: &str) -> Option<Duration> {
    let host = host.lines().find_map(|line| line.strip_prefix("btime "))?;
    let host = Duration::from_secs(host.trim().parse().ok()?);
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().nth(19)?.parse::<u64>().ok()?;
    host.checked_add(Duration::from_millis(ticks.checked_mul(TICK_MS)?))
}

/// The soft limit of open files in the form of /proc/PID/limits; `None` for no limit.
fn most_files(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A tick of /proc: Linux shows 100 a second to programs on every architecture that Rust's
/// standard library supports, whatever the kernel's own.
const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn reads_status() {
        let status = "Name:\tThreads\nVmSize:\t  123456 kB\nVmRSS:\t    789 kB\nThreads:\t17\n";
        assert_eq!(number(status, "Threads"), Some(17));
        assert_eq!(bytes(status, "VmSize"), Some(123_456 * 1024));
        assert_eq!(bytes(status, "VmRSS"), Some(789 * 1024));
        assert_eq!(bytes(status, "RssAnon"), None);
        assert_eq!(bytes("VmRSS: 99999999999999999999 kB", "VmRSS"), None);
    }

    #[test]
    fn reads_cpu_time_behind_any_program_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 3 0 99 1 2";
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu_time(""), None);
        assert_eq!(cpu_time("1 (x) S 1"), None);
        let endless = format!("1 (x) S 1 1 1 0 -1 1 1 2 3 4 {} 25 0", u64::MAX);
        assert_eq!(cpu_time(&endless), None);
    }

    #[test]
    fn reads_the_start_and_the_limit_of_files() {
        let stat = "42 (a) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 3 0 250 1 2";
        let host = "cpu  1 2 3\nbtime 1795000000\nprocesses 5\n";
        let expected = Duration::from_millis(1_795_000_002_500);
        assert_eq!(started(host, stat), Some(expected));
        assert_eq!(
            (started("", stat), started(host, "1 (x) S 1")),
            (None, None)
        );
        let limits =
            |limit: &str| format!("Limit\nMax open files            {limit}  4096  files\n");
        assert_eq!(most_files(&limits("1024")), Some(1024));
        assert_eq!(most_files(&limits("unlimited")), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn knows_this_process() {
        let process = Process::read();
        assert!(process.threads >= Some(1) && process.cpus >= Some(1));
        assert!(process.resident_bytes >= Some(4096) && process.cpu_time.is_some());
        let all = Process::read_all();
        assert!(all.virtual_bytes >= all.resident_bytes && all.most_files >= Some(3));
        assert!(all.open_files >= Some(3) && all.open_files <= all.most_files);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.saturating_sub(all.started.unwrap());
        assert!(age < Duration::from_secs(24 * 3600), "{age:?}");
    }
}
