//! What is done with what is scheduled: it is handed out when it is due, shown, and taken back.

use std::io;
use std::sync::atomic::Ordering;

use super::outstanding::{Fed, Outstanding};
use super::{Journal, catalogue, schedule, store};
use crate::moment::Moment;
use crate::push::{LaneId, PushId};

impl Journal {
    /// Hands out pushes of one lane that are scheduled and due at that time, with their contents,
    /// in the order of their times: at most `max_pushes`, each once, whether they were there when
    /// the journal was opened or not. Their envelopes say that they were scheduled.
    ///
    /// Reads files; for a thread that may wait.
    pub fn feed_due(&self, lane: LaneId, max_pushes: usize, now: Moment) -> Fed {
        let fed = self.catalogue.feed_due(lane, max_pushes, now);
        self.note_scheduled(&fed);
        fed
    }

    /// Notes that what was scheduled may be sent from now on, where nobody notes it before that. A
    /// process after a crash knows of the rest that is scheduled that it was not.
    pub(super) fn note_scheduled(&self, fed: &Fed) {
        if self.notes_handed.load(Ordering::Acquire) {
            return;
        }
        let scheduled = fed.notifications.iter();
        let scheduled = scheduled.filter(|of| of.envelope.earliest.is_some());
        let ids = scheduled.flat_map(|of| of.pushes.iter().map(|(index, _)| of.id(*index)));
        // One that cannot be written has said so. What is accepted is sent all the same.
        let _unnoted = self.hand(ids).is_err();
    }

    /// From now on what was appended of these first ids and is scheduled may be handed out and
    /// taken back: whoever has to know of it before does.
    pub fn release(&self, first_ids: impl IntoIterator<Item = PushId>) {
        let schedule = &mut self.catalogue.lock().index.schedule;
        for first_id in first_ids {
            schedule.release(first_id.0);
        }
    }

    /// Counts pushes of a lane that is not served with those that are still to be fed, once they
    /// are due at that time; how many, of some thousand notifications at most.
    pub fn ripen(&self, lane: LaneId, now: Moment) -> u64 {
        let index = &mut self.catalogue.lock().index;
        index.ripen(lane, catalogue::second_of(now.unix), store::LOOKS)
    }

    /// How many pushes of one lane are scheduled, and the second since the Unix epoch at which the
    /// first of them is due.
    pub fn scheduled(&self, lane: LaneId) -> (u64, Option<u32>) {
        let schedule = &self.catalogue.lock().index.schedule;
        let lane = lane.number();
        (schedule.of_lane(lane).pushes, schedule.next(lane))
    }

    /// From now on what may be scheduled is shared by several apps, or is one's alone.
    pub fn share_scheduled(&self, are_several: bool) {
        self.inbox.share_scheduled(are_several);
    }

    /// Pushes that may be scheduled at a time.
    pub fn scheduled_max(&self) -> u64 {
        self.scheduled_max
    }

    /// The second since the Unix epoch at which a push is due that is scheduled.
    pub fn send_time(&self, id: PushId) -> Option<u32> {
        self.catalogue.lock().index.send_time(id.0)
    }

    /// Takes a push back that is scheduled: nobody sends it, and the caller settles it.
    ///
    /// # Errors
    ///
    /// When its record cannot be read now.
    pub fn withdraw(&self, id: PushId) -> io::Result<Option<Outstanding>> {
        self.catalogue.withdraw((id, true), |_| true)
    }

    /// Takes back what is scheduled under that identifier for the lanes that are meant, from an id
    /// on and not after `last` as ids are given, and gives each notification to `each`, who settles
    /// it. How many could not be read now, and are left; and the id to go on from if there may be
    /// more.
    pub fn withdraw_named(
        &self,
        identifier: &str,
        is_meant: impl Fn(LaneId) -> bool,
        (from, last): (PushId, PushId),
        mut each: impl FnMut(Outstanding),
    ) -> (u64, Option<PushId>) {
        let name = schedule::name_of(identifier);
        let catalogue = self.catalogue.lock();
        let index = &catalogue.index;
        let (found, next) = index.scheduled_as(name, &is_meant, from.0, store::LOOKS);
        drop(catalogue);
        let mut unread = 0;
        let rank = |id| self.inbox.rank(id);
        let found = found.into_iter();
        for first_id in found.filter(|first_id| rank(*first_id) <= rank(last.0)) {
            let is_it = |read: &Outstanding| {
                is_meant(read.envelope.lane) && read.parcel.note().texts.identifier == identifier
            };
            match self.catalogue.withdraw((PushId(first_id), false), is_it) {
                Ok(read) => read.into_iter().for_each(&mut each),
                Err(_) => unread += 1,
            }
        }
        (unread, next.map(PushId))
    }

    /// Reads the notification of a push that is outstanding, wherever the push is.
    ///
    /// # Errors
    ///
    /// When its record cannot be read now.
    pub fn peek(&self, id: PushId) -> io::Result<Option<Outstanding>> {
        self.catalogue.peek(id)
    }
}
