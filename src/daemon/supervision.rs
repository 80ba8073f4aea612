//! What whoever looks after the daemon hears of it: the status line, and the watchdog's food,
//! which is withheld when a thread has not been heard of.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::count;
use crate::delivery::running_lane::RunningLane;
use crate::heartbeat::{Heartbeat, Heartbeats};
use crate::lane::{Hold, Lane, Lanes};
use crate::log::Logs;
use crate::moment::{self, Moment};
use crate::supervisor::Supervisor;

/// How much longer than `shutdown_timeout` the end may take: threads, callers and logs have time
/// limits of their own, which come to 11 s.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Threads that write the logs.
const LOG_WRITERS: &str = "log writer";

/// The supervisor, and the threads that it wants to know alive.
#[derive(Debug)]
pub(super) struct Supervision {
    supervisor: Supervisor,
    heartbeats: Mutex<Heartbeats>,
    /// The classes of threads that the operator knows to be stuck.
    stuck: Mutex<String>,
}

impl Supervision {
    /// Nobody is looked after yet.
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            heartbeats: Mutex::default(),
            stuck: Mutex::default(),
        }
    }

    /// Looks after a thread from now on.
    pub(super) fn watch(&self, class: impl Into<String>, heartbeat: Heartbeat) {
        lock(&self.heartbeats).add(class, heartbeat);
    }

    /// Looks after the threads of the logs.
    pub(super) fn watch_logs(&self, logs: &Logs) {
        for heartbeat in logs.heartbeats() {
            self.watch(LOG_WRITERS, heartbeat);
        }
    }

    /// What is told; the other methods of it are for the daemon's life.
    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The daemon ends from now on.
    pub(super) fn stopping(&self, shutdown_timeout: Duration) {
        self.supervisor
            .stopping(shutdown_timeout.saturating_add(END_WITHIN));
    }

    /// How often to [`Supervision::report`], if something else is done so often.
    pub(super) fn interval(&self, else_every: Duration) -> Duration {
        let hears_every = self.supervisor.hears_every();
        hears_every.map_or(else_every, |time| time.min(else_every))
    }

    /// Says how things are, as often as somebody wants to hear it. `doing` stands before the
    /// figures.
    pub(super) fn report(&self, doing: &str, lanes: &Lanes<RunningLane>, logs: &Logs) {
        let now = Moment::now();
        if self.supervisor.is_status_due(now) {
            self.supervisor.status(&Self::status(doing, lanes, logs));
        }
        let alive = || self.all_are_alive(now.monotonic, logs, lanes);
        if self.supervisor.is_watchdog_due(now) && alive() {
            self.supervisor.watchdog();
        }
    }

    fn status(doing: &str, lanes: &Lanes<RunningLane>, logs: &Logs) -> String {
        let mut text = doing.to_owned();
        let mut before = ": ";
        let mut serving: Vec<_> = lanes.serving().collect();
        // Of many, those that have something to say of themselves.
        if serving.len() > LANES_TOLD {
            serving.sort_by_key(|running| !is_worth_telling(&running.lane));
        }
        let untold = serving.split_off(serving.len().min(LANES_TOLD));
        for running in serving {
            let lane = &running.lane;
            let figures = lane.stats().figures();
            let waiting = (lane.room().outstanding() as u64).saturating_sub(figures.in_flight);
            // Writing to a string does not fail.
            let _written = write!(
                text,
                "{before}{lane} {waiting} waiting, {} in flight, {} succeeded, {} failed",
                figures.in_flight, figures.push_success, figures.push_error,
            );
            before = "; ";
            for hold in lane.holding().holds() {
                let _written = match hold {
                    Hold::Operator { .. } => write!(text, ", paused"),
                    Hold::Credential { reason, .. } => write!(text, ", held: {reason}"),
                };
            }
            if lane.rests(moment::now()) {
                text.push_str(", resting");
            }
            let failures = lane.crew().dial().failures();
            if failures > 0 {
                let failed = count::of(failures, "connection", "connections");
                let _written = write!(text, ", {failed} in a row failed");
            }
        }
        if !untold.is_empty() {
            let _written = write!(
                text,
                "; and {}",
                count::of(untold.len() as u64, "other lane", "other lanes")
            );
        }
        if let Some(trouble) = logs.trouble() {
            let _written = write!(text, "; {trouble}");
        }
        text
    }

    /// The classes of threads that should have been heard of before now.
    pub(super) fn overdue(&self, now: Instant, lanes: &Lanes<RunningLane>) -> Vec<String> {
        let heartbeats = lock(&self.heartbeats);
        let overdue = heartbeats.overdue(now).into_iter().map(str::to_owned);
        let mut overdue: Vec<String> = overdue.collect();
        overdue.extend(lanes.serving().flat_map(|running| running.overdue(now)));
        overdue
    }

    /// The classes of threads for which the process is to be ended: for the watchdog, and for who
    /// asks over the API.
    pub(super) fn stuck(
        &self,
        now: Instant,
        logs: &Logs,
        lanes: &Lanes<RunningLane>,
    ) -> Vec<String> {
        let mut overdue = self.overdue(now, lanes);
        if logs.are_waited_for() {
            // Who waits for a log that has no room is as alive as that log's writer. To end the
            // process because a disk is full would mend nothing.
            overdue.retain(|class| class == LOG_WRITERS);
        }
        overdue
    }

    /// Whether every thread has been heard of. Tells the operator of a change.
    fn all_are_alive(&self, now: Instant, logs: &Logs, lanes: &Lanes<RunningLane>) -> bool {
        let stuck = self.stuck(now, logs, lanes).join(", ");
        let mut known = lock(&self.stuck);
        if *known != stuck {
            if stuck.is_empty() {
                ::log::warn!("every thread has been heard of again; the watchdog is fed");
            } else {
                ::log::error!(
                    "threads not heard of for too long: {stuck}; the watchdog is not fed, so \
                     that systemd ends this process"
                );
            }
            stuck.clone_into(&mut known);
        }
        stuck.is_empty()
    }
}

/// Whether more than its counters is to be said of a lane.
fn is_worth_telling(lane: &Lane) -> bool {
    let is_held = !lane.holding().holds().is_empty() || lane.rests(moment::now());
    is_held || lane.room().outstanding() > 0 || lane.crew().dial().failures() > 0
}

/// Our limit: lanes of which systemd is told; it passes over what is longer than 4096 bytes.
const LANES_TOLD: usize = 12;

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
