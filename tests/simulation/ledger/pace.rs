//! How fast requests go out: a second account of the lane's rate.

use std::time::{Duration, Instant};

/// What a rate brings in so long may go at once, and one push at least.
const BURST: f64 = 0.05;
/// From a tenth of the rate to the whole of it.
const RAMP: f64 = 60.0;
const STARTS_AT: f64 = 0.1;
/// What rounding may make of it.
const SLACK: f64 = 1e-3;

pub(crate) struct Pace {
    /// Per second; 0 for as many as can.
    rate: f64,
    credit: f64,
    counted: Instant,
    /// The ramp began then or later, and so many went since.
    begun: Option<Instant>,
    since: f64,
}

impl Pace {
    pub(crate) fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            credit: burst(rate),
            counted: now,
            begun: None,
            since: 0.0,
        }
    }

    /// There is work after a start.
    pub(crate) fn begins(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
    }

    /// The lane was paused until now.
    pub(crate) fn restarts(&mut self, now: Instant) {
        (self.begun, self.since) = (Some(now), 0.0);
    }

    /// A request goes out; what is wrong with that.
    pub(crate) fn sent(&mut self, now: Instant) -> Option<&'static str> {
        if self.rate == 0.0 {
            return None;
        }
        let passed = secs(now.duration_since(self.counted));
        self.counted = now;
        self.credit = (self.credit + self.rate * passed).min(burst(self.rate)) - 1.0;
        self.since += 1.0;
        let begun = self.begun.map_or(0.0, |begun| secs(now - begun));
        if self.credit < -SLACK {
            Some("faster than the rate")
        } else if self.since > burst(self.rate * STARTS_AT) + self.made(begun) + SLACK {
            Some("faster than the ramp")
        } else {
            None
        }
    }

    /// Whether the next one has to wait.
    pub(crate) fn is_used_up(&self) -> bool {
        self.rate > 0.0 && self.credit < 1.0
    }

    /// What the rate brings from the beginning of the ramp.
    fn made(&self, since: f64) -> f64 {
        let on_ramp = since.min(RAMP);
        let behind = (since - RAMP).max(0.0);
        let rise = (1.0 - STARTS_AT) / RAMP;
        self.rate * (STARTS_AT * on_ramp + rise * on_ramp * on_ramp / 2.0 + behind)
    }
}

fn burst(rate: f64) -> f64 {
    (rate * BURST).max(1.0)
}

fn secs(time: Duration) -> f64 {
    time.as_secs_f64()
}
