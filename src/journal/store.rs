//! The segments and the index together: what is written, synced, carried forward and removed, one
//! step after the other, by whoever calls. It has no thread and reads no clock.
//!
//! A new segment begins when the old one is long. What is outstanding is carried into it piece by
//! piece, between new records (see `carry`); when all is there and synced, a mark says so, and when
//! that is synced too, the older segments are removed. Until then no further segment begins, so
//! that at most two are ever needed.
//!
//! A segment whose sync has failed is written no more, and the next process begins with a draft: a
//! file that takes the whole checkpoint before anything else, and becomes a segment when that is
//! complete and synced. After a start that is interrupted the segments are as they were, two at
//! most.
//!
//! To a segment of an older format nothing is added either, but it is as good as any: the next one
//! begins with the first write, which needs no room for what is outstanding. Should the older one
//! have had a predecessor, there are three until all is carried.

mod aside;
mod carry;
mod opening;
mod read_ahead;
mod standing;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
pub(super) use self::aside::ASIDE_MAX;
pub(super) use self::carry::Carry;
pub(super) use self::carry::LOOKS;
#[cfg(test)]
pub(super) use self::carry::WORTHWHILE;
pub(super) use self::opening::take_over;
use super::batch::WriteBatch;
use super::catalogue::SharedCatalogue;
use super::disk::is_full;
use super::files::{Files, JournalFile, Lock};
use super::note::RefusedFrom;
use super::schedule::{AppLoads, ScheduledLoad};
use super::segment::SEGMENT_HEAD;
use super::{FAILED_SYNC, Settings, SyncPolicy, frame, record, segment};
use crate::moment;
use crate::push::LaneId;
use crate::stats::Histogram;

/// Why something was not written, or not synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreTrouble {
    /// The disk is full.
    Full,
    /// The system refuses, perhaps not for ever.
    Unwritable(String),
    /// A sync has failed, or files were moved: nothing may be written any more.
    Failed(String),
    /// Files were removed: nothing may be written any more, and something of what was is lost.
    Gone(String),
    /// What is to be copied cannot be read, perhaps not for ever.
    Unreadable(String),
}

/// A write or a sync that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WriteFailure {
    pub(super) trouble: StoreTrouble,
    /// Whether requests that were to be kept by it may be found by the next process all the same.
    pub(super) may_come_back: bool,
}

/// Before anything was written.
impl From<StoreTrouble> for WriteFailure {
    fn from(trouble: StoreTrouble) -> Self {
        Self {
            trouble,
            may_come_back: false,
        }
    }
}

impl From<WriteFailure> for StoreTrouble {
    fn from(failure: WriteFailure) -> Self {
        failure.trouble
    }
}

/// What the segment in use may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentUse {
    /// Everything.
    Open,
    /// Nothing: a sync of it has failed in an earlier process, or its lanes are others than ours.
    Spoilt,
    /// Nothing: it is of an older format.
    Older,
    /// Its checkpoint, and nothing else until that is complete.
    Draft,
}

/// Our limit: bytes of a draft that are written at once.
pub(super) const DRAFT_BYTES: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Store {
    files: Arc<dyn Files>,
    settings: Settings,
    /// Held for as long as the store lives.
    lock: Lock,
    /// What is wrong with the lock file, as it was told.
    lock_trouble: Option<String>,
    /// Whether it is looked at whether files are where they were.
    watches: bool,
    catalogue: SharedCatalogue,
    active: u32,
    stage: SegmentUse,
    /// The highest number that a segment has had, those that are kept aside among them.
    highest: u32,
    /// Segments of which something is damaged: they are not removed but kept aside.
    damaged: BTreeSet<u32>,
    file: Arc<dyn JournalFile>,
    /// How long syncs of it have taken.
    syncs: Arc<Histogram>,
    /// Where the next frame goes.
    len: u64,
    /// What is to be carried forward, while the checkpoint is not complete.
    carry: Option<Carry>,
    /// The last id of a push.
    ids: u64,
    /// Pushes with ids up to this one may have been sent by earlier processes …
    inherited_doubt: u64,
    /// … and up to this one, if this process ends now.
    doubt: u64,
    /// What the segment in use says of that.
    doubt_written: Option<u64>,
    /// Lanes that this process has named there.
    named: Vec<LaneId>,
    /// Up to where it is synced.
    synced: u64,
    /// Whether something was synced since the last mark of it.
    mark_due: bool,
    /// Whether a failed write may have left bytes behind `len`.
    cut_due: bool,
    /// Whether zeros may follow there, room for what is to be written.
    has_room: bool,
    /// Up to where there is room, or was none to be had.
    room_until: u64,
    failed: Option<Fatal>,
    written: u64,
}

/// Why nothing is written any more.
#[derive(Clone, Debug)]
struct Fatal {
    trouble: StoreTrouble,
    /// Whether it is certain that the next process finds nothing that was refused since.
    has_noted: bool,
}

