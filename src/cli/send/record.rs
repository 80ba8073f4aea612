//! The file beside what is sent: which of its batches were answered, so that a later run goes on
//! behind them however long ago that was.
//!
//! A line of JSON for each step, appended as it comes. A line that was not written to its end is
//! the last one, and counts as none. That a batch is sent again has no line, and that nothing of it
//! was taken takes the line away by which it was sent: the file does not grow while a daemon is
//! waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::input_text::InputText;
use super::tally::SendTally;
use crate::regular;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
enum RecordStep {
    /// The first line: what this file is, and what no other's keys begin with.
    Sterna { send: u32, run: String },
    /// A batch is about to be sent.
    Sent { batch: u64, key: String, at: u64 },
    /// None of it was taken: as records have it that say so in a line.
    Refused { batch: u64 },
    /// It was answered so, or passed over.
    Answered { batch: u64, tally: SendTally },
    /// So were all of the file.
    Ended { at: u64 },
}

/// What an earlier run has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EarlierRun {
    /// What the keys begin with.
    pub(super) run: String,
    /// The keys of the batches that were answered, in their order.
    pub(super) answered: Vec<String>,
    /// The one that was sent, and no answer came: its key, and when it was sent, in Unix seconds.
    pub(super) in_doubt: Option<(String, u64)>,
    /// The key of the one that was sent last, until it is answered.
    pub(super) sent_last: Option<String>,
    /// What has become of all that was answered.
    pub(super) so_far: SendTally,
    /// When all of the file was answered, in Unix seconds.
    pub(super) ended: Option<u64>,
}

/// The open file.
pub(super) struct SendRecord {
    file: File,
    /// The batch that was sent last.
    sent: Option<SentBatch>,
}

