//! How the journal is.

use std::fmt;

/// Whether the journal takes pushes, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Serving,
    /// The disk has no more than its reserve left. It takes pushes again by itself. Of a large
    /// request it is said alone that has no room beside the reserve: others are taken.
    Full {
        /// The journal's directory.
        dir: String,
        /// Bytes that are free, as far as is known.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// It does, but for pushes that are to be sent later: what is scheduled has used its share up.
    /// Said of such a request alone.
    NoShare {
        /// Which share, how much of it is used, and what is to be done.
        why: String,
        /// Whether it is more than all of the share.
        is_for_good: bool,
    },
    /// The last write failed. It is tried again, and it takes pushes as soon as that works.
    Unwritable {
        /// Which file, and what the system says.
        why: String,
    },
    /// A sync failed, files were moved away, or the flusher ended: what is in flight may end, then
    /// the process must. The rest is for the next start.
    Failed {
        /// Which file, what the system says, and what is to be done.
        why: String,
    },
    /// Files were removed, and what they held with them: the process must end, and nothing that it
    /// leaves is found by the next one.
    Gone {
        /// Which file.
        why: String,
    },
    /// It was closed.
    Closed,
}

impl State {
    /// Whether the process has to end over it.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Gone { .. })
    }
}

/// One sentence for `/healthz`, the 503 and the operator log.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving => f.write_str("the journal takes pushes"),
            Self::Full { dir, free, needed } => write!(
                f,
                "the disk under the journal {dir} is full: {free} bytes are free, \
                 {needed} are needed; make room, nothing else is to be done"
            ),
            Self::NoShare { why, .. } => {
                write!(f, "there is no room for pushes that are scheduled: {why}")
            }
            Self::Unwritable { why } => {
                write!(f, "the journal cannot be written: {why}; it is tried again")
            }
            Self::Failed { why } => write!(f, "the journal has failed: {why}"),
            Self::Gone { why } => write!(
                f,
                "the journal is gone: {why}; what is queued is sent while there is time, and fails \
                 then, since nothing keeps it; find out who removed it, then start again"
            ),
            Self::Closed => f.write_str("the journal is closed"),
        }
    }
}
