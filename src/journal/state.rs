//! How the journal is.

use std::fmt;

/// Whether the journal takes pushes, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Serving,
    /// The disk has no more than its reserve left. It takes pushes again by itself.
    Full {
        /// The journal's directory.
        dir: String,
        /// Octets that are free, as far as is known.
        free: u64,
        /// Octets that must be free.
        needed: u64,
    },
    /// The last write failed. It is tried again, and it takes pushes as soon as that works.
    Unwritable {
        /// Which file, and what the system says.
        why: String,
    },
    /// A sync failed, or the flusher ended: what is in flight may end, then the process must.
    Failed {
        /// Which file, and what the system says.
        why: String,
    },
    /// It was closed.
    Closed,
}

impl State {
    /// Whether the process has to end over it.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// One sentence for `/healthz`, the 503 and the operator log.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving => f.write_str("the journal takes pushes"),
            Self::Full { dir, free, needed } => write!(
                f,
                "the disk under the journal {dir} is full: {free} octets are free, \
                 {needed} are needed; make room, nothing else is to be done"
            ),
            Self::Unwritable { why } => {
                write!(f, "the journal cannot be written: {why}; it is tried again")
            }
            Self::Failed { why } => write!(
                f,
                "the journal has failed: {why}; look at the disk, then start again"
            ),
            Self::Closed => f.write_str("the journal is closed"),
        }
    }
}
