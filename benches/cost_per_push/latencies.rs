//! How long requests took to be answered.

use std::fmt;
use std::time::Duration;

/// The times of many requests.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Further ones.
    pub(crate) fn extend(&mut self, times: impl IntoIterator<Item = Duration>) {
        self.0.extend(times);
    }

    /// The time that so many of a thousand stay under.
    pub(crate) fn permille(&self, permille: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// Requests, median, 99th percentile.
impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |permille| self.permille(permille).as_secs_f64() * 1e6;
        write!(
            f,
            "{:>8} {:>8.0} {:>8.0}",
            self.0.len(),
            micros(500),
            micros(990)
        )
    }
}
