//! The registry of lanes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connection_limit::ConnectionLimit;
use crate::push::LaneId;
use crate::stats::{LaneFigures, LaneStats};

/// The lanes that a process knows, by number and by name: what is counted of each, and what serves
/// it. A reload replaces the value as a whole; who has the one before keeps it until the next look.
#[derive(Debug)]
pub struct Lanes<L> {
    known: BTreeMap<LaneId, RegisteredLane<L>>,
    /// What takes nothing more, and finishes what it has or leaves it to the backlog.
    leaving: Vec<Arc<L>>,
    /// What bounds the connection threads of all of them.
    limit: Arc<ConnectionLimit>,
}

/// One lane of the registry.
#[derive(Debug)]
struct RegisteredLane<L> {
    /// From the start of the process, whoever serves it.
    stats: Arc<LaneStats>,
    /// `None` where the configuration disables it: its pushes wait in the journal.
    serving: Option<Arc<L>>,
}

impl<L> Lanes<L> {
    /// Lanes that nothing serves yet.
    pub fn of(ids: impl IntoIterator<Item = LaneId>) -> Self {
        let known = |id| {
            let (stats, serving) = (Arc::default(), None);
            (id, RegisteredLane { stats, serving })
        };
        Self {
            known: ids.into_iter().map(known).collect(),
            leaving: Vec::new(),
            limit: Arc::default(),
        }
    }

    /// Knows a lane from now on, whatever becomes of it; its counters are those, if it was not
    /// known before.
    pub fn know(&mut self, id: LaneId, stats: impl FnOnce() -> Arc<LaneStats>) {
        self.known.entry(id).or_insert_with(|| RegisteredLane {
            stats: stats(),
            serving: None,
        });
    }

    /// Has a lane served by `serving` from now on, or by nothing.
    pub fn serve(&mut self, id: LaneId, serving: Option<Arc<L>>) {
        let stats = self.stats(id);
        self.known.insert(id, RegisteredLane { stats, serving });
    }

    /// Has what serves a lane take nothing more, and finish what it has, or leave it.
    pub fn let_finish(&mut self, id: LaneId) {
        let served = self.known.get_mut(&id);
        let served = served.and_then(|known| known.serving.take());
        self.leaving.extend(served);
    }

    /// Forgets what takes nothing more, unless `has_more` says that it has something yet.
    pub fn forget_finished(&mut self, has_more: impl Fn(&Arc<L>) -> bool) {
        self.leaving.retain(has_more);
    }

    /// What takes nothing more.
    pub fn leaving(&self) -> &[Arc<L>] {
        &self.leaving
    }

    /// What bounds the connection threads of all of them, also of those to come.
    pub fn limit(&self) -> &Arc<ConnectionLimit> {
        &self.limit
    }

    /// All that are known, in the order of their numbers.
    pub fn known(&self) -> impl Iterator<Item = LaneId> {
        self.known.keys().copied()
    }

    /// The lane of that name, if it is known.
    pub fn named(&self, name: &str) -> Option<LaneId> {
        self.known().find(|id| id.name() == name)
    }

    /// What serves a lane, if anything does.
    pub fn get(&self, id: LaneId) -> Option<&Arc<L>> {
        self.known.get(&id)?.serving.as_ref()
    }

    /// What serves lanes, in the order of their numbers; then what only finishes what it has.
    pub fn serving(&self) -> impl Iterator<Item = &Arc<L>> + Clone {
        let lanes = self.known.values();
        let serving = lanes.filter_map(|known| known.serving.as_ref());
        serving.chain(&self.leaving)
    }

    /// The lanes that nothing serves.
    pub fn absent(&self) -> impl Iterator<Item = LaneId> {
        self.known().filter(|id| self.get(*id).is_none())
    }

    /// The counters of a lane; new ones if it is not known.
    pub fn stats(&self, id: LaneId) -> Arc<LaneStats> {
        let known = self.known.get(&id);
        known.map_or_else(Arc::default, |known| Arc::clone(&known.stats))
    }

    /// The counters of each lane that is known.
    pub fn all_stats(&self) -> impl Iterator<Item = &LaneStats> {
        self.known.values().map(|known| &*known.stats)
    }

    /// What is counted of each lane that is known.
    pub fn figures(&self) -> impl Iterator<Item = LaneFigures> {
        self.known.values().map(|known| known.stats.figures())
    }
}

/// A registry to be changed, with the same lanes.
impl<L> Clone for Lanes<L> {
    fn clone(&self) -> Self {
        let same = |(id, known): (&LaneId, &RegisteredLane<L>)| {
            let (stats, serving) = (Arc::clone(&known.stats), known.serving.clone());
            (*id, RegisteredLane { stats, serving })
        };
        Self {
            known: self.known.iter().map(same).collect(),
            leaving: self.leaving.clone(),
            limit: Arc::clone(&self.limit),
        }
    }
}

/// No lane at all.
impl<L> Default for Lanes<L> {
    fn default() -> Self {
        Self::of([])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::push::{End, Provider};
    use crate::stats::RoundStats;

    #[test]
    fn however_many_lanes_there_are_each_is_found_and_keeps_its_counters() {
        let (ios, android) = (LaneId::IOS, LaneId::ANDROID);
        let shop = LaneId::new(300, Provider::Apns, "shop/ios");
        let mut lanes = Lanes::of([shop, android, ios]);
        assert_eq!(lanes.known().collect::<Vec<_>>(), [ios, android, shop]);
        assert_eq!(lanes.named("shop/ios"), Some(shop));
        assert_eq!(lanes.named("shop"), None);
        lanes.serve(shop, Some(Arc::new("one")));
        let succeed = |lane: &LaneStats, pushes: usize| {
            let mut round = RoundStats::default();
            for _ in 0..pushes {
                round.settled((End::Succeeded, ""), Duration::ZERO);
            }
            lane.add(&mut round);
        };
        succeed(&lanes.stats(shop), 2);
        let news = LaneId::new(301, Provider::Apns, "news/ios");
        let stats = Arc::<LaneStats>::default();
        lanes.know(news, || Arc::clone(&stats));
        lanes.know(shop, Arc::default);
        lanes.serve(news, None);
        succeed(&stats, 3);
        let before = lanes.clone();
        lanes.serve(shop, None);
        lanes.serve(ios, Some(Arc::new("another")));
        assert_eq!(before.get(shop).map(|lane| **lane), Some("one"));
        assert_eq!((lanes.get(shop), lanes.serving().count()), (None, 1));
        assert_eq!(lanes.absent().collect::<Vec<_>>(), [android, shop, news]);
        lanes.let_finish(ios);
        assert_eq!((lanes.get(ios), lanes.serving().count()), (None, 1));
        lanes.forget_finished(|lane| **lane == "another");
        assert_eq!(lanes.leaving().len(), 1);
        lanes.forget_finished(|_| false);
        assert_eq!(lanes.serving().count(), 0);
        let succeeded = lanes.figures().map(|figures| figures.push_success);
        assert_eq!(succeeded.collect::<Vec<_>>(), [0, 0, 2, 3]);
    }
}
