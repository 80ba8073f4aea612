//! Lanes that a reload enables and disables, adds and removes.
//!
//! One that is disabled, or whose section is gone, takes nothing more from the next request on.
//! What it has sent is answered; what it has not stays in the journal, where it is looked after as
//! at a start without the lane. Without a journal it is sent first: nothing else would keep it.

use std::sync::Arc;
use std::time::Duration;

use ::log::Level;

use super::Daemon;
use super::ending::{ANSWERS_WITHIN, await_answers};
use super::lane_making::{self, limits};
use crate::backlog::Absent;
use crate::config::Config;
use crate::count;
use crate::delivery::running_lane::{self, RunningLane};
use crate::lane::Hold;
use crate::moment;
use crate::push::LaneId;

/// What the daemon does meanwhile, for who looks after it.
const RELOADING: &str = "reloading";

/// Our limit: how long the feeder may take to let go of lanes.
const FEEDER_LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// Our limit: how long requests that have looked at the lanes before may take to let go of those.
const REQUESTS_LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Our limit: how long the feeder may take to count lanes' pushes anew, which waits for the push
/// log first.
const FED_AGAIN_WITHIN: Duration = Duration::from_secs(4);

impl Daemon {
    /// Has the lanes served that are new, and those no more that `config` disables, which are to be
    /// put away; says what becomes of the pushes of those that are new.
    pub(super) fn turn_lanes(
        &mut self,
        config: &Config,
        new: Vec<Arc<RunningLane>>,
    ) -> (Vec<Arc<RunningLane>>, Vec<(Level, String)>) {
        let lanes = self.lanes.get();
        let (keeps, mut told) = (self.backlog.keeps(), Vec::new());
        let is_gone = |running: &&Arc<RunningLane>| {
            config.lane(running.id()).is_none() && lanes.get(running.id()).is_some()
        };
        let gone: Vec<_> = lanes.serving().filter(is_gone).map(Arc::clone).collect();
        told.extend(gone.iter().filter_map(|running| pause_ends(running)));
        let mut turned = lanes.as_ref().clone();
        for running in &new {
            turned.know(running.id(), || Arc::clone(running.lane.stats()));
        }
        for id in config.known() {
            turned.know(id, Arc::default);
        }
        for running in &gone {
            turned.let_finish(running.id());
        }
        for running in &new {
            turned.serve(running.id(), Some(Arc::clone(running)));
        }
        // Before anything is fed: who purges looks for it in the lanes that are served.
        self.lanes.set(turned);
        for running in new {
            if let Some(feeder) = self.feeder.as_ref().filter(|_| keeps) {
                let unclaimed = self.backlog.unclaimed(running.id());
                feeder.serve(&running);
                if unclaimed > 0 {
                    let waited = count::of(unclaimed, "push that waited", "pushes that waited");
                    let line = format!("{}: {waited} in the journal are sent", running.lane);
                    told.push((Level::Info, line));
                }
            }
        }
        (gone, told)
    }

    /// Has lanes that are served no more leave to the journal what they have, or without one send
    /// it first; says what becomes of the pushes of each.
    pub(super) fn let_go(
        &mut self,
        gone: &[Arc<RunningLane>],
        config: &Config,
    ) -> Vec<(Level, String)> {
        if gone.is_empty() {
            return Vec::new();
        }
        if self.backlog.keeps() {
            return self.put_away(gone, config);
        }
        let finishes = |it: &Arc<RunningLane>| finishes(it, lane_making::lack(config, it.id()));
        gone.iter().filter_map(finishes).collect()
    }

    /// Leaves to the journal what lanes have that are served no more. Each wait is one for all of
    /// them, so that many take no longer than one.
    fn put_away(&mut self, gone: &[Arc<RunningLane>], config: &Config) -> Vec<(Level, String)> {
        let ids: Vec<_> = gone.iter().map(|running| running.id()).collect();
        if let Some(feeder) = &self.feeder {
            feeder.leave(&ids, FEEDER_LEAVES_WITHIN);
        }
        await_answers(gone, ANSWERS_WITHIN, || {
            self.wait_a_little(RELOADING);
            false
        });
        // What they bring is counted with the rest; the caller has the lane too, and so has the
        // registry: who purges has to know of it until its pushes count as those of the backlog.
        let is_held = |running: &Arc<RunningLane>| Arc::strong_count(running) > 2;
        let began = moment::now();
        while gone.iter().any(is_held) && moment::since(began) < REQUESTS_LEAVE_WITHIN {
            self.wait_a_little(RELOADING);
        }
        let held: Vec<_> = gone
            .iter()
            .filter(|it| is_held(it))
            .map(Arc::clone)
            .collect();
        running_lane::end_all(gone.iter());
        self.wait_a_little(RELOADING);
        // The registry has them no more.
        for running in gone {
            let class = format!("{} connection", running.id());
            for heartbeat in running.threads.heartbeats() {
                self.supervision.watch(class.clone(), heartbeat);
            }
        }
        self.held.extend(held);
        let ended = gone.iter().filter(|running| running.has_ended());
        let ended: Vec<_> = ended.map(|running| running.id()).collect();
        let feeder = self.feeder.as_ref().filter(|_| !ended.is_empty());
        let fed = feeder.map_or(Some(false), |feeder| {
            feeder.feed_again(&ended, FED_AGAIN_WITHIN)
        });
        let lanes = self.lanes.get();
        let mut turned = lanes.as_ref().clone();
        turned.forget_finished(|leaving| !gone.iter().any(|it| Arc::ptr_eq(leaving, it)));
        self.lanes.set(turned);
        let mut told = Vec::new();
        for id in ids {
            let stay = if ended.contains(&id) {
                fed
            } else {
                Some(false)
            };
            if stay != Some(true) {
                self.backlog.leave_uncounted();
            }
            told.extend(self.look_after(id, stay, config));
        }
        told
    }

