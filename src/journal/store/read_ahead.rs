//! Records that stand one behind the other are read many at a time, those that do not one by one.

use std::borrow::Cow;
use std::io;

use crate::journal::catalogue::read_frame;
use crate::journal::files::JournalFile;
use crate::journal::frame::{self, Look};
use crate::journal::index::Location;

/// Our limit: bytes of a segment that are read at once, unless a record is longer.
pub(super) const AHEAD_BYTES: usize = 256 << 10;

/// Bytes between two records, at most, for them to stand one behind the other: names of lanes and
/// settlements are written between.
const NEAR: u64 = 4096;

/// What was read of a segment.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    segment: u32,
    /// Where `bytes` begin.
    start: u64,
    bytes: Vec<u8>,
    /// Where the last record ended.
    reached: u64,
}

impl ReadAhead {
    /// The frame at a place, as [`read_frame`]: its kind and its record. What was read with others
    /// and is none is read again alone, before anything is said of it.
    pub(super) fn frame(
        &mut self,
        file: &dyn JournalFile,
        place: Location,
    ) -> io::Result<Option<(u8, Cow<'_, [u8]>)>> {
        let is_next = self.segment == place.segment
            && (self.reached..self.reached + NEAR).contains(&place.offset);
        if self.held(place).is_none() && is_next {
            self.read(file, place);
        }
        self.segment = place.segment;
        self.reached = place.offset.saturating_add(place.len.into());
        if let Some((kind, record)) = self.held(place) {
            return Ok(Some((kind, record.into())));
        }
        let found = read_frame(file, place)?;
        Ok(found.map(|(kind, record)| (kind, record.into())))
    }

    /// That frame, if it was read.
    fn held(&self, place: Location) -> Option<(u8, &[u8])> {
        let from = place.offset.checked_sub(self.start)?;
        let from = usize::try_from(from).ok()?;
        let bytes = self
            .bytes
            .get(from..from.checked_add(place.len as usize)?)?;
        match frame::look(bytes, frame::salt(place.segment)) {
            Look::Frame(frame) if frame.len() == bytes.len() => Some((frame.kind, frame.record)),
            _ => None,
        }
    }

    /// Reads from a place on, what the disk gives: what it does not give is asked for again.
    fn read(&mut self, file: &dyn JournalFile, place: Location) {
        self.start = place.offset;
        self.bytes.resize(AHEAD_BYTES.max(place.len as usize), 0);
        let read = file.read_at(&mut self.bytes, place.offset);
        self.bytes.truncate(read.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::journal::fixture::{MemoryFiles, ReadFault};
    use crate::journal::{Files, segment};

    const SEGMENT: u32 = 7;

    /// A file of records of so many bytes, the places of all, and the file.
    fn records(files: &MemoryFiles, sizes: &[usize]) -> Vec<Location> {
        let (mut frames, mut places) = (Vec::new(), Vec::new());
        for (number, size) in sizes.iter().enumerate() {
            let offset = frames.len();
            let byte = u8::try_from(number % 256).unwrap();
            assert!(frame::put(&mut frames, 3, |out| out
                .extend(std::iter::repeat_n(byte, *size))));
            places.push(Location {
                segment: SEGMENT,
                len: u32::try_from(frames.len() - offset).unwrap(),
                offset: offset as u64,
            });
        }
        frame::seal(&mut frames, frame::salt(SEGMENT));
        files.put(Path::new(&segment::name(SEGMENT)), frames);
        places
    }

    fn file(files: &MemoryFiles) -> std::sync::Arc<dyn JournalFile> {
        files.open_read(Path::new(&segment::name(SEGMENT))).unwrap()
    }

    /// What is read of them in that order, and how many reads that took.
    fn read(files: &MemoryFiles, places: &[Location]) -> (Vec<Vec<u8>>, u64) {
        let file = file(files);
        files.set_read_fault(None);
        let mut ahead = ReadAhead::default();
        let all = places.iter().map(|place| {
            let (kind, record) = ahead.frame(&*file, *place).unwrap().unwrap();
            assert_eq!(kind, 3);
            record.into_owned()
        });
        (all.collect(), files.reads())
    }

    #[test]
    fn what_stands_together_is_read_together_and_nothing_else() {
        let files = MemoryFiles::default();
        let places = records(&files, &vec![100; 5000]);
        let (all, reads) = read(&files, &places);
        let right = |(number, record): (usize, &Vec<u8>)| {
            *record == vec![u8::try_from(number % 256).unwrap(); 100]
        };
        assert!(all.len() == 5000 && all.iter().enumerate().all(right));
        assert!(reads <= 5, "{reads}");
        // One in fifty is left, and the others are not worth a read.
        let few: Vec<_> = places.iter().copied().step_by(50).collect();
        assert_eq!(read(&files, &few).1, 100);
        // From the end, each stands before the other.
        let back: Vec<_> = few.iter().copied().rev().collect();
        assert_eq!(read(&files, &back).1, 100);
        let large = records(&files, &[2 * AHEAD_BYTES, 10, 2 * AHEAD_BYTES, 10]);
        let (all, _) = read(&files, &large);
        assert!(
            all.iter()
                .map(Vec::len)
                .eq([2, 0, 2, 0].map(|n| n * AHEAD_BYTES + if n == 0 { 10 } else { 0 }))
        );
    }

    #[test]
    fn what_cannot_be_read_with_others_is_read_alone() {
        let files = MemoryFiles::default();
        let places = records(&files, &[100; 20]);
        let file = file(&files);
        let (bad, name) = (&places[10], ".journal");
        let bytes = bad.offset..bad.offset + u64::from(bad.len);
        files.set_read_fault(Some(ReadFault::Location(name, bytes)));
        let mut ahead = ReadAhead::default();
        for place in &places {
            let found = ahead.frame(&*file, *place);
            assert_eq!(found.is_err(), place == bad, "{place:?}");
            assert!(found.is_err() || found.unwrap().is_some());
        }
        // Bytes that are the file's at the second read alone.
        files.set_read_fault(Some(ReadFault::Garbles(1)));
        let mut ahead = ReadAhead::default();
        for place in &places {
            assert!(ahead.frame(&*file, *place).unwrap().is_some());
        }
        assert!(files.reads() > 2);
    }
}
