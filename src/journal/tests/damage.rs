//! A journal that is cut off anywhere, and one with any one bit wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::script::{Ledger, Operation, open, outstanding, run};
use crate::journal::KeptAnswer;
use crate::journal::batch::Group;
use crate::journal::fixture::{MemoryFiles, accepted, at};
use crate::journal::frame;
use crate::journal::lanes::SegmentLanes;
use crate::journal::read;
use crate::journal::reader::{READ_TWICE_MAX, Reader, ReaderStep};
use crate::journal::record::{Record, kind};
use crate::journal::recovery::BEGIN_BYTES;
use crate::journal::segment::SEGMENT_HEAD;
use crate::journal::store::Store;
use crate::push::{End, LaneId};

/// Bytes from the end that are looked at one by one.
const TAIL: usize = 4096;

fn segment() -> PathBuf {
    PathBuf::from("/journal/0000000001.journal")
}

fn script() -> Vec<Operation> {
    let mut script = Vec::new();
    for round in 0..5 {
        script.push(Operation::Append(vec![2, 1, 1 + round % 2]));
        script.push(Operation::Append(vec![1]));
        script.push(Operation::Sync);
        script.push(Operation::Settle(3));
        script.push(Operation::Leave(4));
        script.push(Operation::Append(vec![1, 2]));
    }
    script
}

fn ids(files: &MemoryFiles) -> BTreeSet<u64> {
    outstanding(files).0.into_keys().collect()
}

fn with(content: &[u8]) -> MemoryFiles {
    let files = MemoryFiles::default();
    files.put(&segment(), content.to_vec());
    files
}

/// The journal of the first operations, for each number of them. Names of lanes at the end of a
/// write are there once more: it is whole without them.
fn stages() -> Vec<(usize, BTreeSet<u64>)> {
    let script = script();
    let stages = (0..=script.len()).map(|operations| {
        let files = MemoryFiles::default();
        run(&files, &script[..operations], &mut Ledger::default());
        let parts = parts(&files.content(&segment()));
        let said = parts.iter().rfind(|part| !part.is_name).unwrap();
        (said.end, ids(&files))
    });
    stages.collect()
}

fn whole() -> Vec<u8> {
    let files = MemoryFiles::default();
    run(&files, &script(), &mut Ledger::default());
    let mut content = files.content(&segment());
    let end = parts(&content).last().unwrap().end;
    assert!(content.len() > end && content[end..].iter().all(|byte| *byte == 0));
    content.truncate(end);
    assert!((1500..TAIL).contains(&content.len()), "{}", content.len());
    content
}

#[test]
fn every_prefix_gives_what_its_whole_writes_say() {
    let (stages, content) = (stages(), whole());
    assert_eq!(stages.last().unwrap().0, content.len());
    // A segment gets its name with its first bytes: nothing but damage makes it shorter.
    let is_well = |len: &usize| outstanding(&with(&content[..*len])).1.damaged == 0;
    let begin = (0..=content.len()).find(is_well).unwrap();
    assert!((SEGMENT_HEAD as u64..=BEGIN_BYTES).contains(&(begin as u64)));
    for len in SEGMENT_HEAD..=content.len() {
        let files = with(&content[..len]);
        let stage = stages.iter().rev().find(|(whole, _)| *whole <= len);
        let nothing = BTreeSet::new();
        let expected = stage.map_or(&nothing, |(_, ids)| ids);
        let (found, recovered) = outstanding(&files);
        assert!(
            found.keys().eq(expected),
            "{len}: {found:?}, not {expected:?}"
        );
        assert_eq!(recovered.damaged, u64::from(len < begin), "{len}");
        if let Some(torn) = recovered.torn {
            // Zeros at its end may be room that was made.
            let cut = &content[..len];
            let zeros = cut.iter().rev().take_while(|byte| **byte == 0).count();
            assert_eq!(torn.offset + torn.bytes, (len - zeros) as u64);
            assert!(
                stages.iter().all(|(whole, _)| *whole != len),
                "{len} is whole"
            );
            // Cut off, it is whole.
            drop(open(&files).unwrap());
            assert_eq!(outstanding(&files).1.torn, None);
            assert!(ids(&files).iter().eq(expected), "{len}");
        }
    }
    for len in 0..SEGMENT_HEAD {
        assert!(ids(&with(&content[..len])).is_empty());
        drop(open(&with(&content[..len])).unwrap());
    }
}

/// A frame: where it is, which pushes its group accepts, which it settles.
struct Part {
    end: usize,
    accepts: BTreeSet<u64>,
    settles: BTreeSet<u64>,
    is_name: bool,
}

