//! What is scheduled comes at its time and once, whatever becomes of the clock and the process.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::script::{journal, settings};
use crate::journal::fixture::{Loss, MemoryFiles, accepted, at};
use crate::journal::{Attempts, Fed, Journal, Settings, State};
use crate::push::{Accepted, End, LaneId, PushId};

const LONG: Duration = Duration::from_secs(30);

/// A notification that is to be sent that many seconds after some day.
fn scheduled(first_id: u64, tokens: usize, secs: u64) -> Accepted {
    let mut accepted = accepted(first_id, tokens);
    let unix = u32::try_from(at(secs).unix.as_secs()).unwrap();
    accepted.envelope.earliest = NonZeroU32::new(unix);
    accepted
}

fn ids(fed: &Fed) -> Vec<(u64, Attempts, bool)> {
    assert!(fed.damaged.is_empty());
    let each = fed.notifications.iter().flat_map(|of| {
        let pushes = of.pushes.iter();
        pushes.map(|(index, attempts)| (of.id(*index).0, *attempts, of.in_doubt))
    });
    each.collect()
}

#[derive(Clone, Debug)]
enum Operation {
    /// A notification with so many tokens is scheduled so many seconds ahead.
    Schedule(usize, u64),
    /// One is accepted that is to be sent at once.
    Accept,
    /// What is due is handed out to each lane, so much at most.
    Feed(usize),
    /// Of what is in hand, every so manyth push ends.
    Settle(usize),
    /// Of what is scheduled, every so manyth push is taken back: alone, or with its notification.
    Withdraw(usize, bool),
    /// All that is scheduled for the first lane is taken back.
    WithdrawNamed,
    /// The wall clock goes on, or is set.
    Clock(i64),
    /// A lane's pushes are counted anew, having been left.
    FeedAgain,
    /// The process is killed.
    Kill,
    /// It ends in order.
    End,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        5 => (1..5_usize, 0..100_u64).prop_map(|(tokens, to)| Operation::Schedule(tokens, to)),
        1 => Just(Operation::Accept),
        5 => (0..6_usize).prop_map(Operation::Feed),
        3 => (1..4_usize).prop_map(Operation::Settle),
        2 => (1..6_usize, any::<bool>()).prop_map(|(nth, all)| Operation::Withdraw(nth, all)),
        1 => Just(Operation::WithdrawNamed),
        3 => (1..40_i64).prop_map(Operation::Clock),
        1 => (-60..200_i64).prop_map(Operation::Clock),
        1 => Just(Operation::FeedAgain),
        1 => Just(Operation::Kill),
        1 => Just(Operation::End),
    ];
    prop::collection::vec(operation, 1..40)
}

/// What callers were told, and what became of it.
struct Model {
    files: MemoryFiles,
    journal: Journal,
    /// By the wall clock.
    now: u64,
    next_id: u64,
    /// The second at which each push is to be sent; those without are not scheduled.
    times: BTreeMap<u64, Option<u64>>,
    in_hand: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    /// Those that were in hand when a process was killed.
    maybe_sent: BTreeSet<u64>,
}

/// Ids from one notification to the next.
const SPACING: u64 = 4;

/// Where the push of that id goes.
fn lane_of(id: u64) -> LaneId {
    accepted((id - 1) / SPACING * SPACING + 1, 1).envelope.lane
}

impl Model {
    fn start() -> Self {
        let files = MemoryFiles::default();
        Self {
            journal: journal(&files, settings()).0,
            files,
            now: 1000,
            next_id: 1,
            times: BTreeMap::new(),
            in_hand: BTreeSet::new(),
            ended: BTreeSet::new(),
            maybe_sent: BTreeSet::new(),
        }
    }

    fn append(&mut self, tokens: usize, ahead: Option<u64>) {
        let first_id = self.next_id;
        self.next_id += SPACING;
        let time = ahead.map(|ahead| self.now + ahead);
        let accepted = match time {
            Some(time) => scheduled(first_id, tokens, time),
            None => accepted(first_id, tokens),
        };
        self.journal.append([&accepted], None).unwrap();
        if time.is_some() {
            // Nobody has it before its caller knows of it.
            let taken = self.journal.withdraw(PushId(first_id)).unwrap();
            assert_eq!(taken, None);
            self.journal.release([PushId(first_id)]);
        }
        let ids: Vec<u64> = (first_id..).take(tokens).collect();
        self.times.extend(ids.iter().map(|id| (*id, time)));
        if time.is_none() {
            self.in_hand.extend(ids);
        }
    }

