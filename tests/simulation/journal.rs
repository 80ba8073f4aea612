//! A journal in memory: what outlives the process, as the daemon tells it to the real one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use sterna::delivery::register::Keeper;
use sterna::moment::Moment;
use sterna::push::{Accepted, Contradictions, End, LaneId, Push, PushId, Waits};

#[derive(Default)]
pub(crate) struct Journal(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// What is accepted and not settled.
    outstanding: BTreeMap<u64, (Arc<Accepted>, u32)>,
    /// How far some of it has come.
    left: BTreeMap<u64, (Push, Waits)>,
    faults: Vec<String>,
}

impl Journal {
    pub(crate) fn append(&self, accepted: &Arc<Accepted>) {
        Push::all(accepted).for_each(|push| self.append_push(&push));
    }

    /// One of a notification's.
    pub(crate) fn append_push(&self, push: &Push) {
        let (id, accepted) = (push.id().0, push.accepted());
        let nth = u32::try_from(id - accepted.first_id.0).unwrap();
        let mut kept = self.kept();
        let again = kept.outstanding.insert(id, (Arc::clone(accepted), nth));
        if again.is_some() {
            kept.faults.push(format!("the id {id} comes twice"));
        }
    }

    /// The pushes that a process which starts now goes on with, and how long each waits.
    pub(crate) fn resume(&self, lane: LaneId) -> Vec<(Push, Waits)> {
        let mut kept = self.kept();
        let of_it = kept.outstanding.iter();
        let of_it = of_it.filter(|(_, (it, _))| it.envelope.lane == lane);
        let pushes: Vec<_> = of_it
            .map(|(_, (accepted, nth))| Push::nth(accepted, *nth).unwrap())
            .collect();
        let resumed = pushes.into_iter().map(|mut push| {
            let mut waits = Waits::default();
            if let Some((left, waited)) = kept.left.remove(&push.id().0) {
                waits = waited;
                push.attempts = left.attempts;
                push.refusals = left.refusals;
                push.maybe_sent = left.maybe_sent;
                push.used_its_second_chance = left.used_its_second_chance;
                push.first_attempt = left.first_attempt;
                let met = left.contradictions;
                push.contradictions = Contradictions::kept(met.count(), met.first_age_secs());
            }
            (push, waits)
        });
        resumed.collect()
    }

    /// What it was told that cannot be.
    pub(crate) fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut self.kept().faults)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }
}

/// The daemon's hold of it.
pub(crate) struct Hold(pub(crate) Arc<Journal>);

impl Keeper for Hold {
    fn settle(&self, ended: &[(PushId, End)]) {
        let mut kept = self.0.kept();
        for (id, _) in ended {
            if kept.outstanding.remove(&id.0).is_none() {
                let what = format!("push {id} is settled in the journal, and was not outstanding");
                kept.faults.push(what);
            }
            kept.left.remove(&id.0);
        }
    }

    fn release(&self, push: &Push, waits: Waits, _: Moment) {
        self.keep(push, waits, "left");
    }

    fn note(&self, push: &Push, waits: Waits, _: Moment) {
        self.keep(push, waits, "tried");
    }

    /// No process is killed here.
    fn hand(&self, _: &[PushId]) {}
}

impl Hold {
    fn keep(&self, push: &Push, waits: Waits, what: &str) {
        let mut kept = self.0.kept();
        if kept.outstanding.contains_key(&push.id().0) {
            kept.left.insert(push.id().0, (push.clone(), waits));
        } else {
            let id = push.id();
            kept.faults
                .push(format!("push {id} is {what}, and was settled"));
        }
    }
}
