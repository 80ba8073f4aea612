//! Pushes whose ends are awaited, and how each has ended. Pure.

use crate::count::grouped;

/// Some pushes, by their ids.
#[derive(Debug, Default)]
pub(super) struct FollowedPushes {
    /// Ids that follow each other, the least first.
    spans: Vec<IdSpan>,
    /// For each push the number of its end in `kinds`, from 1 on; 0 while it has none.
    ended: Vec<u8>,
    kinds: Vec<EndKind>,
    /// Pushes that have not ended.
    open: usize,
    /// Pushes that there was no room for.
    beyond: u64,
    /// Records of ends that are missing, the push's or another's; whether it is more than that.
    missing: (u64, bool),
}

/// Ids that follow each other.
#[derive(Debug)]
struct IdSpan {
    first: u64,
    count: u64,
    /// Where in `ended` the first of them is.
    at: usize,
}

impl IdSpan {
    /// Whether an id and its place come right behind these.
    fn goes_on(&self, first: u64, at: usize) -> bool {
        let places = usize::try_from(self.count);
        self.first.checked_add(self.count) == Some(first)
            && places.is_ok_and(|count| self.at + count == at)
    }
}

/// How some have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndKind {
    /// In words.
    pub(super) told: String,
    /// Whether the provider has taken them.
    pub(super) is_success: bool,
}

impl FollowedPushes {
    /// Follows so many pushes from an id on, as far as there is room.
    pub(super) fn add(&mut self, first: u64, count: u64) {
        let room = PUSHES_MAX.saturating_sub(self.ended.len()) as u64;
        let taken = count.min(room);
        self.beyond += count - taken;
        let at = self.ended.len();
        self.ended
            .resize(at + usize::try_from(taken).unwrap_or(0), 0);
        self.open = self.open.saturating_add(self.ended.len() - at);
        match self.spans.last_mut() {
            Some(last) if last.goes_on(first, at) => last.count += taken,
            Some(last) if last.first >= first => {
                let place = self.spans.partition_point(|span| span.first <= first);
                self.spans.insert(
                    place,
                    IdSpan {
                        first,
                        count: taken,
                        at,
                    },
                );
            }
            _ => self.spans.push(IdSpan {
                first,
                count: taken,
                at,
            }),
        }
    }

    /// Takes note of how a push has ended, if it is one of these. Of several ends the last counts.
    pub(super) fn end(&mut self, id: u64, kind: impl FnOnce() -> EndKind) {
        let behind = self.spans.partition_point(|span| span.first <= id);
        let span = behind.checked_sub(1).and_then(|at| self.spans.get(at));
        let Some(span) = span.filter(|span| id - span.first < span.count) else {
            return;
        };
        let at = usize::try_from(id - span.first).map(|offset| span.at + offset);
        let number = self.number_of(kind());
        let Some(ended) = at.ok().and_then(|at| self.ended.get_mut(at)) else {
            return;
        };
        if std::mem::replace(ended, number) == 0 {
            self.open -= 1;
        }
    }

    fn number_of(&mut self, kind: EndKind) -> u8 {
        let known = self.kinds.iter().position(|known| *known == kind);
        let at = known.unwrap_or_else(|| {
            let others = EndKind {
                told: OTHER_ENDS.to_owned(),
                is_success: false,
            };
            // The last place is theirs.
            match self.kinds.len() {
                0..KINDS_MAX => self.kinds.push(kind),
                KINDS_MAX => self.kinds.push(others),
                _ => {}
            }
            self.kinds.len() - 1
        });
        u8::try_from(at + 1).unwrap_or(u8::MAX)
    }

    /// So many records of ends are missing, or an unknown number.
    pub(super) fn miss(&mut self, records: Option<u64>) {
        let (known, is_more) = self.missing;
        self.missing = match records {
            Some(records) => (known.saturating_add(records), is_more),
            None => (known, true),
        };
    }

    /// Whether all that there was room for have ended.
    pub(super) fn have_all_ended(&self) -> bool {
        self.open == 0
    }

    /// Whether one has ended otherwise than it should.
    pub(super) fn has_failures(&self) -> bool {
        let failed = |number: &u8| {
            let at = usize::from(*number).checked_sub(1);
            let kind = at.and_then(|at| self.kinds.get(at));
            kind.is_some_and(|kind| !kind.is_success)
        };
        self.ended.iter().any(failed)
    }

