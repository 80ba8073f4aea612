//! The one seam between the journal and a file system.
//!
//! Everything that the journal does to files it does through [`Files`], so that a double can lose
//! what was not synced, tear writes, fail and fill up.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::regular::Identity;

/// A file system, as far as the journal needs one.
pub trait Files: Debug + Send + Sync {
    /// Creates a directory and its parents, for its owner alone, durably; one that is there already
    /// is left as it is.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Creates a file that must not be there yet, for its owner alone, to read and to write.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;

    /// Opens a file to read and to write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;

    /// Opens a file to read it alone.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;

    /// The names of a directory's entries.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file of a directory another name there, in place of a file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that may still be written below a directory.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;

    /// What a path leads to, nothing if there is none. A link at its end is not followed; one that
    /// leads to a directory is, if `.` stands behind it.
    fn identity_at(&self, path: &Path) -> io::Result<Option<Identity>>;

    /// Locks a directory, and a file of that name in it, for this process until the guard is
    /// dropped, and writes the pid into the file. A link is not followed, and what holds something
    /// else than a pid is not overwritten.
    fn lock(&self, dir: &Path, name: &str) -> Result<Lock, LockError>;
}

/// What holds a directory until it is dropped.
pub type Lock = Box<dyn LockedDirectory>;

/// A directory that is locked.
pub trait LockedDirectory: Debug + Send + Sync {
    /// Which directory it is.
    fn identity(&self) -> io::Result<Identity>;

    /// Sees to it that the lock file is there: programs that lock nothing else look at it. True if
    /// it had to be made again.
    fn keep_file(&self) -> Result<bool, LockError>;
}

/// An open file of the journal.
pub trait JournalFile: Debug + Send + Sync {
    /// Which file it is.
    fn identity(&self) -> io::Result<Identity>;

    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads bytes from an offset on: as many as fit, fewer at the end of the file only.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at an offset; after an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file longer by zeros up to `end`, for writes to come: a sync of those has no
    /// length to write, and no place to find.
    ///
    /// # Errors
    ///
    /// When the file system does not do that, or has no room; some of it may be there then.
    fn make_room(&self, end: u64) -> io::Result<()>;

    /// Cuts the file off.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Has the system forget what it holds of the file in memory, as far as it can, so that the
    /// next read is one of the disk.
    fn forget_cached(&self);

    /// Makes its content durable (`fdatasync`). After an error it must not be asked again: the
    /// system may have forgotten what it could not write.
    fn sync_data(&self) -> io::Result<()>;
}

/// Why there is no lock.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it; its pid, if the file names one.
    Held(Option<u32>),
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
