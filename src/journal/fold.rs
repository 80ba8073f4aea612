//! From the records of a journal to what is outstanding.
//!
//! Pure: no file, no clock, no thread.
//!
//! Two rules need a thought. The frames of a request are kept together or not at all, so they wait
//! for the last one of their group. And where a frame cannot be read, two things may have
//! happened: a write was interrupted, and nobody was told that its pushes were taken; or the disk
//! has damaged what was durable. What is left of a broken group waits for a mark that everything
//! before it was synced, which tells the second from the first.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::frame::Frame;
use super::index::{Index, Location};
use super::lanes::SegmentLanes;
use super::notification::{NumberedHead, RecordHead};
use super::record::Record;
use super::{ANSWERS_BYTES_MAX, IN_DOUBT, KEEP_ANSWERS, KeptAnswer};
use crate::push::{End, Node, PushId};

/// What the records so far come to.
#[derive(Debug, Default)]
pub(super) struct Fold {
    pub(super) index: Index,
    answers: HashMap<Box<str>, (KeptAnswer, Location)>,
    answer_bytes: u64,
    /// The highest id of each node.
    highest: BTreeMap<Node, u64>,
    /// Pushes with ids up to this one may have been sent, says the last record that says so.
    doubt: Option<u64>,
    /// Pushes named at all.
    pub(super) pushes: u64,
    /// Pushes that ended expired.
    pub(super) expired: u64,
    /// Records read, but for those that name lanes.
    pub(super) records: u64,
    /// The lanes that this segment has named.
    pub(super) lanes: SegmentLanes,
    /// Whether this segment needs no older one.
    pub(super) complete: bool,
    /// The open group: where it begins, and what it holds.
    group: Option<(u64, Vec<Member>)>,
    /// What is left of broken groups, until it is known what broke them.
    doubtful: Vec<Member>,
    /// Whole groups that lack names of lanes: as doubtful, unless this segment names them yet.
    nameless: Vec<Vec<Member>>,
    /// Notifications, by their first ids, whose lanes this segment has not named yet. They are in
    /// the index, under any lane, so that it takes what is said of them.
    unnamed: BTreeMap<u64, (NumberedHead, Location)>,
}

#[derive(Debug)]
enum Member {
    Notification(NumberedHead, Location),
    Answer(KeptAnswer, Location),
}

/// What was found at the end of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// Where an unfinished group begins.
    pub(super) unfinished: Option<u64>,
    /// Frames of broken groups that were dropped, since nobody was told that they were taken.
    pub(super) dropped: Vec<Location>,
    /// Records with outstanding pushes that are lost with the names of their lanes.
    pub(super) unnamed: Vec<Location>,
}

impl Member {
    fn place(&self) -> Location {
        match self {
            Self::Notification(_, place) | Self::Answer(_, place) => *place,
        }
    }
}

impl Fold {
    /// The last id that a push has had, for a daemon of that number; 0 without any.
    pub(super) fn high_water(&self, node: Node) -> u64 {
        let highest = self.highest.values().copied();
        highest.max_by_key(|id| node.rank(*id)).unwrap_or(0)
    }

    /// Pushes with ids up to this one may have been sent, whatever else is said of them: all, if
    /// the last process has not ended in order and did not note what it handed to connections.
    pub(super) fn doubt(&self, node: Node) -> u64 {
        match self.doubt {
            _ if self.index.outstanding() == 0 => 0,
            Some(last) if last < IN_DOUBT => last,
            _ => self.index.last(node),
        }
    }

