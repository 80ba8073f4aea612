//! Where push ids come from: blocks of them, reserved in the state directory before any is given.
//!
//! So they go on over restarts, crashes and power failures whatever the clock does. The file `ids`
//! is the truth; the journal's last id counts if the file is lost, damaged or older than that.
//! Without a state directory ids begin at a place made from the clock, and nothing is promised.

mod book;

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::book::{Book, BookFault, UsedUp};
use super::state_file::{self, Surely};
use super::{StartError, StartErrorKind};
use crate::api::ids::More;
use crate::journal::{DiskFiles, Files, IDS};
use crate::moment::{self, Moment};
use crate::provider::apns::ApnsIds;
use crate::push::{Node, PushId};
use crate::regular::{self, Lockable};

/// Locked while that is read and replaced.
const LOCK: &str = "ids.lock";
/// What could not be understood is kept under this name.
const ASIDE: &str = "ids.damaged";

/// Our limit: bytes of the file. One with a run of each node has fewer.
const BOOK_MAX: usize = 64 * 1024;

/// Our limit: ids of the first block that a process reserves, …
const BLOCK_MIN: u64 = 1 << 16;
/// … and of its longest: each is as long as all before it.
const BLOCK_MAX: u64 = 1 << 24;

/// How far beyond the journal's last id a run begins that goes on by it: pushes of requests that
/// were refused have had ids, too.
const BEYOND_JOURNAL: u64 = 1 << 24;

/// Our limit: how long the file is waited for while another process has it.
const LOCKED_WITHIN: Duration = Duration::from_secs(2);
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// Ids a second that a place made from the clock is apart from the one made a second before: as
/// long as fewer are given on average, a process without a state directory begins beyond the last.
const PER_SECOND: u64 = 1 << 17;
/// Places that the clock makes: they come again after a year.
const CLOCK_PLACES: u64 = 1 << 42;

/// How a process gives ids.
pub(super) struct Numbering {
    /// Those that it may give at once.
    pub(super) block: Range<u64>,
    /// Where more come from.
    pub(super) more: More,
    /// What Apple knows its pushes by.
    pub(super) apns_ids: ApnsIds,
}

impl Numbering {
    /// Goes on where the last process of the state directory ended. `high_water` is the last id in
    /// the journal, if there is one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, but for a full disk: there may be room later.
    pub(super) fn begin(
        state: Option<&Path>,
        node: Node,
        high_water: PushId,
        now: Moment,
    ) -> Result<Self, StartError> {
        match state {
            Some(dir) => Self::of_directory(Box::new(DiskFiles), dir, node, high_water),
            None => Self::of_clock(node, now.unix),
        }
    }

    /// Makes and writes by `files`.
    fn of_directory(
        files: Box<dyn Files>,
        dir: &Path,
        node: Node,
        high_water: PushId,
    ) -> Result<Self, StartError> {
        // Without a journal nobody has made it.
        files
            .create_dir(dir)
            .map_err(|error| refused(dir, &error))?;
        let locked = lock(dir, LOCKED_WITHIN).map_err(|error| refused(&dir.join(LOCK), &error))?;
        let mut book = read_or_renew(dir, node)?;
        let after = |id: u64| id.saturating_add(1).saturating_add(BEYOND_JOURNAL);
        let own = Some(high_water.0).filter(|id| node.ids().contains(id));
        if !book.knows(node) {
            book.begin(node, random()?, own.map(after));
        } else if let Some(last) = own.filter(|last| book.next(node) <= Some(*last)) {
            ::log::error!(
                "push ids: {} is older than the journal, whose last id is {last}: was it restored? \
                 Ids go on beyond that",
                dir.join(IDS).display()
            );
            book.raise(node, after(last));
        }
        let mut reserve = Reserve {
            files,
            dir: dir.to_owned(),
            node,
            book,
            given: 0,
            is_short: false,
        };
        let block = match reserve.reserve_locked(0) {
            Err(Short::Unwritable(error)) if is_full(&error) => {
                ::log::error!("{}", reserve.cannot(&error));
                0..0
            }
            Err(Short::Unwritable(error)) => return Err(refused(&dir.join(IDS), &error)),
            Err(Short::Other(why)) => return Err(StartError::new(StartErrorKind::Config, why)),
            Ok(block) => {
                ::log::info!("push ids of core.node = {node} go on at {}", block.start);
                block
            }
        };
        drop(locked);
        let apns_ids = reserve.book.apns_ids(node);
        Ok(Self {
            block,
            more: Box::new(move |least| reserve.more(least)),
            apns_ids,
        })
    }

    fn of_clock(node: Node, unix: Duration) -> Result<Self, StartError> {
        let ids = node.ids();
        let first = ids.start.saturating_add(place_of(unix));
        ::log::warn!(
            "push ids begin at {first}, a place made from the clock: there is no state directory, \
             and if the clock is set back they may repeat; set STATE_DIRECTORY, or let \
             journal.sync be \"group\" or \"interval\""
        );
        let given = std::iter::once(ids.clone());
        Ok(Self {
            block: first..ids.end,
            more: Box::new(move |_| Err(UsedUp(node).to_string())),
            apns_ids: ApnsIds::new(random()?, given),
        })
    }
}

/// What the pushes of a state directory are known by, for who gives no ids.
pub(super) fn apns_ids(dir: &Path, node: Node) -> ApnsIds {
    let why = match read(dir) {
        Ok(None) => return ApnsIds::NONE,
        Ok(Some(Ok(book))) => return book.apns_ids(node),
        Ok(Some(Err(fault))) => format!("push ids: {}: {fault}", dir.join(IDS).display()),
        Err(error) => error.to_string(),
    };
    ::log::warn!("{why}; pushes go out under another apns-id than they had");
    ApnsIds::NONE
}

