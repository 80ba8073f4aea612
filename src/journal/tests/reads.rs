//! Disks that do not answer, now and then or in one place: nothing is lost or settled over it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use super::script::{Ledger, Operation, open, outstanding, run, settings, shared, until};
use crate::journal::batch::Group;
use crate::journal::files::Files as _;
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault, accepted, at};
use crate::journal::reader::{Reader, ReaderStep};
use crate::journal::segment::SEGMENT_HEAD;
use crate::journal::store::{Store, StoreTrouble};
use crate::journal::unread::{READ_AGAIN, UNREAD_MAX};
use crate::journal::{Fault, Fed, Journal, KEEP_ANSWERS, State, read};
use crate::push::{End, LaneId, PushId};

const EVERYTHING: usize = 1 << 20;

/// Two segments: the checkpoint of the second one is not complete.
fn two_segments() -> (MemoryFiles, BTreeSet<u64>) {
    let files = MemoryFiles::default();
    let mut ledger = Ledger::default();
    let script = [
        Operation::Append(vec![1, 2, 3]),
        Operation::Append(vec![2]),
        Operation::Sync,
        Operation::Settle(3),
        Operation::Leave(2),
    ];
    let script: Vec<_> = script.iter().cycle().take(5 * 12).cloned().collect();
    run(&files, &script, &mut ledger);
    let (mut store, _) = open(&files).unwrap();
    store.rotate().unwrap();
    store.sync().unwrap();
    drop(store);
    let ids = outstanding(&files).0.into_keys().collect();
    assert_eq!(files.paths().len(), 2);
    (files, ids)
}

fn ids(fed: &Fed) -> impl Iterator<Item = u64> {
    let pushes = fed.notifications.iter();
    pushes.flat_map(|some| some.pushes.iter().map(|(index, _)| some.id(*index).0))
}

/// Everything that a store feeds, time passing as needed.
fn feed_all(store: &Store) -> (BTreeMap<u64, usize>, BTreeSet<u64>) {
    let (mut fed, mut damaged) = (BTreeMap::new(), BTreeSet::new());
    let mut now = Instant::now();
    for platform in LaneId::DEFAULT_APP {
        for _ in 0..1000 {
            if store.catalogue().unfed(platform) == 0 {
                break;
            }
            let some = store.catalogue().feed(platform, 3, now);
            ids(&some).for_each(|id| *fed.entry(id).or_default() += 1);
            damaged.extend(some.damaged.iter().map(|id| id.0));
            now += READ_AGAIN;
        }
        assert_eq!(store.catalogue().unfed(platform), 0);
    }
    (fed, damaged)
}

