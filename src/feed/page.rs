//! What a reader gets of a stream at once.

use std::io::{self, ErrorKind};

use super::cursor::Cursor;
use super::frames::FrameReader;
use super::record::{self, FeedRecord};
use super::segment::{FeedEntry, SEGMENT_HEAD};
use super::shelf::{MARKS_EVERY, Spot};
use super::writer::{SharedShelf, StreamPlace, lock};

/// Our limit: bytes of records in one answer, as JSON, but for the last one of them.
pub const PAGE_BYTES: usize = 1024 * 1024;
/// Our limit: bytes of a segment that are read for one answer, of which a caller may see little.
const READ_BYTES: u64 = 16 * 1024 * 1024;
/// Our limit: tries to read what the disk does not give, before it counts as missing. The webhook
/// needs some ten minutes for as many.
const READ_TRIES: u32 = 10;

/// What is asked for.
pub(super) struct PageWish<'a> {
    /// The number of the last record that was seen.
    pub(super) after: u64,
    /// Records and gaps at most.
    pub(super) limit: usize,
    /// Whether records of that app are asked for.
    pub(super) reaches: &'a dyn Fn(&str) -> bool,
}

/// A part of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StreamPage {
    /// Records and gaps as JSON, with commas between them.
    pub(super) json: Vec<u8>,
    pub(super) items: usize,
    /// The number of the last record that was seen now.
    pub(super) seen: u64,
    /// Whether there was more than would fit.
    pub(super) more: bool,
    /// When the first push was settled, in milliseconds since the Unix epoch.
    pub(super) oldest: Option<u64>,
}

/// Makes a page.
struct Printer<'a> {
    wish: &'a PageWish<'a>,
    cursor: Cursor,
    page: StreamPage,
    read: u64,
}

impl Printer<'_> {
    /// Whether the page takes another item.
    fn has_room(&self) -> bool {
        let StreamPage { items, json, .. } = &self.page;
        let is_far = self.read >= READ_BYTES && self.page.seen > self.wish.after;
        *items < self.wish.limit && json.len() < PAGE_BYTES && !is_far
    }

    /// The cursor of an item.
    fn item(&mut self, number: u64) -> String {
        if self.page.items > 0 {
            self.page.json.push(b',');
        }
        self.page.items += 1;
        self.page.seen = number;
        Cursor {
            number,
            ..self.cursor
        }
        .to_string()
    }

    /// Says that all before that number is missing that was not seen; false if there is no room.
    fn missing(&mut self, before: u64) -> bool {
        let missing = before.saturating_sub(self.page.seen.saturating_add(1));
        if missing == 0 {
            return true;
        }
        if !self.has_room() {
            return false;
        }
        let cursor = self.item(before - 1);
        record::write_gap(&cursor, Some(missing), &mut self.page.json);
        true
    }

    /// Says what stands in an entry; false if there is no room.
    fn entry(&mut self, entry: FeedEntry<'_>) -> bool {
        match entry {
            FeedEntry::Begun | FeedEntry::Ended => true,
            FeedEntry::Lost(number) => self.missing(number.saturating_add(1)),
            FeedEntry::Died(number) => {
                // Of what is missing before it nobody knows either how much it was.
                if !self.has_room() {
                    return false;
                }
                let cursor = self.item(number);
                record::write_gap(&cursor, None, &mut self.page.json);
                true
            }
            FeedEntry::Record(number, bytes) => {
                // What was written by another version, or was not what was written.
                let Some(record) = FeedRecord::decode(bytes) else {
                    return true;
                };
                if !self.missing(number) || !self.has_room() {
                    return false;
                }
                if (self.wish.reaches)(record.app) {
                    let cursor = self.item(number);
                    self.page.oldest.get_or_insert(record.settled);
                    record.write_json(&cursor, &mut self.page.json);
                } else {
                    self.page.seen = number;
                }
                true
            }
        }
    }
}

/// Reads a part of a stream.
///
/// # Errors
///
/// When a file cannot be read, but for what could not be read so often that it counts as missing.
pub(super) fn read(
    place: &StreamPlace,
    shelf: &SharedShelf,
    wish: &PageWish<'_>,
) -> io::Result<StreamPage> {
    let epoch = lock(shelf).epoch;
    let mut printer = Printer {
        wish,
        cursor: Cursor {
            stream: place.stream,
            epoch,
            number: 0,
        },
        page: StreamPage {
            seen: wish.after,
            ..StreamPage::default()
        },
        read: 0,
    };
    loop {
        let (spot, shown) = {
            let shelf = lock(shelf);
            let next = printer.page.seen.saturating_add(1);
            (shelf.spot(next, SEGMENT_HEAD as u64), shelf.shown)
        };
        let has_room = match spot {
            None => {
                printer.page.more = !printer.missing(shown);
                return Ok(printer.page);
            }
            Some(spot) => segment(place, shelf, spot, &mut printer)?,
        };
        if !has_room {
            printer.page.more = true;
            return Ok(printer.page);
        }
    }
}

/// Reads what is wished for of one segment; false if it was more than there is room for.
fn segment(
    place: &StreamPlace,
    shelf: &SharedShelf,
    spot: Spot,
    printer: &mut Printer<'_>,
) -> io::Result<bool> {
    let file = match place.files.open_read(&place.path(spot.segment)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // It has gone meanwhile, or somebody has taken it.
            let is_there = lock(shelf).segment(spot.segment).is_some();
            return Ok(!is_there || printer.missing(spot.end));
        }
        Err(error) => return Err(error),
    };
    let mut frames = FrameReader::new(file, spot.segment, spot.at);
    let mut marks = Vec::new();
    let (mut from, mut marked, mut has_room) = (spot.at, spot.at, true);
    let fault = loop {
        let (at, entry) = match frames.next() {
            Ok(Some(found)) => found,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        let Some(number) = entry.number() else {
            continue;
        };
        if number >= spot.end {
            break None;
        }
        if at.saturating_sub(marked) >= MARKS_EVERY {
            marked = at;
            marks.push((number, at));
        }
        if number > printer.page.seen && number >= spot.first {
            printer.read += at.saturating_sub(from);
            has_room = printer.entry(entry);
        }
        from = at;
        if !has_room {
            break None;
        }
    };
    if let Some(error) = fault {
        if printer.page.seen > printer.wish.after {
            // What was read is shown; who goes on meets it first.
            return Ok(false);
        }
        let tries = lock(shelf)
            .segment(spot.segment)
            .map_or(READ_TRIES, |segment| segment.unreadable(frames.end));
        if tries < READ_TRIES {
            return Err(error);
        }
        if tries == READ_TRIES {
            ::log::error!(
                "feed: {} cannot be read behind byte {}: {error}, {READ_TRIES} times in a row; what \
                 it has there is a gap to who reads, and the push log has it. Look at the disk",
                place.path(spot.segment).display(),
                frames.end
            );
        }
    }
    if let Some(segment) = lock(shelf).segment(spot.segment) {
        for (number, at) in marks {
            segment.mark(number, at);
        }
    }
    Ok(has_room && printer.missing(spot.end))
}
