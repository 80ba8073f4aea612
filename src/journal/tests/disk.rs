//! On the machine's own files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::journal::fixture::accepted;
use crate::journal::{DiskFiles, End, Fault, Journal, OpenError, Recovered, Settings, read};
use crate::moment::Moment;
use crate::push::{Platform, PushId};

fn open(settings: Settings) -> Result<(Journal, Recovered), OpenError> {
    Journal::open(Arc::new(DiskFiles), settings, Moment::now())
}

#[test]
fn it_comes_back_after_an_end_and_after_a_crash() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("state/sterna/journal");
    let mut settings = Settings::new(&dir);
    settings.segment_octets = 10_000;
    settings.reserve_octets = 0;
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
    let fed: usize = Platform::ALL
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
    for dir in [file.clone(), file.join("below")] {
        let error = open(Settings::new(&dir)).unwrap_err();
        assert!(matches!(error.fault, Fault::Unusable(_)), "{error:?}");
        assert!(error.to_string().contains("must be writable"), "{error}");
        assert!(!error.is_held());
    }
    let missing = read(&DiskFiles, &scratch.path().join("none"), Moment::now()).unwrap_err();
    assert!(matches!(missing.fault, Fault::Missing), "{missing:?}");
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
