//! Taking a directory over, and beginning segments.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::{SegmentUse, Store, StoreTrouble, aside, first_bytes};
use crate::journal::catalogue::{Catalogue, SharedCatalogue};
use crate::journal::error::{Fault, OpenError};
use crate::journal::files::{Files, JournalFile, Lock, LockError};
use crate::journal::index::Doubt;
use crate::journal::recovery::{self, Access, Found};
use crate::journal::report::Recovered;
use crate::journal::unread::Unread;
use crate::journal::{FAILED_SYNC, IN_DOUBT, LOCK, Settings, segment};
use crate::moment::Moment;
use crate::stats::{Histogram, WITHIN_A_MINUTE};

impl Store {
    /// Reads a directory that was taken over.
    pub(in crate::journal) fn open(
        files: Arc<dyn Files>,
        lock: Lock,
        settings: Settings,
        now: Moment,
    ) -> Result<(Self, Recovered), OpenError> {
        let mut found = recovery::find(&*files, &settings.dir, now.unix, Access::Write)?;
        let dir = &settings.dir;
        aside::set_aside(&*files, dir, &found.illegible).map_err(|error| OpenError {
            path: dir.clone(),
            fault: Fault::Io(error),
        })?;
        found.fold.index.start_feeding(None);
        let node = settings.node;
        let high_water = found.fold.high_water(node);
        let inherited_doubt = found.fold.doubt(node);
        let last = inherited_doubt;
        found.fold.index.doubt = Doubt { node, last };
        let doubt = if settings.notes_handed {
            inherited_doubt
        } else {
            IN_DOUBT
        };
        let failed = |number: u32| {
            let path = dir.join(segment::name(number));
            |error| OpenError {
                path,
                fault: Fault::Io(error),
            }
        };
        let mut stage = SegmentUse::Open;
        let active = if let Some((number, file)) = found.segments.last_key_value() {
            // One whose numbers stand for other lanes than ours do is written no more either.
            if found.failed_sync || !found.fold.lanes.are_ours() {
                stage = SegmentUse::Spoilt;
            } else {
                mend(&**file, &found).map_err(failed(*number))?;
                if found.is_older {
                    // A binary that knows that format alone would read what we add.
                    stage = SegmentUse::Older;
                }
            }
            *number
        } else {
            let number = found.highest.saturating_add(1);
            let bytes = first_bytes(number, number, high_water, doubt, true);
            let begun = begin(&*files, dir, number, stage, &bytes);
            let file = begun.map_err(|refusal| failed(number)(refusal.into_error()))?;
            found.good_end = bytes.len() as u64;
            found.fold.complete = true;
            found.segments.insert(number, file);
            number
        };
        let Some(file) = found.segments.get(&active).map(Arc::clone) else {
            return Err(failed(active)(ErrorKind::NotFound.into()));
        };
        let complete = found.fold.complete;
        let mut store = Self {
            files,
            lock,
            lock_trouble: None,
            watches: false,
            catalogue: SharedCatalogue::new(Catalogue {
                index: found.fold.index,
                segments: found.segments,
                unread: Unread::default(),
            }),
            active,
            stage,
            highest: found.highest.max(active),
            damaged: found.damaged,
            file,
            syncs: Arc::new(Histogram::new(&WITHIN_A_MINUTE)),
            len: found.good_end,
            carry: (!complete).then(Default::default),
            ids: high_water,
            inherited_doubt,
            doubt,
            doubt_written: None,
            named: Vec::new(),
            synced: found.good_end,
            mark_due: true,
            cut_due: false,
            has_room: found.has_more,
            room_until: found.good_end,
            failed: None,
            written: 0,
            settings,
        };
        store.watch();
        store.start(now)?;
        Ok((store, found.recovered))
    }

    fn start(&mut self, now: Moment) -> Result<(), OpenError> {
        if self.stage == SegmentUse::Open && self.carry.is_none() {
            self.remove_unneeded();
        }
        let mut batch = self.batch();
        batch.note_ids(self.ids);
        let noted = self.write(batch, now.unix).and_then(|()| self.sync());
        let fault = match noted.map_err(StoreTrouble::from) {
            // What is outstanding can be sent all the same, and that may make room.
            Ok(()) | Err(StoreTrouble::Full) => return Ok(()),
            Err(
                StoreTrouble::Unwritable(why) | StoreTrouble::Failed(why) | StoreTrouble::Gone(why),
            ) => Fault::Unusable(io::Error::other(why)),
            Err(StoreTrouble::Unreadable(why)) => Fault::Unreadable(io::Error::other(why)),
        };
        Err(OpenError {
            path: self.settings.dir.clone(),
            fault,
        })
    }

    /// Begins the next segment; what is outstanding is to be carried into it.
    pub(in crate::journal) fn rotate(&mut self) -> Result<(), StoreTrouble> {
        if self.carry.is_some() {
            return Ok(());
        }
        if self.stage == SegmentUse::Spoilt {
            return self.begin_draft();
        }
        self.leave_segment()
    }

    /// Begins the next segment after one that is as good as any.
    pub(super) fn leave_segment(&mut self) -> Result<(), StoreTrouble> {
        if self.cut_due || self.has_room {
            // All of an older segment is believed, and zeros are none of its records.
            self.cut()?;
        }
        self.sync()?;
        self.next_segment(SegmentUse::Open)
    }

    /// Begins a draft, if there is room for all of it: half a one would help nobody.
    pub(super) fn begin_draft(&mut self) -> Result<(), StoreTrouble> {
        if self.free_space() < self.live_bytes() {
            return Err(StoreTrouble::Full);
        }
        self.next_segment(SegmentUse::Draft)
    }

