//! What a process has used: CPU time and context switches, from /proc.
//!
//! The scheduler's nanoseconds are per thread, and gone when the thread is; the process's own sum
//! has all threads, in ticks of 10 ms. The former count, unless the latter shows that threads
//! ended with a share worth mentioning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Failure;

/// A tick of /proc: Linux shows 100 a second to programs, whatever the kernel's own.
const TICK: Duration = Duration::from_millis(10);

/// A process's account at one time.
pub(crate) struct Usage {
    threads: BTreeMap<u32, Thread>,
    user: Duration,
    system: Duration,
}

#[derive(Clone, Default)]
struct Thread {
    name: String,
    cpu: Duration,
    switches: u64,
}

/// What was used between two times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// The share of it that was spent in the kernel, 0 to 1; sampled by ticks.
    pub(crate) system_share: f64,
    /// Context switches, of either kind.
    pub(crate) switches: u64,
    /// By what the threads are named, less the numbers of equal ones.
    pub(crate) by_name: BTreeMap<String, Duration>,
}

impl Usage {
    /// The account of a process.
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let root = format!("/proc/{pid}");
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("{root}/task"))? {
            let entry = entry?;
            let id = entry.file_name().to_string_lossy().parse()?;
            // A thread that has ended meanwhile counts by the process's sum.
            if let Some(thread) = Thread::read(&entry.path()) {
                threads.insert(id, thread);
            }
        }
        let [user, system, ..] = times(&fs::read_to_string(format!("{root}/stat"))?)?;
        Ok(Self {
            threads,
            user,
            system,
        })
    }

    /// What was used since an earlier account of the same process.
    pub(crate) fn since(&self, before: &Self) -> Spent {
        let mut spent = Spent::default();
        for (id, thread) in &self.threads {
            let earlier = before.threads.get(id).cloned().unwrap_or_default();
            let cpu = thread.cpu.saturating_sub(earlier.cpu);
            spent.cpu += cpu;
            spent.switches += thread.switches.saturating_sub(earlier.switches);
            *spent.by_name.entry(thread.name.clone()).or_default() += cpu;
        }
        let user = self.user.saturating_sub(before.user);
        let system = self.system.saturating_sub(before.system);
        if user + system > spent.cpu + 2 * TICK {
            spent.cpu = user + system;
        }
        if let share @ 0.0..=1.0 = system.as_secs_f64() / (user + system).as_secs_f64() {
            spent.system_share = share;
        }
        spent
    }
}

impl Thread {
    fn read(task: &Path) -> Option<Self> {
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let name = name.trim_end();
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let status = fs::read_to_string(task.join("status")).ok()?;
        let switches = status
            .lines()
            .filter_map(|line| line.split_once("voluntary_ctxt_switches:"))
            .filter_map(|(_, number)| number.trim().parse::<u64>().ok());
        let scheduled = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        let nanos = scheduled.split_whitespace().next();
        let nanos = nanos.and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        Some(Self {
            name: name.trim_end_matches('-').to_owned(),
            cpu: Duration::from_nanos(nanos),
            switches: switches.sum(),
        })
    }
}

/// Bytes that a process's threads of that name have handed to the kernel to be written: all that
/// still live.
pub(crate) fn written_by(pid: u32, name: &str) -> Result<u64, Failure> {
    let mut written = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = entry?.path();
        if fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
            written += number_of(&fs::read_to_string(task.join("io"))?, "wchar")?;
        }
    }
    Ok(written)
}

/// The most bytes of memory that a process has occupied.
pub(crate) fn peak_memory(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(number_of(&status, "VmHWM")? << 10)
}

/// The number behind a name in a file of /proc.
fn number_of(text: &str, name: &str) -> Result<u64, Failure> {
    let behind = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(':')
            .map(str::to_owned)
    };
    let rest = text.lines().find_map(behind);
    let number = rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("no {name} in /proc").into())
}

/// User and system time of the children that this process has waited for. Exact to two ticks.
pub(crate) fn of_children() -> Result<Duration, Failure> {
    let [.., user, system] = times(&fs::read_to_string("/proc/self/stat")?)?;
    Ok(user + system)
}

/// A process's user and system time, and those of its children: fields 14 to 17 of
/// /proc/PID/stat.
fn times(stat: &str) -> Result<[Duration; 4], Failure> {
    // The second field is the program's name in parentheses, and may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')').ok_or("no program's name in stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut time = || {
        let ticks: u32 = fields.next().ok_or("no times in stat")?.parse()?;
        Ok::<_, Failure>(TICK * ticks)
    };
    Ok([time()?, time()?, time()?, time()?])
}
