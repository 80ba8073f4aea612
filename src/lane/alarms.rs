//! What the operator is told about a lane as a whole: once for all its threads, not too often, and
//! of refusals that only mean something in numbers, when there are as many.
//!
//! Pure: time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::push::DeviceToken;

/// The same is told again after this.
pub const ALARM_EVERY: Duration = Duration::from_secs(60);
/// Different reasons told apart; further ones count as one.
pub const ALARM_REASONS: usize = 32;
/// So many device tokens refused within [`ALARM_EVERY`] point to the configuration.
pub const MANY_TOKENS: usize = 10;

/// What the reasons beyond [`ALARM_REASONS`] are known as.
const OTHER_REASONS: &str = "other reasons";

/// What was told when.
#[derive(Debug, Default)]
pub struct Alarms {
    reasons: BTreeMap<String, Reason>,
}

#[derive(Debug, Default)]
struct Reason {
    told: Option<Instant>,
    /// Since when `tokens` are gathered.
    since: Option<Instant>,
    /// Hashes of device tokens, at most [`MANY_TOKENS`].
    tokens: BTreeSet<u64>,
}

impl Alarms {
    /// Whether to tell of this reason now.
    pub fn is_due(&mut self, reason: &str, now: Instant) -> bool {
        self.reason(reason).is_due(now)
    }

    /// Whether to tell of this reason now, which was given for that device token: not before it
    /// was given for [`MANY_TOKENS`] of them.
    pub fn is_due_of_many(&mut self, reason: &str, token: &DeviceToken, now: Instant) -> bool {
        let known = self.reason(reason);
        let is_over = |since: Instant| now.saturating_duration_since(since) >= ALARM_EVERY;
        if known.since.is_none_or(is_over) {
            known.since = Some(now);
            known.tokens.clear();
        }
        if known.tokens.len() < MANY_TOKENS {
            let mut hasher = DefaultHasher::new();
            token.as_str().hash(&mut hasher);
            known.tokens.insert(hasher.finish());
        }
        known.tokens.len() >= MANY_TOKENS && known.is_due(now)
    }

    fn reason(&mut self, reason: &str) -> &mut Reason {
        let is_known = self.reasons.len() < ALARM_REASONS || self.reasons.contains_key(reason);
        let name = if is_known { reason } else { OTHER_REASONS };
        self.reasons.entry(name.to_owned()).or_default()
    }
}

impl Reason {
    fn is_due(&mut self, now: Instant) -> bool {
        let is_recent = |told: Instant| now.saturating_duration_since(told) < ALARM_EVERY;
        let due = !self.told.is_some_and(is_recent);
        if due {
            self.told = Some(now);
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
        assert_eq!(alarms.reasons.len(), ALARM_REASONS + 1);
        assert!(
            !alarms.is_due("Reason0", now),
            "the first are not forgotten"
        );
        assert!(!alarms.is_due("Reason99", now), "it is among the others");
    }

    #[test]
    fn a_refusal_of_many_device_tokens_is_told_and_one_of_few_is_not() {
        let now = Instant::now();
        let mut alarms = Alarms::default();
        let token = |number: usize| DeviceToken::new(format!("{number:064x}"));
        for _ in 0..10 * MANY_TOKENS {
            assert!(
                !alarms.is_due_of_many("400 r", &token(0), now),
                "one device"
            );
        }
        for number in 1..MANY_TOKENS - 1 {
            assert!(!alarms.is_due_of_many("400 r", &token(number), now));
        }
        assert!(alarms.is_due_of_many("400 r", &token(MANY_TOKENS), now));
        for number in 0..10 * MANY_TOKENS {
            assert!(!alarms.is_due_of_many("400 r", &token(number), now), "once");
        }
        let known = &alarms.reasons["400 r"];
        assert_eq!(known.tokens.len(), MANY_TOKENS);
        // Few of them in each minute are few.
        for number in 0..10 * MANY_TOKENS {
            let later = now + ALARM_EVERY * u32::try_from(number + 2).unwrap();
            assert!(!alarms.is_due_of_many("400 r", &token(number), later));
        }
    }
}
