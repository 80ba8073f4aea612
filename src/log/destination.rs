//! Where a log goes, and opening it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where a log goes, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The process's standard output.
    Stdout,
    /// The process's standard error.
    Stderr,
    /// Nowhere: the log is switched off.
    Discard,
    /// A file, appended to; created with mode 0644 when it is missing.
    File(PathBuf),
}

impl Destination {
    /// Reads `stdout`, `stderr`, `discard`, or else a path.
    pub fn named(name: impl AsRef<Path>) -> Self {
        let path = name.as_ref();
        match path.to_str() {
            Some("stdout") => Self::Stdout,
            Some("stderr") => Self::Stderr,
            Some("discard") => Self::Discard,
            _ => Self::File(path.to_owned()),
        }
    }

    /// Opens it for appending; `None` if it discards.
    ///
    /// # Errors
    ///
    /// The operating system's, with the path in the text.
    pub(super) fn open(&self) -> io::Result<Option<File>> {
        match self {
            // Duplicates, so that no buffer of the standard library stands between: the writer
            // must know which octets were taken.
            Self::Stdout => Ok(Some(io::stdout().as_fd().try_clone_to_owned()?.into())),
            Self::Stderr => Ok(Some(io::stderr().as_fd().try_clone_to_owned()?.into())),
            Self::Discard => Ok(None),
            Self::File(path) => match append_to(path) {
                Ok(file) => Ok(Some(file)),
                Err(error) => Err(io::Error::new(
                    error.kind(),
                    format!("cannot open log file {}: {error}", path.display()),
                )),
            },
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::Discard => f.write_str("discard"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE);
    // Opening a FIFO for writing alone waits until somebody reads it, and its lines are lost when
    // the reader goes away; opened for both, they wait in the FIFO.
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        options.read(true);
    }
    options.open(path)
}

/// Which file of this machine it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Mode of a new log file, less the umask: Gaurun's.
const FILE_MODE: u32 = 0o644;
