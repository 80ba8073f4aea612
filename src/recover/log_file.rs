//! The shell: one log file, plain or gzipped, its lines wrapped or not, read to its end.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;

use super::entry::{Damaged, whole_tail};
use super::fold::TooMany;
use super::foreign::ForeignForm;
use super::lines::{LINE_MAX, Lines, NextLine};
use super::wrapping::{Unwrapped, Wrapping};

use crate::count;
use crate::moment;
use crate::regular;

/// Our limit: log files read together, each an open file.
pub const LOGS_MAX: usize = 256;

/// Bytes read at once.
const READ_BYTES: usize = 128 << 10;

/// Why logs cannot be read.
#[derive(Debug)]
pub struct ReadError {
    pub(super) path: Option<PathBuf>,
    pub(super) fault: LogFault,
}

#[derive(Debug)]
pub(super) enum LogFault {
    Io(io::Error),
    /// Compressed, and broken after so many lines.
    BreaksOff(u64, io::Error),
    /// So many lines, and none of them of a push log.
    Foreign(u64),
    /// Its times are in a zone that this machine does not have.
    Zone(Box<str>),
    /// Not plain text, nor gzipped.
    Packed(ForeignForm),
    TooMany(TooMany),
}

impl ReadError {
    pub(super) fn of(path: &Path, fault: LogFault) -> Self {
        let path = Some(path.to_owned());
        Self { path, fault }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::of(path, LogFault::Io(error))
    }

    /// Whether it is the data, which no further try makes better.
    pub fn is_damage(&self) -> bool {
        !matches!(self.fault, LogFault::Io(_))
    }

    /// Says what it is and how a push log is made of it.
    fn advise(&self, form: &ForeignForm, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
                "breaks off after {}: {error}; the outcomes that stood there are missing: their \
                 pushes would be sent again, and device tokens that live count as dead",
                count::of(lines, "line", "lines")
            ),
            LogFault::Foreign(lines) => {
                let lines = count::of(lines, "line", "lines");
                write!(f, "is no push log: {lines}, and none is JSON of one")
            }
            LogFault::Zone(zone) => write!(
                f,
                "the times in it are of the zone {zone:?}, which this machine does not have; name \
                 the zone of the machine that wrote it: TZ=Asia/Tokyo sterna …"
            ),
            LogFault::Packed(form) => {
                f.write_str("is no push log as it is")?;
                self.advise(form, f)
            }
            LogFault::TooMany(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

/// One file.
pub(super) struct LogFile {
    path: PathBuf,
    lines: Lines<Box<dyn BufRead>>,
    is_compressed: bool,
    /// That of the first line of a push log that was wrapped, if no line before was one itself.
    wrapping: Option<Wrapping>,
    /// Lines so far.
    pub(super) read: u64,
    /// Those of them that are damaged, or none of a push log.
    pub(super) damaged: u64,
}

impl LogFile {
    /// The lines of a file of that name.
    pub(super) fn of(path: &Path, input: impl Read + 'static) -> Result<Self, ReadError> {
        let mut input = BufReader::with_capacity(READ_BYTES, input);
        let head = input
            .fill_buf()
            .map_err(|error| ReadError::io(path, error))?;
        if let Some(form) = ForeignForm::of_head(head) {
            return Err(ReadError::of(path, LogFault::Packed(form)));
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
            lines: Lines::new(input, LINE_MAX),
            is_compressed,
            wrapping: None,
            read: 0,
            damaged: 0,
        })
    }

    /// Whether any line so far was one of a push log.
    pub(super) fn has_lines(&self) -> bool {
        self.read > self.damaged
    }

    /// What `read` makes of the next line of which it makes anything. Once the file has turned out
    /// to be a push log, lines are passed over that are not `wanted`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no push log.
    pub(super) fn next<T>(
        &mut self,
        wanted: impl Fn(&[u8]) -> bool,
        mut read: impl FnMut(&[u8]) -> Result<T, Damaged>,
    ) -> Result<Option<T>, ReadError> {
        let of_path = |fault| ReadError::of(&self.path, fault);
        loop {
            let line = match self.lines.next() {
                Ok(NextLine::End) if self.read > 0 && self.read == self.damaged => {
                    return Err(of_path(LogFault::Foreign(self.read)));
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
                    return Err(of_path(LogFault::BreaksOff(self.read, error)));
                }
                Err(error) => return Err(of_path(LogFault::Io(error))),
            };
            let is_known = self.read > self.damaged;
            self.read += 1;
            if is_known && !wanted(line) {
                continue;
            }
            let may_wrap = !is_known && self.wrapping.is_none();
            let found = if let Some(wrapping) = &self.wrapping {
                let Some(found) = under(wrapping, line, &mut read) else {
                    self.read -= 1;
                    continue;
                };
                found
            } else {
                read(line)
            };
            if let Ok(found) = found {
                return Ok(Some(found));
            }
            if may_wrap
                && let Some((wrapping, found)) = Wrapping::of(line).find_map(|wrapping| {
                    let found = under(&wrapping, line, &mut read)?.ok()?;
                    Some((wrapping, found))
                })
            {
                self.wrapping = Some(wrapping);
                return Ok(Some(found));
            }
            self.damaged += 1;
            // What a crash leaves at the end of a file: half a line, or a hole.
            let is_cut_off = line.starts_with(BEGIN) || line.starts_with(b"\0");
            let cut_off = Some(line).filter(|_| is_cut_off);
            let tail = cut_off.and_then(whole_tail);
            if let Some(found) = tail.and_then(|tail| read(tail).ok()) {
                self.read += 1;
                return Ok(Some(found));
            }
        }
    }
}

/// Whether a file that begins so has lines that a log collector has wrapped.
pub fn is_wrapped(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Wrapping::of(line).any(|wrapping| match wrapping.unwrap(line) {
        Unwrapped::Line(line) => line.starts_with(BEGIN),
        Unwrapped::OfAnother | Unwrapped::Nothing => false,
    })
}

/// What is made of a line that is wrapped so, or of one that `recover` has appended as it is; none
/// if it is another program's.
fn under<T>(
    wrapping: &Wrapping,
    line: &[u8],
    read: &mut impl FnMut(&[u8]) -> Result<T, Damaged>,
) -> Option<Result<T, Damaged>> {
    // What callers have written in such a line must not be taken for one.
    if line.starts_with(BEGIN)
        && let Ok(found) = read(line)
    {
        return Some(Ok(found));
    }
    match wrapping.unwrap(line) {
        Unwrapped::Line(line) => Some(read(&line)),
        Unwrapped::OfAnother => None,
        Unwrapped::Nothing => Some(Err(Damaged)),
    }
}

/// How each line of a push log begins.
const BEGIN: &[u8] = b"{\"level\":";

/// Opens a file, or a pipe to which somebody writes.
pub(super) fn open(path: &Path) -> io::Result<File> {
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
