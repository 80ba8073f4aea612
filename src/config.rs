//! The configuration: a TOML file with Gaurun's keys and ours, checked once, typed ever after.
//!
//! [`Config::parse`] is pure: text, command-line values and environment come in as arguments.
//! [`Config::load`] reads the file for it. Every problem of a file is found before either gives
//! up, and each names file, line, column, key, value and what would be allowed; secrets are never
//! repeated. What is legal but has no effect, or another effect than it had in Gaurun, is a
//! [`Warning`].
//!
//! A [`Config`] that exists is valid: a disabled lane is `None`, an enabled one has exactly
//! one kind of credential. Key and certificate files are named here, never read.

mod change;
mod core;
mod credential;
mod diagnostic;
mod document;
mod effective;
mod environment;
mod excerpt;
mod feedback;
mod file_text;
mod journal;
mod key;
mod keys;
mod lane;
mod load;
mod log;
mod metrics;
mod migrate;
mod names;
mod problem;
mod provider_url;
mod secret;
mod section;
mod sections;
mod value;

pub use change::{Change, Effect};
pub use core::{Bind, Core, Port, SocketAccess};
pub use diagnostic::Style;
pub use environment::Environment;
pub use excerpt::Excerpt;
pub use feedback::{Feedback, FeedbackHook};
pub use file_text::FileText;
pub use journal::{Journal, Sync};
pub use key::{Allowed, Difference, InForce, Key, Migration, NumberDefault};
pub use keys::{APPS_MAX, MAX_AGE_MAX, PUSHER_MAX_MAX, QUEUES_MAX, SECTIONS};
pub use lane::{
    ApnsConfig, ApnsCredential, FcmConfig, FcmCredential, LaneConfig, MessageStyle, ProviderConfig,
    SigningKeyFile,
};
pub use load::{DEFAULT_PATH, control_socket, read_text};
pub use log::{HideToken, Log};
pub use metrics::Metrics;
pub use migrate::migrate;
pub use problem::{ConfigError, Diagnostic, Position, Severity, Warning};
pub use provider_url::ProviderUrl;
pub use secret::Secret;
pub use sections::all_keys;
pub use value::{Setting, Value, origin};

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::push::{LANES_MAX, LaneId};
use document::Document;
use lane::LaneKeys;
use section::{Section, Surroundings};

/// A valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[core]`: the API, the lanes, the process.
    pub core: Core,
    /// The lanes that the file can name, by their ids; `None` for one that is disabled. At least
    /// one is enabled.
    pub lanes: BTreeMap<LaneId, Option<LaneConfig>>,
    /// `[journal]`, unless it is off.
    pub journal: Option<Journal>,
    /// `[feedback]`, unless it is off.
    pub feedback: Option<Feedback>,
    /// `[log]`: where the logs go.
    pub log: Log,
    /// `[metrics]`.
    pub metrics: Metrics,
}

/// What the command line says instead of the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `-p`, for `core.port`.
    pub port: Option<Port>,
    /// `-w`, for `core.workers`.
    pub workers: Option<NonZeroUsize>,
    /// `-q`, for `core.queues`.
    pub queues: Option<NonZeroUsize>,
}

