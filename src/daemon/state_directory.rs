//! Where the daemon keeps what outlives it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::Config;

/// The state directory: the journal's, else the first of `STATE_DIRECTORY`, which systemd sets by
/// the unit's `StateDirectory=`. `None` without either: then nothing is kept.
pub(super) fn state_directory(config: &Config) -> Option<PathBuf> {
    let journal = config.journal.as_ref().map(|journal| journal.dir.clone());
    journal.or_else(|| first_of(std::env::var_os("STATE_DIRECTORY")))
}

/// systemd separates several by colons.
fn first_of(directories: Option<OsString>) -> Option<PathBuf> {
    let directories = directories?;
    let first = std::env::split_paths(&directories).next()?;
    first.is_absolute().then_some(first)
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
