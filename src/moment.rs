//! One point in time, on both clocks that a push needs, and as HTTP writes it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time: the monotonic clock for waiting, the wall clock for what is told to others.
///
/// Pure modules take it as an argument; only shells call [`Moment::now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never jumps: deadlines, back-off, durations.
    pub monotonic: Instant,
    /// Time since the Unix epoch by the wall clock: ids, `apns-expiration`, `iat`, log lines.
    pub unix: Duration,
}

impl Moment {
    /// Reads both clocks. A wall clock before 1970 counts as 1970.
    pub fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            unix: set_back(SystemTime::now())
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO),
        }
    }

    /// Whole seconds since the Unix epoch.
    pub fn unix_secs(self) -> u64 {
        self.unix.as_secs()
    }
}

/// The wall clock as it is.
#[cfg(not(debug_assertions))]
#[inline]
const fn set_back(now: SystemTime) -> SystemTime {
    now
}

/// The wall clock of a debug build, which `STERNA_CLOCK_BEHIND` sets back by so many seconds.
#[cfg(debug_assertions)]
fn set_back(now: SystemTime) -> SystemTime {
    use std::sync::OnceLock;
    static BEHIND: OnceLock<Duration> = OnceLock::new();
    let behind = BEHIND.get_or_init(|| {
        let told = std::env::var("STERNA_CLOCK_BEHIND").ok();
        let seconds = told.and_then(|seconds| seconds.parse().ok());
        Duration::from_secs(seconds.unwrap_or_default())
    });
    now.checked_sub(*behind).unwrap_or(UNIX_EPOCH)
}

/// Seconds since the Unix epoch of a date in one of the three forms of RFC 9110 §5.6.7.
pub fn http_date(text: &str) -> Option<u64> {
    const FORMS: [&str; 3] = [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ];
    let parsed = FORMS
        .iter()
        .find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())?;
    let at = parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}
