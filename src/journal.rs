//! What was accepted and is not settled, kept over crashes and power failures.
//!
//! # Order
//!
//! A request is answered when its notifications are here ([`Journal::append`]); a push is settled
//! here when its line is in the push log, or lost and counted there ([`Journal::settle`]). So a
//! push that a caller was told of is outstanding, or has ended and the log has said so; what is
//! outstanding at a start is pushed again.
//!
//! # Format
//!
//! A directory holds segments, `0000000001.journal` and on, and a lock file with the owner's pid. A
//! segment is a head (`segment`) and frames (`frame`), each with a record (`record`):
//!
//! ```text
//! accepted   a notification as it was accepted, with its device tokens, once
//! answer     the answer to a request with an idempotency key
//! settled    runs of consecutive ids that ended alike, some 2 to 4 bytes for a push
//! attempts   how far outstanding pushes have come
//! ids        the last id of a push, in case the records of all that had later ones are gone
//! synced     all that stands before is on the disk
//! complete   the checkpoint is complete: no older segment is needed
//! lost       what is known of a notification whose record the disk has damaged
//! handed     pushes that were about to be written to a connection
//! doubt      pushes with ids up to this one may have been sent
//! lane       the number of a lane in this segment, and its name
//! ```
//!
//! The newest segment may end in zeros, room that was made for records to come: they are its end.
//! It is made a piece at a time (`Store::make_room`), since a sync of what makes a file longer has
//! the file system's own journal to write besides, and it is cut off before another segment is
//! begun, and at the end.
//!
//! A new segment begins with a checkpoint: the ids, then bit by bit everything that is outstanding
//! in older segments, between new records. Recovery reads the newest segment, and the one before
//! it if the checkpoint is not complete: never more, since no segment begins before the checkpoint
//! of the last one is complete, and one that replaces a segment whose sync has failed is written
//! whole under another name first.
//!
//! # Faults
//!
//! A file that the disk does not give is not damaged: at the start that is an error, later it is
//! read again until it is given (`unread`), and no segment goes whose records were not read.
//! Damaged is what was read well, twice, and is not what was written. Its pushes are still named:
//! of a notification the `lost` record keeps the ids, and whoever feeds them settles them. Segments
//! with damage are kept aside under another name when they go.
//!
//! # What may have been sent
//!
//! A push may be sent and its settlement not get here. Where each push is noted before its bytes
//! leave (`handed`), recovery knows which those are. Where not, a process says at its start that
//! all pushes are in doubt, and takes that back at its end if everything it touched is settled or
//! left; so after a crash all that was outstanding is in doubt.
//!
//! # Parts
//!
//! `bytes`, `frame`, `segment`, `lanes`, `notification`, `settled`, `record`, `batch`, `index`,
//! `schedule`, `scheduled_share`, `fold`, `unread` and `space` are pure. The `store` does one thing
//! after the other to files; the `flusher` says what is written when, by its own thread or by a
//! caller (`turns`), and the `inbox` is what callers and that share. All files are behind
//! [`Files`].

mod answer;
mod attempts;
mod batch;
mod catalogue;
mod disk;
mod error;
mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod flusher;
mod fold;
pub(crate) mod frame;
mod inbox;
mod index;
mod lanes;
mod note;
mod notification;
mod outstanding;
mod place;
mod reader;
mod reading;
mod record;
mod recovery;
mod reply;
mod report;
mod schedule;
mod scheduled;
mod scheduled_share;
mod segment;
mod settings;
mod settled;
mod space;
mod state;
mod store;
mod turns;
mod unread;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use answer::KeptAnswer;
pub use attempts::Attempts;
pub use disk::DiskFiles;
pub use error::{Fault, OpenError, Refused};
pub use files::{Files, JournalFile, Lock, LockError, LockedDirectory};
pub use outstanding::{Fed, Outstanding};
pub use place::{IDS, foreign, place, warning};
pub use reading::{Reading, read};
pub use report::{Damage, Recovered, Torn};
pub use settings::{RESERVE_BYTES, ROOM_BYTES, SCHEDULED_BYTES, SCHEDULED_MAX, SEGMENT_BYTES};
pub use settings::{Settings, SyncPolicy};
pub use state::State;

