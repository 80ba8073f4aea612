//! When callers are told, and when settlements are written.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::script::{journal, outstanding, settings, until};
use crate::journal::catalogue::SharedCatalogue;
use crate::journal::fixture::{Loss, MemoryFiles, accepted};
use crate::journal::inbox::Inbox;
use crate::journal::turns::Turns;
use crate::journal::{Attempts, Journal, State, SyncPolicy};
use crate::moment;
use crate::push::{End, Node, PushId};
use crate::stats::{Histogram, WITHIN_A_MINUTE};

const LONG: Duration = Duration::from_secs(10);

#[test]
fn one_sync_serves_all_that_came_meanwhile() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    let before = files.syncs();
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let callers: Vec<_> = (0..12)
            .map(|number| {
                let journal = &journal;
                let caller = scope.spawn(move || journal.append([&accepted(1 + number, 1)], None));
                // The first one is at its sync, the others wait behind it.
                match number {
                    0 => until("the first is written", || journal.outstanding() == 1),
                    n => until("it is queued", || {
                        journal.inbox.lock().requests.len() == usize::try_from(n).unwrap()
                    }),
                }
                caller
            })
            .collect();
        assert!(callers.iter().all(|caller| !caller.is_finished()));
        drop(held);
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
    });
    assert_eq!(files.syncs() - before, 2);
    assert_eq!(outstanding(&files.reboot(Loss::Unsynced)).0.len(), 12);
}

#[test]
fn by_interval_nobody_waits_for_the_disk_and_it_is_synced_soon() {
    let files = MemoryFiles::default();
    let mut by_interval = settings();
    by_interval.sync = SyncPolicy::Interval;
    let (journal, _) = journal(&files, by_interval);
    let held = files.hold_syncs();
    journal.append([&accepted(1, 1)], None).unwrap();
    assert_eq!(outstanding(&files.reboot(Loss::Nothing)).0.len(), 1);
    assert_eq!(outstanding(&files.reboot(Loss::Unsynced)).0.len(), 0);
    drop(held);
    until("it is synced", || {
        outstanding(&files.reboot(Loss::Unsynced)).0.len() == 1
    });
}

#[test]
fn settling_never_waits_for_the_disk() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 3)], None).unwrap();
    thread::scope(|scope| {
        let held = files.hold_syncs();
        let caller = scope.spawn(|| journal.append([&accepted(10, 1)], None));
        until("the flusher syncs", || journal.outstanding() == 4);
        journal.settle([(PushId(1), End::Succeeded)]);
        journal.leave([(PushId(2), Attempts::default())]);
        assert_eq!(journal.outstanding(), 4);
        drop(held);
        caller.join().unwrap().unwrap();
    });
    until("it is written", || journal.outstanding() == 3);
    until("it is synced", || {
        outstanding(&files.reboot(Loss::Unsynced)).0.len() == 3
    });
}

#[test]
fn closing_writes_and_syncs_what_is_left_and_the_next_may_have_it() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(1, 1000)], None).unwrap();
    first.settle((1..=999).map(|id| (PushId(id), End::Failed)));
    let closed = first.close();
    assert_eq!((closed.outstanding, closed.unwritten), (1, 0));
    assert_eq!(first.close(), closed);
    assert_eq!(first.state(), State::Closed);
    let much_later = moment::now() + Duration::from_secs(3600);
    assert!(!first.heartbeat().is_overdue(much_later), "it has ended");
    assert!(first.append([&accepted(2000, 1)], None).is_err());
    for nothing in [first.append([], None), first.hand([])] {
        assert_eq!(nothing, Ok(()));
    }
    // What comes later is counted, and nobody waits for it.
    first.settle([(PushId(1000), End::Failed)]);
    assert_eq!(first.close().unwritten, 1);
    let refused = first.keep_settled(Duration::ZERO).unwrap().unwrap_err();
    assert_eq!(refused.state, State::Closed);
    let left = outstanding(&files.reboot(Loss::Unsynced)).0;
    assert!(left.keys().eq(&[1000]));
    let (_second, recovered) = journal(&files, settings());
    assert_eq!(recovered.outstanding, 1);
}

