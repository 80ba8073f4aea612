//! The shell: push logs, read for what they say of device tokens.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jiff::tz::TimeZone;
use memchr::memmem;

use super::dead_tokens::{RefusedTokens, TokenFold};
use super::log_file::{LogFault, LogFile, ReadError};
use super::token_line::{self, TokenLine};
use super::when::TimeReader;

use crate::regular::{self, Identity};

/// What logs say of device tokens, and how much they say.
#[derive(Debug, Default)]
pub struct FoundTokens {
    /// The tokens.
    pub tokens: RefusedTokens,
    /// Lines about tokens that are hidden.
    pub hidden: u64,
    /// Lines that cannot be read: cut, too long, or none of a push log. Of those that say nothing
    /// of tokens not all are looked at.
    pub damaged: u64,
    /// Whether there is any line of a push log.
    pub has_lines: bool,
    /// Lines that the logs say are missing.
    pub lost: u64,
}

/// What is told of the bytes that are read.
type ToldBytes = Rc<dyn Fn(u64)>;

/// Reads push logs, in any order, for refusals of device tokens from `since` on, in seconds since
/// the Unix epoch. Each file is read twice, or once if none was refused: `told` hears how many
/// bytes are read, and how many there are to be read in all.
///
/// # Errors
///
/// When a file cannot be read, or is no push log.
pub fn refused_tokens(
    paths: &[PathBuf],
    since: u64,
    told: impl Fn(u64, u64) + 'static,
) -> Result<FoundTokens, ReadError> {
    let mut logs: Vec<TwiceRead> = Vec::new();
    for path in paths {
        let log = TwiceRead::open(path)?;
        if !logs.iter().any(|other| other.identity == log.identity) {
            logs.push(log);
        }
    }
    let total = logs.iter().map(|log| log.bytes).sum::<u64>() * 2;
    let told: ToldBytes = Rc::new(move |bytes| told(bytes, total));
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let mut times = TimeReader::in_zone(zone);
    let mut fold = TokenFold::new(since);
    let mut found = FoundTokens::default();
    let [failed, lost, succeeded] = ["failed-push", "lost-lines", "succeeded-push"]
        .map(|kind| memmem::Finder::new(kind).into_owned());
    for log in &logs {
        let wanted = |line: &[u8]| {
            let may_be_lost = line.len() < LOST_LINE_MAX;
            failed.find(line).is_some() || (may_be_lost && lost.find(line).is_some())
        };
        log.read(&told, wanted, &mut times, &mut fold, &mut found)?;
    }
    if !fold.is_empty() {
        let mut again = FoundTokens::default();
        let wanted = |line: &[u8]| succeeded.find(line).is_some();
        for log in &logs {
            log.read(&told, wanted, &mut times, &mut fold, &mut again)?;
        }
        found.damaged = found.damaged.max(again.damaged);
    }
    found.tokens = fold.finish();
    Ok(found)
}

/// A file that is read twice: it is held open, for it may be rotated meanwhile.
struct TwiceRead {
    path: PathBuf,
    identity: Identity,
    file: File,
    bytes: u64,
}

impl TwiceRead {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let fail = |error| ReadError::io(path, error);
        // A pipe cannot be read twice.
        let file = regular::open(path).map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            identity: Identity::of_file(&file).map_err(fail)?,
            bytes: file.metadata().map_err(fail)?.len(),
            file,
        })
    }

    /// Reads it from its beginning to its end.
    fn read(
        &self,
        told: &ToldBytes,
        wanted: impl Fn(&[u8]) -> bool,
        times: &mut TimeReader,
        fold: &mut TokenFold,
        found: &mut FoundTokens,
    ) -> Result<(), ReadError> {
        let opened = || {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            Ok(CountedFile(file, Rc::clone(told)))
        };
        let input = opened().map_err(|error| ReadError::io(&self.path, error))?;
        let mut log = LogFile::of(&self.path, input)?;
        let mut note = |line: TokenLine<'_>| {
            match line {
                TokenLine::Said(said) => fold.note(&said),
                TokenLine::Hidden => found.hidden += 1,
                TokenLine::Lost(lines) => found.lost = found.lost.saturating_add(lines),
                TokenLine::UnknownZone(time) => return Some(zone_of(time)),
                TokenLine::Other => {}
            }
            None
        };
        while let Some(zone) = log.next(&wanted, |line| token_line::read(line, times, &mut note))? {
            if let Some(zone) = zone {
                return Err(ReadError::of(&self.path, LogFault::Zone(zone)));
            }
        }
        found.has_lines |= log.has_lines();
        found.damaged += log.damaged;
        Ok(())
    }
}

/// A file of which is told how much of it was read.
struct CountedFile(File, ToldBytes);

impl Read for CountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.read(buffer)?;
        (self.1)(bytes as u64);
        Ok(bytes)
    }
}

/// What a time says of its zone.
fn zone_of(time: &str) -> Box<str> {
    let zone = time.rsplit(' ').next().unwrap_or_default();
    zone.chars().take(ZONE_SHOWN).collect()
}

/// Our limit: characters of a zone that are shown.
const ZONE_SHOWN: usize = 16;

/// Our limit: bytes within which a line that says how many are missing has its end, also where a
/// collector has wrapped it: the journal of systemd puts a kilobyte of its own beside each.
const LOST_LINE_MAX: usize = 8192;
