//! What a start after a crash knows of what may have been sent.

use std::collections::BTreeMap;

use super::script::{journal, settings, until};
use crate::journal::fixture::{Loss, MemoryFiles, accepted};
use crate::journal::{Attempts, Journal, Settings, State};
use crate::push::{End, LaneId, PushId};

fn noting() -> Settings {
    let mut settings = settings();
    settings.notes_handed = true;
    settings
}

/// Of each push that is fed: whether it is in doubt, and how far it has come.
fn fed(journal: &Journal) -> BTreeMap<u64, (bool, Attempts)> {
    let mut pushes = BTreeMap::new();
    for platform in LaneId::DEFAULT_APP {
        for found in journal.feed(platform, 1000).notifications {
            for (index, attempts) in &found.pushes {
                pushes.insert(found.id(*index).0, (found.in_doubt, *attempts));
            }
        }
    }
    pushes
}

/// What the next process finds if this one is killed now.
fn after_a_kill(files: &MemoryFiles) -> BTreeMap<u64, (bool, Attempts)> {
    fed(&journal(&files.reboot(Loss::Nothing), settings()).0)
}

const UNTRIED: Attempts = Attempts {
    attempts: 0,
    refusals: 0,
    maybe_sent: false,
    used_its_second_chance: false,
    contradictions: (0, 0),
    first_attempt: None,
    due: None,
    rest: None,
};

const SENT: Attempts = Attempts {
    maybe_sent: true,
    ..UNTRIED
};

const REFUSED: Attempts = Attempts {
    attempts: 1,
    ..UNTRIED
};

#[test]
fn after_a_crash_all_is_in_doubt_and_after_an_end_in_order_nothing() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(1, 2)], None).unwrap();
    assert!(after_a_kill(&files).values().all(|(in_doubt, _)| *in_doubt));
    first.leave([(PushId(1), REFUSED), (PushId(2), UNTRIED)]);
    assert_eq!(first.close().outstanding, 2);
    let expected = BTreeMap::from([(1, (false, REFUSED)), (2, (false, UNTRIED))]);
    assert_eq!(after_a_kill(&files), expected);
}

#[test]
fn who_ends_without_a_word_about_a_push_leaves_it_in_doubt() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(1, 2)], None).unwrap();
    first.leave([(PushId(1), UNTRIED)]);
    let _closed = first.close();
    assert!(after_a_kill(&files).values().all(|(in_doubt, _)| *in_doubt));
}

#[test]
fn what_was_left_and_is_fed_anew_is_in_doubt_again() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(1, 2)], None).unwrap();
    let lane = first.lane_of(PushId(1)).unwrap();
    first.leave([(PushId(1), UNTRIED), (PushId(2), UNTRIED)]);
    first.feed_again(&[lane]).unwrap();
    assert_eq!(fed(&first).len(), 2);
    first.leave([(PushId(1), UNTRIED)]);
    let _closed = first.close();
    assert!(after_a_kill(&files).values().all(|(in_doubt, _)| *in_doubt));
}

#[test]
fn doubt_is_passed_on_by_a_process_that_ends_in_order() {
    let files = MemoryFiles::default();
    let (killed, _) = journal(&files, settings());
    killed.append([&accepted(1, 2)], None).unwrap();
    let files = files.reboot(Loss::Nothing);
    let (second, _) = journal(&files, settings());
    second.append([&accepted(10, 1)], None).unwrap();
    second.leave([(PushId(10), UNTRIED)]);
    let _closed = second.close();
    let found = after_a_kill(&files);
    let doubts = found.iter().map(|(id, (in_doubt, _))| (*id, *in_doubt));
    assert!(doubts.eq([(1, true), (2, true), (10, false)]), "{found:?}");
}

#[test]
fn what_was_handed_to_a_connection_is_known_after_a_crash() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, noting());
    journal.append([&accepted(1, 4)], None).unwrap();
    journal.hand([PushId(2), PushId(3), PushId(4)]).unwrap();
    let expected = |third| {
        let pushes = [(1, UNTRIED), (2, SENT), (3, third), (4, SENT)];
        BTreeMap::from(pushes.map(|(id, attempts)| (id, (false, attempts))))
    };
    assert_eq!(after_a_kill(&files), expected(SENT));
    // It is answered, and will be tried again.
    journal.note([(PushId(3), REFUSED)]);
    until("it is written", || {
        after_a_kill(&files) == expected(REFUSED)
    });
    journal.hand([PushId(3)]).unwrap();
    let again = Attempts {
        maybe_sent: true,
        ..REFUSED
    };
    assert_eq!(after_a_kill(&files), expected(again));
    journal.settle((1..=4).map(|id| (PushId(id), End::Succeeded)));
    until("it is written", || after_a_kill(&files).is_empty());
}