#[test]
fn who_waits_for_settlements_goes_on_when_no_power_failure_takes_them_back() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 3)], None).unwrap();
    let held = files.hold_syncs();
    journal.settle([(PushId(1), End::Failed)]);
    assert_eq!(journal.keep_settled(Duration::from_millis(50)), None);
    thread::scope(|scope| {
        let waits = scope.spawn(|| journal.keep_settled(LONG));
        drop(held);
        assert_eq!(waits.join().unwrap(), Some(Ok(())));
    });
    let left = outstanding(&files.reboot(Loss::Unsynced)).0;
    assert!(left.keys().eq(&[2, 3]), "{left:?}");
    // With nothing to settle there is nothing to wait for.
    let syncs = files.syncs();
    assert_eq!(journal.keep_settled(LONG), Some(Ok(())));
    assert_eq!(files.syncs(), syncs);
}

#[test]
fn who_waits_for_settlements_hears_that_they_cannot_be_kept() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 3)], None).unwrap();
    files.set_capacity(Some(files.used()));
    journal.settle([(PushId(1), End::Failed)]);
    let refused = journal.keep_settled(LONG).unwrap().unwrap_err();
    assert!(matches!(refused.state, State::Full { .. }), "{refused:?}");
    files.set_capacity(None);
    until("there is room again", || {
        journal.keep_settled(LONG) == Some(Ok(()))
    });
    files.fail_syncs(true);
    journal.settle([(PushId(2), End::Failed)]);
    let refused = journal.keep_settled(LONG).unwrap().unwrap_err();
    assert!(refused.state.is_fatal(), "{refused:?}");
    files.fail_syncs(false);
    let refused = journal.keep_settled(LONG).unwrap().unwrap_err();
    assert!(refused.state.is_fatal(), "for good: {refused:?}");
}

#[test]
fn who_has_something_for_the_flusher_wakes_it() {
    let calls: [fn(&Journal); 9] = [
        |journal| journal.settle([(PushId(1), End::Failed)]),
        |journal| journal.note([(PushId(1), Attempts::default())]),
        |journal| journal.leave([(PushId(1), Attempts::default())]),
        |journal| assert!(journal.append([&accepted(1, 1)], None).is_err()),
        |journal| assert!(journal.hand([PushId(1)]).is_err()),
        |journal| assert!(journal.set_notes_handed(true).is_err()),
        |journal| assert!(journal.settle_at_once([]).is_err()),
        |journal| assert!(journal.keep_settled(LONG).unwrap().is_err()),
        |journal| assert_eq!(journal.close().outstanding, 0),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let inbox = Arc::new(Inbox::new(Node::default(), 0));
        // Its end wakes the flusher too.
        let journal = Arc::new(Journal {
            inbox: Arc::clone(&inbox),
            catalogue: SharedCatalogue::default(),
            turns: Arc::new(Turns::of_nobody(Arc::clone(&inbox))),
            flusher: Mutex::default(),
            scheduled_max: 0,
            notes_handed: AtomicBool::default(),
            syncs: Arc::new(Histogram::new(&WITHIN_A_MINUTE)),
            files: Arc::new(MemoryFiles::default()),
            dir: PathBuf::new(),
            reserve_bytes: 0,
        });
        let (rests, is_resting) = crossbeam_channel::bounded(1);
        let flusher = thread::spawn(move || {
            let mut contents = inbox.lock();
            // As if several had come at a time: who comes next does not commit by itself.
            contents.turn.is_lonely = false;
            contents.rest(moment::now() + 1000 * LONG);
            rests.send(()).unwrap();
            drop(inbox.wait(contents, 1000 * LONG));
            inbox.end(State::Closed);
        });
        is_resting.recv().unwrap();
        let caller = Arc::clone(&journal);
        let caller = thread::spawn(move || call(&caller));
        until("it is woken", || flusher.is_finished());
        until("the caller hears of its end", || caller.is_finished());
        caller.join().unwrap();
        // The first one's settlement, which comes too late.
        let unwritten = u64::from(number == 0);
        assert_eq!(journal.inbox.lock().unwritten, unwritten, "{number}");
    }
}