    /// Pushes that nobody has in hand, and when they are due.
    fn waiting(&self) -> BTreeMap<u64, u64> {
        let times = self
            .times
            .iter()
            .filter_map(|(id, time)| Some((*id, (*time)?)));
        let is_out = |id: &u64| self.in_hand.contains(id) || self.ended.contains(id);
        times.filter(|(id, _)| !is_out(id)).collect()
    }

    fn feed(&mut self, most: usize) {
        for lane in LaneId::DEFAULT_APP {
            let fed = self.journal.feed_due(lane, most, at(self.now));
            let fed = ids(&fed);
            assert!(fed.len() <= most);
            let waiting = self.waiting();
            for (id, attempts, in_doubt) in fed {
                let time = waiting.get(&id).copied();
                assert!(time.is_some_and(|time| time <= self.now), "{id}: {time:?}");
                let is_told = attempts.maybe_sent || in_doubt;
                assert!(is_told || !self.maybe_sent.contains(&id), "{id} again");
                assert!(self.in_hand.insert(id));
            }
            // What was not scheduled comes after a start, and by itself.
            let others = ids(&self.journal.feed(lane, usize::MAX));
            for (id, ..) in others {
                assert!(self.times[&id].is_none() && self.in_hand.insert(id), "{id}");
            }
        }
    }

    fn settle(&mut self, ended: Vec<u64>) {
        let settled = ended.iter().map(|id| (PushId(*id), End::Failed));
        self.journal.settle(settled);
        self.journal.keep_settled(LONG).unwrap().unwrap();
        self.ended.extend(ended);
    }

    fn withdraw(&mut self, id: u64, whole: bool) {
        let mut withdrawn = Vec::new();
        if whole {
            let lane = lane_of(id);
            let is_meant = |of: LaneId| of == lane;
            let ids = (PushId(0), self.journal.high_water());
            let (unread, next) = self.journal.withdraw_named("", is_meant, ids, |of| {
                withdrawn.extend(of.pushes.iter().map(|(index, _)| of.id(*index).0));
            });
            assert_eq!((unread, next), (0, None));
        } else if let Some(of) = self.journal.withdraw(PushId(id)).unwrap() {
            assert_eq!(of.pushes.len(), 1);
            withdrawn.push(of.id(of.pushes[0].0).0);
        }
        let waiting = self.waiting();
        let of_lane = |of: &u64| lane_of(*of) == lane_of(id);
        let expected: Vec<u64> = if whole {
            waiting.keys().copied().filter(of_lane).collect()
        } else {
            vec![id]
        };
        withdrawn.sort_unstable();
        assert_eq!(withdrawn, expected);
        // Nobody is given what was taken back, whether that is written or not.
        self.ended.extend(&withdrawn);
        self.feed(3);
        self.settle(withdrawn);
    }

    fn restart(&mut self) {
        self.in_hand.clear();
        let files = self.files.reboot(Loss::Nothing);
        let opened = journal(&files, settings()).0;
        (self.files, self.journal) = (files, opened);
    }

