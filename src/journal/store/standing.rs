//! Whether what is written is still found under its names. A file that was removed while it is open
//! takes every write and every sync, and none of it is there at the next start.
//!
//! What is gone from the file system is kept by nobody, while what was moved away is kept where it
//! is now; either ends the journal. On a file system that does not say which file is which nothing
//! is looked at.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::{Fatal, Store, StoreTrouble};
use crate::journal::files::LockError;
use crate::journal::{LOCK, segment};
use crate::regular::Identity;

impl Store {
    /// Looks at all files and at the directory. What cannot be looked at just now is left for the
    /// next time.
    pub(in crate::journal) fn look(&mut self) -> Result<(), StoreTrouble> {
        self.check()?;
        if !self.watches {
            return Ok(());
        }
        let found = self.stands().and_then(|()| self.keep_lock());
        found.map_err(|trouble| self.end(trouble, true))
    }

    /// From now on [`Store::look`] looks, if this file system says which file is which.
    pub(super) fn watch(&mut self) {
        self.watches = self.stands().is_ok();
        if !self.watches {
            ::log::warn!(
                "journal: the file system of {} does not say which file is which: files that are \
                 removed or replaced while they are in use are not noticed",
                self.settings.dir.display()
            );
        }
    }

    /// Nothing of what was synced is found again if its file has gone meanwhile.
    pub(super) fn must_be_linked(&mut self) -> Result<(), StoreTrouble> {
        if !self.watches || self.file.identity().is_ok_and(|file| file.is_linked) {
            return Ok(());
        }
        Err(self.end(gone(&self.path()), true))
    }

    pub(super) fn stands(&self) -> Result<(), StoreTrouble> {
        let dir = &self.settings.dir;
        let segments = self.catalogue.lock().segments.clone();
        let mut moved = None;
        for (number, file) in segments {
            let path = if number == self.active {
                self.path()
            } else {
                dir.join(segment::name(number))
            };
            let Ok(file) = file.identity() else {
                continue;
            };
            if !file.is_linked {
                return Err(gone(&path));
            }
            let aside = dir.join(segment::aside(number));
            if self.is_elsewhere(&path, file) && self.is_elsewhere(&aside, file) {
                moved.get_or_insert(path);
            }
        }
        if let Ok(locked) = self.lock.identity()
            && self.is_elsewhere(&dir.join("."), locked)
        {
            moved = Some(dir.clone());
        }
        match moved {
            None => Ok(()),
            Some(path) => Err(StoreTrouble::Failed(format!(
                "{} was moved away or replaced while it was in use: what was accepted is where it \
                 was moved to; put it back, then start again",
                path.display()
            ))),
        }
    }

    fn is_elsewhere(&self, path: &Path, file: Identity) -> bool {
        let there = self.files.identity_at(path);
        there.is_ok_and(|there| there != Some(file))
    }

    /// The directory is locked in any case; those who look at the file alone are to find it.
    fn keep_lock(&mut self) -> Result<(), StoreTrouble> {
        let path = self.settings.dir.join(LOCK);
        let path = path.display();
        let trouble = match self.lock.keep_file() {
            Ok(false) => None,
            Ok(true) => {
                ::log::warn!("journal: {path} was removed while it was in use; it is made again");
                None
            }
            Err(LockError::Held(pid)) => {
                let pid = pid
                    .map(|pid| format!(", with pid {pid}"))
                    .unwrap_or_default();
                return Err(StoreTrouble::Failed(format!(
                    "another process{pid} has taken {path}: stop one of both, then start again"
                )));
            }
            Err(LockError::Io(error)) => Some(error.to_string()),
        };
        if trouble != self.lock_trouble {
            self.lock_trouble = trouble;
            if let Some(why) = &self.lock_trouble {
                ::log::warn!("journal: its lock file cannot be kept: {why}");
            }
        }
        Ok(())
    }

    /// Nothing is written any more; `has_noted` if nothing that is refused comes back.
    pub(super) fn end(&mut self, trouble: StoreTrouble, has_noted: bool) -> StoreTrouble {
        self.failed = Some(Fatal {
            trouble: trouble.clone(),
            has_noted,
        });
        trouble
    }

    /// An error unless what was just written is there.
    pub(super) fn must_stand(&self) -> io::Result<()> {
        let is_there = self.stands().is_ok();
        is_there.then_some(()).ok_or(ErrorKind::NotFound.into())
    }
}

fn gone(path: &Path) -> StoreTrouble {
    StoreTrouble::Gone(format!(
        "{} was removed while it was in use",
        path.display()
    ))
}
