//! Signs of life of the daemon's threads, for a watchdog: each says before it waits or works by
//! when it will be heard of again.
//!
//! ```text
//! rest(until) ─ waits ─▶ busy ─ one round ─▶ busy ─ … ─▶ rest(until)
//!      └ until, and PATIENCE more      └ PATIENCE                         … ─▶ end
//! ```
//!
//! So both a thread that is stuck in one piece of work and one that missed its own wake-up are
//! overdue. That it is called to work and sleeps on is not seen: therefore no thread rests without
//! end.
//!
//! Pure: atomics only. Time is an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One thread's sign of life; clones are the same one.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    origin: Instant,
    /// Milliseconds after `origin` by which it is heard of again, or [`ENDED`].
    due: Arc<AtomicU64>,
}

impl Heartbeat {
    /// That of a thread that is about to start.
    pub fn new(now: Instant) -> Self {
        let heartbeat = Self {
            origin: now,
            due: Arc::default(),
        };
        heartbeat.busy(now);
        heartbeat
    }

    /// The thread begins a piece of work, which takes no time to speak of.
    pub fn busy(&self, now: Instant) {
        self.rest(now);
    }

    /// The thread waits, or is busy with something whose time is known, until then at most.
    pub fn rest(&self, until: Instant) {
        let due = until.saturating_duration_since(self.origin) + PATIENCE;
        let due = u64::try_from(due.as_millis()).unwrap_or(ENDED);
        self.due.store(due, Ordering::Relaxed);
    }

    /// The thread has ended, as it should.
    pub fn end(&self) {
        self.due.store(ENDED, Ordering::Relaxed);
    }

    /// Whether the thread has ended as it should.
    pub fn has_ended(&self) -> bool {
        self.due.load(Ordering::Relaxed) == ENDED
    }

    /// Whether it should have been heard of before now.
    pub fn is_overdue(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.origin).as_millis();
        now > u128::from(self.due.load(Ordering::Relaxed))
    }
}

/// All threads of the daemon that a watchdog is to look after, each with the name of its class.
#[derive(Debug, Default)]
pub struct Heartbeats(Vec<(String, Heartbeat)>);

impl Heartbeats {
    /// Adds a thread, and forgets those that have ended.
    pub fn add(&mut self, class: impl Into<String>, heartbeat: Heartbeat) {
        self.0.retain(|(_, beat)| !beat.has_ended());
        self.0.push((class.into(), heartbeat));
    }

    /// The classes with a thread that should have been heard of before now, each once.
    pub fn overdue(&self, now: Instant) -> Vec<&str> {
        let overdue = self.0.iter().filter(|(_, beat)| beat.is_overdue(now));
        let mut classes: Vec<&str> = overdue.map(|(class, _)| class.as_str()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }
}

/// Our limit: how long a thread may be late, or busy with one piece of work. Work takes
/// milliseconds; a host that is short of memory or CPU may stretch it a thousandfold.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Our limit: how long a thread rests that waits to be called, so that it is known to be alive.
pub const LONGEST_REST: Duration = Duration::from_secs(10);

const ENDED: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_thread_that_is_stuck_in_one_piece_of_work_is_overdue() {
        let start = Instant::now();
        let beat = Heartbeat::new(start);
        assert!(!beat.is_overdue(start + PATIENCE));
        assert!(beat.is_overdue(start + PATIENCE + MOMENT));
        beat.busy(start + PATIENCE);
        assert!(!beat.is_overdue(start + 2 * PATIENCE));
        assert!(beat.is_overdue(start + 2 * PATIENCE + MOMENT));
    }

    #[test]
    fn a_thread_that_misses_its_wake_up_is_overdue() {
        let start = Instant::now();
        let beat = Heartbeat::new(start);
        let until = start + Duration::from_secs(3600);
        beat.rest(until);
        assert!(!beat.is_overdue(until + PATIENCE));
        assert!(beat.is_overdue(until + PATIENCE + MOMENT));
        beat.busy(until + PATIENCE);
        assert!(!beat.is_overdue(until + PATIENCE + MOMENT));
    }

    #[test]
    fn a_thread_that_has_ended_is_never_overdue() {
        let start = Instant::now();
        let beat = Heartbeat::new(start);
        beat.end();
        assert!(!beat.is_overdue(start + 1000 * LONGEST_REST));
    }

    #[test]
    fn one_stuck_thread_of_many_names_its_class() {
        let start = Instant::now();
        let mut all = Heartbeats::default();
        let beats: Vec<Heartbeat> = (0..6).map(|_| Heartbeat::new(start)).collect();
        let classes = ["ios", "ios", "android", "android", "log writers", "API"];
        for (class, beat) in classes.into_iter().zip(&beats) {
            all.add(class, beat.clone());
        }
        assert_eq!(all.overdue(start), [""; 0]);
        let later = start + PATIENCE + MOMENT;
        for (index, beat) in beats.iter().enumerate() {
            // The second of "android", and all of "ios".
            if index > 1 && index != 3 {
                beat.busy(later);
            }
        }
        assert_eq!(all.overdue(later), ["android", "ios"]);
        for beat in &beats {
            beat.busy(later);
        }
        assert_eq!(all.overdue(later), [""; 0]);
    }
}
