//! Who writes: the thread, or a caller who finds nobody at it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::script::{journal, outstanding, settings, until};
use crate::heartbeat::{LONGEST_REST, PATIENCE};
use crate::journal::fixture::{Loss, MemoryFiles, Part, accepted};
use crate::journal::inbox::{Inbox, SETTLE_GATHER};
use crate::journal::{Journal, Settings, State, SyncPolicy};
use crate::moment;
use crate::push::{End, Node, PushId};

const MOMENT: Duration = Duration::from_millis(1);

fn by_interval() -> Settings {
    Settings {
        sync: SyncPolicy::Interval,
        ..settings()
    }
}

/// How many requests wait.
fn waiting(journal: &Journal) -> usize {
    journal.inbox.lock().requests.len()
}

#[test]
fn a_caller_who_is_alone_writes_and_syncs_by_itself() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    for number in 0..20 {
        journal.append([&accepted(1 + number, 1)], None).unwrap();
        assert_eq!(files.written_by(), Some(thread::current().id()));
        let kept = outstanding(&files.reboot(Loss::Unsynced)).0;
        assert!(kept.contains_key(&(1 + number)), "it is on the disk");
    }
}

/// Those who come while one is at it wait for the thread, and so does who comes after several:
/// then others may, for the same sync.
#[test]
fn several_callers_wait_for_the_thread_and_the_next_who_is_alone_does_not() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let first = scope.spawn(|| journal.append([&accepted(1, 1)], None));
        until("the first is at it", || files.is_syncing());
        let others = [2, 3].map(|id| {
            let journal = &journal;
            scope.spawn(move || journal.append([&accepted(id, 1)], None))
        });
        until("both are there", || waiting(&journal) == 2);
        let first_thread = first.thread().id();
        assert_eq!(files.written_by(), Some(first_thread));
        drop(held);
        first.join().unwrap().unwrap();
        let threads = others.each_ref().map(|other| other.thread().id());
        for other in others {
            other.join().unwrap().unwrap();
        }
        let writer = files.written_by().unwrap();
        assert!(writer != first_thread && !threads.contains(&writer));
    });
    let by_thread = |id| {
        journal.append([&accepted(id, 1)], None).unwrap();
        files.written_by() != Some(thread::current().id())
    };
    assert!(by_thread(10), "others might have come with it");
    until("the thread is done", || {
        journal.inbox.lock().taken().is_none()
    });
    assert!(!by_thread(11));
}

#[test]
fn by_interval_each_caller_writes_by_itself_and_the_thread_syncs_soon() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, by_interval());
    let syncs = files.syncs();
    let held = files.hold_syncs();
    journal.append([&accepted(1, 1)], None).unwrap();
    assert_eq!(files.written_by(), Some(thread::current().id()));
    until("the thread syncs", || files.is_syncing());
    drop(held);
    until("it is synced", || files.syncs() > syncs);
}

/// The turn of a caller ends with a look at what came meanwhile.
#[test]
fn what_comes_while_a_caller_is_at_it_waits_for_no_other_caller() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 3)], None).unwrap();
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let caller = scope.spawn(|| journal.append([&accepted(10, 1)], None));
        until("it is at it", || files.is_syncing());
        journal.settle([(PushId(1), End::Succeeded)]);
        let hands = scope.spawn(|| journal.hand([PushId(2)]));
        let settles = scope.spawn(|| journal.settle_at_once([(PushId(3), End::Failed)]));
        until("both are there", || journal.inbox.lock().handed.len() == 2);
        drop(held);
        caller.join().unwrap().unwrap();
        hands.join().unwrap().unwrap();
        settles.join().unwrap().unwrap();
    });
    until("all is written", || journal.outstanding() == 2);
    until("it is synced", || {
        outstanding(&files.reboot(Loss::Unsynced)).0.len() == 2
    });
}

#[test]
fn a_turn_of_a_caller_that_does_not_end_is_overdue_and_one_that_has_ended_is_not() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    let heartbeat = journal.heartbeat();
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let caller = scope.spawn(|| journal.append([&accepted(1, 1)], None));
        until("it is at it", || files.is_syncing());
        let later = moment::now() + PATIENCE + MOMENT;
        // However often the thread looks meanwhile.
        until("it should have ended", || heartbeat.is_overdue(later));
        drop(held);
        caller.join().unwrap().unwrap();
        until("the thread is heard of", || !heartbeat.is_overdue(later));
    });
    assert!(heartbeat.is_overdue(moment::now() + LONGEST_REST + PATIENCE + MOMENT));
}

#[test]
fn an_end_waits_for_the_caller_who_is_at_it_and_for_those_behind() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let callers = [1, 2].map(|id| {
            let journal = &journal;
            let caller = scope.spawn(move || journal.append([&accepted(id, 1)], None));
            until("it is there", || {
                files.is_syncing() && waiting(journal) as u64 == id - 1
            });
            caller
        });
        let end = scope.spawn(|| journal.close());
        until("it closes", || journal.state() == State::Closed);
        assert!(journal.append([&accepted(3, 1)], None).is_err());
        drop(held);
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
        let closed = end.join().unwrap();
        assert_eq!((closed.outstanding, closed.unwritten), (2, 0));
    });
    let kept = outstanding(&files.reboot(Loss::Unsynced)).0;
    assert!(kept.keys().eq(&[1, 2]), "{kept:?}");
}

