//! The shell: several log files, read together.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::entry::{self, Entry, What};
use super::fold::{Fold, OPEN_MAX};
use super::log_file::{self, LogFault, LogFile, ReadError};
use super::merge::Merge;
use super::open_push::OpenPush;
use super::when::TimeReader;

use crate::regular::Identity;

/// What logs hold.
#[derive(Debug)]
pub struct Found {
    /// Pushes that were accepted.
    pub accepted: u64,
    /// Those of them without an outcome, the oldest first.
    pub outstanding: Vec<OpenPush>,
    /// Lines that cannot be read: cut, too long, or none of a push log.
    pub damaged: u64,
    /// Whether there is any line of a push log.
    pub has_lines: bool,
    /// Lines that the logs say are missing.
    pub lost: u64,
    /// Whether an error log is among them, without which refused pushes look outstanding.
    pub has_error_log: bool,
}

/// Reads push logs, each file once, in any order.
///
/// # Errors
///
/// When a file cannot be read or is no push log, or when too many pushes are open.
pub fn read(paths: &[PathBuf]) -> Result<Found, ReadError> {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let mut logs: Vec<OpenLog> = Vec::new();
    for path in paths {
        let log = OpenLog::open(path, TimeReader::in_zone(zone.clone()))?;
        if !logs.iter().any(|other| other.identity == log.identity) {
            logs.push(log);
        }
    }
    let too_many = |error| ReadError {
        path: None,
        fault: LogFault::TooMany(error),
    };
    let mut fold = Fold::new(OPEN_MAX);
    let mut merge = Merge::new(logs, Timestamp::now().as_second())?;
    while let Some(entry) = merge.next()? {
        match entry.what {
            What::Accepted(push) => fold.accept(*push).map_err(too_many)?,
            What::Outcome(outcome) => fold.settle(outcome).map_err(too_many)?,
            What::Lost(_) | What::Other { .. } => {}
        }
    }
    let mut found = Found {
        accepted: fold.accepted(),
        outstanding: fold.finish(),
        damaged: 0,
        has_lines: false,
        lost: 0,
        has_error_log: false,
    };
    for log in merge.into_logs() {
        found.has_lines |= log.file.has_lines();
        found.damaged += log.file.damaged;
        found.lost = found.lost.saturating_add(log.lost);
        found.has_error_log |= log.has_errors;
    }
    Ok(found)
}

/// One file, with what was read of it.
struct OpenLog {
    file: LogFile,
    identity: Identity,
    times: TimeReader,
    lost: u64,
    has_errors: bool,
}

impl OpenLog {
    fn open(path: &Path, times: TimeReader) -> Result<Self, ReadError> {
        let fail = |error| ReadError::io(path, error);
        let file = log_file::open(path).map_err(fail)?;
        Ok(Self {
            identity: Identity::of_file(&file).map_err(fail)?,
            file: LogFile::of(path, file)?,
            times,
            lost: 0,
            has_errors: false,
        })
    }

    /// The next line about a push.
    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let times = &mut self.times;
        while let Some(entry) = self.file.next(|_| true, |line| entry::read(line, times))? {
            match entry.what {
                What::Lost(lines) => self.lost = self.lost.saturating_add(lines),
                What::Other { error } => self.has_errors |= error,
                What::Outcome(ref outcome) => {
                    self.has_errors |= outcome.failed && outcome.accepted.is_none();
                    return Ok(Some(entry));
                }
                What::Accepted(_) => return Ok(Some(entry)),
            }
        }
        Ok(None)
    }
}

impl Iterator for OpenLog {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}
