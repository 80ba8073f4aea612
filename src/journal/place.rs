//! Where a journal is: in the directory that was named, or in one of ours below it.
//!
//! In a directory that anyone may write to, such as `/tmp`, anyone can remove our files, or put
//! others in their place. So a directory of ours is used there, which nobody else may enter. A
//! volume that is mounted for us alone, as containers get them, may well be open to all; one that
//! is shared has the sticky bit.
//!
//! That is about where one begins. What is there already stays where it is, whoever may write to
//! the directory by now: a journal that is looked for in the other place is lost, and so are ids.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{Fault, OpenError};
use super::segment;

/// Write permission for everyone.
const OPEN: u32 = 0o002;

/// Of what is in it nobody may remove what is somebody else's.
const STICKY: u32 = 0o1000;

/// All permissions of others.
const OF_OTHERS: u32 = 0o077;

/// What push ids go on by, beside a journal or without one.
pub const IDS: &str = "ids";

/// Where the journal is for which this directory is named, or is to be.
///
/// # Errors
///
/// When there is one in either place.
pub fn place(dir: &Path) -> Result<PathBuf, OpenError> {
    let begins = || {
        if is_open(dir) {
            below(dir)
        } else {
            dir.to_owned()
        }
    };
    Ok(holding(dir)?.unwrap_or_else(begins))
}

/// Where something of ours is already: a journal, else push ids.
///
/// # Errors
///
/// When there is a journal in either place.
fn holding(dir: &Path) -> Result<Option<PathBuf>, OpenError> {
    let below = below(dir);
    let found = fs::symlink_metadata(&below);
    let is_ours = found.is_ok_and(|found| found.is_dir() && found.uid() == uid());
    let (has, below_has) = (holds_segments(dir), is_ours && holds_segments(&below));
    if has && below_has {
        return Err(OpenError {
            path: dir.to_owned(),
            fault: Fault::Twice(below),
        });
    }
    // Ids alone may well be in both: each book begins somewhere else.
    let is_below = below_has || (!has && is_ours && holds_ids(&below));
    let is_here = has || holds_ids(dir);
    Ok(match (is_below, is_here) {
        (true, _) => Some(below),
        (false, true) => Some(dir.to_owned()),
        (false, false) => None,
    })
}

/// What the operator must know of a directory for a journal: that anyone may write to it, or could.
/// Nothing of one whose place is [taken](foreign): no journal is kept there.
pub fn warning(dir: &Path) -> Option<String> {
    let place = place(dir).ok()?;
    let (below, shown) = (below(dir), dir.display());
    let is_below = place == below;
    if is_below && foreign(&below).is_some() {
        return None;
    }
    let below = below.display();
    match (is_open(dir), is_below) {
        (false, false) => None,
        (false, true) => Some(format!(
            "the journal stays in {below}, where it is since anyone could write to {shown}: name \
             that as journal.dir"
        )),
        (true, false) => Some(format!(
            "anyone may write to {shown}, and so remove or replace the journal: stop the daemon, \
             mkdir -m 700 {below}, move all that Sterna has in {shown} there ({IDS}, journal.lock, \
             *.journal, apns-auth-token-* and the like), and start again"
        )),
        (true, true) => Some(format!(
            "anyone may write to {shown}: the journal is kept in {below}, which is ours alone; \
             name that as journal.dir, or a directory that only the daemon's user may write to"
        )),
    }
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

/// Why what is there already is no directory of ours, though it has the place of one; of what is
/// yet to be made there is nothing to say.
pub fn foreign(dir: &Path) -> Option<io::Error> {
    let error = check(dir).err()?;
    (error.kind() != io::ErrorKind::NotFound).then_some(error)
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
fn holds_segments(dir: &Path) -> bool {
    holds(dir, |name| segment::number(name).is_some())
}

/// Whether push ids of ours are in it.
fn holds_ids(dir: &Path) -> bool {
    holds(dir, |name| name == IDS)
}

fn holds(dir: &Path, is_it: fn(&str) -> bool) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_it));
    found.any(|entry| entry.metadata().is_ok_and(|found| found.uid() == uid()))
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

    fn set_mode(dir: &Path, mode: u32) {
        fs::set_permissions(dir, Permissions::from_mode(mode)).unwrap();
    }

    fn place(dir: &Path) -> PathBuf {
        super::place(dir).unwrap()
    }

    #[test]
    fn only_what_anyone_may_write_to_is_not_used_itself() {
        let open = open_to_all();
        let ours = open.path().join(format!("sterna-{}", uid()));
        assert_eq!(place(open.path()), ours);
        let said = warning(open.path()).unwrap();
        assert!(said.contains(&ours.display().to_string()), "{said}");
        set_mode(open.path(), 0o777);
        assert_eq!(place(open.path()), ours);
        for mode in [0o700, 0o755, 0o775] {
            set_mode(open.path(), mode);
            assert_eq!(place(open.path()), open.path());
            assert_eq!(warning(open.path()), None);
        }
        let missing = open.path().join("missing");
        assert_eq!((place(&missing), warning(&missing)), (missing, None));
    }

    #[test]
    fn what_is_there_already_stays_where_it_is_whoever_may_write_there_by_now() {
        let open = open_to_all();
        let (dir, ours) = (open.path(), place(open.path()));
        fs::create_dir(&ours).unwrap();
        set_mode(&ours, 0o700);
        for (name, other) in [
            (segment::name(7), segment::name(8)),
            (IDS.into(), IDS.into()),
        ] {
            for (holder, has_advice) in
                [(dir, "mkdir -m 700 "), (&ours, "name that as journal.dir")]
            {
                let file = holder.join(&name);
                fs::write(&file, "").unwrap();
                for mode in [0o1777, 0o755] {
                    set_mode(dir, mode);
                    assert_eq!(place(dir), holder, "{name}, {mode:o}");
                    let said = warning(dir).unwrap_or_default();
                    let stays_open = mode == 0o1777 && holder == dir;
                    assert_eq!(said.contains("apns-auth-token-*"), stays_open, "{said}");
                    let is_told = mode == 0o1777 || holder == ours;
                    assert_eq!(
                        said.contains(has_advice),
                        is_told,
                        "{name}, {mode:o}: {said}"
                    );
                }
                fs::remove_file(&file).unwrap();
            }
            for holder in [dir, &ours] {
                fs::write(holder.join(&other), "").unwrap();
            }
            let placed = super::place(dir);
            assert_eq!(placed.is_err(), name != IDS, "{placed:?}");
            for holder in [dir, &ours] {
                fs::remove_file(holder.join(&other)).unwrap();
            }
        }
        // Neither an empty directory of ours nor ids in it lead away from a journal.
        assert_eq!(place(dir), dir);
        fs::write(dir.join(segment::name(7)), "").unwrap();
        fs::write(ours.join(IDS), "").unwrap();
        assert_eq!(place(dir), dir);
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
        assert!(foreign(&ours).is_some() && warning(open.path()).is_none());
        // What somebody else has there is no journal of ours, and no ids.
        set_mode(open.path(), 0o755);
        for name in [IDS.into(), segment::name(7)] {
            fs::write(elsewhere.path().join(name), "").unwrap();
            assert_eq!(place(open.path()), open.path());
        }
        set_mode(open.path(), 0o1777);
        let here = open.path().join(segment::name(7));
        fs::write(&here, "").unwrap();
        assert!(warning(open.path()).is_some());
        fs::remove_file(here).unwrap();
        fs::remove_file(&ours).unwrap();
        assert!(foreign(&ours).is_none() && warning(open.path()).is_some());
    }
}
