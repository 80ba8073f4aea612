//! What of the index is scheduled: it is handed out at its time, or taken back.

use super::{EntryStage, Index, IndexEntry, Rest};
use crate::journal::notification::RecordHead;
use crate::journal::schedule::{AppLoads, SendTime};
use crate::push::{LaneId, PushClass};

impl Index {
    /// What is scheduled, by apps.
    pub(in crate::journal) fn scheduled_of_apps(&self) -> AppLoads {
        let mut of_apps = AppLoads::new();
        for feed in self.feeds.values() {
            let of_app = of_apps.entry(feed.lane.app()).or_default();
            *of_app = of_app.and(self.schedule.of_lane(feed.lane.number()));
        }
        of_apps
    }

    /// Schedules what of a notification is outstanding, if it is to be sent later; what was there
    /// before this process may be handed out.
    pub(super) fn schedule(&mut self, head: &RecordHead, recovered: bool) {
        let left = self.left_of(head.first_id, head.tokens);
        let Some((entry, time)) = self.entries.get_mut(&head.first_id).zip(head.send) else {
            return;
        };
        if left > 0 {
            entry.stage = EntryStage::Scheduled;
            self.schedule.weigh(entry.lane, entry.len, 0);
            let lane = (entry.lane, entry.class);
            self.schedule.put(head.first_id, lane, time, left);
            if recovered {
                self.schedule.release(head.first_id);
            }
        }
    }

    /// Schedules all that is left of a notification of which some was handed out.
    pub(super) fn schedule_anew(&mut self, first_id: u64, time: SendTime) {
        let left = self.rest(first_id, 0).map_or(0, |rest| rest.pushes.len());
        let Some(entry) = self.entries.get(&first_id) else {
            return;
        };
        let (lane, left) = (
            (entry.lane, entry.class),
            u32::try_from(left).unwrap_or(u32::MAX),
        );
        self.schedule.put(first_id, lane, time, left);
        self.schedule.release(first_id);
    }

    /// The notifications with scheduled pushes of that name in lanes that are meant, from an id on,
    /// and the id to go on from if there may be more; at most `looks` are looked at.
    pub(in crate::journal) fn scheduled_as(
        &self,
        name: u32,
        is_meant: impl Fn(LaneId) -> bool,
        from: u64,
        looks: usize,
    ) -> (Vec<u64>, Option<u64>) {
        let of_lane = |lane| {
            self.feeds
                .get(&lane)
                .is_some_and(|feed| is_meant(feed.lane))
        };
        self.schedule.named(name, of_lane, from, looks)
    }

    /// Has no more of a notification scheduled.
    pub(super) fn unschedule(&mut self, first_id: u64) {
        self.schedule.remove(first_id);
        if let Some(entry) = self.entries.get_mut(&first_id)
            && entry.stage == EntryStage::Scheduled
        {
            entry.stage = EntryStage::Own;
            self.schedule.weigh(entry.lane, 0, entry.len);
        }
    }

    /// So many more pushes of a notification are scheduled no more, those before that index handed
    /// out.
    pub(super) fn lessen(&mut self, first_id: u64, pushes: usize, from: u32) {
        let pushes = u32::try_from(pushes).unwrap_or(u32::MAX);
        if self.schedule.lessen(first_id, pushes, from) {
            self.unschedule(first_id);
        }
    }

    /// Whether a push is scheduled, unless it is taken back or settled.
    pub(super) fn is_scheduled(&self, first_id: u64, index: u32) -> bool {
        let is_marked = |entry: &IndexEntry| entry.stage == EntryStage::Scheduled;
        self.entries.get(&first_id).is_some_and(is_marked)
            && self
                .schedule
                .get(first_id)
                .is_some_and(|scheduled| index >= scheduled.from)
    }

    /// When a push is to be sent that is scheduled.
    pub(in crate::journal) fn send_time(&self, id: u64) -> Option<u32> {
        let (first_id, _) = self.find(id)?;
        let index = u32::try_from(id - first_id).ok()?;
        let is_scheduled = self.is_scheduled(first_id, index)
            && !self.is_settled(first_id, index)
            && !self.schedule.is_withdrawn(id);
        let scheduled = self.schedule.get(first_id)?;
        is_scheduled.then_some(scheduled.time.at)
    }

    /// Takes back what of a notification is scheduled, or that push of it alone: it is handed out
    /// by that, and nobody else has it. Its place and the indexes of its pushes; nothing if none is
    /// scheduled any more.
    pub(in crate::journal) fn withdraw(
        &mut self,
        first_id: u64,
        only: Option<u64>,
    ) -> Option<Rest> {
        let from = self.schedule.released(first_id)?.from;
        let mut rest = self.rest(first_id, from)?;
        let is_meant = |index: u32| only.is_none_or(|id| first_id + u64::from(index) == id);
        rest.pushes.retain(|(index, _)| is_meant(*index));
        for (index, _) in &rest.pushes {
            self.schedule.withdraw(first_id + u64::from(*index));
        }
        self.lessen(first_id, rest.pushes.len(), 0);
        (!rest.pushes.is_empty()).then_some(rest)
    }

    /// What of the notification of a push is outstanding.
    pub(in crate::journal) fn rest_with(&self, id: u64) -> Option<Rest> {
        let (first_id, _) = self.find(id)?;
        self.rest(first_id, 0)
    }

    /// The notification of a lane that is due first, with at most `max` of its pushes, which are
    /// handed out by that.
    pub(in crate::journal) fn feed_due(
        &mut self,
        lane: LaneId,
        max: usize,
        now: u32,
    ) -> Option<Rest> {
        if max == 0 {
            return None;
        }
        loop {
            let first_id = self.schedule.due(lane.number(), now)?;
            let from = self.schedule.get(first_id).map_or(0, |it| it.from);
            let rest = self.rest(first_id, from);
            let next = rest
                .as_ref()
                .and_then(|rest| rest.pushes.get(..max).unwrap_or(&rest.pushes).last());
            let next = next.map(|(index, _)| index.saturating_add(1));
            let Some((mut rest, next)) = rest.zip(next) else {
                // None is left, whatever was counted.
                self.unschedule(first_id);
                continue;
            };
            rest.pushes.truncate(max);
            self.lessen(first_id, rest.pushes.len(), next);
            return Some(rest);
        }
    }

    /// Has notifications of a lane that are due counted with those that are to be fed in the order
    /// of ids: of a lane that is not served, where they wait and expire. How many pushes that are;
    /// at most `looks` notifications at a time.
    pub(in crate::journal) fn ripen(&mut self, lane: LaneId, now: u32, looks: usize) -> u64 {
        let mut ripe = 0;
        for _ in 0..looks {
            let Some(first_id) = self.schedule.due(lane.number(), now) else {
                break;
            };
            let entry = self.entries.get(&first_id);
            let class = entry.map_or_else(PushClass::default, |entry| entry.class);
            let feed = self.feeds.get_mut(&lane.number());
            let from = feed.map_or(u64::MAX, |feed| feed.of(class).from);
            // Behind that id some may be in somebody's hands still.
            if first_id < from {
                break;
            }
            self.unschedule(first_id);
            let tokens = self.entries.get(&first_id).map_or(0, |entry| entry.tokens);
            let left = self.left_of(first_id, tokens);
            if let (Some(entry), Some(feed)) = (
                self.entries.get_mut(&first_id),
                self.feeds.get_mut(&lane.number()),
            ) {
                entry.stage = EntryStage::Recovered;
                feed.of(class).unfed += u64::from(left);
                ripe += u64::from(left);
            }
        }
        ripe
    }
}
