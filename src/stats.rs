//! What is counted, the process's own figures, and the page on which both are told: `/metrics`.
//!
//! Pure, but for what the operating system says of this process.

mod counters;
mod family;
mod histogram;
mod keyed;
mod page;
mod posts;
mod process;

pub use self::counters::{
    AttemptEnd, CallerStats, DEAD_MAX, GOAWAYS_MAX, LaneFigures, LaneStats, OTHER, OpenConnections,
    REQUESTS_MAX, RoundStats, SETTLED_MAX, STATUSES_MAX, SettledAs, UNREAD,
};
pub use self::family::{Family, FamilyKind, FamilyRow};
pub use self::histogram::{
    BUCKETS, Buckets, Histogram, HistogramFigures, HistogramPart, WITHIN_A_MINUTE, WITHIN_AN_HOUR,
    WITHIN_HALF_A_MINUTE,
};
pub use self::keyed::KeyedCounters;
pub use self::page::{Exposition, MetricsPage, PageRoom};
pub use self::posts::{PostStats, StreamPosts};
pub use self::process::Process;

use std::sync::atomic::AtomicU64;

/// Panics of all threads of the process, those that cost nothing too.
pub static PANICS: AtomicU64 = AtomicU64::new(0);

/// Lines of all logs that were dropped: for want of room, or since a log could not be written.
pub static LINES_DROPPED: AtomicU64 = AtomicU64::new(0);

/// What became of reloads of the configuration.
#[derive(Debug)]
pub struct Reloads {
    /// Those that put a configuration in force, be it the one of before.
    pub done: AtomicU64,
    /// Those that left the one of before in force.
    pub refused: AtomicU64,
}

/// Reloads of this process.
pub static RELOADS: Reloads = Reloads {
    done: AtomicU64::new(0),
    refused: AtomicU64::new(0),
};
