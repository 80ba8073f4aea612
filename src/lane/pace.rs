//! How fast a lane may send: a rate that is kept smoothly and reached slowly.
//!
//! ```text
//! rate ┤         ╭────────
//!      │       ╱
//!      │    ╱
//! 1/10 ┤ ╱
//!      └─┴───────┴────────  since the first push, a pause, or a minute without a push
//!        0      RAMP
//! ```
//!
//! A push costs one ticket. Tickets come in all the time, by the rate of the moment, and no more
//! are kept than that rate makes in [`BURST`], or one: in any time `t` at most `rate × t` pushes
//! go out and `rate × BURST`, or one, beside them. Tickets are counted in billionths, so that
//! nothing is lost by rounding.
//!
//! Pure: time is an argument.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Tickets that were not used are kept for so long: threads wake late, and the rate should not
/// suffer for it.
pub const BURST: Duration = Duration::from_millis(50);
/// When tickets have run out, so many are gathered before any is given: a wake-up for each push
/// would cost more than the push.
pub const GATHER: Duration = Duration::from_millis(10);
/// From [`RAMP_STARTS_AT`] of the rate to the whole of it (Google's advice: at least a minute). A
/// lane that has sent nothing for so long starts over.
pub const RAMP: Duration = Duration::from_secs(60);
/// The rate begins at one part in so many.
pub const RAMP_STARTS_AT: u32 = 10;

/// A ticket in the billionths that are counted; at one push per second, what a nanosecond brings.
const TICKET: u128 = 1_000_000_000;

/// What may be sent, and when.
#[derive(Debug)]
pub struct Pace {
    rate: NonZeroU32,
    /// Billionths of a ticket; at most [`Pace::most`].
    credit: u128,
    /// The beginning of the ramp.
    begun: Instant,
    /// It begins with the next push.
    begins: bool,
    /// Up to here the credit is counted.
    counted: Instant,
    /// When a ticket was last given.
    used: Instant,
    /// No ticket is given before this.
    not_before: Instant,
}

impl Pace {
    /// Of so many pushes per second. The ramp begins with the first push.
    pub fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self {
            rate,
            credit: TICKET,
            begun: now,
            begins: true,
            counted: now,
            used: now,
            not_before: now,
        }
    }

    /// Takes up to `wanted` tickets.
    pub fn take(&mut self, now: Instant, wanted: usize) -> usize {
        if wanted == 0 || now < self.not_before {
            return 0;
        }
        let rested = now.saturating_duration_since(self.used) >= RAMP;
        self.count(now);
        if rested || self.begins {
            (self.begun, self.begins) = (now, false);
            self.credit = self.credit.min(self.most(now));
        }
        let whole = usize::try_from(self.credit / TICKET).unwrap_or(usize::MAX);
        let taken = whole.min(wanted);
        if taken == 0 {
            self.not_before = self.next(now);
        } else {
            self.credit -= TICKET * taken as u128;
            self.used = now;
        }
        taken
    }

    /// Takes back tickets that were not used.
    pub fn give_back(&mut self, tickets: usize) {
        let credit = self.credit + TICKET * tickets as u128;
        self.credit = credit.min(self.most(self.counted));
    }

    /// When there are tickets again, after [`Pace::take`] gave none.
    pub fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Starts the ramp over with the next push: the lane was paused.
    pub fn restart(&mut self) {
        self.begins = true;
    }

    /// Adds the tickets that came in since the last time.
    fn count(&mut self, now: Instant) {
        // Another thread's clock may have been read a little later.
        let now = now.max(self.counted);
        let made = |at: Instant| self.made(at.saturating_duration_since(self.begun));
        let credit = self.credit + (made(now) - made(self.counted));
        self.credit = credit.min(self.most(now));
        self.counted = now;
    }

    /// Tickets made in that time from the beginning of the ramp, in billionths.
    fn made(&self, since: Duration) -> u128 {
        let (rate, ramp, parts) = (self.rate(), RAMP.as_nanos(), u128::from(RAMP_STARTS_AT));
        let on_ramp = since.min(RAMP).as_nanos();
        let behind = since.saturating_sub(RAMP).as_nanos();
        // The area under the ramp: a rectangle of 1/parts, and a triangle on top of it.
        let area = 2 * ramp * on_ramp + (parts - 1) * on_ramp * on_ramp;
        rate * area / (2 * ramp * parts) + rate * behind
    }

    /// The rate that holds at that time, in tickets per second, times a billion; never zero.
    fn rate_at(&self, at: Instant) -> u128 {
        let since = at.saturating_duration_since(self.begun).min(RAMP);
        let (ramp, parts) = (RAMP.as_nanos(), u128::from(RAMP_STARTS_AT));
        TICKET * self.rate() * (ramp + (parts - 1) * since.as_nanos()) / (ramp * parts)
    }

    /// The most credit that is kept: what [`BURST`] brings, and at least one ticket.
    fn most(&self, at: Instant) -> u128 {
        let burst = self.rate_at(at) * BURST.as_nanos() / TICKET;
        burst.max(TICKET)
    }

    /// When there will be a ticket: by the rate of now, which only grows.
    fn next(&self, now: Instant) -> Instant {
        let lacking = TICKET.saturating_sub(self.credit);
        let nanos = (lacking * TICKET).div_ceil(self.rate_at(now));
        let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        now.checked_add(wait.max(GATHER)).unwrap_or(now)
    }

    fn rate(&self) -> u128 {
        self.rate.get().into()
    }
}

#[cfg(test)]
mod tests;
