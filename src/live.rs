//! A value that is replaced while others read it: what a reload changes.
//!
//! Whoever reads it often keeps a [`Reader`], for which an unchanged value costs one load.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A value, the same for all who look at it, until the next takes its place.
#[derive(Debug, Default)]
pub struct Live<T> {
    /// Values that were here before this one.
    generation: AtomicU64,
    value: RwLock<Arc<T>>,
}

impl<T> Live<T> {
    /// With its first value.
    pub fn new(value: T) -> Self {
        Self::of(Arc::new(value))
    }

    /// The same, with a value that others have already.
    pub fn of(value: Arc<T>) -> Self {
        Self {
            generation: AtomicU64::new(0),
            value: RwLock::new(value),
        }
    }

    /// The value that is in force.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place; who has the old one keeps it until the next look.
    pub fn set(&self, value: T) {
        self.share(Arc::new(value));
    }

    /// The same, with a value that others have already.
    pub fn share(&self, value: Arc<T>) {
        let mut place = self.value.write().unwrap_or_else(PoisonError::into_inner);
        *place = value;
        // Under the lock, so that the number that a reader finds is never ahead of the value.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// One reader's view.
    pub fn reader(self: &Arc<Self>) -> Reader<T> {
        let seen = self.generation.load(Ordering::Acquire);
        Reader {
            seen,
            value: self.get(),
            live: Arc::clone(self),
        }
    }
}

/// One thread's view of a [`Live`] value.
#[derive(Debug)]
pub struct Reader<T> {
    live: Arc<Live<T>>,
    seen: u64,
    value: Arc<T>,
}

impl<T> Reader<T> {
    /// The value that is in force, for who looks seldom.
    pub fn look(&self) -> Arc<T> {
        self.live.get()
    }

    /// The value that is in force.
    pub fn get(&mut self) -> &T {
        let generation = self.live.generation.load(Ordering::Acquire);
        if generation != self.seen {
            self.seen = generation;
            self.value = self.live.get();
        }
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_follow_and_who_holds_the_old_value_keeps_it() {
        let live = Arc::new(Live::new(1));
        let (mut early, held) = (live.reader(), live.get());
        assert_eq!((*early.get(), *held), (1, 1));
        live.set(2);
        assert_eq!((*early.get(), *held, *live.get()), (2, 1, 2));
        let mut late = live.reader();
        live.set(3);
        live.set(4);
        assert_eq!((*early.get(), *late.get()), (4, 4));
    }
}