fn parts(content: &[u8]) -> Vec<Part> {
    let files = with(content);
    let file = crate::journal::Files::open_read(&files, &segment()).unwrap();
    let (mut reader, _) = Reader::open(&*file, 1).unwrap();
    let mut parts: Vec<Part> = Vec::new();
    let mut group = Vec::new();
    let mut lanes = SegmentLanes::default();
    while let ReaderStep::Frame(frame, offset) = reader.next().unwrap() {
        let mut part = Part {
            end: usize::try_from(offset).unwrap() + frame.len(),
            accepts: BTreeSet::new(),
            settles: BTreeSet::new(),
            is_name: frame.kind == kind::LANE,
        };
        match Record::read(frame.kind, frame.record, &mut lanes).unwrap() {
            Record::Accepted(numbered) => {
                let head = numbered.unnamed();
                part.accepts = (head.first_id..).take(head.tokens as usize).collect();
            }
            Record::Settled(runs) => {
                part.settles = runs
                    .flat_map(|run| run.first..run.first + run.count)
                    .collect();
            }
            _ => {}
        }
        group.push(parts.len());
        parts.push(part);
        if !frame.more {
            let all: BTreeSet<u64> = group
                .iter()
                .flat_map(|at| parts[*at].accepts.clone())
                .collect();
            for at in group.drain(..) {
                parts[at].accepts.clone_from(&all);
            }
        }
    }
    parts
}

#[test]
fn every_flipped_bit_costs_at_most_its_record_and_is_told() {
    let content = whole();
    let before = ids(&with(&content));
    let parts = parts(&content);
    assert_eq!(parts.last().unwrap().end, content.len());
    for at in 0..content.len() {
        for bit in 0..8 {
            let mut damaged = content.clone();
            damaged[at] ^= 1 << bit;
            let files = with(&damaged);
            let (found, recovered) = outstanding(&files);
            let found: BTreeSet<u64> = found.into_keys().collect();
            assert!(
                recovered.damaged > 0 || recovered.torn.is_some(),
                "byte {at}, bit {bit}: not told"
            );
            if at < SEGMENT_HEAD {
                let [place] = &recovered.damage[..] else {
                    panic!("byte {at}, bit {bit}: {:?}", recovered.damage);
                };
                assert_eq!((place.offset, place.bytes), (0, SEGMENT_HEAD as u64));
            }
            let nothing = BTreeSet::new();
            let part = parts.iter().find(|part| at < part.end);
            let part = part.filter(|_| at >= SEGMENT_HEAD);
            let may_lose = part.map_or(&nothing, |part| &part.accepts);
            let may_gain = part.map_or(&nothing, |part| &part.settles);
            let lost: BTreeSet<u64> = before.difference(&found).copied().collect();
            let gained: BTreeSet<u64> = found.difference(&before).copied().collect();
            assert!(
                lost.is_subset(may_lose),
                "byte {at}, bit {bit}: lost {lost:?}"
            );
            assert!(
                gained.is_subset(may_gain),
                "byte {at}, bit {bit}: back {gained:?}"
            );
            // It can be taken over, twice, and says the same.
            if bit == at % 8 {
                drop(open(&files).unwrap());
                drop(open(&files).unwrap());
                assert_eq!(ids(&files), found, "byte {at}, bit {bit}");
            }
        }
    }
}

/// A segment of one write of a hundred notifications, some of them settled in it, with other
/// records behind it that name no lanes.
fn one_write() -> Vec<u8> {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let mut batch = store.batch();
    for id in 1..=100 {
        batch.add(&Group::of(&[accepted(id, 1)], None).unwrap());
    }
    batch.settle([5, 51, 100].map(|id| (id, Some(End::Succeeded))).into());
    store.write(batch, at(0).unix).unwrap();
    store.sync().unwrap();
    let mut batch = store.batch();
    for _ in 0..400 {
        batch.note_ids(1);
    }
    store.write(batch, at(0).unix).unwrap();
    store.sync().unwrap();
    files.content(&segment())
}

