//! The wiring: what starts when, who knows whom, and how it all ends.
//!
//! Start: logs, credentials, what only one daemon can have (see `holdings`), port, lanes,
//! listener, journal. A failure before the listener leaves nothing behind but a directory for the
//! journal; until that is read, the listener refuses. End: see `ending`.

#[cfg(debug_assertions)]
mod crash_files;
mod enabling;
mod ending;
mod environments;
mod feed_opening;
mod holdings;
mod inlet;
mod journal_opening;
mod judge;
mod lane_making;
mod named_files;
mod numbering;
mod reload;
mod resend;
mod resent;
mod routes;
mod scraping;
mod start_error;
mod state_directory;
mod state_file;
mod supervision;
mod survey;
mod takeover;
mod terms;
mod token_file;
mod underfoot;
mod unreadable;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, select};

pub use crate::api::Watched;
use crate::api::idempotency::Answered;
use crate::api::{ChannelCalls, Ids, KeptFeed, Lines, Service, TurnedAway};
use crate::backlog::{self, Absent, Backlog, Feeder, Whereabouts};
use crate::config::{self, Config, LaneConfig};
use crate::control::{Asked, Control, ControlAnswer};
use crate::delivery::register::Register;
use crate::delivery::running_lane::RunningLane;
use crate::descriptors;
use crate::http1::{Bound, Listener, RequestIds, Turnstile};
use crate::journal::Lock;
use crate::lane::Lanes;
use crate::live::Live;
use crate::log::{self, Destination, Logs, OPENED_WITHIN};
use crate::moment::{self, Moment};
use crate::pid_file::PidFile;
use crate::push::{LaneId, PushId};
use crate::signal::{Signal, Signals};
use crate::stats::CallerStats;
use crate::supervisor::{Inherited, Supervisor};
use crate::webhook::Webhook;
pub use ending::Ended;
use holdings::{GOES_WITHIN, Holdings, Turn};
use inlet::OpenPlace;
pub use judge::{Disposition, Judge, Obstacle};
use named_files::NamedFiles;
use numbering::Numbering;
pub use reload::Source;
pub use resend::Resend;
pub use resent::Resent;
pub use start_error::{StartError, StartErrorKind};
use state_directory::StateDirectory;
pub use state_directory::journal_directory;
use supervision::Supervision;
pub use survey::Survey;
pub use takeover::Takeover;
use terms::{privacy, say_of_logs, settings, terms, too_many_connections};
use underfoot::Underfoot;
pub use unreadable::Unreadable;

/// How often the wait for the lanes looks whether they are done.
const DRAIN_LOOKS_EVERY: Duration = Duration::from_millis(20);
/// How often it is looked whether the journal has failed.
const JOURNAL_LOOKS_EVERY: Duration = Duration::from_millis(500);

/// A running daemon.
pub struct Daemon {
    /// `None` only during the start.
    listener: Option<Listener>,
    /// Where Prometheus scrapes, if not on the API, to the end: what a drain comes to is told too.
    _scraped: Option<Listener>,
    lanes: Arc<Live<Lanes<RunningLane>>>,
    /// Lanes that were put away, to which somebody may yet bring something.
    held: Vec<Arc<RunningLane>>,
    /// What lanes to Apple were that are served no more.
    left: BTreeMap<LaneId, LaneConfig>,
    logs: Logs,
    register: Arc<Register>,
    backlog: Arc<Backlog>,
    feeder: Option<Feeder>,
    /// What posts the feed, if there is one.
    webhook: Option<Webhook>,
    supervision: Arc<Supervision>,
    shutdown_timeout: Duration,
    /// What is in force.
    config: Config,
    /// What the API listens on, if it is inherited and other hosts can reach it.
    open_place: Option<OpenPlace>,
    /// Where a reload reads.
    source: Option<Source>,
    /// What it names besides, as it was when it was read.
    named_files: NamedFiles,
    /// Where it keeps what outlives it.
    directory: StateDirectory,
    /// SIGHUP came before it could be heeded.
    owes_reload: bool,
    service: Arc<Service>,
    control: Option<Control>,
    underfoot: Underfoot,
    _pid_file: Option<PidFile>,
}

impl Daemon {
    /// A daemon that serves. `warnings` are the configuration's, for the operator log.
    ///
    /// # Errors
    ///
    /// What keeps it from serving.
    pub fn start(config: &Config, warnings: &[config::Warning]) -> Result<Self, StartError> {
        Self::start_on(None, config, warnings, &crossbeam_channel::never())
    }

