//! The threads of daemons that write logs: a line that was said is in its file only when they have
//! come to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Waits until what the daemons of that directory have said so far is in their logs: until each of
/// their writers has had nothing to do for longer than lines are gathered, or has been at it again
/// and again since. One whose log takes nothing is not waited for.
pub(crate) fn wait_for(directory: &Path) {
    let begun = Instant::now();
    let first = seen(directory);
    let mut looked = Instant::now();
    // Each with since when it is like that, at the latest.
    let mut writers: BTreeMap<_, _> = (first.iter())
        .map(|(task, writer)| (task.clone(), (*writer, looked)))
        .collect();
    while begun.elapsed() < PATIENCE {
        let is_done = writers.iter().all(|(task, (writer, since))| {
            let first = first.get(task).copied();
            let went_on = first.is_some_and(|it| writer.sleeps >= it.sleeps + ENOUGH_SLEEPS);
            let rested = !writer.works && looked.duration_since(*since) > LONGER_THAN_GATHERED;
            went_on || rested
        });
        if is_done {
            break;
        }
        thread::park_timeout(LOOK_EVERY);
        looked = Instant::now();
        let found = seen(directory);
        let now = Instant::now();
        let like_before = |task: &PathBuf, writer: SeenWriter| {
            let (before, since) = writers.get(task)?;
            (*before == writer).then_some(*since)
        };
        writers = (found.into_iter())
            .map(|(task, writer)| {
                let since = like_before(&task, writer).unwrap_or(now);
                (task, (writer, since))
            })
            .collect();
    }
}

/// A writer at one time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SeenWriter {
    works: bool,
    /// How often it has gone to sleep.
    sleeps: u64,
}

/// All writers of the daemons whose command line names that directory.
fn seen(directory: &Path) -> BTreeMap<PathBuf, SeenWriter> {
    let directory = directory.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = processes.map(|process| process.path()).filter(|process| {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        command
            .windows(directory.len())
            .any(|part| part == directory)
    });
    let tasks = ours.flat_map(|process| fs::read_dir(process.join("task")).into_iter().flatten());
    let tasks = tasks.flatten().map(|task| task.path());
    tasks
        .filter_map(|task| Some((task.clone(), SeenWriter::of(&task)?)))
        .collect()
}

impl SeenWriter {
    /// What is at that path of /proc, if it is a writer, and still there.
    fn of(task: &Path) -> Option<Self> {
        let status = fs::read_to_string(task.join("status")).ok()?;
        let mut lines = status.lines();
        lines.next().filter(|name| name.ends_with("\tlog writer"))?;
        let state = lines.find_map(|line| line.strip_prefix("State:\t"))?;
        let sleeps = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:\t"))?;
        Some(Self {
            works: state.starts_with(['R', 'D']),
            sleeps: sleeps.parse().ok()?,
        })
    }
}

/// The daemon gathers lines for 3 ms (`src/log/sink.rs`).
const LONGER_THAN_GATHERED: Duration = Duration::from_millis(6);

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What it had at the first look it has written by then: it takes all that has come each time.
const ENOUGH_SLEEPS: u64 = 4;

/// A test in which a disk hangs goes on with what is there.
const PATIENCE: Duration = Duration::from_secs(2);
