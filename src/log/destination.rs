//! Where a log goes, and opening it.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::regular::Identity;

/// Where a log goes, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The process's standard output.
    Stdout,
    /// The process's standard error.
    Stderr,
    /// Nowhere: the log is switched off.
    Discard,
    /// A file, appended to.
    File {
        /// Where it is.
        path: PathBuf,
        /// Mode that it is created with when it is missing, whatever the umask says.
        mode: u32,
    },
}

impl Destination {
    /// Reads `stdout`, `stderr`, `discard`, or else a path, of a file that is nobody else's unless
    /// it is [created with](Destination::created_with) another mode.
    pub fn named(name: impl AsRef<Path>) -> Self {
        let path = name.as_ref();
        match path.to_str() {
            Some("stdout") => Self::Stdout,
            Some("stderr") => Self::Stderr,
            Some("discard") => Self::Discard,
            _ => Self::File {
                path: path.to_owned(),
                mode: OURS_ALONE,
            },
        }
    }

    /// The same, which gives its file that mode (`log.mode`) when it is missing.
    #[must_use]
    pub fn created_with(self, mode: u32) -> Self {
        match self {
            Self::File { path, .. } => Self::File { path, mode },
            other => other,
        }
    }

    /// Which file it leads to, without opening or making it; `None` if there is none.
    pub fn identity(&self) -> Option<Identity> {
        let found = match self {
            Self::File { path, .. } => fs::metadata(path),
            _ => self.open().and_then(|file| match file {
                Some(file) => file.metadata(),
                None => Err(ErrorKind::NotFound.into()),
            }),
        };
        found.ok().as_ref().map(Identity::of)
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
            Self::File { path, mode } => match append_to(path, *mode) {
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
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}

/// Opens a file at its end. One that is missing is made, and has that mode, whatever the umask
/// says; one that is there keeps its own.
///
/// # Errors
///
/// The operating system's.
pub fn append_to(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    // Opening a FIFO for writing alone waits until somebody reads it, and its lines are lost when
    // the reader goes away; opened for both, they wait in the FIFO.
    if fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        options.read(true);
    }
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened,
    }
    // Ours alone until it has its mode.
    let file = options.create(true).mode(OURS_ALONE).open(path)?;
    match file.set_permissions(Permissions::from_mode(mode)) {
        // Another user was quicker, and it is theirs.
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
        _ => Ok(file),
    }
}

/// Mode of a new file until it has its own.
const OURS_ALONE: u32 = 0o600;
