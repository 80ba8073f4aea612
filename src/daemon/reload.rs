//! A reload: everything new is read, checked and opened beside what is in force, then put in its
//! place; or the old stays, and all reasons are told at once.
//!
//! It runs on the thread that takes the signals. Callers and lanes go on meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::log::Level;

use super::lane_making::{self, limits, rate};
use super::named_files::NamedFiles;
use super::routes::SharedRoots;
use super::terms::{privacy, say_of_logs, settings, terms, too_many_connections};
use super::{Daemon, feed_opening, routes};
use crate::api::Terms;
use crate::check;
use crate::config::{self, Change, Config, Diagnostic, Effect, Environment, FileText};
use crate::config::{LaneConfig, Overrides, Severity, Style, Warning};
use crate::control::ControlAnswer;
use crate::delivery::credential_files::CredentialFiles;
use crate::delivery::route::Route;
use crate::delivery::running_lane::RunningLane;
use crate::log::{self, Beside, Destination, OPENED_WITHIN, Privacy};
use crate::moment::{self, Moment};
use crate::push::LaneId;
use crate::stats;
use crate::webhook::HookTarget;

/// How long the lines of before may take to reach the old log files.
const OLD_LOGS_WITHIN: Duration = Duration::from_secs(1);

/// Where the configuration is read from, at each reload as at the start.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file; `None` for the usual one.
    pub path: Option<PathBuf>,
    /// What the command line says instead.
    pub overrides: Overrides,
    /// What the process was started in.
    pub environment: Environment,
}

/// What is new, made and checked; putting it in force cannot fail.
struct Prepared {
    in_force: Config,
    changes: Vec<Change>,
    /// Of the lanes that keep their environment.
    stay: Vec<String>,
    warnings: Vec<Warning>,
    terms: Terms,
    privacy: Privacy,
    hook: Option<HookTarget>,
    logs: Option<Beside>,
    named_files: NamedFiles,
    /// Of the lanes whose credential or way has changed.
    routes: Vec<(LaneId, CredentialFiles, Route)>,
    /// Lanes that were not served.
    new: Vec<Arc<RunningLane>>,
}

impl Daemon {
    /// The daemon, which reads its configuration there when it is to reload.
    #[must_use]
    pub fn reading(self, source: Source) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// Reads the configuration again and goes over to it, or says why not. The log files are
    /// opened again in any case.
    ///
    /// This call is the reload from its begin to its end, on every path: what a supervisor is to
    /// be told belongs around it.
    pub fn reload(&mut self) -> ControlAnswer {
        let prepared = self.prepare();
        // What is said of the reload belongs into the new files, if they were rotated.
        self.logs.reopen();
        match prepared {
            Ok(prepared) => {
                stats::RELOADS.done.fetch_add(1, Ordering::Relaxed);
                let told = self.put_in_force(prepared);
                for (level, line) in &told {
                    ::log::log!(*level, "reload: {line}");
                }
                ::log::info!(
                    "reload: done, and {}",
                    self.logs.opened_again(OPENED_WITHIN)
                );
                let lines = told.into_iter().map(|(_, line)| line).collect();
                ControlAnswer::Reloaded { lines }
            }
            Err(problems) => {
                stats::RELOADS.refused.fetch_add(1, Ordering::Relaxed);
                for problem in &problems {
                    ::log::error!("reload: {problem}");
                }
                ::log::error!(
                    "reload: the configuration of before stays in force; only {}",
                    self.logs.opened_again(OPENED_WITHIN)
                );
                let shown = problems.iter().map(|it| it.render(Style::Plain));
                ControlAnswer::Kept {
                    problems: shown.collect(),
                }
            }
        }
    }

    /// Reads the file; all problems of it, else of the files that it names.
    fn prepare(&self) -> Result<Prepared, Vec<Diagnostic>> {
        let Some(source) = &self.source else {
            let nowhere = FileText::read("sterna", "", Path::exists);
            let text = "this daemon was not started from a configuration file";
            return Err(vec![nowhere.whole(Severity::Error, text)]);
        };
        let read = config::read_text(source.path.as_deref());
        let (name, text) = read.map_err(|error| error.problems)?;
        let overrides = source.overrides.clone();
        let parsed = Config::parse(&name, &text, overrides, &source.environment);
        let (new, warnings) = parsed.map_err(|error| error.problems)?;
        self.prepare_from(&new, warnings, &FileText::read(&name, &text, Path::exists))
    }

