//! Streams of chance: appends, losses, syncs, faults, kills and power failures at any change.

use std::collections::BTreeMap;

use super::*;
use crate::jitter::Random;
use crate::journal::fixture::{Loss, Part};

/// What is known of one stream over its processes.
struct Chance {
    random: Random,
    files: MemoryFiles,
    next_id: u64,
    /// Whether a segment has stayed that was to go: what comes after it may be gone.
    has_stayed: bool,
    /// What was shown.
    seen: BTreeMap<u64, Item>,
}

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.random.draw() % most
    }

    /// One process, until it ends or dies.
    fn live(&mut self) {
        let (mut writer, _) = open(&self.files);
        self.check(&writer);
        if self.below(3) == 0 {
            let at = self.files.operations() + self.below(60);
            self.files.power_off_at(at);
        }
        if self.below(3) == 0 {
            let from = self.files.operations() + self.below(30);
            let part = [Part::Nothing, Part::Half, Part::All, Part::Undone];
            let part = part[usize::try_from(self.below(4)).unwrap()];
            let to = from + 1 + self.below(3);
            self.files.break_changes(from..to, part);
        }
        let mut waiting = Entries::default();
        for _ in 0..self.below(40) {
            if waiting.is_empty() {
                let (records, lost) = (self.below(12), self.below(4).saturating_sub(2));
                waiting = entries(self.next_id..self.next_id + records, lost);
                self.next_id += records + lost;
            }
            self.has_stayed |= !writer.troubles.is_empty();
            // What fails is tried again; what it has not taken stays.
            let _written = writer.append(&mut waiting, at(0)).is_ok();
            if self.below(3) == 0 {
                let _synced = writer.sync().is_ok();
            }
            if self.below(4) == 0 {
                self.check(&writer);
            }
        }
        let ends = self.below(2) == 0 && waiting.is_empty();
        if ends {
            let _ended = writer.end().is_ok();
            self.check(&writer);
        }
        let loss = match self.below(3) {
            0 => Loss::Nothing,
            1 => Loss::Unsynced,
            _ => Loss::Torn(self.random.draw()),
        };
        self.files = self.files.reboot(loss);
    }

    /// Nothing is invented, nothing comes twice, gaps are exact, and what was shown is shown again.
    fn check(&mut self, writer: &StreamWriter) {
        let limit = usize::try_from(1 + self.below(9)).unwrap();
        let after = match self.below(2) {
            0 => 0,
            _ => self.below(lock(&writer.shelf).shown),
        };
        let items = all(writer, after, limit);
        let (mut number, mut id, mut is_sure) = (after, None, true);
        for item in items {
            match item {
                Item::Gap(at, Some(size)) => {
                    assert_eq!(at - number, size);
                    is_sure &= !self.has_stayed;
                }
                Item::Gap(at, None) => {
                    assert!(at > number);
                    is_sure = false;
                }
                Item::Record(at, found) => {
                    assert!(at > number && found < self.next_id, "{item:?}");
                    if let Some((of, before)) = id {
                        assert!(found > before, "{found} after {before}");
                        let (lost, numbers) = (found - before, at - of);
                        assert!(
                            !is_sure || lost == numbers,
                            "{item:?} after {before} at {of}"
                        );
                    }
                    (id, is_sure) = (Some((at, found)), true);
                    let shown = self.seen.insert(at, item);
                    assert!(shown.is_none_or(|it| it == item), "{item:?}, was {shown:?}");
                }
            }
            number = item.number();
        }
        assert_eq!(number, lock(&writer.shelf).shown - 1);
    }
}

#[test]
fn nothing_is_invented_nothing_comes_twice_and_gaps_are_exact_whatever_fails() {
    for seed in 0..60 {
        let mut chance = Chance {
            random: Random::new(seed),
            files: MemoryFiles::default(),
            next_id: 1,
            has_stayed: false,
            seen: BTreeMap::new(),
        };
        for _ in 0..8 {
            chance.live();
        }
    }
}
