//! Lanes, made as the configuration has them; nothing of them runs before there is something to do.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::routes::{self, SharedRoots};
use super::state_directory::StateDirectory;
use super::{StartError, StartErrorKind};
use crate::backlog::{DISABLED, REMOVED};
use crate::config::{self, Config};
use crate::delivery::credential_files::CredentialFiles;
use crate::delivery::policy::Limits;
use crate::delivery::register::Register;
use crate::delivery::route::Route;
use crate::delivery::running_lane::{RunningLane, Sizing};
use crate::lane::Lanes;
use crate::log::Logs;
use crate::moment;
use crate::push::LaneId;

/// The lanes' routes and the files of their credentials; all problems at once if there are any.
pub(super) fn routes(
    config: &Config,
    directory: &StateDirectory,
) -> Result<Vec<(LaneId, CredentialFiles, Route)>, StartError> {
    let mut routes = Vec::new();
    let mut problems = Vec::new();
    let roots = SharedRoots::default();
    for (id, lane) in config.enabled() {
        let files = routes::credential_files(id, lane, roots.clone(), directory);
        match files.route() {
            Ok(route) => routes.push((id, files, route)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        Ok(routes)
    } else {
        Err(StartError::new(StartErrorKind::Config, problems.join("\n")))
    }
}

/// The lanes that the configuration knows, none of which is served yet.
pub(super) fn none(config: &Config) -> Lanes<RunningLane> {
    let lanes = Lanes::of(config.known());
    lanes.limit().set_most(provider_connections(&config.core));
    lanes
}

/// The lanes that the configuration enables, by those routes; their threads start when work asks.
pub(super) fn lanes(
    config: &Config,
    routes: Vec<(LaneId, CredentialFiles, Route)>,
    parts: (&StateDirectory, &Logs, &Arc<Register>),
) -> Lanes<RunningLane> {
    let mut lanes = none(config);
    for (id, files, route) in routes {
        let (known, way) = ((id, &lanes), (route, files));
        let lane = lane(config, known, way, limits(config, id), parts);
        lanes.serve(id, Some(lane));
    }
    lanes
}

/// A lane that goes that way, whose pushes end by those rules.
pub(super) fn lane(
    config: &Config,
    (id, lanes): (LaneId, &Lanes<RunningLane>),
    way: (Route, CredentialFiles),
    limits: Limits,
    (directory, logs, register): (&StateDirectory, &Logs, &Arc<Register>),
) -> Arc<RunningLane> {
    let sizing = sizing(&config.core, lanes, directory);
    let known = (id, lanes.stats(id));
    let running = RunningLane::new(known, &sizing, way, limits, logs, register);
    running.lane.set_rate(rate(config, id), moment::now());
    running
}

/// [`lane`], with the files that its settings name.
pub(super) fn lane_of_files(
    config: &Config,
    settings: &config::LaneConfig,
    known: (LaneId, &Lanes<RunningLane>),
    limits: Limits,
    parts: (&StateDirectory, &Logs, &Arc<Register>),
) -> Result<Arc<RunningLane>, StartError> {
    let files = routes::credential_files(known.0, settings, SharedRoots::default(), parts.0);
    let route = files
        .route()
        .map_err(|error| StartError::new(StartErrorKind::Config, error))?;
    let way = (route, files);
    Ok(lane(config, known, way, limits, parts))
}

/// By what rules pushes end of the lanes that are enabled, but for the age at which they expire.
pub(super) fn enabled(config: &Config, max_age: Duration) -> BTreeMap<LaneId, Limits> {
    let limits = |id| Limits {
        max_age,
        ..limits(config, id)
    };
    config.enabled().map(|(id, _)| (id, limits(id))).collect()
}

/// Connection threads of all lanes together at most.
pub(super) fn provider_connections(core: &config::Core) -> usize {
    core.provider_connections
        .map_or(usize::MAX, NonZeroUsize::get)
}

/// How large those lanes are.
fn sizing(core: &config::Core, lanes: &Lanes<RunningLane>, directory: &StateDirectory) -> Sizing {
    Sizing {
        workers: core.workers.get(),
        // Where there is one CPU, what is silent has another beside it all the same.
        eager: thread::available_parallelism().map_or(2, |cpus| cpus.get().max(2)),
        limit: Arc::clone(lanes.limit()),
        pool: Arc::clone(&directory.pool),
        capacity: core.queues.get(),
        scheduled: core.scheduled_queues.get(),
        streams: core.pusher_max.map(NonZeroU32::get),
        first_probe: core.probe_interval,
    }
}

/// Pushes per second that a lane may send; 0 for as many as the provider takes.
pub(super) fn rate(config: &Config, id: LaneId) -> u32 {
    config.lane(id).map_or(0, |lane| lane.rate)
}

/// Why the configuration has a lane not served, as in "ios …".
pub(super) fn lack(config: &Config, id: LaneId) -> &'static str {
    if config.lanes.contains_key(&id) {
        DISABLED
    } else {
        REMOVED
    }
}

/// What the configuration says about trying again.
pub(super) fn limits(config: &Config, id: LaneId) -> Limits {
    Limits {
        retry_max: config.lane(id).map_or(0, |lane| lane.retry_max),
        max_age: config.core.max_age,
        resend_unknown: config.core.resend_unknown,
    }
}
