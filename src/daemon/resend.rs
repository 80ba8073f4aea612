//! Sends what a log says was accepted and never settled: the daemon's lanes without its API.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::ending::LOGS_CLOSE_WITHIN;
use super::routes::SharedRoots;
use super::state_directory::{StateDirectory, journal_directory};
use super::unreadable::Unreadable;
use super::{StartError, StartErrorKind, numbering, routes};
use crate::api::plan::ContentOf;
use crate::config::Config;
use crate::delivery::policy::{self, Limits};
use crate::delivery::register::Register;
use crate::delivery::running_lane::RunningLane;
use crate::delivery::settler::Settler;
use crate::journal::{self, Attempts, DiskFiles, Fault, Outstanding, Reading};
use crate::lane::Lanes;
use crate::log::{self, Destination, Logs, Origin, Origins};
use crate::moment::{self, Moment};
use crate::provider;
use crate::push::{Content, LaneId, Note, Parcel, Push, PushId};
use crate::recover::{OpenPush, resume};
use crate::signal::Signal;
use crate::stats::LaneStats;

/// Our limit: recovered pushes in a lane at a time, waiting or in flight.
const AHEAD: usize = 4096;

/// How often the lanes are given more.
const FEED_EVERY: Duration = Duration::from_millis(20);

/// What is to become of an outstanding push.
#[derive(Debug)]
pub enum Disposition {
    /// It is sent.
    Send(Push),
    /// It is settled as expired.
    Expired(Push),
    /// It is settled as failed, for this reason: the provider would not take it.
    Unsendable(Push, String),
    /// It stays outstanding.
    HeldBack(Obstacle),
}

/// Why a push stays outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// Its line does not hold all of it, and nobody has said to send it all the same.
    Incomplete,
    /// The configuration does not enable its lane.
    Disabled(LaneId),
    /// The log does not have its device token or its message.
    Hidden,
    /// Its texts are in the line of another push, which no log has.
    Texts,
    /// When it was accepted is not told, or in a zone that is not this machine's.
    Zone,
    /// The journal has it too, and would send it again.
    Kept,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str(
                "a push log has no extend, priority and push_type; \
                 --allow-incomplete sends pushes without them",
            ),
            Self::Disabled(lane) => {
                write!(f, "{lane} is disabled in the configuration")
            }
            Self::Hidden => f.write_str(
                "their device token or message is not in the log \
                 (log.hide_token, log.hide_message, or an empty message)",
            ),
            Self::Texts => f.write_str(
                "their texts are in the line of the push that texts_of names, \
                 which is not before them in these logs",
            ),
            Self::Zone => f.write_str(
                "their time is neither in UTC nor in this machine's zone; \
                 set TZ to the zone of the log (TZ=Asia/Tokyo)",
            ),
            Self::Kept => f.write_str(
                "the journal has them too; start the daemon on it, or run sterna recover with \
                 the same -c and --journal and without -l",
            ),
        }
    }
}

