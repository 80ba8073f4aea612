//! Where a journal is: in the directory that was named, or in one of ours below it.
//!
//! In a directory that anyone may write to, such as `/tmp`, anyone can remove our files, or put
//! others in their place. So a directory of ours is used there, which nobody else may enter. A
//! volume that is mounted for us alone, as containers get them, may well be open to all; one that
//! is shared has the sticky bit.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::segment;

/// Write permission for everyone.
const OPEN: u32 = 0o002;

/// Of what is in it nobody may remove what is somebody else's.
const STICKY: u32 = 0o1000;

/// All permissions of others.
const OF_OTHERS: u32 = 0o077;

/// Where the journal is for which this directory is named. A journal of ours that is directly in it
/// stays there, so that nothing is lost by an upgrade.
pub fn place(dir: &Path) -> PathBuf {
    if is_open(dir) && !holds_ours(dir) {
        return below(dir);
    }
    dir.to_owned()
}

/// What the operator must know of a directory for a journal: that anyone may write to it.
pub fn warning(dir: &Path) -> Option<String> {
    let shown = dir.display();
    is_open(dir).then(|| {
        let place = place(dir);
        if place == dir {
            let below = below(dir);
            let below = below.display();
            return format!(
                "anyone may write to {shown}, and so remove or replace the journal: stop the \
                 daemon, mkdir -m 700 {below}, move ids, journal.lock and *.journal there, and \
                 start again"
            );
        }
        format!(
            "anyone may write to {shown}: the journal is kept in {}, which is ours alone; name a \
             directory that only the daemon's user may write to",
            place.display()
        )
    })
}

/// Whether a directory of ours in an open one is what it must be.
///
/// # Errors
///
/// When it is a link, belongs to somebody else, or is open to others.
pub(super) fn check(dir: &Path) -> io::Result<()> {
    let parent = dir.parent().filter(|parent| is_open(parent));
    if parent.map(below).as_deref() != Some(dir) {
        return Ok(());
    }
    let found = fs::symlink_metadata(dir)?;
    let is_ours = found.is_dir() && found.uid() == uid() && found.mode() & OF_OTHERS == 0;
    if is_ours {
        return Ok(());
    }
    let text = "somebody else has made it, or may enter it; remove it, or name another directory";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn is_open(dir: &Path) -> bool {
    let is_shared = |found: &Metadata| {
        let above = fs::metadata(dir.join(".."));
        let is_volume = above.is_ok_and(|above| above.dev() != found.dev());
        found.mode() & STICKY != 0 || !is_volume
    };
    let found = fs::metadata(dir).ok();
    found.is_some_and(|found| found.is_dir() && found.mode() & OPEN != 0 && is_shared(&found))
}

/// Whether segments of ours are in it.
fn holds_ours(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut segments = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str().and_then(segment::number).is_some()
    });
    segments.any(|entry| entry.metadata().is_ok_and(|found| found.uid() == uid()))
}

fn below(dir: &Path) -> PathBuf {
    dir.join(format!("sterna-{}", uid()))
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn open_to_all() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        directory
    }

    #[test]
    fn only_what_anyone_may_write_to_is_not_used_itself() {
        let open = open_to_all();
        let ours = open.path().join(format!("sterna-{}", uid()));
        assert_eq!(place(open.path()), ours);
        let said = warning(open.path()).unwrap();
        assert!(said.contains(&ours.display().to_string()), "{said}");
        fs::set_permissions(open.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(place(open.path()), ours);
        for mode in [0o700, 0o755, 0o775] {
            fs::set_permissions(open.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(place(open.path()), open.path());
            assert_eq!(warning(open.path()), None);
        }
        let missing = open.path().join("missing");
        assert_eq!((place(&missing), warning(&missing)), (missing, None));
    }

    #[test]
    fn a_journal_that_is_there_already_stays_and_its_operator_is_warned() {
        let open = open_to_all();
        fs::write(open.path().join(segment::name(7)), "").unwrap();
        assert_eq!(place(open.path()), open.path());
        let said = warning(open.path()).unwrap();
        assert!(said.contains("mkdir -m 700 "), "{said}");
    }

    #[test]
    fn a_directory_below_must_be_ours_alone() {
        let open = open_to_all();
        let ours = place(open.path());
        assert!(check(open.path()).is_ok() && check(&open.path().join("other")).is_ok());
        fs::create_dir(&ours).unwrap();
        for (mode, is_ours) in [(0o700, true), (0o750, false), (0o707, false)] {
            fs::set_permissions(&ours, Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&ours).is_ok(), is_ours, "{mode:o}");
        }
        fs::remove_dir(&ours).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), &ours).unwrap();
        assert!(check(&ours).is_err(), "a link");
    }
}
