//! What was found in a journal.

use std::fmt;
use std::path::PathBuf;

use super::KeptAnswer;
use crate::count;

/// What reading a journal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Pushes that are outstanding.
    pub outstanding: u64,
    /// Pushes that the segments name at all; those of deleted segments are not among them.
    pub pushes: u64,
    /// Pushes that ended expired, of those.
    pub expired: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Records that were read.
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is not used of the end: a write that the last crash interrupted.
    pub torn: Option<Torn>,
    /// Places that could not be read, in the order of the files; at most [`PLACES_MAX`].
    ///
    /// [`PLACES_MAX`]: super::PLACES_MAX
    pub damage: Vec<Damage>,
    /// All places that could not be read.
    pub damaged: u64,
    /// Answers that are kept for repeated requests, the oldest first.
    pub answers: Vec<KeptAnswer>,
}

/// A write that was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where that begins; 0 if all of the segment is not used.
    pub offset: u64,
    /// How much that is.
    pub bytes: u64,
}

/// A place that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How much was passed over; nothing if the segment is missing or empty.
    pub bytes: u64,
    /// What the system says, if it is the disk that does not give it: it need not be lost then.
    pub unread: Option<String>,
}

impl Recovered {
    /// Places that could not be read beyond those that are listed, if there are any.
    pub fn unlisted(&self) -> Option<u64> {
        let listed = self.damage.len() as u64;
        self.damaged.checked_sub(listed).filter(|more| *more > 0)
    }
}

impl Default for Recovered {
    /// An empty journal.
    fn default() -> Self {
        Self {
            outstanding: 0,
            pushes: 0,
            expired: 0,
            segments: 0,
            records: 0,
            bytes: 0,
            torn: None,
            damage: Vec::new(),
            damaged: 0,
            answers: Vec::new(),
        }
    }
}

/// One line for the operator.
impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} outstanding of {}, {} expired, {} damaged (segments: {}, records: {}, bytes: {})",
            self.outstanding,
            self.pushes,
            self.expired,
            self.damaged,
            self.segments,
            self.records,
            self.bytes
        )
    }
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "journal segment {} ends in a write that was interrupted: {} from offset {} on are not \
             used; if a crash did that, no caller was told that they were taken, but if something \
             else has cut the file off, what stood there is lost",
            self.path.display(),
            count::of(self.bytes, "byte", "bytes"),
            self.offset
        )
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.unread {
            return write!(
                f,
                "journal segment {}: {} bytes at offset {} cannot be read: {error}; look at the \
                 disk, then try again",
                self.path.display(),
                self.bytes,
                self.offset
            );
        }
        if self.bytes == 0 {
            return write!(
                f,
                "journal segment {} is missing or empty, and was needed: what only it held is \
                 lost; find out who removed it",
                self.path.display(),
            );
        }
        write!(
            f,
            "journal segment {} is damaged: {} at offset {} cannot be read, what they held is \
             lost; look at the disk",
            self.path.display(),
            count::of(self.bytes, "byte", "bytes"),
            self.offset
        )
    }
}