impl Store {
    /// What is outstanding.
    pub(super) fn catalogue(&self) -> &SharedCatalogue {
        &self.catalogue
    }

    /// How long syncs have taken.
    pub(super) fn syncs(&self) -> &Arc<Histogram> {
        &self.syncs
    }

    /// Bytes that may still be written; unknown counts as enough.
    pub(super) fn free_space(&self) -> u64 {
        let free = self.files.free_space(&self.settings.dir);
        let free = free.unwrap_or(u64::MAX);
        if self.has_room {
            // The disk counts that as used.
            return free.saturating_add(self.room_until.saturating_sub(self.len));
        }
        free
    }

    /// Bytes of what is outstanding.
    pub(super) fn live_bytes(&self) -> u64 {
        self.catalogue.lock().index.live_bytes()
    }

    /// What of that is scheduled.
    pub(super) fn scheduled(&self) -> ScheduledLoad {
        self.catalogue.lock().index.schedule.load()
    }

    /// Of which apps that is.
    pub(super) fn scheduled_of_apps(&self) -> AppLoads {
        self.catalogue.lock().index.scheduled_of_apps()
    }

    /// Bytes that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether nothing is written any more.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// The last id of a push, as far as it was written.
    pub(super) fn ids(&self) -> u64 {
        self.ids
    }

    /// From the next write on, pushes with ids up to this one count as sent if this process ends
    /// without a word.
    pub(super) fn set_doubt(&mut self, last: u64) {
        self.doubt = last;
    }

