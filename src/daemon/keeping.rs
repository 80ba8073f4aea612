//! The journal as the daemon uses it: opened late, or off.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::called_off::CalledOff;
use super::start_error::StartError;
use super::state_directory::StateDirectory;
use crate::api::idempotency::{self, Answered, BodyHash};
use crate::api::keys::KeyOwner;
use crate::api::{Kept, Unrecorded};
use crate::config;
use crate::count;
use crate::delivery::register::{Keeper, Register};
use crate::journal::{
    self, DiskFiles, Files, Journal, KeptAnswer, Lock, OpenError, Recovered, State, SyncPolicy,
};
use crate::log::Logs;
use crate::moment::{self, Moment};
use crate::push::{Accepted, End, LaneId, Push, PushId, Waits};
use crate::recover::attempts;

/// A restart forgets no key that would be known without it: the journal keeps answers for as long,
/// and as much of them, as their requests are let in.
const _: () = assert!(
    journal::KEEP_ANSWERS.as_secs() >= idempotency::KEPT_FOR.as_secs()
        && journal::ANSWERS_BYTES_MAX >= idempotency::BYTES_MAX as u64
        && journal::ANSWER_EXTRA + OWNED <= idempotency::ENTRY
);

/// Why no push is looked at while the journal is being read.
const RECOVERING: &str = "recovering: the journal is being read";

/// What is said while the disk does not give all that is outstanding.
const UNREAD: &str = "some of what is outstanding cannot be read; it is tried every second, and \
                      the operator log names the file";

/// Our limit: who settles pushes by hand waits so long for the push log, which has their lines
/// before the journal has the settlements …
pub(super) const LINES_KEPT_WITHIN: Duration = Duration::from_secs(2);

/// … and so long for the journal.
const SETTLED_KEPT_WITHIN: Duration = Duration::from_secs(5);

/// The journal, once it is open; none if it is off.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    is_ready: AtomicBool,
    journal: OnceLock<Arc<Journal>>,
    /// What is purged of what the journal alone has.
    pub(super) called_off: CalledOff,
}

impl Keeping {
    /// From now on pushes are taken, kept in that journal if there is one.
    pub(super) fn ready(&self, journal: Option<Arc<Journal>>) {
        if let Some(journal) = journal {
            let _already_open = self.journal.set(journal).is_err();
        }
        self.is_ready.store(true, Ordering::Release);
    }

