//! Disks that are full, broken or read-only, and formats that are not known.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::script::{journal, open, outstanding, settings, until};
use crate::journal::batch::Group;
use crate::journal::files::Files as _;
use crate::journal::fixture::{Loss, MemoryFiles, Part, accepted, at};
use crate::journal::turns::PANICKED;
use crate::journal::{
    Closed, FAILED_SYNC, FORMAT_VERSION, Fault, Journal, OLDEST_FORMAT, Refused, State,
};
use crate::push::{End, LaneId, Provider, PushId};

const RESERVE: u64 = 2000;

#[test]
fn a_full_disk_refuses_before_the_cliff_settles_all_the_same_and_recovers_by_itself() {
    const ROOM: u64 = 1000;
    let files = MemoryFiles::default();
    let mut with_reserve = settings();
    with_reserve.reserve_bytes = RESERVE;
    with_reserve.segment_bytes = 1 << 30;
    files.set_capacity(Some(RESERVE + ROOM));
    let (journal, _) = journal(&files, with_reserve);
    journal.append([&accepted(1, 3)], None).unwrap();
    let mut refused = None;
    until("it is refused", || {
        refused = journal.append([&accepted(10, 3)], None).err();
        refused.is_some()
    });
    assert!(files.used() < ROOM + RESERVE / 2, "{}", files.used());
    let later = journal.append([&accepted(20, 1)], None).unwrap_err();
    for refused in [refused.unwrap(), later] {
        let State::Full { needed, .. } = refused.state else {
            panic!("{refused:?}");
        };
        assert_eq!((needed, refused.is_unknown), (RESERVE, false));
        let said = refused.to_string();
        assert!(
            said.contains("disk under the journal /journal is full"),
            "{said}"
        );
    }
    let taken = journal.outstanding();
    journal.settle([(PushId(2), End::Succeeded)]);
    until("the reserve takes settlements", || {
        journal.outstanding() == taken - 1
    });
    assert!(matches!(journal.state(), State::Full { .. }));

    files.set_capacity(None);
    let start = Instant::now();
    until("it takes pushes again", || {
        journal.append([&accepted(30, 1)], None).is_ok()
    });
    assert!(start.elapsed().as_secs() < 5);
    assert_eq!(journal.state(), State::Serving);
    let found = outstanding(&files.reboot(Loss::Unsynced)).0;
    assert!(!found.contains_key(&20) && found.contains_key(&30));
}

#[test]
fn a_disk_that_is_full_at_the_start_is_told_before_a_push_is_refused() {
    let files = MemoryFiles::default();
    let mut with_reserve = settings();
    with_reserve.reserve_bytes = RESERVE;
    files.set_capacity(Some(RESERVE - 1));
    let (journal, _) = journal(&files, with_reserve);
    let state = journal.state();
    assert!(matches!(state, State::Full { .. }), "{state:?}");
    let disk = journal.disk().unwrap();
    assert!(disk.needed == RESERVE && disk.free < RESERVE, "{disk:?}");
    files.set_capacity(None);
    until("it takes pushes", || journal.state() == State::Serving);
    assert!(journal.disk().unwrap().free > RESERVE);
}

#[test]
fn a_write_that_finds_no_room_is_taken_back() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 2)], None).unwrap();
    let before = files.used();
    files.set_capacity(Some(before + 100));
    let refused = journal.append([&accepted(10, 30)], None).unwrap_err();
    assert!(
        matches!(refused.state, State::Full { free: 0, .. }) && !refused.is_unknown,
        "{refused:?}"
    );
    files.set_capacity(None);
    until("it takes pushes again", || {
        journal.append([&accepted(50, 1)], None).is_ok()
    });
    for loss in [Loss::Nothing, Loss::Unsynced] {
        let (found, recovered) = outstanding(&files.reboot(loss));
        assert!(found.keys().eq(&[1, 2, 50]), "{found:?}");
        assert_eq!((recovered.damaged, recovered.torn), (0, None));
    }
}

#[test]
fn what_could_not_be_taken_back_is_before_anything_else_is_written() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let mut write = |first_id, tokens| {
        let mut batch = store.batch();
        batch.add(&Group::of(&[accepted(first_id, tokens)], None).unwrap());
        store.write(batch, at(0).unix)
    };
    write(1, 1).unwrap();
    let next = files.operations();
    files.break_changes(next..next + 2, Part::Half);
    write(10, 30).unwrap_err();
    assert_eq!(files.broken(), 2);
    write(50, 1).unwrap();
    let (found, recovered) = outstanding(&files.reboot(Loss::Nothing));
    assert!(found.keys().eq(&[1, 50]), "{found:?}");
    assert_eq!((recovered.damaged, recovered.torn), (0, None));
}

