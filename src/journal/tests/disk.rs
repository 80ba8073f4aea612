//! On the machine's own files.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::script::until;
use crate::journal::OpenError;
use crate::journal::fixture::accepted;
use crate::journal::{DiskFiles, Fault, Files as _, Journal, JournalFile, LOCK, LockError};
use crate::journal::{Recovered, Settings, place, read};
use crate::moment::Moment;
use crate::push::{End, LaneId, PushId};

fn open(settings: Settings) -> Result<(Journal, Recovered), OpenError> {
    Journal::open(Arc::new(DiskFiles), settings, Moment::now())
}

#[test]
fn it_comes_back_after_an_end_and_after_a_crash() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("state/sterna/journal");
    let mut settings = Settings::new(&dir);
    settings.segment_bytes = 10_000;
    settings.reserve_bytes = 0;
    let (journal, recovered) = open(settings.clone()).unwrap();
    assert_eq!(recovered, Recovered::default());
    for id in 1..=200 {
        journal.append([&accepted(id, 1)], None).unwrap();
    }
    journal.settle((1..=190).map(|id| (PushId(id), End::Succeeded)));
    let closed = journal.close();
    assert_eq!((closed.outstanding, closed.unwritten), (10, 0));
    let reading = read(&DiskFiles, &dir, Moment::now()).unwrap();
    assert_eq!(reading.recovered().outstanding, 10);
    assert_eq!(reading.map(Result::unwrap).count(), 10);

    let (journal, recovered) = open(settings).unwrap();
    let high_water = journal.high_water();
    assert_eq!((recovered.outstanding, high_water), (10, PushId(200)));
    let fed: usize = LaneId::DEFAULT_APP
        .iter()
        .map(|platform| journal.feed(*platform, 100).notifications.len())
        .sum();
    assert_eq!(fed, 10);
    // Device tokens are for nobody else.
    for entry in fs::read_dir(&dir).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o077, 0);
    until("what is not needed any more is removed", || {
        let names = DiskFiles.list(&dir).unwrap();
        let is_segment = |name: &&String| name.ends_with(".journal");
        names.iter().filter(is_segment).count() == 1
    });
}

#[test]
fn a_directory_belongs_to_one_daemon_and_the_other_is_told_whose_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let (first, _) = open(Settings::new(scratch.path())).unwrap();
    let error = open(Settings::new(scratch.path())).unwrap_err();
    assert!(error.is_held());
    let said = error.to_string();
    let pid = format!("another daemon, with pid {}:", std::process::id());
    assert!(said.contains(&pid), "{said}");
    // Looking is allowed.
    assert!(read(&DiskFiles, scratch.path(), Moment::now()).is_ok());
    drop(first);
    assert!(open(Settings::new(scratch.path())).is_ok());
}

#[test]
fn directories_that_cannot_be_used_are_told() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let below = format!("{} is a file, not a directory", file.display());
    for (dir, why) in [
        (file.clone(), "it is a file, not a directory"),
        (file.join("below"), &*below),
    ] {
        for error in [
            open(Settings::new(&dir)).unwrap_err(),
            read(&DiskFiles, &dir, Moment::now()).unwrap_err(),
        ] {
            assert!(matches!(error.fault, Fault::Unusable(_)), "{error:?}");
            let told = format!("cannot be used: {why}; name a directory");
            assert!(error.to_string().contains(&told), "{error}");
            assert!(!error.is_held());
        }
    }
    let missing = read(&DiskFiles, &scratch.path().join("none"), Moment::now()).unwrap_err();
    assert!(matches!(missing.fault, Fault::Missing), "{missing:?}");
}

