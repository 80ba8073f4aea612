//! Old segments go, however long a push is outstanding.

use std::time::Duration;

use super::script::{journal, open_with, outstanding, settings, until};
use crate::journal::batch::Group;
use crate::journal::fixture::{MemoryFiles, accepted, at};
use crate::journal::{ANSWER_EXTRA, ANSWERS_BYTES_MAX, KEEP_ANSWERS, KeptAnswer};
use crate::moment::Moment;
use crate::push::{End, PushId};

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
    let of_files = || {
        files
            .paths()
            .iter()
            .map(|path| files.content(path).len() as u64)
            .sum::<u64>()
    };
    until("it is as large as its file", || {
        journal.bytes() == of_files()
    });
    assert!(journal.bytes() > 0);
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
fn of_answers_that_are_old_nothing_is_kept_while_no_segment_begins() {
    let (mut store, _) = open_with(&MemoryFiles::default(), settings()).unwrap();
    for at in [at(0).unix, at(0).unix + KEEP_ANSWERS] {
        let mut batch = store.batch();
        batch.add(&Group::of([], Some(&answer("key", at))).unwrap());
        store.write(batch, at).unwrap();
        let kept = store.catalogue().lock().index.answers_elsewhere(0);
        assert_eq!(kept.len(), 1);
    }
}

/// Has a journal keep so many answers of so many bytes; what the next process knows of them.
fn keep(count: usize, bytes: usize) -> Vec<KeptAnswer> {
    let files = MemoryFiles::default();
    let mut long = settings();
    long.segment_bytes = 1 << 30;
    let (mut store, _) = open_with(&files, long).unwrap();
    let mut id = 0;
    while id < count {
        let mut batch = store.batch();
        while id < count && batch.frames.len() < 1 << 20 {
            let time = at(0).unix + Duration::from_micros(id as u64);
            let mut kept = answer(&id.to_string(), time);
            kept.answer = vec![b'x'; bytes].into();
            batch.add(&Group::of([], Some(&kept)).unwrap());
            id += 1;
        }
        store.write(batch, at(0).unix).unwrap();
    }
    drop(store);
    outstanding(&files).1.answers
}

#[test]
fn however_many_answers_there_are_none_is_forgotten_that_fits() {
    assert_eq!(keep(120_000, 10).len(), 120_000);
}

#[test]
fn of_too_long_answers_the_oldest_are_forgotten() {
    let bytes = 1 << 20;
    let fit = usize::try_from(ANSWERS_BYTES_MAX).unwrap() / bytes - 1;
    // Twice as long as that, and it is looked at while it is read.
    for count in [fit, fit + 2, 3 * fit] {
        let answers = keep(count, bytes);
        let keys: Vec<usize> = answers
            .iter()
            .map(|kept| kept.key.parse().unwrap())
            .collect();
        let expected: Vec<usize> = (count - fit..count).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn an_answer_takes_little_more_than_its_texts() {
    let mut kept = answer(&"k".repeat(255), Duration::new(1 << 33, 999_999_999));
    kept.answer = vec![b'x'; 4 << 20].into();
    let group = Group::of([], Some(&kept)).unwrap();
    let texts = kept.key.len() + kept.answer.len();
    assert!(
        group.len() <= texts + ANSWER_EXTRA,
        "{}",
        group.len() - texts
    );
}
