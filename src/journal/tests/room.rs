//! Room that is made ahead of what is written.

use std::path::PathBuf;
use std::time::Duration;

use super::script::{self, open_with, outstanding, settings};
use crate::journal::batch::Group;
use crate::journal::fixture::{Loss, MemoryFiles, accepted, at};
use crate::journal::store::Store;
use crate::journal::{DiskFiles, Files, Journal, Settings, State};
use crate::push::{End, PushId};

const LONG: Duration = Duration::from_secs(10);

fn segment() -> PathBuf {
    PathBuf::from("/journal/0000000001.journal")
}

/// With so much of it at a time, in one segment.
fn with_room(room_bytes: u64) -> Settings {
    Settings {
        room_bytes,
        segment_bytes: 1 << 30,
        ..settings()
    }
}

fn journal(files: &MemoryFiles, room_bytes: u64) -> Journal {
    script::journal(files, with_room(room_bytes)).0
}

fn append(journal: &Journal, id: u64) {
    journal.append([&accepted(id, 1)], None).unwrap();
}

#[test]
fn a_segment_grows_a_piece_at_a_time_and_ends_behind_its_last_record() {
    let files = MemoryFiles::default();
    let journal = journal(&files, 10_000);
    append(&journal, 1);
    let grown = files.content(&segment()).len();
    assert!((10_000..11_000).contains(&grown), "{grown}");
    for id in 2..20 {
        append(&journal, id);
        assert_eq!(files.content(&segment()).len(), grown);
    }
    assert_eq!(journal.bytes(), grown as u64, "what is taken is told");
    for id in 20..200 {
        append(&journal, id);
    }
    // As after a kill, and after a power failure.
    for loss in [Loss::Nothing, Loss::Unsynced] {
        let (found, recovered) = outstanding(&files.reboot(loss));
        assert_eq!((found.len(), recovered.damaged), (199, 0));
        assert_eq!(recovered.torn, None);
        let room = files.content(&segment()).len() as u64 - recovered.bytes;
        assert!(room > 0 && room <= 10_000, "{room}");
    }
    drop(journal);
    let (found, recovered) = outstanding(&files);
    assert_eq!(found.len(), 199);
    let whole = files.content(&segment()).len() as u64;
    assert_eq!(recovered.bytes, whole);
}

#[test]
fn a_bit_that_flips_in_the_room_costs_nothing() {
    let files = MemoryFiles::default();
    let journal = journal(&files, 1000);
    append(&journal, 1);
    let content = files.content(&segment());
    let end = usize::try_from(outstanding(&files).1.bytes).unwrap();
    assert!(content.len() > end + 300);
    let copy = MemoryFiles::default();
    for at in end..content.len() {
        let mut flipped = content.clone();
        flipped[at] ^= 0x40;
        copy.put(&segment(), flipped);
        let (found, recovered) = outstanding(&copy);
        assert_eq!((found.len(), recovered.damaged), (1, 0), "{at}");
        let torn = recovered.torn.unwrap();
        assert_eq!(
            torn.bytes,
            (at + 1 - end) as u64,
            "but for the zeros behind"
        );
    }
}

#[test]
fn a_file_system_that_makes_no_room_takes_records_all_the_same() {
    let files = MemoryFiles::default();
    files.make_no_room();
    let journal = journal(&files, 400);
    for id in 1..50 {
        append(&journal, id);
    }
    let (found, recovered) = outstanding(&files.reboot(Loss::Unsynced));
    let whole = files.content(&segment()).len() as u64;
    assert_eq!((found.len(), recovered.bytes), (49, whole));
}

/// Of a piece that is more than there is the file system may make some all the same.
#[test]
fn on_a_full_disk_no_room_is_kept_and_what_is_free_in_it_counts_as_free() {
    let files = MemoryFiles::default();
    files.set_capacity(Some(2000));
    let (mut store, _) = open_with(&files, with_room(5000)).unwrap();
    let free = |store: &Store| store.free_space();
    assert_eq!(free(&store) + files.used(), 2000, "no room was left behind");
    files.set_capacity(Some(20_000));
    for first_id in (1..20).map(|n| 100 * n) {
        let (before, used) = (free(&store), store.written());
        let mut batch = store.batch();
        batch.add(&Group::of([&accepted(first_id, 30)], None).unwrap());
        store.write(batch, at(0).unix).unwrap();
        assert_eq!(before - free(&store), store.written() - used);
    }
    assert!(
        free(&store) + files.used() > 20_000,
        "some of it is in the room"
    );
}

#[test]
fn what_room_there_is_takes_settlements_when_the_disk_is_full() {
    let files = MemoryFiles::default();
    let journal = journal(&files, 5000);
    journal.append([&accepted(1, 9)], None).unwrap();
    files.set_capacity(Some(files.used()));
    for id in 1..=8 {
        journal.settle([(PushId(id), End::Succeeded)]);
        assert_eq!(journal.keep_settled(LONG), Some(Ok(())));
    }
    assert_eq!(journal.state(), State::Serving);
    drop(journal);
    assert!(outstanding(&files).0.keys().eq(&[9]));
}

/// The machine's own: what is made reads as zeros and takes of the disk.
#[test]
fn room_on_a_disk_is_zeros_up_to_where_it_was_asked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let file = DiskFiles.create(&scratch.path().join("segment")).unwrap();
    file.write_at(b"record", 0).unwrap();
    if file.make_room(10_000).is_err() {
        // Not every file system can.
        assert!(file.len().unwrap() >= 6);
        return;
    }
    file.make_room(9000).unwrap();
    assert_eq!(file.len().unwrap(), 10_000, "nothing is cut off");
    let mut content = vec![1; 10_000];
    assert_eq!(file.read_at(&mut content, 0).unwrap(), 10_000);
    assert!(content.starts_with(b"record") && content[6..].iter().all(|byte| *byte == 0));
}