#[test]
fn what_is_to_be_done_about_a_directory_is_said_once() {
    let scratch = tempfile::tempdir().unwrap();
    set_mode(scratch.path(), 0o1777);
    let ours = place(scratch.path()).unwrap();
    fs::create_dir(&ours).unwrap();
    set_mode(&ours, 0o707);
    let error = open(Settings::new(&ours)).unwrap_err();
    let text = "may enter it; remove it, or name another directory";
    assert!(error.to_string().ends_with(text), "{error}");
    for (errno, text) in [
        (Errno::NOSPC, "No space left on device (os error 28)"),
        (
            Errno::ACCESS,
            "Permission denied (os error 13); it must be readable and writable for the user who \
             runs this",
        ),
    ] {
        let (path, fault) = (ours.clone(), Fault::Unusable(errno.into()));
        let said = OpenError { path, fault }.to_string();
        assert!(
            said.ends_with(&format!(" cannot be used: {text}")),
            "{said}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_not_read_for_ever() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = fs::File::open(scratch.path()).unwrap();
    let error = JournalFile::read_at(&directory, &mut [0], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsADirectory);
}

fn set_mode(dir: &Path, mode: u32) {
    fs::set_permissions(dir, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["notes.txt", "1.journal", "0000000001.journal.gz"] {
        fs::write(scratch.path().join(name), "mine").unwrap();
    }
    let (journal, _) = open(Settings::new(scratch.path())).unwrap();
    drop(journal);
    for name in ["notes.txt", "1.journal", "0000000001.journal.gz"] {
        assert_eq!(
            fs::read_to_string(scratch.path().join(name)).unwrap(),
            "mine"
        );
    }
}

#[test]
fn a_directory_stays_ours_without_its_lock_file_which_is_made_again() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join(LOCK);
    let (first, _) = open(Settings::new(scratch.path())).unwrap();
    fs::remove_file(&path).unwrap();
    let error = open(Settings::new(scratch.path())).unwrap_err();
    assert!(error.is_held(), "{error}");
    assert!(!path.exists(), "nothing of it was made");
    drop(first);

    let lock = DiskFiles.lock(scratch.path(), LOCK).unwrap();
    assert!(!lock.keep_file().unwrap());
    fs::remove_file(&path).unwrap();
    assert!(lock.keep_file().unwrap());
    let pid = format!("{}\n", std::process::id());
    assert_eq!(fs::read_to_string(&path).unwrap(), pid);
    assert!(!lock.keep_file().unwrap(), "it is there now");
    // Somebody who locks nothing but the file.
    fs::remove_file(&path).unwrap();
    let other = fs::File::create(&path).unwrap();
    other.lock().unwrap();
    assert!(matches!(lock.keep_file(), Err(LockError::Held(None))));
}

#[test]
fn a_lock_file_is_not_written_through_a_link_nor_over_a_foreign_file() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, victim) = (scratch.path().join("dir"), scratch.path().join("victim"));
    fs::create_dir(&dir).unwrap();
    let path = dir.join(LOCK);
    for content in ["a text", "1234", ""] {
        fs::write(&victim, content).unwrap();
        symlink(&victim, &path).unwrap();
        let said = open(Settings::new(&dir)).unwrap_err().to_string();
        let link = "journal.lock is a symbolic link, and none is followed; remove it";
        assert!(said.ends_with(link), "{said}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), content);
        fs::remove_file(&path).unwrap();
    }
    for content in ["a text", "12\n34x", &"1".repeat(33)] {
        fs::write(&path, content).unwrap();
        let said = open(Settings::new(&dir)).unwrap_err().to_string();
        let foreign = "holds something else than a pid, and is not overwritten; move it away";
        assert!(said.ends_with(foreign), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    // What a power failure may leave of a pid.
    for content in ["", "\0\0\0\0\0", "4711\n", "4711"] {
        fs::write(&path, content).unwrap();
        open(Settings::new(&dir)).unwrap();
    }
    // Segments are not followed either.
    fs::rename(dir.join("0000000001.journal"), &victim).unwrap();
    let before = fs::read(&victim).unwrap();
    symlink(&victim, dir.join("0000000001.journal")).unwrap();
    assert!(open(Settings::new(&dir)).is_err());
    assert_eq!(fs::read(&victim).unwrap(), before);
}

#[test]
fn a_directory_may_be_reached_by_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, link) = (scratch.path().join("dir"), scratch.path().join("link"));
    fs::create_dir(&dir).unwrap();
    symlink(&dir, &link).unwrap();
    let (journal, _) = open(Settings::new(&link)).unwrap();
    assert!(open(Settings::new(&dir)).unwrap_err().is_held());
    journal.append([&accepted(1, 1)], None).unwrap();
}
