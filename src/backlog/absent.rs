//! Pushes to a platform that is disabled: they wait in the journal until it is enabled, and expire
//! there in their time.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Backlog;
use crate::count;
use crate::delivery::policy::{self, Limits};
use crate::delivery::register::Register;
use crate::delivery::settler::Settler;
use crate::journal::Outstanding;
use crate::lane::Lane;
use crate::live::Live;
use crate::log::Logs;
use crate::moment::{self, Moment};
use crate::push::{LaneId, PushId};
use crate::recover::resume;
use crate::stats::LaneStats;

/// Our limit: pushes that are looked at in one go.
const AT_A_TIME: usize = 4096;
/// Our limit: they are looked through no more often than that, …
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// … and rest so many times as long as it took: they are read from the disk each time.
const RESTS: u32 = 50;
/// They are looked through at least so often, whatever time they have.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The pushes of one lane, which is not served.
#[derive(Debug)]
pub struct Absent {
    id: LaneId,
    /// Nobody takes from it: it is the room of what is settled.
    lane: Arc<Lane>,
    settler: Settler,
    limits: Arc<Live<Limits>>,
    /// When they are looked through next.
    due: Instant,
    sweep: Option<Sweep>,
    /// Those that the last sweep has left.
    left: u64,
    /// Before that they are not looked through again for others that have come.
    soonest: Instant,
    lack: &'static str,
}

/// Why a lane is not served whose section says so.
pub const DISABLED: &str = "is disabled";
/// Why a lane is not served that has no section.
pub const REMOVED: &str = "is not in the configuration";

/// One look at all of them.
#[derive(Debug)]
struct Sweep {
    begun: Instant,
    from: PushId,
    /// Those that are not settled, readable or not.
    left: u64,
    /// When the first of those expires.
    next: Option<Instant>,
}

impl Absent {
    /// The pushes of a lane that the configuration disables.
    pub fn new(
        (id, stats): (LaneId, Arc<LaneStats>),
        limits: Limits,
        logs: &Logs,
        register: &Arc<Register>,
    ) -> Self {
        let lane = Lane::counting(id, AT_A_TIME, 0, stats);
        let of_now = Arc::new(Live::new(limits));
        let settler = Settler::new(Arc::clone(&lane), logs.clone(), limits, 0);
        Self {
            id,
            lane,
            settler: settler
                .with_register(Arc::clone(register))
                .following(&of_now),
            limits: of_now,
            due: moment::now(),
            sweep: None,
            left: u64::MAX,
            soonest: moment::now(),
            lack: DISABLED,
        }
    }

    /// The same, of a lane that is not served for another reason: [`DISABLED`] or [`REMOVED`].
    #[must_use]
    pub fn lacking(self, lack: &'static str) -> Self {
        Self { lack, ..self }
    }

    /// The lane that the pushes are for.
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// What the operator is told of the pushes, if there are any.
    pub fn told(&self, backlog: &Backlog) -> Option<String> {
        let unfed = backlog.unclaimed(self.id);
        let unfed = unfed.saturating_add(backlog.scheduled(self.id).0);
        let unfed = Some(unfed).filter(|unfed| *unfed > 0)?;
        let stay = count::of(unfed, "push to it stays", "pushes to it stay");
        let (id, lack) = (self.id, self.lack);
        let until = if lack == REMOVED {
            "there again"
        } else {
            "enabled"
        };
        Some(format!(
            "{id} {lack}: {stay} in the journal until it is {until}, or until their time has passed"
        ))
    }