/// Says what is to become of outstanding pushes.
pub struct Judge {
    enabled: BTreeMap<LaneId, Limits>,
    journal: Option<Reading>,
    allow_incomplete: bool,
    allows_empty_message: bool,
    /// Whether a log has no messages.
    hides_message: bool,
    content: Box<ContentOf>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge")
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl Judge {
    /// By the configuration's rules, but for the age at which a push expires.
    pub fn new(config: &Config, max_age: Duration, allow_incomplete: bool) -> Self {
        Self {
            enabled: enabled(config, max_age),
            journal: None,
            allow_incomplete,
            allows_empty_message: config.core.allows_empty_message,
            hides_message: config.log.hide_message,
            content: Box::new(routes::content_of(config)),
        }
    }

    /// Holds back what is outstanding in a journal too: in `named`, or in the configuration's if
    /// there is one yet.
    ///
    /// # Errors
    ///
    /// When there is a journal that cannot be read.
    pub fn beside_journal(self, config: &Config, named: Option<&Path>) -> Result<Self, Unreadable> {
        let dir = match named {
            Some(named) => Some(named.to_owned()),
            None => journal_directory(config)?,
        };
        let Some(dir) = dir else {
            return Ok(self);
        };
        let journal = match journal::read(&DiskFiles, &dir, Moment::now()) {
            Ok(reading) => Some(reading),
            Err(error) if named.is_none() && matches!(error.fault, Fault::Missing) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { journal, ..self })
    }

    /// What is to become of a push.
    pub fn judge(&self, push: &OpenPush, now: Moment) -> Disposition {
        let lane = push.notification.lane;
        let is_kept = |journal: &Reading| push.is_sternas() && journal.has(push.push_id());
        if self.journal.as_ref().is_some_and(is_kept) {
            return Disposition::HeldBack(Obstacle::Kept);
        }
        let Some(limits) = self.limits(lane) else {
            return Disposition::HeldBack(Obstacle::Disabled(lane));
        };
        if push.texts_of.is_some() {
            return Disposition::HeldBack(Obstacle::Texts);
        }
        let may_be_empty = !self.hides_message
            && (self.allows_empty_message || push.notification.content_available);
        let lacks_message = push.notification.message.is_empty() && !may_be_empty;
        if push.is_hidden() || lacks_message {
            return Disposition::HeldBack(Obstacle::Hidden);
        }
        let Some(at) = push.at else {
            return Disposition::HeldBack(Obstacle::Zone);
        };
        let mut notification = push.notification.clone();
        let built = routes::check_device_token(lane, push.token.as_str())
            .map_err(str::to_owned)
            .and_then(|()| (self.content)(&mut notification));
        let (content, error) = match built {
            Ok(content) => (content, None),
            Err(error) => (Content::default(), Some(error)),
        };
        let tokens = [push.token.as_str()].into_iter().collect();
        let outstanding = Outstanding {
            envelope: provider::envelope(&notification),
            parcel: Parcel::new(&content, &Note::of(&notification), &tokens),
            first_id: push.push_id(),
            at: Duration::from_secs(at),
            in_doubt: false,
            pushes: vec![(0, Attempts::default())],
        };
        let Some((push, _)) = resume(outstanding, now).next() else {
            return Disposition::HeldBack(Obstacle::Incomplete);
        };
        if policy::expired(&push, limits, now).is_some() {
            Disposition::Expired(push)
        } else if !self.allow_incomplete {
            Disposition::HeldBack(Obstacle::Incomplete)
        } else if let Some(error) = error {
            Disposition::Unsendable(push, error)
        } else {
            Disposition::Send(push)
        }
    }

    fn limits(&self, lane: LaneId) -> Option<Limits> {
        self.enabled.get(&lane).copied()
    }
}

/// What became of pushes that were sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// The provider took them.
    pub succeeded: u64,
    /// The provider refused them, or every attempt failed.
    pub failed: u64,
    /// Not settled: they are outstanding as before.
    pub left: u64,
    /// Lines of outcomes that could not be written.
    pub unlogged: u64,
    /// Settlements that could not be written to the journal: those pushes would be sent again.
    pub unkept: u64,
    /// The journal has failed, which is why it ended.
    pub journal_failed: bool,
}

/// The lanes that send pushes again, each outcome being appended to a log.
pub struct Resend {
    feeds: Vec<Feed>,
    judge: Judge,
    directory: StateDirectory,
    logs: Logs,
    origins: Origins,
    lanes: Lanes<RunningLane>,
    patience: Duration,
    total: u64,
}