/// What one reading of a file found.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What could be understood. It may be used if there is no problem.
    pub config: Option<Config>,
    /// What keeps it from being used.
    pub problems: Vec<Diagnostic>,
    /// What may not do what its writer expects.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// The configuration that a file's text says, and what may surprise its writer; `file` is its
    /// name in messages.
    ///
    /// # Errors
    ///
    /// All that keeps it from being used.
    pub fn parse(
        file: &str,
        text: &str,
        overrides: Overrides,
        environment: &Environment,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let examined = Self::examine(file, text, overrides, environment);
        match examined.config {
            Some(config) if examined.problems.is_empty() => Ok((config, examined.warnings)),
            _ => Err(ConfigError {
                problems: examined.problems,
            }),
        }
    }

    /// What a lane is served by, if it is enabled.
    pub fn lane(&self, lane: LaneId) -> Option<&LaneConfig> {
        self.lanes.get(&lane)?.as_ref()
    }

    /// Where records of the feed are posted, if anywhere.
    pub fn hook(&self) -> Option<&FeedbackHook> {
        self.feedback.as_ref()?.hook.as_ref()
    }

    /// The lanes that are enabled, in the order of their ids.
    pub fn enabled(&self) -> impl Iterator<Item = (LaneId, &LaneConfig)> {
        let lanes = self.lanes.iter();
        lanes.filter_map(|(id, lane)| Some((*id, lane.as_ref()?)))
    }

    /// Every lane that the file can name, enabled or not, in the order of their ids.
    pub fn known(&self) -> impl Iterator<Item = LaneId> + '_ {
        self.lanes.keys().copied()
    }

    /// Has the lanes of that lane's section be for the environments of Apple's that it was for, by
    /// the topic and at the endpoint that it had.
    pub fn keep_environments(&mut self, id: LaneId, was: &LaneConfig) {
        let (app, provider) = (id.app(), id.provider());
        let is_of_section = |it: LaneId| (it.app(), it.provider()) == (app, provider);
        let lane = self.enabled().find(|(it, _)| is_of_section(*it));
        let Some(mut lane) = lane.map(|(_, lane)| lane.clone()) else {
            return;
        };
        lane.take_environments(was);
        self.lanes.retain(|it, _| !is_of_section(*it));
        let others = lane.in_other_environments().into_iter();
        let others = others.map(|(environment, lane)| (Some(environment), lane));
        for (environment, lane) in others.chain([(None, lane)]) {
            // They were known by these names before.
            let id = LaneId::of(app, provider, environment);
            self.lanes.extend(id.map(|id| (id, Some(lane))));
        }
    }

    /// What [`Config::parse`] finds, with what could be understood of a file that cannot be used.
    pub fn examine(
        file: &str,
        text: &str,
        overrides: Overrides,
        environment: &Environment,
    ) -> Examined {
        let mut document = match Document::parse(file, text, environment.is_there, sections::all())
        {
            Ok(document) => document,
            Err(error) => {
                return Examined {
                    config: None,
                    problems: error.problems,
                    warnings: vec![],
                };
            }
        };
        document.look_around(environment);
        // That of the service account matters only where the file names none.
        let others = environment.pasted.iter().map(|(name, _)| *name);
        for name in others.filter(|name| *name != environment::CREDENTIALS_VARIABLE) {
            document.refuse_whole(environment.complaint(name).unwrap_or_default());
        }
        let surroundings = Surroundings {
            overrides,
            environment,
        };
        let core = sections::CORE.take(&mut document, &surroundings);
        let mut lanes = TakenLanes::default();
        for keys in sections::LANES {
            lanes.take(keys, &mut document, &surroundings);
        }
        for app in document.apps() {
            document.enter(Some(app));
            for keys in sections::LANES {
                if document.has_section_of(&keys.enabled) {
                    lanes.take(keys, &mut document, &surroundings);
                }
            }
        }
        document.enter(None);
        if environment.google_application_credentials.is_some() {
            warn_of_left_out(&mut document);
        }
        let journal = sections::JOURNAL.take(&mut document, &surroundings);
        let feedback = feedback::take(
            &sections::FEEDBACK,
            &mut document,
            &surroundings,
            journal.is_some(),
        );
        let log = sections::LOG.take(&mut document, &surroundings);
        let metrics = sections::METRICS.take(&mut document, &surroundings);
        if let Some((metrics, core)) = metrics.as_ref().zip(core.as_ref()) {
            metrics.check(&sections::METRICS, core, &mut document);
        }
        if !lanes.is_any_enabled {
            document.refuse_whole("no platform is enabled: enable ios, android or both");
        }
        let mut lanes = lanes.of_config;
        let as_gaurun = core.as_ref().is_some_and(|core| core.is_like_gaurun);
        for lane in lanes.values_mut().flatten() {
            lane.settle_style(as_gaurun);
        }
        let enabled = lanes.values().flatten().count();
        let connections = core.as_ref().and_then(|core| core.provider_connections);
        if connections.is_some_and(|connections| connections.get() < enabled) {
            let reason = format!("each of the {enabled} lanes that are enabled needs one");
            document.refuse_because(&sections::CORE.provider_connections, reason);
        }
        let config = core.zip(log).map(|(core, log)| Self {
            core,
            lanes,
            journal,
            feedback,
            log,
            metrics: metrics.unwrap_or_default(),
        });
        let (problems, warnings) = document.findings();
        Examined {
            config,
            problems,
            warnings,
        }
    }
}

/// Warns where a file's first app has ended what the environment alone had begun: pushes of the
/// default app to Android, without a section.
fn warn_of_left_out(document: &mut Document<'_>) {
    let [ios, android] = sections::LANES.map(|keys| &keys.enabled);
    let is_used = document.has_section_of(ios) && document.is_enabled(ios);
    if is_used && !document.means(android.section) {
        document.warn(
            android,
            "false, although GOOGLE_APPLICATION_CREDENTIALS is there: beside [apps.*] a section of \
             the default app has to be written; write [android], with enabled = false if that is \
             meant",
        );
    }
}

/// The lanes of the sections that were taken so far.
#[derive(Default)]
struct TakenLanes {
    of_config: BTreeMap<LaneId, Option<LaneConfig>>,
    /// Whether a section is in use, or is to be and cannot.
    is_any_enabled: bool,
}

impl TakenLanes {
    /// Takes the section of that provider, of the app that was entered, and makes a lane of it for
    /// each environment that it names.
    fn take(
        &mut self,
        keys: &'static LaneKeys,
        document: &mut Document<'_>,
        surroundings: &Surroundings<'_>,
    ) {
        self.is_any_enabled |= document.is_enabled(&keys.enabled);
        let taken = keys.take(document, surroundings);
        let mut name = |environment, lane| {
            let (app, provider) = (document.app().unwrap_or_default(), keys.id.provider());
            if let Some(id) = LaneId::of(app, provider, environment) {
                self.of_config.insert(id, lane);
            } else {
                document.refuse_whole(format!(
                    "over {LANES_MAX} lanes have been named since the start; restart the daemon"
                ));
            }
        };
        let others = taken.as_ref().map(LaneConfig::in_other_environments);
        name(None, taken);
        for (environment, lane) in others.into_iter().flatten() {
            name(Some(environment), Some(lane));
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
