//! `[journal]`: where what was accepted is kept, and how surely.

use std::path::PathBuf;

use super::document::Document;
use super::{Environment, keys};

/// `[journal]`, unless it is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Its directory.
    pub dir: PathBuf,
    /// When a push counts as kept.
    pub sync: Sync,
    /// Bytes from which on a segment is followed by a new one.
    pub segment_bytes: u64,
}

/// When a push counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When it is on the disk.
    Group,
    /// When it is with the system, which writes it out soon.
    Interval,
}

impl Journal {
    /// Takes the section; `None` if there is to be no journal, or for reasons now noted.
    pub(super) fn take(document: &mut Document<'_>, environment: &Environment) -> Option<Self> {
        let dir = document.text(&keys::JOURNAL_DIR).map(PathBuf::from);
        let key = &keys::JOURNAL_SYNC;
        let segment_bytes = document.number(&keys::JOURNAL_SEGMENT_BYTES)?;
        let sync = match document.text(key)?.as_str() {
            "group" => Sync::Group,
            "interval" => Sync::Interval,
            "off" => {
                if dir.is_some() {
                    document.warn(
                        &keys::JOURNAL_DIR,
                        "has no effect beside journal.sync = \"off\"",
                    );
                }
                return None;
            }
            _ => {
                document.refuse(key);
                return None;
            }
        };
        let Some(dir) = dir.or_else(|| environment.state_dir.clone()) else {
            document.refuse_whole(
                "journal.dir: name the directory of the journal: neither STATE_DIRECTORY nor \
                 XDG_STATE_HOME nor HOME says where it could be; or set journal.sync = \"off\" and \
                 lose what is queued with the process",
            );
            return None;
        };
        Some(Self {
            dir,
            sync,
            segment_bytes,
        })
    }
}
