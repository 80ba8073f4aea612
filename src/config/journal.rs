//! `[journal]`: where what was accepted is kept, and how surely.

use std::path::PathBuf;

use super::Environment;
use super::document::Document;
use super::key::InForce::AtStart;
use super::key::Key;
use super::keys::{
    SCHEDULED_BYTES_MAX, SCHEDULED_BYTES_MIN, SCHEDULED_MAX_MAX, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
};
use super::section::section;
use super::value::{ToValue, Value};

section! {
    /// `[journal]`, unless it is off.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Journal, keys JournalKeys of (),
    by (keys, document, surroundings), shown of journal:

    /// The journal's directory.
    pub dir: PathBuf { take_dir(keys, document, surroundings.environment) } = Key::file(
        "Directory of the journal, of one daemon only; absent: systemd's `STATE_DIRECTORY`, else \
         `sterna` in `XDG_STATE_HOME` or `~/.local/state`",
    )
    .in_force(AtStart);
    /// When a push counts as kept.
    pub sync: Sync { Sync::of(&keys.sync, document) } = Key::text(
        "group",
        "\"group\", \"interval\" or \"off\"",
        "When a push counts as kept, before the answer goes out: on the disk, one sync for all \
         that arrive meanwhile; with the system, which loses up to 100 ms at a power failure; not \
         at all",
    )
    .unlike_gaurun(
        "no journal: what was queued is lost with the process",
        "group",
        "a 200 is a promise that outlives the process",
    )
    .in_force(AtStart);
    /// Bytes from which on a segment is followed by a new one.
    pub segment_bytes: u64 = Key::number(
        64 * 1024 * 1024,
        (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
        "bytes",
        "Size from which on a segment of the journal is followed by a new one, once it is also \
         twice the size of what is outstanding",
    )
    .in_force(AtStart);
    /// Pushes that may be scheduled at a time.
    pub scheduled_max: u64 = Key::number(
        1_000_000,
        (0, SCHEDULED_MAX_MAX),
        "pushes",
        "Pushes that may wait for their `send_at`, of all lanes together, and of each of several \
         apps half of what the others leave; a request that would make them more is answered 503, \
         and no other is for them",
    )
    .in_force(AtStart);
    /// Bytes that their records may have.
    pub scheduled_bytes: u64 = Key::number(
        256 * 1024 * 1024,
        (SCHEDULED_BYTES_MIN, SCHEDULED_BYTES_MAX),
        "bytes",
        "Bytes of the journal that pushes may take that wait for their `send_at`; the disk is to \
         have three times that for them, since what is outstanding is carried from segment to \
         segment",
    )
    .in_force(AtStart);
    => parts:
}

/// When what is written counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When it is on the disk.
    Group,
    /// When it is with the system, which writes it out soon.
    Interval,
}

impl Sync {
    /// `None` if nothing is to be kept, or for reasons now noted.
    pub(super) fn of(key: &'static Key, document: &mut Document<'_>) -> Option<Self> {
        match document.text(key)?.as_str() {
            "group" => Some(Self::Group),
            "interval" => Some(Self::Interval),
            OFF => None,
            _ => {
                document.refuse(key);
                None
            }
        }
    }
}

impl ToValue for Sync {
    fn value(&self) -> Value {
        let word = match self {
            Self::Group => "group",
            Self::Interval => "interval",
        };
        Value::Text(word.to_owned())
    }
}

/// The directory of a journal that there is to be; else what is said of one that is named.
fn take_dir(
    keys: &'static JournalKeys,
    document: &mut Document<'_>,
    environment: &Environment,
) -> Option<PathBuf> {
    let dir = document.text(&keys.dir).map(PathBuf::from);
    if Sync::of(&keys.sync, document).is_none() {
        if dir.is_some() && document.text(&keys.sync).as_deref() == Some(OFF) {
            document.warn(&keys.dir, "has no effect beside journal.sync = \"off\"");
        }
        return None;
    }
    let dir = dir.or_else(|| environment.state_dir.clone());
    if dir.is_none() {
        document.refuse_whole(
            "journal.dir: name the directory of the journal: neither STATE_DIRECTORY nor \
             XDG_STATE_HOME nor HOME says where it could be; or set journal.sync = \"off\" and \
             lose what is queued with the process",
        );
    }
    dir
}

/// The word for no journal.
pub(super) const OFF: &str = "off";
