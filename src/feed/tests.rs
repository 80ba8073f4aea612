//! Whole streams over a file system that forgets, tears and fills up.

mod chance;
mod faults;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::cursor::Cursor;
use super::inbox::{Entries, FeedInbox};
use super::page::{self, PageWish, StreamPage};
use super::writer::{StreamPlace, StreamWriter};
use super::*;
use crate::journal::fixture::{MemoryFiles, at};
use crate::push::{End, LaneId, PushId};

const STREAM: FeedStream = FeedStream::Settlements;

fn place(files: &MemoryFiles) -> StreamPlace {
    StreamPlace {
        files: Arc::new(files.clone()),
        dir: "/feed".into(),
        stream: STREAM,
    }
}

/// A stream of small segments.
fn open(files: &MemoryFiles) -> (StreamWriter, Vec<String>) {
    let (mut writer, found) = StreamWriter::open(place(files), 1 << 20, 7, at(0)).unwrap();
    (writer.bytes_max, writer.segment_bytes) = (4000, 600);
    (writer, found.troubles)
}

/// The records of pushes with those ids, and so many lost after them.
fn entries(ids: std::ops::Range<u64>, lost: u64) -> Entries {
    let (inbox, mut gathered, mut entries) = (
        FeedInbox::default(),
        Gathered::default(),
        Entries::default(),
    );
    for id in ids {
        gathered.add(&FeedRecord::of(lane(id), PushId(id), End::Failed), None);
    }
    inbox.add(&mut gathered);
    inbox.hand_over(STREAM, &mut entries);
    entries.lost = lost;
    entries
}

/// Every third push is to Android.
fn lane(id: u64) -> LaneId {
    LaneId::DEFAULT_APP[usize::from(id.is_multiple_of(3))]
}

/// What a reader gets: a number, and a push's id, or nothing for a gap of known or unknown size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Record(u64, u64),
    Gap(u64, Option<u64>),
}

impl Item {
    fn number(self) -> u64 {
        match self {
            Self::Record(number, _) | Self::Gap(number, _) => number,
        }
    }
}

fn items(page: &StreamPage) -> Vec<Item> {
    let json = [b"[", &*page.json, b"]"].concat();
    let all: Vec<Value> = serde_json::from_slice(&json).unwrap();
    let item = |item: &Value| {
        let cursor = Cursor::of(item["cursor"].as_str().unwrap()).unwrap();
        match item["id"].as_u64() {
            Some(id) => Item::Record(cursor.number, id),
            None => Item::Gap(cursor.number, item["records"].as_u64()),
        }
    };
    let items: Vec<Item> = all.iter().map(item).collect();
    assert_eq!(items.len(), page.items);
    items
}

fn page(writer: &StreamWriter, after: u64, limit: usize) -> StreamPage {
    let reaches = &|_: &str| true;
    let wish = PageWish {
        after,
        limit,
        reaches,
    };
    page::read(&writer.place, &writer.shelf, &wish).unwrap()
}

/// All that there is after a number, in pages of that many.
fn all(writer: &StreamWriter, after: u64, limit: usize) -> Vec<Item> {
    let (mut seen, mut found) = (after, Vec::new());
    loop {
        let page = page(writer, seen, limit);
        found.extend(items(&page));
        assert!(page.items <= limit);
        assert!(page.seen > seen || !page.more, "no way on from {seen}");
        seen = page.seen;
        if !page.more {
            return found;
        }
    }
}

fn record(number: u64, id: u64) -> Item {
    Item::Record(number, id)
}

#[test]
fn what_is_written_is_shown_once_it_is_synced_and_stays_over_restarts() {
    let files = MemoryFiles::default();
    let (mut writer, troubles) = open(&files);
    assert_eq!(troubles, [""; 0]);
    writer.append(&mut entries(10..13, 0), at(0)).unwrap();
    assert_eq!(all(&writer, 0, 10), []);
    writer.sync().unwrap();
    let three = [record(1, 10), record(2, 11), record(3, 12)];
    assert_eq!(all(&writer, 0, 10), three);
    assert_eq!(all(&writer, 0, 1), three);
    assert_eq!(all(&writer, 2, 10), three[2..]);
    writer.end().unwrap();
    drop(writer);
    let (mut writer, troubles) = open(&files.reboot(crate::journal::fixture::Loss::Unsynced));
    assert_eq!(troubles, [""; 0]);
    writer.append(&mut entries(13..14, 0), at(0)).unwrap();
    writer.end().unwrap();
    assert_eq!(all(&writer, 2, 10), [three[2], record(4, 13)]);
}

