//! What is outstanding at a start comes back, each push once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::script::{check, journal, settings, until};
use crate::journal::fixture::{Loss, MemoryFiles, accepted, at};
use crate::journal::{Attempts, Fed, Journal};
use crate::push::{End, LaneId, PushId};

const TRIED: Attempts = Attempts {
    attempts: 2,
    refusals: 1,
    maybe_sent: true,
    used_its_second_chance: true,
    contradictions: (0, 0),
    first_attempt: None,
    due: None,
    rest: None,
};

/// 40 notifications of 3 pushes each; all with an even id are settled, some were tried.
fn filled() -> MemoryFiles {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    for number in 0..40 {
        journal
            .append([&accepted(1 + number * 3, 3)], None)
            .unwrap();
    }
    let even = (1..=120).filter(|id| id % 2 == 0);
    journal.settle(even.map(|id| (PushId(id), End::Succeeded)));
    journal.leave([(PushId(5), TRIED)]);
    let closed = journal.close();
    assert_eq!((closed.outstanding, closed.unwritten), (60, 0));
    files
}

fn take(fed: &Fed, pushes: &mut BTreeMap<u64, Attempts>) -> usize {
    let mut taken = 0;
    assert!(fed.damaged.is_empty());
    for outstanding in &fed.notifications {
        check(outstanding);
        assert!(!outstanding.pushes.is_empty());
        for (index, attempts) in &outstanding.pushes {
            taken += 1;
            let is_new = pushes.insert(outstanding.id(*index).0, *attempts).is_none();
            assert!(is_new, "twice: {}", outstanding.id(*index));
        }
    }
    taken
}

fn feed_all(journal: &Journal, platform: LaneId, most: usize) -> BTreeMap<u64, Attempts> {
    let mut pushes = BTreeMap::new();
    loop {
        let unfed = journal.unfed(platform);
        let taken = take(&journal.feed(platform, most), &mut pushes);
        assert!(taken <= most);
        assert_eq!(journal.unfed(platform), unfed - taken as u64);
        if taken == 0 {
            assert_eq!(unfed, 0);
            return pushes;
        }
    }
}

/// What this process has accepted too, and as far as it has come: nobody has it in hand.
#[test]
fn what_a_lane_has_left_is_fed_anew_and_the_other_lanes_go_on() {
    let files = filled();
    let (first, _) = journal(&files, settings());
    first.append([&accepted(999, 3)], None).unwrap();
    drop(first);
    let (journal, _) = journal(&files, settings());
    let before = feed_all(&journal, LaneId::IOS, 1000);
    assert_eq!(journal.feed(LaneId::ANDROID, 1).notifications.len(), 1);
    let others = journal.unfed(LaneId::ANDROID);
    journal.append([&accepted(1004, 3)], None).unwrap();
    journal.settle([(PushId(1005), End::Succeeded)]);
    journal.leave([(PushId(1006), TRIED)]);
    let lane = journal.lane_of(PushId(1004)).unwrap();
    assert_eq!((lane, journal.unfed(lane)), (LaneId::IOS, 0));
    journal.feed_again(&[lane]).unwrap();
    let mut expected = before;
    expected.extend([(1004, Attempts::default()), (1006, TRIED)]);
    assert_eq!(feed_all(&journal, lane, 7), expected);
    assert_eq!(journal.unfed(LaneId::ANDROID), others);
    // Nothing is left to be written.
    journal.feed_again(&[lane]).unwrap();
    assert_eq!(feed_all(&journal, lane, 7), expected);
}

#[test]
fn every_push_is_fed_once_in_pieces_of_any_size() {
    let files = filled();
    for most in [1, 2, 3, 7, 1000] {
        let (journal, recovered) = journal(&files.reboot(Loss::Nothing), settings());
        assert_eq!(recovered.outstanding, 60);
        assert_eq!(journal.feed(LaneId::IOS, 0).notifications, []);
        let mut fed = feed_all(&journal, LaneId::IOS, most);
        for id in fed.keys() {
            let first_id = (id - 1) / 3 * 3 + 1;
            assert_ne!(first_id % 3, 0, "of the other platform: {id}");
        }
        fed.extend(feed_all(&journal, LaneId::ANDROID, most));
        assert!(
            fed.keys().copied().eq((1..=120).filter(|id| id % 2 == 1)),
            "{most}"
        );
        assert!(
            fed.iter()
                .all(|(id, state)| (*state == TRIED) == (*id == 5))
        );
        assert_eq!(journal.outstanding(), 60, "until they are settled");
    }
}

