//! The file system of the machine.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Advice, FallocateFlags, OFlags};

use super::files::{Files, JournalFile, Lock, LockError, LockedDirectory};
use super::place;
use crate::regular::{self, Identity, Lockable, PID_BYTES};

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

/// Device tokens are in it: for the daemon's user alone.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Our limit: how often others may replace what is being locked.
const LOCK_TRIES: usize = 10;

impl Files for DiskFiles {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)
            .map_err(|error| regular::no_directory(dir, error))?;
        place::check(dir)?;
        // What is kept in them is durable only if they are.
        for parent in missing.into_iter().filter_map(Path::parent) {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            if let Err(error) = self.sync_dir(parent) {
                ::log::warn!(
                    "cannot sync {}: {error}; a power failure may take {} with it",
                    parent.display(),
                    dir.display(),
                );
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(Arc::new(options.mode(FILE_MODE).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        Ok(Arc::new(regular::open_itself(&mut options, path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(Arc::new(regular::open(path)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let read = fs::read_dir(dir).map_err(|error| regular::no_directory(dir, error));
        let names = read?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        open_dir(dir)?.sync_all()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        // What is left to users other than root.
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn identity_at(&self, path: &Path) -> io::Result<Option<Identity>> {
        Identity::at(path)
    }

    fn lock(&self, dir: &Path, name: &str) -> Result<Lock, LockError> {
        let path = dir.join(name);
        for _ in 0..LOCK_TRIES {
            let directory = Lockable(open_dir(dir)?);
            match directory.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(pid_at(&path))),
                // Not every file system locks directories; the file is locked everywhere.
                Err(TryLockError::Error(error)) => {
                    ::log::debug!("cannot lock {}: {error}", dir.display());
                }
            }
            let file = lock_file(&path)?;
            let lock = DiskLock {
                directory,
                path: path.clone(),
                file: Mutex::new(file),
            };
            // Somebody may have put another directory there meanwhile.
            if Identity::at(&dir.join("."))? == Some(lock.identity()?) {
                return Ok(Box::new(lock));
            }
        }
        Err(LockError::Io(io::Error::other(
            "it is replaced again and again by others",
        )))
    }
}

/// The machine's locks.
#[derive(Debug)]
struct DiskLock {
    directory: Lockable,
    path: PathBuf,
    /// Never removed: whoever waits for this very file must find it locked.
    file: Mutex<Lockable>,
}

impl LockedDirectory for DiskLock {
    fn identity(&self) -> io::Result<Identity> {
        Identity::of_file(&self.directory)
    }

    fn keep_file(&self) -> Result<bool, LockError> {
        // No code panics while it holds the lock; if it did, the file would still be one.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if regular::is_at(&file, &self.path)? {
            return Ok(false);
        }
        *file = lock_file(&self.path)?;
        Ok(true)
    }
}

/// Opens a directory: whoever opens a pipe in its place would wait.
fn open_dir(dir: &Path) -> io::Result<File> {
    let directory = OFlags::DIRECTORY.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(directory).open(dir)
}

/// Makes a file, or takes one over that nobody has, and locks it.
fn lock_file(path: &Path) -> Result<Lockable, LockError> {
    for _ in 0..LOCK_TRIES {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let opened = regular::open_itself(options.mode(FILE_MODE), path);
        let mut file = Lockable(opened.map_err(|error| named(path, &error))?);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held(regular::pid_in(&mut *file)));
            }
            Err(TryLockError::Error(error)) => return Err(named(path, &error).into()),
        }
        if !regular::is_at(&file, path)? {
            continue;
        }
        if is_foreign(&mut file)? {
            let text = "holds something else than a pid, and is not overwritten; move it away";
            return Err(LockError::Io(io::Error::other(format!(
                "{} {text}",
                path.display()
            ))));
        }
        write_pid(&mut file).map_err(|error| named(path, &error))?;
        return Ok(file);
    }
    let text = format!("{} is replaced again and again by others", path.display());
    Err(LockError::Io(io::Error::other(text)))
}

/// An error with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    let text = if regular::is_link(error) {
        "is a symbolic link, and none is followed; remove it".to_owned()
    } else {
        format!("fails: {error}")
    };
    io::Error::new(error.kind(), format!("{} {text}", path.display()))
}

/// Whether the file holds something else than a pid, or the zeros that a power failure may leave of
/// one.
fn is_foreign(file: &mut File) -> io::Result<bool> {
    let found = file.metadata()?;
    if found.len() > PID_BYTES as u64 {
        return Ok(true);
    }
    let text = regular::rest_of(file, PID_BYTES)?;
    let is_ours = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'\n' | 0);
    Ok(!text.iter().all(is_ours))
}

fn pid_at(path: &Path) -> Option<u32> {
    let file = regular::open_itself(OpenOptions::new().read(true), path);
    regular::pid_in(file.ok()?)
}

/// A full disk does not keep a journal closed for the sake of a message's pid.
fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    match writeln!(file, "{}", std::process::id()) {
        Err(error) if is_full(&error) => Ok(()),
        result => result,
    }
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == ErrorKind::StorageFull || kind == ErrorKind::QuotaExceeded
}

impl JournalFile for File {
    fn identity(&self) -> io::Result<Identity> {
        Identity::of_file(self)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn make_room(&self, end: u64) -> io::Result<()> {
        let len = self.metadata()?.len();
        let more = end.saturating_sub(len);
        if more > 0 {
            rustix::fs::fallocate(self, FallocateFlags::empty(), len, more)?;
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn forget_cached(&self) {
        // Of a file system that cannot, the second read is as good as the first.
        let _unable = rustix::fs::fadvise(self, 0, None, Advice::DontNeed).is_err();
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}
