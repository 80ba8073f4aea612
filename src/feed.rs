//! What became of pushes, for whoever asks later: how each ended, and which device tokens are dead.
//! Two streams of records beside the journal, durable and bounded.
//!
//! # A record's way
//!
//! Who settles a push leaves its record in the `inbox` and never waits. The feed's thread numbers
//! the records, writes them as frames into segments, and makes them durable every
//! [`FeedSettings::sync_every`]. Only then are they shown: who has read on to a cursor finds the
//! same records behind it at any time, whatever has died meanwhile.
//!
//! # Gaps
//!
//! The numbers of a stream follow one another, and a number without a record is a gap, which
//! readers are told with its size. So no gap has to be kept anywhere: records that were removed to
//! keep the bound, that there was no room for in memory, that the disk has not made durable or has
//! damaged, all leave their numbers free. Only of what a process had in memory when it died, nobody
//! knows the size: the next process puts a mark in its place.
//!
//! # Bounds
//!
//! A stream has [`FeedSettings::bytes`]; the oldest segment goes as a whole. A cursor before what
//! is left is refused, and who asks without one is told first how many records are gone.
//!
//! # Faults
//!
//! None of them stops a push. A segment that cannot be written is given up and another one begun,
//! once a second; meanwhile records wait in memory, and beyond [`BUFFER_BYTES`] are counted. What
//! is wrong with files of an earlier process is told at the start, and is a gap. So is what cannot
//! be read, once that was tried often; until then it is an error to who asks.
//!
//! `stream`, `cursor`, `record`, `segment` and `shelf` are pure.

mod cursor;
mod frames;
mod inbox;
mod opening;
mod page;
mod record;
mod scribe;
mod segment;
mod shelf;
mod stream;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;

pub use inbox::{BUFFER_BYTES, Gathered};
pub use page::PAGE_BYTES;
pub use record::FeedRecord;
pub use stream::FeedStream;

/// In the place of a cursor: behind the last record that is shown by now.
pub const NEWEST: &str = "newest";

use self::cursor::Cursor;
use self::inbox::{FeedCounts, FeedInbox};
use self::page::PageWish;
use self::scribe::Scribe;
use self::writer::{SharedShelf, StreamPlace, StreamWriter, lock};
use crate::journal::Files;
use crate::moment::{self, Moment};

/// How a feed is kept.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// Where its files are.
    pub dir: PathBuf,
    /// Bytes that each stream may take on the disk.
    pub bytes: u64,
    /// How long records may be written and not durable: at a power failure those are lost.
    pub sync_every: Duration,
}

/// The feed of a daemon. Its methods may be called from any thread.
pub struct Feed {
    inbox: Arc<FeedInbox>,
    streams: [ReadStream; 2],
    /// Set when the thread is not waited for any longer.
    is_abandoned: Arc<AtomicBool>,
    /// Closed when the thread has ended.
    ended: Mutex<Option<Receiver<()>>>,
}

