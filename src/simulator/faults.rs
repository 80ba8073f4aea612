//! Injected faults: what is drawn for each request, reproducibly.
//!
//! No I/O, no clock. Each connection has its own generator, seeded from the simulator's seed and
//! the connection's number, so that the order of threads changes nothing.

use std::num::NonZeroU64;
use std::time::Duration;

/// What goes wrong on purpose. The default is: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Answers are held back for this long, each on its own: one does not wait for another.
    pub latency: Duration,
    /// Up to this much is added to `latency`, drawn per request: answers come out of order.
    pub latency_spread: Duration,
    /// Of 100 pushes that would be accepted, how many are answered 429, 500 or 503.
    pub fail_percent: f64,
    /// Of 100 requests, how many are reset with `REFUSED_STREAM` before they are looked at.
    pub refuse_percent: f64,
    /// GOAWAY on a connection at this many requests; its later streams are not processed.
    pub goaway_after: Option<NonZeroU64>,
    /// `retry-after` on FCM's 429 and 503.
    pub retry_after: Option<Duration>,
    /// APNs lowers `MAX_CONCURRENT_STREAMS` to 1 after a 4xx other than 410, until the next 200.
    pub penalty: bool,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// What was drawn for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// It is answered as it deserves.
    Fair,
    /// It is reset with `REFUSED_STREAM`.
    Refuse,
    /// It is answered by a failure; the number picks which of the endpoint's mix.
    Fail(usize),
}

/// One connection's dice.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
    fail_percent: f64,
    refuse_percent: f64,
    latency: Duration,
    spread_nanos: u64,
}

impl Dice {
    /// The dice of the connection of that number.
    pub(super) fn new(faults: &Faults, connection: u64) -> Self {
        let seed = mix(faults.seed ^ mix(connection.wrapping_add(1)));
        Self {
            // Zero is the one state that a xorshift generator never leaves.
            state: seed.max(1),
            fail_percent: faults.fail_percent,
            refuse_percent: faults.refuse_percent,
            latency: faults.latency,
            spread_nanos: u64::try_from(faults.latency_spread.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Draws for one request. Takes the same number of random numbers whatever comes out.
    pub(super) fn draw(&mut self) -> Draw {
        let (refuse, fail, which) = (self.percent(), self.percent(), self.next());
        if refuse < self.refuse_percent {
            Draw::Refuse
        } else if fail < self.fail_percent {
            Draw::Fail(usize::try_from(which >> 32).unwrap_or(0))
        } else {
            Draw::Fair
        }
    }

    /// How long the answer to one request is held back.
    pub(super) fn latency(&mut self) -> Duration {
        if self.spread_nanos == 0 {
            return self.latency;
        }
        let spread = self.next() % self.spread_nanos;
        self.latency.saturating_add(Duration::from_nanos(spread))
    }

    /// The next random number (xorshift64*).
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A random number of 128 bits.
    pub(super) fn number(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// A random number from 0 up to, but not including, 100.
    fn percent(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(high) * (100.0 / 4_294_967_296.0)
    }
}

/// Spreads the bits of a number over all of the result (the finaliser of `SplitMix64`).
pub(super) const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Dice, Draw, Duration, Faults};

    fn draws(faults: &Faults, connection: u64) -> Vec<Draw> {
        let mut dice = Dice::new(faults, connection);
        (0..10_000).map(|_| dice.draw()).collect()
    }

    #[test]
    fn no_faults_asked_means_none_drawn() {
        assert!(
            draws(&Faults::default(), 0)
                .iter()
                .all(|draw| *draw == Draw::Fair)
        );
    }

    #[test]
    fn a_hundred_percent_means_each_one() {
        let refusing = Faults {
            refuse_percent: 100.0,
            ..Faults::default()
        };
        assert!(draws(&refusing, 0).iter().all(|draw| *draw == Draw::Refuse));
        let failing = Faults {
            fail_percent: 100.0,
            ..Faults::default()
        };
        assert!(
            draws(&failing, 0)
                .iter()
                .all(|draw| matches!(draw, Draw::Fail(_)))
        );
    }

    #[test]
    fn percentages_are_met_within_a_tenth() {
        let faults = Faults {
            fail_percent: 20.0,
            refuse_percent: 10.0,
            ..Faults::default()
        };
        let drawn = draws(&faults, 3);
        let refused = drawn.iter().filter(|draw| **draw == Draw::Refuse).count();
        let failed = drawn
            .iter()
            .filter(|draw| matches!(draw, Draw::Fail(_)))
            .count();
        assert!((900..=1_100).contains(&refused), "{refused}");
        assert!(
            (1_600..=2_000).contains(&failed),
            "20 % of the 90 % not refused: {failed}"
        );
    }

    #[test]
    fn draws_repeat_for_the_same_seed_and_connection_only() {
        let faults = Faults {
            fail_percent: 50.0,
            seed: 7,
            ..Faults::default()
        };
        assert_eq!(draws(&faults, 1), draws(&faults, 1));
        assert_ne!(draws(&faults, 1), draws(&faults, 2));
        assert_ne!(draws(&faults, 1), draws(&Faults { seed: 8, ..faults }, 1));
    }

    #[test]
    fn latency_stays_within_its_spread() {
        let faults = Faults {
            latency: Duration::from_millis(20),
            latency_spread: Duration::from_millis(5),
            ..Faults::default()
        };
        let mut dice = Dice::new(&faults, 0);
        let drawn: Vec<_> = (0..1_000).map(|_| dice.latency()).collect();
        assert!(
            drawn
                .iter()
                .all(|held| (20..25).contains(&held.as_millis()))
        );
        assert!(
            drawn.windows(2).any(|pair| pair[0] > pair[1]),
            "never out of order"
        );
    }
}