    /// A line for each kind of end, the most first, and one for those of which none is known.
    pub(super) fn told(&self) -> String {
        let mut numbers = vec![0_u64; self.kinds.len() + 1];
        for kind in &self.ended {
            if let Some(number) = numbers.get_mut(usize::from(*kind)) {
                *number += 1;
            }
        }
        let ends = numbers.iter().skip(1).zip(&self.kinds);
        let mut ends: Vec<_> = ends.map(|(number, kind)| (*number, &*kind.told)).collect();
        ends.sort_by_key(|(number, told)| (std::cmp::Reverse(*number), *told));
        ends.push((self.open as u64, UNSETTLED));
        ends.push((self.beyond, "not followed: the push log has them"));
        let (missing, is_more) = self.missing;
        let missing_told = format!(
            "records missing in the feed{}: the push log has them",
            if is_more { ", and more" } else { "" }
        );
        let mut text = lines(ends);
        if self.open > 0 && (missing > 0 || is_more) {
            text.push_str(&line(missing, &missing_told));
        }
        text
    }
}

/// A line for each number that is not 0, and what it is of.
pub(super) fn lines<'t>(numbers: impl IntoIterator<Item = (u64, &'t str)>) -> String {
    let some = numbers.into_iter().filter(|(number, _)| *number > 0);
    some.map(|(number, what)| line(number, what)).collect()
}

fn line(number: u64, what: &str) -> String {
    format!("{:>22} {what}\n", grouped(number))
}

/// What is said of pushes that have not ended.
pub(super) const UNSETTLED: &str = "not settled yet";

/// Our limit: pushes of a run whose ends are followed, a byte for each.
const PUSHES_MAX: usize = 50_000_000;

/// Our limit: kinds of ends that are told apart, at most as many as a byte has numbers for.
const KINDS_MAX: usize = 200;

/// What the others are called.
const OTHER_ENDS: &str = "failed for other reasons";

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(told: &str) -> EndKind {
        EndKind {
            told: told.to_owned(),
            is_success: told == "succeeded",
        }
    }

    #[test]
    fn each_push_is_counted_once_by_its_last_end_whatever_the_order_of_ids() {
        let mut pushes = FollowedPushes::default();
        for (first, count) in [(100, 10), (110, 5), (300, 500), (50, 2), (7, 1), (800, 500)] {
            pushes.add(first, count);
        }
        assert_eq!(pushes.spans.len(), 5);
        for stranger in [0, 6, 8, 49, 52, 99, 115, 299, 1300, u64::MAX] {
            pushes.end(stranger, || kind("succeeded"));
        }
        assert_eq!(pushes.told(), lines([(1018, UNSETTLED)]));
        for id in (300..1300).chain([7, 50, 51]).chain(100..114) {
            pushes.end(id, || kind("succeeded"));
        }
        assert!(!pushes.has_failures() && !pushes.have_all_ended());
        pushes.end(7, || kind("failed Unregistered"));
        pushes.end(114, || kind("failed Unregistered"));
        assert!(pushes.has_failures() && pushes.have_all_ended());
        let told = lines([(1016, "succeeded"), (2, "failed Unregistered")]);
        assert_eq!(pushes.told(), told);
        // A second time changes nothing.
        pushes.end(7, || kind("succeeded"));
        let told = lines([(1017, "succeeded"), (1, "failed Unregistered")]);
        assert_eq!(pushes.told(), told);
    }

    #[test]
    fn more_kinds_of_ends_than_are_told_apart_are_one() {
        let mut pushes = FollowedPushes::default();
        pushes.add(1, 300);
        for id in 1..=300 {
            pushes.end(id, || kind(&format!("failed {id}")));
        }
        assert!(pushes.have_all_ended());
        assert!(pushes.told().starts_with(&line(100, OTHER_ENDS)));
        assert_eq!(pushes.told().lines().count(), KINDS_MAX + 1);
    }

    #[test]
    fn what_is_missing_is_told_where_a_push_may_be_among_it() {
        let mut pushes = FollowedPushes::default();
        pushes.add(1, 1);
        pushes.miss(Some(7));
        let missing = line(7, "records missing in the feed: the push log has them");
        assert_eq!(pushes.told(), lines([(1, UNSETTLED)]) + &missing);
        pushes.miss(None);
        assert!(
            pushes
                .told()
                .contains("7 records missing in the feed, and more: ")
        );
        pushes.end(1, || kind("succeeded"));
        assert_eq!(pushes.told(), lines([(1, "succeeded")]));
    }

    #[test]
    fn pushes_beyond_the_limit_are_counted() {
        let mut pushes = FollowedPushes::default();
        pushes.add(1, PUSHES_MAX as u64 - 1);
        pushes.add(PUSHES_MAX as u64, 3);
        pushes.add(9 * PUSHES_MAX as u64, 1);
        pushes.end(PUSHES_MAX as u64 + 1, || kind("succeeded"));
        pushes.end(9 * PUSHES_MAX as u64, || kind("succeeded"));
        let told = lines([
            (PUSHES_MAX as u64, UNSETTLED),
            (3, "not followed: the push log has them"),
        ]);
        assert_eq!(pushes.told(), told);
    }
}
