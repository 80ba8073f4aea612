//! Old segments go, however long a push is outstanding.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::script::{journal, open, outstanding, settings, shared, until};
use crate::journal::batch::Group;
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault, accepted, at};
use crate::journal::reading::TRIES;
use crate::journal::store::{LOOKS, Store, WORTHWHILE};
use crate::journal::{ANSWERS_MAX, End, KEEP_ANSWERS, KeptAnswer};
use crate::moment::Moment;
use crate::push::{Accepted, PushId};

fn answer(key: &str, at: Duration) -> KeptAnswer {
    KeptAnswer {
        key: key.into(),
        body_hash: [1; 32],
        answer: Box::from(*b"an answer"),
        at,
    }
}

#[test]
fn a_push_that_waits_for_long_does_not_keep_old_segments() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    let now = Moment::now().unix;
    journal
        .append([&accepted(1, 3)], Some(&answer("first", now)))
        .unwrap();
    journal.settle([(PushId(2), End::Succeeded)]);
    let mut most = 0;
    for id in 10..1000 {
        journal.append([&accepted(id, 1)], None).unwrap();
        journal.settle([(PushId(id), End::Succeeded)]);
        let segments = files.paths().len();
        most = most.max(segments);
    }
    assert!(
        most <= 3,
        "{most} segments, one of them just begun or removed"
    );
    until("all is settled", || journal.outstanding() == 2);
    until("old segments are gone", || files.paths().len() == 1);
    let closed = journal.close();
    assert_eq!(closed.outstanding, 2);
    assert!(files.used() < 10_000, "{}", files.used());
    let (found, recovered) = outstanding(&files);
    assert!(found.keys().eq(&[1, 3]));
    assert_eq!((recovered.segments, recovered.damaged), (1, 0));
    let keys: Vec<_> = recovered.answers.iter().map(|kept| &*kept.key).collect();
    assert_eq!(keys, ["first"]);
}

#[test]
fn answers_are_forgotten_when_they_are_old() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    let now = Moment::now().unix;
    let old = now.saturating_sub(KEEP_ANSWERS);
    for (key, at) in [("old", old), ("new", now), ("newest", now)] {
        journal.append([], Some(&answer(key, at))).unwrap();
    }
    drop(journal);
    let (_, recovered) = super::script::journal(&files, settings());
    let keys: Vec<_> = recovered.answers.iter().map(|kept| &*kept.key).collect();
    assert_eq!(keys, ["new", "newest"]);
}

#[test]
fn of_too_many_answers_the_oldest_are_forgotten() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let mut id = 0;
    let more = 50;
    while id < ANSWERS_MAX + more {
        let mut batch = store.batch();
        for _ in 0..1000 {
            let kept = answer(
                &id.to_string(),
                at(0).unix + Duration::from_micros(id as u64),
            );
            batch.add(&Group::of([], Some(&kept)).unwrap());
            id += 1;
        }
        store.write(batch, at(0).unix).unwrap();
    }
    drop(store);
    let (_, recovered) = outstanding(&files);
    assert_eq!(recovered.answers.len(), ANSWERS_MAX);
    assert_eq!(
        recovered.answers.last().unwrap().key,
        (id - 1).to_string().into()
    );
}

/// A store with one notification, and the settings that a test wants.
fn store(files: &MemoryFiles, segment_octets: u64) -> Store {
    let mut long = settings();
    long.segment_octets = segment_octets;
    let (mut store, _) = Store::open(shared(files), long, at(0)).unwrap();
    append(&mut store, [accepted(1 << 40, 1)]);
    store
}

fn append(store: &mut Store, request: impl IntoIterator<Item = Accepted>) {
    let request: Vec<_> = request.into_iter().collect();
    let mut batch = store.batch();
    batch.add(&Group::of(&request, None).unwrap());
    store.write(batch, at(0).unix).unwrap();
}

#[test]
fn what_waits_behind_more_than_are_passed_over_under_one_lock_is_carried_too() {
    let files = MemoryFiles::default();
    let mut store = store(&files, 2000);
    store.rotate().unwrap();
    let more = LOOKS as u64 + 10;
    append(&mut store, (1..=more).map(|id| accepted(id, 1)));
    let index = |from: u64| store.catalogue().lock().index.elsewhere(2, from, LOOKS);
    let (found, next) = index(0);
    assert_eq!(
        (found, next),
        (None, LOOKS as u64 + 1),
        "the lock is given back"
    );
    assert_eq!(index(next).0, Some(1 << 40));
    while store.is_carrying() {
        store.carry(300, at(0).unix).unwrap();
    }
    drop(store);
    let (found, recovered) = outstanding(&files.reboot(Loss::Unsynced));
    assert_eq!((found.len() as u64, recovered.segments), (more + 1, 1));
    assert!(found.contains_key(&(1 << 40)));
}

#[test]
fn a_full_disk_is_worth_a_new_segment_from_some_length_on() {
    let files = MemoryFiles::default();
    let mut store = store(&files, 1 << 30);
    let path = PathBuf::from("/journal/0000000001.journal");
    let mut id = 1;
    loop {
        let is_worth_it = files.content(&path).len() as u64 > WORTHWHILE;
        assert_eq!(store.is_long(true), is_worth_it);
        assert!(!store.is_long(false), "with room on the disk it is short");
        if is_worth_it {
            break;
        }
        append(&mut store, [accepted(id, 1)]);
        let mut batch = store.batch();
        batch.settle(vec![(id, Some(End::Succeeded))]);
        store.write(batch, at(0).unix).unwrap();
        id += 1;
    }
    assert!(id > 100, "{id}");
}

#[test]
fn a_reader_beside_a_daemon_tries_again_so_many_times() {
    let files = MemoryFiles::default();
    drop(store(&files, 2000));
    let read = |gone| {
        files.set_read_fault(Some(ReadFault::Gone(gone)));
        crate::journal::read(&files, Path::new("/journal"), at(0))
    };
    assert_eq!(read(TRIES - 1).unwrap().recovered().outstanding, 1);
    let error = read(TRIES).unwrap_err();
    assert!(error.to_string().contains("cannot be read: "), "{error}");
}
