//! How posting goes for one stream.
//!
//! Pure: time and chance are arguments.

use std::time::{Duration, Instant};

use super::post::{BATCH_RECORDS, backoff, fewer, more};
use crate::count::Seldom;

/// How long batches stay below a size that was answered 413: then it is tried again, since the
/// place may take larger bodies by now.
const TOO_LARGE_FOR: Duration = Duration::from_secs(3600);
/// From so many posts in a row on that came to nothing, each makes the next batch smaller.
const SHRINKS_FROM: u32 = 2;

/// What came of the posts of one stream so far.
#[derive(Debug, Default)]
pub(super) struct StreamTurn {
    /// Posts in a row that came to nothing.
    pub(super) failures: u32,
    /// Until when none is made.
    pub(super) rests_until: Option<Instant>,
    /// Whether the operator was told that it fails.
    pub(super) is_failing: bool,
    pub(super) told: Seldom,
    pub(super) told_size: Seldom,
    pub(super) told_missed: Seldom,
    /// Records and gaps that the place was found to take at once, if that is less than a batch.
    takes: Option<usize>,
    /// How many it has answered 413 to, and when.
    too_large: Option<(usize, Instant)>,
    /// Records behind the cursor that are counted as missed; `None` before the first look, when
    /// nobody knows how many had gone before somebody was to have them.
    missed: Option<u64>,
}

impl StreamTurn {
    /// Records and gaps of the next batch at most.
    pub(super) fn limit(&self) -> usize {
        self.takes.unwrap_or(BATCH_RECORDS)
    }

    /// A batch was taken.
    pub(super) fn taken(&mut self, now: Instant) {
        (self.failures, self.is_failing, self.missed) = (0, false, Some(0));
        let since = |at| now.saturating_duration_since(at);
        self.too_large = self.too_large.filter(|(_, at)| since(*at) < TOO_LARGE_FOR);
        let Some(takes) = self.takes else {
            return;
        };
        let grown = more(takes);
        let is_known = |(items, _)| grown.unwrap_or(BATCH_RECORDS) >= items;
        if !self.too_large.is_some_and(is_known) {
            self.takes = grown;
        }
    }

    /// A batch of so many was too large, and not the only one.
    pub(super) fn too_large(&mut self, items: usize, now: Instant) {
        self.takes = Some(fewer(items));
        self.too_large = Some((items, now));
    }

    /// A batch of so many came to nothing, or none could be read; how long to wait. The place may
    /// be too slow for so many, or there may be one among them that it never takes: that one alone
    /// is to keep the others.
    pub(super) fn failed(
        &mut self,
        items: usize,
        asked: Option<Duration>,
        (now, random): (Instant, u64),
    ) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.is_failing = true;
        if items > 1 && self.failures >= SHRINKS_FROM {
            self.takes = Some(fewer(items));
        }
        let wait = backoff(self.failures, asked, random);
        self.rests_until = now.checked_add(wait);
        wait
    }

    /// So many records behind the cursor, if there is one yet, are there no longer; how many of
    /// them went since the last look.
    pub(super) fn missed(&mut self, removed: u64, has_cursor: bool) -> u64 {
        let before = if has_cursor { 0 } else { removed };
        let known = self.missed.unwrap_or(before);
        self.missed = Some(known.max(removed));
        removed.saturating_sub(known)
    }

    /// There is another place, or it was mended: all is tried at once.
    pub(super) fn begin_anew(&mut self) {
        (self.failures, self.rests_until) = (0, None);
        (self.takes, self.too_large) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_down_to_one_record_while_they_fail_and_grow_again() {
        let now = Instant::now();
        let mut turn = StreamTurn::default();
        turn.failed(1000, None, (now, 0));
        // It may have been away.
        assert_eq!(turn.limit(), 1000);
        let mut sizes = Vec::new();
        while turn.limit() > 1 {
            turn.failed(turn.limit(), None, (now, 0));
            sizes.push(turn.limit());
        }
        assert_eq!(sizes, [500, 250, 125, 62, 31, 15, 7, 3, 1]);
        turn.failed(1, None, (now, 0));
        assert_eq!((turn.limit(), turn.failures), (1, 11));
        let mut steps = 0;
        while turn.limit() < BATCH_RECORDS {
            let before = turn.limit();
            turn.taken(now);
            steps += 1;
            assert!(turn.limit() > before && steps < 60);
        }
        assert_eq!((turn.failures, turn.is_failing), (0, false));
        // What cannot be read has no size.
        turn.failed(0, None, (now, 0));
        turn.failed(0, None, (now, 0));
        assert_eq!(turn.limit(), BATCH_RECORDS);
    }

    #[test]
    fn a_size_that_was_too_large_is_not_posted_again_for_an_hour() {
        let start = Instant::now();
        let mut turn = StreamTurn::default();
        turn.too_large(1000, start);
        let mut largest = 0;
        for _ in 0..100 {
            largest = largest.max(turn.limit());
            turn.taken(start);
        }
        assert!((875..1000).contains(&largest), "{largest}");
        turn.too_large(largest, start);
        for _ in 0..100 {
            turn.taken(start);
            assert!(turn.limit() < largest);
        }
        for _ in 0..20 {
            turn.taken(start + TOO_LARGE_FOR);
        }
        assert_eq!(turn.limit(), BATCH_RECORDS);
        turn.too_large(2, start);
        turn.begin_anew();
        assert_eq!(turn.limit(), BATCH_RECORDS);
    }

    #[test]
    fn what_went_before_it_was_taken_is_counted_once() {
        let mut turn = StreamTurn::default();
        // It had a cursor, so that they were to come.
        assert_eq!(turn.missed(7, true), 7);
        assert_eq!(turn.missed(7, true), 0);
        assert_eq!(turn.missed(9, true), 2);
        turn.taken(Instant::now());
        assert_eq!(turn.missed(0, true), 0);
        assert_eq!(turn.missed(1, true), 1);
        // Nobody was to have them.
        let mut turn = StreamTurn::default();
        assert_eq!(turn.missed(100, false), 0);
        assert_eq!(turn.missed(103, false), 3);
    }
}
