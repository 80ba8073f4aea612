//! Where a push is, asked of everybody who might have it; and how an operator takes it out there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::scheduled::Canceller;
use super::{Backlog, Ending, LINES_KEPT_WITHIN, PushState, TokenVerdict};
use crate::delivery::register::{Register, Remembered};
use crate::delivery::running_lane::RunningLane;
use crate::lane::{Held, Lane, Lanes, Wish};
use crate::live::Live;
use crate::log::Logs;
use crate::moment::Moment;
use crate::push::{self, LaneId, PushId};

/// Our limit: how long a connection thread may take to say what it has.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Our limit: how long the log may take to have a line, and then the journal to have a settlement.
const KEPT_WITHIN: Duration = Duration::from_millis(500);

/// How often a push is looked for everywhere before it counts as unknown.
const LOOKS: u32 = 3;

/// What came of settling pushes by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many were settled.
    pub pushes: usize,
    /// How many of an earlier process, of any identifier, are still to be read from the journal;
    /// those that are meant are settled then.
    pub unread: u64,
    /// Why they, or others that were purged before, would come back after a crash, if they would.
    pub unkept: Option<String>,
    /// Whether those that wait in the journal for a platform to be enabled are not meant, since too
    /// many purges are remembered for them.
    pub misses_disabled: bool,
    /// Whether some that are scheduled are left, since they cannot be read from the journal now.
    pub misses_scheduled: bool,
}

/// Who might have a push.
#[derive(Debug)]
pub struct Whereabouts {
    /// The lanes, whose threads are asked.
    pub lanes: Arc<Live<Lanes<RunningLane>>>,
    /// What has ended.
    pub register: Arc<Register>,
    /// What has not.
    pub backlog: Arc<Backlog>,
    /// Where the lines of what is purged go.
    pub logs: Logs,
}