#[test]
fn what_had_no_room_is_a_gap_of_its_size_though_nothing_follows() {
    let (mut writer, _) = open(&MemoryFiles::default());
    writer.append(&mut entries(1..3, 5), at(0)).unwrap();
    writer.sync().unwrap();
    let gap = Item::Gap(7, Some(5));
    assert_eq!(all(&writer, 0, 10), [record(1, 1), record(2, 2), gap]);
    writer.append(&mut entries(8..9, 0), at(0)).unwrap();
    writer.sync().unwrap();
    assert_eq!(all(&writer, 1, 1), [record(2, 2), gap, record(8, 8)]);
    // Within a gap there is the rest of it.
    assert_eq!(all(&writer, 5, 9), [Item::Gap(7, Some(2)), record(8, 8)]);
}

#[test]
fn the_oldest_go_beyond_the_bound_and_the_gap_has_their_number() {
    let files = MemoryFiles::default();
    let (mut writer, _) = open(&files);
    for id in 1..=1000 {
        writer.append(&mut entries(id..id + 1, 0), at(0)).unwrap();
    }
    writer.sync().unwrap();
    let kept = all(&writer, 0, 7);
    let Item::Gap(gone, Some(size)) = kept[0] else {
        panic!("{kept:?}");
    };
    assert_eq!(gone, size);
    assert!(gone > 800, "{gone}");
    let rest: Vec<Item> = (gone + 1..=1000).map(|id| record(id, id)).collect();
    assert_eq!(kept[1..], rest);
    assert!(files.used() <= writer.bytes_max, "{}", files.used());
    // It stays so over a restart.
    writer.end().unwrap();
    let (writer, _) = open(&files);
    assert_eq!(all(&writer, 0, 100), kept);
}

#[test]
fn a_reader_of_one_app_sees_its_own_and_comes_on() {
    let (mut writer, _) = open(&MemoryFiles::default());
    writer.append(&mut entries(1..50, 0), at(0)).unwrap();
    writer.sync().unwrap();
    let reaches = &|app: &str| app == "shop";
    let wish = PageWish {
        after: 3,
        limit: 5,
        reaches,
    };
    let page = page::read(&writer.place, &writer.shelf, &wish).unwrap();
    assert_eq!((page.items, page.seen, page.more), (0, 49, false));
}

fn start(files: &MemoryFiles, bytes: u64) -> (Feed, FeedFound) {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    let settings = FeedSettings {
        dir: "/feed".into(),
        bytes,
        sync_every: Duration::ZERO,
    };
    Feed::start(&files, &settings, 0xabc, at(0)).unwrap()
}

fn texts(page: &FeedPage) -> String {
    String::from_utf8(page.records.clone()).unwrap()
}

const EVERYBODY: &dyn Fn(&str) -> bool = &|_| true;

