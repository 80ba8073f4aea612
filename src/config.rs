//! The configuration: a TOML file with Gaurun's keys and ours, checked once, typed ever after.
//!
//! [`Config::parse`] is pure: text, command-line values and environment come in as arguments.
//! [`Config::load`] reads the file for it. Every problem of a file is found before either gives
//! up, and each names file, line, column, key, value and what would be allowed; secrets are never
//! repeated. What is legal but has no effect, or another effect than it had in Gaurun, is a
//! [`Warning`].
//!
//! A [`Config`] that exists is valid: a disabled platform is `None`, an enabled one has exactly
//! one kind of credential. Key and certificate files are named here, never read.

mod android;
mod bind;
mod change;
mod core;
mod credential;
mod diagnostic;
mod document;
mod effective;
mod environment;
mod excerpt;
mod file_text;
mod ios;
mod journal;
mod key;
mod keys;
mod load;
mod log;
mod migrate;
mod names;
mod problem;
mod provider_url;
mod secret;
mod toml_text;

pub use android::Android;
pub use bind::{Bind, Port, SocketAccess};
pub use change::{Change, Effect};
pub use core::Core;
pub use diagnostic::{Diagnostic, Severity, Style};
pub use effective::{Setting, Value};
pub use environment::Environment;
pub use excerpt::Excerpt;
pub use file_text::FileText;
pub use ios::{ApnsCredential, Ios};
pub use journal::{Journal, Sync};
pub use key::{Allowed, Difference, Key, NumberDefault};
pub use keys::{MAX_AGE_MAX, PUSHER_MAX_MAX, QUEUES_MAX, SECTIONS, all as all_keys};
pub use load::{DEFAULT_PATH, control_socket, read_text};
pub use log::{HideToken, Log};
pub use migrate::migrate;
pub use problem::{ConfigError, Position, Problem, Warning};
pub use provider_url::ProviderUrl;
pub use secret::Secret;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::push::{LaneId, Provider};
use document::Document;

/// A valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[core]`: the API, the lanes, the process.
    pub core: Core,
    /// `[ios]`, unless disabled. At least one lane is enabled.
    pub ios: Option<Ios>,
    /// `[android]`, unless disabled.
    pub android: Option<Android>,
    /// `[journal]`, unless it is off.
    pub journal: Option<Journal>,
    /// `[log]`: where the logs go.
    pub log: Log,
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
    pub problems: Vec<Problem>,
    /// What may not do what its writer expects.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Checks a file's text; `file` is its name in messages.
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
                file: file.to_owned(),
                problems: examined.problems,
            }),
        }
    }

    /// Whether it has a lane served.
    pub fn enables(&self, lane: LaneId) -> bool {
        match lane.provider() {
            Provider::Apns => self.ios.is_some(),
            Provider::Fcm => self.android.is_some(),
        }
    }

    /// As [`Config::parse`], with what could be understood of a file that cannot be used.
    pub fn examine(
        file: &str,
        text: &str,
        overrides: Overrides,
        environment: &Environment,
    ) -> Examined {
        let mut document = match Document::parse(file, text, environment.is_there) {
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
        let core = Core::take(&mut document, overrides, environment);
        let ios = Ios::take(&mut document);
        let android = Android::take(&mut document, environment);
        let journal = Journal::take(&mut document, environment);
        let log = Log::take(&mut document);
        if !document.flag(&keys::IOS_ENABLED) && !document.flag(&keys::ANDROID_ENABLED) {
            document.refuse_whole("no platform is enabled: enable ios, android or both");
        }
        let config = core.zip(log).map(|(core, log)| Self {
            core,
            ios,
            android,
            journal,
            log,
        });
        let (problems, warnings) = document.findings();
        Examined {
            config,
            problems,
            warnings,
        }
    }
}

/// A key in seconds that always has a value.
fn seconds(document: &mut Document<'_>, key: &'static Key) -> Duration {
    Duration::from_secs(document.number(key).unwrap_or(0))
}

/// A key that counts no further than 2^32 - 1 and always has a value.
fn number(document: &mut Document<'_>, key: &'static Key) -> u32 {
    let number = document.number(key).unwrap_or(0);
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A key that counts no further than 65535 and always has a value.
fn small(document: &mut Document<'_>, key: &'static Key) -> u16 {
    document
        .number(key)
        .and_then(|number| u16::try_from(number).ok())
        .unwrap_or(u16::MAX)
}

const NO_EFFECT: &str =
    "has no effect: HTTP/2 carries all pushes over as many connections as core.workers allows";

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
