//! A bucket of tokens that fills again with time: what a peer may do now and then, and not all
//! the time.

use std::time::{Duration, Instant};

/// Full at first with 1000 tokens; 33 in a second come back, up to as many again.
#[derive(Clone, Debug)]
pub struct Bucket {
    tokens: u32,
    /// Up to when time has been turned into tokens.
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            filled: now,
        }
    }

    /// Adds what has come since the last call.
    pub fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled);
        let come = since
            .as_nanos()
            .checked_div(TOKEN_TIME.as_nanos())
            .and_then(|come| u32::try_from(come).ok())
            .unwrap_or(u32::MAX);
        if come == 0 {
            return;
        }
        self.tokens = self.tokens.saturating_add(come).min(BURST);
        // The part of a token that has come stays to come.
        self.filled = match TOKEN_TIME.checked_mul(come) {
            Some(time) if self.tokens < BURST => self.filled.checked_add(time).unwrap_or(now),
            _ => now,
        };
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

/// Tokens that a full bucket holds. Our limit, that of nghttp2 for streams reset by the peer.
pub(super) const BURST: u32 = 1000;

/// How long a token takes to come back: 33 in a second, as in nghttp2.
const TOKEN_TIME: Duration = Duration::from_nanos(30_303_030);

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
        let mut bucket = Bucket::new(start);
        assert_eq!(taken(&mut bucket), BURST);
        let after = |time| start.checked_add(time).unwrap();
        bucket.fill(after(Duration::from_secs(1)));
        assert_eq!(taken(&mut bucket), 33);
        bucket.fill(after(Duration::from_secs(3600)));
        assert_eq!(taken(&mut bucket), BURST);
    }

    #[test]
    fn no_part_of_a_token_is_lost_however_often_it_is_filled() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(now);
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
