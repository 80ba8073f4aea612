//! One connection's random numbers, and what they mean for a request.

use std::time::Duration;

use super::{Failure, Faults, Point, Strike, pick};
use crate::simulator::provider::Provider;

/// What was drawn for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Draw {
    /// How it is answered.
    pub(in crate::simulator) answering: Answering,
    /// What ends its stream or its connection before the time.
    pub(in crate::simulator) strike: Option<Strike>,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Answering {
    /// As it deserves.
    Fair,
    /// It is reset with `REFUSED_STREAM`.
    Refuse,
    /// By a failure; the number picks which of the endpoint's mix.
    Fail(usize),
    /// By this one.
    Named(Failure),
}

/// One connection's dice.
#[derive(Debug)]
pub(in crate::simulator) struct Dice {
    state: u64,
    provider: Provider,
}

impl Dice {
    /// The dice of the connection of that number to an endpoint. The endpoints' connections are
    /// numbered apart, and must not draw alike.
    pub(in crate::simulator) fn new(seed: u64, provider: Provider, connection: u64) -> Self {
        let number = connection << 2 | provider as u64;
        let seed = mix(seed ^ mix(number.wrapping_add(1)));
        Self {
            // Zero is the one state that a xorshift generator never leaves.
            state: seed.max(1),
            provider,
        }
    }

    /// Draws for a connection that has just come, before there is a request.
    pub(in crate::simulator) fn draw_start(&mut self, faults: &Faults) -> Option<Strike> {
        let drawn = self.percent();
        pick(
            faults.strikes.shares(),
            |strike| !strike.point.is_of_stream(),
            drawn,
        )
    }

    /// Draws for one request. Takes the same number of random numbers whatever comes out.
    pub(in crate::simulator) fn draw(&mut self, faults: &Faults) -> Draw {
        let (refuse, fail, which) = (self.percent(), self.percent(), self.next());
        let (named, strike) = (self.percent(), self.percent());
        let provider = self.provider;
        let named = pick(
            faults.failures.shares(),
            |failure| failure.is_of(provider),
            named,
        );
        let answering = match named {
            _ if refuse < faults.refuse_percent => Answering::Refuse,
            Some(failure) => Answering::Named(failure),
            None if fail < faults.fail_percent => {
                Answering::Fail(usize::try_from(which >> 32).unwrap_or(0))
            }
            None => Answering::Fair,
        };
        let of_stream = |strike: Strike| strike.point.is_of_stream();
        Draw {
            answering,
            strike: pick(faults.strikes.shares(), of_stream, strike),
        }
    }

    /// How long the answer to one request is held back.
    pub(in crate::simulator) fn latency(&mut self, faults: &Faults) -> Duration {
        let spread = u64::try_from(faults.latency_spread.as_nanos()).unwrap_or(u64::MAX);
        if spread == 0 {
            return faults.latency;
        }
        let more = Duration::from_nanos(self.next() % spread);
        faults.latency.saturating_add(more)
    }

    /// The next random number (xorshift64*).
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A random number of 128 bits.
    pub(in crate::simulator) fn number(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// A random number from 0 up to, but not including, 100.
    fn percent(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(high) * (100.0 / 4_294_967_296.0)
    }
}

impl Draw {
    /// The strike, if it is at that point.
    pub(in crate::simulator) fn strike_at(&self, point: Point) -> Option<Strike> {
        self.strike.filter(|strike| strike.point == point)
    }
}

/// Spreads the bits of a number over all of the result (the finaliser of `SplitMix64`).
pub(in crate::simulator) const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
