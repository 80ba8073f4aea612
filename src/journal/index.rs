//! Which pushes are outstanding, and where their records are.
//!
//! Pure: no file, no clock, no thread.
//!
//! One entry for each notification, 32 bytes, in a tree; a set of bits more for one with several
//! tokens of which some are settled. The contents stay on the disk.

mod bits;
mod scheduled;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use self::bits::Bits;
use super::notification::RecordHead;
use super::schedule::Schedule;
use super::{ANSWERS_BYTES_MAX, Attempts, KEEP_ANSWERS};
use crate::push::{LaneId, Node, PushClass};

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) segment: u32,
    /// Bytes of the whole frame.
    pub(super) len: u32,
    pub(super) offset: u64,
}

/// A notification with outstanding pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    offset: u64,
    len: u32,
    segment: u32,
    /// How many device tokens it has.
    pub(super) tokens: u32,
    lane: u16,
    class: PushClass,
    stage: EntryStage,
}

const _: () = assert!(size_of::<(u64, IndexEntry)>() == 32);

/// How the pushes of a notification come to their lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryStage {
    /// Whoever had them accepted has them, or they were scheduled and are handed out.
    Own,
    /// They are fed, or were, in the order of ids: they were there when the journal was opened.
    Recovered,
    /// They are scheduled, or some of them.
    Scheduled,
}

impl IndexEntry {
    pub(super) fn place(&self) -> Location {
        Location {
            segment: self.segment,
            len: self.len,
            offset: self.offset,
        }
    }
}

/// What of a notification is outstanding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) first_id: u64,
    pub(super) lane: LaneId,
    pub(super) place: Location,
    /// Indexes of the tokens whose pushes are outstanding.
    pub(super) pushes: Vec<(u32, Attempts)>,
    /// Ids of the tokens before, between and after them.
    pub(super) settled: Vec<u64>,
    /// Whether an earlier process may have sent them, for all that it has noted.
    pub(super) in_doubt: bool,
}

/// What is outstanding.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<u64, IndexEntry>,
    /// Settled ones of several tokens.
    settled: HashMap<u64, Bits>,
    attempts: HashMap<u64, Attempts>,
    /// Which pushes may have been sent by earlier processes.
    pub(super) doubt: Doubt,
    outstanding: u64,
    live_bytes: u64,
    /// Where the answers are that are kept, the oldest first.
    answers: VecDeque<(Duration, Location)>,
    answer_bytes: u64,
    /// By the numbers of the lanes that pushes have come for.
    feeds: BTreeMap<u16, LaneFeed>,
    /// What is not to be sent yet.
    pub(super) schedule: Schedule,
}

/// What of a lane was outstanding when the journal was opened, and is to be fed: transactional
/// pushes before bulk ones.
#[derive(Clone, Copy, Debug)]
struct LaneFeed {
    lane: LaneId,
    transactional: ClassFeed,
    bulk: ClassFeed,
}

/// The same of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClassFeed {
    /// The id from which on it is.
    from: u64,
    /// How many pushes are.
    unfed: u64,
}

impl ClassFeed {
    /// Nothing.
    const NONE: Self = Self {
        from: u64::MAX,
        unfed: 0,
    };
}

impl LaneFeed {
    fn of(&mut self, class: PushClass) -> &mut ClassFeed {
        match class {
            PushClass::Transactional => &mut self.transactional,
            PushClass::Bulk => &mut self.bulk,
        }
    }

    fn unfed(&self) -> u64 {
        self.transactional.unfed + self.bulk.unfed
    }
}

/// All pushes up to one, in the order of a daemon's ids; none if that is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) node: Node,
    pub(super) last: u64,
}

impl Doubt {
    fn covers(self, id: u64) -> bool {
        self.last > 0 && self.node.rank(id) <= self.node.rank(self.last)
    }
}

