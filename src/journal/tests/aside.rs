//! Segments that are damaged are kept for whoever can make more of them.

use std::path::{Path, PathBuf};

use super::script::{Ledger, Operation, open, outstanding, run};
use crate::journal::fixture::{Loss, MemoryFiles, at};
use crate::journal::frame::FRAME_HEAD;
use crate::journal::recovery::BEGIN_BYTES;
use crate::journal::segment;
use crate::journal::store::{ASIDE_MAX, Store};
use crate::push::PushId;

fn path(name: &str) -> PathBuf {
    Path::new("/journal").join(name)
}

fn garbage(number: u32) -> Vec<u8> {
    let byte = u8::try_from(number).unwrap();
    vec![byte; 5000]
}

fn aside(files: &MemoryFiles) -> Vec<u32> {
    let paths = files.paths();
    let names = paths
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap());
    names.filter_map(segment::number_aside).collect()
}

fn rotate(store: &mut Store) {
    store.rotate().unwrap();
    while store.is_carrying() {
        store.carry(300, at(0).unix).unwrap();
    }
}

#[test]
fn a_journal_of_which_nothing_can_be_read_is_kept_aside_and_the_next_one_is_begun() {
    let files = MemoryFiles::default();
    for number in [3, 4] {
        files.put(&path(&segment::name(number)), garbage(number));
    }
    let (store, recovered) = open(&files).unwrap();
    assert_eq!((recovered.damaged, recovered.damage.len()), (2, 2));
    assert_eq!((recovered.bytes, recovered.outstanding), (10_000, 0));
    assert!(recovered.damage.iter().all(|damage| damage.bytes == 5000));
    drop(store);
    for number in [3, 4] {
        assert_eq!(
            files.content(&path(&segment::aside(number))),
            garbage(number)
        );
    }
    assert_eq!(files.paths().len(), 3);
    let new = path(&segment::name(5));
    assert!(files.paths().contains(&new), "no number is used twice");
    // No crash loop: the next start finds an empty journal, and the old ones where they were.
    let (_, recovered) = open(&files).unwrap();
    assert_eq!((recovered.damaged, recovered.segments), (0, 1));
    assert_eq!(aside(&files), [3, 4]);
}

#[test]
fn damaged_heads_alone_lose_nothing_and_whole_files_are_kept() {
    let files = MemoryFiles::default();
    run(
        &files,
        &[Operation::Append(vec![2, 1]), Operation::Sync],
        &mut Ledger::default(),
    );
    let whole = outstanding(&files).0;
    let name = path(&segment::name(1));
    let mut content = files.content(&name);
    content[..segment::SEGMENT_HEAD].fill(0);
    files.put(&name, content.clone());
    let (mut store, recovered) = open(&files).unwrap();
    assert_eq!((recovered.damaged, recovered.outstanding), (1, 3));
    // The room behind the records goes.
    content.truncate(usize::try_from(recovered.bytes).unwrap());
    rotate(&mut store);
    drop(store);
    assert_eq!(outstanding(&files).0, whole);
    assert_eq!(aside(&files), [1]);
    assert!(
        files
            .content(&path(&segment::aside(1)))
            .starts_with(&content)
    );
    assert!(!files.paths().contains(&name));
}

#[test]
fn a_newest_segment_of_which_nothing_can_be_read_costs_what_only_it_had() {
    let files = MemoryFiles::default();
    run(
        &files,
        &[Operation::Append(vec![2, 1]), Operation::Sync],
        &mut Ledger::default(),
    );
    let old = outstanding(&files).0;
    files.put(&path(&segment::name(2)), garbage(2));
    let (mut store, recovered) = open(&files).unwrap();
    assert_eq!((recovered.damaged, recovered.outstanding), (1, 3));
    assert_eq!(aside(&files), [2]);
    rotate(&mut store);
    drop(store);
    assert_eq!(outstanding(&files).0, old);
    assert!(
        files.paths().contains(&path(&segment::name(3))),
        "{:?}",
        files.paths()
    );
    assert_eq!(files.content(&path(&segment::aside(2))), garbage(2));
}

#[test]
fn an_older_segment_of_which_nothing_can_be_read_is_kept_when_it_goes() {
    let files = MemoryFiles::default();
    run(
        &files,
        &[Operation::Append(vec![2, 1]), Operation::Sync],
        &mut Ledger::default(),
    );
    let (mut store, _) = open(&files).unwrap();
    store.rotate().unwrap();
    drop(store);
    files.put(&path(&segment::name(1)), garbage(1));
    let (mut store, recovered) = open(&files).unwrap();
    assert_eq!((recovered.segments, recovered.damaged), (2, 1));
    while store.is_carrying() {
        store.carry(300, at(0).unix).unwrap();
    }
    assert_eq!(files.content(&path(&segment::aside(1))), garbage(1));
    assert_eq!(files.paths().len(), 2);
}

