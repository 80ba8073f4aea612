//! What became of what was sent, by reason. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::count::{self, grouped};
use crate::texts;

/// Numbers of pushes and of what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SendTally {
    /// Pushes that the daemon has.
    pub(super) accepted: u64,
    /// Parts that it refused: device tokens, or notifications.
    pub(super) rejected: u64,
    /// These by reason.
    pub(super) reasons: BTreeMap<String, u64>,
    /// Records of the file that cannot be used.
    pub(super) unusable: u64,
    /// What was passed over, since nobody knew whether the daemon has it.
    pub(super) skipped: u64,
}

impl SendTally {
    /// So many parts were rejected for that reason.
    pub(super) fn reject(&mut self, reason: &str, parts: u64) {
        self.rejected += parts;
        let reason = texts::first(reason, REASON_MAX);
        let is_known = self.reasons.contains_key(reason);
        let reason = if is_known || self.reasons.len() < REASONS_MAX {
            reason
        } else {
            OTHER_REASONS
        };
        *self.reasons.entry(reason.to_owned()).or_default() += parts;
    }

    /// Adds what became of more.
    pub(super) fn add(&mut self, more: &Self) {
        self.accepted += more.accepted;
        self.unusable += more.unusable;
        self.skipped += more.skipped;
        for (reason, parts) in &more.reasons {
            self.reject(reason, *parts);
        }
    }

    /// Whether all of it is on its way.
    pub(super) fn is_whole(&self) -> bool {
        self.rejected == 0 && self.unusable == 0 && self.skipped == 0
    }

    /// A line for each number, and below what was rejected one for each reason, the most first.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, number: u64, what: &str| {
            // Writing to a text cannot fail.
            let _written = writeln!(text, "{name:<10} {:>11} {what}", grouped(number));
        };
        line(
            "accepted",
            self.accepted,
            &plain("push", "pushes", self.accepted),
        );
        if self.rejected > 0 {
            line("rejected", self.rejected, "");
            let mut reasons: Vec<_> = self.reasons.iter().collect();
            reasons.sort_by_key(|(reason, number)| (std::cmp::Reverse(**number), *reason));
            for (reason, number) in reasons {
                line("", *number, reason);
            }
        }
        if self.unusable > 0 {
            line(
                "unusable",
                self.unusable,
                &plain("record", "records", self.unusable),
            );
        }
        if self.skipped > 0 {
            line("skipped", self.skipped, "in doubt");
        }
        let lines = text.lines().map(|line| line.trim_end().to_owned() + "\n");
        lines.collect()
    }
}

/// The word for so many.
fn plain(one: &str, many: &str, number: u64) -> String {
    let told = count::of(number, one, many);
    told.split_once(' ')
        .map(|(_, word)| word.to_owned())
        .unwrap_or_default()
}

/// Our limit: reasons that are told apart.
const REASONS_MAX: usize = 50;

/// Our limit: characters of a reason that are kept.
const REASON_MAX: usize = 120;

/// What the others are called.
const OTHER_REASONS: &str = "other reasons";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_names_each_reason_the_most_first() {
        let mut tally = SendTally {
            accepted: 1_000_000,
            unusable: 1,
            ..SendTally::default()
        };
        tally.reject("empty message", 2);
        let mut more = SendTally::default();
        more.reject("bad device token", 1200);
        more.reject("empty message", 1);
        tally.add(&more);
        assert_eq!(
            tally.told(),
            "accepted     1,000,000 pushes\n\
             rejected         1,203\n\
             \x20                1,200 bad device token\n\
             \x20                    3 empty message\n\
             unusable             1 record\n"
        );
        assert!(!tally.is_whole());
    }

    #[test]
    fn reasons_beyond_those_that_are_told_apart_are_one() {
        let mut tally = SendTally::default();
        for number in 0..REASONS_MAX + 10 {
            tally.reject(&number.to_string(), 1);
        }
        assert_eq!(tally.rejected, 60);
        let told = tally.told();
        assert!(told.contains("10 other reasons"), "{told}");
        assert_eq!(told.lines().count(), 2 + REASONS_MAX + 1);
    }
}