    fn prepare_from(
        &self,
        new: &Config,
        warnings: Vec<Warning>,
        text: &FileText<'_>,
    ) -> Result<Prepared, Vec<Diagnostic>> {
        let names = [
            &new.log.access_log,
            &new.log.error_log,
            &new.log.operator_log,
        ]
        .map(|name| Destination::named(name).created_with(new.log.mode));
        // Before any is used: what changes from here on is told by the next reload.
        let named_files = NamedFiles::of(new);
        // As the operator's own check would have it; then what only a running daemon can find.
        let mut checked = check::opened(new, text, Moment::now());
        checked.retain(|it| it.severity == Severity::Error);
        let (mut against, mut unusable) = (Problems::new(text), Problems::new(text));
        let logs = unusable.note(self.logs.open_beside(&names));
        let can_turn = logs.as_ref().is_none_or(Option::is_some);
        let open_place = self.open_place.as_ref();
        let may_serve = open_place.map_or(Ok(()), |place| place.check(&new.core));
        let (kept, stay) = self.keep_environments(new);
        let reloaded = against
            .note(may_serve.and_then(|()| self.config.reloaded(new.clone(), kept.lanes, can_turn)));
        // What is new may be looked at even if it cannot be gone over to.
        let looked_at = reloaded.as_ref().map_or(new, |(in_force, _)| in_force);
        let terms = unusable.note(terms(looked_at));
        let privacy = unusable.note(privacy(&looked_at.log));
        let hook = unusable.note(feed_opening::target(looked_at));
        let (routes, of_new): (Vec<_>, Vec<_>) = {
            let lanes = self.lanes.get();
            let routes = self.new_routes(looked_at, &mut unusable).into_iter();
            routes.partition(|(id, ..)| lanes.get(*id).is_some())
        };
        let is_usable =
            |unusable: &Problems<'_, '_>| checked.is_empty() && unusable.found.is_empty();
        let mut new = Vec::new();
        for (id, files, route) in of_new {
            if is_usable(&unusable) && against.found.is_empty() {
                new.push(self.new_lane(looked_at, id, (route, files)));
            }
        }
        let is_usable = is_usable(&unusable) && against.found.is_empty();
        match (logs, reloaded, terms, privacy.zip(hook)) {
            (Some(logs), Some((in_force, changes)), Some(terms), Some((privacy, hook)))
                if is_usable =>
            {
                Ok(Prepared {
                    in_force,
                    changes,
                    stay,
                    warnings,
                    terms,
                    privacy,
                    hook,
                    logs,
                    named_files,
                    routes,
                    new,
                })
            }
            _ => {
                let mut problems = checked;
                if problems.is_empty() {
                    problems = unusable.found;
                }
                problems.extend(against.found);
                Err(problems)
            }
        }
    }

    /// Swaps everything; says what has changed, and what has not.
    fn put_in_force(&mut self, prepared: Prepared) -> Vec<(Level, String)> {
        let Prepared {
            in_force,
            changes,
            stay,
            warnings,
            terms,
            privacy,
            hook,
            logs,
            named_files,
            routes,
            new,
        } = prepared;
        self.turn_logs(logs, privacy, &in_force);
        if let Some(webhook) = &self.webhook {
            webhook.turn_to(hook);
        }
        warnings.iter().for_each(super::say);
        if in_force.log != self.config.log {
            say_of_logs(&in_force.log);
        }
        let mut told: Vec<(Level, String)> = changes.iter().map(told_of).collect();
        told.extend(self.turn_named_files(named_files, &terms));
        told.extend(self.turn_limits(&in_force, &new));
        let max_connections = self.config.core.max_connections;
        if in_force.core.max_connections != max_connections {
            let warning = too_many_connections(&in_force);
            told.extend(warning.map(|warning| (Level::Warn, warning)));
        }
        let (gone, of_new) = self.turn_lanes(&in_force, new);
        // Callers first: they name environments as those go that are opened from here on.
        self.turn_callers(&in_force, terms);
        told.extend(self.turn_routes(routes, &in_force));
        told.extend(of_new);
        // Nobody here has the registry any more, who might yet bring something to the lanes of
        // before.
        told.extend(self.let_go(&gone, &in_force));
        self.note_environments(&in_force);
        self.config = in_force;
        told.extend(stay.into_iter().map(|line| (Level::Warn, line)));
        let summary = summary(&told, &changes);
        told.extend(summary.map(|line| (Level::Warn, line)));
        if told.is_empty() {
            told.push((Level::Info, "nothing has changed".to_owned()));
        }
        told
    }

