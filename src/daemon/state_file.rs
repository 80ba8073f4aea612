//! Small files of the state directory: read up to a bound, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::regular;

/// For their owner alone, from the first moment on.
const MODE: u32 = 0o600;

/// How surely a file is replaced when that is said to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surely {
    /// The system knows it: a power failure may bring the old one back.
    Written,
    /// The disk has it.
    Synced,
}

/// The content, up to one octet more than `most`; `None` if there is no such file.
pub(super) fn read(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    let file = match regular::open_itself(options.read(true), path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let most = (most as u64).saturating_add(1);
    let mut octets = Vec::new();
    file.take(most).read_to_end(&mut octets)?;
    Ok(Some(octets))
}

/// Writes a file beside it and puts that in its place, so that a reader sees one or the other.
pub(super) fn replace(path: &Path, text: &str, surely: Surely) -> io::Result<()> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    // What a process of our number left behind.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&beside)?;
    let synced = |file: &File| match surely {
        Surely::Written => Ok(()),
        Surely::Synced => file.sync_all(),
    };
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| synced(&file))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It would stay for ever; why it was not written matters more than this.
        drop(fs::remove_file(&beside));
    }
    written?;
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    match surely {
        Surely::Written => Ok(()),
        Surely::Synced => File::open(directory.unwrap_or(Path::new(".")))?.sync_all(),
    }
}
