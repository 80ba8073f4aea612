//! What is to be sent later: the real journal keeps it, on a disk, and hands it out by the wall
//! clock; what it has to have is written down here a second time.
//!
//! From there it comes to the lane as what is accepted does, and is looked after from then on as
//! all that is: it ends in the real journal with that.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use sterna::journal::{DiskFiles, Journal, Outstanding, Settings, SyncPolicy};
use sterna::lane::Lane;
use sterna::moment::Moment;
use sterna::push::{Accepted, End, Envelope, LaneId, Lifetime, PushId};
use sterna::recover;
use tempfile::TempDir;

use super::World;
use crate::coverage::Kind;
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::seat::settler;

/// A segment of the journal is so long: there are several in a world.
const SEGMENT_BYTES: u64 = 8192;

/// What outlives the process.
#[derive(Default)]
pub(super) struct Schedule {
    /// None in a world that schedules nothing.
    dice: Option<Dice>,
    /// So many may be in the lane.
    at_most: usize,
    /// What the journal has to have: all that is scheduled, by the ids of its pushes.
    waiting: BTreeMap<u64, Arc<Accepted>>,
    kept: Option<Kept>,
    /// The notification of the last ones that came to the lane.
    last: Weak<Accepted>,
}

struct Kept {
    journal: Journal,
    dir: TempDir,
}

impl Kept {
    fn open(dir: TempDir, now: Moment) -> Self {
        let settings = Settings {
            sync: SyncPolicy::Interval,
            segment_bytes: SEGMENT_BYTES,
            ..Settings::new(dir.path())
        };
        let (journal, _) = Journal::open(Arc::new(DiskFiles), settings, now).unwrap();
        Self { journal, dir }
    }

    /// They are no more for it to look after.
    fn end(&self, ids: &[u64]) {
        let ended = ids.iter().map(|id| (PushId(*id), End::Succeeded));
        self.journal.settle_at_once(ended).unwrap();
    }
}

/// The second of the wall clock before which it is not to be sent.
fn time_of(accepted: &Accepted) -> Duration {
    Duration::from_secs(accepted.envelope.earliest.unwrap().get().into())
}

fn ids_of(read: &Outstanding) -> Vec<u64> {
    read.pushes.iter().map(|(nth, _)| read.id(*nth).0).collect()
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has a notification that is accepted now sent later, or not.
    pub(super) fn may_take(&mut self, envelope: &mut Envelope, now: Moment) {
        let Some(dice) = &mut self.dice else {
            return;
        };
        let ahead = dice.millis(1000, 300_000);
        // What expires at a point in time expires after that.
        if dice.chance(300) && !matches!(envelope.lifetime, Lifetime::Until(_)) {
            let at = (now.unix + ahead).as_secs();
            envelope.earliest = NonZeroU32::new(u32::try_from(at).unwrap());
        }
    }

    /// As the API does with what is scheduled.
    pub(super) fn keep(&mut self, accepted: &Arc<Accepted>, ledger: &mut Ledger) {
        let open = || Kept::open(tempfile::tempdir().unwrap(), accepted.at);
        let journal = &self.kept.get_or_insert_with(open).journal;
        journal.append([&**accepted], None).unwrap();
        if journal.withdraw(accepted.first_id).unwrap().is_some() {
            ledger.violate(
                accepted.at.monotonic,
                "taken back before its caller knows of it",
            );
        }
        journal.release([accepted.first_id]);
        let ids = accepted.first_id.0..;
        let ids = ids.take(usize::try_from(accepted.parcel.count()).unwrap());
        self.waiting
            .extend(ids.map(|id| (id, Arc::clone(accepted))));
    }

    /// Takes one push back, which the wire never sees: it knows no such device token.
    pub(super) fn cancel(&mut self, push: u64, now: Moment, ledger: &mut Ledger) -> bool {
        let withdrawn = self
            .kept
            .as_ref()
            .and_then(|kept| kept.journal.withdraw(PushId(push)).unwrap());
        let is_expected = self.waiting.contains_key(&push);
        self.take_out(
            withdrawn,
            is_expected.then_some(push).as_slice(),
            now,
            ledger,
        );
        is_expected
    }

    /// The same of all of a name.
    pub(super) fn cancel_named(&mut self, name: &str, now: Moment, ledger: &mut Ledger) {
        let Some(kept) = &self.kept else {
            return;
        };
        let (mut from, mut withdrawn) = (Some(PushId(0)), Vec::new());
        while let Some(id) = from {
            let each = |read| withdrawn.push(read);
            let ids = (id, kept.journal.high_water());
            let (unread, next) = kept.journal.withdraw_named(name, |_| true, ids, each);
            assert_eq!(unread, 0);
            from = next;
        }
        let has_it = |it: &Accepted| it.parcel.note().texts.identifier == name;
        let expected = self.waiting.iter().filter(|(_, it)| has_it(it));
        let expected: Vec<u64> = expected.map(|(id, _)| *id).collect();
        self.take_out(withdrawn, &expected, now, ledger);
    }

    fn take_out(
        &mut self,
        withdrawn: impl IntoIterator<Item = Outstanding>,
        expected: &[u64],
        now: Moment,
        ledger: &mut Ledger,
    ) {
        let withdrawn = withdrawn.into_iter();
        let mut ids: Vec<u64> = withdrawn.flat_map(|read| ids_of(&read)).collect();
        ids.sort_unstable();
        if ids != expected {
            let what = format!("{ids:?} are taken back, and {expected:?} are scheduled");
            ledger.violate(now.monotonic, what);
        }
        for id in &ids {
            ledger.coverage.count(Kind::Cancelled);
            ledger.tell(now.monotonic, *id, || format!("push {id} is taken back"));
            self.waiting.remove(id);
        }
        if let Some(kept) = self.kept.as_ref().filter(|_| !ids.is_empty()) {
            kept.end(&ids);
        }
    }

    /// Another process, with the journal as the last one has closed it.
    pub(super) fn start_again(&mut self, lane: &Lane, now: Moment, ledger: &mut Ledger) {
        lane.room().scheduled().set_capacity(self.at_most);
        self.last = Weak::new();
        let Some(Kept { journal, dir }) = self.kept.take() else {
            return;
        };
        let closed = journal.close();
        drop(journal);
        let kept = Kept::open(dir, now);
        let (scheduled, waiting) = (
            kept.journal.scheduled(lane.id()).0,
            self.waiting.len() as u64,
        );
        if (scheduled, closed.outstanding, closed.unwritten) != (waiting, waiting, 0) {
            let what = format!("{scheduled} are scheduled after {closed:?}, and not {waiting}");
            ledger.violate(now.monotonic, what);
        }
        if waiting > 0 {
            ledger.coverage.count(Kind::ScheduledKept);
        }
        self.kept = Some(kept);
    }

    /// What is wrong with pushes that are handed out now.
    fn check(&mut self, read: &Outstanding, lane: LaneId, now: Moment) -> Vec<String> {
        let mut faults = Vec::new();
        for (nth, begun) in &read.pushes {
            let id = read.id(*nth).0;
            let Some(kept) = self.waiting.remove(&id) else {
                faults.push(format!(
                    "push {id} is handed out, and not scheduled any more"
                ));
                continue;
            };
            if now.unix < time_of(&kept) {
                faults.push(format!("push {id} is handed out before its time"));
            }
            if begun.maybe_sent || read.in_doubt {
                faults.push(format!("push {id} was never sent"));
            }
            let is_it = (read.envelope, &read.parcel) == (kept.envelope, &kept.parcel);
            if !is_it || read.envelope.lane != lane {
                faults.push(format!("push {id} is not what was scheduled"));
            }
        }
        faults
    }
}

