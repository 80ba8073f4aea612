//! The journal's files, opened as the configuration says.

use std::path::Path;
use std::sync::Arc;

use super::start_error::StartError;
use super::state_directory::StateDirectory;
use crate::config;
use crate::count;
use crate::journal::{self, DiskFiles, Files, Journal, Lock, OpenError, Recovered, SyncPolicy};
use crate::moment::{self, Moment};

/// Makes the configuration's journal, which is in the state directory, ours before it is read.
pub(super) fn lock(config: &config::Journal, state: &StateDirectory) -> Result<Lock, StartError> {
    if let Some(warning) = journal::warning(&config.dir) {
        ::log::warn!("journal.dir: {warning}");
    }
    let dir = state.path.as_deref().unwrap_or(&config.dir);
    Journal::take_over(&*files(), dir).map_err(|error| StartError::of_journal(&error))
}

/// Takes the journal in that very directory over, to be kept so; `core` says what is noted of the
/// pushes that are sent.
pub(super) fn take_over(
    config: &config::Journal,
    core: &config::Core,
) -> Result<(Arc<Journal>, Recovered), OpenError> {
    let lock = Journal::take_over(&*files(), &config.dir)?;
    read(&config.dir, config, core, lock)
}

fn read(
    dir: &Path,
    config: &config::Journal,
    core: &config::Core,
    lock: Lock,
) -> Result<(Arc<Journal>, Recovered), OpenError> {
    let settings = settings(dir, config, core);
    let (journal, recovered) = Journal::open_taken(files(), lock, settings, Moment::now())?;
    Ok((Arc::new(journal), recovered))
}

/// How the journal in a directory is kept.
fn settings(dir: &Path, config: &config::Journal, core: &config::Core) -> journal::Settings {
    journal::Settings {
        notes_handed: !core.resend_unknown,
        sync: match config.sync {
            config::Sync::Group => SyncPolicy::Group,
            config::Sync::Interval => SyncPolicy::Interval,
        },
        segment_bytes: config.segment_bytes,
        scheduled_max: config.scheduled_max,
        scheduled_bytes: config.scheduled_bytes,
        node: core.node,
        ..journal::Settings::new(dir)
    }
}

/// Opens the journal that was taken over, and tells the operator what is in it.
pub(super) fn open(
    config: &config::Journal,
    core: &config::Core,
    state: &StateDirectory,
    lock: Lock,
) -> Result<(Arc<Journal>, Recovered), StartError> {
    let started = moment::now();
    let dir = state.path.as_deref().unwrap_or(&config.dir);
    let read = read(dir, config, core, lock);
    let (journal, recovered) = read.map_err(|error| StartError::of_journal(&error))?;
    let dir = dir.display();
    ::log::info!(
        "journal {dir}: {recovered}, read in {:.3} s",
        moment::since(started).as_secs_f32()
    );
    if let Some(torn) = &recovered.torn {
        ::log::warn!("{torn}");
    }
    for damage in &recovered.damage {
        ::log::error!("{damage}");
    }
    if let Some(more) = recovered.unlisted() {
        let more = count::of(more, "more place", "more places");
        ::log::error!("journal {dir}: {more} cannot be read");
    }
    Ok((journal, recovered))
}

#[cfg(not(debug_assertions))]
fn files() -> Arc<dyn Files> {
    Arc::new(DiskFiles)
}

#[cfg(debug_assertions)]
fn files() -> Arc<dyn Files> {
    Arc::new(super::crash_files::CrashFiles(DiskFiles))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment, Overrides};

    #[test]
    fn the_journal_is_kept_as_the_configuration_says() {
        let platforms =
            "[ios]\npem_cert_path = 'c.pem'\npem_key_path = 'k.pem'\n[android]\nenabled = false\n";
        let of = |core: &str, sync: &str| {
            let journal = format!(
                "dir = '/j'\nsync = '{sync}'\nsegment_bytes = 70000\n\
                 scheduled_max = 7\nscheduled_bytes = 2000000\n"
            );
            let text = format!("[core]\n{core}\n[journal]\n{journal}{platforms}");
            let environment = Environment::read();
            let parsed = Config::parse("", &text, Overrides::default(), &environment);
            let config = parsed.unwrap().0;
            settings(Path::new("/k"), &config.journal.unwrap(), &config.core)
        };
        let kept = of("node = 7", "interval");
        assert_eq!(kept.dir, Path::new("/k"));
        assert_eq!(
            (kept.node.to_string(), kept.segment_bytes),
            ("7".to_owned(), 70_000)
        );
        assert_eq!((kept.scheduled_max, kept.scheduled_bytes), (7, 2_000_000));
        assert_eq!(
            (kept.sync, kept.notes_handed),
            (SyncPolicy::Interval, false)
        );
        let kept = of("resend_unknown = false", "group");
        assert_eq!((kept.sync, kept.notes_handed), (SyncPolicy::Group, true));
    }
}
