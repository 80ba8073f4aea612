//! How a daemon ends: nothing is taken any more, what is queued and in flight is finished within
//! `shutdown_timeout`, and what is left then stays in the journal for the next start. Without a
//! journal it is settled as failed with reason `shutdown`.
//!
//! With a journal the lanes fall quiet before their threads end: what was sent is given time to be
//! answered, so that the next process does not send it again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{DRAIN_LOOKS_EVERY, Daemon};
use crate::backlog::Closed;
use crate::count;
use crate::delivery::running_lane::{self, RunningLane};
use crate::lane::Wish;
use crate::log::OPENED_WITHIN;
use crate::moment;
use crate::push::{self, PushId};
use crate::signal::Signal;

/// How long callers' requests in progress may take when the daemon ends.
const CALLERS_END_WITHIN: Duration = Duration::from_secs(1);
/// How long a connection thread may take to notice that its lane has fallen quiet.
const QUIET_WITHIN: Duration = Duration::from_millis(500);
/// How long what was sent may take to be answered, once nothing more is sent.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// How long the last log lines may take.
pub(super) const LOGS_CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How long a batch of records that is being posted may take.
const HOOK_CLOSES_WITHIN: Duration = Duration::from_secs(1);
/// How long the last records of the feed may take.
const FEED_CLOSES_WITHIN: Duration = Duration::from_secs(2);
/// How long the logs may take to close if they could not be written before.
const STUCK_LOGS_CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Pushes that were accepted, could not be sent in time, and are not kept.
    pub left: usize,
    /// Log lines that could not be written.
    pub unlogged: u64,
    /// The journal failed, which is why it ended.
    pub journal_failed: bool,
}

impl Daemon {
    /// Takes nothing more, finishes queue and flight within `shutdown_timeout`, and ends. A second
    /// SIGTERM or SIGINT on `signals` ends the wait.
    pub fn stop(mut self, signals: &Receiver<Signal>) -> Ended {
        self.service.is_ending.store(true, Ordering::Relaxed);
        let lanes = self.lanes.get();
        let deadline = moment::now().checked_add(self.shutdown_timeout);
        self.supervision.stopping(self.shutdown_timeout);
        let journal_failed = self.backlog.failure().is_some();
        ::log::info!(
            "shutting down: {} to finish within {} s",
            push::counted(self.outstanding() as u64),
            self.shutdown_timeout.as_secs(),
        );
        if let Some(listener) = &mut self.listener {
            listener.drain();
        }
        // What no journal keeps is fed and sent while there is time.
        if let Some(feeder) = self.feeder.as_ref().filter(|_| self.backlog.keeps()) {
            feeder.stop();
        }
        let finished = self.finish(deadline, signals);
        let callers_ended = self
            .listener
            .as_mut()
            .is_none_or(|listener| listener.stop(CALLERS_END_WITHIN));
        if !callers_ended {
            ::log::warn!("a caller's request was still in progress at the end");
        }
        if finished {
            // A request that was in progress when the draining began may have been accepted since.
            self.finish(deadline, signals);
        }
        if self.backlog.is_kept() {
            let serving: Vec<_> = lanes.serving().map(Arc::clone).collect();
            await_answers(&serving, ANSWERS_WITHIN, || {
                self.wait_a_little("ending");
                false
            });
        }
        // What is left behind makes more lines than a log that is stuck has room for.
        self.logs.hurry(LOGS_CLOSE_WITHIN);
        if let Some(feeder) = self.feeder.take() {
            feeder.stop();
            feeder.end();
        }
        // What came to others after they were put away has not been sent either.
        let left = running_lane::end_all(lanes.serving());
        running_lane::end_all(self.held.iter());
        self.close_feed();
        let (left, stays, logs_close_within) = if self.backlog.keeps() {
            let (stays, within) = self.close_backlog();
            (0, stays, within)
        } else {
            let unclaimed = lanes.known().map(|lane| self.backlog.unclaimed(lane));
            Self::tell_of_lost(unclaimed.sum());
            Self::tell_of_left(left);
            (left, left > 0, LOGS_CLOSE_WITHIN)
        };
        Self::last_words(stays, self.logs.close_push_log(logs_close_within));
        let unlogged = self.logs.close(logs_close_within);
        Ended {
            left,
            unlogged,
            journal_failed: journal_failed || self.backlog.failure().is_some(),
        }
    }

    /// Pushes that may yet be settled by then. If the journal has them, what a lane that is paused,
    /// held or resting keeps back is not waited for, only what it has in flight; nor retries that
    /// are not due by then.
    fn to_finish(&self, deadline: Option<Instant>) -> u64 {
        let keeps = self.backlog.keeps();
        let of_lane = |running: &Arc<RunningLane>| {
            let lane = &running.lane;
            let waits = !lane.holding().holds().is_empty() || lane.rests(moment::now());
            let outstanding = lane.room().outstanding() as u64;
            match (keeps, waits) {
                (true, true) => lane.stats().figures().in_flight,
                (true, false) => {
                    let later = deadline.map_or(0, |at| lane.retries().due_from(at));
                    outstanding.saturating_sub(later as u64)
                }
                (false, _) => outstanding.saturating_add(self.backlog.unclaimed(lane.id())),
            }
        };
        self.lanes.get().serving().map(of_lane).sum()
    }

