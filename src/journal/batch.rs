//! Frames on their way into a segment, with what the index is to learn once they are there.
//!
//! Pure: no file, no clock, no thread.

use std::time::Duration;

use super::index::Location;
use super::notification::RecordHead;
use super::schedule::{AppLoads, ScheduledLoad, SendTime};
use super::{Attempts, KeptAnswer, frame, notification, record};
use crate::push::{Accepted, End, LaneId};

/// The frames of one request: they are kept together or not at all.
#[derive(Debug, Default)]
pub(super) struct Group {
    frames: Vec<u8>,
    notifications: Vec<(RecordHead, FrameSpan)>,
    answer: Option<(Duration, FrameSpan)>,
    /// The highest id of its pushes.
    pub(super) highest: u64,
    /// What of it is scheduled.
    pub(super) scheduled: ScheduledLoad,
    /// Of which apps that is.
    pub(super) scheduled_of: AppLoads,
}

/// A frame among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameSpan {
    offset: usize,
    len: usize,
}

impl FrameSpan {
    /// Where it is once its frames are written to a segment from `offset` on.
    pub(super) fn place(self, segment: u32, offset: u64) -> Location {
        Location {
            segment,
            len: u32::try_from(self.len).unwrap_or(u32::MAX),
            offset: offset + self.offset as u64,
        }
    }
}

impl Group {
    /// The group of a request; `None` if a notification is longer than a record may be.
    pub(super) fn of<'a>(
        accepted: impl IntoIterator<Item = &'a Accepted>,
        answer: Option<&KeptAnswer>,
    ) -> Option<Self> {
        let mut group = Self::default();
        for accepted in accepted {
            let (tokens, envelope) = (accepted.parcel.count(), &accepted.envelope);
            if tokens == 0 {
                continue;
            }
            let offset = group.frames.len();
            if !record::put_accepted(&mut group.frames, accepted) {
                return None;
            }
            let head = RecordHead {
                first_id: accepted.first_id.0,
                tokens,
                lane: envelope.lane,
                at: accepted.at.unix,
                class: envelope.class,
                send: envelope
                    .earliest
                    .and_then(|_| SendTime::of(envelope, &accepted.parcel.note())),
            };
            group.highest = group.highest.max(head.last_id());
            let span = group.span_from(offset);
            if head.send.is_some() {
                let load = ScheduledLoad {
                    pushes: tokens.into(),
                    bytes: span.len as u64,
                };
                group.scheduled = group.scheduled.and(load);
                let of_app = group.scheduled_of.entry(envelope.lane.app()).or_default();
                *of_app = of_app.and(load);
            }
            group.notifications.push((head, span));
        }
        if let Some(kept) = answer {
            let offset = group.frames.len();
            if !record::put_answer(&mut group.frames, kept) {
                return None;
            }
            group.answer = Some((kept.at, group.span_from(offset)));
        }
        if group.notifications.len() + usize::from(group.answer.is_some()) > 1 {
            frame::group(&mut group.frames);
        }
        Some(group)
    }

    fn span_from(&self, offset: usize) -> FrameSpan {
        FrameSpan {
            offset,
            len: self.frames.len() - offset,
        }
    }

    /// Whether there is nothing to be kept.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes of its frames.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }
}

/// What is written at once.
#[derive(Debug, Default)]
pub(super) struct WriteBatch {
    pub(super) frames: Vec<u8>,
    pub(super) notifications: Vec<(RecordHead, FrameSpan)>,
    pub(super) answers: Vec<(Duration, FrameSpan)>,
    pub(super) settled: Vec<(u64, Option<End>)>,
    pub(super) attempts: Vec<(u64, Attempts)>,
    /// Pushes that are about to be written to a connection.
    pub(super) handed: Vec<u64>,
    /// Ids up to which pushes may have been sent.
    pub(super) doubt: Option<u64>,
    /// Lanes that were named in the segment before.
    pub(super) known: Vec<LaneId>,
    /// Lanes that it has named.
    pub(super) named: Vec<LaneId>,
    /// Whether it begins with the mark that all before it is synced.
    pub(super) marked: bool,
    marked_len: usize,
}

