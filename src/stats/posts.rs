//! What is counted of batches of the feed that are posted.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What was done since the start, and how posting stands.
#[derive(Debug, Default)]
pub struct PostStats {
    /// Batches that were taken.
    pub taken: AtomicU64,
    /// Those that were not: they come again.
    pub failed: AtomicU64,
    /// Whether nothing more is posted, after an error of the program.
    pub has_ended: AtomicBool,
    /// That of each stream: settlements, dead tokens.
    pub streams: [StreamPosts; 2],
}

/// How posting of one stream stands.
#[derive(Debug, Default)]
pub struct StreamPosts {
    /// Records that were removed to keep the bound before they were taken.
    pub missed: AtomicU64,
    failures: AtomicU32,
    /// In milliseconds since the Unix epoch; 0 for none.
    oldest: AtomicU64,
}

impl StreamPosts {
    /// So many tries in a row have come to nothing.
    pub fn set_failures(&self, failures: u32) {
        self.failures.store(failures, Ordering::Relaxed);
    }

    /// The push of the oldest record that is still to be taken was settled then, in milliseconds
    /// since the Unix epoch; `None` if there is none.
    pub fn set_oldest(&self, oldest: Option<u64>) {
        self.oldest.store(oldest.unwrap_or(0), Ordering::Relaxed);
    }

    /// Tries in a row that came to nothing.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// When the push of the oldest record was settled that is still to be taken, since the Unix
    /// epoch, if there is one.
    pub fn oldest(&self) -> Option<Duration> {
        let oldest = self.oldest.load(Ordering::Relaxed);
        (oldest > 0).then(|| Duration::from_millis(oldest))
    }
}