#[test]
fn settlements_that_found_no_room_are_written_later() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 2)], None).unwrap();
    files.set_capacity(Some(files.used()));
    journal.settle([(PushId(1), End::Succeeded)]);
    until("it is noticed", || {
        matches!(journal.state(), State::Full { .. })
    });
    assert_eq!(journal.outstanding(), 2);
    files.set_capacity(None);
    until("it is written", || journal.outstanding() == 1);
    // At the end it is not too early to try it again.
    files.set_capacity(Some(files.used()));
    journal.settle([(PushId(2), End::Succeeded)]);
    until("it is noticed", || journal.state() != State::Serving);
    files.set_capacity(None);
    let (outstanding, unwritten) = (0, 0);
    let all = Closed {
        outstanding,
        unwritten,
    };
    assert_eq!(journal.close(), all);
}

#[test]
fn after_a_failed_sync_nothing_is_written_to_that_file_again() {
    let files = MemoryFiles::default();
    let (failed, _) = journal(&files, settings());
    failed.append([&accepted(1, 2)], None).unwrap();
    files.fail_syncs(true);
    let refused = failed.append([&accepted(10, 1)], None).unwrap_err();
    assert!(refused.state.is_fatal(), "{refused:?}");
    let said = refused.to_string();
    assert!(
        said.contains("sync of /journal/0000000001.journal failed: the disk is broken"),
        "{said}"
    );
    files.fail_syncs(false);
    let (changes, syncs) = (files.operations(), files.syncs());
    failed.settle([(PushId(1), End::Succeeded)]);
    assert!(refused.is_unknown, "no note could be left");
    let later = failed.append([&accepted(20, 1)], None).unwrap_err();
    assert_eq!((later.state, later.is_unknown), (refused.state, false));
    let closed = failed.close();
    assert_eq!(closed.unwritten, 1);
    assert!(failed.state().is_fatal(), "even when it is closed");
    assert_eq!((files.operations(), files.syncs()), (changes, syncs));

    // The next process has what was durable, and goes on in another file.
    let old = PathBuf::from("/journal/0000000001.journal");
    let (next, recovered) = journal(&files, settings());
    assert!(recovered.outstanding >= 2);
    next.append([&accepted(30, 1)], None).unwrap();
    until("all is carried over", || {
        let paths = files.paths();
        !paths.contains(&old) && !paths.iter().any(|path| path.ends_with(FAILED_SYNC))
    });
    let found = outstanding(&files.reboot(Loss::Unsynced)).0;
    assert!([1, 2, 30].iter().all(|id| found.contains_key(id)));
    assert!(!found.contains_key(&20));
}

#[test]
fn after_an_error_of_the_program_nobody_waits() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    let journal = Arc::new(journal);
    files.break_changes(files.operations()..u64::MAX, Part::Panics);
    for is_unknown in [true, false] {
        let at_it = Arc::clone(&journal);
        let caller = thread::spawn(move || at_it.append([&accepted(1, 1)], None));
        until("it is refused", || caller.is_finished());
        let state = State::Failed {
            why: PANICKED.to_owned(),
        };
        let refused = Refused { state, is_unknown };
        assert_eq!(caller.join().unwrap(), Err(refused));
    }
}

#[test]
fn a_disk_that_is_mounted_read_only_is_named_and_tried_again() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 1)], None).unwrap();
    files.set_read_only(true);
    let refused = journal.append([&accepted(10, 1)], None).unwrap_err();
    assert!(matches!(refused.state, State::Unwritable { .. }));
    let said = refused.to_string();
    assert!(
        said.contains("/journal/0000000001.journal: read-only filesystem"),
        "{said}"
    );
    files.set_read_only(false);
    until("it takes pushes again", || {
        journal.append([&accepted(20, 1)], None).is_ok()
    });
    let found = outstanding(&files.reboot(Loss::Unsynced)).0;
    assert!(found.keys().eq(&[1, 20]), "{found:?}");
}

