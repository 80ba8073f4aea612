//! How many were of which size.
//!
//! Who counts often counts into a [`HistogramPart`] of its own and adds that once a round: a push
//! costs a search among a dozen numbers, and no atomic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of buckets, in microseconds, ascending; what is beyond the last has one more.
pub type Buckets = [u64; BUCKETS];

/// Bounds of a histogram.
pub const BUCKETS: usize = 14;

/// From a tenth of a millisecond to half a minute: what answers to callers and disks take.
pub static WITHIN_HALF_A_MINUTE: Buckets = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// From 1 ms to a minute: what providers take.
pub static WITHIN_A_MINUTE: Buckets = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
];

/// From 10 ms to an hour: what becomes of a push that waits for its provider.
pub static WITHIN_AN_HOUR: Buckets = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    3_600_000_000,
];

/// Durations, counted by size.
#[derive(Debug)]
pub struct Histogram {
    buckets: &'static Buckets,
    counts: [AtomicU64; BUCKETS + 1],
    /// Of all of them, in microseconds.
    sum: AtomicU64,
}

/// What one thread has counted and not added yet.
#[derive(Clone, Debug)]
pub struct HistogramPart {
    buckets: &'static Buckets,
    counts: [u32; BUCKETS + 1],
    sum: u64,
    is_empty: bool,
}

/// A [`Histogram`] at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramFigures {
    /// Its bounds.
    pub buckets: &'static Buckets,
    /// How many were in each bucket alone; the last is of those beyond all bounds.
    pub counts: [u64; BUCKETS + 1],
    /// Of all of them, in microseconds.
    pub sum: u64,
}

impl Histogram {
    /// Nothing is counted yet.
    pub fn new(buckets: &'static Buckets) -> Self {
        Self {
            buckets,
            counts: Default::default(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one.
    pub fn add(&self, duration: Duration) {
        let micros = micros(duration);
        if let Some(count) = self.counts.get(place(self.buckets, micros)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds what one thread has counted, and empties it.
    pub fn add_all(&self, part: &mut HistogramPart) {
        if part.is_empty {
            return;
        }
        for (count, more) in self
            .counts
            .iter()
            .zip(part.counts)
            .filter(|(_, more)| *more > 0)
        {
            count.fetch_add(u64::from(more), Ordering::Relaxed);
        }
        self.sum.fetch_add(part.sum, Ordering::Relaxed);
        *part = HistogramPart::new(part.buckets);
    }

    /// It as it is now.
    pub fn figures(&self) -> HistogramFigures {
        HistogramFigures {
            buckets: self.buckets,
            counts: self
                .counts
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl HistogramPart {
    /// Nothing is counted yet.
    pub fn new(buckets: &'static Buckets) -> Self {
        Self {
            buckets,
            counts: [0; BUCKETS + 1],
            sum: 0,
            is_empty: true,
        }
    }

    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        let micros = micros(duration);
        if let Some(count) = self.counts.get_mut(place(self.buckets, micros)) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(micros);
        self.is_empty = false;
    }
}

impl HistogramFigures {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound in microseconds, with how many were up to it; what has none has no bound.
    pub fn cumulated(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.buckets.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts).scan(0_u64, |sum, (bound, count)| {
            *sum = sum.saturating_add(count);
            Some((bound, *sum))
        })
    }
}

/// The bucket of a duration.
fn place(buckets: &Buckets, micros: u64) -> usize {
    buckets.partition_point(|bound| *bound < micros)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_bucket_up_to_whose_bound_it_is() {
        let histogram = Histogram::new(&WITHIN_A_MINUTE);
        let mut part = HistogramPart::new(&WITHIN_A_MINUTE);
        histogram.add_all(&mut part);
        for micros in [0, 1_000, 1_001, 60_000_000, 60_000_001, 7_000_000_000] {
            let duration = Duration::from_micros(micros);
            histogram.add(duration);
            part.add(duration);
        }
        histogram.add_all(&mut part);
        histogram.add_all(&mut part);
        let figures = histogram.figures();
        let up_to = |bound| figures.cumulated().find(|it| it.0 == bound).map(|it| it.1);
        assert_eq!(up_to(Some(1_000)), Some(4));
        assert_eq!(up_to(Some(2_500)), Some(6));
        assert_eq!(up_to(Some(10_000_000)), Some(6));
        assert_eq!(up_to(Some(60_000_000)), Some(8));
        assert_eq!((up_to(None), figures.count()), (Some(12), 12));
        assert_eq!(figures.sum, 2 * 7_120_002_002);
        for buckets in [&WITHIN_HALF_A_MINUTE, &WITHIN_A_MINUTE, &WITHIN_AN_HOUR] {
            assert!(buckets.is_sorted());
        }
    }
}
