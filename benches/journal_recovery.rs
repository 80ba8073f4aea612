//! Time and memory that a start needs to read a journal.
//!
//! ```text
//! cargo bench --bench journal_recovery [-- 10000000]
//! ```
//!
//! Fills a journal with so many outstanding pushes, each a notification of its own with a message
//! and a device token of 64 digits, ends, and opens it again: how long that took, how much more
//! memory the process holds then, and how long feeding the first 1,000 pushes took. The files are
//! in the page cache, as they are after a crash of the daemon; a cold start adds the disk's time.
//! It is a test as well: it exits 1 if a push is missing. `cargo test` runs it with few pushes.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use sterna::journal::{DiskFiles, Journal, Settings};
use sterna::moment::Moment;
use sterna::provider::apns::Apns;
use sterna::provider::{self, Site, Unused, Vendor as _};
use sterna::push::{Accepted, DeviceToken, LaneId, Notification, PushId};

/// Pushes unless it is said.
const PUSHES: u64 = 1_000_000;

/// Pushes when `cargo test` runs it.
const FEW: u64 = 5_000;

/// Notifications that are appended at once.
const REQUEST: u64 = 1_000;

/// What ends the bench.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let told = writeln!(std::io::stderr(), "journal_recovery: {failure}");
            drop(told);
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return Ok(());
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse().ok());
    let pushes = given.unwrap_or(if is_bench { PUSHES } else { FEW });
    let scratch = tempfile::tempdir()?;
    let settings = Settings::new(scratch.path());
    fill(&settings, pushes)?;

    let before = resident()?;
    let start = Instant::now();
    let (journal, recovered) = Journal::open(Arc::new(DiskFiles), settings, Moment::now())?;
    let took = start.elapsed();
    let more = resident()?.saturating_sub(before);
    if recovered.outstanding != pushes || journal.unfed(LaneId::IOS) != pushes {
        return Err(format!("of {pushes} pushes: {recovered}").into());
    }
    let start = Instant::now();
    let fed = journal.feed(LaneId::IOS, 1_000);
    let feeding = start.elapsed();
    writeln!(
        std::io::stdout(),
        "{recovered}\nread in {took:.2?}, {more} bytes of memory ({} per push), the first {} fed \
         in {feeding:.2?}",
        more / pushes.max(1),
        fed.notifications.len(),
    )?;
    let closed = journal.close();
    if closed.outstanding != pushes {
        return Err(format!("{} are outstanding at the end", closed.outstanding).into());
    }
    Ok(())
}

fn fill(settings: &Settings, pushes: u64) -> Result<(), Failure> {
    let now = Moment::now();
    let (journal, _) = Journal::open(Arc::new(DiskFiles), settings.clone(), now)?;
    let first = now.unix_secs().saturating_mul(2_000_000);
    let mut request = Vec::new();
    for id in first..first.saturating_add(pushes) {
        request.push(accepted(id, now)?);
        if request.len() as u64 == REQUEST {
            journal.append(&request, None)?;
            request.clear();
        }
    }
    journal.append(&request, None)?;
    let _closed = journal.close();
    Ok(())
}

fn accepted(id: u64, at: Moment) -> Result<Accepted, Failure> {
    let mut notification = Notification::empty(LaneId::IOS);
    notification.message = "Your table is ready: please come to the counter".into();
    notification.push_type = "alert".into();
    let (site, mut unused) = (Site::default(), Unused::default());
    let built = Apns.build(&mut notification, &site, at, &mut unused);
    let built = built.map_err(|fault| fault.error)?;
    Ok(provider::accept(
        &notification,
        &built,
        [DeviceToken::new(format!("{id:064x}"))],
        PushId(id),
        at,
    ))
}

/// Bytes of memory that the process holds.
fn resident() -> Result<u64, Failure> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).unwrap_or_default();
    Ok(pages.parse::<u64>()?.saturating_mul(4096))
}
