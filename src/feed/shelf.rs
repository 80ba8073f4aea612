//! Which segments a stream has, and what of them readers may see.
//!
//! Pure.

use std::collections::VecDeque;

/// Bytes between the places in a segment that are remembered.
pub(super) const MARKS_EVERY: u64 = 64 * 1024;

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FeedSegment {
    pub(super) number: u32,
    /// When it was begun, in seconds since the Unix epoch.
    pub(super) begun: u64,
    /// The number of the first record that may be in it.
    pub(super) first: u64,
    /// What is before it counts as far as this number, and without it.
    pub(super) before: u64,
    /// Bytes of its file that hold frames.
    pub(super) bytes: u64,
    /// Where it could not be read, and how often in a row.
    unreadable: (u64, u32),
    /// Numbers of records, and where in the file their frames begin; in order.
    marks: Vec<(u64, u64)>,
}

impl FeedSegment {
    pub(super) fn new(number: u32, begun: u64, (before, first): (u64, u64), bytes: u64) -> Self {
        Self {
            number,
            begun,
            first,
            before,
            bytes,
            unreadable: (0, 0),
            marks: Vec::new(),
        }
    }

    /// Remembers where a record is, if no other is remembered near it.
    pub(super) fn mark(&mut self, number: u64, at: u64) {
        let place = self.marks.partition_point(|mark| mark.0 <= number);
        let is_far =
            |mark: Option<&(u64, u64)>| mark.is_none_or(|mark| mark.1.abs_diff(at) >= MARKS_EVERY);
        let before = place.checked_sub(1).and_then(|place| self.marks.get(place));
        if at >= MARKS_EVERY && is_far(before) && is_far(self.marks.get(place)) {
            self.marks.insert(place, (number, at));
        }
    }

    /// It could not be read from that byte on; how often that is so by now.
    pub(super) fn unreadable(&mut self, at: u64) -> u32 {
        let (before, times) = self.unreadable;
        let times = if before == at { times } else { 0 };
        self.unreadable = (at, times.saturating_add(1));
        self.unreadable.1
    }

    /// Where to begin to look for a record; `head` is where the first one is.
    fn near(&self, number: u64, head: u64) -> u64 {
        let place = self.marks.partition_point(|mark| mark.0 <= number);
        let mark = place.checked_sub(1).and_then(|place| self.marks.get(place));
        mark.map_or(head, |mark| mark.1)
    }
}

/// The segments of a stream, the oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FeedShelf {
    /// Of the stream's cursors.
    pub(super) epoch: u32,
    pub(super) segments: VecDeque<FeedSegment>,
    /// The number of the first record that nobody is shown yet: it could still be lost.
    pub(super) shown: u64,
}

/// Where a reader looks next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The segment.
    pub(super) segment: u32,
    /// Where in its file.
    pub(super) at: u64,
    /// The least number that may be in it.
    pub(super) first: u64,
    /// What is in it counts as far as this number, and without it.
    pub(super) end: u64,
}

impl FeedShelf {
    /// The number of the oldest record that may be there.
    pub(super) fn first(&self) -> u64 {
        let front = self.segments.front();
        front.map_or(self.shown, |segment| segment.first.min(self.shown))
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Where the record of that number is to be looked for, or the first one after it; `head` is
    /// where a segment has its first. Nothing if no more is shown.
    pub(super) fn spot(&self, number: u64, head: u64) -> Option<Spot> {
        if number >= self.shown {
            return None;
        }
        let all = self.segments.iter();
        let nexts = self.segments.iter().skip(1).map(|next| next.before);
        let ends = nexts.chain([u64::MAX]);
        let mut spots = all.zip(ends).map(|(segment, end)| Spot {
            segment: segment.number,
            at: segment.near(number, head),
            first: segment.first,
            end: end.min(self.shown),
        });
        spots.find(|spot| number < spot.end && spot.first < spot.end)
    }

    /// The segment of that number.
    pub(super) fn segment(&mut self, number: u32) -> Option<&mut FeedSegment> {
        let mut all = self.segments.iter_mut();
        all.find(|segment| segment.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> FeedShelf {
        let segment = |number, before, first| FeedSegment::new(number, 0, (before, first), 100);
        FeedShelf {
            epoch: 1,
            segments: [segment(4, 10, 10), segment(5, 20, 25), segment(6, 30, 30)].into(),
            shown: 33,
        }
    }

    #[test]
    fn a_record_is_looked_for_in_its_segment_or_the_next_one() {
        let shelf = shelf();
        let found = |number| {
            let spot = shelf.spot(number, 7)?;
            assert_eq!(spot.at, 7);
            Some((spot.segment, spot.first, spot.end))
        };
        assert_eq!(found(1), Some((4, 10, 20)));
        assert_eq!(found(19), Some((4, 10, 20)));
        // Lost between the two.
        assert_eq!(found(20), Some((5, 25, 30)));
        assert_eq!(found(29), Some((5, 25, 30)));
        assert_eq!(found(32), Some((6, 30, 33)));
        assert_eq!(found(33), None);
        assert_eq!((shelf.first(), shelf.bytes()), (10, 300));
        assert_eq!(FeedShelf::default().spot(0, 7), None);
    }

    #[test]
    fn what_is_not_shown_yet_is_not_found() {
        let shelf = FeedShelf {
            shown: 25,
            ..shelf()
        };
        assert_eq!(shelf.spot(19, 0).map(|spot| spot.segment), Some(4));
        assert_eq!(shelf.spot(20, 0), None);
    }

    #[test]
    fn places_are_remembered_far_from_each_other() {
        let mut segment = FeedSegment::new(1, 0, (1, 1), 0);
        for number in 1..=4000 {
            segment.mark(number, number * 100);
        }
        assert_eq!(segment.marks.len(), 6);
        assert_eq!(segment.near(1, 48), 48);
        assert_eq!(segment.near(656, 48), 65_600);
        assert_eq!(segment.near(655, 48), 48);
        assert!(segment.near(4000, 48) >= 327_680);
        let marks = segment.marks.clone();
        segment.mark(660, 66_000);
        assert_eq!(segment.marks, marks);
    }
}
