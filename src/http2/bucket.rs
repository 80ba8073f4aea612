//! A bucket of tokens that fills again with time: what a peer may do now and then, and not all
//! the time.

use std::time::{Duration, Instant};

/// Full at first.
#[derive(Clone, Debug)]
pub struct Bucket {
    size: u32,
    /// How long a token takes to come back.
    token_time: Duration,
    tokens: u32,
    /// Up to when time has been turned into tokens.
    filled: Instant,
}

impl Bucket {
    /// What a peer takes of streams that are reset: 1000 tokens, of which 33 come back in a second.
    pub fn of_resets(now: Instant) -> Self {
        Self::new(RESETS, RESET_TIME, now)
    }

    /// A full one of `size` tokens, each of which takes `token_time` to come back.
    pub(super) fn new(size: u32, token_time: Duration, now: Instant) -> Self {
        Self {
            size,
            token_time,
            tokens: size,
            filled: now,
        }
    }

    /// Adds what has come since the last call.
    pub fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled);
        let come = since
            .as_nanos()
            .checked_div(self.token_time.as_nanos())
            .and_then(|come| u32::try_from(come).ok())
            .unwrap_or(u32::MAX);
        if come == 0 {
            return;
        }
        self.give(come);
        // The part of a token that has come stays to come.
        self.filled = match self.token_time.checked_mul(come) {
            Some(time) if self.tokens < self.size => self.filled.checked_add(time).unwrap_or(now),
            _ => now,
        };
    }

    /// Puts so many back, as far as there is room for them.
    pub(super) fn give(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.size);
    }

    /// Takes one; false if there is none.
    #[must_use = "without a token it must not be"]
    pub fn take(&mut self) -> bool {
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

/// Streams that may be reset at once. Our limit, that of nghttp2.
pub(super) const RESETS: u32 = 1000;

/// 33 in a second, as in nghttp2.
const RESET_TIME: Duration = Duration::from_nanos(30_303_030);

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket) -> u32 {
        (0..5000)
            .map(|_| u32::from(bucket.take()))
            .fold(0, u32::saturating_add)
    }

    #[test]
    fn a_burst_empties_it_and_time_fills_it() {
        let start = Instant::now();
        let mut bucket = Bucket::of_resets(start);
        assert_eq!(taken(&mut bucket), RESETS);
        let after = |time| start.checked_add(time).unwrap();
        bucket.fill(after(Duration::from_secs(1)));
        assert_eq!(taken(&mut bucket), 33);
        bucket.fill(after(Duration::from_secs(3600)));
        assert_eq!(taken(&mut bucket), RESETS);
    }

    #[test]
    fn no_part_of_a_token_is_lost_however_often_it_is_filled() {
        let mut now = Instant::now();
        let mut bucket = Bucket::of_resets(now);
        taken(&mut bucket);
        let mut sum = 0_u32;
        for _ in 0..10_000 {
            now = now.checked_add(Duration::from_millis(1)).unwrap();
            bucket.fill(now);
            sum = sum.saturating_add(taken(&mut bucket));
        }
        assert_eq!(sum, 330);
        // A clock that goes back takes nothing away, and gives nothing.
        bucket.fill(now.checked_sub(Duration::from_secs(5)).unwrap());
        assert_eq!(taken(&mut bucket), 0);
    }
}