impl Index {
    /// Outstanding pushes.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Bytes of the frames of what is outstanding.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// The first id of the last notification with outstanding pushes, as a daemon of that number
    /// has them.
    pub(super) fn last(&self, node: Node) -> u64 {
        let up_to_own = self.entries.range(..node.ids().end).next_back();
        let last = up_to_own.or_else(|| self.entries.last_key_value());
        last.map_or(0, |(id, _)| *id)
    }

    /// Outstanding pushes of a lane that are still to be fed.
    pub(super) fn unfed(&self, lane: LaneId) -> u64 {
        let feed = self.feeds.get(&lane.number());
        feed.map_or(0, LaneFeed::unfed)
    }

    /// Transactional ones among those.
    pub(super) fn transactional_unfed(&self, lane: LaneId) -> u64 {
        let feed = self.feeds.get(&lane.number());
        feed.map_or(0, |feed| feed.transactional.unfed)
    }

    /// The lanes of which some are, or some are scheduled.
    pub(super) fn lanes_unfed(&self) -> Vec<LaneId> {
        let scheduled = |lane: LaneId| self.schedule.of_lane(lane.number()).pushes;
        let waits = |feed: &&LaneFeed| feed.unfed() > 0 || scheduled(feed.lane) > 0;
        let feeds = self.feeds.values().filter(waits);
        feeds.map(|feed| feed.lane).collect()
    }

    /// The same of all lanes.
    pub(super) fn all_unfed(&self) -> u64 {
        self.feeds.values().map(LaneFeed::unfed).sum()
    }

    /// Where a push goes, if it is outstanding.
    pub(super) fn lane_of(&self, id: u64) -> Option<LaneId> {
        let (_, entry) = self.find(id).filter(|_| self.has(id))?;
        self.feeds.get(&entry.lane).map(|feed| feed.lane)
    }

    /// Adds a notification, or says where else it is now: what is settled stays settled.
    pub(super) fn insert(&mut self, head: &RecordHead, place: Location, recovered: bool) {
        let entry = IndexEntry {
            offset: place.offset,
            len: place.len,
            segment: place.segment,
            tokens: head.tokens,
            lane: head.lane.number(),
            class: head.class,
            stage: match head.send {
                Some(_) => EntryStage::Scheduled,
                None if recovered => EntryStage::Recovered,
                None => EntryStage::Own,
            },
        };
        if head.tokens == 0 {
            return;
        }
        self.unschedule(head.first_id);
        let feed = LaneFeed {
            lane: head.lane,
            transactional: ClassFeed::NONE,
            bulk: ClassFeed::NONE,
        };
        self.feeds.entry(entry.lane).or_insert(feed);
        self.live_bytes += u64::from(place.len);
        match self.entries.insert(head.first_id, entry) {
            Some(old) if old.tokens == head.tokens => {
                self.live_bytes -= u64::from(old.len);
                self.schedule(head, recovered);
                return;
            }
            Some(old) => {
                // Two notifications with one id, which no version of ours writes: the later wins.
                self.live_bytes -= u64::from(old.len);
                self.outstanding -= u64::from(self.left_of(head.first_id, old.tokens));
                self.settled.remove(&head.first_id);
            }
            None => {}
        }
        self.outstanding += u64::from(head.tokens);
        self.schedule(head, recovered);
    }

    fn left_of(&self, first_id: u64, tokens: u32) -> u32 {
        let settled = self.settled.get(&first_id).map_or(0, |bits| bits.count);
        tokens.saturating_sub(settled)
    }

    /// The notification that a push belongs to.
    fn find(&self, id: u64) -> Option<(u64, IndexEntry)> {
        let (first_id, entry) = self.entries.range(..=id).next_back()?;
        (id - first_id < u64::from(entry.tokens)).then_some((*first_id, *entry))
    }

    fn is_settled(&self, first_id: u64, index: u32) -> bool {
        let bits = self.settled.get(&first_id);
        bits.is_some_and(|bits| bits.has(index))
    }

    /// Whether a push is outstanding.
    pub(super) fn has(&self, id: u64) -> bool {
        let index = |first_id| u32::try_from(id - first_id).unwrap_or(u32::MAX);
        self.find(id)
            .is_some_and(|(first_id, _)| !self.is_settled(first_id, index(first_id)))
    }