#[test]
fn a_directory_that_cannot_be_written_is_no_journal() {
    let files = MemoryFiles::default();
    files.set_read_only(true);
    let error = open(&files).unwrap_err();
    assert!(matches!(error.fault, Fault::Unusable(_)), "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains("journal's directory /journal cannot be used: read-only"),
        "{said}"
    );
}

#[test]
fn room_that_was_made_for_records_to_come_is_the_end_of_a_segment() {
    let files = MemoryFiles::default();
    let (before, _) = journal(&files, settings());
    before.append([&accepted(7, 3)], None).unwrap();
    drop(before);
    let path = PathBuf::from("/journal/0000000001.journal");
    let written = files.content(&path);
    for room in [1, 11, 5000, 3 << 20] {
        files.put(&path, [&written[..], &vec![0; room]].concat());
        let (found, recovered) = outstanding(&files);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&7, &8, &9]);
        assert_eq!((recovered.torn, recovered.damaged), (None, 0), "{room}");
    }
    let (after, recovered) = journal(&files, settings());
    assert_eq!(
        (recovered.torn, recovered.bytes),
        (None, written.len() as u64)
    );
    after.append([&accepted(20, 1)], None).unwrap();
    assert!(files.content(&path).len() > 3 << 20, "the room is used");
    drop(after);
    let left = files.content(&path).len();
    assert!(left < 3 * written.len(), "and given back: {left}");
    assert!(outstanding(&files).0.keys().eq(&[7, 8, 9, 20]));
    // In an older segment, which has all its records, it would be damage.
    let (mut store, _) = open(&files).unwrap();
    store.rotate().unwrap();
    drop(store);
    let (found, recovered) = outstanding(&files);
    assert!(found.keys().eq(&[7, 8, 9, 20]));
    assert_eq!((recovered.segments, recovered.damaged), (2, 0));
    let begun = PathBuf::from("/journal/0000000002.journal");
    files.remove(&begun).unwrap();
    // A write that was interrupted, with room behind it, is none of that.
    let torn = [&written[..], &[0xf9, 0xfe, 1], &[0; 5000][..]].concat();
    files.put(&path, torn);
    let torn = outstanding(&files).1.torn.unwrap();
    assert_eq!((torn.offset, torn.bytes), (written.len() as u64, 3));
}

#[test]
fn a_segment_with_other_numbers_for_the_lanes_is_read_and_not_gone_on_with() {
    let files = MemoryFiles::default();
    let (before, _) = journal(&files, settings());
    let swapped = [
        LaneId::new(LaneId::ANDROID.number(), Provider::Apns, LaneId::IOS.name()),
        LaneId::new(LaneId::IOS.number(), Provider::Fcm, LaneId::ANDROID.name()),
    ];
    for (first_id, lane) in [10, 20].into_iter().zip(swapped) {
        let mut accepted = accepted(first_id, 2);
        accepted.envelope.lane = lane;
        before.append([&accepted], None).unwrap();
    }
    drop(before);
    let ids = |journal: &Journal, lane| {
        let fed = journal.feed(lane, 9).notifications;
        fed.iter()
            .map(|of| (of.first_id.0, of.envelope.lane))
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let (after, _) = journal(&files, settings());
        assert_eq!(ids(&after, LaneId::IOS), [(10, LaneId::IOS)]);
        assert_eq!(ids(&after, LaneId::ANDROID), [(20, LaneId::ANDROID)]);
        drop(after);
        let first = PathBuf::from("/journal/0000000001.journal");
        assert!(!files.paths().contains(&first), "it was replaced");
    }
}

/// A segment as it was, but for the version of its format.
fn of_format(files: &MemoryFiles, path: &Path, version: u8) -> Vec<u8> {
    let mut content = files.content(path);
    content[8] = version;
    let sum = crc32c::crc32c(&content[..20]).to_le_bytes();
    content[20..24].copy_from_slice(&sum);
    content
}

