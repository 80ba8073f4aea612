//! The daemon ends and begins anew, with what it has kept.

use std::collections::BTreeSet;
use std::time::Duration;

use sterna::delivery::policy;
use sterna::delivery::present_route::PresentRoute;
use sterna::lane::{Asked, Lane, Said};
use sterna::push::{Push, PushClass};

use super::World;
use super::keeper::Keeper;
use crate::coverage::Kind;
use crate::ledger::FIRST_PROBE;
use crate::seat::{Called, settler};

impl World {
    /// What the daemon does once its threads have ended.
    pub(super) fn leave_the_rest(&mut self) {
        let moment = self.moment();
        let mut settler =
            settler(&self.lane, self.site.limits, 0).with_register(self.machine.register());
        if self.stopped {
            for (push, due) in self.lane.take_shelf() {
                settler.leave(&push, Some(due), moment);
            }
            for push in self.lane.take_rest() {
                settler.leave(&push, None, moment);
            }
        }
        let ledger = &mut self.net.borrow_mut().ledger;
        let [access, error] = settler.unflushed();
        ledger.read_log(access, true, moment);
        ledger.read_log(error, false, moment);
        settler.flush(self.now);
    }

    /// Another process, which goes on with what the journal has.
    pub(super) fn start_again(&mut self) {
        let moment = self.moment();
        let (now, site) = (self.now, self.site);
        self.lane = Lane::new(site.lane, site.capacity, site.threads);
        self.lane.holding().set_first_probe(FIRST_PROBE);
        self.lane.set_rate(site.rate, now);
        self.stopped = false;
        self.draining = false;
        self.keeper = Keeper::default();
        let mut net = self.net.borrow_mut();
        self.lane.set_stream_limit(net.pusher_max);
        self.machine.limit().join(&self.lane);
        self.called = Called::of(&self.lane);
        let route = site.route(self.key_in_use(), &net.issuer, moment);
        self.present_route = PresentRoute::new(&self.lane, route);
        let kept = net.issuer.take_resumed();
        (0..kept).for_each(|_| net.ledger.coverage.count(Kind::AuthTokenKept));
        let outstanding = net.ledger.restarted(&self.lane, site.rate, now);
        let journal = self.machine.journal.as_ref();
        let pushes = journal.map_or_else(Vec::new, |it| it.resume(site.lane));
        let resumed: BTreeSet<u64> = pushes.iter().map(|(push, _)| push.id().0).collect();
        if resumed != outstanding || resumed.len() != pushes.len() {
            let what = format!("{resumed:?} are resumed, and {outstanding:?} are outstanding");
            net.ledger.violate(now, what);
        }
        if !pushes.is_empty() {
            net.ledger.coverage.count(Kind::PushResumed);
            net.ledger.pace.begins(now);
        }
        self.scheduled
            .start_again(&self.lane, moment, &mut net.ledger);
        let room = self.lane.room();
        let is_scheduled = |push: &Push| push.envelope().earliest.is_some();
        let scheduled = pushes.iter().filter(|(push, _)| is_scheduled(push)).count();
        let others = room
            .reserve_for(PushClass::Transactional, pushes.len() - scheduled)
            .unwrap();
        let scheduled = room.reserve_scheduled(scheduled).unwrap();
        let mut rooms = [(others, Vec::new()), (scheduled, Vec::new())];
        for (push, waits) in pushes {
            let (room, fresh) = &mut rooms[usize::from(is_scheduled(&push))];
            if let Some(until) = waits.rest.filter(|until| *until > now) {
                net.ledger.coverage.count(Kind::RestResumed);
                let spread = Duration::ZERO;
                let asked = Asked { until, spread };
                self.lane
                    .heard(Said::RefusedToAll, Some(asked), || "before".into(), moment);
            }
            match waits.due.filter(|due| *due > now) {
                Some(due) => {
                    net.ledger.coverage.count(Kind::WaitResumed);
                    let due = due.min(policy::expires_at(push.accepted(), site.limits, moment));
                    room.spend(push.class());
                    self.lane.retries().shelve(push, due);
                }
                None => fresh.push(push),
            }
        }
        drop(net);
        self.go_on_trying();
        self.seats = (0..site.threads).map(|seat| self.seat(seat)).collect();
        for (room, fresh) in rooms {
            self.lane.enqueue(room, fresh);
        }
        self.lane.call_first();
    }
}
