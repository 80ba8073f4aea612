//! What happens often and is told seldom, so that it fills no disk.
//!
//! Pure: time is an argument.

use std::time::{Duration, Instant};

/// Counts what happens between two lines of the operator log.
#[derive(Debug)]
pub struct Seldom {
    unsaid: u64,
    said: Option<Instant>,
    every: Duration,
}

impl Default for Seldom {
    /// Once a minute.
    fn default() -> Self {
        Self::every(SAY_EVERY)
    }
}

impl Seldom {
    /// A line at most so often.
    pub const fn every(every: Duration) -> Self {
        Self {
            unsaid: 0,
            said: None,
            every,
        }
    }

    /// It has happened once more. How often since it was last told, if it is time to tell it.
    pub fn note(&mut self, now: Instant) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        self.due(now)
    }

    /// How often it has happened since it was last told, if it has and it is time to tell it.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        let since = self.said.map(|at| now.saturating_duration_since(at));
        let due = self.unsaid > 0 && since.is_none_or(|since| since >= self.every);
        due.then(|| {
            self.said = Some(now);
            std::mem::take(&mut self.unsaid)
        })
    }
}

/// Our limit: a line about one kind of thing at most this often.
const SAY_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_once_a_minute() {
        let start = Instant::now();
        let mut seldom = Seldom::default();
        let mut told = Vec::new();
        for second in 0..121 {
            told.extend(seldom.note(start + Duration::from_secs(second)));
        }
        assert_eq!(told, [1, 60, 60]);
    }

    #[test]
    fn the_last_ones_are_told_when_nothing_more_happens() {
        let start = Instant::now();
        let mut seldom = Seldom::default();
        assert_eq!(seldom.due(start), None);
        assert_eq!(seldom.note(start), Some(1));
        assert_eq!(seldom.note(start + SAY_EVERY / 2), None);
        assert_eq!(seldom.due(start + SAY_EVERY / 2), None);
        assert_eq!(seldom.due(start + SAY_EVERY), Some(1));
        assert_eq!(seldom.due(start + 3 * SAY_EVERY), None);
    }
}
