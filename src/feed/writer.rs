//! What is written of one stream: segments that are begun, grow and go, one step after the other.
//!
//! A write that fails has written any part, and a sync that fails must not be asked again: either
//! way nothing more is written to that segment, and the next one says how far this one counts. What
//! a write has not taken is written again; what a sync has not made durable is lost, and has been
//! shown to nobody.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inbox::Entries;
use super::segment::{self, FeedEntry, FeedHead, SEGMENT_HEAD};
use super::shelf::{FeedSegment, FeedShelf};
use super::stream::FeedStream;
use crate::journal::frame;
use crate::journal::{Files, JournalFile};
use crate::moment::Moment;

/// Our limit: bytes that are written at once.
const WRITE_BYTES: usize = 512 * 1024;
/// A stream has so many segments, if that makes none too small or too large.
const SEGMENTS: u64 = 16;
/// Bytes of a segment at least: a smaller one would be all overhead; …
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// … and at most: it goes as a whole, and who begins to read in it reads it from its begin.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Our limit: names that are tried for a new segment, where others have put something in its place.
const NAME_TRIES: usize = 16;

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct StreamPlace {
    pub(super) files: Arc<dyn Files>,
    pub(super) dir: PathBuf,
    pub(super) stream: FeedStream,
}

impl StreamPlace {
    /// Where the segment of that number is.
    pub(super) fn path(&self, number: u32) -> PathBuf {
        self.dir.join(segment::name(self.stream, number))
    }
}

/// What is shared with those who read.
pub(super) type SharedShelf = Arc<Mutex<FeedShelf>>;

pub(super) fn lock(shelf: &SharedShelf) -> MutexGuard<'_, FeedShelf> {
    // No code panics while it holds the lock.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) file: Arc<dyn JournalFile>,
    pub(super) number: u32,
    /// Where the next frame begins.
    pub(super) len: u64,
}

/// One stream, to be written.
#[derive(Debug)]
pub(super) struct StreamWriter {
    pub(super) place: StreamPlace,
    /// Bytes that the stream may take.
    pub(super) bytes_max: u64,
    /// Bytes from which on a segment is followed by another.
    pub(super) segment_bytes: u64,
    pub(super) shelf: SharedShelf,
    pub(super) open: Option<OpenSegment>,
    /// The highest number that a segment has had.
    pub(super) last_segment: u32,
    /// The number of the next record.
    pub(super) next: u64,
    /// How far segments that are given up count.
    pub(super) before: u64,
    /// Whether something was written that is not synced.
    pub(super) is_dirty: bool,
    /// Whether it is to be said that this process has begun.
    pub(super) owes_begun: bool,
    /// Whether it is to be said before that an earlier one has died.
    pub(super) owes_died: bool,
    /// Records that are lost since that was looked at last.
    pub(super) lost: u64,
    /// What the operator is to be told.
    pub(super) troubles: Vec<String>,
    /// Set when others may have the files.
    pub(super) is_abandoned: Arc<AtomicBool>,
    frames: Vec<u8>,
}

impl StreamWriter {
    pub(super) fn new(place: StreamPlace, bytes_max: u64, shelf: FeedShelf) -> Self {
        Self {
            place,
            bytes_max,
            segment_bytes: (bytes_max / SEGMENTS).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
            next: shelf.shown,
            before: shelf.shown,
            last_segment: 0,
            shelf: Arc::new(Mutex::new(shelf)),
            open: None,
            is_dirty: false,
            owes_begun: true,
            owes_died: false,
            lost: 0,
            troubles: Vec::new(),
            is_abandoned: Arc::default(),
            frames: Vec::new(),
        }
    }

    /// Whether a record is missing that is not told yet, or something is to be said.
    pub(super) fn owes(&self) -> bool {
        self.owes_begun || self.open.is_none() && lock(&self.shelf).shown < self.next
    }

    fn look_whether_it_may(&self) -> io::Result<()> {
        if self.is_abandoned.load(Ordering::Acquire) {
            return Err(io::Error::other(
                "the daemon has ended, others may have the feed",
            ));
        }
        Ok(())
    }

    /// Writes records, and that some are lost after them. What could not be written stays.
    ///
    /// # Errors
    ///
    /// What kept it from being written.
    pub(super) fn append(&mut self, entries: &mut Entries, now: Moment) -> io::Result<()> {
        while self.owes() || !entries.is_empty() {
            if self.owes_begun {
                self.begin(now)?;
            }
            self.have_room(now)?;
            let mut number = self.next;
            self.frames.clear();
            let (mut taken, mut has_all) = (0, true);
            let begin = self.open.as_ref().map_or(0, |open| open.len);
            for record in entries.iter() {
                let len = begin + self.frames.len() as u64;
                if self.frames.len() >= WRITE_BYTES || taken > 0 && len >= self.segment_bytes {
                    has_all = false;
                    break;
                }
                FeedEntry::Record(number, record).put(&mut self.frames);
                (number, taken) = (number + 1, taken + 1);
            }
            let lost = if has_all { entries.lost } else { 0 };
            if lost > 0 {
                number += lost;
                FeedEntry::Lost(number - 1).put(&mut self.frames);
            }
            self.write(number)?;
            entries.take(taken);
            entries.lost -= lost;
        }
        Ok(())
    }

    /// Says that this process has begun, so that the next one knows if it has died.
    fn begin(&mut self, now: Moment) -> io::Result<()> {
        self.have_room(now)?;
        let (was, lost) = (self.next, self.lost);
        let mut next = was;
        self.frames.clear();
        if self.owes_died {
            FeedEntry::Died(next).put(&mut self.frames);
            next += 1;
        }
        FeedEntry::Begun.put(&mut self.frames);
        let said = self.write(next);
        // Also where nothing of what follows gets to the disk.
        if let Err(error) = said.and_then(|()| self.sync()) {
            // It is no record, and is said again in the same place.
            (self.next, self.lost) = (was, lost);
            return Err(error);
        }
        (self.owes_begun, self.owes_died) = (false, false);
        Ok(())
    }

