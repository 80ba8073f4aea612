//! Which requests are refused for want of room: what is scheduled beyond its share, what is too
//! large for the disk, and everything once that is full.

use super::super::batch::Group;
use super::super::error::Refused;
use super::super::inbox::refuse;
use super::super::reply::Reply;
use super::super::scheduled_share::LoadBefore;
use super::super::space::SMALL;
use super::super::state::State;
use super::super::store::{StoreTrouble, WriteFailure};
use super::Flusher;
use crate::moment::Moment;

impl Flusher {
    /// Refuses requests whose pushes are to be sent later, and for which what is scheduled has no
    /// room left; the others.
    pub(super) fn within_the_share(
        &mut self,
        requests: Vec<(Group, Reply)>,
        now: Moment,
    ) -> Vec<(Group, Reply)> {
        let is_later = |(group, _): &(Group, Reply)| group.scheduled.pushes > 0;
        // What else is wrong is told before that.
        if !requests.iter().any(is_later) || self.inbox.lock().state != State::Serving {
            return requests;
        }
        let shares = self.inbox.shares_scheduled();
        let so_far = LoadBefore {
            scheduled: self.store.scheduled(),
            of_apps: shares.then(|| self.store.scheduled_of_apps()),
            live_bytes: self.store.live_bytes(),
        };
        let disk = (&self.space, &*self.dir);
        let sorted = self.share.sort(requests, so_far, disk);
        let told = sorted.refused.last().map(|(_, state)| state.to_string());
        let of_app = sorted
            .beyond_apps
            .last()
            .map(|(_, state)| state.to_string());
        for (reply, state) in sorted.refused.into_iter().chain(sorted.beyond_apps) {
            refuse([reply], &Refused::whole(state));
        }
        if let Some(why) = of_app
            && self.told_of_app_share.note(now.monotonic).is_some()
        {
            ::log::warn!("journal: pushes of one app with send_at are refused, {why}");
        }
        if let Some(why) = told
            && self.told_of_share.note(now.monotonic).is_some()
        {
            ::log::warn!("journal: a request with send_at is refused, {why}");
        }
        sorted.kept
    }

    /// Refuses all requests while none is taken, or those that the disk has no room for; the
    /// others, small ones first. If a small one has none the disk is full for all who come then.
    pub(super) fn with_room(
        &mut self,
        requests: Vec<(Group, Reply)>,
        now: Moment,
    ) -> Vec<(Group, Reply)> {
        if requests.is_empty() {
            return requests;
        }
        let state = self.inbox.lock().state.clone();
        let takes = matches!(state, State::Serving | State::Closed);
        let store = &self.store;
        if !takes || !self.space.has_room(now.monotonic, || store.free_space()) {
            let state = if takes { self.full() } else { state };
            let replies = requests.into_iter().map(|(_, reply)| reply);
            refuse(replies, &Refused::whole(state.clone()));
            self.enter(state, now);
            return Vec::new();
        }
        let (large, mut all): (Vec<_>, Vec<_>) = requests.into_iter().partition(is_large);
        all.extend(large);
        let (fit, others) = self.space.fitting(all, |(group, _)| group.len());
        for ((group, reply), needed) in others {
            let refused = if group.len() > SMALL {
                self.too_large(needed, now)
            } else {
                let state = self.full();
                self.enter(state.clone(), now);
                Refused::whole(state)
            };
            refuse([reply], &refused);
        }
        fit
    }

    /// What to say to a large request of so many bytes, for which a write has found no room.
    pub(super) fn lacks_room_for(&mut self, bytes: usize, now: Moment) -> Refused {
        self.space.lacks(bytes, now.monotonic);
        self.too_large(self.space.needed_for(bytes), now)
    }

    /// What to say to a large request, for which so many bytes would have to be free.
    fn too_large(&mut self, needed: u64, now: Moment) -> Refused {
        let state = self.full_for(needed);
        if self.told_of_large.note(now.monotonic).is_some() {
            ::log::error!("journal: {state}; a large request is refused, small ones are not");
        }
        Refused::whole(state)
    }

    pub(super) fn full(&self) -> State {
        self.full_for(self.space.needed())
    }

    /// The disk has no room for what needs so many bytes to be free.
    fn full_for(&self, needed: u64) -> State {
        let (dir, free) = (self.dir.clone(), self.space.free());
        State::Full { dir, free, needed }
    }
}

/// Whether a request is written alone, and refused alone where the disk has no room for it.
pub(super) fn is_large((group, _): &(Group, Reply)) -> bool {
    group.len() > SMALL
}

impl WriteFailure {
    /// Whether a request is known not to be kept, since the disk had no room for it.
    pub(super) fn lacked_room(&self) -> bool {
        !self.may_come_back && self.trouble == StoreTrouble::Full
    }
}
