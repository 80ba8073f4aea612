//! How much may be scheduled: others are never refused for it.
//!
//! Pure: no file, no clock, no thread.

use super::Settings;
use super::schedule::ScheduledLoad;
use super::space::Space;

/// The most that may be scheduled.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduledShare(ScheduledLoad);

impl ScheduledShare {
    /// As much as these say.
    pub(super) fn new(settings: &Settings) -> Self {
        Self(ScheduledLoad {
            pushes: settings.scheduled_max,
            bytes: settings.scheduled_bytes,
        })
    }

    /// Why so much may not be scheduled, if so; the journal's directory is `dir`.
    pub(super) fn refusal(
        self,
        with_it: ScheduledLoad,
        space: &Space,
        dir: &str,
    ) -> Option<String> {
        let ScheduledLoad { pushes, bytes } = self.0;
        let (free, needed) = (space.free(), space.needed().saturating_mul(DISK_KEPT));
        if with_it.pushes > pushes {
            let text = format!(
                "{} with these, and journal.scheduled_max is {pushes}; raise it, or cancel some",
                with_it.pushes
            );
            return Some(text);
        }
        if with_it.bytes > bytes {
            let text = format!(
                "{} bytes with these, and journal.scheduled_bytes is {bytes}; raise it, or cancel \
                 some",
                with_it.bytes
            );
            return Some(text);
        }
        // Others are not to be refused for what can wait.
        (space.is_known() && free < needed).then(|| {
            format!(
                "{free} bytes of the disk under {dir} are free, and nothing is scheduled with \
                 fewer than {needed}; make room"
            )
        })
    }
}

/// Our limit: nothing is scheduled with less of the disk than so many times its reserve.
const DISK_KEPT: u64 = 2;