#[test]
fn what_was_handed_over_is_carried_into_later_segments() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, noting());
    journal.append([&accepted(1, 2)], None).unwrap();
    journal.hand([PushId(2)]).unwrap();
    let mut id = 10;
    until("old segments are gone", || {
        journal.append([&accepted(id, 1)], None).unwrap();
        journal.settle([(PushId(id), End::Succeeded)]);
        id += 1;
        let paths = files.paths();
        !paths
            .iter()
            .any(|path| path.ends_with("0000000001.journal"))
    });
    let found = after_a_kill(&files);
    assert_eq!(found[&1], (false, UNTRIED));
    assert_eq!(found[&2], (false, SENT));
}

#[test]
fn a_process_that_notes_what_it_hands_over_keeps_the_doubt_of_others() {
    let files = MemoryFiles::default();
    let (killed, _) = journal(&files, settings());
    killed.append([&accepted(1, 1)], None).unwrap();
    let files = files.reboot(Loss::Nothing);
    let (second, _) = journal(&files, noting());
    second.append([&accepted(10, 1)], None).unwrap();
    let found = after_a_kill(&files);
    assert_eq!((found[&1].0, found[&10].0), (true, false));
}

#[test]
fn whether_it_is_noted_may_change_while_it_runs() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 1)], None).unwrap();
    journal.set_notes_handed(true).unwrap();
    journal.append([&accepted(10, 2)], None).unwrap();
    journal.hand([PushId(10)]).unwrap();
    let found = after_a_kill(&files);
    assert_eq!(found[&1], (true, UNTRIED));
    assert_eq!(found[&10], (false, SENT));
    assert_eq!(found[&11], (false, UNTRIED));
    journal.set_notes_handed(false).unwrap();
    assert!(after_a_kill(&files).values().all(|(in_doubt, _)| *in_doubt));
    journal.leave([1, 10, 11].map(|id| (PushId(id), UNTRIED)));
    let _closed = journal.close();
    let found = after_a_kill(&files);
    assert!(found.values().all(|(in_doubt, _)| !in_doubt), "{found:?}");
}

#[test]
fn handing_over_waits_for_the_write_and_not_for_the_disk() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, noting());
    journal.append([&accepted(1, 1)], None).unwrap();
    let held = files.hold_syncs();
    journal.hand([PushId(1)]).unwrap();
    assert_eq!(after_a_kill(&files)[&1], (false, SENT));
    drop(held);
}

#[test]
fn what_could_not_be_written_does_not_take_back_what_was_handed_over_since() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, noting());
    journal.append([&accepted(1, 2)], None).unwrap();
    files.set_capacity(Some(files.used()));
    journal.note([(PushId(1), REFUSED), (PushId(2), REFUSED)]);
    until("it is full", || journal.state() != State::Serving);
    files.set_capacity(None);
    journal.hand([PushId(1)]).unwrap();
    until("all is written", || {
        after_a_kill(&files)[&2] == (false, REFUSED)
    });
    let again = Attempts {
        maybe_sent: true,
        ..REFUSED
    };
    assert_eq!(after_a_kill(&files)[&1], (false, again));
}

#[test]
fn nobody_waits_for_a_journal_that_cannot_be_written() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, noting());
    journal.append([&accepted(1, 2)], None).unwrap();
    files.set_capacity(Some(files.used()));
    let refused = journal.hand([PushId(1)]).unwrap_err();
    assert!(matches!(refused.state, State::Full { .. }), "{refused:?}");
    files.set_capacity(None);
    journal.hand([PushId(2)]).unwrap();
    let found = after_a_kill(&files);
    assert_eq!((found[&1].1, found[&2].1), (UNTRIED, SENT));
    let _closed = journal.close();
    assert!(journal.hand([PushId(1)]).is_err());
}