    /// Has the logs go on where and how the configuration says.
    fn turn_logs(&self, logs: Option<Beside>, privacy: Privacy, in_force: &Config) {
        if let Some(logs) = logs {
            // What was said so far belongs into the old files; a disk that is stuck has it go into
            // the new ones.
            let _all_there = self.logs.flush(OLD_LOGS_WITHIN);
            self.logs.turn_to(logs);
        }
        self.logs.privacy.set(privacy);
        log::operator::set_level(in_force.log.level);
    }

    /// Says which of the files with keys hold something else, from here on known by that.
    fn turn_named_files(&mut self, files: NamedFiles, terms: &Terms) -> Vec<(Level, String)> {
        let old_terms = self.service.terms.get();
        let changes = files.changes_since(&self.named_files, &old_terms, terms);
        self.named_files = files;
        changes
            .into_iter()
            .map(|line| (Level::Info, line))
            .collect()
    }

    /// Has lanes that are served connect in another way; where that differs by the credential
    /// alone, once a push has shown that it is taken.
    fn turn_routes(
        &self,
        routes: Vec<(LaneId, CredentialFiles, Route)>,
        in_force: &Config,
    ) -> Vec<(Level, String)> {
        let (lanes, mut told) = (self.lanes.get(), self.let_old_keys_go(in_force, &routes));
        for (id, files, route) in routes {
            let Some(running) = lanes.get(id) else {
                continue;
            };
            let both = self.config.lane(id).zip(in_force.lane(id));
            let is_rotation = both.is_some_and(|(old, new)| {
                let ca_path = new.ca_path.as_deref();
                new.connects_but_for_its_credential_as(old)
                    && running.credential.is_rotation(&files, &route, ca_path)
            });
            let name = &route.credential_name;
            let line = match (is_rotation, running.lane.holding().is_judged()) {
                (true, false) => format!(
                    "applied: {id}: the old credential stays in use until a push was taken with the \
                     new one, {name}"
                ),
                (true, true) => format!(
                    "applied: {id}: the old credential, which is refused, and the new one are tried in \
                     turn until a push is taken; the new one is {name}"
                ),
                (false, _) if files.name_former() => format!(
                    "applied: {id}: new connections from now on, with the old signing key if it can be \
                     used until a push was taken with the new one, {name}"
                ),
                (false, _) => format!("applied: {id}: new connections from now on, with {name}"),
            };
            told.push((Level::Info, line));
            running.credential.turn_to(files, route, is_rotation);
        }
        told
    }

    /// Has the new signing keys alone used where the configuration does not name the old ones any
    /// more.
    fn let_old_keys_go(
        &self,
        in_force: &Config,
        routes: &[(LaneId, CredentialFiles, Route)],
    ) -> Vec<(Level, String)> {
        let (lanes, now) = (self.lanes.get(), Moment::now());
        let goes = |id: &LaneId| {
            // What is newer still is tried beside the one in use.
            if routes.iter().any(|(other, ..)| other == id) {
                return false;
            }
            let has = |config: &Config| config.lane(*id).map(LaneConfig::has_old_key);
            has(&self.config) == Some(true) && has(in_force) == Some(false)
        };
        let gone = in_force.enabled().map(|(id, _)| id).filter(goes);
        let gone = gone.filter_map(|id| Some((id, lanes.get(id)?)));
        let gone = gone.filter(|(_, running)| running.route.use_new_alone(now));
        let line = |(id, _)| {
            let line = format!(
                "applied: {id}: the new signing key is used from now on, though no push was taken \
                 with it yet: the old one is not named any more"
            );
            (Level::Warn, line)
        };
        gone.map(line).collect()
    }

    /// Has the lanes that stay go by the new limits, and those that come by what was set by hand.
    fn turn_limits(&self, in_force: &Config, new: &[Arc<RunningLane>]) -> Option<(Level, String)> {
        let (lanes, was) = (self.lanes.get(), &self.config.core);
        let core = &in_force.core;
        let mut noted = Ok(());
        if core.resend_unknown && !was.resend_unknown {
            noted = self.backlog.set_notes_handed(false);
        }
        lanes
            .limit()
            .set_most(lane_making::provider_connections(core));
        // One that ends keeps the limits by which it was served: the new ones have none for it.
        let stays = |running: &&Arc<RunningLane>| in_force.lane(running.id()).is_some();
        for running in lanes.serving().filter(stays) {
            self.turn_lane(running, in_force);
        }
        if core.pusher_max == was.pusher_max {
            // It holds for a lane too that was not served when it was set.
            if let Some(served) = lanes.serving().next() {
                let streams = served.lane.stream_limit();
                for running in new {
                    running.lane.set_stream_limit(streams);
                }
            }
        }
        if was.resend_unknown && !core.resend_unknown {
            noted = self.backlog.set_notes_handed(true);
        }
        noted.err().map(|why| (Level::Warn, why))
    }