/// What a place is made of that the clock shows.
fn place_of(unix: Duration) -> u64 {
    let parts = unix.as_nanos().saturating_mul(PER_SECOND.into()) / 1_000_000_000;
    u64::try_from(parts % u128::from(CLOCK_PLACES)).unwrap_or_default()
}

/// Why no ids can be reserved.
enum Short {
    Unwritable(io::Error),
    Other(String),
}

impl From<io::Error> for Short {
    fn from(error: io::Error) -> Self {
        Self::Unwritable(error)
    }
}

/// Reserves blocks.
struct Reserve {
    files: Box<dyn Files>,
    dir: PathBuf,
    node: Node,
    /// As this process knows it: the file may know more.
    book: Book,
    /// Ids reserved by this process.
    given: u64,
    /// Whether the operator was told that there are none.
    is_short: bool,
}

impl Reserve {
    /// For callers, whose pushes wait for it.
    fn more(&mut self, least: u64) -> Result<Range<u64>, String> {
        let reserved = lock(&self.dir, LOCKED_WITHIN)
            .map_err(Short::Unwritable)
            .and_then(|_locked| {
                self.look()?;
                self.reserve_locked(least)
            });
        let short = match reserved {
            Ok(block) => {
                if std::mem::take(&mut self.is_short) {
                    ::log::warn!("push ids can be had again: pushes are taken");
                }
                return Ok(block);
            }
            Err(Short::Unwritable(error)) => self.cannot(&error),
            Err(Short::Other(why)) => why,
        };
        if !std::mem::replace(&mut self.is_short, true) {
            ::log::error!("{short}; pushes are refused");
        }
        Err(short)
    }

    /// Learns what another process has reserved; whoever removed or spoilt the file meanwhile, this
    /// process knows what was in it.
    fn look(&mut self) -> Result<(), Short> {
        let found = state_file::read(&self.dir.join(IDS), BOOK_MAX)?;
        let found = found.and_then(|bytes| parse(&bytes).ok());
        match found {
            Some(other) if !other.is_akin_to(&self.book) => Err(Short::Other(format!(
                "no push ids: {} is of another state directory than at the start; put the one of \
                 before back, or restart the daemon",
                self.dir.join(IDS).display()
            ))),
            Some(other) => {
                self.book.learn(&other);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn reserve_locked(&mut self, least: u64) -> Result<Range<u64>, Short> {
        let many = self.given.clamp(BLOCK_MIN, BLOCK_MAX);
        let mut book = self.book.clone();
        let block = book
            .reserve(self.node, least.max(1), many)
            .map_err(|used_up| Short::Other(used_up.to_string()))?;
        let path = self.dir.join(IDS);
        state_file::replace(&*self.files, &path, &book.text(), Surely::Synced)?;
        self.book = book;
        let ids = block.end.saturating_sub(block.start);
        self.given = self.given.saturating_add(ids);
        Ok(block)
    }

    fn cannot(&self, error: &io::Error) -> String {
        let path = self.dir.join(IDS);
        let advice = if is_full(error) { "; make room" } else { "" };
        format!(
            "no push ids can be reserved in {}: {error}{advice}",
            path.display()
        )
    }
}

/// The book of a directory; a new one if there is none, or none that can be used.
fn read_or_renew(dir: &Path, node: Node) -> Result<Book, StartError> {
    let path = dir.join(IDS);
    match read(dir)? {
        Some(Ok(book)) => return Ok(book),
        Some(Err(BookFault::Newer)) => {
            let text = format!("push ids: {}: {}", path.display(), BookFault::Newer);
            return Err(StartError::new(StartErrorKind::Config, text));
        }
        Some(Err(fault)) => {
            let aside = dir.join(ASIDE);
            fs::rename(&path, &aside).map_err(|error| refused(&path, &error))?;
            ::log::error!(
                "push ids: {} cannot be used: {fault}; it is kept as {ASIDE}. Ids of core.node = \
                 {node} begin beyond the journal's, or at a place drawn at random; pushes that are \
                 outstanding go out under another apns-id than they had",
                path.display()
            );
        }
        None => {}
    }
    Ok(Book::new(random()?))
}

fn read(dir: &Path) -> Result<Option<Result<Book, BookFault>>, StartError> {
    let path = dir.join(IDS);
    let bytes = state_file::read(&path, BOOK_MAX).map_err(|error| refused(&path, &error))?;
    Ok(bytes.map(|bytes| parse(&bytes)))
}

fn parse(bytes: &[u8]) -> Result<Book, BookFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| BookFault::Damaged("it is no text"))?;
    Book::read(text)
}

/// 64 bits of chance.
pub(super) fn random() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        let text =
            "the system gives no random numbers, from which push ids and request ids are made";
        StartError::new(StartErrorKind::System, text)
    })?;
    Ok(u64::from_le_bytes(bytes))
}

/// Locks a file of the directory until it is dropped.
fn lock(dir: &Path, within: Duration) -> io::Result<Lockable> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = Lockable(regular::open_itself(&mut options, &dir.join(LOCK))?);
    let started = moment::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if moment::since(started) < within => {
                thread::park_timeout(LOOKS_EVERY);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(format!("another process holds {LOCK}")));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

fn refused(path: &Path, error: &io::Error) -> StartError {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied => StartErrorKind::NoPermission,
        _ => StartErrorKind::CannotCreate,
    };
    let path = path.display();
    let text = format!(
        "push ids: {path}: {error}; they are kept in the state directory, which the daemon must be \
         able to write: journal.dir, or without a journal STATE_DIRECTORY"
    );
    StartError::new(kind, text)
}

#[cfg(test)]
mod tests;