    /// The journal, if there is one and it is open.
    pub(super) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.get()
    }

    /// Why no push is looked at yet.
    pub(super) fn is_not_ready(&self) -> Option<&'static str> {
        let is_ready = self.is_ready.load(Ordering::Acquire);
        (!is_ready).then_some(RECOVERING)
    }

    /// Why pushes are refused.
    pub(super) fn trouble(&self) -> Option<String> {
        if let Some(why) = self.is_not_ready() {
            return Some(why.to_owned());
        }
        match self.journal()?.state() {
            State::Serving => None,
            state => Some(state.to_string()),
        }
    }

    /// What is wrong although pushes are taken.
    pub(super) fn warning(&self) -> Option<&'static str> {
        self.journal()?.has_unread().then_some(UNREAD)
    }

    /// Whether the journal has failed for good, so that the daemon must end.
    pub(super) fn has_failed(&self) -> bool {
        let journal = self.journal();
        journal.is_some_and(|journal| journal.state().is_fatal())
    }

    /// Pushes to that platform that are still in the journal alone.
    pub(super) fn unfed(&self, lane: LaneId) -> u64 {
        let journal = self.journal();
        journal.map_or(0, |journal| journal.unfed(lane))
    }

    /// Whether there is a journal, and what is left is found in it by the next start.
    pub(super) fn keeps(&self) -> bool {
        self.journal().is_some_and(|journal| journal.keeps())
    }

    /// Says whether all that is sent is noted before: before that ceases, after it has begun.
    ///
    /// # Errors
    ///
    /// Why a crash would not know it.
    pub(super) fn set_notes_handed(&self, notes_handed: bool) -> Result<(), String> {
        let Some(journal) = self.journal() else {
            return Ok(());
        };
        let noted = journal.set_notes_handed(notes_handed);
        noted.map_err(|refused| format!("a crash would not know what was sent: {refused}"))
    }

    /// Waits until everything that was settled by hand so far is kept in the journal, if there is
    /// one: so long for its lines, then [`SETTLED_KEPT_WITHIN`] for the journal.
    ///
    /// # Errors
    ///
    /// Why a crash would bring some of it back.
    pub(super) fn keep_purged(
        &self,
        register: &Register,
        logs: &Logs,
        lines_within: Duration,
    ) -> Result<(), String> {
        let Some(journal) = self.journal() else {
            return Ok(());
        };
        if !register.await_by_hand(lines_within) {
            let trouble = logs.trouble();
            return Err(trouble.unwrap_or_else(|| "a push log takes no lines".to_owned()));
        }
        match journal.keep_settled(SETTLED_KEPT_WITHIN) {
            Some(kept) => kept.map_err(|refused| refused.to_string()),
            None => Err("the disk under the journal does not answer".to_owned()),
        }
    }

    /// Keeps what is about to be accepted.
    pub(super) fn record(
        &self,
        accepted: &[Arc<Accepted>],
        kept: Option<Kept<'_>>,
        now: Duration,
    ) -> Result<(), Unrecorded> {
        let Some(journal) = self.journal() else {
            return Ok(());
        };
        let answer = kept.map(|kept| KeptAnswer {
            key: kept.keyed.key.into(),
            body_hash: kept.keyed.body.0,
            answer: with_owner(kept.answer, kept.keyed.owner),
            at: now,
        });
        let accepted = accepted.iter().map(AsRef::as_ref);
        let appended = journal.append(accepted, answer.as_ref());
        appended.map_err(|refused| Unrecorded {
            why: refused.to_string(),
            is_unknown: refused.is_unknown,
        })
    }
}

/// What delivery tells the journal.
pub(super) struct JournalKeeper(pub(super) Arc<Journal>);

impl Keeper for JournalKeeper {
    fn settled(&self, ended: &[(PushId, End)]) {
        self.0.settle(ended.iter().copied());
    }

    fn left(&self, push: &Push, waits: Waits, now: Moment) {
        self.0.leave([(push.id(), attempts(push, waits, now))]);
    }

    fn tried(&self, push: &Push, waits: Waits, now: Moment) {
        self.0.note([(push.id(), attempts(push, waits, now))]);
    }

    fn keeps(&self) -> bool {
        self.0.keeps()
    }

    fn handed(&self, pushes: &[PushId]) {
        // A journal that cannot be written has said so. What is accepted is sent all the same.
        let _unnoted = self.0.hand(pushes.iter().copied()).is_err();
    }
}

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

/// An answer that was kept for a repeated request: key, hash of the body, owner, answer, time.
pub(super) fn answered(kept: KeptAnswer) -> Answered {
    let (owner, answer) = match kept.answer.split_first_chunk::<OWNED>() {
        Some(([OWNER_FOLLOWS, owner @ ..], answer)) => (Some(KeyOwner(*owner)), answer.into()),
        _ => (None, kept.answer),
    };
    Answered {
        key: kept.key,
        body: BodyHash(kept.body_hash),
        owner,
        answer,
        at: kept.at,
    }
}

/// The answer as the journal has it: behind its owner, if it has one.
fn with_owner(answer: &[u8], owner: Option<KeyOwner>) -> Box<[u8]> {
    let Some(KeyOwner(owner)) = owner else {
        return answer.into();
    };
    [&[OWNER_FOLLOWS], &owner[..], answer].concat().into()
}

/// What an answer begins with that has an owner: no JSON does.
const OWNER_FOLLOWS: u8 = 1;

/// Bytes of an owner before its answer.
const OWNED: usize = 9;

#[cfg(not(debug_assertions))]
fn files() -> Arc<dyn Files> {
    Arc::new(DiskFiles)
}

#[cfg(debug_assertions)]
fn files() -> Arc<dyn Files> {
    Arc::new(super::crash_files::CrashFiles(DiskFiles))
}

#[cfg(test)]
mod tests;