    /// Has the feeder look after the pushes of a lane that was put away, and says what becomes of
    /// them; `stay` is whether they count as those of the journal, if that is known.
    fn look_after(
        &self,
        id: LaneId,
        stay: Option<bool>,
        config: &Config,
    ) -> Option<(Level, String)> {
        let lack = lane_making::lack(config, id);
        let known = (id, self.lanes.get().stats(id));
        let absent = Absent::new(known, limits(config, id), &self.logs, &self.register);
        let absent = absent.lacking(lack);
        let told = match stay {
            Some(true) => absent.told(&self.backlog),
            Some(false) => Some(format!(
                "{id} {lack}: what it had taken from the journal stays there until the next \
                 start, since a push log or the journal cannot be written"
            )),
            None => Some(format!(
                "{id} {lack}: what it has stays in the journal, perhaps until the next start; \
                 how much that is cannot be said yet, since a push log or the disk is slow"
            )),
        };
        if let Some(feeder) = &self.feeder {
            feeder.keep(absent);
        }
        told.map(|line| (Level::Warn, line))
    }

    /// Knows the lanes that the configuration has no more and the journal has pushes for.
    pub(super) fn know_removed(&self) {
        let lanes = self.lanes.get();
        let mut turned = lanes.as_ref().clone();
        for id in self.backlog.lanes_unclaimed() {
            turned.know(id, Arc::default);
        }
        self.lanes.set(turned);
    }

    /// Counts with what waits in the journal what came to a lane after it was put away.
    fn look_at_held(&mut self) {
        let lanes = self.lanes.get();
        let is_held = |running: &Arc<RunningLane>| Arc::strong_count(running) > 1;
        let (held, free) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(is_held);
        self.held = held;
        let late = free.into_iter().filter_map(|running: Arc<RunningLane>| {
            let late = running.lane.take_rest().len();
            (late > 0).then_some((running, late))
        });
        // What is served again is in its lane's hands, and would be sent twice.
        let may_feed = |(running, _): &(Arc<RunningLane>, usize)| {
            self.feeder.is_some() && lanes.get(running.id()).is_none() && running.has_ended()
        };
        let (again, mut stay): (Vec<_>, Vec<_>) = late.partition(may_feed);
        let ids: Vec<_> = again.iter().map(|(running, _)| running.id()).collect();
        let feeder = self.feeder.as_ref().filter(|_| !ids.is_empty());
        if feeder.and_then(|feeder| feeder.feed_again(&ids, FED_AGAIN_WITHIN)) != Some(true) {
            stay.extend(again);
        }
        for (running, late) in stay {
            let late = count::of(late as u64, "push", "pushes");
            ::log::warn!(
                "{}: {late} accepted while it was being disabled may wait in the journal until the \
                 next start",
                running.id()
            );
        }
    }

    /// Ends the lanes that have sent what they had when they were disabled.
    pub(super) fn end_finished(&mut self) {
        self.look_at_held();
        let lanes = self.lanes.get();
        // Who has looked at the lanes before may yet bring something.
        let has_more = |running: &Arc<RunningLane>, known_by: usize| {
            Arc::strong_count(running) > known_by || running.lane.room().outstanding() > 0
        };
        if !lanes.leaving().iter().all(|running| has_more(running, 1)) {
            let mut turned = lanes.as_ref().clone();
            turned.forget_finished(|running| has_more(running, 2));
            self.lanes.set(turned);
        }
    }
}

/// What is said of a lane that was paused by hand when it came to be served no more.
fn pause_ends(running: &RunningLane) -> Option<(Level, String)> {
    let lane = &running.lane;
    let holds = lane.holding().holds();
    let by_hand = |hold: &Hold| matches!(hold, Hold::Operator { .. });
    holds.iter().any(by_hand).then(|| {
        let told = format!(
            "{lane}: it was paused by hand, which ends with it: once it is served again it sends; \
             PUT /lanes/{lane}/pause pauses it then"
        );
        (Level::Warn, told)
    })
}

/// What is said of a lane that no journal takes the pushes of.
fn finishes(running: &RunningLane, lack: &str) -> Option<(Level, String)> {
    let outstanding = running.lane.room().outstanding() as u64;
    let are = count::of(outstanding, "push is sent", "pushes are sent");
    let line = format!(
        "{} {lack}: {are} first, since no journal keeps what it has",
        running.lane
    );
    (outstanding > 0).then_some((Level::Warn, line))
}
