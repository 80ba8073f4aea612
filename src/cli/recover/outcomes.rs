//! The file that outcomes of a push log's recovery are appended to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::super::ExitCode;
use super::super::args::Recover;
use super::NothingSent;
use crate::log::append_to;
use crate::recover;
use crate::regular::{self, Lockable};

/// Where outcomes go: where it was said, or to the end of the last log.
pub(super) fn outcomes_path(asked: &Recover) -> Result<PathBuf, NothingSent> {
    if let Some(path) = &asked.outcomes {
        return Ok(path.clone());
    }
    let last = asked
        .logs
        .last()
        .ok_or_else(|| NothingSent::new(ExitCode::Usage, "no log was named; name one with -l"))?;
    let cannot_read = |error| {
        let text = format!("{}: cannot be read: {error}", last.display());
        NothingSent::new(ExitCode::Io, text)
    };
    if fs::metadata(last).map_err(cannot_read)?.is_file() {
        let head = regular::read(last, HEAD_BYTES).map_err(cannot_read)?;
        if !recover::is_gzip(&head) && !recover::is_wrapped(&head) {
            return Ok(last.clone());
        }
    }
    Err(NothingSent::new(
        ExitCode::Usage,
        format_args!(
            "{}: outcomes cannot be appended to it; name a file for them with --outcomes",
            last.display()
        ),
    ))
}

/// Bytes of a log by which it is seen whether lines can be appended to it.
const HEAD_BYTES: usize = 64 << 10;

/// The file that outcomes are appended to, locked against another recovery.
pub(super) struct HeldLines {
    file: Lockable,
    path: PathBuf,
}

impl HeldLines {
    /// Opens and locks it; made with that mode if it is missing.
    pub(super) fn take(path: &Path, mode: u32) -> Result<Self, NothingSent> {
        let fail = |error| cannot_write(path, &error);
        drop(append_to(path, mode).map_err(fail)?);
        let mut options = OpenOptions::new();
        let opened = options.read(true).append(true).open(path);
        let file = Lockable(opened.map_err(fail)?);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(NothingSent::new(
                    ExitCode::TemporaryFailure,
                    format_args!("{}: another recovery is at work with it", path.display()),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Ends a line that the process died in, so that ours is not glued to it. Not before it was
    /// read: it may be no log.
    pub(super) fn end_line(&mut self) -> Result<(), NothingSent> {
        end_line(&mut self.file).map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> NothingSent {
    NothingSent::new(
        ExitCode::CannotCreate,
        format_args!("{}: outcomes cannot be written: {error}", path.display()),
    )
}

fn end_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}
