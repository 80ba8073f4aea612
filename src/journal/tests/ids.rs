//! The last id outlives the records of its push, whoever gave ids before.

use super::script::{journal, open, settings};
use crate::journal::batch::Group;
use crate::journal::fixture::{Loss, MemoryFiles, accepted, at};
use crate::journal::{Journal, Settings};
use crate::push::{End, LaneId, Node, PushId};

/// Ids of the time before there were nodes: they look like those of node 408.
const FROM_THE_CLOCK: u64 = 3_590_674_593_201_187;

fn of_node(number: u16) -> Settings {
    let mut settings = settings();
    settings.node = Node::new(number).unwrap();
    settings
}

fn after_a_power_failure(files: &MemoryFiles, settings: Settings) -> Journal {
    journal(&files.reboot(Loss::Unsynced), settings).0
}

#[test]
fn the_last_id_is_known_when_the_records_of_all_pushes_are_gone() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    assert_eq!(first.high_water(), PushId(0));
    // Segments come and go by these.
    for id in (1..300).step_by(3) {
        first.append([&accepted(id, 3)], None).unwrap();
        first
            .settle_at_once((id..id + 3).map(|id| (PushId(id), End::Succeeded)))
            .unwrap();
    }
    assert_eq!(first.high_water(), PushId(300));
    let next = after_a_power_failure(&files, settings());
    assert_eq!(next.high_water(), PushId(300));
    drop(next);
    assert_eq!(first.close().outstanding, 0);
    let (next, recovered) = journal(&files, settings());
    assert!(recovered.pushes < 300, "some are forgotten");
    assert_eq!(next.high_water(), PushId(300));
}

#[test]
fn the_highest_id_is_known_whatever_came_after_it() {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    for id in [9, 5] {
        let mut batch = store.batch();
        batch.add(&Group::of([&accepted(id, 2)], None).unwrap());
        batch.settle([id, id + 1].map(|id| (id, Some(End::Failed))).into());
        store.write(batch, at(0).unix).unwrap();
    }
    store.rotate().unwrap();
    while store.is_carrying() {
        store.carry(300, at(0).unix).unwrap();
    }
    drop(store);
    let (next, recovered) = journal(&files, settings());
    assert_eq!((recovered.pushes, next.high_water()), (0, PushId(10)));
}

#[test]
fn a_nodes_own_ids_are_later_than_all_that_were_given_before() {
    let files = MemoryFiles::default();
    let (former, _) = journal(&files, settings());
    former.append([&accepted(FROM_THE_CLOCK, 2)], None).unwrap();
    let _closed = former.close();
    let (first, _) = journal(&files, settings());
    assert_eq!(first.high_water(), PushId(FROM_THE_CLOCK + 1));
    let own = Node::default().ids().start + 7;
    first.append([&accepted(own, 2)], None).unwrap();
    assert_eq!(first.high_water(), PushId(own + 1));
    let next = after_a_power_failure(&files, settings());
    assert_eq!(next.high_water(), PushId(own + 1));
    // Another number: what the old one gave is from before, and so it stays.
    let node = Node::new(3).unwrap();
    drop((first, next));
    let (third, _) = journal(&files, of_node(3));
    assert!(third.high_water().node() != node);
    third
        .append([&accepted(node.ids().start, 1)], None)
        .unwrap();
    let again = after_a_power_failure(&files, of_node(3));
    assert_eq!(again.high_water(), PushId(node.ids().start));
    let back = after_a_power_failure(&files, settings());
    assert_eq!(back.high_water(), PushId(own + 1));
}

#[test]
fn what_a_crash_left_in_doubt_is_told_from_what_was_noted_though_its_ids_are_higher() {
    let noting = || {
        let mut noting = settings();
        noting.notes_handed = true;
        noting
    };
    let files = MemoryFiles::default();
    let (killed, _) = journal(&files, settings());
    killed.append([&accepted(FROM_THE_CLOCK, 2)], None).unwrap();
    let files = files.reboot(Loss::Nothing);
    let (second, _) = journal(&files, noting());
    let own = Node::default().ids().start;
    second.append([&accepted(own, 2)], None).unwrap();
    let (third, _) = journal(&files.reboot(Loss::Nothing), noting());
    let fed = LaneId::DEFAULT_APP.into_iter().flat_map(|platform| {
        let fed = third.feed(platform, 10).notifications;
        fed.into_iter()
            .map(|found| (found.first_id.0, found.in_doubt))
    });
    let mut fed: Vec<_> = fed.collect();
    fed.sort_unstable();
    assert_eq!(fed, [(own, false), (FROM_THE_CLOCK, true)]);
}

#[test]
fn a_daemon_that_begins_to_note_what_it_sends_leaves_no_later_push_in_doubt() {
    let files = MemoryFiles::default();
    let (former, _) = journal(&files, settings());
    former.append([&accepted(FROM_THE_CLOCK, 2)], None).unwrap();
    former.leave([0, 1].map(|index| {
        (
            PushId(FROM_THE_CLOCK + index),
            crate::journal::Attempts::default(),
        )
    }));
    let _closed = former.close();
    let (second, _) = journal(&files, settings());
    let own = Node::default().ids().start;
    second.append([&accepted(own, 1)], None).unwrap();
    second.set_notes_handed(true).unwrap();
    second.append([&accepted(own + 1, 1)], None).unwrap();
    let (third, _) = journal(&files.reboot(Loss::Nothing), settings());
    let fed = LaneId::DEFAULT_APP.into_iter().flat_map(|platform| {
        let fed = third.feed(platform, 10).notifications;
        fed.into_iter()
            .map(|found| (found.first_id.0, found.in_doubt))
    });
    let mut fed: Vec<_> = fed.collect();
    fed.sort_unstable();
    let expected = [(own, true), (own + 1, false), (FROM_THE_CLOCK, true)];
    assert_eq!(fed, expected);
}
