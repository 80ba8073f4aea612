//! Which of Apple's environments a lane's pushes are for. Their device tokens are unknown in the
//! other one, and a lane's name says its environment only where that is not its app's first, while
//! the journal knows pushes by that name: so a reload does not change it while pushes wait.

use super::Daemon;
use crate::config::{ApnsConfig, Config, LaneConfig};
use crate::count;
use crate::push::{ApnsEnvironment, LaneId};

impl Daemon {
    /// A new configuration as it can be gone over to, and a line for each lane to Apple that keeps
    /// its app's environments as they were.
    pub(super) fn keep_environments(&self, new: &Config) -> (Config, Vec<String>) {
        let (mut kept, mut told) = (new.clone(), Vec::new());
        let served = self.config.enabled();
        let left = self.left.iter().map(|(id, lane)| (*id, lane));
        for (id, old) in served.chain(left) {
            let Some(was) = environment(old) else {
                continue;
            };
            let mut of_app = new.enabled().filter(|(it, _)| it.app() == id.app());
            let instead = of_app.find(|(it, lane)| *it != id && environment(lane) == Some(was));
            let becomes = match new.lane(id) {
                Some(lane) if environment(lane) == Some(was) || is_elsewhere(old, lane) => continue,
                Some(lane) => environment(lane).map_or("", ApnsEnvironment::word),
                None if instead.is_some() => "not served",
                None => continue,
            };
            let lanes = self.lanes.get();
            let taken = lanes.get(id).map_or(0, |it| it.lane.room().outstanding()) as u64;
            let waiting = [self.backlog.unclaimed(id), self.backlog.scheduled(id).0];
            let outstanding = waiting.into_iter().fold(taken, u64::saturating_add);
            if outstanding > 0 {
                let (was, section) = (was.word(), &old.section);
                let wait = count::of(outstanding, "push waits", "pushes wait");
                told.push(format!(
                    "{section}: its environments, topic and endpoint stay as they were: {wait} in the lane {id} for \
                     {was}, and that lane would be {becomes}. Reload again when they have ended; or \
                     purge them before, with DELETE /pushes?identifier=NAME or DELETE /push/ID \
                     (/stat/app has the first one's id as oldest); or give the builds of the other \
                     environment an app of their own"
                ));
                kept.keep_environments(id, old);
            }
        }
        (kept, told)
    }

    /// Remembers what environments lanes were for that are served no more, and forgets it of those
    /// that are.
    pub(super) fn note_environments(&mut self, in_force: &Config) {
        let is_gone = |(id, _): &(LaneId, &LaneConfig)| in_force.lane(*id).is_none();
        let gone = self.config.enabled().filter(is_gone);
        let gone = gone.filter(|(_, lane)| lane.apns().is_some());
        self.left.extend(gone.map(|(id, lane)| (id, lane.clone())));
        self.left.retain(|id, _| in_force.lane(*id).is_none());
    }
}

fn environment(lane: &LaneConfig) -> Option<ApnsEnvironment> {
    lane.apns().map(ApnsConfig::environment)
}

/// Whether a lane goes to one place, whatever its environment.
fn is_elsewhere(old: &LaneConfig, new: &LaneConfig) -> bool {
    old.endpoint.is_some() && old.endpoint == new.endpoint
}
