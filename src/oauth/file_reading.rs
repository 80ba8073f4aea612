//! Reading a file with a deadline: its file system may hang, as one of a network does.
//!
//! Nothing ends a thread that is stuck in the operating system. So a file is read by one at a time
//! at most, and who wants it meanwhile waits for what that one finds.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use crate::moment;

/// What a file holds, or why it cannot be read.
type Found = Result<Vec<u8>, String>;

/// The files that are being read.
pub(super) struct FileReadings(Mutex<BTreeMap<PathBuf, Arc<FileReading>>>);

struct FileReading {
    begun: Instant,
    found: OnceLock<Found>,
    /// Closed when it is over.
    ended: Receiver<Infallible>,
}

impl FileReadings {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// What `read` finds in the file, or another one's that has begun before; `None` if that takes
    /// longer than `within`, counted from when it began: who comes after does not wait.
    pub(super) fn read(
        &'static self,
        path: &Path,
        within: Duration,
        read: impl FnOnce(&Path) -> Found + Send + 'static,
    ) -> Option<Found> {
        let now = moment::now();
        let reading = match self.join_or_begin(path, now, read) {
            Ok(reading) => reading,
            Err(error) => return Some(Err(format!("no thread to read a file: {error}"))),
        };
        let left = (reading.begun + within).saturating_duration_since(now);
        let _ended_or_late = moment::receive_within(&reading.ended, left).is_err();
        reading.found.get().cloned()
    }

    fn join_or_begin(
        &'static self,
        path: &Path,
        now: Instant,
        read: impl FnOnce(&Path) -> Found + Send + 'static,
    ) -> std::io::Result<Arc<FileReading>> {
        let mut under_way = self.lock();
        if let Some(reading) = under_way.get(path) {
            return Ok(Arc::clone(reading));
        }
        let (end, ended) = bounded(0);
        let reading = Arc::new(FileReading {
            begun: now,
            found: OnceLock::new(),
            ended,
        });
        let (file, theirs) = (path.to_owned(), Arc::clone(&reading));
        let builder = thread::Builder::new().name("token file".to_owned());
        builder.spawn(move || {
            let found = catch_unwind(AssertUnwindSafe(|| read(&file)));
            let found = found.unwrap_or_else(|_| Err("a panic while a file was read".to_owned()));
            // There is no other that sets it.
            let _is_first = theirs.found.set(found).is_ok();
            self.lock().remove(&file);
            drop(end);
        })?;
        under_way.insert(path.to_owned(), Arc::clone(&reading));
        Ok(reading)
    }

    /// The list is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<FileReading>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl FileReadings {
    /// Another has begun to read the file so long ago, and does so until what comes of this is
    /// dropped.
    pub(super) fn stuck(&'static self, path: &Path, since: Duration) -> impl Drop {
        struct Stuck(&'static FileReadings, PathBuf);
        impl Drop for Stuck {
            fn drop(&mut self) {
                self.0.lock().remove(&self.1);
            }
        }
        let reading = FileReading {
            begun: moment::now().checked_sub(since).unwrap(),
            found: OnceLock::new(),
            ended: bounded(0).1,
        };
        self.lock().insert(path.to_owned(), Arc::new(reading));
        Stuck(self, path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::oauth::fixture::PATIENCE;

    static READINGS: FileReadings = FileReadings::new();

    #[test]
    fn a_file_that_never_gives_has_one_reader_and_keeps_nobody_longer_than_he_may_wait() {
        let (stuck, other) = (Path::new("stuck"), Path::new("other"));
        let (let_go, held) = channel::<()>();
        let never = move |_: &Path| {
            let _let_go = held.recv().is_err();
            Ok(b"late".to_vec())
        };
        assert_eq!(READINGS.read(stuck, Duration::ZERO, never), None);
        let second = |_: &Path| unreachable!("a second reader");
        assert_eq!(READINGS.read(stuck, Duration::ZERO, second), None);
        let found = READINGS.read(other, PATIENCE, |path| Ok(path.to_str().unwrap().into()));
        assert_eq!(found, Some(Ok(b"other".to_vec())));
        let under_way = Arc::clone(&READINGS.lock()[stuck]);
        drop(let_go);
        let ended = moment::receive_within(&under_way.ended, PATIENCE);
        assert_eq!(
            ended,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected)
        );
        assert_eq!(under_way.found.get(), Some(&Ok(b"late".to_vec())));
        let found = READINGS.read(stuck, PATIENCE, |_| Err("gone".to_owned()));
        assert_eq!(found, Some(Err("gone".to_owned())), "it is read anew");
        let found = READINGS.read(stuck, PATIENCE, |_| panic!("as it may be"));
        assert_eq!(found, Some(Err("a panic while a file was read".to_owned())));
        assert!(READINGS.lock().is_empty());
    }
}
