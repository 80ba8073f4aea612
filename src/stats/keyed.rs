//! Counters by a key that is one of few: each takes a place when it is first counted, and no lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters, each with its key. What comes when all places are taken is counted under the key for
/// what is left over, so that there are never more than `N`.
#[derive(Debug)]
pub struct KeyedCounters<K, const N: usize> {
    /// Made when something is first counted: most lanes of most sites never count most things.
    places: OnceLock<Box<[CounterPlace<K>; N]>>,
    rest: K,
}

#[derive(Debug)]
struct CounterPlace<K> {
    key: OnceLock<K>,
    count: AtomicU64,
}

impl<K: Copy + PartialEq, const N: usize> KeyedCounters<K, N> {
    /// Nothing is counted yet; `rest` is the key of what is left over.
    pub fn new(rest: K) -> Self {
        Self {
            places: OnceLock::new(),
            rest,
        }
    }

    /// Counts so many under that key.
    pub fn add(&self, key: K, more: u64) {
        if more == 0 {
            return;
        }
        let places = self.places.get_or_init(|| {
            Box::new(std::array::from_fn(|_| CounterPlace {
                key: OnceLock::new(),
                count: AtomicU64::new(0),
            }))
        });
        // The last place is kept for what finds none.
        let Some((last, others)) = places.split_last() else {
            return;
        };
        // What is left over by its name is there already.
        let others = if key == self.rest { &[] } else { others };
        for place in others {
            // Whoever comes first takes the place.
            if *place.key.get_or_init(|| key) == key {
                place.count.fetch_add(more, Ordering::Relaxed);
                return;
            }
        }
        last.key.get_or_init(|| self.rest);
        last.count.fetch_add(more, Ordering::Relaxed);
    }

    /// Each key that something was counted under, and how much.
    pub fn figures(&self) -> impl Iterator<Item = (K, u64)> {
        let places = self
            .places
            .get()
            .into_iter()
            .flat_map(|places| places.iter());
        places.filter_map(|place| {
            let key = *place.key.get()?;
            Some((key, place.count.load(Ordering::Relaxed)))
        })
    }

    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.figures().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_key_has_its_count_and_there_are_never_more_than_there_is_room_for() {
        let counters = KeyedCounters::<u32, 4>::new(0);
        assert_eq!(counters.figures().next(), None);
        counters.add(9, 0);
        assert_eq!(counters.figures().next(), None, "nothing was counted");
        for (key, more) in [(7, 2), (8, 1), (7, 1), (9, 1), (10, 5), (11, 1), (0, 1)] {
            counters.add(key, more);
        }
        let figures: Vec<_> = counters.figures().collect();
        assert_eq!(figures, [(7, 3), (8, 1), (9, 1), (0, 7)]);
        assert_eq!(counters.sum(), 12);
    }

    #[test]
    fn threads_that_count_at_once_lose_nothing() {
        let counters = KeyedCounters::<u32, 8>::new(0);
        thread::scope(|scope| {
            for first in 0..4 {
                let counters = &counters;
                scope.spawn(move || {
                    for round in 0..10_000 {
                        counters.add((first + round) % 5 + 1, 1);
                    }
                });
            }
        });
        let mut figures: Vec<_> = counters.figures().collect();
        figures.sort_unstable();
        assert_eq!(figures, [1, 2, 3, 4, 5].map(|key| (key, 8_000)));
    }
}
