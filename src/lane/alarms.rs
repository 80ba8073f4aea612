//! What the operator is told about a lane as a whole: once for all its threads, not too often.
//!
//! Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What an alarm has told is told again after this.
pub const ALARM_EVERY: Duration = Duration::from_secs(60);
/// Different reasons told apart; further ones count as one.
pub const ALARM_REASONS: usize = 32;

/// What the reasons beyond [`ALARM_REASONS`] are known as.
const OTHER_REASONS: &str = "other reasons";

/// What was told when.
#[derive(Debug, Default)]
pub struct Alarms {
    told: BTreeMap<String, Instant>,
}

impl Alarms {
    /// Whether to tell of this reason now.
    pub fn is_due(&mut self, reason: &str, now: Instant) -> bool {
        let is_known = self.told.len() < ALARM_REASONS || self.told.contains_key(reason);
        let name = if is_known { reason } else { OTHER_REASONS };
        let is_recent = |told: &Instant| now.saturating_duration_since(*told) < ALARM_EVERY;
        let due = !self.told.get(name).is_some_and(is_recent);
        if due {
            self.told.insert(name.to_owned(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_a_minute() {
        let now = Instant::now();
        let mut alarms = Alarms::default();
        assert!(alarms.is_due("401 THIRD_PARTY_AUTH_ERROR", now));
        assert!(!alarms.is_due("401 THIRD_PARTY_AUTH_ERROR", now + ALARM_EVERY / 2));
        assert!(alarms.is_due("401 another", now));
        assert!(alarms.is_due("401 THIRD_PARTY_AUTH_ERROR", now + ALARM_EVERY));
    }

    #[test]
    fn reasons_without_end_are_told_together() {
        let now = Instant::now();
        let mut alarms = Alarms::default();
        for number in 0..3 * ALARM_REASONS {
            alarms.is_due(&format!("Reason{number}"), now);
        }
        assert_eq!(alarms.told.len(), ALARM_REASONS + 1);
        assert!(
            !alarms.is_due("Reason0", now),
            "the first are not forgotten"
        );
        assert!(!alarms.is_due("Reason99", now), "it is among the others");
    }
}
