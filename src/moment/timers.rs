//! Several points in time by name, of which the next one is waited for.
//!
//! What there is any number of, as the deadlines of streams, is no timer: that stands in a queue of
//! its own.
//!
//! Pure: time is an argument.

use std::time::Instant;

/// Timers by name, each of which is set to a point in time, or stopped: a handful, looked through.
#[derive(Clone, Debug)]
pub struct Timers<K>(Vec<(K, Instant)>);

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + PartialEq> Timers<K> {
    /// Sets a timer, whatever it was set to; to `None` stops it.
    pub fn set(&mut self, name: K, at: impl Into<Option<Instant>>) {
        self.0.retain(|(each, _)| *each != name);
        self.0.extend(at.into().map(|at| (name, at)));
    }

    /// Sets a timer unless it is set.
    pub fn start(&mut self, name: K, at: Instant) {
        if self.at(name).is_none() {
            self.set(name, at);
        }
    }

    /// Stops a timer; whether it was set.
    pub fn stop(&mut self, name: K) -> bool {
        let before = self.0.len();
        self.set(name, None);
        self.0.len() < before
    }

    /// Stops a timer whose time has come; whether it has.
    pub fn take_due(&mut self, name: K, now: Instant) -> bool {
        self.is_due(name, now) && self.stop(name)
    }

    /// Whether a timer is set and its time has come.
    pub fn is_due(&self, name: K, now: Instant) -> bool {
        self.at(name).is_some_and(|at| at <= now)
    }

    /// What a timer is set to.
    pub fn at(&self, name: K) -> Option<Instant> {
        let slot = self.0.iter().find(|(each, _)| *each == name);
        slot.map(|(_, at)| *at)
    }

    /// The earliest time of those timers that are `wanted`.
    pub fn next(&self, wanted: impl Fn(K) -> bool) -> Option<Instant> {
        let wanted = self.0.iter().filter(|(name, _)| wanted(*name));
        wanted.map(|(_, at)| *at).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_name_has_a_time_of_its_own() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        assert_eq!((timers.at('a'), timers.next(|_| true)), (None, None));
        assert!(!timers.stop('a') && !timers.take_due('a', at(9)));

        timers.set('a', at(3));
        timers.start('a', at(1));
        timers.start('b', at(2));
        assert_eq!(timers.at('a'), Some(at(3)));
        assert_eq!(timers.next(|_| true), Some(at(2)));
        assert_eq!(timers.next(|name| name != 'b'), Some(at(3)));
        assert_eq!(timers.next(|name| name == 'c'), None);

        assert!(!timers.is_due('b', at(1)) && !timers.take_due('b', at(1)));
        assert!(timers.is_due('b', at(2)) && timers.take_due('b', at(2)));
        assert_eq!((timers.at('b'), timers.at('a')), (None, Some(at(3))));

        timers.set('a', at(1));
        assert_eq!(timers.at('a'), Some(at(1)));
        timers.set('a', None);
        assert_eq!(timers.next(|_| true), None);
        timers.set('c', at(1));
        assert!(timers.stop('c') && !timers.stop('c'));
    }
}
