//! Requests that are not let in, and how often the operator hears of them.
//!
//! Pure: time is an argument.

use std::time::{Duration, Instant};

/// Counts those that are refused for one reason between two lines of the operator log.
#[derive(Debug, Default)]
pub(super) struct Intruders {
    unsaid: u64,
    said: Option<Instant>,
}

impl Intruders {
    /// One more. The number to tell the operator now, if it is time.
    pub(super) fn note(&mut self, now: Instant) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        let since = self.said.map(|at| now.saturating_duration_since(at));
        let due = since.is_none_or(|since| since >= SAY_EVERY);
        due.then(|| {
            self.said = Some(now);
            std::mem::take(&mut self.unsaid)
        })
    }
}

/// Our limit: a line about them at most this often; a port scan must not fill a disk.
const SAY_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_once_a_minute() {
        let start = Instant::now();
        let mut intruders = Intruders::default();
        let mut told = Vec::new();
        for second in 0..121 {
            told.extend(intruders.note(start + Duration::from_secs(second)));
        }
        assert_eq!(told, [1, 60, 60]);
    }
}