    /// Says that nothing is lost, if all is well.
    ///
    /// # Errors
    ///
    /// What kept it from being written.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.sync()?;
        if self.open.is_some() {
            self.frames.clear();
            FeedEntry::Ended.put(&mut self.frames);
            self.write(self.next)?;
            self.sync()?;
        }
        Ok(())
    }

    /// Writes the frames; `next` is the number after theirs.
    fn write(&mut self, next: u64) -> io::Result<()> {
        self.look_whether_it_may()?;
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        frame::seal(&mut self.frames, frame::salt(open.number));
        if let Err(error) = open.file.write_at(&self.frames, open.len) {
            // What was written before is no less durable for that.
            let synced = !self.is_dirty || open.file.sync_data().is_ok();
            let shown = lock(&self.shelf).shown;
            self.give_up(if synced { self.next } else { shown });
            return Err(error);
        }
        open.len += self.frames.len() as u64;
        (self.next, self.is_dirty) = (next, true);
        if let Some(segment) = lock(&self.shelf).segment(open.number) {
            segment.mark(next, open.len);
            segment.bytes = open.len;
        }
        Ok(())
    }

    /// Makes durable, and shows, what was written.
    ///
    /// # Errors
    ///
    /// Why it is not durable: it is lost.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(open) = self.open.as_ref().filter(|_| self.is_dirty) else {
            return Ok(());
        };
        self.is_dirty = false;
        let path = self.place.path(open.number);
        let synced = open.file.sync_data().and_then(|()| {
            // Not every file system says under which name a file is.
            if open.file.identity()?.is_linked {
                return Ok(());
            }
            let text = format!("{} was removed or replaced by others", path.display());
            Err(io::Error::new(ErrorKind::NotFound, text))
        });
        let mut shared = lock(&self.shelf);
        if synced.is_ok() {
            shared.shown = self.next;
            return Ok(());
        }
        let shown = shared.shown;
        drop(shared);
        self.give_up(shown);
        synced
    }

    /// Writes nothing more to the segment that is open, which counts as far as that number.
    fn give_up(&mut self, before: u64) {
        self.open = None;
        self.is_dirty = false;
        self.lost += self.next.saturating_sub(before);
        self.before = before;
        let mut shared = lock(&self.shelf);
        let newest = shared.segments.back();
        if let Some(empty) = newest.filter(|segment| segment.first >= before) {
            let number = empty.number;
            // What it says of those before it is still to be said.
            self.before = empty.before.min(before);
            shared.segments.pop_back();
            drop(shared);
            // Else it is found at the next start.
            let _gone = self.place.files.remove(&self.place.path(number)).is_ok();
        }
    }

    /// Has a segment that takes more.
    fn have_room(&mut self, now: Moment) -> io::Result<()> {
        let most = self.segment_bytes;
        if let Some(open) = &self.open {
            if open.len < most {
                return Ok(());
            }
            self.sync()?;
            self.before = self.next;
        }
        self.open = None;
        self.make_room(most)?;
        self.begin_segment(now)
    }

    /// Removes the oldest segments, so that there is room for another.
    pub(super) fn make_room(&mut self, for_bytes: u64) -> io::Result<()> {
        self.look_whether_it_may()?;
        loop {
            let mut shared = lock(&self.shelf);
            if shared.bytes().saturating_add(for_bytes) <= self.bytes_max {
                return Ok(());
            }
            let Some(oldest) = shared.segments.pop_front() else {
                return Ok(());
            };
            drop(shared);
            let path = self.place.path(oldest.number);
            match self.place.files.remove(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    // Others go in its place.
                    let path = path.display();
                    let text = format!("{path} cannot be removed, and stays: {error}");
                    self.troubles.push(text);
                }
                _ => {}
            }
        }
    }

    fn begin_segment(&mut self, now: Moment) -> io::Result<()> {
        let StreamPlace { files, dir, .. } = &self.place;
        let mut tries = 0;
        let (number, file) = loop {
            let number = self.last_segment.saturating_add(1);
            if number > segment::SEGMENT_MAX {
                let path = self.place.path(self.last_segment);
                let text = format!(
                    "no segment can come after {}: none of ours has so high a number, move it away",
                    path.display()
                );
                return Err(io::Error::other(text));
            }
            match files.create(&self.place.path(number)) {
                Ok(file) => break (number, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < NAME_TRIES => {
                    self.last_segment = number;
                }
                // Somebody has removed the directory.
                Err(error) if error.kind() == ErrorKind::NotFound && tries == 0 => {
                    files.create_dir(dir)?;
                }
                Err(error) => return Err(error),
            }
            tries += 1;
        };
        let (first, before) = (self.next, self.before);
        let head = FeedHead {
            number,
            epoch: lock(&self.shelf).epoch,
            begun: now.unix_secs(),
            first,
            before,
        };
        let written = file.write_at(&head.bytes(), 0);
        if let Err(error) = written.and_then(|()| files.sync_dir(dir)) {
            // What cannot be removed is passed over at the next start.
            let _gone = files.remove(&self.place.path(number)).is_ok();
            self.last_segment = number;
            return Err(error);
        }
        let len = SEGMENT_HEAD as u64;
        let segment = FeedSegment::new(number, head.begun, (before, first), len);
        lock(&self.shelf).segments.push_back(segment);
        self.last_segment = number;
        self.is_dirty = true;
        self.open = Some(OpenSegment { file, number, len });
        Ok(())
    }
}
