//! Where a log goes, and opening it.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt as _, OpenOptionsExt, PermissionsExt};
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

    /// Whether it leads to systemd's journal for a process, `self` or by its number: the file that
    /// its `JOURNAL_STREAM` names is, and nothing else, since whoever it starts inherits that.
    pub fn is_systemds_journal(&self, process: &str) -> bool {
        let process = Path::new("/proc").join(process);
        let path = match self {
            Self::Stdout => process.join("fd/1"),
            Self::Stderr => process.join("fd/2"),
            Self::Discard => return false,
            Self::File { path, .. } => path.clone(),
        };
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        let stream = variables.find_map(|variable| variable.strip_prefix(b"JOURNAL_STREAM="));
        let is_stream = |found: fs::Metadata| {
            let named = format!("{}:{}", found.dev(), found.ino());
            stream == Some(named.as_bytes())
        };
        fs::metadata(path).is_ok_and(is_stream)
    }

    /// What to write instead of a path that leads to no file; `None` if there is nothing better.
    pub fn better_named(&self) -> Option<String> {
        let Self::File { path, .. } = self else {
            return None;
        };
        let mut words = WORDS.iter().filter(|(paths, _)| {
            let mut paths = paths.iter();
            paths.any(|known| path == Path::new(known))
        });
        if let Some((_, word)) = words.next() {
            return Some(format!("write \"{word}\" instead"));
        }
        let found = fs::metadata(path).ok()?.file_type();
        if found.is_socket() {
            let text = "it is a socket: \"stdout\" and \"stderr\" lead to \
                        where systemd and others put what the daemon writes";
            Some(text.to_owned())
        } else if found.is_char_device() || found.is_block_device() {
            let text = "it is a device, not a file; \"stdout\", \"stderr\" and \"discard\" are \
                        the words for what is none";
            Some(text.to_owned())
        } else {
            None
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
            // must know which bytes were taken.
            Self::Stdout => Ok(Some(io::stdout().as_fd().try_clone_to_owned()?.into())),
            Self::Stderr => Ok(Some(io::stderr().as_fd().try_clone_to_owned()?.into())),
            Self::Discard => Ok(None),
            Self::File { path, mode } => match append_to(path, *mode) {
                Ok(file) => Ok(Some(file)),
                Err(error) => {
                    let better = self.better_named().map(|better| format!("; {better}"));
                    let better = better.unwrap_or_default();
                    let text = format!("cannot open log file {}: {error}{better}", path.display());
                    Err(io::Error::new(error.kind(), text))
                }
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
    match append_to_existing(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened,
    }
    // Ours alone until it has its mode.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(OURS_ALONE);
    let file = options.open(path)?;
    match file.set_permissions(Permissions::from_mode(mode)) {
        // Another user was quicker, and it is theirs.
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
        _ => Ok(file),
    }
}

/// Opens the file of a log that is there.
///
/// # Errors
///
/// The operating system's.
pub fn append_to_existing(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    // Opening a FIFO for writing alone waits until somebody reads it, and its lines are lost when
    // the reader goes away; opened for both, they wait in the FIFO.
    if fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        options.read(true);
    }
    options.open(path)
}

/// What is to be said of a push log that goes to systemd's journal.
pub const RATE_LIMITED: &str = "goes to systemd's journal, which drops lines beyond its rate limit \
     without a word here; name a file, such as \"/var/log/sterna/access.log\", or see to it that the \
     unit has LogRateLimitIntervalSec=1s and LogRateLimitBurst=10000000";

/// Paths for which there are words.
const WORDS: [(&[&str], &str); 3] = [
    (&["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"], "stdout"),
    (&["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"], "stderr"),
    (&["/dev/null"], "discard"),
];

/// Mode of a new file until it has its own.
const OURS_ALONE: u32 = 0o600;
