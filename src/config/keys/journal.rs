//! `[journal]`: where what was accepted is kept, and how surely.

use super::super::key::Key;
use super::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

pub(in super::super) const JOURNAL_DIR: Key = Key::text(
    "journal",
    "dir",
    "",
    "a path",
    "Directory of the journal, of one daemon only; absent: systemd's `STATE_DIRECTORY`, else \
     `sterna` in `XDG_STATE_HOME` or `~/.local/state`",
);
pub(in super::super) const JOURNAL_SYNC: Key = Key::text(
    "journal",
    "sync",
    "group",
    "\"group\", \"interval\" or \"off\"",
    "When a push counts as kept, before the answer goes out: on the disk, one sync for all that \
     arrive meanwhile; with the system, which loses up to 100 ms at a power failure; not at all",
)
.unlike_gaurun(
    "no journal: what was queued is lost with the process",
    "group",
    "a 200 is a promise that outlives the process",
);
pub(in super::super) const JOURNAL_SEGMENT_BYTES: Key = Key::number(
    "journal",
    "segment_bytes",
    64 * 1024 * 1024,
    (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
    "bytes",
    "Size from which on a segment of the journal is followed by a new one, once it is also twice \
     the size of what is outstanding",
);

/// The section's keys, in the order of the documentation.
pub(super) const JOURNAL_KEYS: &[Key] = &[JOURNAL_DIR, JOURNAL_SYNC, JOURNAL_SEGMENT_BYTES];