/// One stream, to be read.
#[derive(Debug)]
struct ReadStream {
    place: StreamPlace,
    shelf: SharedShelf,
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedFigures {
    /// The stream.
    pub stream: FeedStream,
    /// Records written since the start.
    pub written: u64,
    /// Records since the start that there was no room for, or that the disk has not kept.
    pub lost: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// Records and gaps as JSON objects, with commas between them.
    pub records: Vec<u8>,
    /// How many they are.
    pub items: usize,
    /// The cursor to go on after.
    pub next: String,
    /// Whether there was more than would fit.
    pub more: bool,
    /// When the first push of its records was settled, in milliseconds since the Unix epoch.
    pub oldest: Option<u64>,
}

/// Why nothing is read.
#[derive(Debug)]
pub enum FeedReadError {
    /// It is no cursor of that stream.
    NotACursor,
    /// What it names is no longer there.
    Gone,
    /// The disk does not give it.
    Unreadable(io::Error),
}

impl Feed {
    /// Opens the streams, goes on where an earlier process has ended, and starts the thread that
    /// writes. `epoch` marks the cursors of streams that are new: a random number. Also what is to
    /// be told to the operator of what was found, and what is wrong with it.
    ///
    /// # Errors
    ///
    /// When the directory cannot be used, or there can be no thread.
    pub fn start(
        files: &Arc<dyn Files>,
        settings: &FeedSettings,
        epoch: u32,
        now: Moment,
    ) -> io::Result<(Self, FeedFound)> {
        files.create_dir(&settings.dir)?;
        let mut found = FeedFound::default();
        let mut open = |stream| {
            let place = StreamPlace {
                files: Arc::clone(files),
                dir: settings.dir.clone(),
                stream,
            };
            let (writer, of_stream) = StreamWriter::open(place, settings.bytes, epoch, now)?;
            let told = format!("{}: {of_stream}", stream.word());
            found.streams.push(told);
            found.troubles.extend(of_stream.troubles);
            let read = ReadStream {
                place: writer.place.clone(),
                shelf: Arc::clone(&writer.shelf),
            };
            Ok::<_, io::Error>((writer, read))
        };
        let (settlements, of_settlements) = open(FeedStream::Settlements)?;
        let (dead_tokens, of_dead_tokens) = open(FeedStream::DeadTokens)?;
        let writers = [settlements, dead_tokens];
        let is_abandoned = Arc::<AtomicBool>::default();
        let writers = writers.map(|mut writer| {
            writer.is_abandoned = Arc::clone(&is_abandoned);
            writer
        });
        let inbox = Arc::<FeedInbox>::default();
        let scribe = Scribe::new(Arc::clone(&inbox), writers, settings.sync_every);
        let streams = [of_settlements, of_dead_tokens];
        let (ends, ended) = crossbeam_channel::bounded(1);
        thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || {
                if scribe.run() {
                    // Nobody may wait for it.
                    let _is_heard = ends.send(()).is_ok();
                }
            })?;
        let feed = Self {
            inbox,
            streams,
            is_abandoned,
            ended: Mutex::new(Some(ended)),
        };
        Ok((feed, found))
    }

    /// Takes what was gathered. Never waits: what there is no room for is counted.
    pub fn add(&self, gathered: &mut Gathered) {
        self.inbox.add(gathered);
    }

    fn stream(&self, stream: FeedStream) -> &ReadStream {
        stream.of(&self.streams)
    }

    /// Reads what comes after a cursor, after all that there is by now ([`NEWEST`]), or from the
    /// oldest on: up to `limit` records and gaps, of the apps that are reached.
    ///
    /// # Errors
    ///
    /// Why nothing is read.
    pub fn read(
        &self,
        stream: FeedStream,
        after: Option<&str>,
        limit: usize,
        reaches: &dyn Fn(&str) -> bool,
    ) -> Result<FeedPage, FeedReadError> {
        let (epoch, first, shown) = self.bounds(stream);
        let after = match after {
            None => 0,
            Some(NEWEST) => shown.saturating_sub(1),
            Some(text) => {
                let cursor = Cursor::of(text).filter(|cursor| cursor.stream == stream);
                let cursor = cursor.ok_or(FeedReadError::NotACursor)?;
                let is_kept = cursor.number.saturating_add(1) >= first && cursor.number < shown;
                if cursor.epoch != epoch || !is_kept {
                    return Err(FeedReadError::Gone);
                }
                cursor.number
            }
        };
        let read = self.page(stream, epoch, (after, limit), reaches);
        read.map_err(FeedReadError::Unreadable)
    }

    /// Reads on after a cursor, as [`Feed::read`] does for all apps; where that is gone, with a gap
    /// of its size, and from the oldest on where it is none of this feed.
    ///
    /// # Errors
    ///
    /// When the disk does not give it.
    pub fn read_on(
        &self,
        stream: FeedStream,
        after: Option<&str>,
        limit: usize,
    ) -> io::Result<FeedPage> {
        let (epoch, ..) = self.bounds(stream);
        let cursor = after.and_then(|after| self.known(stream, after));
        let after = cursor.map_or(0, |cursor| cursor.number);
        self.page(stream, epoch, (after, limit), &|_| true)
    }

