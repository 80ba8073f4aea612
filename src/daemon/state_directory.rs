//! Where the daemon keeps what outlives it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::start_error::StartError;
use super::token_file::TokensByKey;
use crate::config::Config;
use crate::delivery::worker::Wires;
use crate::journal::{self, OpenError};
use crate::moment::server_clock::ServerClock;
use crate::pasted;
use crate::provider::apns::ApnsIds;

/// The state directory, as the ways to the providers need it.
#[derive(Clone, Debug)]
pub(super) struct StateDirectory {
    /// The journal's, else the first of `STATE_DIRECTORY`, which systemd sets by the unit's
    /// `StateDirectory=`. `None` without either: then nothing is kept.
    pub(super) path: Option<PathBuf>,
    /// What makes `apns-id`: known when the journal was read, and before there is a push.
    pub(super) apns_ids: Arc<OnceLock<ApnsIds>>,
    /// The auth tokens of the signing keys in use.
    pub(super) auth_tokens: Arc<TokensByKey>,
    /// The connections that lanes of one key hand each other.
    pub(super) pool: Arc<Wires>,
    /// What servers say of the time: the token endpoint of one lane tells why Apple does not take
    /// the auth token of another.
    pub(super) clock: Arc<ServerClock>,
}

impl StateDirectory {
    /// That of a configuration; nothing in it is read yet.
    ///
    /// # Errors
    ///
    /// When there is a journal in either of two places.
    pub(super) fn of(config: &Config) -> Result<Self, StartError> {
        let journal = journal_directory(config).map_err(|error| StartError::of_journal(&error))?;
        Ok(Self {
            path: journal.or_else(|| without_journal(std::env::var_os("STATE_DIRECTORY"))),
            apns_ids: Arc::default(),
            auth_tokens: Arc::default(),
            pool: Arc::default(),
            clock: Arc::default(),
        })
    }

    /// From now on pushes have these names.
    pub(super) fn name_pushes(&self, apns_ids: ApnsIds) {
        let _named_before = self.apns_ids.set(apns_ids).is_err();
    }
}

/// Where the configuration's journal is, if there is to be one.
///
/// # Errors
///
/// When there is one in either of two places.
pub fn journal_directory(config: &Config) -> Result<Option<PathBuf>, OpenError> {
    let journal = config.journal.as_ref();
    journal
        .map(|journal| journal::place(&journal.dir))
        .transpose()
}

/// Where push ids are if there is to be no journal: they go on where they were with one. In a
/// directory that anyone may write to, there is one of ours for them as for a journal.
fn without_journal(directories: Option<OsString>) -> Option<PathBuf> {
    let first = first_of(directories)?;
    let Ok(place) = journal::place(&first) else {
        return Some(first);
    };
    if place != first {
        ::log::warn!(
            "STATE_DIRECTORY: anyone may write to {}, or could: push ids are kept in {}, which is \
             ours alone; name that, or a directory that only the daemon's user may write to",
            first.display(),
            place.display()
        );
    }
    Some(place)
}

/// systemd separates several by colons.
fn first_of(directories: Option<OsString>) -> Option<PathBuf> {
    let directories = directories?;
    let first = std::env::split_paths(&directories).next()?;
    let is_path = first.is_absolute() && !pasted::is_content(&first.to_string_lossy());
    is_path.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_absolute_one_is_it() {
        let first = |text: &str| first_of(Some(text.into()));
        assert_eq!(first("/var/lib/sterna"), Some("/var/lib/sterna".into()));
        assert_eq!(first("/var/lib/a:/var/lib/b"), Some("/var/lib/a".into()));
        for none in ["", "relative", ":/var/lib/b"] {
            assert_eq!(first(none), None, "{none}");
        }
        assert_eq!(first_of(None), None);
    }
}
