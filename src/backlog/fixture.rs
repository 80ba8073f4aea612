//! A backlog for tests: over a journal in memory, and what happens before something is kept.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Backlog, Refused};
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault};
use crate::journal::{self, Journal, KeptAnswer, Recovered, State};
use crate::log::{Destination, Logs};
use crate::moment::Moment;
use crate::provider::{self, Built};
use crate::push::{Accepted, DeviceToken, LaneId, Notification, PushId};

/// A notification that is accepted now, with so many pushes.
pub(crate) fn accepted(pushes: usize, now: Moment) -> Arc<Accepted> {
    Arc::new(provider::accept(
        &Notification::empty(LaneId::IOS),
        &Built::nothing(LaneId::IOS),
        vec![DeviceToken::new("ab"); pushes],
        PushId(7),
        now,
    ))
}

/// A notification of that name with so many pushes, which is to be sent so many seconds later.
pub(super) fn scheduled(
    (lane, first_id, pushes): (LaneId, u64, usize),
    identifier: &str,
    ahead: u64,
    now: Moment,
) -> Arc<Accepted> {
    let mut notification = Notification::empty(lane);
    notification.identifier = identifier.into();
    let mut built = Built::nothing(lane);
    let at = u32::try_from(now.unix.as_secs() + ahead).unwrap();
    built.envelope.earliest = NonZeroU32::new(at);
    let tokens = vec![DeviceToken::new("ab"); pushes];
    Arc::new(provider::accept(
        &notification,
        &built,
        tokens,
        PushId(first_id),
        now,
    ))
}

/// That moment, by a wall clock that shows so many seconds more.
pub(super) fn later(now: Moment, secs: u64) -> Moment {
    Moment {
        unix: now.unix + Duration::from_secs(secs),
        ..now
    }
}

/// The journal in these files, and what the last process has left in it.
pub(super) fn open_in(files: &MemoryFiles) -> (Arc<Journal>, Recovered) {
    open_with(files, journal::Settings::new("/journal"))
}

fn open_with(files: &MemoryFiles, mut settings: journal::Settings) -> (Arc<Journal>, Recovered) {
    settings.reserve_bytes = 0;
    // A disk that is full has none for one more record.
    settings.room_bytes = 0;
    let opened = Journal::open(Arc::new(files.clone()), settings, Moment::now());
    let (journal, recovered) = opened.unwrap();
    (Arc::new(journal), recovered)
}

pub(super) fn backlog_in(files: &MemoryFiles) -> Backlog {
    let backlog = Backlog::default();
    backlog.open(open_in(files).0);
    backlog.ready();
    backlog
}

impl Backlog {
    /// Opens it over a journal in which an earlier process has left one push.
    pub(crate) fn open_with_one_left(&self) -> MemoryFiles {
        let files = MemoryFiles::default();
        let kept = accepted(1, Moment::now());
        backlog_in(&files).accept(&[kept], None).unwrap();
        let files = files.reboot(Loss::Nothing);
        self.open(open_in(&files).0);
        files
    }

    /// Opens it over a new journal in which so many pushes may be scheduled.
    pub(crate) fn open_scheduling(&self, most: u64) {
        let mut settings = journal::Settings::new("/journal");
        settings.scheduled_max = most;
        self.open(open_with(&MemoryFiles::default(), settings).0);
    }

    /// Claims what is left while the disk under these files gives nothing.
    pub(crate) fn claim_in_vain(&self, files: &MemoryFiles) {
        files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
        assert!(self.claim(LaneId::IOS, 1).notifications.is_empty());
    }

    /// Remembers purges until no more are.
    pub(crate) fn call_off_as_many_as_it_may(&self) {
        let mut names = (0..).map(|number: u32| number.to_string());
        let mut add = || {
            let name = names.next().unwrap();
            let so_far = self.so_far(Moment::now());
            self.called_off.add((None, &name), so_far, || true)
        };
        while add() {}
    }
}

pub(super) fn no_logs() -> Logs {
    let nowhere = Destination::named("discard");
    Logs::open(&nowhere, &nowhere, &nowhere).unwrap()
}

type Sprung = dyn Fn(&[Arc<Accepted>], Option<&KeptAnswer>) -> Result<(), Refused> + Send + Sync;

/// Called before something is accepted, to look, to wait, or to refuse it.
#[derive(Default)]
pub(crate) struct Trap(OnceLock<Box<Sprung>>);

impl Trap {
    pub(crate) fn set(
        &self,
        sprung: impl Fn(&[Arc<Accepted>], Option<&KeptAnswer>) -> Result<(), Refused>
        + Send
        + Sync
        + 'static,
    ) {
        assert!(self.0.set(Box::new(sprung)).is_ok(), "it is set once");
    }

    pub(super) fn pass(
        &self,
        accepted: &[Arc<Accepted>],
        answer: Option<&KeptAnswer>,
    ) -> Result<(), Refused> {
        self.0
            .get()
            .map_or(Ok(()), |sprung| sprung(accepted, answer))
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap").finish_non_exhaustive()
    }
}

/// What a journal says that cannot be written.
pub(crate) fn refused(why: &str, is_unknown: bool) -> Refused {
    let why = why.to_owned();
    let state = State::Unwritable { why };
    Refused { state, is_unknown }
}