use self::batch::Group;
use self::catalogue::SharedCatalogue;
use self::flusher::Flusher;
use self::inbox::{Contents, Inbox};
use self::reply::{AwaitedReply, NoWord, Reply};
use self::store::Store;
use self::turns::{Turns, lost};

use crate::heartbeat::Heartbeat;
use crate::moment::{self, Moment};
use crate::push::{Accepted, End, LaneId, Node, PushId};
use crate::stats::{Histogram, HistogramFigures};

/// The journal of a daemon. Its methods may be called from any thread.
#[derive(Debug)]
pub struct Journal {
    inbox: Arc<Inbox>,
    catalogue: SharedCatalogue,
    turns: Arc<Turns>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    /// Pushes that may be scheduled.
    scheduled_max: u64,
    /// Whether all that is sent is noted before.
    notes_handed: AtomicBool,
    syncs: Arc<Histogram>,
    files: Arc<dyn Files>,
    dir: PathBuf,
    reserve_bytes: u64,
}

/// The disk that a journal is on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalDisk {
    /// What is free of it.
    pub free: u64,
    /// What has to be free for anything to be accepted.
    pub needed: u64,
}

/// What is left when the journal is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Pushes that stay outstanding, for the next start.
    pub outstanding: u64,
    /// Settlements among them that could not be written: those pushes may be sent twice.
    pub unwritten: u64,
}

impl Journal {
    /// Reads what is there, cuts off a torn end, and starts the flusher.
    ///
    /// # Errors
    ///
    /// When another daemon has it, when its directory cannot be used, when a segment is of an
    /// unknown format, when a file cannot be read or written. Damage is no error.
    pub fn open(
        files: Arc<dyn Files>,
        settings: Settings,
        now: Moment,
    ) -> Result<(Self, Recovered), OpenError> {
        let lock = Self::take_over(&*files, &settings.dir)?;
        Self::open_taken(files, lock, settings, now)
    }

    /// Makes the directory ours, and reads nothing yet: [`Journal::open_taken`] does.
    ///
    /// # Errors
    ///
    /// When another daemon has it, or it cannot be used.
    pub fn take_over(files: &dyn Files, dir: &Path) -> Result<Lock, OpenError> {
        store::take_over(files, dir)
    }

