//! One point in time, on the clocks that a push needs, and as HTTP writes it.
//!
//! All of the process reads the time here: [`now`] and what waits by it stand still while the
//! process does ([`clock`]), so that no deadline passes for that.

pub mod clock;
pub mod grace;
pub mod server_clock;
pub mod timers;
mod wait;

use std::io;
use std::sync::{LazyLock, Once};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use clock::{Clock, ClockReading, LOOK_EVERY, TOLD_FROM};
pub use wait::{receive_within, wait_while};

/// A point in time: the monotonic clock for waiting, the wall clock for what is told to others.
///
/// Pure modules take it as an argument; only shells call [`Moment::now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never jumps, and stands still while the process does: deadlines, back-off, durations.
    pub monotonic: Instant,
    /// For how long the process has stood still by then: see [`Moment::since`].
    pub stood: Duration,
    /// Time since the Unix epoch by the wall clock: ids, `apns-expiration`, `iat`, log lines.
    pub unix: Duration,
}

impl Moment {
    /// Reads the clocks. A wall clock before 1970 counts as 1970.
    pub fn now() -> Self {
        let (monotonic, stood) = read();
        Self {
            monotonic,
            stood,
            unix: set_back(SystemTime::now())
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO),
        }
    }

    /// The time elsewhere, which goes on while the process stands still: for what grows old there,
    /// a notification or an access token. Not to be compared with [`Moment::monotonic`].
    pub fn elsewhere(self) -> Instant {
        let elsewhere = self.monotonic.checked_add(self.stood);
        elsewhere.unwrap_or(self.monotonic)
    }

    /// The time that has passed elsewhere since `earlier`.
    pub fn since(self, earlier: Self) -> Duration {
        let now = self.elsewhere();
        now.saturating_duration_since(earlier.elsewhere())
    }

    /// The process has stood still since `earlier`, for long enough to be what another has not
    /// waited for.
    pub fn stood_since(self, earlier: Self) -> bool {
        self.stood.saturating_sub(earlier.stood) >= TOLD_FROM
    }

    /// Whole seconds since the Unix epoch.
    pub fn unix_secs(self) -> u64 {
        self.unix.as_secs()
    }
}

/// The time by which the process waits. It never jumps, and stands still while the process does:
/// not to be compared with that of [`Instant::now`].
pub fn now() -> Instant {
    read().0
}

/// The time that has passed by [`now`].
pub fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}

/// Does what another has to answer in time, and once more if it failed while the process stood
/// still: the other may have waited for us.
///
/// # Errors
///
/// The last one's.
pub fn again_after_standstill<T, E>(act: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    again_if_stood(Moment::now, act)
}

fn again_if_stood<T, E>(
    now: impl Fn() -> Moment,
    mut act: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let begun = now();
    let done = act();
    if done.is_err() && now().stood_since(begun) {
        return act();
    }
    done
}

/// From now on standstills of the process are noticed, and each is told to the operator.
///
/// To be called once the process may have more than one thread; further calls do nothing.
///
/// # Errors
///
/// The operating system's, if it has no thread to give.
pub fn notice_standstills() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut started = Ok(());
    ONCE.call_once(|| {
        LazyLock::force(&BEGINNING);
        started = thread::Builder::new()
            .name("clock".to_owned())
            .stack_size(STACK)
            .spawn(look_on)
            .map(drop);
    });
    started
}

fn look_on() {
    loop {
        if let Some(stood) = CLOCK.look(passed()) {
            ::log::warn!(
                "the process was stopped for {:.0} s (by a signal, a freezer, a suspended or a \
                 busy host); nobody's time limit has run meanwhile",
                stood.as_secs_f64(),
            );
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

static CLOCK: Clock = Clock::new();

/// One point in time on both clocks.
static BEGINNING: LazyLock<(Instant, Duration)> = LazyLock::new(|| (Instant::now(), passed()));

/// The stack of the thread that looks at the clock, which writes a log line at most.
const STACK: usize = 256 * 1024;

fn read() -> (Instant, Duration) {
    let (instant, beginning) = *BEGINNING;
    let ClockReading { ran, stood } = CLOCK.read(passed);
    (instant + ran.saturating_sub(beginning), stood)
}

/// The time that passes for everybody, also while the machine is suspended.
fn passed() -> Duration {
    #[cfg(target_os = "linux")]
    const EVERYBODYS: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const EVERYBODYS: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(EVERYBODYS)).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_failed_while_the_process_stood_still_is_done_once_more() {
        const STOOD: Duration = Duration::from_secs(2);
        let busy = Duration::from_millis(600);
        for (stood, results, outcome, times) in [
            (STOOD, [Err(1), Ok(2)], Ok(2), 2),
            (STOOD, [Err(1), Err(2)], Err(2), 2),
            (STOOD, [Ok(1), Err(2)], Ok(1), 1),
            (busy, [Err(1), Ok(2)], Err(1), 1),
            (Duration::ZERO, [Err(1), Ok(2)], Err(1), 1),
        ] {
            let now = Cell::new(Moment::now());
            let mut left = results.into_iter();
            let found = again_if_stood(
                || now.get(),
                || {
                    let mut later = now.get();
                    later.stood += stood;
                    now.set(later);
                    left.next().unwrap()
                },
            );
            assert_eq!(found, outcome);
            assert_eq!(results.len() - left.len(), times);
        }
    }
}
