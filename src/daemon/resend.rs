//! Sends what a log says was accepted and never settled: the daemon's lanes without its API.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::ending::LOGS_CLOSE_WITHIN;
use super::judge::{Disposition, Judge, Obstacle};
use super::resent::{Resent, is_told_to_end, outcomes};
use super::state_directory::StateDirectory;
use super::{StartError, StartErrorKind, lane_making, numbering};
use crate::config::Config;
use crate::delivery::running_lane::{self, RunningLane};
use crate::delivery::settler::Settler;
use crate::lane::Lanes;
use crate::log::{self, Destination, Logs, Origin, Origins};
use crate::moment::{self, Moment};
use crate::push::{LaneId, PushId};
use crate::recover::OpenPush;
use crate::signal::Signal;

/// Our limit: recovered pushes in a lane at a time, waiting or in flight.
const AHEAD: usize = 4096;

/// The lanes that send pushes again, each outcome being appended to a log.
pub struct Resend {
    feeds: Vec<ResendFeed>,
    judge: Judge,
    directory: StateDirectory,
    logs: Logs,
    origins: Origins,
    lanes: Lanes<RunningLane>,
    patience: Duration,
    total: u64,
}

/// A lane and what it is to get.
struct ResendFeed {
    running: Arc<RunningLane>,
    settler: Settler,
    waiting: VecDeque<OpenPush>,
}

impl Resend {
    /// Starts the lanes that these pushes need. Those that `judge` holds back must not be among
    /// them.
    ///
    /// # Errors
    ///
    /// When credentials cannot be used, or `outcomes` cannot be opened.
    pub fn start(
        config: &Config,
        judge: Judge,
        pushes: Vec<OpenPush>,
        outcomes: &Path,
    ) -> Result<Self, StartError> {
        let origins = Origins::default();
        let mut logs = open_logs(config, outcomes)?;
        // What this directory has numbered keeps its name; what others have has none of its own.
        let directory = StateDirectory::of(config)?;
        if let Some(dir) = &directory.path {
            directory.name_pushes(numbering::apns_ids(dir, config.core.node));
        }
        logs.origins = Some(origins.clone());
        let mut resend = Self {
            feeds: Vec::new(),
            judge,
            directory,
            logs,
            origins,
            lanes: lane_making::none(config),
            patience: config.core.shutdown_timeout,
            total: pushes.len() as u64,
        };
        let mut by_lane = BTreeMap::<LaneId, VecDeque<OpenPush>>::new();
        for push in pushes {
            let waiting = by_lane.entry(push.notification.lane).or_default();
            waiting.push_back(push);
        }
        for (lane, waiting) in by_lane {
            resend.add(config, lane, waiting)?;
        }
        Ok(resend)
    }

    fn add(
        &mut self,
        config: &Config,
        id: LaneId,
        waiting: VecDeque<OpenPush>,
    ) -> Result<(), StartError> {
        let enabled = self.judge.limits(id).zip(config.lane(id));
        let (limits, settings) = enabled
            .ok_or_else(|| StartError::new(StartErrorKind::Config, Obstacle::Disabled(id)))?;
        let register = Arc::default();
        let (known, parts) = ((id, &self.lanes), (&self.directory, &self.logs, &register));
        let running = lane_making::lane_of_files(config, settings, known, limits, parts)?;
        let lane = Arc::clone(&running.lane);
        let settler = Settler::new(lane, self.logs.clone(), limits, 0);
        self.lanes.serve(id, Some(Arc::clone(&running)));
        self.feeds.push(ResendFeed {
            running,
            settler,
            waiting,
        });
        Ok(())
    }

