//! A log's file: when lines are in it, and whether it is still there.

use super::*;

#[test]
fn a_file_that_is_removed_is_made_again_and_one_that_is_renamed_is_not() {
    let (directory, path, sink) = in_directory();
    sink.write(b"one\n");
    assert!(sink.flush(LONG));
    let old = directory.path().join("access.log.1");
    fs::rename(&path, &old).unwrap();
    sink.write(b"two\n");
    assert!(sink.flush(LONG));
    assert_eq!((content(&old), path.exists()), ("one\ntwo\n".into(), false));
    assert_eq!(sink.alarms(), 0, "whoever rotates says so in time");
    fs::remove_file(&old).unwrap();
    sink.write(b"three\n");
    assert!(sink.flush(LONG));
    assert_eq!((content(&path), sink.alarms()), ("three\n".into(), 1));
    // Where it cannot be made again its lines wait.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    sink.write(b"four\n");
    while sink.trouble().is_none() {
        thread::yield_now();
    }
    fs::remove_dir(&path).unwrap();
    assert!(sink.flush(LONG));
    assert_eq!(content(&path), "four\n");
}

/// The quickest of many, whatever else the machine does: of the first line after a while, and of
/// one behind another. Where lines were gathered for longer, none would ever be so quick.
#[test]
fn a_line_is_in_its_file_within_5_ms() {
    let (_directory, path, sink) = in_directory();
    let took = |before: &str| {
        let started = Instant::now();
        sink.write(b"line\n");
        while content(&path).len() == before.len() {
            thread::yield_now();
        }
        started.elapsed()
    };
    let mut quickest = [LONG; 2];
    let begun = Instant::now();
    while quickest.iter().any(|took| took.as_millis() >= 5) {
        assert!(begun.elapsed() < LONG, "{quickest:?}");
        thread::park_timeout(GATHER_TIME);
        for quickest in &mut quickest {
            *quickest = took(&content(&path)).min(*quickest);
        }
    }
}