    /// Settles a push; false if it is not outstanding.
    pub(super) fn settle(&mut self, id: u64) -> bool {
        let Some((first_id, entry)) = self.find(id) else {
            return false;
        };
        let index = u32::try_from(id - first_id).unwrap_or(u32::MAX);
        if entry.tokens > 1 {
            let bits = self
                .settled
                .entry(first_id)
                .or_insert_with(|| Bits::new(entry.tokens));
            if !bits.set(index) {
                return false;
            }
        }
        self.outstanding -= 1;
        self.attempts.remove(&id);
        if !self.schedule.settle_withdrawn(id) && self.is_scheduled(first_id, index) {
            self.lessen(first_id, 1, 0);
        }
        if let Some(feed) = self.feeds.get_mut(&entry.lane)
            && let feed = feed.of(entry.class)
            && entry.stage == EntryStage::Recovered
            && id >= feed.from
        {
            feed.unfed = feed.unfed.saturating_sub(1);
        }
        if self.left_of(first_id, entry.tokens) == 0 || entry.tokens == 1 {
            self.entries.remove(&first_id);
            self.settled.remove(&first_id);
            self.live_bytes -= u64::from(entry.len);
        }
        true
    }

    /// Settles consecutive pushes; the ids that were outstanding are counted.
    pub(super) fn settle_run(&mut self, first: u64, count: u64) -> u64 {
        let end = first.saturating_add(count);
        let mut settled = 0;
        let mut next = first;
        while let Some(ids) = self.known(next, end) {
            next = ids.end.max(next + 1);
            settled += ids.filter(|id| self.settle(*id)).count() as u64;
        }
        settled
    }

    /// Where the record of a notification is, if it has outstanding pushes.
    pub(super) fn place_of(&self, first_id: u64) -> Option<Location> {
        self.entries.get(&first_id).map(IndexEntry::place)
    }

    /// What is known of a notification without its record: all but its time.
    pub(super) fn head(&self, first_id: u64) -> Option<RecordHead> {
        let entry = self.entries.get(&first_id)?;
        Some(RecordHead {
            first_id,
            tokens: entry.tokens,
            lane: self.feeds.get(&entry.lane)?.lane,
            at: Duration::ZERO,
            class: entry.class,
            send: None,
        })
    }

    /// The next ids from `next` on that a notification has. From notification to notification: a
    /// hostile count costs nothing for ids in between.
    fn known(&self, next: u64, end: u64) -> Option<Range<u64>> {
        if next >= end {
            return None;
        }
        let (first_id, entry) = self.find(next).or_else(|| {
            let after = self.entries.range(next..end).next();
            after.map(|(first_id, entry)| (*first_id, *entry))
        })?;
        let to = end.min(first_id.saturating_add(entry.tokens.into()));
        Some(next.max(first_id)..to)
    }

    /// Consecutive pushes are about to be written to a connection: from now on they may have been
    /// sent, until it is noted how that ended.
    pub(super) fn hand_run(&mut self, first: u64, count: u64) {
        let end = first.saturating_add(count);
        let mut next = first;
        while let Some(ids) = self.known(next, end) {
            next = ids.end.max(next + 1);
            for id in ids {
                self.hand(id);
            }
        }
    }

    /// The same of one push.
    pub(super) fn hand(&mut self, id: u64) {
        if self.has(id) {
            self.attempts.entry(id).or_default().maybe_sent = true;
        }
    }

    /// Notes how far a push has come, if it is outstanding.
    pub(super) fn note(&mut self, id: u64, state: Attempts) {
        if self.has(id) {
            self.attempts.insert(id, state);
        }
    }

