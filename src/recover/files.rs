//! The shell: log files, plain or gzipped, read to their ends.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::entry::{self, Entry, What};
use super::fold::{Fold, OPEN_MAX, TooMany};
use super::foreign::ForeignForm;
use super::lines::{LINE_MAX, Lines, NextLine};
use super::merge::Merge;
use super::open_push::OpenPush;
use super::when::TimeReader;

use crate::count;
use crate::moment;
use crate::regular::{self, Identity};

/// Our limit: log files read together, each an open file.
pub const LOGS_MAX: usize = 256;

/// Bytes read at once.
const READ_BYTES: usize = 128 << 10;

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

/// Why logs cannot be read.
#[derive(Debug)]
pub struct ReadError {
    path: Option<PathBuf>,
    fault: LogFault,
}

#[derive(Debug)]
enum LogFault {
    Io(io::Error),
    /// Compressed, and broken after so many lines.
    BreaksOff(u64, io::Error),
    /// So many lines, and none of them of a push log; and their form, if it is known.
    Foreign(u64, Option<ForeignForm>),
    /// Not plain text, nor gzipped.
    Packed(ForeignForm),
    TooMany(TooMany),
}

impl ReadError {
    /// Whether it is the data, which no further try makes better.
    pub fn is_damage(&self) -> bool {
        !matches!(self.fault, LogFault::Io(_))
    }

    /// Says what it is and how a push log is made of it.
    fn advise(&self, form: Option<&ForeignForm>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(form) = form else { return Ok(()) };
        write!(f, ": it is {}", form.what)?;
        let file = self.path.as_deref().map(regular::shell_word);
        match file.and_then(|file| form.command(&file)) {
            Some(command) => write!(f, "; unpack it with: {command}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        match &self.fault {
            LogFault::Io(error) => write!(f, "cannot be read: {error}"),
            LogFault::BreaksOff(lines, error) => write!(
                f,
                "breaks off after {}: {error}; the outcomes that stood there are missing, and \
                 their pushes would be sent again",
                count::of(lines, "line", "lines")
            ),
            LogFault::Foreign(lines, form) => {
                let lines = count::of(lines, "line", "lines");
                write!(f, "is no push log: {lines}, and none is JSON of one")?;
                self.advise(form.as_ref(), f)
            }
            LogFault::Packed(form) => {
                f.write_str("is no push log as it is")?;
                self.advise(Some(form), f)
            }
            LogFault::TooMany(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

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
        found.has_lines |= log.read > log.damaged;
        found.damaged += log.damaged;
        found.lost = found.lost.saturating_add(log.lost);
        found.has_error_log |= log.has_errors;
    }
    Ok(found)
}

/// One file.
struct OpenLog {
    path: PathBuf,
    identity: Identity,
    lines: Lines<Box<dyn BufRead>>,
    is_compressed: bool,
    times: TimeReader,
    read: u64,
    damaged: u64,
    lost: u64,
    has_errors: bool,
    /// That of its first line, if that is of no push log.
    form: Option<ForeignForm>,
}

impl OpenLog {
    fn open(path: &Path, times: TimeReader) -> Result<Self, ReadError> {
        let fail = |error| ReadError {
            path: Some(path.to_owned()),
            fault: LogFault::Io(error),
        };
        let file = open(path).map_err(fail)?;
        let identity = Identity::of_file(&file).map_err(fail)?;
        let mut input = BufReader::with_capacity(READ_BYTES, file);
        let head = input.fill_buf().map_err(fail)?;
        if let Some(form) = ForeignForm::of_head(head) {
            return Err(ReadError {
                path: Some(path.to_owned()),
                fault: LogFault::Packed(form),
            });
        }
        let is_compressed = is_gzip(head);
        let input: Box<dyn BufRead> = if is_compressed {
            let plain = MultiGzDecoder::new(input);
            Box::new(BufReader::with_capacity(READ_BYTES, plain))
        } else {
            Box::new(input)
        };
        Ok(Self {
            path: path.to_owned(),
            identity,
            lines: Lines::new(input, LINE_MAX),
            is_compressed,
            times,
            read: 0,
            damaged: 0,
            lost: 0,
            has_errors: false,
            form: None,
        })
    }

    /// The next line about a push.
    fn next_entry(&mut self) -> Result<Option<Entry>, LogFault> {
        loop {
            let line = match self.lines.next() {
                Ok(NextLine::End) if self.read > 0 && self.read == self.damaged => {
                    return Err(LogFault::Foreign(self.read, self.form));
                }
                Ok(NextLine::End) => return Ok(None),
                Ok(NextLine::TooLong) => {
                    self.read += 1;
                    self.damaged += 1;
                    continue;
                }
                Ok(NextLine::Line(line)) if line.trim_ascii().is_empty() => continue,
                Ok(NextLine::Line(line)) => line,
                Err(error) if self.is_compressed && is_of_gzip(&error) => {
                    return Err(LogFault::BreaksOff(self.read, error));
                }
                Err(error) => return Err(LogFault::Io(error)),
            };
            self.read += 1;
            let mut read = entry::read(line, &mut self.times);
            if read.is_err() {
                self.damaged += 1;
                if self.read == 1 {
                    self.form = ForeignForm::of_line(line);
                }
                if let Some(tail) = entry::whole_tail(line) {
                    read = entry::read(tail, &mut self.times);
                    self.read += u64::from(read.is_ok());
                }
            }
            let Ok(entry) = read else {
                continue;
            };
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
    }
}

impl Iterator for OpenLog {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry()
            .map_err(|fault| ReadError {
                path: Some(self.path.clone()),
                fault,
            })
            .transpose()
    }
}

/// Opens a file, or a pipe to which somebody writes.
fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.file_type().is_fifo() {
        return regular::open(path);
    }
    // It waits for whoever opens the other end, and cannot be told to wait no longer.
    let (opened, waits) = crossbeam_channel::bounded(1);
    let path = path.to_owned();
    thread::spawn(move || drop(opened.send(File::open(path))));
    moment::receive_within(&waits, WRITTEN_WITHIN).unwrap_or_else(|_| {
        let text = "it is a named pipe, and nobody writes to it";
        Err(io::Error::new(ErrorKind::TimedOut, text))
    })
}

/// Our limit: how long we wait for somebody to open the other end of a pipe.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Whether a file that begins so is gzipped, whatever its name.
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// Whether it is the compressed data that is at fault, and not the disk.
fn is_of_gzip(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}