/// Carries everything, as often as that takes.
fn carry_all(store: &mut Store) -> usize {
    let mut unreadable = 0;
    while store.is_carrying() {
        match store.carry(300, at(0).unix) {
            Ok(()) => {}
            Err(StoreTrouble::Unreadable(why)) => {
                assert!(
                    why.contains(".journal cannot be read: the disk does not answer"),
                    "{why}"
                );
                unreadable += 1;
                assert!(unreadable < 1000, "it does not come to an end");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    unreadable
}

#[test]
fn a_read_that_fails_at_the_start_is_no_damage_and_changes_nothing() {
    let (files, all) = two_segments();
    let before: Vec<_> = files
        .paths()
        .iter()
        .map(|path| files.content(path))
        .collect();
    let mut failures = 0;
    for read in 0.. {
        let files = files.reboot(Loss::Nothing);
        files.set_read_fault(Some(ReadFault::Fails(read..read + 1)));
        let opened = open(&files);
        if files.reads() <= read {
            break;
        }
        match opened {
            Ok(_) => {}
            Err(error) => {
                assert!(
                    matches!(error.fault, Fault::Unreadable(_)),
                    "{read}: {error}"
                );
                let said = error.to_string();
                assert!(
                    said.contains("/journal") && said.contains("cannot be read"),
                    "{said}"
                );
                failures += 1;
                assert_eq!(files.operations(), 0, "{read}: something was changed");
                let after: Vec<_> = files
                    .paths()
                    .iter()
                    .map(|path| files.content(path))
                    .collect();
                assert_eq!(after, before, "{read}");
            }
        }
        files.set_read_fault(None);
        assert!(outstanding(&files).0.keys().eq(&all), "{read}");
        drop(open(&files).unwrap());
    }
    assert!(failures > 5, "{failures}");
}

#[test]
fn no_file_of_a_journal_can_be_read_and_it_waits_for_a_better_day() {
    let (files, all) = two_segments();
    files.set_read_fault(Some(ReadFault::Location("journal", 0..u64::MAX)));
    for _ in 0..3 {
        let error = open(&files).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("0000000002.journal cannot be read: the disk"),
            "{said}"
        );
        assert!(
            said.contains("nothing in its directory was changed"),
            "{said}"
        );
    }
    files.set_read_fault(None);
    assert!(outstanding(&files).0.keys().eq(&all));
}

#[test]
fn a_read_that_fails_while_all_is_fed_makes_it_later_and_no_more() {
    let (files, all) = two_segments();
    for read in 0.. {
        let files = files.reboot(Loss::Nothing);
        let (store, _) = open(&files).unwrap();
        files.set_read_fault(Some(ReadFault::Fails(read..read + 2)));
        let (fed, damaged) = feed_all(&store);
        assert!(fed.keys().eq(&all), "{read}");
        assert!(fed.values().all(|times| *times == 1), "{fed:?}");
        assert!(damaged.is_empty());
        assert!(!store.catalogue().lock().unread.is_some());
        if files.reads() <= read {
            assert!(read > 10, "{read}");
            break;
        }
    }
}

#[test]
fn a_read_that_fails_while_all_is_carried_makes_it_later_and_no_more() {
    let (files, all) = two_segments();
    for read in 0.. {
        let files = files.reboot(Loss::Nothing);
        let (mut store, _) = open(&files).unwrap();
        files.set_read_fault(Some(ReadFault::Fails(read..read + 3)));
        let unreadable = carry_all(&mut store);
        if files.reads() <= read {
            assert_eq!(unreadable, 0);
            assert!(read > 10, "{read}");
            break;
        }
        assert!(!store.catalogue().lock().unread.is_some());
        let (found, recovered) = outstanding(&files.reboot(Loss::Unsynced));
        assert!(found.keys().eq(&all), "{read}");
        assert_eq!((recovered.segments, recovered.damaged), (1, 0));
        // What is fed is where it was carried to.
        let (fed, damaged) = feed_all(&store);
        assert!(fed.keys().eq(&all) && damaged.is_empty());
        drop(store);
        drop(open(&files).unwrap());
        assert_eq!(files.paths().len(), 1, "the old one is gone");
    }
}

#[test]
fn a_record_that_cannot_be_read_keeps_its_segment_and_nothing_else() {
    let (files, all) = two_segments();
    let old = PathBuf::from("/journal/0000000001.journal");
    let place = {
        let mut reading = read(&files, &PathBuf::from("/journal"), at(0)).unwrap();
        let victim = reading.nth(2).unwrap().unwrap();
        let text = format!("message {}", victim.first_id);
        let content = files.content(&old);
        let at = content
            .windows(text.len())
            .position(|some| some == text.as_bytes());
        let at = at.unwrap() as u64;
        (victim, at..at + 1)
    };
    let (mut store, _) = open(&files).unwrap();
    files.set_read_fault(Some(ReadFault::Location("01.journal", place.1)));
    let mut unreadable = 0;
    for _ in 0..200 {
        unreadable += usize::from(store.carry(300, at(0).unix).is_err());
    }
    assert!(unreadable > 20 && store.is_carrying());
    assert!(files.paths().contains(&old), "it is needed");
    assert!(store.catalogue().lock().unread.is_some());
    // Others are fed, and it stays to be fed.
    let mut now = Instant::now();
    let mut fed = BTreeSet::new();
    for platform in LaneId::DEFAULT_APP {
        for _ in 0..200 {
            let some = store.catalogue().feed(platform, 100, now);
            assert!(some.damaged.is_empty());
            fed.extend(ids(&some));
            now += READ_AGAIN;
        }
    }
    let victims: BTreeSet<u64> = place
        .0
        .pushes
        .iter()
        .map(|(at, _)| place.0.id(*at).0)
        .collect();
    assert_eq!(&fed | &victims, all);
    assert!(fed.is_disjoint(&victims));
    let platform = place.0.envelope.lane;
    assert_eq!(store.catalogue().unfed(platform), victims.len() as u64);
    // A crash loses nothing of it.
    let rebooted = files.reboot(Loss::Unsynced);
    assert!(outstanding(&rebooted).0.keys().eq(&all));
    // The disk answers again.
    files.set_read_fault(None);
    carry_all(&mut store);
    assert!(!files.paths().contains(&old));
    let late = store.catalogue().feed(platform, 100, now + READ_AGAIN);
    assert!(ids(&late).eq(victims));
    assert_eq!(store.catalogue().unfed(platform), 0);
}

#[test]
fn what_cannot_be_read_keeps_nothing_once_it_is_settled() {
    let (files, all) = two_segments();
    let (mut store, _) = open(&files).unwrap();
    files.set_read_fault(Some(ReadFault::Location("01.journal", 0..u64::MAX)));
    assert!(matches!(
        store.carry(300, at(0).unix),
        Err(StoreTrouble::Unreadable(_))
    ));
    let mut batch = store.batch();
    batch.settle(all.iter().map(|id| (*id, Some(End::Succeeded))).collect());
    store.write(batch, at(0).unix).unwrap();
    // Answers that cannot be read either are forgotten in their time.
    let later = at(0).unix + KEEP_ANSWERS;
    for _ in 0..10 {
        let _still = store.carry(300, later).is_err();
    }
    assert!(!store.is_carrying());
    assert_eq!(
        files.paths(),
        [PathBuf::from("/journal/0000000002.journal")]
    );
}

#[test]
fn what_is_read_again_comes_once_however_little_there_is_room_for() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let mut batch = store.batch();
    batch.add(&Group::of([&accepted(1, 5)], None).unwrap());
    store.write(batch, at(0).unix).unwrap();
    drop(store);
    let (store, _) = open(&files).unwrap();
    let feed = |room, now| {
        let fed = store.catalogue().feed(LaneId::IOS, room, now);
        ids(&fed).collect::<Vec<_>>()
    };
    let now = Instant::now();
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    assert!(feed(3, now).is_empty());
    files.set_read_fault(None);
    let again = [1, 1, 9].map(|room| feed(room, now + READ_AGAIN));
    assert_eq!(again, [vec![1], vec![2], vec![3, 4, 5]]);
}

#[test]
fn no_more_than_the_limit_is_passed_over_and_all_comes_in_the_end() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let most = UNREAD_MAX as u64 + 20;
    let request: Vec<_> = (0..most)
        .map(|number| accepted(1 + number * 3, 3))
        .collect();
    let mut batch = store.batch();
    batch.add(&Group::of(&request, None).unwrap());
    store.write(batch, at(0).unix).unwrap();
    store.sync().unwrap();
    drop(store);
    let (store, _) = open(&files).unwrap();
    let all = store.catalogue().unfed(LaneId::IOS);
    assert_eq!(all, most * 3);
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    let now = Instant::now();
    for reads in 1..=1000 {
        let fed = store.catalogue().feed(LaneId::IOS, EVERYTHING, now);
        assert!(fed.notifications.is_empty() && fed.damaged.is_empty());
        assert!(files.reads() <= reads, "each may take the disk long");
    }
    assert_eq!(files.reads(), UNREAD_MAX as u64, "no more are tried");
    assert_eq!(store.catalogue().unfed(LaneId::IOS), all);
    for seconds in 1..=30 {
        let now = now + READ_AGAIN * seconds;
        for _ in 0..10 {
            store.catalogue().feed(LaneId::IOS, EVERYTHING, now);
        }
    }
    assert_eq!(files.reads(), UNREAD_MAX as u64 + 30, "one a second");
    files.set_read_fault(None);
    let (fed, damaged) = feed_all(&store);
    assert_eq!((fed.len() as u64, damaged.len()), (all, 0));
}

