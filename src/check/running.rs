//! Whether a daemon runs with this configuration. Its locks are not tried: whoever holds one, if
//! only for a moment, keeps a daemon from starting.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::{self, Config};
use crate::journal::{self, LOCK};
use crate::regular;

/// The pid of the daemon that has the journal or the pid file.
pub(super) fn daemon(config: &Config) -> Option<u32> {
    let place = |journal: &config::Journal| journal::place(&journal.dir).ok();
    let lock = config.journal.as_ref().and_then(place);
    let lock = lock.map(|dir| dir.join(LOCK));
    let mut files = lock.iter().chain(&config.core.pid);
    files.find_map(|path| holder(path))
}

/// The process that has written its pid into the file, if it still has the file open.
fn holder(path: &Path) -> Option<u32> {
    let file = regular::open(path).ok()?;
    let wanted = file.metadata().ok()?;
    let pid = regular::pid_in(file)?;
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(open) = fs::read_dir(process.join("fd")) else {
        // Another user's: that it lives must do.
        return process.is_dir().then_some(pid);
    };
    open.flatten()
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .any(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
        .then_some(pid)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_pid_counts_while_its_process_has_the_file_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert_eq!(holder(&path), None);
        let ours = std::process::id();
        let open = File::create(&path).unwrap();
        for text in [ours.to_string(), format!("{ours}\n")] {
            fs::write(&path, text).unwrap();
            assert_eq!(holder(&path), Some(ours));
        }
        drop(open);
        assert_eq!(holder(&path), None, "left behind by one that lives");
        for text in ["", "-1", "x", "4294967295", &"1".repeat(40)] {
            fs::write(&path, text).unwrap();
            assert_eq!(holder(&path), None, "{text:?}");
        }
    }
}