/// A batch that was sent and not answered.
struct SentBatch {
    batch: u64,
    key: String,
    at: u64,
    /// Where its line begins, while it is there.
    line: Option<u64>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum RecordError {
    /// Another run has it.
    InUse,
    /// It is there, and is another kind of file.
    Foreign,
    /// The operating system's.
    Io(io::Error),
}

impl From<io::Error> for RecordError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl SendRecord {
    /// Opens it, or makes it for a new run; what an earlier one has left in it.
    pub(super) fn open(path: &Path, run: &str) -> Result<(Self, EarlierRun), RecordError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = regular::open_itself(&mut options, path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RecordError::InUse),
            Err(TryLockError::Error(error)) => return Err(RecordError::Io(error)),
        }
        let mut record = Self { file, sent: None };
        let (bytes, whole) = record.whole_lines()?;
        if whole == 0 {
            let mut begin = Vec::new();
            record.file.rewind()?;
            (&record.file).take(TORN_MAX).read_to_end(&mut begin)?;
            let is_torn = HEAD.starts_with(&begin) || begin.starts_with(HEAD);
            if bytes > 0 && (bytes > TORN_MAX || !is_torn) {
                return Err(RecordError::Foreign);
            }
            let run = run.to_owned();
            record.file.set_len(0)?;
            record.append(&RecordStep::Sterna {
                send: VERSION,
                run: run.clone(),
            })?;
            sync_directory(path)?;
            let earlier = EarlierRun {
                run,
                ..EarlierRun::default()
            };
            return Ok((record, earlier));
        }
        record.file.rewind()?;
        let lines = InputText::begin((&record.file).take(whole))?;
        let (earlier, open) = EarlierRun::read(lines)?.ok_or(RecordError::Foreign)?;
        if let (Some((key, at)), Some((line, read))) = (&earlier.in_doubt, open)
            && read == whole
        {
            record.sent = Some(SentBatch {
                batch: earlier.answered.len() as u64,
                key: key.clone(),
                at: *at,
                line: Some(line),
            });
        }
        // What was cut off is not to stand before what comes.
        record.file.set_len(whole)?;
        Ok((record, earlier))
    }

    /// The length of the file, and of what of it is whole lines.
    fn whole_lines(&mut self) -> io::Result<(u64, u64)> {
        let bytes = self.file.seek(SeekFrom::End(0))?;
        let begin = bytes.saturating_sub(STEP_MAX as u64);
        self.file.seek(SeekFrom::Start(begin))?;
        let end = regular::rest_of(&self.file, STEP_MAX)?;
        let whole = memchr::memrchr(b'\n', &end).map_or(0, |at| begin + at as u64 + 1);
        Ok((bytes, whole))
    }

    /// A batch is about to be sent: no failure of power makes that unsaid.
    pub(super) fn sent(&mut self, batch: u64, key: &str, at: u64) -> io::Result<()> {
        let sent = self.sent.as_ref();
        if sent.is_some_and(|it| it.line.is_some() && it.batch == batch && it.key == key) {
            return Ok(());
        }
        let line = Some(self.file.metadata()?.len());
        let key = key.to_owned();
        self.sent = Some(SentBatch {
            batch,
            key: key.clone(),
            at,
            line,
        });
        self.append(&RecordStep::Sent { batch, key, at })?;
        self.file.sync_data()
    }

    /// Nothing of it was taken.
    pub(super) fn refused(&mut self, batch: u64) -> io::Result<()> {
        let sent = self.sent.as_mut().filter(|sent| sent.batch == batch);
        match sent.and_then(|sent| sent.line.take()) {
            Some(line) => self.file.set_len(line),
            None => Ok(()),
        }
    }

    /// It was answered so.
    pub(super) fn answered(&mut self, batch: u64, tally: &SendTally) -> io::Result<()> {
        if let Some(sent) = self.sent.take().filter(|sent| sent.line.is_none()) {
            let SentBatch { batch, key, at, .. } = sent;
            self.append(&RecordStep::Sent { batch, key, at })?;
        }
        let tally = tally.clone();
        self.append(&RecordStep::Answered { batch, tally })
    }

    /// All of the file was.
    pub(super) fn ended(&mut self, at: u64) -> io::Result<()> {
        self.append(&RecordStep::Ended { at })
    }

    fn append(&mut self, step: &RecordStep) -> io::Result<()> {
        let mut line = serde_json::to_vec(step)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

impl EarlierRun {
    /// Reads whole lines; `None` if they are none of a record. With it comes where the line begins
    /// by which a batch was sent that is in doubt, and how many bytes were read.
    #[expect(clippy::type_complexity, reason = "one caller")]
    fn read(mut lines: InputText<impl Read>) -> io::Result<Option<(Self, Option<(u64, u64)>)>> {
        let mut earlier = Self::default();
        let mut is_first = true;
        let (mut bytes, mut sent) = (0, None);
        while let Some(line) = lines.next_line(STEP_MAX)? {
            let begin = bytes;
            let step = line.ok().and_then(|(_, line)| {
                bytes += line.len() as u64 + 1;
                serde_json::from_str(line).ok()
            });
            let is_good = match step {
                Some(RecordStep::Sterna { send, run }) => {
                    earlier.run = run;
                    send == VERSION && is_first
                }
                Some(step) => !is_first && earlier.take(step),
                None => false,
            };
            is_first = false;
            if !is_good {
                return Ok(None);
            }
            // It is sent again until it is answered: what counts is the first time.
            sent = earlier.in_doubt.as_ref().map(|_| sent.unwrap_or(begin));
        }
        Ok(Some((earlier, sent.map(|line| (line, bytes)))))
    }

    /// Goes on by a step; false if it is none that can follow.
    fn take(&mut self, step: RecordStep) -> bool {
        match step {
            RecordStep::Sterna { .. } => return false,
            RecordStep::Sent { batch, key, at } => {
                if batch != self.answered.len() as u64 {
                    return false;
                }
                // It is sent again until it is answered: what counts is the first time.
                let at = self.in_doubt.take().map_or(at, |(_, first)| first);
                self.sent_last = Some(key.clone());
                self.in_doubt = Some((key, at));
            }
            RecordStep::Refused { .. } => self.in_doubt = None,
            RecordStep::Answered { tally, .. } => {
                // Nothing of it may have been taken.
                self.in_doubt = None;
                let Some(key) = self.sent_last.take() else {
                    return false;
                };
                self.answered.push(key);
                self.so_far.add(&tally);
            }
            RecordStep::Ended { at } => self.ended = Some(at),
        }
        true
    }
}

/// Makes sure that the file is in its directory.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// What the first line begins with.
const HEAD: &[u8] = b"{\"step\":\"sterna\",\"send\":1,\"run\":\"";

/// Bytes that a first line which was not written to its end may have.
const TORN_MAX: u64 = 128;

/// Of this form of the file.
const VERSION: u32 = 1;

/// Our limit: bytes of a line of the file; those that are written are shorter.
const STEP_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(accepted: u64) -> SendTally {
        SendTally {
            accepted,
            ..SendTally::default()
        }
    }

    #[test]
    fn a_record_tells_a_later_run_how_far_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.sent");
        let (mut record, earlier) = SendRecord::open(&path, "r").unwrap();
        let new = EarlierRun {
            run: "r".to_owned(),
            ..EarlierRun::default()
        };
        assert_eq!(earlier, new);
        assert!(std::fs::read(&path).unwrap().starts_with(HEAD));
        record.sent(0, "a", 5).unwrap();
        record.answered(0, &tally(3)).unwrap();
        record.sent(1, "b", 6).unwrap();
        record.refused(1).unwrap();
        record.sent(1, "b", 7).unwrap();
        record.sent(1, "b", 8).unwrap();
        assert!(matches!(
            SendRecord::open(&path, "r"),
            Err(RecordError::InUse)
        ));
        drop(record);
        let (mut record, earlier) = SendRecord::open(&path, "r").unwrap();
        assert_eq!(earlier.answered, ["a"]);
        assert_eq!(earlier.in_doubt, Some(("b".to_owned(), 7)));
        assert_eq!((earlier.so_far.accepted, earlier.ended), (3, None));
        record.answered(1, &tally(4)).unwrap();
        record.ended(9).unwrap();
        drop(record);
        let (record, earlier) = SendRecord::open(&path, "r").unwrap();
        assert_eq!(earlier.answered, ["a", "b"]);
        assert_eq!((earlier.so_far.accepted, earlier.ended), (7, Some(9)));
        drop(record);
        let (_, earlier) = SendRecord::open(&path, "another").unwrap();
        assert_eq!(earlier.run, "r");
    }

    #[test]
    fn a_record_does_not_grow_while_a_daemon_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.sent");
        let (mut record, _) = SendRecord::open(&path, "r").unwrap();
        let bytes = || std::fs::metadata(&path).unwrap().len();
        record.sent(0, "a", 5).unwrap();
        record.answered(0, &tally(3)).unwrap();
        let before = bytes();
        record.sent(1, "b", 6).unwrap();
        let once = bytes();
        for at in 7..100 {
            record.sent(1, "b", at).unwrap();
            assert_eq!(bytes(), once);
        }
        for at in 100..200 {
            record.refused(1).unwrap();
            assert_eq!(bytes(), before);
            record.sent(1, "b", at).unwrap();
            assert_eq!(bytes(), once + 2, "a time of three digits");
        }
        record.sent(1, "b", 200).unwrap();
        drop(record);
        let (mut record, earlier) = SendRecord::open(&path, "r").unwrap();
        assert_eq!(earlier.in_doubt, Some(("b".to_owned(), 199)));
        // A later run sends it again, and finds that nothing of it was taken.
        record.sent(1, "b", 300).unwrap();
        record.refused(1).unwrap();
        assert_eq!(bytes(), before);
        drop(record);
        let (mut record, earlier) = SendRecord::open(&path, "r").unwrap();
        assert_eq!((earlier.in_doubt, earlier.answered.len()), (None, 1));
        // Or is told so by who called it.
        record.sent(1, "b", 400).unwrap();
        drop(record);
        let (mut record, _) = SendRecord::open(&path, "r").unwrap();
        record.refused(1).unwrap();
        record.sent(1, "b", 500).unwrap();
        drop(record);
        let (_, earlier) = SendRecord::open(&path, "r").unwrap();
        assert_eq!(earlier.in_doubt, Some(("b".to_owned(), 500)));
    }

    #[test]
    fn a_batch_of_which_nothing_was_taken_is_done_with_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.sent");
        let (mut record, _) = SendRecord::open(&path, "r").unwrap();
        record.sent(0, "a", 5).unwrap();
        record.refused(0).unwrap();
        record.answered(0, &tally(0)).unwrap();
        record.sent(1, "b", 6).unwrap();
        drop(record);
        let (_, earlier) = SendRecord::open(&path, "r").unwrap();
        assert_eq!(earlier.answered, ["a"]);
        assert_eq!(earlier.in_doubt, Some(("b".to_owned(), 6)));
    }

    #[test]
    fn a_line_that_breaks_off_is_as_if_it_were_not_there_wherever_that_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.sent");
        let (mut record, _) = SendRecord::open(&path, "r").unwrap();
        record.sent(0, "a", 5).unwrap();
        record.answered(0, &tally(3)).unwrap();
        drop(record);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut record, earlier) = SendRecord::open(&path, "r").unwrap();
            let number = earlier.answered.len() as u64;
            assert_eq!(number, 0, "{cut}");
            record.sent(number, "a", 5).unwrap();
            drop(record);
            let (_, earlier) = SendRecord::open(&path, "r").unwrap();
            assert_eq!(earlier.in_doubt, Some(("a".to_owned(), 5)), "{cut}");
        }
    }

    #[test]
    fn no_other_file_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.sent");
        for text in [
            "token\nab12\n",
            "token",
            "{\"step\":\"ended\",\"at\":1}\n",
            "{\"step\":\"sterna\",\"send\":2,\"run\":\"r\"}\n",
            "{\"step\":\"sterna\",\"send\":1,\"run\":\"r\"}\nx\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(SendRecord::open(&path, "r"), Err(RecordError::Foreign)),
                "{text}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
