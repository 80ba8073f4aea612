//! A stream as an earlier process has left it, made ready to go on.
//!
//! Only heads are read, and the newest segment as a whole: its torn end is cut off. Damage is no
//! error: who reads finds that numbers are missing.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::frames::FrameReader;
use super::segment::{self, FeedEntry, FeedHead, SEGMENT_HEAD};
use super::shelf::{FeedSegment, FeedShelf};
use super::writer::{OpenSegment, StreamPlace, StreamWriter, lock};
use crate::count;
use crate::journal::frame::FRAME_HEAD;
use crate::moment::Moment;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct FoundStream {
    pub(super) segments: usize,
    pub(super) bytes: u64,
    /// What was wrong, in words for the operator.
    pub(super) troubles: Vec<String>,
}

/// Bytes of a frame at least that has a number.
const SHORTEST_FRAME: u64 = FRAME_HEAD as u64 + 1;

/// A segment, read through.
struct Scanned {
    /// Where the last frame ends that is whole.
    end: u64,
    /// The number after the last one.
    next: u64,
    has_ended: bool,
    torn: u64,
    damaged: u64,
}

/// What a segment's file begins with.
enum SegmentLook {
    Head(FeedHead, u64),
    /// It has none that is whole; bytes of the file.
    None(u64),
    /// The disk does not give it, or it is no file.
    Unreadable(io::Error),
}

impl StreamWriter {
    /// Opens a stream; `epoch` is for its cursors, if it is a new one.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub(super) fn open(
        place: StreamPlace,
        bytes_max: u64,
        epoch: u32,
        now: Moment,
    ) -> io::Result<(Self, FoundStream)> {
        let names = place.files.list(&place.dir)?;
        let numbers = names.iter();
        let mut numbers: Vec<u32> = numbers
            .filter_map(|name| segment::number(place.stream, name))
            .collect();
        numbers.sort_unstable();
        let mut found = FoundStream::default();
        let looks: Vec<_> = numbers
            .iter()
            .map(|number| (*number, look(&place, *number)))
            .collect();
        // How far it went the newest segment says, and those before it as far as its head is lost.
        let (mut next, mut is_sure, mut newest, mut of_head) = (1, true, None, None);
        for (number, look) in looks.iter().rev() {
            let scanned = scan(&place, *number);
            next = next.max(scanned.as_ref().map_or(1, |scanned| scanned.next));
            let is_read = |scanned: &Scanned| {
                // What was not begun well was not synced before it.
                matches!(look, SegmentLook::Head(..)) || scanned.next == 0
            };
            is_sure &= scanned.as_ref().is_ok_and(is_read);
            newest.get_or_insert((*number, scanned));
            if let SegmentLook::Head(head, _) = look {
                next = next.max(head.first);
                of_head = Some(head.epoch);
                break;
            }
        }
        // Numbers that were shown may come again: no cursor of before is good for them.
        let mut shelf = FeedShelf {
            epoch: of_head.filter(|_| is_sure).unwrap_or(epoch),
            ..FeedShelf::default()
        };
        // Of one without a head it is known that it is before the next one.
        let mut after = next;
        for (number, look) in looks.iter().rev() {
            let path = place.path(*number);
            let (begun, before, first, bytes) = match look {
                SegmentLook::Head(head, bytes) if head.first <= after => {
                    (head.begun, head.before, head.first, *bytes)
                }
                SegmentLook::Unreadable(error) => {
                    let trouble = format!("{}: cannot be read: {error}", path.display());
                    found.troubles.push(trouble);
                    continue;
                }
                SegmentLook::None(0) => {
                    // A process has died as it made it.
                    let _gone = place.files.remove(&path).is_ok();
                    continue;
                }
                SegmentLook::Head(_, bytes) | SegmentLook::None(bytes) => {
                    let trouble = format!("{}: its head is damaged", path.display());
                    found.troubles.push(trouble);
                    let first = first_in(&place, *number).filter(|first| *first <= after);
                    let first = first.unwrap_or(after);
                    (0, first, first, *bytes)
                }
            };
            let segment = FeedSegment::new(*number, begun, (before, first), bytes);
            shelf.segments.push_front(segment);
            after = first;
        }
        shelf.shown = next;
        (found.segments, found.bytes) = (shelf.segments.len(), shelf.bytes());
        let mut writer = Self::new(place, bytes_max, shelf);
        writer.last_segment = numbers.last().copied().unwrap_or(0);
        if let Some((number, newest)) = newest {
            let has_head = matches!(looks.last(), Some((_, SegmentLook::Head(..))));
            if !writer.go_on(number, newest, has_head, &mut found) {
                lock(&writer.shelf).epoch = epoch;
            }
        }
        // The bound may be another one than before.
        writer.make_room(0)?;
        if let Err(error) = writer.append(&mut super::inbox::Entries::default(), now) {
            let dir = writer.place.dir.display();
            found.troubles.push(format!("{dir}: {error}"));
        }
        Ok((writer, found))
    }

    /// Goes on in the newest segment, if that is possible; else the next one is for what is to
    /// come. False if some of it that is shown is not on the disk for sure.
    fn go_on(
        &mut self,
        number: u32,
        newest: io::Result<Scanned>,
        has_head: bool,
        found: &mut FoundStream,
    ) -> bool {
        let path = self.place.path(number);
        let path = path.display();
        let newest = match newest {
            Ok(newest) => newest,
            Err(error) => {
                // Nobody knows how far it went.
                self.owes_died = true;
                let trouble = format!("{path}: cannot be read: {error}");
                found.troubles.push(trouble);
                return false;
            }
        };
        if newest.damaged > 0 {
            let bytes = count::of(newest.damaged, "byte", "bytes");
            found.troubles.push(format!("{path}: {bytes} damaged"));
        }
        self.owes_died = !newest.has_ended || newest.torn > 0;
        if newest.torn > 0 {
            // It may be damage to what was shown: none of its numbers comes again.
            self.next += newest.torn / SHORTEST_FRAME;
            let bytes = count::of(newest.torn, "byte", "bytes");
            let torn = format!("{path}: {bytes} torn at its end, cut off");
            found.troubles.push(torn);
        }
        if !has_head {
            return newest.next == 0;
        }
        let open = || {
            let file = self.place.files.open(&self.place.path(number))?;
            if newest.torn > 0 {
                file.truncate(newest.end)?;
            }
            // What readers are shown is to be on the disk.
            file.sync_data()?;
            Ok::<_, io::Error>(file)
        };
        match open() {
            Ok(file) => {
                let len = newest.end;
                if let Some(segment) = lock(&self.shelf).segment(number) {
                    segment.bytes = len;
                }
                self.open = Some(OpenSegment { file, number, len });
                true
            }
            Err(error) => {
                let trouble = format!("{path}: cannot be written on: {error}");
                found.troubles.push(trouble);
                false
            }
        }
    }
}

