//! Taking a directory over, and beginning segments.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::{Store, Trouble, first_octets};
use crate::journal::catalogue::{Catalogue, Shared};
use crate::journal::error::{Fault, OpenError};
use crate::journal::files::{Files, JournalFile, Lock, LockError};
use crate::journal::recovery::{self, Access, Found};
use crate::journal::report::Recovered;
use crate::journal::{FAILED_SYNC, IDS_AHEAD, LOCK, Settings, segment};
use crate::moment::Moment;

impl Store {
    /// Takes a directory over and reads it.
    pub(in crate::journal) fn open(
        files: Arc<dyn Files>,
        settings: Settings,
        now: Moment,
    ) -> Result<(Self, Recovered), OpenError> {
        let lock = take_over(&*files, &settings.dir)?;
        let mut found = recovery::find(&*files, &settings.dir, now.unix, Access::Write)?;
        found.fold.index.start_feeding();
        let high_water = found.fold.high_water();
        let failed = |number: u32| {
            let path = settings.dir.join(segment::name(number));
            |error| OpenError {
                path,
                fault: Fault::Io(error),
            }
        };
        let active = if let Some((number, file)) = found.segments.last_key_value() {
            mend(&**file, &found).map_err(failed(*number))?;
            *number
        } else {
            let number = found.unneeded.last().map_or(1, |last| last + 1);
            let octets = first_octets(number, number, high_water, true);
            let begun = begin(&*files, &settings.dir, number, &octets);
            let file = begun.map_err(|refusal| failed(number)(refusal.into_error()))?;
            found.good_end = octets.len() as u64;
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
            _lock: lock,
            catalogue: Shared::new(Catalogue {
                index: found.fold.index,
                segments: found.segments,
            }),
            active,
            file,
            len: found.good_end,
            carry: (!complete).then(Default::default),
            ids: high_water,
            unsynced: false,
            mark_due: true,
            cut_due: false,
            failed: None,
            written: 0,
            settings,
        };
        store.start(found.failed_sync, now)?;
        Ok((store, found.recovered))
    }

    fn start(&mut self, failed_sync: bool, now: Moment) -> Result<(), OpenError> {
        let begun = if failed_sync {
            self.next_segment()
        } else {
            if self.carry.is_none() {
                self.remove_unneeded();
            }
            Ok(())
        };
        let mut batch = self.batch();
        batch.note_ids(self.ids.saturating_add(IDS_AHEAD));
        let noted = begun.and_then(|()| self.write(batch, now.unix));
        match noted.and_then(|()| self.sync()) {
            // What is outstanding can be sent all the same, and that may make room.
            Ok(()) | Err(Trouble::Full) => Ok(()),
            Err(Trouble::Unwritable(why) | Trouble::Failed(why)) => Err(OpenError {
                path: self.settings.dir.clone(),
                fault: Fault::Unusable(io::Error::other(why)),
            }),
        }
    }

    /// Begins the next segment; what is outstanding is to be carried into it.
    pub(in crate::journal) fn rotate(&mut self) -> Result<(), Trouble> {
        if self.carry.is_some() {
            return Ok(());
        }
        if self.cut_due {
            // All of an older segment is believed.
            self.cut()?;
        }
        self.sync()?;
        self.next_segment()
    }

    fn next_segment(&mut self) -> Result<(), Trouble> {
        let number = self.active.saturating_add(1);
        let base = {
            let segments = &self.catalogue.lock().segments;
            segments.keys().next().copied().unwrap_or(self.active)
        };
        let octets = first_octets(number, base, self.ids, false);
        let begun = begin(&*self.files, &self.settings.dir, number, &octets);
        let file = match begun {
            Ok(file) => file,
            Err(Refusal::Write(error)) => return Err(self.trouble(&error)),
            Err(Refusal::Sync(error)) => return Err(self.fail(&error)),
        };
        let mut catalogue = self.catalogue.lock();
        catalogue.segments.insert(number, Arc::clone(&file));
        drop(catalogue);
        self.active = number;
        self.file = file;
        self.len = octets.len() as u64;
        self.carry = Some(super::Carry::default());
        self.unsynced = false;
        self.mark_due = true;
        self.cut_due = false;
        Ok(())
    }

    /// Removes all segments but those in use, and the note of a failed sync: what it was about is
    /// not needed any more.
    pub(super) fn remove_unneeded(&mut self) {
        let dir = &self.settings.dir;
        let needed: Vec<u32> = self.catalogue.lock().segments.keys().copied().collect();
        let names = self.files.list(dir).unwrap_or_default();
        let unneeded = names.into_iter().filter(|name| {
            let number = segment::number(name);
            name == FAILED_SYNC || number.is_some_and(|number| !needed.contains(&number))
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

fn take_over(files: &dyn Files, dir: &Path) -> Result<Lock, OpenError> {
    let unusable = |error| OpenError {
        path: dir.to_owned(),
        fault: Fault::Unusable(error),
    };
    files.create_dir(dir).map_err(unusable)?;
    files.lock(&dir.join(LOCK)).map_err(|error| match error {
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
    if file.len()? > found.good_end {
        file.truncate(found.good_end)?;
    }
    if found.failed_sync {
        return Ok(());
    }
    // What was read may be with the system only, and older segments are about to be removed.
    file.sync_data()
}

/// Why a segment was not begun.
enum Refusal {
    Write(io::Error),
    Sync(io::Error),
}

impl Refusal {
    fn into_error(self) -> io::Error {
        match self {
            Self::Write(error) | Self::Sync(error) => error,
        }
    }
}

fn begin(
    files: &dyn Files,
    dir: &Path,
    number: u32,
    octets: &[u8],
) -> Result<Arc<dyn JournalFile>, Refusal> {
    let path = dir.join(segment::name(number));
    let created = match files.create(&path) {
        // A segment that was never begun, of a process that crashed.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            files.remove(&path).and_then(|()| files.create(&path))
        }
        created => created,
    };
    let file = created.map_err(Refusal::Write)?;
    if let Err(error) = file.write_at(octets, 0) {
        if let Err(error) = files.remove(&path) {
            ::log::warn!("journal: cannot remove {}: {error}", path.display());
        }
        return Err(Refusal::Write(error));
    }
    file.sync_data().map_err(Refusal::Sync)?;
    files.sync_dir(dir).map_err(Refusal::Sync)?;
    Ok(file)
}