    /// Notes where a notification has been copied to, if its record is still where it was.
    pub(super) fn moved(&mut self, first_id: u64, from: Location, to: Location) {
        if let Some(entry) = self.entries.get_mut(&first_id)
            && entry.place() == from
        {
            entry.segment = to.segment;
            entry.offset = to.offset;
            self.live_bytes = self.live_bytes + u64::from(to.len) - u64::from(entry.len);
            if entry.stage == EntryStage::Scheduled {
                self.schedule.weigh(entry.lane, to.len, entry.len);
            }
            entry.len = to.len;
        }
    }

    /// The first notification with that id or a later one that is not in `segment`, and the id
    /// to go on from; at most `looks` entries are looked at.
    pub(super) fn elsewhere(&self, segment: u32, from: u64, looks: usize) -> (Option<u64>, u64) {
        let mut next = from;
        for (first_id, entry) in self.entries.range(from..).take(looks) {
            if entry.segment != segment {
                return (Some(*first_id), *first_id);
            }
            next = first_id + 1;
        }
        let reached_end = self.entries.range(next..).next().is_none();
        (None, if reached_end { u64::MAX } else { next })
    }

    /// What of a notification is outstanding, from a token's index on.
    pub(super) fn rest(&self, first_id: u64, from: u32) -> Option<Rest> {
        let entry = self.entries.get(&first_id)?;
        let mut rest = Rest {
            first_id,
            lane: self.feeds.get(&entry.lane)?.lane,
            place: entry.place(),
            pushes: Vec::new(),
            settled: Vec::new(),
            in_doubt: entry.stage != EntryStage::Own && self.doubt.covers(first_id),
        };
        for index in from..entry.tokens {
            let id = first_id + u64::from(index);
            if self.is_settled(first_id, index) {
                rest.settled.push(id);
            } else if !self.schedule.is_withdrawn(id) {
                let state = self.attempts.get(&id).copied().unwrap_or_default();
                rest.pushes.push((index, state));
            }
        }
        Some(rest)
    }

    /// How far pushes have come that are not as they were accepted.
    pub(super) fn attempts_of(rest: &Rest) -> Vec<(u64, Attempts)> {
        let begun = rest.pushes.iter();
        begun
            .filter(|(_, state)| *state != Attempts::default())
            .map(|(index, state)| (rest.first_id + u64::from(*index), *state))
            .collect()
    }

    /// From now on everything that is there is to be fed, of all lanes or of those; what of it is
    /// scheduled, at its time.
    pub(super) fn start_feeding(&mut self, only: Option<&[LaneId]>) {
        let numbers = |lanes: &[LaneId]| lanes.iter().map(|lane| lane.number()).collect();
        let only: Option<BTreeSet<u16>> = only.map(numbers);
        let is_meant = |lane: u16| only.as_ref().is_none_or(|only| only.contains(&lane));
        let feeds = self.feeds.values_mut();
        for feed in feeds.filter(|feed| is_meant(feed.lane.number())) {
            let all = ClassFeed { from: 0, unfed: 0 };
            (feed.transactional, feed.bulk) = (all, all);
        }
        let entries = self.entries.iter_mut();
        // What is scheduled and was handed out in part.
        let mut begun = Vec::new();
        for (first_id, entry) in entries.filter(|(_, entry)| is_meant(entry.lane)) {
            if let Some(scheduled) = self.schedule.get(*first_id) {
                begun.extend(Some((*first_id, scheduled.time)).filter(|_| scheduled.from > 0));
                continue;
            }
            let settled = self.settled.get(first_id).map_or(0, |bits| bits.count);
            let left = entry.tokens.saturating_sub(settled);
            entry.stage = EntryStage::Recovered;
            if let Some(feed) = self.feeds.get_mut(&entry.lane) {
                feed.of(entry.class).unfed += u64::from(left);
            }
        }
        for (first_id, time) in begun {
            self.schedule_anew(first_id, time);
        }
    }

    /// The next notification to be fed to a lane, with at most `max` of its pushes.
    pub(super) fn feed(&mut self, lane: LaneId, max: usize) -> Option<Rest> {
        if max == 0 {
            return None;
        }
        let mut classes = PushClass::ALL.into_iter();
        classes.find_map(|class| self.feed_of(lane, class, max))
    }