impl World {
    /// The world, in which some pushes are to be sent later if there is a journal.
    pub(super) fn scheduling(mut self, seed: u64) -> Self {
        if self.machine.journal.is_some() {
            // Of its own: what else happens does not depend on it.
            let mut dice = Dice::new(!seed);
            self.scheduled.at_most = dice.one_of(&[5, 20, 10_000]);
            let room = self.lane.room().scheduled();
            room.set_capacity(self.scheduled.at_most);
            self.scheduled.dice = Some(dice);
        }
        self
    }

    fn feeds(&self) -> bool {
        !self.draining && !self.stopped
    }

    /// When the next one is due, if the clock is not set meanwhile. What is due by now waits for
    /// others to end.
    pub(super) fn next_scheduled(&self) -> Option<Instant> {
        let unix = self.moment().unix;
        let times = self.scheduled.waiting.values().map(|it| time_of(it));
        let next = times.filter(|at| *at > unix).min();
        next.filter(|_| self.feeds())
            .map(|at| self.now + at.saturating_sub(unix))
    }

    /// Queues what is due, as much of it as there is room for; true if anything is.
    pub(super) fn feed_scheduled(&mut self) -> bool {
        let (lane, now) = (self.site.lane, self.moment());
        let feeds = self.feeds();
        let schedule = &mut self.scheduled;
        let share = self.lane.room().scheduled();
        let room = share.capacity().saturating_sub(share.outstanding());
        let Some(kept) = schedule.kept.take_if(|_| feeds && room > 0) else {
            return false;
        };
        // Asked at any time, not only when it is due.
        let fed = kept.journal.feed_due(lane, room, now);
        let net = &mut *self.net.borrow_mut();
        assert_eq!(fed.damaged, []);
        let mut pushes = Vec::new();
        for mut read in fed.notifications {
            for fault in schedule.check(&read, lane, now) {
                net.ledger.violate(self.now, fault);
            }
            kept.end(&ids_of(&read));
            // It has not waited since, whatever the clock was set to.
            read.at = now.unix;
            let resumed = recover::resume(read, &mut schedule.last, now);
            pushes.extend(resumed.map(|(push, _)| push));
        }
        schedule.kept = Some(kept);
        let is_due = |it: &Arc<Accepted>| time_of(it) <= now.unix;
        if pushes.len() < room && schedule.waiting.values().any(is_due) {
            net.ledger
                .violate(self.now, "what is due is not handed out");
        }
        if pushes.is_empty() {
            return false;
        }
        let mut reserved = self.lane.room().reserve_scheduled(pushes.len()).unwrap();
        let settler = settler(&self.lane, self.site.limits, 0);
        let mut settler = settler.with_register(self.machine.register());
        let mut fresh = Vec::new();
        for push in pushes {
            net.ledger.coverage.count(Kind::Scheduled);
            let id = push.id().0;
            net.ledger
                .tell(self.now, id, || format!("push {id} is due"));
            net.ledger.accept_push(&push);
            if let Some(journal) = &self.machine.journal {
                journal.append_push(&push);
            }
            let class = push.class();
            // Its notification may be so large that others of it took all its time.
            match settler.settle_if_expired(push, now) {
                Some(push) => fresh.push(push),
                None => reserved.spend(class),
            }
        }
        let [access, error] = settler.unflushed();
        net.ledger.read_log(access, true, now);
        net.ledger.read_log(error, false, now);
        settler.flush(self.now);
        self.lane.enqueue(reserved, fresh);
        true
    }
}
