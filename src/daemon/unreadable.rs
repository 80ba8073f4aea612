//! Why nothing can be said of a journal.

use std::{fmt, io};

use crate::journal::{Fault, OpenError};

/// Why nothing can be said of a journal.
#[derive(Debug)]
pub struct Unreadable {
    pub(super) is_damage: bool,
    pub(super) text: String,
}

impl Unreadable {
    /// Whether what was read is the reason; else it could not be read.
    pub fn is_damage(&self) -> bool {
        self.is_damage
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Unreadable {}

impl From<OpenError> for Unreadable {
    fn from(error: OpenError) -> Self {
        Self {
            is_damage: match &error.fault {
                // What is named is no journal.
                Fault::Missing | Fault::UnknownVersion(_) => true,
                Fault::Unusable(error) => error.kind() == io::ErrorKind::NotADirectory,
                _ => false,
            },
            text: error.to_string(),
        }
    }
}