    /// An empty batch, for the next write.
    pub(super) fn batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.known.clone_from(&self.named);
        if self.mark_due {
            batch.mark();
        }
        if self.doubt_written != Some(self.doubt) {
            batch.doubt(self.doubt);
        }
        batch
    }

    /// Writes a batch whole, or nothing of it.
    pub(super) fn write(
        &mut self,
        mut batch: WriteBatch,
        now: Duration,
    ) -> Result<(), WriteFailure> {
        if !batch.has_records() {
            return Ok(());
        }
        self.make_fit(now)?;
        self.write_frames(&mut batch)?;
        let offset = self.len - batch.frames.len() as u64;
        let active = self.active;
        let rank = |id: u64| self.settings.node.rank(id);
        let index = &mut self.catalogue.lock().index;
        for (head, span) in &batch.notifications {
            index.insert(head, span.place(active, offset), false);
            if rank(head.last_id()) > rank(self.ids) {
                self.ids = head.last_id();
            }
        }
        for (at, span) in &batch.answers {
            index.keep_answer(*at, span.place(active, offset));
        }
        for (id, _) in &batch.settled {
            index.settle(*id);
        }
        for (id, state) in &batch.attempts {
            index.note(*id, *state);
        }
        for id in &batch.handed {
            index.hand(*id);
        }
        index.prune_answers(now);
        Ok(())
    }

    /// Replaces a segment that may not be written, whatever time that takes.
    fn make_fit(&mut self, now: Duration) -> Result<(), StoreTrouble> {
        while self.stage != SegmentUse::Open {
            match self.stage {
                SegmentUse::Older => self.leave_segment()?,
                _ => self.carry(DRAFT_BYTES, now)?,
            }
        }
        Ok(())
    }

    fn write_frames(&mut self, batch: &mut WriteBatch) -> Result<(), WriteFailure> {
        self.check()?;
        if self.cut_due {
            self.cut()?;
        }
        batch.end();
        frame::seal(&mut batch.frames, frame::salt(self.active));
        self.make_room(batch.frames.len() as u64);
        if let Err(error) = self.file.write_at(&batch.frames, self.len) {
            self.cut_due = true;
            let trouble = self.trouble(&error);
            // While bytes of it are there they may be believed: whole requests may be among them.
            return Err(match self.cut() {
                Ok(()) => trouble.into(),
                Err(trouble) => self.in_doubt(trouble),
            });
        }
        self.len += batch.frames.len() as u64;
        self.written += batch.frames.len() as u64;
        self.mark_due &= !batch.marked;
        for lane in batch.named.drain(..) {
            if !self.named.contains(&lane) {
                self.named.push(lane);
            }
        }
        self.doubt_written = batch.doubt.or(self.doubt_written);
        Ok(())
    }

    /// Makes room ahead of what is written, a piece at a time. Without it the write finds out by
    /// itself whether there is any.
    fn make_room(&mut self, bytes: u64) {
        let Settings {
            room_bytes,
            segment_bytes,
            ..
        } = self.settings;
        let end = self.len.saturating_add(bytes);
        let piece = room_bytes.min(segment_bytes);
        if piece == 0 || end <= self.room_until {
            return;
        }
        self.room_until = end.saturating_add(piece);
        self.has_room = true;
        if self.file.make_room(self.room_until).is_err() {
            // Some of it may have been made: on a full disk the last that there was. The next try
            // is no sooner than one after it would have been.
            self.has_room = self.file.truncate(self.len).is_err();
        }
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> Result<(), WriteFailure> {
        if let Err(trouble) = self.check() {
            return Err(self.in_doubt(trouble));
        }
        if self.synced == self.len {
            return Ok(());
        }
        let begun = moment::now();
        let synced = self.file.sync_data();
        self.syncs.add(moment::since(begun));
        match synced {
            Ok(()) => {
                self.must_be_linked()?;
                self.is_synced();
                Ok(())
            }
            Err(error) => {
                let trouble = self.fail(&error);
                Err(self.in_doubt(trouble))
            }
        }
    }

    fn is_synced(&mut self) {
        self.synced = self.len;
        self.mark_due = true;
    }

    /// A failure after something was written.
    fn in_doubt(&self, trouble: StoreTrouble) -> WriteFailure {
        let has_noted = self.failed.as_ref().is_some_and(|fatal| fatal.has_noted);
        WriteFailure {
            trouble,
            may_come_back: !has_noted,
        }
    }

    /// Marks and syncs what is there, for an end in order. `has_told_all` if this process has
    /// noted of all that it may have sent how that ended.
    pub(super) fn finish(
        &mut self,
        last_id: u64,
        has_told_all: bool,
        now: Duration,
    ) -> Result<(), WriteFailure> {
        self.sync()?;
        if has_told_all {
            self.set_doubt(self.inherited_doubt);
        }
        let mut batch = self.batch();
        batch.note_ids(last_id);
        self.write(batch, now)?;
        if self.has_room && self.failed.is_none() {
            // Nobody uses it any more; what cannot be cut off is in nobody's way.
            self.has_room = self.file.truncate(self.len).is_err();
        }
        self.sync()
    }

    fn check(&self) -> Result<(), StoreTrouble> {
        match &self.failed {
            Some(fatal) => Err(fatal.trouble.clone()),
            None => Ok(()),
        }
    }

    /// Removes what a failed write may have left, durably, so that it does not come back.
    fn cut(&mut self) -> Result<(), StoreTrouble> {
        if let Err(error) = self.file.truncate(self.len) {
            return Err(self.trouble(&error));
        }
        if let Err(error) = self.file.sync_data() {
            return Err(self.fail(&error));
        }
        self.cut_due = false;
        self.has_room = false;
        self.room_until = self.len;
        self.is_synced();
        Ok(())
    }

    fn trouble(&self, error: &io::Error) -> StoreTrouble {
        if is_full(error) {
            return StoreTrouble::Full;
        }
        StoreTrouble::Unwritable(format!("{}: {error}", self.path().display()))
    }

    /// A failed sync: the system may have forgotten what it could not write, so that neither this
    /// process nor the next one may build on this file.
    fn fail(&mut self, error: &io::Error) -> StoreTrouble {
        let why = format!(
            "sync of {} failed: {error}; look at the disk, then start again",
            self.path().display()
        );
        let noted = self.note_refused();
        if let Err(error) = &noted {
            ::log::warn!("journal: cannot leave a note of the failed sync: {error}");
        }
        self.end(StoreTrouble::Failed(why), noted.is_ok())
    }

    /// Leaves a note of the failed sync: requests that waited for it are refused, and what of them
    /// can be read is none of the next process's business.
    fn note_refused(&self) -> io::Result<()> {
        let from = RefusedFrom {
            segment: self.active,
            offset: match self.settings.sync {
                SyncPolicy::Group => self.synced,
                // Whoever was answered was answered when it was written.
                SyncPolicy::Interval => self.len,
            },
        };
        let file = match self.files.create(&self.settings.dir.join(FAILED_SYNC)) {
            // No request is in a draft: what the note says of another segment is what counts.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists && self.stage == SegmentUse::Draft =>
            {
                return Ok(());
            }
            file => file?,
        };
        file.write_at(from.text().as_bytes(), 0)?;
        file.sync_data()?;
        self.files.sync_dir(&self.settings.dir)?;
        // Elsewhere nobody would find it.
        self.must_stand()
    }

    fn path(&self) -> PathBuf {
        let name = match self.stage {
            SegmentUse::Draft => segment::draft(self.active),
            SegmentUse::Open | SegmentUse::Spoilt | SegmentUse::Older => segment::name(self.active),
        };
        self.settings.dir.join(name)
    }
}

/// The bytes that a new segment begins with.
fn first_bytes(number: u32, base: u32, ids: u64, doubt: u64, is_complete: bool) -> Vec<u8> {
    let mut bytes = segment::head(number, base).to_vec();
    let mut frames = Vec::new();
    record::put_ids(&mut frames, ids);
    record::put_doubt(&mut frames, doubt);
    if is_complete {
        record::put_complete(&mut frames);
    }
    frame::seal(&mut frames, frame::salt(number));
    bytes.extend(frames);
    debug_assert!(bytes.len() > SEGMENT_HEAD);
    bytes
}