impl WriteBatch {
    /// Marks that all before it is synced; comes first.
    pub(super) fn mark(&mut self) {
        record::put_synced(&mut self.frames);
        self.marked = true;
        self.marked_len = self.frames.len();
    }

    /// Says up to which id pushes may have been sent; comes before all but that mark.
    pub(super) fn doubt(&mut self, last: u64) {
        record::put_doubt(&mut self.frames, last);
        self.doubt = Some(last);
        self.marked_len = self.frames.len();
    }

    /// Marks that the checkpoint is complete.
    pub(super) fn complete(&mut self) {
        record::put_complete(&mut self.frames);
    }

    /// Whether it holds more than these two.
    pub(super) fn has_records(&self) -> bool {
        self.frames.len() > self.marked_len
    }

    pub(super) fn add(&mut self, group: &Group) {
        for (head, _) in &group.notifications {
            self.name(head.lane);
        }
        let base = self.frames.len();
        let moved = |span: &FrameSpan| FrameSpan {
            offset: base + span.offset,
            len: span.len,
        };
        self.frames.extend_from_slice(&group.frames);
        let notifications = group.notifications.iter();
        self.notifications
            .extend(notifications.map(|(head, span)| (*head, moved(span))));
        self.answers
            .extend(group.answer.iter().map(|(at, span)| (*at, moved(span))));
    }

    pub(super) fn settle(&mut self, mut settled: Vec<(u64, Option<End>)>) {
        record::put_settled(&mut self.frames, &mut settled);
        self.settled.append(&mut settled);
    }

    pub(super) fn leave(&mut self, mut states: Vec<(u64, Attempts)>) {
        record::put_attempts(&mut self.frames, &states);
        self.attempts.append(&mut states);
    }

    pub(super) fn note_ids(&mut self, last: u64) {
        record::put_ids(&mut self.frames, last);
    }

    /// Names a lane, before a notification to it.
    fn name(&mut self, lane: LaneId) {
        if self.named.contains(&lane) {
            return;
        }
        record::put_lane(&mut self.frames, lane);
        self.named.push(lane);
    }

    /// Ends it: lanes that were not named before are named once more, so that there is always
    /// another name if one is damaged, and not in the same sector unless all between is lost too.
    pub(super) fn end(&mut self) {
        for lane in &self.named {
            if !self.known.contains(lane) {
                record::put_lane(&mut self.frames, *lane);
            }
        }
    }

    /// What stays of a notification whose record is damaged.
    pub(super) fn lose(&mut self, head: &RecordHead) -> FrameSpan {
        self.name(head.lane);
        let offset = self.frames.len();
        record::put_lost(&mut self.frames, head);
        let len = self.frames.len() - offset;
        FrameSpan { offset, len }
    }

    pub(super) fn hand(&mut self, ids: Vec<u64>) {
        record::put_handed(&mut self.frames, &ids);
        self.handed.extend(ids);
    }

    /// Copies a notification's frame of another segment, as [`WriteBatch::copy`].
    pub(super) fn copy_notification(
        &mut self,
        kind: u8,
        record: &[u8],
        lane: LaneId,
    ) -> Option<FrameSpan> {
        self.name(lane);
        let mut renumbered = Vec::with_capacity(record.len());
        let is_one = notification::put_renumbered(&mut renumbered, record, lane);
        is_one.then(|| self.copy(kind, &renumbered)).flatten()
    }

    /// Copies a frame of another segment: its record is outside of groups now. Nothing if it does
    /// not fit, which it did before.
    pub(super) fn copy(&mut self, kind: u8, record: &[u8]) -> Option<FrameSpan> {
        let offset = self.frames.len();
        let fits = frame::put(&mut self.frames, kind, |out| out.extend_from_slice(record));
        let len = self.frames.len() - offset;
        fits.then_some(FrameSpan { offset, len })
    }
}