fn look(place: &StreamPlace, number: u32) -> SegmentLook {
    let read = || {
        let file = place.files.open_read(&place.path(number))?;
        let mut head = [0; SEGMENT_HEAD];
        let read = file.read_at(&mut head, 0)?;
        let head = head.get(..read).and_then(|head| FeedHead::of(head, number));
        Ok::<_, io::Error>((head, file.len()?))
    };
    match read() {
        Ok((Some(head), bytes)) => SegmentLook::Head(head, bytes),
        Ok((None, bytes)) => SegmentLook::None(bytes),
        Err(error) => SegmentLook::Unreadable(error),
    }
}

/// The number of the first entry of a segment, if it has one.
fn first_in(place: &StreamPlace, number: u32) -> Option<u64> {
    let file = place.files.open_read(&place.path(number)).ok()?;
    let mut frames = FrameReader::new(file, number, SEGMENT_HEAD as u64);
    while let Some((_, entry)) = frames.next().ok()? {
        if let Some(number) = entry.number() {
            return Some(number);
        }
    }
    None
}

fn scan(place: &StreamPlace, number: u32) -> io::Result<Scanned> {
    let file = place.files.open_read(&place.path(number))?;
    let begin = SEGMENT_HEAD as u64;
    let mut frames = FrameReader::new(Arc::clone(&file), number, begin);
    let (mut next, mut has_ended) = (0, false);
    while let Some((_, entry)) = frames.next()? {
        if let Some(number) = entry.number() {
            next = number.saturating_add(1).max(next);
        }
        has_ended = entry == FeedEntry::Ended;
    }
    let (end, damaged) = (frames.end, frames.damaged);
    let torn = file.len()?.saturating_sub(end);
    Ok(Scanned {
        end,
        next,
        has_ended,
        torn,
        damaged,
    })
}

impl fmt::Display for FoundStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = count::of(self.segments, "segment", "segments");
        write!(f, "{segments}, {} bytes", count::grouped(self.bytes))
    }
}
