//! What was settled and is not in a stream yet.
//!
//! Threads that settle leave records here and never wait: what there is no room for is counted, and
//! its place in the stream stays empty.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record::{FeedRecord, RECORD_BYTES};
use super::stream::FeedStream;
use crate::encoding::{Bytes, put_bytes};
use crate::moment;

/// Our limit: bytes of records of a stream that wait to be written; some seconds of a full load.
pub const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Records gather so long before they are written, so that a write is worth its while.
const GATHERS_FOR: Duration = Duration::from_millis(50);

/// Records of one stream, in their order.
#[derive(Debug, Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    /// How many of the bytes are taken.
    taken: usize,
    count: u64,
    /// Records after them that there was no room for.
    pub(super) lost: u64,
}

impl Entries {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.lost == 0
    }

    /// Records that are there.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn push(&mut self, record: &[u8]) {
        debug_assert!(record.len() <= RECORD_BYTES, "each text in it is bounded");
        self.count += 1;
        put_bytes(&mut self.bytes, record);
    }

    /// The records, the first one first, none of which is taken yet.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Bytes(self.bytes.get(self.taken..).unwrap_or_default());
        std::iter::from_fn(move || rest.bytes())
    }

    /// Takes that many of the first records away.
    pub(super) fn take(&mut self, count: usize) {
        let mut rest = Bytes(self.bytes.get(self.taken..).unwrap_or_default());
        for _ in 0..count {
            if rest.bytes().is_some() {
                self.count = self.count.saturating_sub(1);
            }
        }
        self.taken = self.bytes.len() - rest.0.len();
        if self.count == 0 {
            self.bytes.clear();
            self.taken = 0;
        }
    }
}

/// What one thread has settled in a round.
#[derive(Debug, Default)]
pub struct Gathered {
    streams: [Entries; 2],
    /// The record that is being made.
    record: Vec<u8>,
}

impl Gathered {
    /// Adds a record, and its device token to those that are dead if it is given.
    pub fn add(&mut self, record: &FeedRecord<'_>, dead: Option<&str>) {
        let [settlements, dead_tokens] = &mut self.streams;
        self.record.clear();
        record.encode(&mut self.record);
        settlements.push(&self.record);
        if let Some(token) = dead {
            self.record.clear();
            FeedRecord { token, ..*record }.encode(&mut self.record);
            dead_tokens.push(&self.record);
        }
    }
}

