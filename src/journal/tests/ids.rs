//! Ids never repeat, whatever the clock does.

use super::script::{journal, settings};
use crate::journal::fixture::{Loss, MemoryFiles, accepted};
use crate::journal::{IDS_AHEAD, SyncPolicy};
use crate::push::PushId;

#[test]
fn ids_that_were_noted_are_below_the_next_start_after_any_crash() {
    let files = MemoryFiles::default();
    let (journal, recovered) = journal(&files, settings());
    assert_eq!(
        (recovered.high_water, journal.high_water()),
        (PushId(0), PushId(0))
    );
    let mut noted = 3_600_000_000_000_000;
    for _ in 0..5 {
        journal.note_id(PushId(noted)).unwrap();
        assert_eq!(journal.high_water(), PushId(noted));
        let (after, recovered) = super::script::journal(&files.reboot(Loss::Unsynced), settings());
        assert!(recovered.high_water.0 >= noted);
        assert_eq!(after.high_water(), recovered.high_water);
        noted += IDS_AHEAD / 3;
    }
}

#[test]
fn noting_costs_a_sync_once_in_a_block() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.note_id(PushId(1 << 50)).unwrap();
    let syncs = files.syncs();
    for id in 0..1000 {
        journal.note_id(PushId((1 << 50) + id)).unwrap();
    }
    assert_eq!(files.syncs(), syncs);
}

#[test]
fn an_end_in_order_wastes_no_ids() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.note_id(PushId(500)).unwrap();
    journal.append([&accepted(600, 2)], None).unwrap();
    let _closed = journal.close();
    let (_, recovered) = super::script::journal(&files, settings());
    assert_eq!(recovered.high_water, PushId(601));
}

#[test]
fn ids_of_pushes_count_even_if_they_were_never_noted() {
    let files = MemoryFiles::default();
    let mut every_so_often = settings();
    every_so_often.sync = SyncPolicy::Interval;
    let (journal, _) = journal(&files, every_so_often);
    let far = 10 * IDS_AHEAD;
    journal.append([&accepted(far, 5)], None).unwrap();
    let (_, recovered) = super::script::journal(&files.reboot(Loss::Nothing), settings());
    assert_eq!(recovered.high_water, PushId(far + 4));
}

#[test]
fn a_disk_that_takes_nothing_gives_no_ids_beyond_the_block() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    files.set_read_only(true);
    journal.note_id(PushId(IDS_AHEAD / 2)).unwrap();
    let refused = journal.note_id(PushId(IDS_AHEAD + 1)).unwrap_err();
    assert!(
        refused.to_string().contains("cannot be written"),
        "{refused}"
    );
}
