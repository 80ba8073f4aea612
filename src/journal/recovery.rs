//! Reads the segments of a directory into what is outstanding.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Fault, OpenError};
use super::files::{Files, JournalFile};
use super::fold::Fold;
use super::index::Location;
use super::lanes::SegmentLanes;
use super::note::{NOTE_MAX, RefusedFrom};
use super::reader::{Reader, ReaderStep};
use super::record::kind;
use super::report::{Damage, Recovered, Torn};
use super::segment::{self, SEGMENT_HEAD, SegmentHead};
use super::{FAILED_SYNC, PLACES_MAX};

/// What a directory holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) fold: Fold,
    pub(super) recovered: Recovered,
    /// The segments that are needed, by number; none in a new directory.
    pub(super) segments: BTreeMap<u32, Arc<dyn JournalFile>>,
    /// Segments of which nothing can be read, though they held something.
    pub(super) illegible: Vec<u32>,
    /// Segments of which something cannot be read.
    pub(super) damaged: BTreeSet<u32>,
    /// The highest number of a segment, those that are kept aside among them; 0 in a new directory.
    pub(super) highest: u32,
    /// Where the newest segment is to be continued.
    pub(super) good_end: u64,
    /// Whether its file goes on behind that.
    pub(super) has_more: bool,
    /// Frames of the newest segment that must not be found again.
    pub(super) dropped: Vec<Location>,
    /// Whether the newest segment is one whose sync has failed.
    pub(super) failed_sync: bool,
    /// Whether the newest segment is of an older format.
    pub(super) is_older: bool,
}

/// Whether files are opened to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// Reads a directory.
pub(super) fn find(
    files: &dyn Files,
    dir: &Path,
    now: Duration,
    access: Access,
) -> Result<Found, OpenError> {
    let names = files.list(dir).map_err(|error| OpenError {
        path: dir.to_owned(),
        fault: match error.kind() {
            ErrorKind::NotFound => Fault::Missing,
            ErrorKind::PermissionDenied | ErrorKind::NotADirectory => Fault::Unusable(error),
            _ => Fault::Unreadable(error),
        },
    })?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| segment::number(name))
        .collect();
    numbers.sort_unstable();
    let mut search = Search {
        files,
        dir,
        access,
        recovered: Recovered::default(),
        illegible: Vec::new(),
        damaged: BTreeSet::new(),
        refused: None,
    };
    let failed_sync = names.iter().any(|name| name == FAILED_SYNC);
    if failed_sync {
        search.read_note()?;
    }
    let aside = names.iter().filter_map(|name| segment::number_aside(name));
    let aside: Vec<u32> = aside.collect();
    let mut found = search.newest_first(&numbers, &aside)?;
    found.failed_sync = failed_sync;
    found.highest = aside.into_iter().chain(numbers).max().unwrap_or(0);
    for (number, bytes) in std::mem::take(&mut search.illegible) {
        search.damage(number, 0, bytes);
        search.recovered.bytes += bytes;
        found.illegible.push(number);
    }
    search
        .damaged
        .retain(|number| found.segments.contains_key(number));
    found.damaged = search.damaged;
    let fold = &mut found.fold;
    let mut recovered = search.recovered;
    recovered.answers = fold.take_answers(now);
    recovered.outstanding = fold.index.outstanding();
    recovered.pushes = fold.pushes;
    recovered.expired = fold.expired;
    recovered.records = fold.records;
    recovered.segments = found.segments.len() as u64;
    found.recovered = recovered;
    Ok(found)
}

/// The first bytes of a segment, as they are written before anything else, are not more.
pub(super) const BEGIN_BYTES: u64 = 96;

struct Search<'a> {
    files: &'a dyn Files,
    dir: &'a Path,
    access: Access,
    recovered: Recovered,
    /// Segments of which nothing can be read, with their lengths.
    illegible: Vec<(u32, u64)>,
    damaged: BTreeSet<u32>,
    /// Requests that are there and were refused.
    refused: Option<RefusedFrom>,
}