#[test]
fn pushes_that_are_new_or_settled_before_are_not_fed() {
    let (journal, _) = journal(&filled(), settings());
    journal.append([&accepted(1000, 3)], None).unwrap();
    journal.settle([(PushId(1), End::Failed), (PushId(119), End::Failed)]);
    until("settled", || journal.outstanding() == 61);
    assert_eq!(journal.unfed(LaneId::IOS), 58);
    let fed = feed_all(&journal, LaneId::IOS, 10);
    assert!(fed.keys().copied().eq((3..=117).filter(|id| id % 2 == 1)));
}

#[test]
fn what_is_settled_at_once_is_not_fed() {
    let (journal, _) = journal(&filled(), settings());
    let ended = [(PushId(1), End::Failed), (PushId(119), End::Succeeded)];
    journal.settle_at_once(ended).unwrap();
    assert_eq!(journal.outstanding(), 58);
    assert!(!feed_all(&journal, LaneId::IOS, 10).contains_key(&1));
}

#[test]
fn pushes_are_fed_while_their_segments_go() {
    let files = filled();
    let mut small = settings();
    small.segment_bytes = 1;
    let (journal, _) = journal(&files, small);
    let mut fed = BTreeMap::new();
    take(&journal.feed(LaneId::IOS, 20), &mut fed);
    // Appending makes the segment longer than what is outstanding, so that all is carried forward.
    let mut id = 10_000;
    until("all is in another segment", || {
        journal.append([&accepted(id, 1)], None).unwrap();
        journal.settle([(PushId(id), End::Succeeded)]);
        id += 1;
        let paths = files.paths();
        !paths
            .iter()
            .any(|path| path.ends_with("0000000001.journal"))
    });
    while take(&journal.feed(LaneId::IOS, 20), &mut fed) > 0 {}
    assert_eq!(fed.len(), 60);
}

#[test]
fn a_record_that_cannot_be_read_any_more_is_named() {
    let files = filled();
    let (journal, _) = journal(&files, settings());
    for path in files.paths() {
        files.damage(&path, b"message 4", b"massage 4");
    }
    let fed = journal.feed(LaneId::IOS, 1000);
    assert!(fed.damaged.contains(&PushId(5)), "{:?}", fed.damaged);
    let ids = fed.notifications.iter().flat_map(|some| some.pushes.iter());
    assert_eq!(ids.count() + fed.damaged.len(), 60);
}

#[test]
fn times_are_told_on_the_clocks_of_the_new_process() {
    let (journal, _) = journal(&filled(), settings());
    let fed = journal.feed(LaneId::IOS, 1);
    let first = fed.notifications.first().unwrap();
    let now = at(100);
    let moment = first.moment(now);
    assert_eq!(moment.unix, at(1).unix);
    assert_eq!(now.monotonic - moment.monotonic, Duration::from_secs(99));
    // A clock that was set back makes nothing younger than now.
    let early = crate::moment::Moment {
        unix: Duration::from_secs(5),
        ..now
    };
    assert_eq!(first.moment(early), early);
}

#[test]
fn what_is_only_looked_at_stays_to_be_fed_until_it_is_settled() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    for id in [10, 20, 40] {
        first.append([&accepted(id, 4)], None).unwrap();
    }
    drop(first);
    let (journal, _) = journal(&files, settings());
    let look = |from, most| {
        let (seen, next) = journal.look(LaneId::IOS, PushId(from), most);
        let ids = seen.iter().flat_map(|seen| {
            let pushes = seen.pushes.iter();
            pushes.map(|(index, _)| seen.first_id.0 + u64::from(*index))
        });
        (ids.collect::<Vec<_>>(), next.map(|next| next.0))
    };
    let all = journal.unfed(LaneId::IOS);
    let (seen, next) = look(0, 6);
    assert_eq!((seen, next), (vec![10, 11, 12, 13, 20, 21], Some(22)));
    assert_eq!(look(22, 100), (vec![22, 23, 40, 41, 42, 43], None));
    assert_eq!(look(100, 100), (vec![], None));
    assert_eq!(journal.unfed(LaneId::IOS), all);
    journal.settle([(PushId(11), End::Expired), (PushId(22), End::Expired)]);
    until("they are settled", || journal.unfed(LaneId::IOS) == all - 2);
    assert_eq!(look(0, 6).0, [10, 12, 13, 20, 21, 23]);
}
