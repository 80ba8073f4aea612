//! Disks that are full, broken or damaged, and what others do to the files.

use super::super::segment::SEGMENT_HEAD;
use super::*;
use crate::journal::fixture::{Loss, Part};

/// The path of the segment of that number.
fn path(number: u32) -> PathBuf {
    format!("/feed/settlements-{number:010}.feed").into()
}

fn filled(files: &MemoryFiles, ids: std::ops::Range<u64>) -> StreamWriter {
    let (mut writer, _) = open(files);
    writer.bytes_max = u64::MAX;
    for id in ids {
        writer.append(&mut entries(id..id + 1, 0), at(0)).unwrap();
    }
    writer.sync().unwrap();
    writer
}

#[test]
fn a_full_disk_loses_nothing_that_still_waits() {
    let files = MemoryFiles::default();
    let mut writer = filled(&files, 1..10);
    files.set_capacity(Some(files.used() + 10));
    let mut waiting = entries(10..100, 0);
    for _ in 0..3 {
        writer.append(&mut waiting, at(0)).unwrap_err();
    }
    // No file is left of the tries.
    assert_eq!(files.paths(), [path(1)]);
    files.set_capacity(None);
    writer.append(&mut waiting, at(0)).unwrap();
    writer.sync().unwrap();
    let expected: Vec<Item> = (1..100).map(|id| record(id, id)).collect();
    assert_eq!(all(&writer, 0, 1000), expected);
}

#[test]
fn what_a_failed_sync_has_lost_was_shown_to_nobody_and_is_a_gap() {
    let files = MemoryFiles::default();
    let mut writer = filled(&files, 1..4);
    writer.append(&mut entries(4..6, 0), at(0)).unwrap();
    files.fail_syncs(true);
    writer.sync().unwrap_err();
    assert_eq!(all(&writer, 2, 10), [record(3, 3)]);
    files.fail_syncs(false);
    assert!(writer.owes());
    writer.append(&mut Entries::default(), at(0)).unwrap();
    writer.sync().unwrap();
    assert!(!writer.owes());
    let gap = Item::Gap(5, Some(2));
    assert_eq!(all(&writer, 2, 10), [record(3, 3), gap]);
    writer.append(&mut entries(6..7, 0), at(0)).unwrap();
    writer.end().unwrap();
    let (writer, _) = open(&files);
    assert_eq!(all(&writer, 2, 10), [record(3, 3), gap, record(6, 6)]);
}

#[test]
fn a_process_that_dies_leaves_a_gap_of_unknown_size() {
    let files = MemoryFiles::default();
    drop(filled(&files, 1..3));
    let files = files.reboot(Loss::Nothing);
    let (mut writer, troubles) = open(&files);
    assert_eq!(troubles, [""; 0]);
    writer.sync().unwrap();
    let died = [record(1, 1), record(2, 2), Item::Gap(3, None)];
    assert_eq!(all(&writer, 0, 10), died);
    // The next one had nothing in memory, of which nobody knows either.
    drop(writer);
    let (writer, _) = open(&files.reboot(Loss::Unsynced));
    let again = [&died[..], &[Item::Gap(4, None)]].concat();
    assert_eq!(all(&writer, 0, 10), again);
}

#[test]
fn a_torn_end_is_cut_off_and_told() {
    let files = MemoryFiles::default();
    let mut writer = filled(&files, 1..3);
    let changes = files.operations();
    files.break_changes(changes..changes + 1, Part::Half);
    writer.append(&mut entries(3..4, 0), at(0)).unwrap_err();
    let files = files.reboot(Loss::Nothing);
    let (mut writer, troubles) = open(&files);
    assert_eq!(troubles.len(), 1);
    assert!(
        troubles[0].contains("torn at its end, cut off"),
        "{troubles:?}"
    );
    writer.append(&mut entries(9..10, 0), at(0)).unwrap();
    writer.end().unwrap();
    // It may have been more.
    let found = all(&writer, 1, 10);
    let [second, Item::Gap(gap, None), ninth] = found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((second, ninth), (record(2, 2), record(gap + 1, 9)));
    assert!((3..6).contains(&gap), "{gap}");
}