/// What was done with a stream's records since the start.
#[derive(Debug, Default)]
pub(super) struct FeedCounts {
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct FeedInbox {
    /// Of settlements and of dead tokens.
    pub(super) counts: [Arc<FeedCounts>; 2],
    /// Whether what was to be written could not be.
    pub(super) is_failing: AtomicBool,
    inner: Mutex<InboxState>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct InboxState {
    streams: [Entries; 2],
    /// Nothing more comes.
    is_closed: bool,
    /// Nobody writes any more.
    is_over: bool,
}

impl InboxState {
    fn is_half_full(&self) -> bool {
        let mut all = self.streams.iter();
        all.any(|entries| entries.bytes.len() > BUFFER_BYTES / 2)
    }

    fn has_some(&self) -> bool {
        self.streams.iter().any(|entries| !entries.is_empty())
    }
}

impl FeedInbox {
    fn lock(&self) -> MutexGuard<'_, InboxState> {
        // No code panics while it holds the lock; if it did, some records would be missing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was gathered, as far as there is room.
    pub(super) fn add(&self, gathered: &mut Gathered) {
        let mut inner = self.lock();
        let (had_some, was_half_full) = (inner.has_some(), inner.is_half_full());
        let is_over = inner.is_over;
        let streams = inner.streams.iter_mut().zip(&mut gathered.streams);
        for ((into, from), counts) in streams.zip(&self.counts) {
            let is_full = into.bytes.len() + from.bytes.len() > BUFFER_BYTES;
            if is_over {
                counts.lost.fetch_add(from.count, Ordering::Relaxed);
            } else if is_full || into.lost > 0 {
                // What comes after one that is lost waits behind the gap.
                into.lost += from.count;
                counts.lost.fetch_add(from.count, Ordering::Relaxed);
            } else {
                into.bytes.extend_from_slice(&from.bytes);
                into.count += from.count;
            }
            from.bytes.clear();
            from.count = 0;
        }
        let is_news = !had_some || !was_half_full && inner.is_half_full();
        drop(inner);
        if is_news {
            self.bell.notify_all();
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_all();
    }

    /// Nobody writes any more: what is there, and what comes, is lost.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.is_over = true;
        for (entries, counts) in inner.streams.iter_mut().zip(&self.counts) {
            // Those without room were counted as they came.
            counts.lost.fetch_add(entries.count, Ordering::Relaxed);
            *entries = Entries::default();
        }
    }

    /// Waits until something is there, if `for_some`, or that time has passed; whether nothing more
    /// comes. What has come gathers for a little.
    pub(super) fn wait(&self, for_some: bool, within: Duration) -> bool {
        let is_idle = |inner: &mut InboxState| !(inner.is_closed || for_some && inner.has_some());
        let inner = moment::wait_while(&self.bell, self.lock(), within, is_idle);
        if !for_some || !inner.has_some() {
            return inner.is_closed;
        }
        let gathers = |inner: &mut InboxState| !(inner.is_closed || inner.is_half_full());
        moment::wait_while(&self.bell, inner, GATHERS_FOR, gathers).is_closed
    }

    /// Moves the records of a stream to where there are none.
    pub(super) fn hand_over(&self, stream: FeedStream, into: &mut Entries) {
        let mut inner = self.lock();
        std::mem::swap(stream.of_mut(&mut inner.streams), into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::{End, LaneId, PushId};

    fn gathered(ids: std::ops::Range<u64>) -> Gathered {
        let mut gathered = Gathered::default();
        for id in ids {
            let record = FeedRecord::of(LaneId::IOS, PushId(id), End::Failed);
            gathered.add(&record, id.is_multiple_of(2).then_some("ab"));
        }
        gathered
    }

    fn ids(entries: &Entries) -> Vec<u64> {
        let all = entries.iter();
        all.map(|bytes| FeedRecord::decode(bytes).unwrap().id.0)
            .collect()
    }

    #[test]
    fn records_come_out_in_their_order_and_dead_tokens_apart() {
        let inbox = FeedInbox::default();
        inbox.add(&mut gathered(1..4));
        inbox.add(&mut gathered(4..6));
        let [mut all, mut dead] = [Entries::default(), Entries::default()];
        inbox.hand_over(FeedStream::Settlements, &mut all);
        inbox.hand_over(FeedStream::DeadTokens, &mut dead);
        assert_eq!((ids(&all), all.count()), (vec![1, 2, 3, 4, 5], 5));
        assert_eq!(ids(&dead), [2, 4]);
        all.take(3);
        assert_eq!((ids(&all), all.count()), (vec![4, 5], 2));
        all.take(2);
        assert!(all.is_empty() && all.bytes.is_empty());
    }

    #[test]
    fn what_has_no_room_is_counted_and_nothing_comes_before_its_gap() {
        let inbox = FeedInbox::default();
        let (mut added, mut taken) = (0, Entries::default());
        loop {
            inbox.add(&mut gathered(added..added + 10_000));
            added += 10_000;
            inbox.hand_over(FeedStream::Settlements, &mut taken);
            let (count, lost) = (taken.count, taken.lost);
            assert_eq!(count + lost, added);
            assert!(taken.bytes.len() <= BUFFER_BYTES);
            inbox.hand_over(FeedStream::Settlements, &mut taken);
            if lost > 0 {
                break;
            }
        }
        // There would be room for one.
        inbox.add(&mut gathered(added..added + 1));
        inbox.hand_over(FeedStream::Settlements, &mut taken);
        assert_eq!(taken.count + taken.lost, added + 1);
        assert_eq!(taken.lost, 10_001);
        let mut empty = Entries::default();
        inbox.add(&mut gathered(7..8));
        inbox.hand_over(FeedStream::Settlements, &mut empty);
        assert_eq!((ids(&empty), empty.lost), (vec![7], 0));
    }

    #[test]
    fn what_comes_after_the_end_is_counted_and_takes_no_memory() {
        let inbox = FeedInbox::default();
        inbox.add(&mut gathered(1..4));
        inbox.end();
        inbox.add(&mut gathered(4..6));
        let lost = inbox
            .counts
            .each_ref()
            .map(|counts| counts.lost.load(Ordering::Relaxed));
        assert_eq!(lost, [5, 2]);
        let mut left = Entries::default();
        inbox.hand_over(FeedStream::Settlements, &mut left);
        assert!(left.is_empty());
    }
}
