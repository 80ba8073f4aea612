//! Randomness for spreading retries, so that what failed together does not come back together.
//!
//! Pure: no clock, no global. Not for secrets.

use std::time::Duration;

/// A uniform part of `whole`, drawn by `random`, which is uniform over `u64`.
pub fn part_of(whole: Duration, random: u64) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 random bits fit a double exactly"
    )]
    let part = (random >> 11) as f64 / (1_u64 << 53) as f64;
    whole.mul_f64(part)
}

/// Between half of `longest` and all of it.
pub fn half_to_all(longest: Duration, random: u64) -> Duration {
    let half = longest / 2;
    half.saturating_add(part_of(half, random))
}

/// A generator of random numbers (xorshift64*).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers follow from the seed.
    pub fn new(seed: u64) -> Self {
        // The generator stays at 0 for ever if it starts there.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).max(1))
    }

    /// The next number, uniform over all but 0.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_between_nothing_and_all() {
        let whole = Duration::from_secs(10);
        assert_eq!(part_of(whole, 0), Duration::ZERO);
        assert!(part_of(whole, u64::MAX) <= whole);
        assert_eq!(half_to_all(whole, 0), whole / 2);
        assert!(half_to_all(whole, u64::MAX) <= whole);
    }

    #[test]
    fn numbers_are_spread_evenly_for_any_seed() {
        for seed in [0, 1, 0x9e37_79b9_7f4a_7c15, u64::MAX] {
            let mut random = Random::new(seed);
            let high = (0..10_000).filter(|_| random.draw() > u64::MAX / 2).count();
            assert!(
                (4_500..5_500).contains(&high),
                "{high} of 10,000 for seed {seed}"
            );
        }
    }
}
