//! The thread that writes a feed.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::inbox::{BUFFER_BYTES, Entries, FeedCounts, FeedInbox};
use super::writer::StreamWriter;
use crate::count::{self, Seldom};
use crate::moment::{self, Moment};

/// How long nothing is written after that has failed.
const RESTS_FOR: Duration = Duration::from_secs(1);
/// How long the thread waits if there is nothing to do.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Writes what is in the inbox.
#[derive(Debug)]
pub(super) struct Scribe {
    inbox: Arc<FeedInbox>,
    streams: [StreamDesk; 2],
    sync_every: Duration,
    synced: Option<Instant>,
    /// Until when nothing is written, since that has failed.
    rests_until: Option<Instant>,
}

/// What is done for one stream.
#[derive(Debug)]
struct StreamDesk {
    writer: StreamWriter,
    /// What is being written.
    entries: Entries,
    counts: Arc<FeedCounts>,
    failures: Seldom,
    /// Records that are lost, and were told.
    told: u64,
    losses: Seldom,
}

impl Scribe {
    pub(super) fn new(
        inbox: Arc<FeedInbox>,
        writers: [StreamWriter; 2],
        sync_every: Duration,
    ) -> Self {
        let [settlements, dead_tokens] = writers;
        let [of_settlements, of_dead_tokens] = &inbox.counts;
        let desk = |writer, counts: &Arc<FeedCounts>| StreamDesk {
            writer,
            entries: Entries::default(),
            counts: Arc::clone(counts),
            failures: Seldom::default(),
            told: 0,
            losses: Seldom::default(),
        };
        let streams = [
            desk(settlements, of_settlements),
            desk(dead_tokens, of_dead_tokens),
        ];
        Self {
            inbox,
            streams,
            sync_every,
            synced: None,
            rests_until: None,
        }
    }

    /// Writes until nothing more comes; false if an error of the program has ended it before.
    pub(super) fn run(mut self) -> bool {
        let inbox = Arc::clone(&self.inbox);
        let run = AssertUnwindSafe(|| {
            loop {
                let wait = self.wait(moment::now());
                let is_over = self.inbox.wait(self.rests_until.is_none(), wait);
                self.round(Moment::now(), is_over);
                if is_over {
                    return;
                }
            }
        });
        let is_well = catch_unwind(run).is_ok();
        // What comes now is read by nobody.
        inbox.end();
        if !is_well {
            inbox.is_failing.store(true, Ordering::Relaxed);
            ::log::error!(
                "feed: its thread has ended by an error of the program: what is settled from now \
                 on is missing in it; restart the daemon, and report this"
            );
        }
        is_well
    }

    /// How long there is nothing to do, if nothing comes.
    fn wait(&self, now: Instant) -> Duration {
        let is_dirty = self.streams.iter().any(|desk| desk.writer.is_dirty);
        let owes = self.streams.iter().any(|desk| desk.writer.owes());
        let syncs = self.synced.map(|at| at + self.sync_every);
        let until = match self.rests_until {
            Some(until) => Some(until),
            None if is_dirty => Some(syncs.unwrap_or(now)),
            None if owes => Some(now + RESTS_FOR),
            None => None,
        };
        until.map_or(LONGEST_WAIT, |until| until.saturating_duration_since(now))
    }

    /// Writes what there is, and syncs it if it is time to; if `is_over`, all of it.
    fn round(&mut self, now: Moment, is_over: bool) {
        let rests = self.rests_until.is_some_and(|until| now.monotonic < until);
        if is_over || !rests {
            self.rests_until = None;
            let mut is_well = true;
            for desk in &mut self.streams {
                is_well &= desk.write(&self.inbox, now);
            }
            let due = self
                .synced
                .is_none_or(|at| now.monotonic >= at + self.sync_every);
            let is_dirty = self.streams.iter().any(|desk| desk.writer.is_dirty);
            if is_over || due && is_dirty {
                for desk in &mut self.streams {
                    is_well &= desk.sync(is_over, now.monotonic);
                }
                self.synced = Some(moment::now());
            }
            self.inbox.is_failing.store(!is_well, Ordering::Relaxed);
            if !is_well {
                self.rests_until = Some(now.monotonic + RESTS_FOR);
            }
        }
        for desk in &mut self.streams {
            if is_over {
                desk.give_up(&self.inbox);
            }
            desk.tell(now.monotonic, is_over);
        }
    }
}

impl StreamDesk {
    /// Writes what waits; false if that failed.
    fn write(&mut self, inbox: &FeedInbox, now: Moment) -> bool {
        // Twice: what came while the first was written, if nothing more comes.
        for _ in 0..2 {
            if self.entries.is_empty() {
                inbox.hand_over(self.writer.place.stream, &mut self.entries);
            }
            let before = self.entries.count();
            let written = self.writer.append(&mut self.entries, now);
            let count = before - self.entries.count();
            self.counts.written.fetch_add(count, Ordering::Relaxed);
            self.count_lost();
            if let Err(error) = written {
                self.tell_failure(&error, now.monotonic);
                return false;
            }
        }
        true
    }

    /// Has it on the disk; false if that failed.
    fn sync(&mut self, is_over: bool, now: Instant) -> bool {
        let synced = if is_over && self.entries.is_empty() {
            self.writer.end()
        } else {
            self.writer.sync()
        };
        self.count_lost();
        if let Err(error) = &synced {
            self.tell_failure(error, now);
        }
        synced.is_ok()
    }

    /// Counts what the disk has not kept.
    fn count_lost(&mut self) {
        let lost = std::mem::take(&mut self.writer.lost);
        self.counts.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// Counts what was not written as lost, for good.
    fn give_up(&mut self, inbox: &FeedInbox) {
        for _ in 0..2 {
            let count = self.entries.count();
            self.counts.lost.fetch_add(count, Ordering::Relaxed);
            self.entries = Entries::default();
            inbox.hand_over(self.writer.place.stream, &mut self.entries);
        }
    }

    fn tell_failure(&mut self, error: &io::Error, now: Instant) {
        if self.failures.note(now).is_none() {
            return;
        }
        let place = &self.writer.place;
        let (stream, dir) = (place.stream.word(), place.dir.display());
        let advice = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("make room: df {dir}"),
            _ => format!("look at the disk, and at who may write there: ls -ld {dir}"),
        };
        ::log::error!(
            "feed {dir}: {stream} cannot be written: {error}. Pushes go on; it is tried again each \
             second, records wait in up to {} MiB of memory, and what is lost beyond that, or was \
             not on the disk, is missing in the feed, whose readers are told. {advice}",
            BUFFER_BYTES >> 20,
        );
    }

    fn tell(&mut self, now: Instant, is_over: bool) {
        for trouble in self.writer.troubles.drain(..) {
            ::log::warn!("feed: {trouble}");
        }
        let lost = self.counts.lost.load(Ordering::Relaxed);
        if lost == self.told || self.losses.note(now).is_none() && !is_over {
            return;
        }
        let untold = lost - self.told;
        let number = count::grouped(untold);
        let records = count::of(number, "record", "records");
        let stream = self.writer.place.stream;
        ::log::error!(
            "feed: {records} of {} could not be kept: readers of {} find a gap there; the push log \
             has them",
            stream.word(),
            stream.path(),
        );
        self.told = lost;
    }
}