#[test]
fn bytes_that_are_read_wrong_once_are_read_again() {
    let (files, all) = two_segments();
    for read in 0.. {
        let files = files.reboot(Loss::Nothing);
        files.set_read_fault(Some(ReadFault::Garbles(read)));
        let (mut store, recovered) = open(&files).unwrap();
        assert_eq!(
            (recovered.damaged, recovered.outstanding),
            (0, all.len() as u64),
            "{read}"
        );
        let (fed, damaged) = feed_all(&store);
        assert!(
            fed.keys().eq(&all) && damaged.is_empty(),
            "{read}: {damaged:?}"
        );
        carry_all(&mut store);
        let reads = files.reads();
        files.set_read_fault(None);
        let (found, recovered) = outstanding(&files);
        assert!(found.keys().eq(&all), "{read}");
        assert_eq!(recovered.damaged, 0);
        if reads <= read {
            break;
        }
    }
}

/// Damages the records of these notifications.
fn damage(files: &MemoryFiles, first_ids: &[u64]) {
    for path in files.paths() {
        for id in first_ids {
            let text = format!("message {id}\n");
            files.damage(&path, text.as_bytes(), format!("massage {id}\n").as_bytes());
        }
    }
}

#[test]
fn pushes_whose_record_is_damaged_are_named_once_wherever_that_is_found() {
    let (files, all) = two_segments();
    let reading = read(&files, &PathBuf::from("/journal"), at(0)).unwrap();
    let some: Vec<_> = reading.map(Result::unwrap).step_by(4).collect();
    let victims: BTreeSet<u64> = some
        .iter()
        .flat_map(|some| some.pushes.iter().map(|(index, _)| some.id(*index).0))
        .collect();
    let first_ids: Vec<u64> = some.iter().map(|some| some.first_id.0).collect();
    for (carries_first, restarts) in [(false, false), (true, false), (true, true)] {
        let files = files.reboot(Loss::Nothing);
        let (mut store, _) = open(&files).unwrap();
        damage(&files, &first_ids);
        if carries_first {
            assert_eq!(carry_all(&mut store), 0);
            assert_eq!(
                store.catalogue().lock().index.outstanding(),
                all.len() as u64
            );
        }
        if restarts {
            drop(store);
            let files = files.reboot(Loss::Unsynced);
            let (again, recovered) = open(&files).unwrap();
            assert_eq!(
                (recovered.outstanding, recovered.damaged),
                (all.len() as u64, 0)
            );
            store = again;
        }
        let (fed, damaged) = feed_all(&store);
        assert_eq!(damaged, victims, "{carries_first} {restarts}");
        let others: BTreeSet<u64> = fed.keys().copied().collect();
        assert_eq!(&others | &damaged, all);
        assert!(fed.values().all(|times| *times == 1) && others.is_disjoint(&damaged));
        // Settled, they are gone for good.
        let mut batch = store.batch();
        batch.settle(all.iter().map(|id| (*id, Some(End::Failed))).collect());
        store.write(batch, at(0).unix).unwrap();
        assert_eq!(store.catalogue().lock().index.outstanding(), 0);
    }
}