    /// Waits until everything is settled; false if that was not to be within the time, or somebody
    /// is in a hurry.
    fn finish(&self, deadline: Option<Instant>, signals: &Receiver<Signal>) -> bool {
        while self.to_finish(deadline) > 0 {
            let is_late = deadline.is_some_and(|at| moment::now() >= at);
            // What no journal keeps is sent while there is time.
            if is_late || self.backlog.failure().is_some() && self.backlog.keeps() {
                return false;
            }
            self.look("ending");
            match moment::receive_within(signals, DRAIN_LOOKS_EVERY) {
                Ok(Signal::Terminate | Signal::Interrupt) => return false,
                Ok(Signal::Hangup | Signal::User1) => {
                    let left = |at: Instant| at.saturating_duration_since(moment::now());
                    self.reopen_logs(deadline.map_or(OPENED_WITHIN, left).min(OPENED_WITHIN));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody can hurry us any more.
                Err(RecvTimeoutError::Disconnected) => std::thread::park_timeout(DRAIN_LOOKS_EVERY),
            }
        }
        true
    }

    /// Pauses in a wait in which whoever looks after the daemon is to hear of it.
    pub(super) fn wait_a_little(&self, doing: &str) {
        std::thread::park_timeout(DRAIN_LOOKS_EVERY);
        let lanes = self.lanes.get();
        self.supervision.report(doing, &lanes, &self.logs);
    }

    /// Closes the backlog over what is left, and says whether anything is. Nothing is left that is
    /// not kept, unless the journal has failed: that is told by its own exit code.
    fn close_backlog(&self) -> (bool, Duration) {
        let written = self.logs.flush(LOGS_CLOSE_WITHIN);
        self.register.written_or_lost();
        let failure = self.backlog.failure();
        let Closed {
            outstanding,
            unwritten,
        } = self.backlog.close().unwrap_or_default();
        let stay = if outstanding == 1 { "stays" } else { "stay" };
        let kept = format!("{} {stay}", push::counted(outstanding));
        if let Some(failure) = &failure {
            ::log::error!("{failure}; {kept} in it for the next start");
        } else if outstanding > 0 {
            ::log::info!("shut down, {kept} in the journal for the next start");
        }
        if unwritten > 0 {
            ::log::error!(
                "the journal could not be written: {} may be sent twice",
                push::counted(unwritten),
            );
        }
        let within = if written {
            LOGS_CLOSE_WITHIN
        } else {
            STUCK_LOGS_CLOSE_WITHIN
        };
        (failure.is_some() || outstanding > 0, within)
    }

    /// Has what was settled written to the feed.
    fn close_feed(&self) {
        if let Some(webhook) = &self.webhook {
            webhook.close(HOOK_CLOSES_WITHIN);
        }
        let feed = self.register.feed();
        if feed.is_some_and(|feed| !feed.close(FEED_CLOSES_WITHIN)) {
            ::log::error!(
                "the feed could not be written to its end in time: its readers are told of a gap; the push \
                 log has what is missing"
            );
        }
    }

    /// Says what else is left behind: lines of the push log, which nobody can say again.
    fn last_words(pushes_are_told: bool, unlogged: u64) {
        if unlogged == 0 && !pushes_are_told {
            ::log::info!("shut down, nothing left behind");
            return;
        }
        if !pushes_are_told {
            ::log::info!("shut down, no push left behind");
        }
        if unlogged > 0 {
            let lines = count::of(unlogged, "line", "lines");
            ::log::error!("{lines} of the push log could not be written, and are lost");
        }
    }

    /// Tells the operator what was never read back from a journal that is gone.
    fn tell_of_lost(lost: u64) {
        if lost > 0 {
            let lost = push::counted(lost);
            ::log::error!("{lost} of an earlier process went with the journal, without a line");
        }
    }

    /// Tells the operator what is lost.
    fn tell_of_left(left: usize) {
        if left > 0 {
            let left = push::counted(left as u64);
            ::log::error!("{left} not finished in time, settled as failed with reason shutdown");
        }
    }
}

/// Sends nothing more, and waits so long for what is in flight. Pauses by `pause`, which says
/// whether somebody is in a hurry.
pub(super) fn await_answers(
    lanes: &[Arc<RunningLane>],
    within: Duration,
    pause: impl Fn() -> bool,
) {
    for running in lanes {
        running.lane.fall_quiet();
    }
    // They notice at the same time, however many they are.
    let by = moment::now() + QUIET_WITHIN;
    for running in lanes {
        let within = by.saturating_duration_since(moment::now());
        // Whoever answers has begun a round since, in which it has seen that it is to be quiet.
        let _noticed = running.lane.ask(PushId(0), Wish::Find, within).is_ok();
    }
    let started = moment::now();
    let in_flight = || {
        let figures = lanes.iter().map(|running| running.lane.stats().figures());
        figures.map(|figures| figures.in_flight).sum::<u64>()
    };
    while in_flight() > 0 && moment::since(started) < within && !pause() {}
}
