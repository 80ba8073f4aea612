//! Reading a journal without taking it over.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::{read_from, read_outstanding};
use super::error::{Fault, OpenError};
use super::files::{Files, JournalFile};
use super::index::{Index, Rest};
use super::outstanding::Outstanding;
use super::recovery::{self, Access};
use super::report::{Damage, Recovered};
use super::segment;
use crate::moment::Moment;
use crate::push::PushId;

/// Our limit: a daemon that runs may remove segments while they are looked for, so it is tried
/// again.
pub(super) const TRIES: usize = 5;

/// Reads a journal without taking it over, while its daemon runs or not, and changes nothing.
///
/// # Errors
///
/// As [`Journal::open`](super::Journal::open), but for the lock; and when there is no such
/// directory.
pub fn read(files: &dyn Files, dir: &Path, now: Moment) -> Result<Reading, OpenError> {
    let mut tries = 1;
    let found = loop {
        match recovery::find(files, dir, now.unix, Access::Read) {
            Err(OpenError {
                fault: Fault::Unreadable(error),
                ..
            }) if error.kind() == ErrorKind::NotFound && tries < TRIES => tries += 1,
            found => break found?,
        }
    };
    Ok(Reading {
        dir: dir.to_owned(),
        recovered: found.recovered,
        index: found.fold.index,
        segments: found.segments,
        next: 0,
    })
}

/// A journal that was read: what was found, and an iterator over the outstanding notifications,
/// the oldest first.
#[derive(Debug)]
pub struct Reading {
    dir: PathBuf,
    recovered: Recovered,
    index: Index,
    segments: BTreeMap<u32, Arc<dyn JournalFile>>,
    next: u64,
}

impl Reading {
    /// What was found. Nothing was cut off: [`Recovered::torn`] says what would be.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Whether a push is outstanding.
    pub fn has(&self, id: PushId) -> bool {
        self.index.has(id.0)
    }

    fn read(&self, rest: &Rest) -> Result<Outstanding, Damage> {
        let file = self.segments.get(&rest.place.segment).map(Arc::clone);
        let failed = |error: Option<io::Error>| Damage {
            path: self.dir.join(segment::name(rest.place.segment)),
            offset: rest.place.offset,
            bytes: rest.place.len.into(),
            unread: error.map(|error| error.to_string()),
        };
        match read_from(file, |file| read_outstanding(file, rest)) {
            Ok(read) => read.ok_or_else(|| failed(None)),
            Err(error) => Err(failed(Some(error))),
        }
    }
}

/// An item is an error when its record can be read no longer.
impl Iterator for Reading {
    type Item = Result<Outstanding, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.index.next_rest(self.next)?;
        self.next = rest.first_id.saturating_add(1);
        Some(self.read(&rest))
    }
}