    /// Sends everything and tells `progress` how many pushes are settled, of how many. A signal
    /// ends it: what is in flight is waited for, the rest is left.
    pub fn run(mut self, signals: &Receiver<Signal>, mut progress: impl FnMut(u64, u64)) -> Resent {
        while self.has_more() {
            let now = Moment::now();
            for feed in &mut self.feeds {
                feed.give(&self.judge, &self.origins, now);
                feed.running.look();
            }
            progress(self.settled(), self.total);
            if is_told_to_end(signals) {
                self.withdraw(signals);
                break;
            }
        }
        progress(self.settled(), self.total);
        self.end()
    }

    fn has_more(&self) -> bool {
        let has_more = |feed: &ResendFeed| {
            !feed.waiting.is_empty() || feed.running.lane.room().outstanding() > 0
        };
        self.feeds.iter().any(has_more)
    }

    fn settled(&self) -> u64 {
        outcomes(&self.lanes).iter().sum()
    }

    /// Takes back what is not in flight, and waits for the rest, unless told again.
    fn withdraw(&self, signals: &Receiver<Signal>) {
        let deadline = moment::now().checked_add(self.patience);
        let mut withdrawn = 0;
        loop {
            let lanes = self.feeds.iter().map(|feed| &feed.running.lane);
            // Also what has come back since: a retry, or what a lost connection never sent.
            withdrawn += lanes
                .clone()
                .map(|lane| lane.take_rest().len())
                .sum::<usize>();
            let in_flight = lanes.map(|lane| lane.room().outstanding()).sum::<usize>();
            let is_late = deadline.is_some_and(|at| moment::now() >= at);
            if in_flight <= withdrawn || is_late || is_told_to_end(signals) {
                return;
            }
        }
    }

    fn end(mut self) -> Resent {
        running_lane::end_all(self.feeds.iter().map(|feed| &feed.running));
        self.feeds.clear();
        let unlogged = self.logs.close(LOGS_CLOSE_WITHIN);
        let [succeeded, failed] = outcomes(&self.lanes);
        Resent {
            succeeded,
            failed,
            left: self.total.saturating_sub(succeeded.saturating_add(failed)),
            unlogged,
            ..Resent::default()
        }
    }
}

impl ResendFeed {
    /// Gives the lane what it has room for.
    fn give(&mut self, judge: &Judge, origins: &Origins, now: Moment) {
        let lane = Arc::clone(&self.running.lane);
        while lane.room().outstanding() < AHEAD
            && let Some(outstanding) = self.waiting.front()
            && let Some(mut room) = lane.room().reserve(1)
        {
            let fate = judge.judge(outstanding, now);
            if !matches!(fate, Disposition::HeldBack(_)) {
                origins.put(outstanding.push_id(), origin(outstanding));
            }
            match fate {
                Disposition::Send(push) => lane.enqueue(room, vec![push]),
                Disposition::Expired(push) => {
                    room.spend(push.class());
                    // It is no younger than when it was judged.
                    let _settled = self.settler.settle_if_expired(push, now).is_none();
                }
                Disposition::Unsendable(push, why) => {
                    room.spend(push.class());
                    self.settler.settle_as_unsendable(&push, &why, now);
                }
                Disposition::HeldBack(_) => {}
            }
            self.waiting.pop_front();
        }
        self.settler.flush(now.monotonic);
    }
}

/// How the outcome line of a push names it.
fn origin(outstanding: &OpenPush) -> Origin {
    Origin {
        id: PushId(outstanding.id),
        accepted: outstanding.accepted.clone(),
    }
}

/// Outcomes go to one file whatever they are; what happens meanwhile is told on standard error.
fn open_logs(config: &Config, outcomes: &Path) -> Result<Logs, StartError> {
    let outcomes = Destination::File {
        path: outcomes.to_owned(),
        mode: config.log.mode,
    };
    let logs = Logs::open(&outcomes, &outcomes, &Destination::Stderr)
        .map_err(|error| StartError::new(StartErrorKind::CannotCreate, error))?;
    if log::operator::start(&logs.operator, logs.operator_shape(), config.log.level).is_err() {
        log::operator::set_level(config.log.level);
    }
    Ok(logs)
}
