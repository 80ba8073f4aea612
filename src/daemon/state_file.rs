//! Small files of the state directory: read up to a bound, replaced as a whole.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::journal::Files;
use crate::regular;

/// How surely a file is replaced when that is said to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surely {
    /// The system knows it: a power failure may bring the old one back.
    Written,
    /// The disk has it.
    Synced,
}

/// The content, up to one byte more than `most`; `None` if there is no such file.
pub(super) fn read(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    let file = match regular::open_itself(options.read(true), path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    regular::rest_of(file, most).map(Some)
}

/// Writes a file beside it and puts that in its place, so that a reader sees one or the other.
pub(super) fn replace(
    files: &dyn Files,
    path: &Path,
    text: &str,
    surely: Surely,
) -> io::Result<()> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    // What a process of our number left behind.
    match files.remove(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = files.create(&beside)?;
    let synced = || match surely {
        Surely::Written => Ok(()),
        Surely::Synced => file.sync_data(),
    };
    let written = file
        .write_at(text.as_bytes(), 0)
        .and_then(|()| synced())
        .and_then(|()| files.rename(&beside, path));
    if written.is_err() {
        // It would stay for ever; why it was not written matters more than this.
        drop(files.remove(&beside));
    }
    written?;
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    match surely {
        Surely::Written => Ok(()),
        Surely::Synced => files.sync_dir(directory.unwrap_or(Path::new("."))),
    }
}