#[test]
fn a_format_that_is_not_known_is_refused_and_left_alone() {
    let files = MemoryFiles::default();
    drop(open(&files).unwrap());
    let path = PathBuf::from("/journal/0000000001.journal");
    let drain = "(sterna recover -c FILE --journal /journal), then remove the files \
                 /journal/*.journal and start again";
    for (version, advice) in [
        (1, drain),
        (2, drain),
        (9, "start the newer version that wrote it"),
    ] {
        let content = of_format(&files, &path, version);
        files.put(&path, content.clone());
        let error = open(&files).unwrap_err();
        let Fault::UnknownVersion(found) = error.fault else {
            panic!("{error:?}");
        };
        assert_eq!(found, u32::from(version));
        let said = error.to_string();
        assert!(
            said.contains(&format!("has format version {version}")),
            "{said}"
        );
        assert!(
            said.contains(&format!("knows {OLDEST_FORMAT} to {FORMAT_VERSION} alone")),
            "{said}"
        );
        assert!(said.contains(advice), "{said}");
        assert_eq!(files.content(&path), content);
    }
}

#[test]
fn a_journal_of_a_format_before_goes_on_in_a_segment_of_this_one() {
    for version in OLDEST_FORMAT..FORMAT_VERSION {
        goes_on_in_a_segment_of_this_format(version);
    }
}

fn goes_on_in_a_segment_of_this_format(version: u32) {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(1, 2)], None).unwrap();
    drop(first);
    let paths = [1, 2].map(|number| PathBuf::from(format!("/journal/000000000{number}.journal")));
    let [older, newer] = &paths;
    let content = of_format(&files, older, u8::try_from(version).unwrap());
    files.put(older, content.clone());
    let (found, recovered) = outstanding(&files);
    assert_eq!(
        (found.len(), recovered.damaged),
        (2, 0),
        "read, not taken over"
    );
    assert_eq!(files.content(older), content);
    let (journal, recovered) = journal(&files, settings());
    assert_eq!((recovered.outstanding, recovered.damaged), (2, 0));
    assert_eq!(u32::from(files.content(newer)[8]), FORMAT_VERSION);
    journal.append([&accepted(IDS, 1)], None).unwrap();
    until("all is carried", || {
        files.paths() == std::slice::from_ref(newer)
    });
    drop(journal);
    assert_eq!(outstanding(&files).0.len(), 3);
}

/// There is not room for all of it twice, and more would not be made by what is settled if that
/// could not be noted.
#[test]
fn of_a_journal_of_the_format_before_settlements_are_noted_on_a_disk_that_cannot_hold_it_twice() {
    for is_torn in [false, true] {
        let files = MemoryFiles::default();
        let mut long = settings();
        long.segment_bytes = 1 << 30;
        let (first, _) = journal(&files, long.clone());
        for id in 0..20 {
            first.append([&accepted(1 + 100 * id, 30)], None).unwrap();
        }
        drop(first);
        let older = PathBuf::from("/journal/0000000001.journal");
        let mut content = of_format(&files, &older, u8::try_from(OLDEST_FORMAT).unwrap());
        if is_torn {
            content.extend_from_slice(&[7; 9]);
        }
        files.put(&older, content);
        let before = outstanding(&files).0.len() as u64;
        let room = files.used() / 2;
        files.set_capacity(Some(files.used() + room));
        long.reserve_bytes = room / 2;
        let (next, recovered) = journal(&files, long.clone());
        assert_eq!(recovered.outstanding, before);
        next.settle((1..=30).map(|id| (PushId(id), End::Succeeded)));
        until("they are noted", || next.outstanding() == before - 30);
        drop(next);
        for loss in [Loss::Nothing, Loss::Unsynced] {
            let files = files.reboot(loss);
            assert_eq!(outstanding(&files).1.outstanding, before - 30, "{loss:?}");
        }
        // Nor is what room there is used up after another start, and all is carried once there is.
        let (next, _) = journal(&files, long);
        next.settle((101..=130).map(|id| (PushId(id), End::Succeeded)));
        until("they are noted too", || next.outstanding() == before - 60);
        files.set_capacity(None);
        until("all is carried", || files.paths().len() == 1);
        drop(next);
        let (_, recovered) = outstanding(&files.reboot(Loss::Unsynced));
        assert_eq!((recovered.outstanding, recovered.damaged), (before - 60, 0));
    }
}

#[test]
fn a_full_disk_does_not_keep_what_is_outstanding_from_being_sent() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(1, 2)], None).unwrap();
    drop(first);
    files.set_capacity(Some(files.used()));
    let (full, recovered) = journal(&files, settings());
    assert_eq!(recovered.outstanding, 2);
    assert_eq!(full.feed(LaneId::IOS, 10).notifications.len(), 1);
    assert!(full.append([&accepted(IDS, 1)], None).is_err());
}

const IDS: u64 = 1 << 51;