    /// [`Daemon::start`] on an inherited socket, if there is one, instead of `core.port` and
    /// `core.address`. A daemon that server-starter is about to end is waited for, unless `signals`
    /// say to end.
    ///
    /// # Errors
    ///
    /// What keeps it from serving.
    pub fn start_on(
        inherited: Option<Inherited>,
        config: &Config,
        warnings: &[config::Warning],
        signals: &Receiver<Signal>,
    ) -> Result<Self, StartError> {
        let operator = Destination::named(&config.log.operator_log).created_with(config.log.mode);
        let raised = descriptors::raise();
        let logs = open_logs(config, &operator)?;
        warn(raised, config, warnings);
        let (named_files, directory) = (NamedFiles::of(config), StateDirectory::of(config)?);
        let routes = lane_making::routes(config, &directory)?;
        let follows = inherited.as_ref().is_some_and(Inherited::follows_another);
        let mut turn = Turn {
            signals,
            logs: &logs,
            patience: follows.then(|| config.core.shutdown_timeout.saturating_add(GOES_WITHIN)),
            owes_reload: false,
        };
        let Holdings {
            journal,
            pid_file,
            control,
            metrics,
        } = Holdings::take(config, &directory, &mut turn)?;
        let (owes_reload, is_inherited) = (turn.owes_reload, inherited.is_some());
        let open_place = inherited.as_ref().and_then(OpenPlace::of);
        let (bound, place) = inlet::bound(inherited, &config.core)?;
        let (register, backlog) = (Arc::<Register>::default(), Arc::<Backlog>::default());
        let lanes = lane_making::lanes(config, routes, (&directory, &logs, &register));
        let supervision = Arc::new(Supervision::new(Supervisor::from_environment()));
        supervision.watch_logs(&logs);
        let lanes = Arc::new(Live::new(lanes));
        let whereabouts = Whereabouts {
            lanes: Arc::clone(&lanes),
            register: Arc::clone(&register),
            backlog: Arc::clone(&backlog),
            logs: logs.clone(),
        };
        let service = service(config, &bound, whereabouts)?;
        let alive = (Arc::clone(&supervision), Arc::clone(&lanes), logs.clone());
        let stuck = move || alive.0.stuck(moment::now(), &alive.2, &alive.1.get());
        let _is_first = service.stuck.set(Box::new(stuck)).is_ok();
        let scraped = metrics.map(|bound| scraping::listen(bound, config, &service));
        let scraped = scraped.transpose()?;
        if let Some(listener) = &scraped {
            supervision.watch("metrics accept", listener.heartbeat());
        }
        let listen = || listen(bound, config, Arc::clone(&service));
        // Whoever holds an inherited socket keeps callers waiting, which is better than a refusal.
        let (now, later) = if is_inherited {
            (None, Some(listen))
        } else {
            (Some(listen()?), None)
        };
        let mut daemon = Self {
            listener: now,
            _scraped: scraped,
            lanes,
            held: Vec::new(),
            left: BTreeMap::new(),
            logs,
            register,
            backlog,
            feeder: None,
            webhook: None,
            supervision,
            shutdown_timeout: config.core.shutdown_timeout,
            config: config.clone(),
            open_place,
            source: None,
            named_files,
            directory,
            owes_reload,
            service: Arc::clone(&service),
            control: None,
            underfoot: Underfoot::of(&config.core, is_inherited),
            _pid_file: pid_file,
        };
        daemon.recover(config, journal, &service)?;
        if let Some(listen) = later {
            daemon.listener = Some(listen()?);
        }
        let serves_on = daemon.local_addr().map(|address| address.to_string());
        daemon.be_ready(control, &serves_on.unwrap_or(place))?;
        Ok(daemon)
    }

    /// Hears who asks for a reload, and says that the daemon serves.
    fn be_ready(&mut self, control: Option<Bound>, place: &str) -> Result<(), StartError> {
        if let Some(listener) = &self.listener {
            self.supervision.watch("API accept", listener.heartbeat());
        }
        self.control = control
            .map(Control::start)
            .transpose()
            .map_err(|error| StartError::new(StartErrorKind::System, error))?;
        if let Some(control) = &self.control {
            self.supervision
                .watch("control socket", control.heartbeat());
        }
        ::log::info!("Sterna {} serves on {place}", env!("CARGO_PKG_VERSION"));
        self.supervision.supervisor().ready();
        Ok(())
    }

