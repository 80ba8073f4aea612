//! Where a push is: asked of everybody who might have it.

use std::sync::Arc;
use std::time::Duration;

use super::keeping::Keeping;
use crate::api::state::{Ending, PushState};
use crate::delivery::register::{Register, Remembered};
use crate::delivery::running_lane::RunningLane;
use crate::journal::Journal;
use crate::lane::{Held, Lane, Lanes, Wish};
use crate::live::Live;
use crate::moment::Moment;
use crate::push::{End, PushId};

/// Our limit: how long a connection thread may take to say what it has.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Our limit: how long the log may take to have a line, and then the journal to have a settlement.
const KEPT_WITHIN: Duration = Duration::from_millis(500);

/// How often a push is looked for everywhere before it counts as unknown.
const LOOKS: u32 = 3;

/// Who might have a push.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    pub(super) lanes: Arc<Live<Lanes<RunningLane>>>,
    pub(super) register: Arc<Register>,
    pub(super) keeping: Arc<Keeping>,
}

impl Whereabouts {
    /// Where a push is, or how it ended.
    ///
    /// It goes from place to place while it is looked for, so that it counts as unknown only when
    /// it was found nowhere several times.
    pub(super) fn of(&self, id: PushId, now: Moment) -> PushState {
        if let Some(journal) = self.keeping.journal() {
            let found = self.at_rest(id, now);
            return found.unwrap_or_else(|| self.outstanding(journal, id, now));
        }
        for _ in 0..LOOKS {
            let found = self.at_rest(id, now);
            let found = found.or_else(|| self.in_the_queue(id));
            let found = found.or_else(|| Self::in_the_threads(id, &self.serving()));
            if let Some(state) = found {
                return state;
            }
        }
        let found = self.at_rest(id, now);
        found.unwrap_or(PushState::Unknown)
    }

    /// Whether a push has not ended yet, as far as is known without a look for it.
    pub(super) fn is_outstanding(&self, id: PushId) -> bool {
        let journal = self.keeping.journal();
        self.register.find(id).is_none()
            && journal.is_none_or(|journal| journal.lane_of(id).is_some())
    }

    /// Looks for a push everywhere, as often as it may have gone from one place to another that was
    /// looked at before; whether it was found.
    pub(super) fn look_repeatedly(mut look: impl FnMut() -> bool) -> bool {
        (0..LOOKS).any(|_| look())
    }

    /// Has a connection thread settle a push, if one has it; whether it did.
    pub(super) fn purge_in_the_threads(id: PushId, lane: &Lane) -> bool {
        let purged = lane.ask(id, Wish::Purge, ANSWERS_WITHIN);
        purged == Ok(Some(Held::Purged))
    }

    /// The journal knows whether it is outstanding; who has it is to be found out.
    fn outstanding(&self, journal: &Journal, id: PushId, now: Moment) -> PushState {
        let Some(lane) = journal.lane_of(id) else {
            // It may have ended since it was looked for, and is remembered then.
            return self.at_rest(id, now).unwrap_or(PushState::Unknown);
        };
        let lanes = self.lanes.get();
        let serving = lanes.get(lane).map(|running| Arc::clone(&running.lane));
        let found = Self::in_the_threads(id, serving.as_slice());
        let found = found.or_else(|| self.at_rest(id, now));
        found.unwrap_or(PushState::Queued { lane })
    }

    /// On the shelf, or settled.
    fn at_rest(&self, id: PushId, now: Moment) -> Option<PushState> {
        if let Some(settled) = self.register.find(id) {
            let ending = ending(settled);
            return Some(if self.is_kept(id) {
                PushState::Settled(ending)
            } else {
                PushState::Settling(ending)
            });
        }
        self.serving().iter().find_map(|lane| {
            let (due, attempts) = lane.retries().find(id)?;
            let wait = due.saturating_duration_since(now.monotonic);
            Some(PushState::Retrying {
                lane: lane.id(),
                attempts,
                at: now.unix.saturating_add(wait),
            })
        })
    }

    /// Whether a push that has ended stays so after a crash. That takes some milliseconds, for
    /// which this waits.
    fn is_kept(&self, id: PushId) -> bool {
        let Some(journal) = self.keeping.journal() else {
            return true;
        };
        if journal.lane_of(id).is_some() && self.register.await_passed(id, KEPT_WITHIN) {
            // Whatever came of that, the journal knows.
            let _written = journal.keep_settled(KEPT_WITHIN).is_some();
        }
        journal.lane_of(id).is_none()
    }

    fn serving(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.get();
        let serving = lanes.serving();
        serving.map(|running| Arc::clone(&running.lane)).collect()
    }

    fn in_the_threads(id: PushId, lanes: &[Arc<Lane>]) -> Option<PushState> {
        let mut unclear = None;
        for asked in lanes {
            let lane = asked.id();
            match asked.ask(id, Wish::Find, ANSWERS_WITHIN) {
                Ok(Some(Held::InHand)) => return Some(PushState::Queued { lane }),
                Ok(Some(Held::InFlight { attempts })) => {
                    let attempt = attempts.saturating_add(1);
                    return Some(PushState::InFlight { lane, attempt });
                }
                Ok(None | Some(Held::Purged)) => {}
                Err(_) => unclear = Some(PushState::Unclear),
            }
        }
        unclear
    }

    /// The queue says nothing of what is in it, so that all of it is taken out and put back.
    fn in_the_queue(&self, id: PushId) -> Option<PushState> {
        let serving = self.serving();
        let lane = serving.iter().find(|lane| lane.is_queued(id))?.id();
        Some(PushState::Queued { lane })
    }
}

fn ending(settled: Remembered) -> Ending {
    let settlement = settled.settlement;
    Ending {
        lane: settled.lane,
        end: match settlement.end {
            End::Succeeded => "succeeded",
            End::Failed => "failed",
            End::Expired => "expired",
        },
        status: settlement.status,
        reason: settlement.reason.into_owned(),
        error: settlement.error,
        attempts: settlement.attempt,
        at: settled.at,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::push::LaneId;

    #[test]
    fn a_thread_that_does_not_say_what_it_has_is_not_waited_for() {
        let lane = Lane::new(LaneId::IOS, 10, 1);
        lane.crew().seat(0, Box::new(|| {}));
        let started = Instant::now();
        let state = Whereabouts::in_the_threads(PushId(1), &[lane]);
        assert_eq!(state, Some(PushState::Unclear));
        let took = started.elapsed();
        assert!(took >= ANSWERS_WITHIN, "{took:?}");
    }
}
