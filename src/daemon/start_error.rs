//! Why the daemon did not start.

use std::fmt;
use std::io::ErrorKind;

use crate::journal::{Fault, OpenError};

/// Why the daemon did not start.
#[derive(Debug)]
pub struct StartError {
    /// What kind of trouble it is.
    pub kind: StartErrorKind,
    text: String,
}

/// Kinds of trouble at start, each with an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartErrorKind {
    /// A file that the configuration names cannot be used.
    Config,
    /// A log file or the pid file cannot be created.
    CannotCreate,
    /// The system does not let us make such a file, or listen on the port.
    NoPermission,
    /// Another instance holds the pid file.
    AlreadyRunning,
    /// The port cannot be listened on.
    CannotListen,
    /// The system gave no thread or descriptor.
    System,
    /// A signal said to end before it served.
    ToldToEnd,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StartError {}

impl StartError {
    pub(super) fn new(kind: StartErrorKind, error: impl fmt::Display) -> Self {
        Self {
            kind,
            text: error.to_string(),
        }
    }

    /// What is the matter with a journal that does not open.
    pub(super) fn of_journal(error: &OpenError) -> Self {
        let kind = match &error.fault {
            Fault::Held(_) => StartErrorKind::AlreadyRunning,
            Fault::Unusable(error) if error.kind() == ErrorKind::PermissionDenied => {
                StartErrorKind::NoPermission
            }
            Fault::Unusable(_) | Fault::Missing => StartErrorKind::CannotCreate,
            Fault::UnknownVersion(_) | Fault::Twice(_) => StartErrorKind::Config,
            Fault::Unreadable(_) | Fault::Io(_) => StartErrorKind::System,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_fault_of_a_journal_ends_the_start_in_its_own_way() {
        use StartErrorKind::{AlreadyRunning, CannotCreate, Config, NoPermission, System};
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        for (fault, kind) in [
            (Fault::Held(Some(7)), AlreadyRunning),
            (Fault::Unusable(denied()), NoPermission),
            (
                Fault::Unusable(ErrorKind::NotADirectory.into()),
                CannotCreate,
            ),
            (Fault::Missing, CannotCreate),
            (Fault::UnknownVersion(9), Config),
            (Fault::Unreadable(denied()), System),
            (Fault::Io(denied()), System),
        ] {
            let path = PathBuf::from("/journal");
            let error = OpenError { path, fault };
            assert_eq!(StartError::of_journal(&error).kind, kind, "{error}");
        }
    }
}