    /// As [`Journal::open`], of a directory that was taken over.
    ///
    /// # Errors
    ///
    /// Those of [`Journal::open`] but for the first.
    pub fn open_taken(
        files: Arc<dyn Files>,
        lock: Lock,
        settings: Settings,
        now: Moment,
    ) -> Result<(Self, Recovered), OpenError> {
        let opened = Store::open(Arc::clone(&files), lock, settings.clone(), now)?;
        let (store, recovered) = opened;
        let inbox = Arc::new(Inbox::new(settings.node, store.ids()));
        let (catalogue, syncs) = (store.catalogue().clone(), Arc::clone(store.syncs()));
        let mut flusher = Flusher::new(store, Arc::clone(&inbox), &settings);
        flusher.look_at_room(now);
        let turns = Arc::new(Turns::new(flusher, Arc::clone(&inbox)));
        let thread_turns = Arc::clone(&turns);
        let (scheduled_max, reserve_bytes) = (settings.scheduled_max, settings.reserve_bytes);
        let dir = settings.dir.clone();
        let notes_handed = AtomicBool::new(settings.notes_handed);
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || thread_turns.run())
            .map_err(|error| OpenError {
                path: settings.dir,
                fault: Fault::Io(error),
            })?;
        let journal = Self {
            inbox,
            catalogue,
            turns,
            flusher: Mutex::new(Some(thread)),
            scheduled_max,
            notes_handed,
            syncs,
            files,
            dir,
            reserve_bytes,
        };
        Ok((journal, recovered))
    }

    /// What tells that the flusher lives, and comes to an end with what it does.
    pub fn heartbeat(&self) -> Heartbeat {
        self.turns.heartbeat()
    }

    /// Keeps the notifications of one request, and its answer if it has a key: all or nothing. An
    /// error says whether it is known that it is nothing.
    ///
    /// Waits, however long the disk takes, until they are kept as [`SyncPolicy`] says. Their ids
    /// must be of [`Settings::node`], above [`Journal::high_water`] at the time of opening if that
    /// is one of them, and never repeat.
    pub fn append<'a>(
        &self,
        accepted: impl IntoIterator<Item = &'a Accepted>,
        answer: Option<&KeptAnswer>,
    ) -> Result<(), Refused> {
        let (reply, kept) = reply::pair();
        self.put_request(accepted, answer, reply);
        self.outcome(&kept)
    }

    /// The same, without waiting: `tell` is called with the outcome, once, perhaps before this
    /// returns, and by a thread that has other things to do.
    pub fn append_then<'a>(
        &self,
        accepted: impl IntoIterator<Item = &'a Accepted>,
        answer: Option<&KeptAnswer>,
        tell: impl FnOnce(Result<(), Refused>) + Send + 'static,
    ) {
        let hear = |word: Option<_>| tell(word.unwrap_or_else(|| Err(lost())));
        self.put_request(accepted, answer, reply::calling(hear));
    }

    fn put_request<'a>(
        &self,
        accepted: impl IntoIterator<Item = &'a Accepted>,
        answer: Option<&KeptAnswer>,
        reply: Reply,
    ) {
        let Some(group) = Group::of(accepted, answer) else {
            return reply.send(Err(Refused::whole(State::Unwritable {
                why: format!("a record may have {} bytes", frame::RECORD_MAX),
            })));
        };
        if group.is_empty() {
            return reply.send(Ok(()));
        }
        self.inbox.see(group.highest);
        let mut contents = self.inbox.lock();
        if contents.state != State::Serving {
            let refused = Refused::whole(contents.state.clone());
            drop(contents);
            return reply.send(Err(refused));
        }
        contents.requests.push((group, reply));
        self.turns.serve(contents);
    }

    fn outcome(&self, kept: &AwaitedReply) -> Result<(), Refused> {
        kept.wait().unwrap_or_else(|| Err(self.no_word()))
    }

    /// The flusher has ended while it was at it, by an error of the program.
    fn no_word(&self) -> Refused {
        match self.state() {
            State::Serving => lost(),
            state => Refused::unknown(state),
        }
    }

    /// Takes note of pushes that ended, each once, and whose lines are in the push log. Never
    /// waits for the disk: they are written soon.
    pub fn settle(&self, settled: impl IntoIterator<Item = (PushId, End)>) {
        let pushes = settled.into_iter();
        let mut pushes: Vec<_> = pushes.map(|(id, end)| (id.0, Some(end))).collect();
        if pushes.is_empty() {
            return;
        }
        let now = moment::now();
        let mut contents = self.inbox.lock();
        if contents.has_ended {
            contents.unwritten = contents.unwritten.saturating_add(pushes.len() as u64);
            return;
        }
        contents.settled.append(&mut pushes);
        self.inbox.call_soon(contents, now);
    }

    /// Waits until everything that was settled before this call is kept as [`SyncPolicy`] says, so
    /// that a crash does not bring it back; `None` if `within` was too short to know.
    pub fn keep_settled(&self, within: Duration) -> Option<Result<(), Refused>> {
        let (reply, kept) = reply::pair();
        let mut contents = self.inbox.lock();
        if contents.has_ended {
            return Some(Err(Refused::whole(contents.state.clone())));
        }
        contents.settled_waiting.push(reply);
        self.inbox.call(contents);
        match kept.wait_within(within) {
            Ok(kept) => Some(kept),
            Err(NoWord::Late) => None,
            Err(NoWord::Never) => Some(Err(self.no_word())),
        }
    }

    /// Settles pushes as [`Journal::settle`], and waits until that is written: from then on they
    /// are not fed.
    pub fn settle_at_once(
        &self,
        settled: impl IntoIterator<Item = (PushId, End)>,
    ) -> Result<(), Refused> {
        let pushes = settled.into_iter().map(|(id, end)| (id.0, Some(end)));
        self.ask(|contents, reply| {
            contents.settled.extend(pushes);
            contents.handed.push((Vec::new(), reply));
        })
    }

    /// Takes note of how far pushes have come that will be tried again. Never waits for the disk.
    pub fn note(&self, pushes: impl IntoIterator<Item = (PushId, Attempts)>) {
        let pushes = pushes.into_iter().map(|(id, state)| (id.0, state));
        let now = moment::now();
        let mut contents = self.inbox.lock();
        contents.left.extend(pushes);
        self.inbox.call_soon(contents, now);
    }

    /// Takes note as [`Journal::note`] of pushes that this process touches no more: they are for
    /// the next start.
    pub fn leave(&self, pushes: impl IntoIterator<Item = (PushId, Attempts)>) {
        let pushes = pushes.into_iter().map(|(id, state)| (id.0, state));
        let now = moment::now();
        let mut contents = self.inbox.lock();
        let before = contents.left.len();
        contents.left.extend(pushes);
        contents.left_behind += (contents.left.len() - before) as u64;
        self.inbox.call_soon(contents, now);
    }

    /// Notes that these pushes are about to be written to a connection, so that a process after a
    /// crash knows that they may have been sent; [`Journal::note`] takes that back.
    ///
    /// Waits until that is with the system, not for the disk. A power failure may take up to
    /// [`SYNC_EVERY`] of it back.
    pub fn hand(&self, pushes: impl IntoIterator<Item = PushId>) -> Result<(), Refused> {
        let ids: Vec<_> = pushes.into_iter().map(|id| id.0).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.ask(|contents, reply| contents.handed.push((ids, reply)))
    }

    /// From now on [`Journal::hand`] is told of every push before its bytes leave, or is not.
    /// To be called before it ceases, and after it has begun.
    pub fn set_notes_handed(&self, notes_handed: bool) -> Result<(), Refused> {
        self.notes_handed.store(notes_handed, Ordering::Release);
        self.ask(|contents, reply| contents.notes_handed.push((notes_handed, reply)))
    }

    fn ask(&self, put: impl FnOnce(&mut Contents, Reply)) -> Result<(), Refused> {
        let (reply, kept) = reply::pair();
        let mut contents = self.inbox.lock();
        if contents.has_ended {
            return Err(Refused::whole(contents.state.clone()));
        }
        put(&mut contents, reply);
        self.inbox.call(contents);
        self.outcome(&kept)
    }

    /// The last id of a push that was kept here, those of [`Settings::node`] being later than all
    /// others; 0 without any. Pushes that were refused may have had later ones.
    pub fn high_water(&self) -> PushId {
        PushId(self.inbox.last_seen())
    }

    /// The daemon that keeps its pushes here: [`Settings::node`].
    pub fn node(&self) -> Node {
        self.inbox.node
    }

    /// Hands out pushes of one lane that were outstanding when the journal was opened, with
    /// their contents, transactional ones and of each class the oldest first: at most `max_pushes`,
    /// each once.
    ///
    /// Reads files; for a thread that may wait.
    pub fn feed(&self, lane: LaneId, max_pushes: usize) -> Fed {
        let mut fed = self.catalogue.feed(lane, max_pushes, moment::now());
        self.note_scheduled(&fed);
        fed.notifications.iter_mut().for_each(Outstanding::begin);
        fed
    }

    /// Has everything of lanes fed anew that is outstanding once what was settled and left before
    /// this call is written. Nobody may have any of it in hand.
    ///
    /// # Errors
    ///
    /// When the journal is not written any more: nothing is fed anew.
    pub fn feed_again(&self, lanes: &[LaneId]) -> Result<(), Refused> {
        self.settle_at_once([])?;
        let mut catalogue = self.catalogue.lock();
        for lane in lanes {
            catalogue.unread.forget(*lane);
        }
        catalogue.index.start_feeding(Some(lanes));
        drop(catalogue);
        // They count among those that are not fed: lanes leave pushes only when they end.
        self.inbox.lock().left_behind = 0;
        Ok(())
    }

    /// Shows pushes of one lane that were outstanding when the journal was opened and still
    /// are, from an id on and at most `max_pushes`, and the id to go on from if there may be more.
    /// For pushes that are not fed, since nobody sends them.
    ///
    /// Reads files, as [`Journal::feed`].
    pub fn look(
        &self,
        lane: LaneId,
        from: PushId,
        max_pushes: usize,
    ) -> (Vec<Outstanding>, Option<PushId>) {
        let (seen, next) = self.catalogue.look(lane, from.0, max_pushes);
        (seen, next.map(PushId))
    }

    /// How many pushes of one lane are still to be fed.
    pub fn unfed(&self, lane: LaneId) -> u64 {
        self.catalogue.unfed(lane)
    }

    /// How many transactional pushes of one lane are still to be fed, but for those that the disk
    /// does not give.
    pub fn transactional_unfed(&self, lane: LaneId) -> u64 {
        self.catalogue.transactional_unfed(lane)
    }

    /// The lanes that have pushes which are still to be fed, whether they are served or not.
    pub fn lanes_unfed(&self) -> Vec<LaneId> {
        self.catalogue.lock().index.lanes_unfed()
    }

    /// How long its syncs have taken.
    pub fn syncs(&self) -> HistogramFigures {
        self.syncs.figures()
    }

    /// How much room its disk has, by the disk's own word; none if that says nothing.
    pub fn disk(&self) -> Option<JournalDisk> {
        let free = self.files.free_space(&self.dir).ok()?;
        let needed = self.reserve_bytes;
        Some(JournalDisk { free, needed })
    }

    /// Bytes of the segments that are held, as their files are long.
    pub fn bytes(&self) -> u64 {
        let files: Vec<_> = self.catalogue.lock().segments.values().cloned().collect();
        // Of two or three at most; one that does not tell holds nothing that anybody reads.
        files.iter().filter_map(|file| file.len().ok()).sum()
    }

    /// How many pushes are outstanding, those that are still to be fed among them.
    pub fn outstanding(&self) -> u64 {
        self.catalogue.lock().index.outstanding()
    }

    /// Whether the disk does not give something that is outstanding: it is read again until it
    /// does, and the operator log names the file.
    pub fn has_unread(&self) -> bool {
        self.catalogue.lock().unread.is_some()
    }

    /// Where a push goes, if it is outstanding.
    pub fn lane_of(&self, id: PushId) -> Option<LaneId> {
        self.catalogue.lock().index.lane_of(id.0)
    }

    /// How it is: for `/healthz`, the text of a 503, and whether the process must end.
    pub fn state(&self) -> State {
        self.inbox.lock().state.clone()
    }

    /// Whether the next process finds what is outstanding: not if its files are gone.
    pub fn keeps(&self) -> bool {
        !matches!(self.state(), State::Gone { .. })
    }

    /// Refuses new pushes, writes and syncs what is left, and ends the flusher; a second call
    /// finds it closed.
    pub fn close(&self) -> Closed {
        let mut contents = self.inbox.lock();
        contents.closing = true;
        if contents.state == State::Serving {
            contents.state = State::Closed;
        }
        self.inbox.call(contents);
        // A disk that hangs does not keep the process.
        if self.inbox.wait_for_end(LAST_WRITES) {
            let mut flusher = self.flusher.lock().unwrap_or_else(PoisonError::into_inner);
            let panicked = flusher
                .take()
                .is_some_and(|flusher| flusher.join().is_err());
            debug_assert!(!panicked, "a panic in a turn is caught");
        }
        Closed {
            outstanding: self.outstanding(),
            unwritten: self.inbox.lock().unwritten,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _closed = self.close();
    }
}

