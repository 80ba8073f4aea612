//! A start after a failed sync: nothing is written to that file, and never are more than two
//! segments read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::script::{Ledger, Operation, open, outstanding, run};
use crate::journal::batch::Group;
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault, accepted, at};
use crate::journal::store::{DRAFT_BYTES, Store};
use crate::journal::{FAILED_SYNC, Fault};

fn marker() -> PathBuf {
    PathBuf::from("/journal").join(FAILED_SYNC)
}

/// Two segments, the checkpoint of the second one not complete, and its sync has failed.
fn spoilt() -> MemoryFiles {
    let files = MemoryFiles::default();
    let script = [
        Operation::Append(vec![1, 2, 3]),
        Operation::Sync,
        Operation::Settle(3),
        Operation::Leave(2),
    ];
    let script: Vec<_> = script.iter().cycle().take(4 * 6).cloned().collect();
    run(&files, &script, &mut Ledger::default());
    let (mut store, _) = open(&files).unwrap();
    store.rotate().unwrap();
    store.carry(300, at(0).unix).unwrap();
    assert!(store.is_carrying());
    files.fail_syncs(true);
    assert!(store.sync().is_err());
    files.fail_syncs(false);
    drop(store);
    assert_eq!(files.paths().len(), 3);
    files
}

fn ids(files: &MemoryFiles) -> BTreeSet<u64> {
    outstanding(files).0.into_keys().collect()
}

#[test]
fn the_start_makes_one_segment_of_all() {
    let files = spoilt();
    let before = outstanding(&files).0;
    let (store, recovered) = open(&files).unwrap();
    assert_eq!((recovered.segments, recovered.damaged), (2, 0));
    assert!(!store.is_carrying());
    assert_eq!(
        files.paths(),
        [PathBuf::from("/journal/0000000003.journal")]
    );
    let (after, recovered) = outstanding(&files.reboot(Loss::Unsynced));
    assert_eq!(after, before);
    assert_eq!(recovered.segments, 1);
}

#[test]
fn a_crash_at_any_point_of_it_leaves_two_segments_at_most() {
    let whole = spoilt();
    let start = whole.operations();
    drop(open(&whole).unwrap());
    assert!(whole.operations() - start > 5);
    for operation in start..whole.operations() {
        for seed in 0..8 {
            let loss = match seed {
                0 => Loss::Nothing,
                1 => Loss::Unsynced,
                _ => Loss::Torn(operation * 8 + seed),
            };
            // What was not synced when the sync failed may go at any time: without that.
            let files = spoilt().reboot(Loss::Nothing);
            let before = ids(&files);
            files.power_off_at(operation - start);
            let _opened = open(&files).is_ok();
            let files = files.reboot(loss);
            let (found, recovered) = outstanding(&files);
            assert!(found.keys().eq(&before), "{operation} {loss:?}");
            assert!(recovered.segments <= 2, "{operation} {loss:?}: {recovered}");
            // And the next start comes to the end.
            drop(open(&files).unwrap());
            assert_eq!(ids(&files), before);
            assert!(recovered.segments <= 2);
            assert_eq!(files.paths().len(), 1, "{:?}", files.paths());
        }
    }
}

#[test]
fn without_room_for_all_nothing_is_written_until_there_is() {
    let files = spoilt();
    let before = ids(&files);
    let content = files.content(&PathBuf::from("/journal/0000000002.journal"));
    files.set_capacity(Some(files.used() + 200));
    let (mut store, recovered) = open(&files).unwrap();
    assert_eq!(recovered.outstanding, before.len() as u64);
    let batch = |store: &Store| {
        let mut batch = store.batch();
        let request = [accepted(1 << 40, 1)];
        batch.add(&Group::of(&request, None).unwrap());
        batch
    };
    assert!(store.write(batch(&store), at(0).unix).is_err());
    assert_eq!(
        files.content(&PathBuf::from("/journal/0000000002.journal")),
        content
    );
    assert_eq!(files.paths().len(), 3);
    files.set_capacity(None);
    store.write(batch(&store), at(0).unix).unwrap();
    store.sync().unwrap();
    assert_eq!(files.paths().len(), 1);
    let found = ids(&files.reboot(Loss::Unsynced));
    assert_eq!(found.len(), before.len() + 1);
}

#[test]
fn a_read_that_fails_meanwhile_keeps_it_from_starting_and_changes_nothing() {
    for read in 0.. {
        let files = spoilt();
        let before = ids(&files);
        files.set_read_fault(Some(ReadFault::Fails(read..u64::MAX)));
        let opened = open(&files);
        let is_through = files.reads() <= read;
        files.set_read_fault(None);
        match opened {
            Ok(opened) => drop(opened),
            Err(error) => {
                assert!(
                    !is_through && matches!(error.fault, Fault::Unreadable(_)),
                    "{error}"
                );
            }
        }
        if is_through {
            assert!(read > 10, "{read}");
            break;
        }
        assert!(files.paths().contains(&marker()) || files.paths().len() == 1);
        assert_eq!(ids(&files), before, "{read}");
        let (_, recovered) = open(&files).unwrap();
        assert_eq!(recovered.outstanding, before.len() as u64);
        assert_eq!(ids(&files), before, "{read}");
    }
}

#[test]
fn a_draft_of_more_than_is_written_at_once_has_everything() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let mut id = 1;
    while files.used() < 3 * DRAFT_BYTES as u64 {
        let request: Vec<_> = (0..100)
            .map(|number| accepted(id + 30 * number, 30))
            .collect();
        id += 3000;
        let mut batch = store.batch();
        batch.add(&Group::of(&request, None).unwrap());
        store.write(batch, at(0).unix).unwrap();
    }
    store.sync().unwrap();
    drop(store);
    files.put(&marker(), Vec::new());
    let before = ids(&files);
    let operations = files.operations();
    drop(open(&files).unwrap());
    assert_eq!(
        files.paths(),
        [PathBuf::from("/journal/0000000002.journal")]
    );
    assert!(
        files.operations() - operations > 8,
        "it was written in pieces"
    );
    assert_eq!(ids(&files.reboot(Loss::Unsynced)), before);
}
