//! Takes back what is scheduled: it is in no lane yet, and ends here with its line.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Backlog;
use crate::delivery::policy::Limits;
use crate::delivery::purge;
use crate::delivery::register::Register;
use crate::delivery::running_lane::RunningLane;
use crate::delivery::settler::Settler;
use crate::journal::Outstanding;
use crate::lane::{Lane, Lanes};
use crate::log::Logs;
use crate::moment::Moment;
use crate::push::{LaneId, PushId, SoFar};
use crate::recover::resume;

/// Nothing that is taken back is judged by them.
const NO_LIMITS: Limits = Limits {
    retry_max: 0,
    max_age: Duration::ZERO,
    resend_unknown: false,
};

/// Who settles what is taken back.
#[derive(Debug)]
pub(super) struct Canceller<'a> {
    pub(super) backlog: &'a Backlog,
    pub(super) lanes: &'a Lanes<RunningLane>,
    pub(super) logs: &'a Logs,
    pub(super) register: &'a Arc<Register>,
}

impl Canceller<'_> {
    /// Takes a push back that is scheduled; whether it was.
    pub(super) fn cancel(&self, id: PushId, now: Moment) -> bool {
        let withdrawn = self.backlog.withdraw(id);
        withdrawn.map(|it| self.settle(it, now)).is_some()
    }

    /// Takes back what is scheduled under an identifier, for the lanes that are meant and no later
    /// than that; how many pushes, and how many notifications are left since they cannot be
    /// read now.
    pub(super) fn cancel_named(
        &self,
        named: (&str, SoFar),
        is_meant: impl Fn(LaneId) -> bool,
        now: Moment,
    ) -> (usize, u64) {
        let mut cancelled = 0;
        let settle = |withdrawn: Outstanding| {
            cancelled += withdrawn.pushes.len();
            self.settle(withdrawn, now);
        };
        let unread = self.backlog.withdraw_named(named, is_meant, settle);
        (cancelled, unread)
    }

    /// In a lane that nobody takes from: it is the room of what is settled, which no caller's
    /// pushes have less of for that.
    fn settle(&self, withdrawn: Outstanding, now: Moment) {
        let id = withdrawn.envelope.lane;
        let lane = Lane::counting(id, 0, 0, self.lanes.stats(id));
        let settler = Settler::new(Arc::clone(&lane), self.logs.clone(), NO_LIMITS, 0);
        let mut settler = settler.with_register(Arc::clone(self.register));
        lane.room().scheduled().set_capacity(usize::MAX);
        for (push, _) in resume(withdrawn, &mut Weak::new(), now) {
            if let Some(room) = lane.room().reserve_scheduled(1) {
                room.occupy();
            }
            settler.settle(&push, purge::settlement(&push), now);
        }
        settler.flush(now.monotonic);
    }
}