    /// Has the pushes looked through at once, by other limits.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits.set(limits);
        self.due = moment::now();
        if let Some(sweep) = &mut self.sweep {
            // It has judged some by those before.
            sweep.keep(self.due);
        }
    }

    /// Has the pushes looked through at once, since others have come.
    pub fn look_again(&mut self) {
        (self.due, self.sweep, self.left) = (moment::now(), None, u64::MAX);
    }

    /// Others have come that are to be looked at: in the next sweep, which comes no sooner than one
    /// may after the last.
    fn has_come(&mut self, now: Moment) {
        self.left = u64::MAX;
        if let Some(sweep) = &mut self.sweep {
            sweep.keep(now.monotonic);
        }
        self.due = self.due.min(self.soonest.max(now.monotonic));
    }

    /// Settles pushes whose time has passed, or some of them; when to go on, if any are left. What
    /// is scheduled and due is like the others from then on.
    pub fn settle(&mut self, backlog: &Backlog, now: Moment) -> Option<Instant> {
        if backlog.ripen(self.id, now) > 0 {
            self.has_come(now);
        }
        let unsettled = backlog.unclaimed(self.id);
        if unsettled == 0 {
            return None;
        }
        if now.monotonic < self.due {
            return Some(self.due);
        }
        // What was settled is in the journal once its line is in the log, and would be seen again.
        if self.sweep.is_none() && unsettled > self.left {
            self.due = now.monotonic + LOOKS_EVERY;
            return Some(self.due);
        }
        let sweep = self.sweep.take();
        let mut sweep = sweep.unwrap_or_else(|| Sweep::begin(unsettled, now));
        let (seen, next) = backlog.look(self.id, sweep.from, AT_A_TIME);
        for outstanding in seen {
            self.settle_expired(outstanding, &mut sweep, now);
        }
        self.settler.flush(now.monotonic);
        if let Some(next) = next {
            sweep.from = next;
            self.sweep = Some(sweep);
            return Some(now.monotonic);
        }
        self.left = sweep.left;
        let ended = moment::now();
        self.soonest = sweep.soonest_after(ended);
        self.due = sweep.next_after(ended);
        Some(self.due)
    }

    fn settle_expired(&mut self, outstanding: Outstanding, sweep: &mut Sweep, now: Moment) {
        for (push, _) in resume(outstanding, &mut Weak::new(), now) {
            let Some(mut room) = self.lane.room().reserve(1) else {
                continue;
            };
            let class = push.class();
            match self.settler.settle_if_expired(push, now) {
                None => {
                    room.spend(class);
                    sweep.left = sweep.left.saturating_sub(1);
                }
                Some(push) => {
                    let expires = policy::expires_at(push.accepted(), *self.limits.get(), now);
                    sweep.keep(expires);
                }
            }
        }
    }
}

impl Sweep {
    fn begin(unsettled: u64, now: Moment) -> Self {
        Self {
            begun: now.monotonic,
            from: PushId(0),
            left: unsettled,
            next: None,
        }
    }

    fn keep(&mut self, expires: Instant) {
        self.next = Some(self.next.map_or(expires, |next| next.min(expires)));
    }

    /// When the next one is due.
    fn next_after(&self, now: Instant) -> Instant {
        let latest = now + LONGEST_WAIT;
        let next = self.next.map_or(latest, |next| next.min(latest));
        next.max(self.soonest_after(now))
    }

    /// When they may be looked through again.
    fn soonest_after(&self, now: Instant) -> Instant {
        let took = now.saturating_duration_since(self.begun);
        now + LOOKS_EVERY.max(took.saturating_mul(RESTS))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::no_logs;
    use super::*;

    #[test]
    fn other_limits_while_they_are_looked_through_have_them_looked_through_again() {
        let now = Moment::now();
        let limits = Limits {
            retry_max: 0,
            max_age: LONGEST_WAIT,
            resend_unknown: true,
        };
        let mut absent = Absent::new(
            (LaneId::IOS, Arc::default()),
            limits,
            &no_logs(),
            &Arc::default(),
        );
        absent.sweep = Some(Sweep::begin(2, now));
        absent.set_limits(limits);
        let next = absent.sweep.unwrap().next_after(now.monotonic);
        assert_eq!(next, now.monotonic + LOOKS_EVERY);
    }

    #[test]
    fn they_are_looked_at_when_the_next_one_expires_and_not_all_the_time() {
        let now = Moment::now();
        let second = Duration::from_secs(1);
        let begun = now.monotonic;
        let mut sweep = Sweep::begin(2, now);
        assert_eq!(sweep.next_after(begun), begun + LONGEST_WAIT);
        sweep.keep(begun + 90 * second);
        sweep.keep(begun + 60 * second);
        assert_eq!(sweep.next_after(begun), begun + 60 * second);
        let took_two = begun + 2 * second;
        assert_eq!(sweep.next_after(took_two), took_two + 2 * RESTS * second);
        sweep.keep(begun);
        assert_eq!(sweep.next_after(begun), begun + LOOKS_EVERY);
    }
}
