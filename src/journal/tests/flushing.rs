//! When callers are told, and when settlements are written.

use std::thread;
use std::time::Duration;

use super::script::{journal, outstanding, settings, until};
use crate::journal::fixture::{Loss, MemoryFiles, accepted};
use crate::journal::{End, State, SyncPolicy};
use crate::push::PushId;

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
        journal.leave([(PushId(2), crate::journal::Attempts::default())]);
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
    assert!(first.append([&accepted(2000, 1)], None).is_err());
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