    /// Opens the journal, goes on where the last process ended, and takes pushes from now on.
    fn recover(
        &mut self,
        config: &Config,
        lock: Option<Lock>,
        service: &Arc<Service>,
    ) -> Result<(), StartError> {
        let Some((journal, lock)) = config.journal.as_ref().zip(lock) else {
            ::log::warn!(
                "journal.sync = \"off\": pushes that are accepted and not settled are lost when \
                 this process dies"
            );
            self.number(service, PushId(0))?;
            feed_opening::pause(&self.directory)?;
            self.backlog.ready();
            return Ok(());
        };
        let (journal, recovered) =
            journal_opening::open(journal, &config.core, &self.directory, lock)?;
        self.number(service, journal.high_water())?;
        service.remember(recovered.answers.into_iter().map(Answered::from));
        let heartbeat = journal.heartbeat();
        self.backlog.open(journal);
        // First, since a feed that is opened and not closed begins with a gap the next time.
        let target = feed_opening::target(config)?;
        let kept = match feed_opening::open(config, &self.directory)? {
            Some((feed, dir)) => {
                let webhook = feed_opening::post((&feed, dir), target)?;
                let posts = Arc::clone(webhook.stats());
                self.webhook = Some(webhook);
                self.register.set_feed(Arc::clone(&feed));
                Some(KeptFeed { feed, posts })
            }
            None => None,
        };
        if config.feedback.is_some() {
            let _is_first = service.feed.set(kept).is_ok();
        }
        settle_last_lines(config, &self.logs, &self.backlog);
        self.know_removed();
        let (lanes, logs, register) = (self.lanes.get(), &self.logs, &self.register);
        let absent = lanes.absent().map(|id| {
            let limits = lane_making::limits(config, id);
            let absent = Absent::new((id, lanes.stats(id)), limits, logs, register);
            absent.lacking(lane_making::lack(config, id))
        });
        let absent = absent.collect();
        let feeder = Feeder::connect(&self.backlog, &lanes, absent, logs, register)
            .map_err(|error| StartError::new(StartErrorKind::System, error))?;
        self.supervision.watch("journal feeder", feeder.heartbeat());
        self.feeder = Some(feeder);
        self.supervision.watch("journal", heartbeat);
        self.backlog.ready();
        Ok(())
    }

    /// Goes on with the ids of the state directory; `high_water` is the journal's last one.
    fn number(&self, service: &Service, high_water: PushId) -> Result<(), StartError> {
        let (dir, node) = (self.directory.path.as_deref(), service.ids.node());
        let numbering = Numbering::begin(dir, node, high_water, Moment::now())?;
        self.directory.name_pushes(numbering.apns_ids);
        service.ids.begin(numbering.block, numbering.more);
        Ok(())
    }

    /// The TCP address of the API, if it has one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr()
    }

    /// The daemon, which from now on shows `watcher` what the API ignores and answers.
    #[must_use]
    pub fn watched(self, watcher: impl Fn(&Watched<'_>) + Send + Sync + 'static) -> Self {
        // Only the first one watches.
        let _watches = self.service.watcher.set(Box::new(watcher)).is_ok();
        self
    }

    /// Opens the log files again (they were rotated), and tells when they are, or the time is over.
    pub fn reopen_logs(&self, within: Duration) {
        self.logs.reopen();
        ::log::info!("{}", self.logs.opened_again(within));
    }

    /// Pushes accepted and not settled.
    pub fn outstanding(&self) -> usize {
        let lanes = self.lanes.get();
        let serving = lanes.serving();
        serving
            .map(|running| running.lane.room().outstanding())
            .sum()
    }

    /// A reload of which systemd hears the beginning and the end.
    fn supervised_reload(&mut self) -> ControlAnswer {
        self.supervision.supervisor().reloading();
        let answer = self.reload();
        self.supervision.supervisor().ready();
        answer
    }

    /// Serves until a signal says otherwise or the journal has failed, then finishes what was
    /// accepted.
    pub fn run(mut self, signals: &Receiver<Signal>) -> Ended {
        let mut asked = self.asked();
        if std::mem::take(&mut self.owes_reload) {
            drop(self.supervised_reload());
        }
        loop {
            self.look("serving");
            self.end_finished();
            select! {
                recv(signals) -> signal => match signal {
                    Ok(Signal::Hangup) => drop(self.supervised_reload()),
                    Ok(Signal::User1) => self.reopen_logs(OPENED_WITHIN),
                    Ok(Signal::Terminate | Signal::Interrupt) | Err(_) => {
                        return self.stop(signals);
                    }
                },
                recv(asked) -> request => match request {
                    Ok(request) => request.answer(self.supervised_reload()),
                    // Its thread has told why it ended.
                    Err(_) => asked = crossbeam_channel::never(),
                },
                default(self.supervision.interval(JOURNAL_LOOKS_EVERY)) => {
                    if self.backlog.failure().is_some() {
                        return self.stop(signals);
                    }
                    self.underfoot.look();
                }
            }
        }
    }

    /// What is to be done again and again; `doing` is told to who supervises the daemon.
    fn look(&self, doing: &str) {
        let lanes = self.lanes.get();
        self.supervision.report(doing, &lanes, &self.logs);
        self.logs.look();
        lanes.serving().for_each(|running| running.look());
    }

    fn asked(&self) -> Receiver<Asked> {
        let control = self.control.as_ref();
        control.map_or_else(crossbeam_channel::never, |control| control.asked().clone())
    }
}

