//! The feed, opened beside the journal as the configuration says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::numbering;
use super::state_directory::StateDirectory;
use super::{StartError, StartErrorKind};
use crate::config::{self, Config};
use crate::feed::{Feed, FeedSettings};
use crate::journal::{DiskFiles, Files, Journal};
use crate::moment::{self, Moment};
use crate::named::{Finding, Found};
use crate::net::tls::SystemRoots;
use crate::webhook::{HookTarget, Webhook};

/// Where the feed's files are, below the journal's directory, whose lock is theirs too.
pub(super) const FEED_DIR: &str = "feed";
/// How long records may be written and not durable, unless each is synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Opens the feed, if there is to be one, and tells the operator what is in it. What cannot be used
/// keeps no daemon from serving: then there is none until the next start.
pub(super) fn open(
    config: &Config,
    state: &StateDirectory,
) -> Result<Option<(Arc<Feed>, PathBuf)>, StartError> {
    let Some(journal) = &config.journal else {
        return Ok(None);
    };
    let started = moment::now();
    let dir = state.path.as_deref().unwrap_or(&journal.dir).join(FEED_DIR);
    let files: Arc<dyn Files> = Arc::new(DiskFiles);
    let epoch = epoch()?;
    let Some(feedback) = &config.feedback else {
        say_paused(&files, &dir, epoch);
        return Ok(None);
    };
    let settings = FeedSettings {
        bytes: feedback.bytes,
        sync_every: match feedback.sync {
            config::Sync::Group => Duration::ZERO,
            config::Sync::Interval => SYNC_EVERY,
        },
        dir,
    };
    let dir = settings.dir.display();
    let (feed, found) = match Feed::start(&files, &settings, epoch, Moment::now()) {
        Ok(opened) => opened,
        Err(error) => {
            ::log::error!(
                "feed {dir}: cannot be used: {error}. There is none until the next start: what is \
                 settled meanwhile is in the push log alone; see to the directory, and restart"
            );
            return Ok(None);
        }
    };
    let took = moment::since(started).as_secs_f32();
    ::log::info!("feed {dir}: {found}, opened in {took:.3} s");
    for trouble in &found.troubles {
        ::log::error!("feed: {trouble}");
    }
    Ok(Some((Arc::new(feed), settings.dir)))
}

/// Says in the feed that a journal has left in the state directory, if there is one, that how
/// pushes end is not told for a while, since there is no journal.
pub(super) fn pause(state: &StateDirectory) -> Result<(), StartError> {
    let has_feed = |dir: &&Path| dir.join(FEED_DIR).is_dir();
    let Some(dir) = state.path.as_deref().filter(has_feed) else {
        return Ok(());
    };
    let files: Arc<dyn Files> = Arc::new(DiskFiles);
    // Another daemon that has it tells there of its own pushes.
    if let Ok(_lock) = Journal::take_over(&*files, dir) {
        say_paused(&files, &dir.join(FEED_DIR), epoch()?);
    }
    Ok(())
}

fn say_paused(files: &Arc<dyn Files>, dir: &Path, epoch: u32) {
    if let Err(error) = Feed::pause(files, dir, epoch, Moment::now()) {
        let dir = dir.display();
        ::log::warn!(
            "feed {dir}: {error}; that there is none for now cannot be said there, and what is \
             settled meanwhile will be missing without a word"
        );
    }
}

/// What marks the cursors of streams that are new.
fn epoch() -> Result<u32, StartError> {
    let [a, b, c, d, ..] = numbering::random()?.to_le_bytes();
    Ok(u32::from_le_bytes([a, b, c, d]))
}

/// Where the configuration has records posted to, if anywhere.
pub(super) fn target(config: &Config) -> Result<Option<HookTarget>, StartError> {
    let Some(hook) = config.hook() else {
        return Ok(None);
    };
    let read = HookTarget::read(hook, &SystemRoots::load(), Moment::now());
    let Found { value, doubts } = read.map_err(|findings| {
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        StartError::new(StartErrorKind::Config, lines.join("\n"))
    })?;
    for doubt in doubts {
        ::log::warn!("{doubt}");
    }
    Ok(Some(value))
}

/// Posts the feed in that directory to where the configuration says.
pub(super) fn post(
    (feed, dir): (&Arc<Feed>, PathBuf),
    target: Option<HookTarget>,
) -> Result<Webhook, StartError> {
    let seed = numbering::random()?;
    let files: Arc<dyn Files> = Arc::new(DiskFiles);
    let started = Webhook::start(Arc::clone(feed), files, dir, target, seed);
    started.map_err(|error| StartError::new(StartErrorKind::System, error))
}
