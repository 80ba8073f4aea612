//! What callers, operators and the machine do.

use std::sync::Arc;
use std::time::Duration;

use sterna::delivery::purge::Purge;
use sterna::lane::{NoAnswer, Wish};
use sterna::moment::Moment;
use sterna::provider::{self, Built, fcm};
use sterna::push::{
    Content, DeviceToken, Envelope, Node, Notification, Provider, Push, PushClass, PushId, SoFar,
};

use super::{World, said};
use crate::coverage::Kind;
use crate::ledger::Ledger;
use crate::net::Trap;
use crate::reply::{self, Plan};
use crate::script::Act;
use crate::seat::settler;

/// What callers call their notifications.
const IDENTIFIERS: &[&str] = &["", "a", "b"];

impl World {
    /// What the script says.
    pub(super) fn act(&mut self) -> bool {
        let mut moved = false;
        while let Some(entry) = self.acts.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let act = entry.remove();
            moved = true;
            match act {
                Act::Accept if !self.draining => self.accept(self.moment()),
                Act::Offer => self.offer(self.moment()),
                Act::Reload => self.replace_route(),
                Act::Purge => self.purge(self.moment()),
                Act::PurgeOne => self.purge_one(self.moment()),
                _ => self.befall(act),
            }
        }
        moved
    }

    pub(super) fn befall(&mut self, act: Act) {
        let moment = self.moment();
        let net = &mut *self.net.borrow_mut();
        net.ledger.tell(self.now, 2, || format!("{act:?}"));
        match act {
            Act::Accept | Act::Offer | Act::Reload | Act::Purge | Act::PurgeOne => {}
            Act::PusherMax => {
                let most = net.dice.one_of(&[1, 2, 10, 1000]);
                self.lane.set_stream_limit(most);
                net.pusher_max = most;
                net.ledger.coverage.count(Kind::PusherMax);
            }
            Act::ClockJump => {
                let to = net.dice.one_of(&[-31_536_000, -3600, 0, 3600, 31_536_000]);
                net.ledger
                    .coverage
                    .count(match to - self.machine.skew_secs.get() {
                        0 => Kind::ClockStays,
                        1..=7200 => Kind::HourForward,
                        -7200..=-1 => Kind::HourBack,
                        7201.. => Kind::YearForward,
                        _ => Kind::YearBack,
                    });
                self.set_clock(to);
            }
            Act::UsedUp => net.used_up_until = Some(self.now + net.dice.millis(1000, 200_000)),
            Act::Outage => self.outage_until = self.now + net.dice.millis(1000, 60_000),
            Act::Pause => {
                self.lane.holding().pause(moment);
                net.ledger.hold.paused = true;
                net.ledger.coverage.count(Kind::Paused);
            }
            Act::Resume => {
                self.lane.resume();
                net.ledger.hold.paused = false;
                net.ledger.pace.restarts(self.now);
                net.ledger.coverage.count(Kind::Resumed);
            }
            Act::Panic => {
                let seat = net.dice.index(self.seats.len());
                let traps = [Trap::Reading, Trap::Writing, Trap::Closing];
                self.seats[seat].doom = Some(net.dice.one_of(&traps));
            }
            Act::Standstill => {
                let longest = net.dice.one_of(&[300, 5000, 60_000]);
                let until = self.now + net.dice.millis(1, longest);
                net.ledger.moved = net.ledger.moved.max(Some(until));
                let all = net.dice.chance(500);
                let one = net.dice.index(self.seats.len());
                for (index, seat) in self.seats.iter_mut().enumerate() {
                    if all || index == one {
                        seat.stands_until = Some(until);
                    }
                }
            }
            Act::Heal => {
                self.healed = true;
                self.troubled = 0;
                net.half_unavailable = false;
                if net.refusing.take().is_some() && self.lane.prevailing().is_none() {
                    let what = "nothing but refusals of device tokens, and no alarm";
                    net.ledger.violate(self.now, what);
                }
                net.used_up_until = None;
                net.poison.clear();
                net.issuer.refused.clear();
                self.seen_until_healed = net.ledger.requests;
                self.digest_until_healed = net.ledger.digest;
                self.lane.resume();
                net.ledger.hold.paused = false;
                net.ledger.pace.restarts(self.now);
                self.set_clock(0);
            }
            Act::Drain => {
                self.draining = true;
                net.ledger.coverage.count(Kind::Shutdown);
            }
            Act::Stop => {
                net.ledger.stopped = true;
                self.stopped = true;
                self.lane.stop();
            }
        }
    }

    /// The wall clock is set.
    fn set_clock(&self, ahead_secs: i64) {
        let machine = &self.machine;
        machine.skew_secs.set(ahead_secs);
        machine.clock_sets.set(machine.clock_sets.get() + 1);
    }

    /// An operator takes out what waits under a name.
    fn purge(&mut self, now: Moment) {
        let net = &mut *self.net.borrow_mut();
        let identifier = net.dice.one_of(IDENTIFIERS);
        let ledger = &mut net.ledger;
        ledger.tell(self.now, 8, || format!("purge of {identifier:?}"));
        ledger.purging = Some(identifier);
        self.scheduled.cancel_named(identifier, now, ledger);
        let mut purge = self.purger();
        let before = ledger.unsettled();
        let so_far = SoFar {
            at: now,
            ids: Some((Node::default(), PushId(self.next_id - 1))),
        };
        let purged = purge.take(identifier, so_far);
        flush(&mut purge, ledger, now);
        ledger.purging = None;
        if before - ledger.unsettled() != purged {
            ledger.violate(self.now, format!("{purged} were said to be purged"));
        }
    }

    /// An operator takes one push out, wherever it is.
    fn purge_one(&mut self, now: Moment) {
        let net = &mut *self.net.borrow_mut();
        if self.next_id == self.first_id {
            return;
        }
        let push = net.dice.between(self.first_id, self.next_id - 1);
        let ledger = &mut net.ledger;
        ledger.tell(self.now, push, || format!("purge of push {push}"));
        if self.scheduled.cancel(push, now, ledger) {
            return;
        }
        ledger.purging_one.insert(push);
        let mut purge = self.purger();
        if !purge.take_one(PushId(push), now) {
            // Who has it looks in its next round; there is nobody here to wait for that.
            let asked = self.lane.ask(PushId(push), Wish::Purge, Duration::ZERO);
            let is_any_there = self.seats.iter().any(|seat| !seat.over);
            assert_eq!(
                asked,
                if is_any_there {
                    Err(NoAnswer)
                } else {
                    Ok(None)
                }
            );
        }
        flush(&mut purge, ledger, now);
    }

    fn purger(&self) -> Purge {
        let settler =
            settler(&self.lane, self.site.limits, 0).with_register(self.machine.register());
        Purge::new(Arc::clone(&self.lane), settler)
    }

    /// A request for pushes comes, as the API takes it.
    fn accept(&mut self, at: Moment) {
        let net = &mut *self.net.borrow_mut();
        let dice = &mut net.dice;
        let many = dice.one_of(&[1, 3, 20, 70]);
        let count = usize::try_from(dice.between(1, many)).unwrap();
        let unused = if dice.chance(100) { dice.index(5) } else { 0 };
        let class = if count < 10 {
            PushClass::Transactional
        } else {
            PushClass::Bulk
        };
        let room = self.lane.room();
        let Some(reservation) = room.reserve_for(class, count + unused) else {
            net.ledger.coverage.count(Kind::QueueFull);
            return;
        };
        if unused > 0 {
            net.ledger.coverage.count(Kind::RoomReturned);
        }
        let life = dice.one_of(&[0, 0, 0, 1, 10, 60, 4000]);
        let length = dice.one_of(&[2, 200, 200, 1000, 3900]);
        let notification = Notification {
            identifier: dice.one_of(IDENTIFIERS).into(),
            expiry: life,
            time_to_live: life,
            ..Notification::empty(self.site.lane)
        };
        let content = match self.site.lane.provider() {
            Provider::Apns => Content::whole(vec![b'x'; length]),
            Provider::Fcm => {
                let notification = Notification {
                    message: "x".repeat(length).into(),
                    ..notification.clone()
                };
                fcm::payload(&notification, false).unwrap()
            }
        };
        let envelope = Envelope {
            class,
            ..Envelope::to(self.site.lane).lasting(life)
        };
        let built = Built {
            envelope,
            content,
            ..Built::nothing(self.site.lane)
        };
        let mut built = said::more(built, at, &mut net.ledger.coverage, dice);
        // By a clock that is a year ahead it would be due in a year, when that is right again.
        if self.machine.skew_secs.get() <= 3600 {
            self.scheduled.may_take(&mut built.envelope, at);
        }
        let accepted = Arc::new(provider::accept(
            &notification,
            &built,
            (0..count).map(|_| DeviceToken::new(format!("{:016x}", dice.draw()))),
            PushId(self.next_id),
            at,
        ));
        if dice.chance(self.poisoned) {
            let reply = reply::stopping(net.issuer.is_fcm(), dice);
            let poison = self.next_id + dice.index(count) as u64;
            net.poison.insert(poison, Plan::Answer(reply));
            net.ledger.tell(self.now, poison, || {
                format!("push {poison} is poison: {reply:?}")
            });
        }
        self.next_id += count as u64;
        if accepted.envelope.earliest.is_some() {
            net.ledger.tell(self.now, self.next_id, || {
                format!("scheduled {count} from {:?}", accepted.first_id)
            });
            self.scheduled.keep(&accepted, &mut net.ledger);
            return;
        }
        net.ledger.accept(&accepted);
        if let Some(journal) = &self.machine.journal {
            journal.append(&accepted);
        }
        net.ledger.tell(self.now, self.next_id, || {
            format!("accepted {count} from {:?}, life {life}", accepted.first_id)
        });
        self.lane
            .enqueue(reservation, Push::all(&accepted).collect());
    }
}

/// Reads what was purged.
fn flush(purge: &mut Purge, ledger: &mut Ledger, now: Moment) {
    let [access, error] = purge.unflushed();
    ledger.read_log(access, true, now);
    ledger.read_log(error, false, now);
    purge.flush(now);
}
