//! How much may be scheduled: others are never refused for it.
//!
//! Pure: no file, no clock, no thread.

use super::batch::Group;
use super::inbox::Reply;
use super::schedule::ScheduledLoad;
use super::space::Space;
use super::{Settings, State};

/// The most that may be scheduled.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduledShare(ScheduledLoad);

/// Requests by whether there is room for them.
#[derive(Debug, Default)]
pub(super) struct SortedRequests {
    pub(super) kept: Vec<(Group, Reply)>,
    /// Those for which there is none, and why: [`State::NoShare`].
    pub(super) refused: Vec<(Reply, State)>,
}

impl ScheduledShare {
    /// As much as these say.
    pub(super) fn new(settings: &Settings) -> Self {
        Self(ScheduledLoad {
            pushes: settings.scheduled_max,
            bytes: settings.scheduled_bytes,
        })
    }

    /// Which requests have room, where so much is scheduled by now and so many bytes are
    /// outstanding.
    pub(super) fn sort(
        self,
        requests: Vec<(Group, Reply)>,
        (mut scheduled, mut live): (ScheduledLoad, u64),
        disk: (&Space, &str),
    ) -> SortedRequests {
        let mut sorted = SortedRequests::default();
        for (group, reply) in requests {
            let with_it = scheduled.and(group.scheduled);
            let live_then = live.saturating_add(group.scheduled.bytes);
            let is_scheduled = group.scheduled.pushes > 0;
            let too_large = self.too_large(group.scheduled);
            let is_for_good = too_large.is_some();
            let refusal = || too_large.or_else(|| self.refusal(with_it, live_then, disk));
            if let Some(why) = is_scheduled.then(refusal).flatten() {
                sorted
                    .refused
                    .push((reply, State::NoShare { why, is_for_good }));
                continue;
            }
            (scheduled, live) = (with_it, live_then);
            sorted.kept.push((group, reply));
        }
        sorted
    }

    /// Why a request may never be taken that has so much to be scheduled, if so.
    fn too_large(self, alone: ScheduledLoad) -> Option<String> {
        let ScheduledLoad { pushes, bytes } = self.0;
        if alone.pushes > pushes {
            let asked = alone.pushes;
            let text = format!("{asked} at once, and journal.scheduled_max is {pushes}");
            return Some(text);
        }
        (alone.bytes > bytes).then(|| {
            format!(
                "the request takes {} bytes of the journal, and journal.scheduled_bytes is {bytes}; \
                 schedule fewer pushes at once, or raise it",
                alone.bytes
            )
        })
    }

    /// Why so much may not be scheduled, if so, where that many bytes are outstanding then; the
    /// journal's directory is `dir`.
    fn refusal(
        self,
        with_it: ScheduledLoad,
        live_bytes: u64,
        (space, dir): (&Space, &str),
    ) -> Option<String> {
        let ScheduledLoad { pushes, bytes } = self.0;
        let free = space.free();
        // A segment ends when it is twice as long as that, and all of it is carried into the next.
        let needed = space.needed().saturating_add(live_bytes);
        let needed = needed.saturating_mul(DISK_KEPT);
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

/// Our limit: nothing is scheduled with less of the disk than so many times its reserve and all
/// that is outstanding.
const DISK_KEPT: u64 = 2;
