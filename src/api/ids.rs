//! Push ids, unique over restarts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::moment::Moment;
use crate::push::PushId;

/// Where the next push ids come from.
///
/// They start at twice the microseconds since 1970: as long as fewer than two million pushes a
/// second are accepted on average and the wall clock is not set back, a restarted process starts
/// beyond the ids of the one before it.
#[derive(Debug)]
pub struct Ids {
    next: AtomicU64,
}

impl Ids {
    /// Ids of a process that starts now.
    pub fn starting(now: Moment) -> Self {
        let micros = u64::try_from(now.unix.as_micros()).unwrap_or(u64::MAX);
        Self::from(PushId(micros.saturating_mul(2).clamp(1, LAST_START)))
    }

    /// No id up to this one is given from now on.
    pub fn raise_above(&self, used: PushId) {
        self.next
            .fetch_max(used.0.saturating_add(1), Ordering::Relaxed);
    }

    /// The id that is given next, if nobody takes it before.
    pub fn next(&self) -> PushId {
        PushId(self.next.load(Ordering::Relaxed))
    }

    /// The first of `count` consecutive ids, which are never given again.
    pub fn take(&self, count: u64) -> PushId {
        PushId(self.next.fetch_add(count, Ordering::Relaxed))
    }
}

impl From<PushId> for Ids {
    fn from(first: PushId) -> Self {
        Self {
            next: AtomicU64::new(first.0),
        }
    }
}

/// Leaves 2^52 ids below 2^53 to a process whose clock is wrong; ours is right until 2041.
const LAST_START: u64 = 1 << 52;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn at(unix: Duration) -> Moment {
        Moment {
            monotonic: Instant::now(),
            unix,
        }
    }

    #[test]
    fn ids_are_consecutive_and_never_given_twice() {
        let ids = Ids::from(PushId(7));
        assert_eq!(ids.take(3), PushId(7));
        assert_eq!(ids.take(0), PushId(10));
        assert_eq!(ids.take(1), PushId(10));
        assert_eq!(ids.take(1), PushId(11));
    }

    #[test]
    fn ids_that_were_used_before_are_not_given_again() {
        let ids = Ids::from(PushId(7));
        ids.raise_above(PushId(3));
        assert_eq!((ids.next(), ids.take(1)), (PushId(7), PushId(7)));
        ids.raise_above(PushId(100));
        assert_eq!((ids.next(), ids.take(1)), (PushId(101), PushId(101)));
    }

    #[test]
    fn a_restart_starts_beyond_a_million_pushes_a_second() {
        let before = Ids::starting(at(Duration::from_secs(1_795_000_000)));
        let last = before.take(10_000_000);
        let after = Ids::starting(at(Duration::from_secs(1_795_000_010)));
        assert!(after.take(1).0 >= last.0 + 10_000_000);
    }

    #[test]
    fn no_clock_makes_an_id_that_json_readers_round() {
        for unix in [
            Duration::ZERO,
            Duration::from_secs(4_000_000_000),
            Duration::MAX,
        ] {
            let first = Ids::starting(at(unix)).take(1).0;
            assert!(first > 0 && first < 1 << 53, "{first}");
        }
    }
}