    fn next_segment(&mut self, stage: SegmentUse) -> Result<(), StoreTrouble> {
        let number = self.highest.max(self.active).saturating_add(1);
        let base = match stage {
            // Until it is complete nobody reads it, and then it needs no other.
            SegmentUse::Draft => number,
            SegmentUse::Open | SegmentUse::Spoilt | SegmentUse::Older => self.oldest(),
        };
        let bytes = first_bytes(number, base, self.ids, self.doubt, false);
        let begun = begin(&*self.files, &self.settings.dir, number, stage, &bytes);
        let file = match begun {
            Ok(file) => file,
            Err(BeginError::Write(error)) => return Err(self.trouble(&error)),
            Err(BeginError::Sync(error)) => return Err(self.fail(&error)),
        };
        let mut catalogue = self.catalogue.lock();
        catalogue.segments.insert(number, Arc::clone(&file));
        drop(catalogue);
        self.active = number;
        self.stage = stage;
        self.file = file;
        self.len = bytes.len() as u64;
        self.synced = self.len;
        self.carry = Some(super::Carry::default());
        self.mark_due = true;
        self.doubt_written = Some(self.doubt);
        self.named.clear();
        self.cut_due = false;
        self.has_room = false;
        self.room_until = self.len;
        Ok(())
    }

    fn oldest(&self) -> u32 {
        let segments = &self.catalogue.lock().segments;
        segments.keys().next().copied().unwrap_or(self.active)
    }

    /// Makes a segment of the draft, which is complete and synced.
    pub(super) fn adopt_draft(&mut self) -> Result<(), StoreTrouble> {
        let dir = &self.settings.dir;
        let name = dir.join(segment::name(self.active));
        if let Err(error) = self.files.rename(&self.path(), &name) {
            return Err(self.trouble(&error));
        }
        self.stage = SegmentUse::Open;
        match self.files.sync_dir(dir) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// Removes all segments but those in use, and the note of a failed sync: what it was about is
    /// not needed any more.
    pub(super) fn remove_unneeded(&mut self) {
        let dir = &self.settings.dir;
        let needed: Vec<u32> = self.catalogue.lock().segments.keys().copied().collect();
        let names = self.files.list(dir).unwrap_or_else(|error| {
            // They are in nobody's way until the next time.
            ::log::warn!("journal: cannot list {}: {error}", dir.display());
            Vec::new()
        });
        let unneeded = names.into_iter().filter(|name| {
            let number = segment::number(name);
            name == FAILED_SYNC
                || segment::is_draft(name)
                || number.is_some_and(|number| !needed.contains(&number))
        });
        let mut removed = false;
        for name in unneeded {
            match self.files.remove(&dir.join(&name)) {
                Ok(()) => removed = true,
                Err(error) => ::log::warn!("journal: cannot remove {name}: {error}"),
            }
        }
        if removed && let Err(error) = self.files.sync_dir(dir) {
            ::log::warn!("journal: cannot sync {}: {error}", dir.display());
        }
    }
}

/// Takes a directory over: nobody else has it until the lock is dropped.
pub(in crate::journal) fn take_over(files: &dyn Files, dir: &Path) -> Result<Lock, OpenError> {
    let unusable = |error| OpenError {
        path: dir.to_owned(),
        fault: Fault::Unusable(error),
    };
    files.create_dir(dir).map_err(unusable)?;
    files.lock(dir, LOCK).map_err(|error| match error {
        LockError::Io(error) => unusable(error),
        LockError::Held(pid) => OpenError {
            path: dir.to_owned(),
            fault: Fault::Held(pid),
        },
    })
}

/// Cuts off a torn end and strikes out what is left of interrupted writes, durably.
fn mend(file: &dyn JournalFile, found: &Found) -> io::Result<()> {
    for place in &found.dropped {
        file.write_at(&[0, 0], place.offset)?;
    }
    if found.recovered.torn.is_some() {
        file.truncate(found.good_end)?;
    }
    // What was read may be with the system only, and older segments are about to be removed.
    file.sync_data()
}

/// Why a segment was not begun.
enum BeginError {
    Write(io::Error),
    Sync(io::Error),
}

impl BeginError {
    fn into_error(self) -> io::Error {
        match self {
            Self::Write(error) | Self::Sync(error) => error,
        }
    }
}

/// Begins a segment under the name of a draft; one that is none gets its own with its first bytes
/// in it, so that a crash never leaves one without.
fn begin(
    files: &dyn Files,
    dir: &Path,
    number: u32,
    stage: SegmentUse,
    bytes: &[u8],
) -> Result<Arc<dyn JournalFile>, BeginError> {
    let path = dir.join(segment::draft(number));
    let created = match files.create(&path) {
        // One that was never begun, of a process that crashed.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            files.remove(&path).and_then(|()| files.create(&path))
        }
        created => created,
    };
    let file = created.map_err(BeginError::Write)?;
    let refused = |error| {
        if let Err(error) = files.remove(&path) {
            ::log::warn!("journal: cannot remove {}: {error}", path.display());
        }
        BeginError::Write(error)
    };
    file.write_at(bytes, 0).map_err(refused)?;
    file.sync_data().map_err(BeginError::Sync)?;
    if stage != SegmentUse::Draft {
        let name = dir.join(segment::name(number));
        files.rename(&path, &name).map_err(refused)?;
    }
    files.sync_dir(dir).map_err(BeginError::Sync)?;
    Ok(file)
}