#[test]
fn a_damaged_end_that_was_shown_is_a_gap_and_no_number_comes_twice() {
    let files = MemoryFiles::default();
    filled(&files, 1..6).end().unwrap();
    let whole = files.content(&path(1));
    let shown = all(&open(&files).0, 0, 9);
    assert_eq!(shown, (1..6).map(|id| record(id, id)).collect::<Vec<_>>());
    for damaged in SEGMENT_HEAD + 30..whole.len() {
        let mut content = whole.clone();
        content[damaged..].fill(0);
        files.put(&path(1), content);
        let (mut writer, _) = open(&files);
        writer.append(&mut entries(70..72, 0), at(0)).unwrap();
        writer.sync().unwrap();
        for after in 0..6 {
            let found = all(&writer, after, 9);
            let (old, new) = found.split_at(found.len() - 2);
            assert!(new.iter().all(|item| item.number() > 5), "{found:?}");
            let is_known = |item: &Item| matches!(item, Item::Gap(_, None)) || shown.contains(item);
            assert!(old.iter().all(is_known), "{found:?}");
        }
    }
}

#[test]
fn damage_is_a_gap_and_the_rest_is_there() {
    let files = MemoryFiles::default();
    filled(&files, 1..100).end().unwrap();
    assert!(files.paths().len() > 3, "{:?}", files.paths());
    let whole = all(&open(&files.reboot(Loss::Nothing)).0, 0, 200);
    for (number, byte) in [(1, 3), (2, 3), (2, 80), (2, 300), (1, 590), (3, 100)] {
        let damaged = files.reboot(Loss::Nothing);
        let mut content = damaged.content(&path(number));
        content[byte] ^= 0x10;
        damaged.put(&path(number), content);
        let (writer, _) = open(&damaged);
        let found = all(&writer, 0, 200);
        let records = found.iter().filter(|item| matches!(item, Item::Record(..)));
        let (left, gone) = (
            records.count(),
            found.iter().fold(0, |gone, item| match item {
                Item::Gap(_, size) => gone + size.unwrap(),
                Item::Record(..) => gone,
            }),
        );
        assert_eq!(left as u64 + gone, 99, "{number} {byte}: {found:?}");
        // A head that is damaged takes no record with it.
        assert_eq!(gone > 0, byte > 48, "{number} {byte}: {found:?}");
        assert!(
            found
                .iter()
                .all(|item| matches!(item, Item::Gap(..)) || whole.contains(item))
        );
    }
}

#[test]
fn a_segment_that_others_take_or_replace_is_a_gap() {
    let files = MemoryFiles::default();
    let mut writer = filled(&files, 1..150);
    files.remove(&path(2)).unwrap();
    files.put(&path(3), b"something else".to_vec());
    let found = all(&writer, 0, 200);
    let gaps: Vec<_> = found
        .iter()
        .filter(|item| matches!(item, Item::Gap(..)))
        .collect();
    assert_eq!(gaps.len(), 2, "{found:?}");
    assert_eq!(found.last(), Some(&record(149, 149)));
    // The one that is being written: the next one takes its place.
    let newest = files.paths().last().unwrap().clone();
    files.put(&newest, Vec::new());
    writer.append(&mut entries(150..151, 0), at(0)).unwrap();
    let error = writer.sync().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("was removed or replaced by others"),
        "{error}"
    );
    writer.append(&mut entries(151..152, 0), at(0)).unwrap();
    writer.sync().unwrap();
    assert_eq!(all(&writer, 0, 200).last(), Some(&record(151, 151)));
    // What stands where a segment is to come is left alone.
    let next = writer.last_segment + 1;
    files.put(&path(next), b"of others".to_vec());
    writer.segment_bytes = 1;
    writer.append(&mut entries(152..153, 0), at(0)).unwrap();
    writer.end().unwrap();
    assert_eq!(files.content(&path(next)), b"of others");
    let (writer, troubles) = open(&files);
    assert!(
        troubles.iter().any(|it| it.contains("its head is damaged")),
        "{troubles:?}"
    );
    assert_eq!(all(&writer, 150, 100), [record(151, 151), record(152, 152)]);
}

