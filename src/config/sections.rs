//! The sections of the file: their tables, and all keys.
//!
//! The parser reads its defaults and ranges from these, and tests hold `etc/sterna.toml` and
//! sterna.toml(5) to them, so that no default stands in two places.

use std::sync::LazyLock;

use super::core::CoreKeys;
use super::feedback::FeedbackKeys;
use super::journal::JournalKeys;
use super::key::Key;
use super::lane::LaneKeys;
use super::log::LogKeys;
use super::metrics::MetricsKeys;
use super::section::Section;
use crate::push::LaneId;

pub(super) static CORE: CoreKeys = CoreKeys::of("core");
pub(super) static IOS: LaneKeys = LaneKeys::of(LaneId::IOS.name(), LaneId::IOS);
pub(super) static ANDROID: LaneKeys = LaneKeys::of(LaneId::ANDROID.name(), LaneId::ANDROID);
pub(super) static JOURNAL: JournalKeys = JournalKeys::of("journal");
pub(super) static FEEDBACK: FeedbackKeys = FeedbackKeys::of("feedback");
pub(super) static LOG: LogKeys = LogKeys::of("log");
pub(super) static METRICS: MetricsKeys = MetricsKeys::of("metrics");

/// The sections of an app, of which each makes its lanes to one provider.
pub(super) static LANES: [&LaneKeys; 2] = [&IOS, &ANDROID];

/// Every key, in the order of the documentation.
pub fn all_keys() -> impl Iterator<Item = &'static Key> {
    all().iter().copied()
}

pub(super) fn all() -> &'static [&'static Key] {
    static ALL: LazyLock<Vec<&Key>> = LazyLock::new(|| {
        let lanes = LANES.into_iter().flat_map(LaneKeys::own);
        let all = CORE.keys().into_iter().chain(lanes);
        let all = all.chain(JOURNAL.keys()).chain(FEEDBACK.keys());
        all.chain(LOG.keys()).chain(METRICS.keys()).collect()
    });
    &ALL
}