    /// Has a lane go by the new limits.
    fn turn_lane(&self, running: &RunningLane, in_force: &Config) {
        let (lane, core) = (&running.lane, &in_force.core);
        running.set_limits(limits(in_force, lane.id()));
        lane.room().set_capacity(core.queues.get());
        lane.room()
            .scheduled()
            .set_capacity(core.scheduled_queues.get());
        lane.holding().set_first_probe(core.probe_interval);
        // A rate that stays goes on as it is, without another ramp.
        let pace = rate(in_force, lane.id());
        if pace != rate(&self.config, lane.id()) {
            lane.set_rate(pace, moment::now());
        }
        // Otherwise what was set by PUT /config/pushers stays.
        if core.pusher_max != self.config.core.pusher_max {
            let streams = core
                .pusher_max
                .map(|streams| usize::try_from(streams.get()));
            lane.set_stream_limit(streams.and_then(Result::ok).unwrap_or(usize::MAX));
        }
    }

    /// Has callers, and pushes that no lane serves, go by what is new.
    fn turn_callers(&mut self, in_force: &Config, terms: Terms) {
        if let Some(feeder) = &self.feeder {
            let config = in_force.clone();
            feeder.set_limits(move |id| limits(&config, id));
        }
        self.service.terms.set(terms);
        if let Some(listener) = &self.listener {
            listener.set(settings(in_force));
        }
        self.shutdown_timeout = in_force.core.shutdown_timeout;
        let json = in_force.effective_json().to_string();
        self.service.config.set(json.into());
    }

    /// A lane that is not served yet.
    fn new_lane(
        &self,
        config: &Config,
        id: LaneId,
        way: (Route, CredentialFiles),
    ) -> Arc<RunningLane> {
        let lanes = self.lanes.get();
        let (limits, known) = (limits(config, id), (id, &*lanes));
        let parts = (&self.directory, &self.logs, &self.register);
        lane_making::lane(config, known, way, limits, parts)
    }

    /// Routes for the lanes that are to be served, and for those that need other ones: what the
    /// configuration says of the way has changed, or what is in the files has.
    fn new_routes(
        &self,
        new: &Config,
        problems: &mut Problems<'_, '_>,
    ) -> Vec<(LaneId, CredentialFiles, Route)> {
        let mut routes = Vec::new();
        let roots = SharedRoots::default();
        let lanes = self.lanes.get();
        for (id, lane) in new.enabled() {
            let files = routes::credential_files(id, lane, roots.clone(), &self.directory);
            let is_same = |running: &Arc<RunningLane>| {
                let is_same_way = self
                    .config
                    .lane(id)
                    .is_some_and(|old| old.connects_as(lane));
                running.credential.uses(&files) && is_same_way
            };
            if lanes.get(id).is_some_and(is_same) {
                continue;
            }
            if let Some(route) = problems.note(files.route()) {
                routes.push((id, files, route));
            }
        }
        routes
    }
}

fn told_of(change: &Change) -> (Level, String) {
    let level = match change.effect {
        Effect::Applied => Level::Info,
        Effect::NeedsRestart | Effect::Waits => Level::Warn,
    };
    (level, change.to_string())
}

/// Names at the end what waits for a restart: among many lines it is what there is to do.
fn summary(told: &[(Level, String)], changes: &[Change]) -> Option<String> {
    let waits = |change: &&Change| change.effect == Effect::NeedsRestart;
    let keys: Vec<&str> = changes
        .iter()
        .filter(waits)
        .map(|change| change.key.as_str())
        .collect();
    let is_all = told.len() == keys.len();
    (!keys.is_empty()).then(|| {
        let keys = keys.join(", ");
        let before = if is_all { "nothing is applied; " } else { "" };
        format!("{before}restart the daemon for: {keys}")
    })
}

/// Reasons against a reload.
struct Problems<'p, 't> {
    text: &'p FileText<'t>,
    found: Vec<Diagnostic>,
}

impl<'p, 't> Problems<'p, 't> {
    fn new(text: &'p FileText<'t>) -> Self {
        let found = Vec::new();
        Self { text, found }
    }

    fn note<T, E: ToString>(&mut self, result: Result<T, E>) -> Option<T> {
        let whole = |line: &str| self.text.whole(Severity::Error, line);
        result
            .map_err(|error| self.found.extend(error.to_string().lines().map(whole)))
            .ok()
    }
}

#[cfg(test)]
mod tests;
