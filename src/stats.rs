//! What is counted, the process's own figures, and the page on which both are told: `/metrics`.
//!
//! Pure, but for what the operating system says of this process.

mod counters;
mod family;
mod histogram;
mod keyed;
mod page;
mod process;

pub use self::counters::{
    AttemptEnd, CallerStats, DEAD_MAX, LaneFigures, LaneStats, OTHER, REQUESTS_MAX, RoundStats,
    SETTLED_MAX, STATUSES_MAX, SettledAs,
};
pub use self::family::{Family, FamilyKind, FamilyRow};
pub use self::histogram::{
    BUCKETS, Buckets, Histogram, HistogramFigures, HistogramPart, WITHIN_A_MINUTE, WITHIN_AN_HOUR,
};
pub use self::keyed::KeyedCounters;
pub use self::page::{Exposition, MetricsPage, PageRoom};
pub use self::process::Process;

use std::sync::atomic::AtomicU64;

/// Panics of all threads of the process, those that cost nothing too.
pub static PANICS: AtomicU64 = AtomicU64::new(0);