    fn run(&mut self, operation: &Operation) {
        match operation {
            Operation::Schedule(tokens, ahead) => self.append(*tokens, Some(*ahead)),
            Operation::Accept => self.append(2, None),
            Operation::Feed(most) => self.feed(*most),
            Operation::Settle(every) => {
                let in_hand = std::mem::take(&mut self.in_hand);
                let ended: Vec<u64> = in_hand.iter().copied().step_by(*every).collect();
                self.in_hand = &in_hand - &ended.iter().copied().collect();
                self.settle(ended);
            }
            Operation::Withdraw(every, whole) => {
                let waiting = self.waiting();
                if let Some(id) = waiting.keys().nth_back(every - 1) {
                    self.withdraw(*id, *whole);
                }
            }
            Operation::WithdrawNamed => {
                let first = self.waiting().keys().next().copied();
                if let Some(id) = first {
                    self.withdraw(id, true);
                }
            }
            Operation::Clock(secs) => self.now = self.now.saturating_add_signed(*secs),
            Operation::FeedAgain => {
                let lane = LaneId::DEFAULT_APP[0];
                let left = self.in_hand.iter().filter(|id| lane_of(**id) == lane);
                let left: Vec<u64> = left.copied().collect();
                let none = Attempts::default();
                self.journal
                    .leave(left.iter().map(|id| (PushId(*id), none)));
                self.journal.feed_again(&[lane]).unwrap();
                // What is in the hands of nobody is given out as if it were new.
                for id in &left {
                    self.in_hand.remove(id);
                }
                self.maybe_sent.retain(|id| !left.contains(id));
                let others = ids(&self.journal.feed(lane, usize::MAX));
                for (id, ..) in others {
                    assert!(self.in_hand.insert(id), "{id}");
                }
            }
            Operation::Kill => {
                self.maybe_sent.extend(&self.in_hand);
                self.restart();
            }
            Operation::End => {
                let none = Attempts::default();
                let left = self.in_hand.iter().map(|id| (PushId(*id), none));
                self.journal.leave(left);
                self.maybe_sent = &self.maybe_sent - &self.in_hand;
                assert_eq!(self.journal.close().unwritten, 0);
                self.restart();
            }
        }
        let waiting = self.waiting();
        let counted: u64 = LaneId::DEFAULT_APP
            .map(|lane| self.journal.scheduled(lane).0)
            .iter()
            .sum();
        assert_eq!(counted, waiting.len() as u64, "after {operation:?}");
        for id in self.times.keys() {
            let time = self.journal.send_time(PushId(*id)).map(u64::from);
            let expected = waiting.get(id).map(|secs| at(*secs).unix.as_secs());
            assert_eq!(time, expected, "{id} after {operation:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_scheduled_comes_at_its_time_and_once(operations in operations()) {
        let mut model = Model::start();
        for operation in &operations {
            model.run(operation);
        }
        // In the end all of it has come.
        model.now += 1000;
        model.feed(usize::MAX);
        let waiting = model.waiting();
        prop_assert!(waiting.is_empty(), "{waiting:?}");
        let out = model.in_hand.len() + model.ended.len();
        prop_assert_eq!(out, model.times.len());
        prop_assert_eq!(model.journal.outstanding(), model.in_hand.len() as u64);
    }
}

#[test]
fn what_is_scheduled_has_a_share_of_its_own_and_nothing_else_is_refused_for_it() {
    let files = MemoryFiles::default();
    let kept = |settings: Settings| journal(&files.reboot(Loss::Nothing), settings).0;
    let record = {
        let (first, _) = journal(&files, settings());
        first.append([&scheduled(1, 3, 50)], None).unwrap();
        let catalogue = first.catalogue.lock();
        catalogue.index.schedule.load().bytes
    };
    let why = |journal: &Journal, accepted: &Accepted| {
        let refused = journal.append([accepted], None).unwrap_err();
        assert!(!refused.is_unknown && journal.state() == State::Serving);
        let is_too_large = accepted.parcel.count() > 3;
        assert_eq!(refused.is_for_good(), is_too_large, "{refused}");
        journal
            .append([&super::super::fixture::accepted(900, 3)], None)
            .unwrap();
        refused.to_string()
    };
    let of_pushes = kept(Settings {
        scheduled_max: 5,
        ..settings()
    });
    let said = why(&of_pushes, &scheduled(7, 3, 50));
    let expected = "there is no room for pushes that are scheduled: 6 with these, and \
                    journal.scheduled_max is 5; raise it, or cancel some";
    assert_eq!(said, expected);
    // What could never fit is told as that.
    let said = why(&of_pushes, &scheduled(7, 6, 50));
    let expected = "6 at once, and journal.scheduled_max is 5";
    assert!(said.ends_with(expected), "{said}");
    of_pushes.append([&scheduled(13, 2, 50)], None).unwrap();
    of_pushes.release([PushId(13)]);
    // What is handed out has left the share.
    assert_eq!(
        of_pushes
            .feed_due(LaneId::IOS, 1, at(50))
            .notifications
            .len(),
        1
    );
    of_pushes.append([&scheduled(19, 1, 50)], None).unwrap();
    let of_bytes = kept(Settings {
        scheduled_bytes: 2 * record - 1,
        ..settings()
    });
    let said = why(&of_bytes, &scheduled(7, 3, 50));
    assert!(said.contains("journal.scheduled_bytes is"), "{said}");
    let said = why(&of_bytes, &scheduled(7, 1000, 50));
    let [takes, most] = [
        "the request takes ",
        "bytes of the journal, and journal.scheduled_bytes",
    ];
    assert!(said.contains(takes) && said.contains(most), "{said}");
    let of_pushes = of_bytes.withdraw(PushId(1)).unwrap().unwrap().pushes.len();
    assert_eq!(of_pushes, 1);
    // A disk that is nearly full is left to those that cannot wait.
    let reserve = 10_000;
    let nearly_full = kept(Settings {
        reserve_bytes: reserve,
        ..settings()
    });
    drop(nearly_full);
    let full = files.reboot(Loss::Nothing);
    full.set_capacity(Some(full.used() + 2 * reserve - 1));
    let settings = Settings {
        reserve_bytes: reserve,
        ..settings()
    };
    let (nearly_full, _) = journal(&full, settings);
    let said = why(&nearly_full, &scheduled(7, 3, 50));
    assert!(
        said.contains("nothing is scheduled with fewer than 2"),
        "{said}"
    );
}

#[test]
fn of_what_several_apps_have_scheduled_each_request_finds_what_was_kept_before() {
    let settings = Settings {
        scheduled_max: 12,
        ..settings()
    };
    let (journal, _) = journal(&MemoryFiles::default(), settings);
    let shop = LaneId::named("shop/ios").unwrap();
    let append = |first_id, tokens, lane| {
        let mut accepted = scheduled(first_id, tokens, 50);
        accepted.envelope.lane = lane;
        journal.append([&accepted], None)
    };
    append(1, 2, LaneId::IOS).unwrap();
    journal.share_scheduled(true);
    append(11, 4, LaneId::ANDROID).unwrap();
    let refused = append(21, 1, LaneId::IOS).unwrap_err();
    assert!(!refused.is_for_good() && refused.to_string().contains("app default has 7"));
    append(31, 3, shop).unwrap();
    append(41, 1, shop).unwrap_err();
    assert_eq!(journal.state(), State::Serving);
    journal.share_scheduled(false);
    append(51, 3, shop).unwrap();
}

#[test]
fn what_is_accepted_after_a_purge_has_begun_is_not_taken_back() {
    let (journal, _) = journal(&MemoryFiles::default(), settings());
    // An id of another node was given before, whatever its number.
    let mut of_another = scheduled(10, 2, 50);
    of_another.first_id = PushId(1 << 50);
    journal.append([&of_another], None).unwrap();
    journal.append([&scheduled(20, 2, 50)], None).unwrap();
    let last = journal.high_water();
    journal.append([&scheduled(30, 2, 50)], None).unwrap();
    journal.release([20, 30, 1 << 50].map(PushId));
    let mut taken = Vec::new();
    let ids = (PushId(0), last);
    let (unread, next) = journal.withdraw_named("", |_| true, ids, |of| taken.push(of.first_id.0));
    assert_eq!((taken, unread, next), (vec![20, 1 << 50], 0, None));
    assert!(journal.send_time(PushId(31)).is_some());
}

#[test]
fn what_is_scheduled_goes_from_segment_to_segment() {
    let files = MemoryFiles::default();
    let (first, _) = journal(&files, settings());
    for first_id in [1, 7, 13] {
        first.append([&scheduled(first_id, 2, 50)], None).unwrap();
        first.release([PushId(first_id)]);
    }
    // One of a notification is gone by then.
    first.settle([(PushId(8), End::Failed)]);
    let begins = files.paths();
    let mut id = 100;
    while files.paths().iter().any(|path| begins.contains(path)) {
        first.append([&accepted(id, 1)], None).unwrap();
        first.settle([(PushId(id), End::Succeeded)]);
        id += 10;
    }
    let load = |journal: &Journal| {
        let load = journal.catalogue.lock().index.schedule.load();
        (load.pushes, load.bytes)
    };
    assert_eq!(load(&first).0, 5);
    assert_eq!(first.withdraw(PushId(2)).unwrap().unwrap().pushes.len(), 1);
    first.settle_at_once([(PushId(2), End::Failed)]).unwrap();
    let (pushes, bytes) = load(&first);
    assert_eq!(pushes, 4);
    // The next process finds it there, with as much room used up, …
    let (next, _) = journal(&files.reboot(Loss::Nothing), settings());
    assert_eq!(load(&next), (pushes, bytes));
    // … and has it at its time, and not before.
    let fed = |secs| {
        let fed = LaneId::DEFAULT_APP.map(|lane| ids(&next.feed_due(lane, 9, at(secs))));
        fed.into_iter()
            .flatten()
            .map(|(id, ..)| id)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        [fed(49), fed(50)],
        [BTreeSet::new(), BTreeSet::from([1, 7, 13, 14])]
    );
}