#[test]
fn a_feed_gives_what_was_added_and_goes_on_after_a_restart() {
    let files = MemoryFiles::default();
    let (feed, found) = start(&files, 1 << 20);
    let empty = feed.read(FeedStream::DeadTokens, None, 10, EVERYBODY);
    let empty = empty.unwrap();
    assert_eq!((&*empty.next, empty.more), ("dead-tokens.2748.0", false));
    assert!(found.troubles.is_empty());
    let mut gathered = Gathered::default();
    for id in 1..4 {
        let record = FeedRecord::of(LaneId::IOS, PushId(id), End::Failed);
        gathered.add(&record, (id == 2).then_some("ab"));
    }
    feed.add(&mut gathered);
    assert!(feed.close(Duration::from_secs(60)));
    let (feed, found) = start(&files, 1 << 20);
    assert!(found.troubles.is_empty(), "{found:?}");
    let dead = feed.read(FeedStream::DeadTokens, Some(&empty.next), 10, EVERYBODY);
    assert_eq!(
        texts(&dead.unwrap()),
        r#"{"cursor":"dead-tokens.2748.1","id":2,"app":"default","platform":"ios","end":"failed","token":"ab","attempts":0,"accepted_at":0,"settled_at":0}"#
    );
    let page = feed
        .read(FeedStream::Settlements, None, 2, EVERYBODY)
        .unwrap();
    assert_eq!((&*page.next, page.more), ("settlements.2748.2", true));
    assert!(!texts(&page).contains("token"));
    for wrong in ["", "settlements.2748.1", "dead-tokens.02748.1"] {
        let refused = feed.read(FeedStream::DeadTokens, Some(wrong), 10, EVERYBODY);
        assert!(matches!(refused, Err(FeedReadError::NotACursor)), "{wrong}");
    }
    // Of another feed, and of what is not there yet.
    for gone in ["settlements.2749.1", "settlements.2748.4"] {
        let refused = feed.read(FeedStream::Settlements, Some(gone), 10, EVERYBODY);
        assert!(matches!(refused, Err(FeedReadError::Gone)), "{gone}");
    }
}

#[test]
fn a_cursor_beyond_the_bound_is_refused() {
    let files = MemoryFiles::default();
    let (feed, _) = start(&files, 1 << 20);
    let long = "x".repeat(4000);
    let mut gathered = Gathered::default();
    for id in 1..=1000 {
        let record = FeedRecord::of(LaneId::IOS, PushId(id), End::Failed);
        let identifier = &*long;
        gathered.add(
            &FeedRecord {
                identifier,
                ..record
            },
            None,
        );
    }
    feed.add(&mut gathered);
    assert!(feed.close(Duration::from_secs(60)));
    let read = |after: Option<&str>| feed.read(FeedStream::Settlements, after, 1, EVERYBODY);
    let refused = read(Some("settlements.2748.1"));
    assert!(matches!(refused, Err(FeedReadError::Gone)), "{refused:?}");
    let gap = read(None).unwrap();
    assert!(texts(&gap).contains("\"gap\":true,\"records\":"), "{gap:?}");
    // After it there is no gap, and it is a cursor like another.
    let next = read(Some(&gap.next)).unwrap();
    assert!(texts(&next).contains("\"id\":"), "{next:?}");
    // Who reads on is told of as many, and no cursor of another feed is known.
    let (first, known) = (
        "settlements.2748.1",
        ["settlements.2748.1000", "settlements.2748.0"],
    );
    let on = |after| feed.read_on(FeedStream::Settlements, after, 1).unwrap();
    let missing = |page: &FeedPage| {
        let items: Value = serde_json::from_slice(&page.records).unwrap();
        items["records"].as_u64().unwrap()
    };
    assert_eq!(missing(&on(Some(first))) + 1, missing(&gap));
    let removed = |after| feed.removed(FeedStream::Settlements, after);
    assert_eq!(removed(None), missing(&gap));
    assert_eq!(removed(Some(first)) + 1, missing(&gap));
    assert_eq!(removed(Some(&gap.next)), 0);
    assert_eq!(on(Some(known[0])).items, 0);
    assert!(
        known
            .iter()
            .all(|it| feed.knows(FeedStream::Settlements, it))
    );
    for other in [
        "settlements.2748.1001",
        "settlements.1.1",
        "dead-tokens.2748.0",
        "",
        "x\n",
    ] {
        assert!(!feed.knows(FeedStream::Settlements, other), "{other}");
        assert_eq!(on(Some(other)), gap, "{other}");
    }
    let [settlements, _] = feed.figures();
    assert_eq!((settlements.written, settlements.lost), (1000, 0));
    let bytes = settlements.bytes;
    assert!((900_000..=1 << 20).contains(&bytes), "{settlements:?}");
    let on_disk: usize = files
        .paths()
        .iter()
        .map(|path: &PathBuf| files.content(Path::new(path)).len())
        .sum();
    assert!(on_disk <= 1 << 20, "{on_disk}");
}
