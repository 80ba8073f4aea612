//! The pid file: Gaurun's (decimal, no newline, 0644), but locked while the process lives and
//! removed when it ends.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::regular::{self, Lockable};

/// The pid file of this process. Dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    file: Lockable,
}

impl PidFile {
    /// Creates the file, or takes over one whose process has gone, and writes our pid into it.
    ///
    /// # Errors
    ///
    /// When another instance holds it, when its directory is missing, when the file is not a pid
    /// file, or when the system refuses.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let fail = |fault| PidFileError {
            path: path.to_owned(),
            fault,
        };
        check_directory(path).map_err(fail)?;
        for _ in 0..MAX_TRIES {
            let opened = open(path).map_err(|error| {
                fail(if regular::is_link(&error) {
                    PidFileFault::Link
                } else {
                    PidFileFault::Io(error)
                })
            })?;
            let mut file = Lockable(opened);
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(fail(PidFileFault::Held(regular::pid_in(&mut *file))));
                }
                Err(TryLockError::Error(error)) => return Err(fail(PidFileFault::Io(error))),
            }
            // Its last owner may have removed it while we waited for the lock.
            if is_at(&file, path) {
                write_pid(&mut file).map_err(fail)?;
                let path = path.to_owned();
                return Ok(Self { path, file });
            }
        }
        Err(fail(PidFileFault::Unsteady))
    }

    /// Why a file that is there is none of ours, so that [`PidFile::create`] does not overwrite it.
    pub fn why_foreign(path: &Path) -> Option<&'static str> {
        let is_other = || fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
        match regular::open_itself(OpenOptions::new().read(true), path) {
            Ok(mut file) => match foreign(&mut file).ok()?? {
                PidFileFault::Theirs(..) => Some("the file is that of another program, which runs"),
                _ => Some(NO_PID),
            },
            Err(_) => is_other().then_some(NO_PID),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have put another file there; that one is not ours to remove.
        if is_at(&self.file, &self.path)
            && let Err(error) = fs::remove_file(&self.path)
        {
            ::log::warn!("cannot remove pid file {}: {error}", self.path.display());
        }
    }
}

/// Why there is no pid file.
#[derive(Debug)]
pub struct PidFileError {
    path: PathBuf,
    fault: PidFileFault,
}

#[derive(Debug)]
enum PidFileFault {
    NoDirectory(PathBuf),
    Held(Option<u32>),
    Foreign,
    /// Another program has written it, which runs with that pid.
    Theirs(u32, String),
    Link,
    Unsteady,
    Io(io::Error),
}

impl PidFileError {
    /// Whether another instance is running.
    pub fn is_held(&self) -> bool {
        matches!(self.fault, PidFileFault::Held(_))
    }

    /// Whether the system does not let us make it.
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::PermissionDenied;
        matches!(&self.fault, PidFileFault::Io(error) if error.kind() == PermissionDenied)
    }
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            PidFileFault::NoDirectory(directory) => write!(
                f,
                "failed to create pid file {path}: directory {} does not exist",
                directory.display()
            ),
            PidFileFault::Held(Some(pid)) => write!(
                f,
                "another instance is running with pid {pid}: it holds pid file {path}"
            ),
            PidFileFault::Held(None) => {
                write!(f, "another instance is running: it holds pid file {path}")
            }
            PidFileFault::Foreign => write!(
                f,
                "{path} is not a pid file (it holds something else than a number); not overwritten"
            ),
            PidFileFault::Theirs(pid, name) => write!(
                f,
                "{path} is the pid file of {name}, which runs with pid {pid}; not overwritten, \
                 name another one"
            ),
            PidFileFault::Link => write!(
                f,
                "{path} is a symbolic link, and a pid file is not written through one; remove it"
            ),
            PidFileFault::Unsteady => {
                write!(f, "pid file {path} is replaced again and again by others")
            }
            PidFileFault::Io(error) => write!(f, "failed to create pid file {path}: {error}"),
        }
    }
}

impl std::error::Error for PidFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            PidFileFault::Io(error) => Some(error),
            _ => None,
        }
    }
}

fn check_directory(path: &Path) -> Result<(), PidFileFault> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !directory.is_dir() => {
            Err(PidFileFault::NoDirectory(directory.to_owned()))
        }
        _ => Ok(()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    regular::open_itself(options.mode(FILE_MODE), path)
}

/// Whether `path` still leads to the open file.
fn is_at(file: &File, path: &Path) -> bool {
    regular::is_at(file, path).unwrap_or(false)
}

/// Why the file is none of ours, if it is not: it holds something else than a pid, or that of
/// another program.
fn foreign(file: &mut File) -> io::Result<Option<PidFileFault>> {
    let found = file.metadata()?;
    if found.len() == 0 {
        return Ok(None);
    }
    let fits = found.len() <= regular::PID_BYTES as u64;
    let Some(pid) = regular::pid_in(&mut *file).filter(|_| fits) else {
        return Ok(Some(PidFileFault::Foreign));
    };
    // A pid of ours may have been given again since, after a crash or when the machine was started.
    let wrote_it = |begun| found.modified().is_ok_and(|at| begun <= at + TICK);
    let theirs = name_of(&pid.to_string()).filter(|name| Some(name) != name_of("self").as_ref());
    let theirs = theirs.filter(|_| begun(pid).is_some_and(wrote_it));
    Ok(theirs.map(|name| PidFileFault::Theirs(pid, name)))
}

/// What a process that lives is called.
fn name_of(pid: &str) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// When a process began.
fn begun(pid: u32) -> Option<SystemTime> {
    let process = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, in parentheses, may hold anything; the 22nd field is the 20th behind it.
    let (_, fields) = process.rsplit_once(')')?;
    let ticks: u64 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted = system.lines().find_map(|line| line.strip_prefix("btime "));
    let booted = Duration::from_secs(booted?.trim().parse().ok()?);
    // To programs, ticks are hundredths of a second whatever the kernel counts by.
    UNIX_EPOCH.checked_add(booted + Duration::from_millis(ticks.checked_mul(10)?))
}

/// Overwrites a pid, and nothing else: a wrong path in the configuration must not cost a file.
fn write_pid(file: &mut File) -> Result<(), PidFileFault> {
    if let Some(fault) = foreign(file).map_err(PidFileFault::Io)? {
        return Err(fault);
    }
    file.rewind().map_err(PidFileFault::Io)?;
    file.set_len(0).map_err(PidFileFault::Io)?;
    write!(file, "{}", std::process::id()).map_err(PidFileFault::Io)
}

/// What a file is that is no pid file.
const NO_PID: &str = "the file holds something else than a pid";

/// When the machine was started is told in whole seconds.
const TICK: Duration = Duration::from_secs(1);

/// Mode of the file, less the umask: Gaurun's.
const FILE_MODE: u32 = 0o644;

/// Our limit: how often the file may vanish between opening and locking it.
const MAX_TRIES: usize = 10;

#[cfg(test)]
mod tests;