#[test]
fn a_disk_that_does_not_answer_is_an_error_and_no_gap() {
    let files = MemoryFiles::default();
    let writer = filled(&files, 1..10);
    files.set_read_fault(Some(crate::journal::fixture::ReadFault::Fails(0..100)));
    let reaches = &|_: &str| true;
    let wish = PageWish {
        after: 0,
        limit: 10,
        reaches,
    };
    page::read(&writer.place, &writer.shelf, &wish).unwrap_err();
    files.set_read_fault(None);
    assert_eq!(page(&writer, 0, 100).items, 9);
}

#[test]
fn what_the_disk_never_gives_is_a_gap_in_the_end_and_keeps_nobody_from_the_rest() {
    let files = MemoryFiles::default();
    let writer = filled(&files, 1..60);
    let whole = all(&writer, 0, 100);
    assert!(files.paths().len() > 1);
    let is_bad = crate::journal::fixture::ReadFault::Location("-0000000001.feed", 0..1 << 20);
    files.set_read_fault(Some(is_bad));
    let reaches = &|_: &str| true;
    let wish = PageWish {
        after: 0,
        limit: 10,
        reaches,
    };
    let mut tries = 0;
    let page = loop {
        tries += 1;
        match page::read(&writer.place, &writer.shelf, &wish) {
            Ok(page) => break page,
            Err(_) => assert!(tries < 10),
        }
    };
    assert_eq!(tries, 10);
    let found = items(&page);
    let missing = found[0].number();
    let gap = Item::Gap(missing, Some(missing));
    let missing = usize::try_from(missing).unwrap();
    assert_eq!(found[..], [&[gap], &whole[missing..][..9]].concat());
    assert_eq!(found, all(&writer, 0, 100)[..10]);
    // What can be read again is there again.
    files.set_read_fault(None);
    assert_eq!(all(&writer, 0, 100), whole);
}

#[test]
fn the_thread_waits_for_a_full_disk_and_writes_then() {
    let files = MemoryFiles::default();
    files.set_capacity(Some(0));
    let (feed, _) = start(&files, 1 << 20);
    // The start has tried, too.
    let changes = files.operations();
    let mut gathered = Gathered::default();
    gathered.add(&FeedRecord::of(LaneId::IOS, PushId(1), End::Failed), None);
    feed.add(&mut gathered);
    while files.operations() == changes {
        thread::yield_now();
    }
    files.set_capacity(None);
    assert!(feed.close(Duration::from_secs(60)));
    let page = feed.read(STREAM, None, 10, EVERYBODY).unwrap();
    assert!(texts(&page).contains("\"id\":1,"), "{page:?}");
    let [settlements, _] = feed.figures();
    assert_eq!((settlements.written, settlements.lost), (1, 0));
}

#[test]
fn a_file_system_that_does_not_say_which_file_is_which_is_good_enough() {
    let files = MemoryFiles::default();
    files.be_vague();
    let writer = filled(&files, 1..4);
    assert_eq!(all(&writer, 2, 10), [record(3, 3)]);
}

#[test]
fn what_cannot_be_removed_is_passed_over_and_told() {
    let files = MemoryFiles::default();
    let mut writer = filled(&files, 1..200);
    writer.bytes_max = 4000;
    let changes = files.operations();
    files.break_changes(changes..changes + 2, Part::Nothing);
    for id in 200..300 {
        // The third change is the write, which is then tried again.
        let mut waiting = entries(id..id + 1, 0);
        while writer.append(&mut waiting, at(0)).is_err() {}
    }
    writer.sync().unwrap();
    assert_eq!(all(&writer, 0, 1000).last(), Some(&record(299, 299)));
    files.break_changes(0..u64::MAX, Part::Nothing);
    let before = lock(&writer.shelf).segments.len();
    writer.make_room(4000).unwrap();
    let left = lock(&writer.shelf).segments.len();
    assert!(left == 0 && before > 0, "{before}, {left}");
    assert!(writer.troubles[0].ends_with("cannot be removed, and stays: the machine goes off"));
}

