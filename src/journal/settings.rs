//! What an operator may set about the journal.

use std::path::PathBuf;

use crate::push::Node;

/// When an accepted push counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// When it is on the disk. One sync serves all that arrived meanwhile.
    #[default]
    Group,
    /// When it is with the system, which is asked to write it out at most [`SYNC_EVERY`] later: a
    /// crash of the daemon loses nothing, a power failure that much.
    ///
    /// [`SYNC_EVERY`]: super::SYNC_EVERY
    Interval,
}

/// Where the journal is and how it is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its directory, which is created if it is missing.
    pub dir: PathBuf,
    /// When an accepted push counts as kept.
    pub sync: SyncPolicy,
    /// A segment that is longer, and longer than twice what is outstanding, is followed by a new
    /// one.
    pub segment_bytes: u64,
    /// Bytes of room that are made in a segment ahead of what is written; 0 for none.
    pub room_bytes: u64,
    /// Bytes of the disk that are left to settlements: with fewer free, nothing is accepted.
    pub reserve_bytes: u64,
    /// Pushes that may be scheduled at a time, of all lanes together.
    pub scheduled_max: u64,
    /// Bytes of their records.
    pub scheduled_bytes: u64,
    /// Whether [`Journal::hand`] is told of every push before its bytes leave: then it is known
    /// after a crash which pushes may have been sent.
    ///
    /// [`Journal::hand`]: super::Journal::hand
    pub notes_handed: bool,
    /// Which ids are given from now on: all others are of pushes from before.
    pub node: Node,
}

impl Settings {
    /// The journal in a directory, with everything else as it is unless it is set.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            sync: SyncPolicy::default(),
            segment_bytes: SEGMENT_BYTES,
            room_bytes: ROOM_BYTES,
            reserve_bytes: RESERVE_BYTES,
            scheduled_max: SCHEDULED_MAX,
            scheduled_bytes: SCHEDULED_BYTES,
            notes_handed: false,
            node: Node::default(),
        }
    }
}

/// Length of a segment unless it is set: some 200,000 pushes.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Our limit: room that is made at a time, unless it is set: what some thousand requests of one
/// push need, and little beside a segment.
pub const ROOM_BYTES: u64 = 1 << 20;

/// Reserve unless it is set: the settlements of some millions of pushes.
pub const RESERVE_BYTES: u64 = 32 << 20;

/// Pushes that may be scheduled unless it is set.
pub const SCHEDULED_MAX: u64 = 1_000_000;

/// Bytes of their records unless it is set: some hundreds for each, and less where one has many
/// device tokens.
pub const SCHEDULED_BYTES: u64 = 256 << 20;