/// Whose thread it was.
#[test]
fn after_an_error_of_the_program_in_a_callers_turn_nobody_is_left_waiting() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 2)], None).unwrap();
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let caller = scope.spawn(|| journal.append([&accepted(10, 1)], None));
        until("it is at it", || files.is_syncing());
        let behind = scope.spawn(|| journal.append([&accepted(20, 1)], None));
        until("another is there", || waiting(&journal) == 1);
        files.break_changes(files.operations() + 1..u64::MAX, Part::Panics);
        drop(held);
        caller.join().unwrap().unwrap();
        assert!(behind.join().unwrap().unwrap_err().is_unknown);
    });
    let refused = journal.append([&accepted(30, 1)], None).unwrap_err();
    assert!(refused.state.is_fatal() && !refused.is_unknown);
    journal.settle([(PushId(1), End::Succeeded)]);
    assert!(journal.keep_settled(LONGEST_REST).unwrap().is_err());
    let closed = journal.close();
    assert_eq!((closed.outstanding, closed.unwritten), (3, 1));
    let (next, recovered) = super::script::journal(&files.reboot(Loss::Nothing), settings());
    assert_eq!(recovered.outstanding, 3);
    drop(next);
}

#[test]
fn callers_in_great_number_with_settlements_between_lose_nothing_and_nobody_hangs() {
    for settings in [settings(), by_interval()] {
        let files = MemoryFiles::default();
        let (journal, _) = journal(&files, settings);
        let each = 50;
        thread::scope(|scope| {
            for caller in 0..8_u64 {
                let journal = &journal;
                scope.spawn(move || {
                    for number in 0..each {
                        let id = 1 + 2 * (caller * each + number);
                        journal.append([&accepted(id, 2)], None).unwrap();
                        journal.settle([(PushId(id), End::Succeeded)]);
                        if number % 8 == caller {
                            journal.hand([PushId(id + 1)]).unwrap();
                        }
                    }
                });
            }
        });
        let closed = journal.close();
        assert_eq!((closed.outstanding, closed.unwritten), (8 * each, 0));
        let kept = outstanding(&files.reboot(Loss::Unsynced)).0;
        assert!(
            kept.keys()
                .eq(&(1..=8 * each).map(|n| 2 * n).collect::<Vec<_>>())
        );
    }
}

#[test]
fn settlements_wait_a_little_for_others_and_the_thread_is_woken_for_the_first_alone() {
    let inbox = Inbox::new(Node::default(), 0);
    let now = moment::now();
    let mut contents = inbox.lock();
    assert_eq!(contents.due(now), None, "there is nothing to do");
    contents.rest(now + LONGEST_REST);
    contents.settled.push((1, Some(End::Succeeded)));
    inbox.call_soon(contents, now);
    let contents = inbox.lock();
    let by = now + SETTLE_GATHER;
    assert_eq!((contents.due(now), contents.rests_until()), (Some(by), by));
    inbox.call_soon(contents, now + MOMENT);
    let mut contents = inbox.lock();
    assert_eq!(contents.due(now), Some(by), "the first one's time counts");
    let work = contents.take_turn(by);
    assert_eq!((work.settled.len(), contents.due(by)), (1, None));
    // While somebody is at it nobody is woken: what came meanwhile is seen at the end.
    contents.rest(by + LONGEST_REST);
    inbox.call_soon(contents, by);
    let mut contents = inbox.lock();
    assert_eq!(contents.rests_until(), by + LONGEST_REST);
    assert!(contents.end_turn(None, by));
    assert_eq!(contents.rests_until(), by + SETTLE_GATHER);
}

/// Whoever is called with what became of a request has the journal to ask.
#[test]
fn who_is_called_at_the_end_may_ask_how_the_journal_is() {
    let files = MemoryFiles::default();
    let journal = Arc::new(journal(&files, settings()).0);
    let held = files.hold_syncs();
    let caller = {
        let journal = Arc::clone(&journal);
        thread::spawn(move || journal.append([&accepted(1, 1)], None))
    };
    until("it is at it", || files.is_syncing());
    let (asked, answers) = crossbeam_channel::bounded(1);
    let asks = Arc::clone(&journal);
    journal.append_then([&accepted(2, 1)], None, move |kept| {
        asked.send((kept.is_err(), asks.state())).unwrap();
    });
    // Nobody has written it: the end of the journal is what it hears.
    let ends = Arc::clone(&journal);
    thread::spawn(move || ends.inbox.end(State::Closed));
    let heard = answers.recv_timeout(Duration::from_secs(10));
    assert_eq!(heard, Ok((true, State::Closed)));
    drop(held);
    let _told = caller.join().unwrap();
}