#[test]
fn a_segment_whose_begin_was_interrupted_is_no_damage_unless_it_is_empty_and_is_told() {
    let most = usize::try_from(BEGIN_BYTES).unwrap();
    let begun = [10, 24, 58, most].map(|bytes| vec![0; bytes]);
    for content in begun
        .into_iter()
        .chain([vec![], segment::head(2, 1).to_vec()])
    {
        let bytes = content.len();
        let files = MemoryFiles::default();
        run(
            &files,
            &[Operation::Append(vec![2]), Operation::Sync],
            &mut Ledger::default(),
        );
        files.put(&path(&segment::name(2)), content);
        let (_, recovered) = open(&files).unwrap();
        let damaged = u64::from(bytes == 0);
        assert_eq!(
            (recovered.damaged, recovered.outstanding),
            (damaged, 2),
            "{bytes}"
        );
        let told = recovered.torn.map(|torn| (torn.offset, torn.bytes));
        assert_eq!(told, (bytes > 0).then_some((0, bytes as u64)));
        assert!(aside(&files).is_empty());
        assert_eq!(files.paths().len(), 1, "it is removed");
    }
    let files = MemoryFiles::default();
    files.put(&path(&segment::name(2)), vec![0; most + 1]);
    assert_eq!(open(&files).unwrap().1.damaged, 1);
    assert_eq!(aside(&files), [2], "it held something");
}

#[test]
fn what_a_head_without_records_needs_is_missed() {
    for (base, told) in [(1, vec![1, 2]), (2, vec![2])] {
        let files = MemoryFiles::default();
        files.put(&path(&segment::name(2)), segment::head(2, base).to_vec());
        let recovered = open(&files).unwrap().1;
        assert_eq!(recovered.damaged, told.len() as u64);
        for number in told {
            let name = path(&segment::name(number));
            let mut places = recovered.damage.iter();
            assert!(places.any(|damage| damage.path == name && damage.bytes == 0));
        }
    }
}

#[test]
fn the_first_bytes_of_a_segment_are_short() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let mut batch = store.batch();
    batch.note_ids(PushId::END - 1);
    store.write(batch, at(0).unix).unwrap();
    store.sync().unwrap();
    drop(store);
    let (mut store, _) = open(&files).unwrap();
    assert_eq!(store.ids(), PushId::END - 1, "there is none that is longer");
    store.set_doubt(u64::MAX);
    let before = files.used();
    store.rotate().unwrap();
    // The first segment of all says too that nothing older is needed.
    let complete = FRAME_HEAD as u64;
    assert!(
        files.used() - before + complete <= BEGIN_BYTES,
        "{}",
        files.used() - before
    );
}

#[test]
fn of_too_many_segments_that_are_kept_aside_the_oldest_goes() {
    let files = MemoryFiles::default();
    let most = u32::try_from(ASIDE_MAX).unwrap();
    for round in 0..most + 2 {
        let newest = files
            .paths()
            .iter()
            .filter_map(|path| segment::number(path.file_name()?.to_str()?))
            .max()
            .unwrap_or(1);
        files.put(&path(&segment::name(newest)), garbage(newest));
        drop(open(&files).unwrap());
        let kept = aside(&files);
        assert_eq!(kept.len(), ASIDE_MAX.min(round as usize + 1), "{kept:?}");
        assert_eq!(kept.last(), Some(&newest));
    }
    assert_eq!(aside(&files), (3..=most + 2).collect::<Vec<_>>());
}

/// A crash at any point of a start that keeps something aside loses neither that nor the rest.
#[test]
fn a_crash_while_something_is_kept_aside_loses_nothing() {
    let prepared = || {
        let files = MemoryFiles::default();
        run(
            &files,
            &[Operation::Append(vec![2, 1]), Operation::Sync],
            &mut Ledger::default(),
        );
        files.put(&path(&segment::name(2)), garbage(2));
        files
    };
    let start = |files: &MemoryFiles| {
        let Ok((mut store, _)) = open(files) else {
            return;
        };
        let _begun = store.rotate().is_ok();
        for _ in 0..10 {
            let _carried = store.carry(300, at(0).unix).is_ok();
        }
    };
    let whole = prepared();
    start(&whole);
    for operation in 0..whole.operations() {
        for loss in [Loss::Nothing, Loss::Unsynced] {
            let files = prepared();
            let before = outstanding(&files).0;
            files.power_off_at(operation);
            start(&files);
            let files = files.reboot(loss);
            assert_eq!(outstanding(&files).0, before, "{operation} {loss:?}");
            start(&files);
            assert_eq!(outstanding(&files).0, before, "{operation} {loss:?}");
            assert_eq!(files.content(&path(&segment::aside(2))), garbage(2));
        }
    }
}