impl Whereabouts {
    /// Where a push is, or how it ended.
    ///
    /// It goes from place to place while it is looked for, so that it counts as unknown only when
    /// it was found nowhere several times.
    pub fn of(&self, id: PushId, now: Moment) -> PushState {
        if self.backlog.is_kept() {
            let found = self.at_rest(id, now);
            return found.unwrap_or_else(|| self.outstanding(id, now));
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

    /// Settles the waiting pushes of that identifier as failed, those of `apps` alone if there are
    /// any, the default one having no name, and waits until a crash cannot bring them back.
    ///
    /// # Errors
    ///
    /// Why nothing was done.
    pub fn purge(
        &self,
        identifier: &str,
        apps: Option<&[Box<str>]>,
    ) -> Result<Purged, &'static str> {
        let is_meant =
            |lane: LaneId| apps.is_none_or(|apps| apps.iter().any(|app| **app == *lane.app()));
        let of_apps = apps.map(|apps| apps.iter().map(|app| Some(&**app)).collect());
        let of_apps: Vec<Option<&str>> = of_apps.unwrap_or_else(|| vec![None]);
        // What is accepted from here on is not meant, however long this takes.
        let so_far = self.backlog.so_far(Moment::now());
        let (mut purged, mut misses_disabled) = (0, false);
        let misses_scheduled = loop {
            let lanes = self.lanes.get();
            // First: what is claimed meanwhile is in its lane once no more is called off.
            let takes_back = self.canceller(&lanes);
            let named = (identifier, so_far);
            let (cancelled, unread) = takes_back.cancel_named(named, is_meant, so_far.at);
            purged += cancelled;
            // Those of a disabled platform too, which may be enabled: they are no reason to refuse.
            let called_off = &self.backlog.called_off;
            let is_lost = of_apps.iter().any(|app| {
                let waits = || self.may_wait(&lanes);
                !called_off.add((*app, identifier), so_far, waits)
            });
            if is_lost && self.unread() > 0 {
                return Err("too many purges while pushes are still read from the journal");
            }
            misses_disabled |= is_lost;
            let serving = lanes.serving().filter(|running| is_meant(running.id()));
            let run = |running: &Arc<RunningLane>| running.purge().run(identifier, so_far);
            purged += serving.map(run).sum::<usize>();
            // A reload may have put a lane away that was served.
            if Arc::ptr_eq(&lanes, &self.lanes.get()) {
                break unread > 0;
            }
        };
        if purged > 0 {
            ::log::info!("{} purged by hand", push::counted(purged as u64));
        }
        Ok(Purged {
            misses_disabled,
            misses_scheduled,
            ..self.purged(purged, self.unread())
        })
    }

    /// Who takes back what is scheduled.
    fn canceller<'a>(&'a self, lanes: &'a Lanes<RunningLane>) -> Canceller<'a> {
        Canceller {
            backlog: &self.backlog,
            lanes,
            logs: &self.logs,
            register: &self.register,
        }
    }

    /// Whether pushes may be left that are in no lane's hands yet. Those of a lane that is being
    /// put away are on their way there, and do not count as unclaimed before they have come.
    fn may_wait(&self, lanes: &Lanes<RunningLane>) -> bool {
        let is_unclaimed = |lane| self.backlog.unclaimed(lane) > 0;
        let on_the_way = self.backlog.keeps() && !lanes.leaving().is_empty();
        on_the_way
            || self.backlog.has_uncounted.load(Ordering::Relaxed)
            || lanes.known().any(is_unclaimed)
    }

    /// Settles one push as failed, wherever it is, and waits likewise.
    ///
    /// # Errors
    ///
    /// How it ended before, or where it is if it could not be got hold of.
    pub fn purge_push(&self, id: PushId) -> Result<Purged, PushState> {
        let now = Moment::now();
        let lanes = self.lanes.get();
        if self.canceller(&lanes).cancel(id, now) {
            ::log::info!("push {id} cancelled by hand before its time");
            return Ok(self.purged(1, 0));
        }
        // If it is being claimed just now, it is in its lane by then.
        drop(self.backlog.called_off.lock());
        let purge = || {
            let waits = |running: &Arc<RunningLane>| running.purge().run_one(id, now);
            let is_held =
                |running: &Arc<RunningLane>| Self::purge_in_the_threads(id, &running.lane);
            lanes.serving().any(waits) || lanes.serving().any(is_held)
        };
        let is_purged = || self.is_outstanding(id) && Self::look_repeatedly(purge);
        if !is_purged() {
            let state = self.of(id, now);
            // What is called off may have come into its lane meanwhile.
            if !self.is_unread(&state) || !self.backlog.called_off.add_push(id) {
                return Err(state);
            } else if !is_purged() {
                let state = self.of(id, now);
                return if self.is_unread(&state) {
                    Ok(self.purged(0, 1))
                } else {
                    Err(state)
                };
            }
        }
        ::log::info!("push {id} purged by hand");
        Ok(self.purged(1, 0))
    }

    /// What to answer when so many pushes were settled by hand, once that is kept; `unread` are
    /// those of which that is not known.
    fn purged(&self, pushes: usize, unread: u64) -> Purged {
        let kept = self
            .backlog
            .keep_purged(&self.register, &self.logs, LINES_KEPT_WITHIN);
        Purged {
            pushes,
            unread,
            unkept: kept.err(),
            misses_disabled: false,
            misses_scheduled: false,
        }
    }

    /// Whether a push may still be in the journal alone, from which it is read for its lane.
    fn is_unread(&self, state: &PushState) -> bool {
        let PushState::Queued { lane } = state else {
            return false;
        };
        self.lanes.get().get(*lane).is_some() && self.backlog.unclaimed(*lane) > 0
    }

    /// Pushes that are still to be read from the journal; those of a disabled platform are read
    /// only if it is enabled.
    fn unread(&self) -> u64 {
        let lanes = self.lanes.get();
        let serving = lanes.serving();
        serving.map(|lane| self.backlog.unclaimed(lane.id())).sum()
    }

    /// Whether a push has not ended yet, as far as is known without a look for it.
    fn is_outstanding(&self, id: PushId) -> bool {
        let is_kept = || !self.backlog.is_kept() || self.backlog.lane_of(id).is_some();
        self.register.find(id).is_none() && is_kept()
    }

    /// Looks for a push everywhere, as often as it may have gone from one place to another that was
    /// looked at before; whether it was found.
    fn look_repeatedly(mut look: impl FnMut() -> bool) -> bool {
        (0..LOOKS).any(|_| look())
    }

    /// Has a connection thread settle a push, if one has it; whether it did.
    fn purge_in_the_threads(id: PushId, lane: &Lane) -> bool {
        let purged = lane.ask(id, Wish::Purge, ANSWERS_WITHIN);
        purged == Ok(Some(Held::Purged))
    }

    /// The backlog knows whether it is outstanding; who has it is to be found out.
    fn outstanding(&self, id: PushId, now: Moment) -> PushState {
        let Some(lane) = self.backlog.lane_of(id) else {
            // It may have ended since it was looked for, and is remembered then.
            return self.at_rest(id, now).unwrap_or(PushState::Unknown);
        };
        if let Some(at) = self.backlog.send_time(id).filter(|at| *at > now.unix) {
            return PushState::Scheduled { lane, at };
        }
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
        if self.backlog.lane_of(id).is_some() && self.register.await_passed(id, KEPT_WITHIN) {
            // Whatever came of that, the backlog knows.
            let _written = self.backlog.keep_settled(KEPT_WITHIN).is_some();
        }
        self.backlog.lane_of(id).is_none()
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
    let gone_since = settlement.gone_since();
    let verdict = |token_is| TokenVerdict {
        token_is,
        gone_since,
    };
    Ending {
        lane: settled.lane,
        end: settlement.end.word(),
        token: settlement.token_effect.word().map(verdict).map(Box::new),
        status: settlement.status,
        reason: settlement.reason.into(),
        error: settlement.error.into(),
        attempts: settlement.attempt,
        at: settled.at,
        fcm_name: settlement.message_name,
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