/// A lane and what it is to get.
struct Feed {
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
            lanes: Lanes::of(config.known()),
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
        let limits = self.judge.limits(id).ok_or_else(|| disabled(id))?;
        let (known, register) = ((id, self.lanes.stats(id)), Arc::default());
        let running = start_lane(
            config,
            known,
            limits,
            &self.directory,
            &self.logs,
            &register,
        )?;
        let lane = Arc::clone(&running.lane);
        lane.set_rate(super::rate(config, id), moment::now());
        let settler = Settler::new(lane, self.logs.clone(), limits, 0);
        self.lanes.serve(id, Some(Arc::clone(&running)));
        self.feeds.push(Feed {
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
        let has_more =
            |feed: &Feed| !feed.waiting.is_empty() || feed.running.lane.room().outstanding() > 0;
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
        for feed in self.feeds.drain(..) {
            feed.running.lane.stop();
            feed.running.end();
        }
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

impl Feed {
    /// Gives the lane what it has room for.
    fn give(&mut self, judge: &Judge, origins: &Origins, now: Moment) {
        let lane = Arc::clone(&self.running.lane);
        while lane.room().outstanding() < AHEAD
            && let Some(outstanding) = self.waiting.front()
            && let Some(room) = lane.room().reserve(1)
        {
            let fate = judge.judge(outstanding, now);
            if !matches!(fate, Disposition::HeldBack(_)) {
                origins.put(outstanding.push_id(), origin(outstanding));
            }
            match fate {
                Disposition::Send(push) => lane.enqueue(room, vec![push]),
                Disposition::Expired(push) => {
                    room.occupy();
                    // It is no younger than when it was judged.
                    let _settled = self.settler.settle_if_expired(push, now).is_none();
                }
                Disposition::Unsendable(push, why) => {
                    room.occupy();
                    self.settler.settle_as_unsendable(&push, &why, now);
                }
                Disposition::HeldBack(_) => {}
            }
            self.waiting.pop_front();
        }
        self.settler.flush(now.monotonic);
    }
}

/// By what rules pushes end of the lanes that are enabled.
pub(super) fn enabled(config: &Config, max_age: Duration) -> BTreeMap<LaneId, Limits> {
    let lanes = config.enabled().map(|(id, _)| id);
    lanes
        .filter_map(|lane| Some((lane, limits(config, lane, max_age)?)))
        .collect()
}

/// By what rules pushes of a lane end, but for the age at which they expire; none if it is
/// disabled.
pub(super) fn limits(config: &Config, lane: LaneId, max_age: Duration) -> Option<Limits> {
    config.lane(lane).map(|_| Limits {
        max_age,
        ..super::limits(config, lane)
    })
}

fn disabled(lane: LaneId) -> StartError {
    StartError::new(StartErrorKind::Config, Obstacle::Disabled(lane))
}

/// Starts a lane, as the configuration says.
pub(super) fn start_lane(
    config: &Config,
    (lane, stats): (LaneId, Arc<LaneStats>),
    limits: Limits,
    directory: &StateDirectory,
    logs: &Logs,
    register: &Arc<Register>,
) -> Result<Arc<RunningLane>, StartError> {
    let settings = config.lane(lane).ok_or_else(|| disabled(lane))?;
    let files = routes::credential_files(settings, SharedRoots::default(), directory);
    let route = files
        .route()
        .map_err(|error| StartError::new(StartErrorKind::Config, error))?;
    let route = (route, files);
    let sizing = super::sizing(&config.core);
    let known = (lane, stats);
    Ok(RunningLane::new(
        known, sizing, route, limits, logs, register,
    ))
}

/// Pushes that have succeeded, and that have failed.
pub(super) fn outcomes(lanes: &Lanes<RunningLane>) -> [u64; 2] {
    let (figures, again) = (lanes.figures(), lanes.figures());
    [
        figures.map(|figures| figures.push_success).sum(),
        again.map(|figures| figures.push_error).sum(),
    ]
}

/// How the outcome line of a push names it.
fn origin(outstanding: &OpenPush) -> Origin {
    Origin {
        id: PushId(outstanding.id),
        accepted: outstanding.accepted.clone(),
    }
}

/// Waits a moment; whether a signal says that it is enough.
pub(super) fn is_told_to_end(signals: &Receiver<Signal>) -> bool {
    match moment::receive_within(signals, FEED_EVERY) {
        Ok(Signal::Terminate | Signal::Interrupt) => true,
        Ok(Signal::Hangup | Signal::User1) | Err(RecvTimeoutError::Timeout) => false,
        Err(RecvTimeoutError::Disconnected) => {
            std::thread::park_timeout(FEED_EVERY);
            false
        }
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
