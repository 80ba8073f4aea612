//! Why there is no journal, and why it does not take a push.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::State;

/// Why the journal does not say that it keeps what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How it is.
    pub state: State,
    /// Whether it may keep it all the same, so that the next process finds it. If not, nothing of
    /// it is kept, and nothing of it comes back.
    pub is_unknown: bool,
}

impl Refused {
    /// Nothing is kept.
    pub(super) fn whole(state: State) -> Self {
        Self {
            state,
            is_unknown: false,
        }
    }

    /// It is not known what is kept.
    pub(super) fn unknown(state: State) -> Self {
        Self {
            state,
            is_unknown: true,
        }
    }

    /// Whether it could never be kept, however much room there were.
    pub fn is_for_good(&self) -> bool {
        matches!(
            self.state,
            State::NoShare {
                is_for_good: true,
                ..
            }
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl std::error::Error for Refused {}

/// Why the journal cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    /// The directory or file that it is about.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a journal.
#[derive(Debug)]
pub enum Fault {
    /// Another daemon has it; its pid, if it is known.
    Held(Option<u32>),
    /// The directory cannot be created, listed, written to or locked.
    Unusable(io::Error),
    /// There is no such directory, and it was only to be read.
    Missing,
    /// There is another one in this directory below it.
    Twice(PathBuf),
    /// A segment has a format that this version does not know.
    UnknownVersion(u32),
    /// A file cannot be read: nothing was changed.
    Unreadable(io::Error),
    /// A file cannot be written.
    Io(io::Error),
}

impl OpenError {
    /// Whether another daemon has the journal: exit code 75.
    pub fn is_held(&self) -> bool {
        matches!(self.fault, Fault::Held(_))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            Fault::Held(Some(pid)) => write!(
                f,
                "the journal {path} belongs to another daemon, with pid {pid}: stop it, or give \
                 this one its own directory"
            ),
            Fault::Held(None) => write!(
                f,
                "the journal {path} belongs to another daemon: stop it, or give this one its own \
                 directory"
            ),
            Fault::Unusable(error) => {
                write!(f, "the journal's directory {path} cannot be used: {error}")?;
                // Errors in words of ours say themselves what is to be done, others for the most
                // part by what they are.
                f.write_str(match error.kind() {
                    io::ErrorKind::NotADirectory => "; name a directory",
                    io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => {
                        "; it must be readable and writable for the user who runs this"
                    }
                    _ => "",
                })
            }
            Fault::Missing => write!(f, "there is no journal in {path}"),
            Fault::Twice(below) => write!(
                f,
                "there is a journal in {path} and another one in {below}, and only one can go on: \
                 name {below} as journal.dir, start again, and send what is outstanding in the \
                 other with sterna recover -c FILE --journal {path}",
                below = below.display()
            ),
            Fault::UnknownVersion(version) if *version < super::OLDEST_FORMAT => write!(
                f,
                "the journal segment {path} has format version {version}, this is a version that \
                 knows {} to {} alone: with the version that wrote it, send what is outstanding \
                 (sterna recover -c FILE --journal {dir}), then remove the files {dir}/*.journal \
                 and start again",
                super::OLDEST_FORMAT,
                super::FORMAT_VERSION,
                dir = self.path.parent().unwrap_or(&self.path).display(),
            ),
            Fault::UnknownVersion(version) => write!(
                f,
                "the journal segment {path} has format version {version}, this is a version that \
                 knows {} to {} alone: start the newer version that wrote it, or move the \
                 directory away and lose what is outstanding in it",
                super::OLDEST_FORMAT,
                super::FORMAT_VERSION
            ),
            Fault::Unreadable(error) => write!(
                f,
                "the journal file {path} cannot be read: {error}; nothing in its directory was \
                 changed, and what it holds is not lost if it can be read later: look at the \
                 disk, then start again"
            ),
            Fault::Io(error) => write!(f, "the journal file {path} fails: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Unusable(error) | Fault::Unreadable(error) | Fault::Io(error) => Some(error),
            _ => None,
        }
    }
}