/// Reads the signals that the daemon listens to.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub fn signals() -> Result<Receiver<Signal>, StartError> {
    Signals::listen().map_err(|error| {
        StartError::new(
            StartErrorKind::System,
            format_args!("no signal handlers: {error}"),
        )
    })
}

fn open_logs(config: &Config, operator: &Destination) -> Result<Logs, StartError> {
    let [access, error] = [&config.log.access_log, &config.log.error_log]
        .map(|name| Destination::named(name).created_with(config.log.mode));
    let logs = Logs::open(&access, &error, operator)
        .map_err(|error| {
            let kind = if error.kind() == io::ErrorKind::PermissionDenied {
                StartErrorKind::NoPermission
            } else {
                StartErrorKind::CannotCreate
            };
            StartError::new(kind, error)
        })?
        .hiding(privacy(&config.log)?);
    if log::operator::start(&logs.operator, logs.operator_shape(), config.log.level).is_err() {
        // A second daemon in one process shares the first one's operator log.
        log::operator::set_level(config.log.level);
    }
    Ok(logs)
}

/// Settles what the ends of the push logs say has ended.
fn settle_last_lines(config: &Config, logs: &Logs, backlog: &Backlog) {
    let names = [&*config.log.access_log, &*config.log.error_log];
    backlog::settle_last_lines(names, &logs.privacy.get(), backlog);
}

/// Says what is wrong with what it begins with, and does not keep it from beginning.
fn warn(raised: io::Result<()>, config: &Config, warnings: &[config::Warning]) {
    if let Err(error) = raised {
        ::log::warn!("the limit of open files stays as it is: it cannot be raised: {error}");
    }
    if let Some(warning) = too_many_connections(config) {
        ::log::warn!("{warning}");
    }
    warnings.iter().for_each(say);
    say_of_logs(&config.log);
}

/// Tells a warning of the configuration in the operator log.
fn say(warning: &config::Warning) {
    if warning.is_always_told {
        log::operator::always(::log::Level::Warn, &warning.to_string());
    } else {
        ::log::warn!("{warning}");
    }
}

fn service(
    config: &Config,
    bound: &Bound,
    whereabouts: Whereabouts,
) -> Result<Arc<Service>, StartError> {
    let terms = terms(config)?;
    Ok(Arc::new(Service {
        lanes: Arc::clone(&whereabouts.lanes),
        terms: Live::new(terms),
        is_on_loopback: bound.is_on_loopback(),
        ids: Ids::of(config.core.node),
        repeats: Mutex::default(),
        told: Mutex::default(),
        request_ids: RequestIds::starting(numbering::random()?),
        turnstile: Turnstile::default(),
        channel_calls: ChannelCalls::default(),
        stats: CallerStats::default(),
        stuck: OnceLock::new(),
        metrics_address: config.metrics.address,
        feed: OnceLock::new(),
        is_ending: AtomicBool::new(false),
        watcher: OnceLock::new(),
        backlog: Arc::clone(&whereabouts.backlog),
        lines: Lines::new(whereabouts.logs.clone()),
        whereabouts,
        turned_away: TurnedAway::default(),
        config: Live::new(config.effective_json().to_string().into()),
        connections_per_lane: config.core.workers.get(),
        streams_max: config::PUSHER_MAX_MAX,
    }))
}

fn listen(bound: Bound, config: &Config, service: Arc<Service>) -> Result<Listener, StartError> {
    Listener::start(bound, service, settings(config)).map_err(|error| {
        StartError::new(
            StartErrorKind::System,
            format_args!("cannot start the API: {error}"),
        )
    })
}

#[cfg(test)]
mod tests;
