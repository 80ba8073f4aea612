//! Old segments go, however long a push is outstanding.

use std::time::Duration;

use super::script::{journal, open, outstanding, settings, until};
use crate::journal::fixture::{MemoryFiles, accepted, at};
use crate::journal::{ANSWERS_MAX, End, KEEP_ANSWERS, KeptAnswer};
use crate::moment::Moment;
use crate::push::PushId;

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
    journal.settle([(PushId(2), End::Succeeded)], None);
    let mut most = 0;
    for id in 10..1000 {
        journal.append([&accepted(id, 1)], None).unwrap();
        journal.settle([(PushId(id), End::Succeeded)], None);
        let segments = files.paths().len();
        most = most.max(segments);
    }
    assert!(
        most <= 3,
        "{most} segments, one of them just begun or removed"
    );
    until("all is settled", || journal.outstanding() == 2);
    until("old segments are gone", || files.paths().len() == 1);
    let closed = journal.close(Duration::from_secs(5));
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
            batch.add(&crate::journal::batch::Group::of([], Some(&kept)).unwrap());
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