    /// Takes a frame; false if its record is not one of ours.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, place: Location) -> bool {
        let Some(record) = Record::read(frame.kind, frame.record, &mut self.lanes) else {
            return false;
        };
        if matches!(record, Record::Aside) {
            return true;
        }
        self.records += 1;
        let member = match record {
            Record::Accepted(head) => Member::Notification(head, place),
            Record::Answer(kept) => Member::Answer(kept, place),
            other => {
                self.mark(other);
                return true;
            }
        };
        if frame.first && !frame.more {
            self.take(member);
            return true;
        }
        if frame.first {
            self.group = Some((place.offset, Vec::new()));
        }
        match &mut self.group {
            Some((_, members)) => members.push(member),
            None => self.doubtful.push(member),
        }
        if !frame.more {
            let members = self.group.take().map_or_else(Vec::new, |group| group.1);
            if self.are_named(&members) {
                self.take_all(members);
            } else {
                self.nameless.push(members);
            }
        }
        true
    }

    /// Takes note of a place that cannot be read.
    pub(super) fn gap(&mut self) {
        if let Some((_, members)) = self.group.take() {
            self.doubtful.extend(members);
        }
    }

    /// Ends a segment; `is_last` if none follows, so that a write to it may have been interrupted.
    pub(super) fn end_of_segment(&mut self, is_last: bool) -> Ending {
        let unfinished = self.group.take();
        let mut ending = Ending {
            unfinished: None,
            dropped: Vec::new(),
            unnamed: Vec::new(),
        };
        if is_last {
            ending.unfinished = unfinished.map(|(offset, _)| offset);
            for members in std::mem::take(&mut self.nameless) {
                if self.are_named(&members) {
                    self.take_all(members);
                } else {
                    self.doubtful.extend(members);
                }
            }
            ending.dropped = self
                .doubtful
                .drain(..)
                .map(|member| member.place())
                .collect();
        } else {
            // The next segment was begun when all of this one was durable.
            self.doubtful
                .extend(unfinished.into_iter().flat_map(|group| group.1));
            self.trust();
        }
        ending.unnamed = self.name();
        ending
    }

    /// Gives the notifications without lanes the lanes that the segment has named since; those that
    /// have none go. What was settled meanwhile, or stands elsewhere too, is left alone.
    fn name(&mut self) -> Vec<Location> {
        let mut lost = Vec::new();
        for (first_id, (numbered, place)) in std::mem::take(&mut self.unnamed) {
            let named = numbered.named(&mut self.lanes);
            if self.index.place_of(first_id) != Some(place) {
                continue;
            }
            if let Some(head) = named {
                self.index.insert(&head, place, true);
            } else {
                let tokens = numbered.unnamed().tokens;
                self.index.settle_run(first_id, tokens.into());
                lost.push(place);
            }
        }
        lost
    }

    /// The answers that are kept at a time, the oldest first; the index learns where they are.
    pub(super) fn take_answers(&mut self, now: Duration) -> Vec<KeptAnswer> {
        self.answers
            .retain(|_, (kept, _)| now.saturating_sub(kept.at) < KEEP_ANSWERS);
        self.prune_answers();
        let mut kept: Vec<_> = self.answers.drain().map(|(_, kept)| kept).collect();
        kept.sort_by(|(a, _), (b, _)| (a.at, &a.key).cmp(&(b.at, &b.key)));
        for (kept, place) in &kept {
            self.index.keep_answer(kept.at, *place);
        }
        kept.into_iter().map(|(kept, _)| kept).collect()
    }

    /// Keeps the newest that are not too long together.
    fn prune_answers(&mut self) {
        let mut kept: Vec<_> = self.answers.drain().collect();
        kept.sort_by_key(|(_, (kept, _))| std::cmp::Reverse(kept.at));
        let mut bytes = 0_u64;
        self.answers = kept
            .into_iter()
            .take_while(|(_, (_, place))| {
                bytes += u64::from(place.len);
                bytes <= ANSWERS_BYTES_MAX
            })
            .collect();
        let places = self.answers.values().map(|(_, place)| place);
        self.answer_bytes = places.map(|place| u64::from(place.len)).sum();
    }

    fn mark(&mut self, record: Record<'_>) {
        match record {
            Record::Settled(runs) => {
                for run in runs {
                    let settled = self.index.settle_run(run.first, run.count);
                    if run.end == Some(End::Expired) {
                        self.expired += settled;
                    }
                }
            }
            Record::Attempts(states) => {
                for (id, state) in states {
                    self.index.note(id, state);
                }
            }
            Record::Ids(last) => self.see(last),
            Record::Handed(runs) => {
                for run in runs {
                    self.index.hand_run(run.first, run.count);
                }
            }
            Record::Doubt(last) => self.doubt = Some(last),
            Record::Synced => self.trust(),
            Record::Complete => self.complete = true,
            Record::Accepted(_) | Record::Answer(_) | Record::Aside => {}
        }
    }

    fn see(&mut self, id: u64) {
        if id == 0 {
            return;
        }
        let highest = self.highest.entry(PushId(id).node()).or_default();
        *highest = id.max(*highest);
    }

    /// The head of a notification with its lane, or with any, until it is named.
    fn lane_of(&mut self, numbered: NumberedHead, place: Location) -> RecordHead {
        let head = numbered.unnamed();
        let known = numbered.named(&mut self.lanes).or_else(|| {
            // A copy of one in an older segment has the lane of that.
            let before = self.index.head(head.first_id)?;
            let is_sure = !self.unnamed.contains_key(&head.first_id);
            let lane = before.lane;
            (is_sure && before.tokens == head.tokens).then_some(RecordHead { lane, ..head })
        });
        match known {
            Some(_) => self.unnamed.remove(&head.first_id),
            None => self.unnamed.insert(head.first_id, (numbered, place)),
        };
        known.unwrap_or(head)
    }

    /// What was doubtful is durable: it was the disk that broke it.
    fn trust(&mut self) {
        let doubtful = std::mem::take(&mut self.doubtful);
        let nameless = std::mem::take(&mut self.nameless);
        self.take_all(doubtful.into_iter().chain(nameless.into_iter().flatten()));
    }

    /// Whether the segment has named the lanes of all these.
    fn are_named(&self, members: &[Member]) -> bool {
        members.iter().all(|member| match member {
            Member::Notification(numbered, _) => numbered.is_named(&self.lanes),
            Member::Answer(..) => true,
        })
    }

    fn take_all(&mut self, members: impl IntoIterator<Item = Member>) {
        for member in members {
            self.take(member);
        }
    }

    fn take(&mut self, member: Member) {
        match member {
            Member::Notification(numbered, place) => {
                let head = self.lane_of(numbered, place);
                self.see(head.last_id());
                let before = self.index.outstanding();
                self.index.insert(&head, place, true);
                self.pushes += self.index.outstanding().saturating_sub(before);
            }
            Member::Answer(kept, place) => {
                self.answer_bytes += u64::from(place.len);
                let before = self.answers.insert(kept.key.clone(), (kept, place));
                self.answer_bytes -= before.map_or(0, |(_, place)| u64::from(place.len));
                if self.answer_bytes > 2 * ANSWERS_BYTES_MAX {
                    self.prune_answers();
                }
            }
        }
    }
}
