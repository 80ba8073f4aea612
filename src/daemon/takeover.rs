//! Sends what is outstanding in a journal, with the daemon's lanes and without its API.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::ending::{LOGS_CLOSE_WITHIN, await_answers};
use super::lane_making::{self, enabled, lane_of_files};
use super::resent::{is_told_to_end, outcomes};
use super::state_directory::StateDirectory;
use super::{Resent, StartError, StartErrorKind, Survey};
use super::{journal_opening, numbering, open_logs, settle_last_lines};
use crate::backlog::{Backlog, Closed, Feeder};
use crate::config::{self, Config};
use crate::delivery::register::Register;
use crate::delivery::running_lane::{self, RunningLane};
use crate::journal::{Fault, Journal, Recovered, SCHEDULED_BYTES, SCHEDULED_MAX, SEGMENT_BYTES};
use crate::lane::Lanes;
use crate::log::{Destination, Logs};
use crate::moment::Moment;
use crate::push::LaneId;
use crate::signal::Signal;

/// A journal that nobody else has. Dropping it gives it back as it was.
#[derive(Debug)]
pub struct Takeover {
    dir: PathBuf,
    journal: Arc<Journal>,
    recovered: Recovered,
}

impl Takeover {
    /// Takes over the journal in `dir`, to be kept as the configuration says.
    ///
    /// # Errors
    ///
    /// When a daemon has it, or it cannot be written.
    pub fn of(config: &Config, dir: PathBuf) -> Result<Self, StartError> {
        let settings = match config.journal.clone() {
            Some(journal) => config::Journal {
                dir: dir.clone(),
                ..journal
            },
            None => config::Journal {
                dir: dir.clone(),
                sync: config::Sync::Group,
                segment_bytes: SEGMENT_BYTES,
                scheduled_max: SCHEDULED_MAX,
                scheduled_bytes: SCHEDULED_BYTES,
            },
        };
        let (journal, recovered) = journal_opening::take_over(&settings, &config.core).map_err(
            |error| match &error.fault {
                Fault::Held(pid) => {
                    let pid = pid.map(|pid| format!(", with pid {pid}"));
                    let text = format!(
                        "the journal {} belongs to a process that runs{}: a daemon sends what is \
                         outstanding by itself; stop it first, or look with --dry-run",
                        error.path.display(),
                        pid.unwrap_or_default(),
                    );
                    StartError::new(StartErrorKind::AlreadyRunning, text)
                }
                _ => StartError::of_journal(&error),
            },
        )?;
        Ok(Self {
            dir,
            journal,
            recovered,
        })
    }

    /// Whether nothing has changed since `survey` looked at the journal.
    pub fn is_as(&self, survey: &Survey) -> bool {
        survey.is_of(&self.recovered)
    }

    /// Sends everything and tells `progress` how many pushes are settled, of how many. A signal
    /// ends it: what is in flight is waited for, unless a second one comes; the rest stays in the
    /// journal.
    ///
    /// # Errors
    ///
    /// When credentials cannot be used, or the push logs cannot be opened.
    pub fn run(
        self,
        config: &Config,
        max_age: Duration,
        signals: &Receiver<Signal>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Resent, StartError> {
        let total = self.recovered.outstanding;
        // Its pushes keep the names that they have, wherever the daemon's own are.
        let directory = StateDirectory::of(config)?;
        directory.name_pushes(numbering::apns_ids(&self.dir, config.core.node));
        let sending = LanesAtWork::start(self.journal, config, &directory, max_age)?;
        loop {
            progress(outcomes(&sending.lanes).iter().sum(), total);
            sending.lanes.serving().for_each(|running| running.look());
            if sending.is_done() {
                break;
            }
            if is_told_to_end(signals) {
                let patience = config.core.shutdown_timeout;
                sending.stop_feeding();
                let serving: Vec<_> = sending.lanes.serving().map(Arc::clone).collect();
                await_answers(&serving, patience, || is_told_to_end(signals));
                break;
            }
        }
        progress(outcomes(&sending.lanes).iter().sum(), total);
        Ok(sending.end())
    }
}

/// Whether something of a lane is scheduled whose time has come.
fn is_due(journal: &Journal, lane: LaneId, now: Moment) -> bool {
    let next = journal.scheduled(lane).1;
    next.is_some_and(|at| u64::from(at) <= now.unix_secs())
}

/// The lanes at work.
struct LanesAtWork {
    backlog: Arc<Backlog>,
    lanes: Lanes<RunningLane>,
    logs: Logs,
    register: Arc<Register>,
    feeder: Option<Feeder>,
}

impl LanesAtWork {
    /// Starts the lanes for which there is something.
    fn start(
        journal: Arc<Journal>,
        config: &Config,
        directory: &StateDirectory,
        max_age: Duration,
    ) -> Result<Self, StartError> {
        let logs = open_logs(config, &Destination::Stderr)?;
        let register = Arc::<Register>::default();
        let mut lanes = lane_making::none(config);
        let now = Moment::now();
        for (lane, limits) in enabled(config, max_age) {
            if (journal.unfed(lane) > 0 || is_due(&journal, lane, now))
                && let Some(settings) = config.lane(lane)
            {
                let parts = (directory, &logs, &register);
                let known = (lane, &lanes);
                let running = lane_of_files(config, settings, known, limits, parts)?;
                lanes.serve(lane, Some(running));
            }
        }
        let backlog = Arc::<Backlog>::default();
        backlog.open(journal);
        settle_last_lines(config, &logs, &backlog);
        // Those of a platform that is disabled are left as they are.
        let feeder = Feeder::connect(&backlog, &lanes, Vec::new(), &logs, &register)
            .map_err(|error| StartError::new(StartErrorKind::System, error))?;
        Ok(Self {
            backlog,
            lanes,
            logs,
            register,
            feeder: Some(feeder),
        })
    }

    fn is_done(&self) -> bool {
        let is_empty = |running: &Arc<RunningLane>| running.lane.room().outstanding() == 0;
        let now = Moment::now().unix;
        let is_fed = |lane: &Arc<RunningLane>| {
            let next = self.backlog.scheduled(lane.id()).1;
            self.backlog.unclaimed(lane.id()) == 0 && next.is_none_or(|at| at > now)
        };
        // What is fed has its room before.
        let is_sent = self.lanes.serving().all(|it| is_fed(it) && is_empty(it));
        is_sent || self.backlog.failure().is_some()
    }

    fn stop_feeding(&self) {
        if let Some(feeder) = &self.feeder {
            feeder.stop();
        }
    }

    /// Ends as the daemon does: what is not settled goes back to the journal.
    fn end(mut self) -> Resent {
        self.stop_feeding();
        self.logs.hurry(LOGS_CLOSE_WITHIN);
        if let Some(feeder) = self.feeder.take() {
            feeder.end();
        }
        running_lane::end_all(self.lanes.serving());
        let _all_written = self.logs.flush(LOGS_CLOSE_WITHIN);
        self.register.written_or_lost();
        let Closed {
            outstanding,
            unwritten,
        } = self.backlog.close().unwrap_or_default();
        // The last sync may be the one that failed.
        let failure = self.backlog.failure();
        if let Some(failure) = &failure {
            ::log::error!("{failure}");
        }
        let unlogged = self.logs.close(LOGS_CLOSE_WITHIN);
        let [succeeded, failed] = outcomes(&self.lanes);
        Resent {
            succeeded,
            failed,
            left: outstanding,
            unlogged,
            unkept: unwritten,
            journal_failed: failure.is_some(),
        }
    }
}