#[test]
fn what_ends_while_there_is_no_feed_is_a_gap_of_unknown_size() {
    let memory = MemoryFiles::default();
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    Feed::pause(&files, Path::new("/feed"), 9, at(0)).unwrap();
    assert_eq!(memory.paths(), [""; 0].map(PathBuf::from));
    filled(&memory, 1..3).end().unwrap();
    Feed::pause(&files, Path::new("/feed"), 9, at(0)).unwrap();
    let (writer, _) = open(&memory);
    let gap = Item::Gap(3, None);
    assert_eq!(all(&writer, 0, 9), [record(1, 1), record(2, 2), gap]);
}

#[test]
fn a_pause_over_damage_gives_cursors_of_its_own() {
    let memory = MemoryFiles::default();
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    filled(&memory, 1..3).end().unwrap();
    let mut content = memory.content(&path(1));
    content[3] ^= 1;
    memory.put(&path(1), content);
    Feed::pause(&files, Path::new("/feed"), 9, at(0)).unwrap();
    let (writer, _) = open(&memory);
    assert_eq!(lock(&writer.shelf).epoch, 9);
}

#[test]
fn a_start_whose_syncs_fail_loses_no_record_and_takes_no_number() {
    let files = MemoryFiles::default();
    drop(filled(&files, 1..3));
    let files = files.reboot(Loss::Nothing);
    let (mut writer, _) = {
        files.fail_syncs(true);
        open(&files)
    };
    for _ in 0..3 {
        let mut waiting = entries(3..4, 0);
        writer.append(&mut waiting, at(0)).unwrap_err();
        assert_eq!((waiting.count(), writer.lost), (1, 0));
    }
    files.fail_syncs(false);
    writer.append(&mut entries(3..4, 0), at(0)).unwrap();
    writer.sync().unwrap();
    let died = Item::Gap(3, None);
    let expected = [record(1, 1), record(2, 2), died, record(4, 3)];
    assert_eq!(all(&writer, 0, 9), expected);
}

#[test]
fn no_segment_comes_after_the_last_number() {
    let files = MemoryFiles::default();
    files.put(&path(u32::MAX - 1), vec![1; 9]);
    let (mut writer, _) = open(&files);
    let error = writer.append(&mut entries(1..2, 0), at(0)).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("4294967294.feed: none of ours has"), "{told}");
    // A number that is none of a segment's is no reason.
    files.remove(&path(u32::MAX - 1)).unwrap();
    files.put(&path(u32::MAX), vec![1; 9]);
    let (mut writer, _) = open(&files);
    writer.append(&mut entries(1..2, 0), at(0)).unwrap();
    assert_eq!(writer.last_segment, 1);
}

#[test]
fn a_thread_that_has_ended_by_an_error_has_not_written_all() {
    let files: Arc<dyn Files> = Arc::new(MemoryFiles::default());
    let settings = FeedSettings {
        dir: "/feed".into(),
        bytes: 1 << 20,
        // No time comes so late: the thread panics where it reckons with it after the first sync.
        sync_every: Duration::MAX,
    };
    let (feed, _) = Feed::start(&files, &settings, 1, at(0)).unwrap();
    let add = |id| {
        let mut gathered = Gathered::default();
        gathered.add(&FeedRecord::of(LaneId::IOS, PushId(id), End::Failed), None);
        feed.add(&mut gathered);
    };
    add(1);
    let shown = || feed.read(STREAM, None, 9, EVERYBODY).unwrap().items;
    while shown() == 0 {
        thread::yield_now();
    }
    assert!(!feed.close(Duration::from_secs(60)));
    assert!(feed.is_failing());
    // What comes now is counted.
    add(2);
    let [settlements, _] = feed.figures();
    assert_eq!((settlements.written, settlements.lost), (1, 1));
}