#[test]
fn a_block_that_is_lost_costs_what_is_in_it_and_no_names_of_lanes() {
    let content = one_write();
    let (before, parts) = (ids(&with(&content)), parts(&content));
    assert_eq!(before.len(), 97);
    for block in [512, 4096] {
        let mut lost_of_all = BTreeSet::new();
        for from in (0..content.len()).step_by(block) {
            let to = content.len().min(from + block);
            let mut damaged = content.clone();
            damaged[from..to].fill(0);
            let (found, recovered) = outstanding(&with(&damaged));
            let found: BTreeSet<u64> = found.into_keys().collect();
            let (mut may_lose, mut may_gain) = (BTreeSet::<u64>::new(), BTreeSet::<u64>::new());
            let mut begin = 0;
            for part in &parts {
                if begin < to && from < part.end {
                    may_lose.extend(&part.accepts);
                    may_gain.extend(&part.settles);
                }
                begin = part.end;
            }
            let lost: BTreeSet<u64> = before.difference(&found).copied().collect();
            assert!(lost.is_subset(&may_lose), "{from}: lost {lost:?}");
            assert!(lost.is_empty() || recovered.damaged > 0, "{from}: not told");
            let mut gained = found.difference(&before);
            assert!(gained.all(|id| may_gain.contains(id)), "{from}: back");
            lost_of_all.extend(lost);
        }
        assert_eq!(lost_of_all, before, "every record is in a block");
    }
}

#[test]
fn what_has_no_name_of_its_lane_left_is_told_and_nothing_is_written_behind_it() {
    let content = one_write();
    let files = with(&content);
    files.damage(&segment(), b"android", b"ANDROID");
    let (found, recovered) = outstanding(&files);
    let is_android = |id: &u64| accepted(*id, 1).envelope.lane == LaneId::ANDROID;
    let before = ids(&with(&content));
    assert!(found.keys().eq(before.iter().filter(|id| !is_android(id))));
    let lost = before.iter().filter(|id| is_android(id)).count() as u64;
    assert!(lost > 30, "{lost}");
    // With the two names themselves.
    assert_eq!(recovered.damaged, lost + 2);
    let (store, _) = open(&files).unwrap();
    assert!(store.ids() >= 100, "no id is given twice");
    drop(store);
    let left: Vec<_> = files.paths();
    assert!(
        !left.contains(&segment()),
        "its numbers may be others: {left:?}"
    );
    assert!(ids(&files).iter().eq(found.keys()));
}

#[test]
fn of_a_request_that_lacks_a_lanes_name_nothing_is_kept_unless_it_was_synced() {
    let kept = KeptAnswer {
        key: "key".into(),
        body_hash: [0; 32],
        answer: [].into(),
        at: at(0).unix,
    };
    for (is_marked, expected) in [(false, vec![]), (true, vec![2])] {
        let files = MemoryFiles::default();
        let (mut store, _) = open(&files).unwrap();
        let mut batch = store.batch();
        batch.add(&Group::of(&[accepted(2, 1), accepted(3, 1)], Some(&kept)).unwrap());
        store.write(batch, at(0).unix).unwrap();
        store.sync().unwrap();
        if is_marked {
            let mut batch = store.batch();
            batch.note_ids(3);
            store.write(batch, at(0).unix).unwrap();
        }
        drop(store);
        // As a write that was interrupted may leave it, or the disk.
        files.damage(&segment(), b"android", b"ANDROID");
        let (found, recovered) = outstanding(&files);
        assert!(found.keys().eq(&expected), "{found:?}");
        assert_eq!(recovered.answers.len(), expected.len());
        drop(open(&files).unwrap());
        assert!(ids(&files).iter().eq(&expected), "nor later");
    }
}

#[test]
fn damage_in_the_middle_of_what_was_synced_costs_one_notification() {
    let content = whole();
    let all = ids(&with(&content));
    let reading = read(&with(&content), Path::new("/journal"), at(0)).unwrap();
    let victim = reading.map(Result::unwrap).nth(1).unwrap();
    let text = format!("message {}\n", victim.first_id);
    let text = text.as_bytes();
    let at = content
        .windows(text.len())
        .position(|some| some == text)
        .unwrap();
    let mut damaged = content;
    damaged[at] = b'M';
    let (found, recovered) = outstanding(&with(&damaged));
    let lost = all.iter().copied().filter(|id| !found.contains_key(id));
    assert!(lost.eq(victim.pushes.iter().map(|(index, _)| victim.id(*index).0)));
    assert_eq!((recovered.damaged, recovered.damage.len()), (1, 1));
    let place = &recovered.damage[0];
    assert!(place.path == segment() && place.bytes > 40, "{place:?}");
    let (offset, len) = (
        usize::try_from(place.offset).unwrap(),
        usize::try_from(place.bytes).unwrap(),
    );
    assert!((offset..offset + len).contains(&at));
    let said = place.to_string();
    assert!(said.contains("0000000001.journal is damaged") && said.contains(&offset.to_string()));
}