#[test]
fn a_journal_tells_that_it_cannot_read_and_that_it_can() {
    let (files, _) = two_segments();
    let (journal, _) = Journal::open(shared(&files), settings(), at(0)).unwrap();
    assert!(!journal.has_unread());
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    assert!(journal.feed(LaneId::IOS, 10).notifications.is_empty());
    assert!(journal.has_unread());
    // Pushes are taken and settled meanwhile.
    let id = 1 << 40;
    journal.append([&accepted(id, 1)], None).unwrap();
    journal.settle([(PushId(id), End::Succeeded)]);
    files.set_read_fault(None);
    until("all is read", || {
        for platform in LaneId::DEFAULT_APP {
            journal.feed(platform, 1000);
        }
        LaneId::DEFAULT_APP
            .iter()
            .all(|platform| journal.unfed(*platform) == 0)
            && !journal.has_unread()
    });
    let closed = journal.close();
    assert_eq!(closed.unwritten, 0);
}

#[test]
fn a_journal_goes_on_while_nothing_can_be_carried_and_catches_up() {
    let files = MemoryFiles::default();
    let (journal, _) = Journal::open(shared(&files), settings(), at(0)).unwrap();
    journal.append([&accepted(1, 3)], None).unwrap();
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    let mut id = 10;
    until(
        "a segment is begun that nothing can be carried into",
        || {
            journal.append([&accepted(id, 1)], None).unwrap();
            journal.settle([(PushId(id), End::Succeeded)]);
            id += 1;
            journal.has_unread()
        },
    );
    let reads = files.reads();
    for _ in 0..50 {
        journal.append([&accepted(id, 1)], None).unwrap();
        journal.settle([(PushId(id), End::Succeeded)]);
        id += 1;
    }
    assert!(
        files.reads() < reads + 40,
        "it is tried now and then, not all the time"
    );
    assert_eq!(journal.state(), State::Serving);
    let old = PathBuf::from("/journal/0000000001.journal");
    assert!(files.paths().contains(&old), "its records were not read");
    files.set_read_fault(None);
    until("all is carried", || {
        !files.paths().contains(&old) && !journal.has_unread()
    });
    let closed = journal.close();
    assert_eq!((closed.outstanding, closed.unwritten), (3, 0));
    assert!(outstanding(&files).0.keys().eq(&[1, 2, 3]));
}

#[test]
fn what_a_reader_does_not_get_is_not_called_damaged() {
    let (files, _) = two_segments();
    let reading = read(&files, &PathBuf::from("/journal"), at(0)).unwrap();
    files.set_read_fault(Some(ReadFault::Fails(1..2)));
    let said: Vec<_> = reading.filter_map(Result::err).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    let said = said[0].to_string();
    assert!(
        said.contains("cannot be read: the disk does not answer; look at the disk"),
        "{said}"
    );
    assert!(!said.contains("lost"), "{said}");
}

#[test]
fn a_file_that_is_cut_while_it_is_read_ends_where_it_is_cut() {
    let (files, _) = two_segments();
    let path = PathBuf::from("/journal/0000000001.journal");
    let mut content = files.content(&path);
    let head = content.split_at(SEGMENT_HEAD).0.to_vec();
    content = head.into_iter().chain(vec![b'x'; 3 << 20]).collect();
    files.put(&path, content);
    let file = files.open(&path).unwrap();
    let (mut reader, _) = Reader::open(&*file, 1).unwrap();
    file.truncate(2 << 20).unwrap();
    let ReaderStep::Gap { bytes, more, .. } = reader.next().unwrap() else {
        panic!("there is no frame");
    };
    assert_eq!((bytes, more), ((2 << 20) - SEGMENT_HEAD as u64, false));
    assert!(matches!(reader.next().unwrap(), ReaderStep::End));
}
