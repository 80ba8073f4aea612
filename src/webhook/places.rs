//! How far each stream was taken, in a file beside the feed's.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::feed::{Feed, FeedStream};
use crate::journal::Files;

/// The file's name, and the name of the next one until it is whole.
const NAME: &str = "webhook";
const DRAFT: &str = "webhook.new";
/// Our limit: bytes of the file that are read: two cursors have some eighty.
const FILE_BYTES: usize = 512;

/// The cursors of what was taken, a line for each stream.
#[derive(Debug)]
pub(super) struct HookPlaces {
    files: Arc<dyn Files>,
    dir: PathBuf,
    cursors: [Option<String>; 2],
    /// Whether they differ from the file's.
    is_dirty: bool,
    /// Set when others may have the file.
    is_abandoned: Arc<AtomicBool>,
}

impl HookPlaces {
    /// Reads them; without the file, or where it is none of ours, the streams begin anew.
    pub(super) fn read(files: Arc<dyn Files>, dir: PathBuf, is_abandoned: Arc<AtomicBool>) -> Self {
        let read = || {
            let file = files.open_read(&dir.join(NAME))?;
            let mut bytes = vec![0; FILE_BYTES];
            let len = file.read_at(&mut bytes, 0)?;
            bytes.truncate(len);
            let text = String::from_utf8(bytes).ok().filter(|_| len < FILE_BYTES);
            text.ok_or_else(|| io::Error::other("it is not what was written there"))
        };
        let text = read().unwrap_or_else(|error| {
            if error.kind() != ErrorKind::NotFound {
                let path = dir.join(NAME);
                ::log::error!(
                    "webhook: {} cannot be read: {error}. What the feed has is posted again from \
                     the oldest record on",
                    path.display()
                );
            }
            String::new()
        });
        let cursors = FeedStream::ALL.map(|stream| {
            // Whether it is a cursor the feed says.
            let mut lines = text.lines();
            let line = lines.find(|line| line.split('.').next() == Some(stream.word()));
            line.map(str::to_owned)
        });
        Self {
            files,
            dir,
            cursors,
            is_dirty: false,
            is_abandoned,
        }
    }

    /// Forgets what is no cursor of that feed, and tells it: those streams begin anew.
    pub(super) fn forget_unknown(&mut self, feed: &Feed) {
        for stream in FeedStream::ALL {
            let cursor = stream.of_mut(&mut self.cursors);
            if cursor.take_if(|it| !feed.knows(stream, it)).is_some() {
                // Or its number may be one of this feed's at the next start.
                self.is_dirty = true;
                ::log::warn!(
                    "webhook: how far {} were taken, as {} has it, is no cursor of this feed, which \
                     was removed, put back or lost its end: all that it has is posted again, from \
                     the oldest on",
                    stream.word(),
                    self.dir.join(NAME).display(),
                );
            }
        }
    }

    /// What a stream was taken up to.
    pub(super) fn of(&self, stream: FeedStream) -> Option<&str> {
        stream.of(&self.cursors).as_deref()
    }

    /// A stream was taken up to that cursor.
    pub(super) fn set(&mut self, stream: FeedStream, cursor: String) {
        *stream.of_mut(&mut self.cursors) = Some(cursor);
        self.is_dirty = true;
    }

    /// Writes them, if they have changed: whole, or not at all.
    ///
    /// # Errors
    ///
    /// Why they are not on the disk.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.is_dirty || self.is_abandoned.load(Ordering::Acquire) {
            return Ok(());
        }
        let (draft, name) = (self.dir.join(DRAFT), self.dir.join(NAME));
        let _left_over = self.files.remove(&draft).is_ok();
        let file = self.files.create(&draft)?;
        let lines = self.cursors.iter().flatten();
        let text: String = lines.flat_map(|cursor| [cursor, "\n"]).collect();
        file.write_at(text.as_bytes(), 0)?;
        file.sync_data()?;
        self.files.rename(&draft, &name)?;
        self.is_dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture::MemoryFiles;

    #[test]
    fn places_are_kept_whole_and_what_is_none_begins_anew() {
        let files = MemoryFiles::default();
        let is_abandoned = Arc::<AtomicBool>::default();
        let read = || {
            let is_abandoned = Arc::clone(&is_abandoned);
            HookPlaces::read(Arc::new(files.clone()), "/feed".into(), is_abandoned)
        };
        let mut places = read();
        assert_eq!(places.of(FeedStream::Settlements), None);
        places.set(FeedStream::DeadTokens, "dead-tokens.7.12".to_owned());
        places.write().unwrap();
        let changes = files.operations();
        places.write().unwrap();
        assert_eq!(files.operations(), changes);
        let mut places = read();
        assert_eq!(places.of(FeedStream::Settlements), None);
        assert_eq!(places.of(FeedStream::DeadTokens), Some("dead-tokens.7.12"));
        places.set(FeedStream::Settlements, "settlements.7.1".to_owned());
        // A file is left of one that was interrupted.
        files.put(&places.dir.join(DRAFT), vec![1; 9]);
        places.write().unwrap();
        let mut places = read();
        assert_eq!(places.of(FeedStream::Settlements), Some("settlements.7.1"));
        assert_eq!(places.of(FeedStream::DeadTokens), Some("dead-tokens.7.12"));
        // Another daemon may have it.
        is_abandoned.store(true, Ordering::Release);
        places.set(FeedStream::DeadTokens, "dead-tokens.7.13".to_owned());
        places.write().unwrap();
        assert_eq!(read().of(FeedStream::DeadTokens), Some("dead-tokens.7.12"));
        files.put(&places.dir.join(NAME), vec![0xff; 100_000]);
        assert_eq!(read().of(FeedStream::DeadTokens), None);
    }
}