#[test]
fn many_places_of_damage_are_counted_and_some_are_told() {
    let files = MemoryFiles::default();
    let script = vec![Operation::Append(vec![1]); 80];
    run(&files, &script, &mut Ledger::default());
    let mut content = files.content(&segment());
    let mut frames = Vec::new();
    for part in parts(&content) {
        frames.push(part.end);
    }
    for end in frames.iter().skip(2).step_by(2) {
        content[end - 1] ^= 1;
    }
    let files = with(&content);
    files.set_read_fault(None);
    drop(open(&files).unwrap());
    let (recovered, reads) = (outstanding(&with(&content)).1, files.reads());
    assert!(
        recovered.damaged > READ_TWICE_MAX,
        "more than are read twice"
    );
    // To list, to open, the length, the content.
    assert!(
        (READ_TWICE_MAX..READ_TWICE_MAX + 10).contains(&reads),
        "{reads}"
    );
    assert!(recovered.damaged > 32, "{}", recovered.damaged);
    assert_eq!(recovered.damage.len(), crate::journal::PLACES_MAX);
    assert_eq!(recovered.unlisted(), Some(recovered.damaged - 32));
    assert_eq!(outstanding(&with(&whole())).1.unlisted(), None);
}

#[test]
fn bytes_without_any_sense_are_no_journal_but_no_obstacle() {
    for content in [vec![0_u8; 5000], vec![0xf9; 5000], b"a text".repeat(1000)] {
        let files = with(&content);
        let (store, recovered) = open(&files).unwrap();
        assert_eq!(recovered.outstanding, 0);
        assert_eq!((recovered.damaged, &recovered.torn), (1, &None));
        drop(store);
        assert!(!files.paths().contains(&segment()));
        assert!(
            files
                .paths()
                .iter()
                .all(|path| path.starts_with(Path::new("/journal")))
        );
    }
}

/// A request of three notifications with a push each, and where its frames end.
fn request() -> (MemoryFiles, Store, Vec<usize>) {
    let files = MemoryFiles::default();
    let (mut store, _) = open(&files).unwrap();
    let request = [1, 2, 3].map(|id| accepted(id, 1));
    let mut batch = store.batch();
    batch.add(&Group::of(&request, None).unwrap());
    store.write(batch, at(0).unix).unwrap();
    store.sync().unwrap();
    let parts = parts(&files.content(&segment())).into_iter();
    let ends = parts.filter(|part| !part.accepts.is_empty());
    let ends: Vec<usize> = ends.map(|part| part.end).collect();
    assert_eq!(ends.len(), 3);
    (files, store, ends)
}

#[test]
fn what_is_left_of_a_request_is_outstanding_where_another_segment_was_begun() {
    let (files, mut store, ends) = request();
    let whole = files.content(&segment());
    store.rotate().unwrap();
    store.sync().unwrap();
    drop(store);
    // The last frame is gone, or what is left of it is no frame.
    for len in [ends[1], ends[1] + 5] {
        files.put(&segment(), whole[..len].to_vec());
        assert!(ids(&files).iter().eq(&[1, 2]), "{len}");
        // Where none was begun, nobody was told that it was taken.
        assert!(ids(&with(&whole[..len])).is_empty(), "{len}");
    }
}

#[test]
fn what_is_left_of_a_request_is_outstanding_where_more_was_written_after_its_sync() {
    let (files, mut store, ends) = request();
    let mut damaged = files.content(&segment());
    damaged[ends[2] - 1] ^= 1;
    assert!(ids(&with(&damaged)).is_empty());
    let mut batch = store.batch();
    batch.add(&Group::of(&[accepted(9, 1)], None).unwrap());
    store.write(batch, at(0).unix).unwrap();
    drop(store);
    damaged.extend(&files.content(&segment())[damaged.len()..]);
    assert!(ids(&with(&damaged)).iter().eq(&[1, 2, 9]));
}

#[test]
fn a_frame_of_a_kind_that_is_not_ours_is_told_and_breaks_what_it_is_in() {
    let (files, store, ends) = request();
    drop(store);
    let whole = files.content(&segment());
    let mut strange = Vec::new();
    assert!(frame::put(&mut strange, 60, |out| out.extend(b"whatever")));
    frame::seal(&mut strange, frame::salt(1));
    for (offset, expected) in [(ends[1], &[][..]), (ends[2], &[1, 2, 3])] {
        let content = [&whole[..offset], &strange, &whole[offset..]].concat();
        let (found, recovered) = outstanding(&with(&content));
        assert!(found.keys().eq(expected), "{found:?}");
        let [damage] = &recovered.damage[..] else {
            panic!("{recovered:?}");
        };
        let place = (damage.offset, damage.bytes, recovered.damaged);
        assert_eq!(place, (offset as u64, strange.len() as u64, 1));
    }
}
