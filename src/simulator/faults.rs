//! Injected faults: what goes wrong on purpose, when, and what is drawn for each request.
//!
//! No I/O, no clock: a script is text and time an argument. Each connection has its own generator,
//! seeded from the simulator's seed and the connection's number, so that the order of threads
//! changes nothing.
//!
//! ```text
//!  script ── phases of a file ──┐
//!  flags ─── Faults ────────────┴─ stage: what is in force now ── dice: what one request meets
//!                                                                 tally: what has struck
//! ```

mod dice;
mod failure;
mod farewell;
mod retry_after;
mod script;
mod stage;
mod strike;
mod tally;

use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

pub(super) use self::dice::{Answering, Dice, Draw, mix};
pub(super) use self::failure::Failure;
pub use self::failure::{Fail, Failures};
pub use self::farewell::Farewell;
pub use self::retry_after::RetryAfter;
pub use self::script::{MAX_PHASES, MAX_SCRIPT, Script};
pub(super) use self::stage::Stage;
pub use self::strike::Strikes;
pub(super) use self::strike::{Kind, Point, Strike};
pub use self::tally::Struck;
pub(super) use self::tally::{Asked, Tally, never_struck};

/// What goes wrong on purpose. The default is: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Answers are held back for this long, each on its own: one does not wait for another.
    pub latency: Duration,
    /// Up to this much is added to `latency`, drawn per request: answers come out of order.
    pub latency_spread: Duration,
    /// Of 100 pushes that would be accepted, how many are answered 429, 500 or 503.
    pub fail_percent: f64,
    /// Of 100 requests that would be accepted, how many get an answer that is named here.
    pub failures: Failures,
    /// Of 100 requests, how many are reset with `REFUSED_STREAM` before they are looked at.
    pub refuse_percent: f64,
    /// Streams and connections that end before their time, or never.
    pub strikes: Strikes,
    /// GOAWAY on a connection at this many requests; its later streams are not processed.
    pub goaway_after: Option<NonZeroU64>,
    /// How that GOAWAY goes.
    pub goaway: Farewell,
    /// `retry-after` on 429 and 503 of APNs and FCM.
    pub retry_after: Option<RetryAfter>,
    /// APNs lowers `MAX_CONCURRENT_STREAMS` to 1 after a 4xx other than 410, until the next 200.
    pub penalty: bool,
    /// `MAX_CONCURRENT_STREAMS` at most.
    pub streams: Option<u32>,
    /// `INITIAL_WINDOW_SIZE`.
    pub stream_window: Option<u32>,
    /// Bytes of content under way on a connection at most, below HTTP/2's 65,535.
    pub connection_window: Option<u32>,
    /// `HEADER_TABLE_SIZE`.
    pub header_table: Option<u32>,
    /// Bytes sent every 10 ms.
    pub slow: Option<NonZeroU32>,
    /// TCP connections are refused.
    pub closed: bool,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// How often a slow server sends its few bytes.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// A percentage, whole or with decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().parse().ok().map(Self);
        number
            .filter(|Self(number)| (0.0..=100.0).contains(number))
            .ok_or_else(|| format!("{text:?} is not a percentage from 0 to 100"))
    }
}

/// Reads `name=percent,name=percent`; together not over 100.
fn shares<T>(
    text: &str,
    mut named: impl FnMut(&str) -> Result<T, String>,
) -> Result<Vec<(T, f64)>, String> {
    let mut shares = Vec::new();
    let mut total = 0.0;
    for part in text.split(',') {
        let (name, percent) = part
            .split_once('=')
            .ok_or_else(|| format!("{:?} has no =percent", part.trim()))?;
        let Percent(percent) = percent.parse()?;
        total += percent;
        shares.push((named(name.trim())?, percent));
    }
    if total > 100.0 {
        return Err(format!("the percentages make {total}, over 100"));
    }
    Ok(shares)
}

/// The share that a number from 0 up to 100 falls into, of those that `counts` takes.
fn pick<T: Copy>(shares: &[(T, f64)], counts: impl Fn(T) -> bool, drawn: f64) -> Option<T> {
    let mut below = 0.0;
    let mut counted = shares.iter().filter(|(what, _)| counts(*what));
    let found = counted.find(|(_, percent)| {
        below += percent;
        drawn < below
    });
    found.map(|(what, _)| *what)
}

/// The names of a table, for an error's text.
fn listed(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
