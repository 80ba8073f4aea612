//! What happens beyond our limits.

use crate::push::End;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use super::script::{journal, open_with, outstanding, settings, until};
use crate::journal::batch::Group;
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault, accepted, at};
use crate::journal::flusher::WRITE_BYTES;
use crate::journal::reading::TRIES;
use crate::journal::store::{LOOKS, Store, WORTHWHILE};
use crate::journal::{Fault, LAST_WRITES, State, read};

fn group(first_id: u64, tokens: usize) -> Group {
    Group::of([&accepted(first_id, tokens)], None).unwrap()
}

fn append(store: &mut Store, first_id: u64, tokens: usize) {
    let mut batch = store.batch();
    batch.add(&group(first_id, tokens));
    store.write(batch, at(0).unix).unwrap();
}

#[test]
fn more_than_is_written_at_once_takes_several_writes_and_one_sync() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    let tokens = WRITE_BYTES / 32;
    let bytes = group(1 << 30, tokens).len();
    assert!(bytes < WRITE_BYTES && 2 * bytes > WRITE_BYTES);
    let (operations, syncs) = thread::scope(|scope| {
        let held = files.hold_syncs();
        let first = scope.spawn(|| journal.append([&accepted(1, 1)], None));
        until("the first is at its sync", || journal.outstanding() == 1);
        let callers: Vec<_> = (1..=3_u64)
            .map(|number| {
                let (journal, first_id) = (&journal, number << 30);
                let caller =
                    scope.spawn(move || journal.append([&accepted(first_id, tokens)], None));
                until("it is queued", || {
                    journal.inbox.lock().requests.len() as u64 == number
                });
                caller
            })
            .collect();
        let before = (files.operations(), files.syncs());
        drop(held);
        first.join().unwrap().unwrap();
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
        let after = (files.operations(), files.syncs());
        (after.0 - before.0, after.1 - before.1)
    });
    // Two fill the first write, the third has one of its own. What follows is a new segment.
    assert!(operations >= 4, "{operations}");
    assert!(syncs >= 2, "{syncs}");
    assert_eq!(
        outstanding(&files.reboot(Loss::Unsynced)).0.len(),
        1 + 3 * tokens
    );
}

#[test]
fn on_a_full_disk_a_new_segment_begins_as_soon_as_it_is_worth_while() {
    let files = MemoryFiles::default();
    let mut long = settings();
    long.segment_bytes = 1 << 30;
    let (mut store, _) = open_with(&files, long).unwrap();
    let mut id = 1;
    loop {
        append(&mut store, id, 100);
        let mut batch = store.batch();
        let ids = (id..id + 100).map(|id| (id, Some(End::Succeeded)));
        batch.settle(ids.collect());
        store.write(batch, at(0).unix).unwrap();
        assert!(!store.is_long(false));
        // Two heads' worth of what a segment begins with.
        let is_worthwhile = store.written() > WORTHWHILE;
        assert!(store.is_long(true) || !is_worthwhile);
        if is_worthwhile {
            break;
        }
        assert!(!store.is_long(true) || store.written() + 200 > WORTHWHILE);
        id += 100;
    }
    store.rotate().unwrap();
    assert!(!store.is_long(true), "the new one is short");
}

#[test]
fn what_is_to_be_carried_is_found_behind_more_than_is_looked_at_under_one_lock() {
    let files = MemoryFiles::default();
    let mut long = settings();
    long.segment_bytes = 1 << 30;
    let (mut store, _) = open_with(&files, long).unwrap();
    let last = LOOKS as u64 * 3;
    append(&mut store, last, 1);
    store.rotate().unwrap();
    let mut batch = store.batch();
    for id in 1..=LOOKS as u64 * 2 {
        batch.add(&group(id, 1));
    }
    store.write(batch, at(0).unix).unwrap();
    while store.is_carrying() {
        store.carry(300, at(0).unix).unwrap();
    }
    assert_eq!(
        files.paths(),
        [PathBuf::from("/journal/0000000002.journal")]
    );
    drop(store);
    let found = outstanding(&files).0;
    assert!(found.contains_key(&last) && found.len() == 2 * LOOKS + 1);
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_process() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 1)], None).unwrap();
    let held = files.hold_syncs();
    let started = Instant::now();
    let closed = journal.close();
    let took = started.elapsed();
    assert!(took >= LAST_WRITES && took < 2 * LAST_WRITES, "{took:?}");
    assert_eq!(closed.outstanding, 1);
    assert_eq!(journal.state(), State::Closed, "nothing is taken");
    drop(held);
    assert_eq!(journal.close().outstanding, 1);
}

#[test]
fn a_journal_whose_segments_go_while_it_is_read_is_read_again_a_few_times() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 2)], None).unwrap();
    let try_with = |times| {
        files.set_read_fault(Some(ReadFault::Gone(times)));
        read(&files, Path::new("/journal"), at(0))
    };
    let reading = try_with(TRIES - 1).unwrap();
    assert_eq!(reading.recovered().outstanding, 2);
    let error = try_with(TRIES).unwrap_err();
    assert!(matches!(error.fault, Fault::Unreadable(_)), "{error:?}");
}