/// The format that is written, and read. 4 had no `traceparent`; 3 had besides no targets but
/// device tokens, no header fields, of push types two, and neither classes nor earliest times.
pub const FORMAT_VERSION: u32 = 5;

/// The oldest format that is read. Segments of this one and of those up to [`FORMAT_VERSION`] are
/// replaced by one of that at the start. The ones before were never released: they had the fields
/// of a request, from which the provider's body was built again at each start.
pub const OLDEST_FORMAT: u32 = 3;

/// Our limit: places of damage that are told one by one; the rest is counted.
pub const PLACES_MAX: usize = 32;

/// [`SyncPolicy::Interval`] loses at most this much at a power failure. Settlements wait as long.
pub const SYNC_EVERY: Duration = Duration::from_millis(100);

/// Our limit: the end of the process waits so much longer for the last write and sync.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Answers to requests with an idempotency key are kept so long …
pub const KEEP_ANSWERS: Duration = Duration::from_secs(600);

/// Our limit: … and so many bytes of them; then the oldest are forgotten. Who appends them lets
/// no more in than that.
pub const ANSWERS_BYTES_MAX: u64 = 64 << 20;

/// Bytes that an answer takes beside its key and its text, at most.
pub const ANSWER_EXTRA: usize = 80;

/// Up to where pushes are in doubt while a process does not note what it hands to connections.
const IN_DOUBT: u64 = u64::MAX;

/// The lock file's name.
pub(crate) const LOCK: &str = "journal.lock";

/// The name of the note that the sync of a segment has failed.
const FAILED_SYNC: &str = "sync-failed";

#[cfg(test)]
mod tests;