    /// How many records behind a cursor, or of all that there were, are there no longer, mostly to
    /// keep the bound.
    pub fn removed(&self, stream: FeedStream, after: Option<&str>) -> u64 {
        let (_, first, _) = self.bounds(stream);
        let cursor = after.and_then(|after| self.known(stream, after));
        let after = cursor.map_or(0, |cursor| cursor.number);
        first.saturating_sub(after.saturating_add(1))
    }

    /// Whether that is a cursor of this feed, of what is there or was.
    pub fn knows(&self, stream: FeedStream, cursor: &str) -> bool {
        self.known(stream, cursor).is_some()
    }

    fn known(&self, stream: FeedStream, cursor: &str) -> Option<Cursor> {
        let (epoch, _, shown) = self.bounds(stream);
        Cursor::of(cursor).filter(|cursor| {
            cursor.stream == stream && cursor.epoch == epoch && cursor.number < shown
        })
    }

    /// The epoch of a stream's cursors, the number of its oldest record, and the first number that
    /// is not shown yet.
    fn bounds(&self, stream: FeedStream) -> (u32, u64, u64) {
        let shared = lock(&self.stream(stream).shelf);
        (shared.epoch, shared.first(), shared.shown)
    }

    fn page(
        &self,
        stream: FeedStream,
        epoch: u32,
        (after, limit): (u64, usize),
        reaches: &dyn Fn(&str) -> bool,
    ) -> io::Result<FeedPage> {
        let ReadStream { place, shelf, .. } = self.stream(stream);
        let wish = PageWish {
            after,
            limit,
            reaches,
        };
        let page = page::read(place, shelf, &wish)?;
        let next = Cursor {
            stream,
            epoch,
            number: page.seen,
        };
        Ok(FeedPage {
            records: page.json,
            items: page.items,
            next: next.to_string(),
            more: page.more,
            oldest: page.oldest,
        })
    }

    /// How the streams stand.
    pub fn figures(&self) -> [FeedFigures; 2] {
        let [settlements, dead_tokens] = &self.inbox.counts;
        let of = |stream, counts: &FeedCounts| FeedFigures {
            stream,
            written: counts.written.load(Ordering::Relaxed),
            lost: counts.lost.load(Ordering::Relaxed),
            bytes: lock(&self.stream(stream).shelf).bytes(),
        };
        [
            of(FeedStream::Settlements, settlements),
            of(FeedStream::DeadTokens, dead_tokens),
        ]
    }

    /// Whether records could not be written when that was tried last.
    pub fn is_failing(&self) -> bool {
        self.inbox.is_failing.load(Ordering::Relaxed)
    }

    /// Says in the files that are there that how pushes end is not told for a while, since there is
    /// to be no feed: the next one begins with a gap. `epoch` is a random number, as for
    /// [`Feed::start`].
    ///
    /// # Errors
    ///
    /// When that cannot be said.
    pub fn pause(files: &Arc<dyn Files>, dir: &Path, epoch: u32, now: Moment) -> io::Result<()> {
        let names = match files.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for stream in FeedStream::ALL {
            let is_its = |name: &String| segment::number(stream, name).is_some();
            if names.iter().any(is_its) {
                let place = StreamPlace {
                    files: Arc::clone(files),
                    dir: dir.to_owned(),
                    stream,
                };
                // It says that a process has begun, and nobody that it has ended.
                drop(StreamWriter::open(place, u64::MAX, epoch, now)?);
            }
        }
        Ok(())
    }

    /// Writes what there is, after which nothing more is to come; false if that takes longer, and
    /// then nothing more is written, or if the thread has ended before by an error of the program.
    pub fn close(&self, within: Duration) -> bool {
        self.inbox.close();
        // No code panics while it holds the lock.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = ended.take() else {
            return true;
        };
        let is_written = moment::receive_within(&thread, within).is_ok();
        // Whoever has the journal's lock next may have the files.
        self.is_abandoned.store(!is_written, Ordering::Release);
        is_written
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// What an earlier process has left.
#[derive(Debug, Default)]
pub struct FeedFound {
    /// What there is, stream by stream.
    streams: Vec<String>,
    /// What is wrong with it, each in words for the operator.
    pub troubles: Vec<String>,
}

impl fmt::Display for FeedFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.streams.join("; "))
    }
}

#[cfg(test)]
mod tests;