    fn feed_of(&mut self, lane: LaneId, class: PushClass, max: usize) -> Option<Rest> {
        let ClassFeed { from, unfed } = *self.feeds.get_mut(&lane.number())?.of(class);
        if unfed == 0 {
            return None;
        }
        let found = self.look_for(lane, Some(class), from, max);
        *self.feeds.get_mut(&lane.number())?.of(class) = match &found {
            Some((rest, next)) => ClassFeed {
                from: *next,
                unfed: unfed.saturating_sub(rest.pushes.len() as u64),
            },
            None => ClassFeed::NONE,
        };
        found.map(|(rest, _)| rest)
    }

    /// The first notification to a lane with pushes from that id on that were outstanding at
    /// the start, with at most `max` of them, and the id to go on from. They are not fed by that.
    pub(super) fn look(&self, lane: LaneId, from: u64, max: usize) -> Option<(Rest, u64)> {
        self.look_for(lane, None, from, max)
    }

    fn look_for(
        &self,
        lane: LaneId,
        class: Option<PushClass>,
        from: u64,
        max: usize,
    ) -> Option<(Rest, u64)> {
        let begun = self.find(from).map(|(first_id, _)| first_id);
        let entries = self.entries.range(begun.unwrap_or(from)..);
        let is_meant = |entry: &IndexEntry| class.is_none_or(|class| entry.class == class);
        let mut mine = entries.filter(|(_, entry)| {
            let is_recovered = entry.stage == EntryStage::Recovered;
            is_recovered && entry.lane == lane.number() && is_meant(entry)
        });
        let mut rest = mine.find_map(|(first_id, _)| {
            let index = u32::try_from(from.saturating_sub(*first_id)).unwrap_or(u32::MAX);
            let rest = self.rest(*first_id, index)?;
            (!rest.pushes.is_empty()).then_some(rest)
        })?;
        rest.pushes.truncate(max);
        let last = rest.pushes.last().map_or(0, |(index, _)| *index);
        let next = rest
            .first_id
            .saturating_add(u64::from(last))
            .saturating_add(1);
        Some((rest, next))
    }

    /// Keeps an answer.
    pub(super) fn keep_answer(&mut self, at: Duration, place: Location) {
        self.answers.push_back((at, place));
        self.answer_bytes += u64::from(place.len);
    }

    /// Forgets answers that are too old, or too long together.
    pub(super) fn prune_answers(&mut self, now: Duration) {
        while let Some((at, place)) = self.answers.front() {
            let is_old = now.saturating_sub(*at) >= KEEP_ANSWERS;
            if self.answer_bytes <= ANSWERS_BYTES_MAX && !is_old {
                break;
            }
            self.answer_bytes = self.answer_bytes.saturating_sub(u64::from(place.len));
            self.answers.pop_front();
        }
    }

    /// Where the answers are that are not in `segment`.
    pub(super) fn answers_elsewhere(&self, segment: u32) -> Vec<Location> {
        let places = self.answers.iter().map(|(_, place)| *place);
        places.filter(|place| place.segment != segment).collect()
    }

    /// Notes where answers have been copied to, and forgets those that could not be read. They
    /// are in the order of [`Index::answers_elsewhere`].
    pub(super) fn answers_moved(&mut self, moves: &[(Location, Option<Location>)]) {
        let mut moves = moves.iter().peekable();
        let mut bytes = 0;
        self.answers.retain_mut(|(_, place)| {
            let found = moves.next_if(|(from, _)| from == place);
            let to = found.map_or(Some(*place), |(_, to)| *to);
            *place = to.unwrap_or(*place);
            bytes += to.map_or(0, |to| u64::from(to.len));
            to.is_some()
        });
        self.answer_bytes = bytes;
    }

    /// What is outstanding of the first notification with that id or a later one.
    pub(super) fn next_rest(&self, from: u64) -> Option<Rest> {
        let (first_id, _) = self.entries.range(from..).next()?;
        self.rest(*first_id, 0)
    }
}

#[cfg(test)]
mod tests;
