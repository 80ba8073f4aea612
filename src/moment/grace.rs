//! What whoever a deadline binds is granted when we are late ourselves.
//!
//! Pure: time is an argument.

use std::time::{Duration, Instant};

/// Looks at a deadline that somebody else has to meet. Who looks long after it was at fault itself:
/// what should have come may be on its way, or may wait for something of ours.
///
/// What is there is to be read before a deadline is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grace {
    /// Until when a deadline that has passed is not judged.
    until: Option<Instant>,
}

impl Grace {
    /// How long it is until `deadline` may be judged; zero if it may now. `behind`: not all that is
    /// there is read yet.
    pub fn left(&mut self, deadline: Instant, behind: bool, now: Instant) -> Duration {
        let late = now.saturating_duration_since(deadline);
        if now < deadline {
            self.until = None;
            return deadline.saturating_duration_since(now);
        }
        let is_late = behind || late > LATE_FROM;
        let grace = if is_late { GRACE } else { Duration::ZERO };
        let until = *self.until.get_or_insert(now + grace);
        until.saturating_duration_since(now)
    }

    /// When a deadline is to be looked at.
    pub fn looks_at(&self, deadline: Instant) -> Instant {
        self.until.map_or(deadline, |until| until.max(deadline))
    }
}

/// Our limit: a look at a deadline that comes later is late.
pub const LATE_FROM: Duration = Duration::from_millis(100);

/// Our limit: how much longer others then have, whatever their deadline was.
pub const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn who_looks_in_time_judges_at_once() {
        let start = Instant::now();
        let deadline = start + 10_000 * MS;
        let mut grace = Grace::default();
        assert_eq!(grace.left(deadline, false, start), 10_000 * MS);
        assert_eq!(grace.left(deadline, true, start), 10_000 * MS);
        assert_eq!(grace.left(deadline, false, deadline + MS), Duration::ZERO);
        assert_eq!(grace.looks_at(deadline), deadline + MS);
    }

    #[test]
    fn who_looks_late_or_has_not_read_all_grants_a_grace_once() {
        let deadline = Instant::now() + 10_000 * MS;
        for (late, behind) in [(101 * MS, false), (40_000 * MS, false), (MS, true)] {
            let mut grace = Grace::default();
            let now = deadline + late;
            assert_eq!(grace.left(deadline, behind, now), GRACE);
            assert_eq!(grace.looks_at(deadline), now + GRACE);
            // An earlier deadline was met meanwhile, and this one was not.
            assert_eq!(grace.left(deadline + MS, true, now + GRACE / 2), GRACE / 2);
            assert_eq!(grace.left(deadline, true, now + GRACE), Duration::ZERO);
            // Another deadline begins anew.
            let next = now + 10_000 * MS;
            assert_eq!(grace.left(next, false, now + GRACE), next - (now + GRACE));
            assert_eq!(grace.left(next, false, next + 200 * MS), GRACE);
        }
    }
}