/// One segment, read.
struct Segment {
    file: Arc<dyn JournalFile>,
    head: SegmentHead,
    /// Frames that were read.
    frames: u64,
    good_end: u64,
    len: u64,
    dropped: Vec<Location>,
}

impl Search<'_> {
    /// Reads what the last process has left to know of a sync that failed.
    fn read_note(&mut self) -> Result<(), OpenError> {
        let path = self.dir.join(FAILED_SYNC);
        let mut bytes = [0; NOTE_MAX];
        let read = self.files.open_read(&path);
        let read = read.and_then(|file| file.read_at(&mut bytes, 0));
        let read = read.map_err(|error| OpenError {
            path,
            fault: Fault::Unreadable(error),
        })?;
        self.refused = RefusedFrom::read(bytes.get(..read).unwrap_or_default());
        Ok(())
    }

    /// The newest segment says which others are needed.
    ///
    /// A segment gets its name with its first bytes, which are synced by then. Earlier versions
    /// gave it the name before, so that a crash could leave one without any: the one before it is
    /// still the newest then. That is no damage, but it is told: somebody may have cut it off.
    fn newest_first(&mut self, numbers: &[u32], aside: &[u32]) -> Result<Found, OpenError> {
        let mut older = numbers.to_vec();
        let (mut needed, mut begun) = (Vec::new(), None);
        let found = loop {
            let Some(number) = older.pop() else {
                break Found::nothing();
            };
            let mut fold = Fold::default();
            let newest = self.segment(&mut fold, number, true)?;
            let base = match newest.head {
                _ if fold.complete => number,
                SegmentHead::Base(base) | SegmentHead::OlderBase(base) => base,
                _ => 0,
            };
            // One that is damaged is kept aside before its successor can do without it.
            let is_there = older.contains(&base) || aside.contains(&base);
            if newest.frames == 0 {
                self.recovered = Recovered::default();
                // One that is longer than the first bytes held something.
                if newest.len > BEGIN_BYTES {
                    self.illegible.push((number, newest.len));
                } else if newest.len == 0 || (older.is_empty() && aside.is_empty()) {
                    needed.push((number, 0));
                } else {
                    begun = begun.or(Some((number, newest.len)));
                }
                if base != 0 && base != number && !is_there {
                    needed.push((base, 0));
                }
                continue;
            }
            // Whoever needs none but itself has said so in its first bytes.
            if base != 0 && !is_there && !fold.complete {
                needed.push((base, 0));
            }
            older.retain(|older| *older >= base);
            break if older.is_empty() {
                found(fold, newest, number, BTreeMap::new())
            } else {
                self.recovered = Recovered::default();
                self.all(&older, number, base)?
            };
        };
        for (number, bytes) in needed {
            self.damage(number, 0, bytes);
        }
        if let Some((number, bytes)) = begun {
            let path = self.dir.join(segment::name(number));
            let torn = Torn {
                path,
                offset: 0,
                bytes,
            };
            self.recovered.torn.get_or_insert(torn);
        }
        Ok(found)
    }

    fn all(&mut self, older: &[u32], newest: u32, base: u32) -> Result<Found, OpenError> {
        let mut fold = Fold::default();
        let mut segments = BTreeMap::new();
        for number in older {
            let segment = self.segment(&mut fold, *number, false)?;
            let holds_none = segment.frames == 0 && segment.len <= SEGMENT_HEAD as u64;
            if segment.len == 0 || (*number == base && holds_none) {
                self.damage(*number, 0, segment.len);
            }
            segments.insert(*number, segment.file);
        }
        fold.complete = false;
        let segment = self.segment(&mut fold, newest, true)?;
        Ok(found(fold, segment, newest, segments))
    }

    fn segment(
        &mut self,
        fold: &mut Fold,
        number: u32,
        is_last: bool,
    ) -> Result<Segment, OpenError> {
        let path = self.dir.join(segment::name(number));
        let failed = |error: io::Error| OpenError {
            path: path.clone(),
            fault: Fault::Unreadable(error),
        };
        let file = match self.access {
            Access::Write => self.files.open(&path),
            Access::Read => self.files.open_read(&path),
        };
        let file = file.map_err(failed)?;
        let (mut reader, head) = Reader::open(&*file, number).map_err(failed)?;
        if let SegmentHead::OtherVersion(version) = head {
            let fault = Fault::UnknownVersion(version);
            return Err(OpenError { path, fault });
        }
        fold.lanes = SegmentLanes::default();
        let mut frames = 0;
        let file_len = reader.file_len();
        // Without the room that was made for records to come.
        let (mut tail, mut used) = (None, file_len);
        loop {
            match reader.next().map_err(failed)? {
                ReaderStep::Frame(frame, offset) => {
                    frames += 1;
                    let len = frame.len();
                    let was_refused = self.refused.is_some_and(|it| it.covers(number, offset));
                    if was_refused && matches!(frame.kind, kind::ACCEPTED | kind::ANSWER) {
                        continue;
                    }
                    let place = Location {
                        segment: number,
                        len: u32::try_from(len).unwrap_or(u32::MAX),
                        offset,
                    };
                    if !fold.frame(&frame, place) {
                        fold.gap();
                        self.damage(number, offset, len as u64);
                    }
                }
                ReaderStep::Gap {
                    offset,
                    bytes,
                    more,
                    ..
                } if more || !is_last => {
                    fold.gap();
                    self.damage(number, offset, bytes);
                }
                ReaderStep::Gap {
                    offset,
                    bytes,
                    zeros,
                    ..
                } => {
                    used = offset + bytes - zeros;
                    tail = (zeros < bytes).then_some(offset);
                }
                ReaderStep::End => break,
            }
        }
        let ending = fold.end_of_segment(is_last);
        for place in &ending.unnamed {
            self.damage(number, place.offset, place.len.into());
        }
        let good_end = ending.unfinished.or(tail).unwrap_or(used);
        if head == SegmentHead::Damaged && frames > 0 {
            self.damage(number, 0, SEGMENT_HEAD as u64);
        }
        self.recovered.bytes += used;
        if is_last && good_end < used {
            self.recovered.torn = Some(Torn {
                path,
                offset: good_end,
                bytes: used - good_end,
            });
        }
        Ok(Segment {
            file,
            head,
            frames,
            good_end,
            len: file_len,
            dropped: ending.dropped,
        })
    }

    fn damage(&mut self, number: u32, offset: u64, bytes: u64) {
        self.damaged.insert(number);
        self.recovered.damaged += 1;
        if self.recovered.damage.len() < PLACES_MAX {
            self.recovered.damage.push(Damage {
                path: self.dir.join(segment::name(number)),
                offset,
                bytes,
                unread: None,
            });
        }
    }
}

impl Found {
    /// No segment that is needed.
    fn nothing() -> Self {
        Self {
            fold: Fold::default(),
            recovered: Recovered::default(),
            segments: BTreeMap::new(),
            illegible: Vec::new(),
            damaged: BTreeSet::new(),
            highest: 0,
            good_end: 0,
            has_more: false,
            dropped: Vec::new(),
            failed_sync: false,
            is_older: false,
        }
    }
}

fn found(
    fold: Fold,
    newest: Segment,
    number: u32,
    mut segments: BTreeMap<u32, Arc<dyn JournalFile>>,
) -> Found {
    segments.insert(number, newest.file);
    Found {
        fold,
        segments,
        highest: number,
        is_older: matches!(newest.head, SegmentHead::OlderBase(_)),
        good_end: newest.good_end,
        has_more: newest.len > newest.good_end,
        dropped: newest.dropped,
        ..Found::nothing()
    }
}
