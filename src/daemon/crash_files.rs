//! The machine's files with crash points behind each write and sync, in debug builds, and with
//! reads and syncs that can be made to fail, and files that are damaged from the passage of
//! `damage` on.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::crash_point;
use crate::journal::{DiskFiles, Files, JournalFile, Lock, LockError};
use crate::regular::Identity;

/// The machine's files: passes `append` behind each write, `sync` behind each sync.
#[derive(Debug)]
pub(super) struct CrashFiles(pub(super) DiskFiles);

/// One of them, and whether it has been damaged.
#[derive(Debug)]
struct CrashFile(Arc<dyn JournalFile>, AtomicBool);

fn crashing(file: io::Result<Arc<dyn JournalFile>>) -> io::Result<Arc<dyn JournalFile>> {
    file.map(|file| Arc::new(CrashFile(file, AtomicBool::new(false))) as Arc<dyn JournalFile>)
}

impl Files for CrashFiles {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        crashing(self.0.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        crashing(self.0.open(path))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        self.0.open_read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        self.0.free_space(dir)
    }

    fn identity_at(&self, path: &Path) -> io::Result<Option<Identity>> {
        self.0.identity_at(path)
    }

    fn lock(&self, dir: &Path, name: &str) -> Result<Lock, LockError> {
        self.0.lock(dir, name)
    }
}

impl JournalFile for CrashFile {
    fn identity(&self) -> io::Result<Identity> {
        self.0.identity()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        if crash_point::fails("read") {
            return Err(io::Error::other("the disk is made to fail"));
        }
        let read = self.0.read_at(into, offset)?;
        if crash_point::fails("damage") {
            self.1.store(true, Ordering::Relaxed);
        }
        if self.1.load(Ordering::Relaxed) {
            into.fill(0);
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let written = self.0.write_at(bytes, offset);
        crash_point::pass("append");
        written
    }

    fn make_room(&self, end: u64) -> io::Result<()> {
        self.0.make_room(end)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }

    fn forget_cached(&self) {
        self.0.forget_cached();
    }

    fn sync_data(&self) -> io::Result<()> {
        if crash_point::fails("sync") {
            return Err(io::Error::other("the disk is made to fail"));
        }
        crash_point::stall("sync");
        let synced = self.0.sync_data();
        crash_point::pass("sync");
        synced
    }
}
