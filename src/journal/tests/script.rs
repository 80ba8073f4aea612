//! A journal under a list of operations, and what it must remember of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::journal::batch::Group;
use crate::journal::fixture::{MemoryFiles, accepted, at};
use crate::journal::recovery::{Access, find};
use crate::journal::store::{Store, take_over};
use crate::journal::{
    Attempts, Files, Journal, KeptAnswer, OpenError, Outstanding, Recovered, Settings, read,
};
use crate::moment::Moment;
use crate::push::{End, Node};

pub(super) fn settings() -> Settings {
    let mut settings = Settings::new("/journal");
    // Short, so that a few operations fill some.
    settings.segment_bytes = 2000;
    // Tests that count bytes count those of records.
    settings.room_bytes = 0;
    settings.reserve_bytes = 0;
    settings
}

/// Those of a journal that makes room ahead of what it writes.
pub(super) fn roomy() -> Settings {
    Settings {
        room_bytes: 300,
        ..settings()
    }
}

pub(super) fn shared(files: &MemoryFiles) -> Arc<dyn Files> {
    Arc::new(files.clone())
}

pub(super) fn open(files: &MemoryFiles) -> Result<(Store, Recovered), OpenError> {
    open_with(files, settings())
}

pub(super) fn open_with(
    files: &MemoryFiles,
    settings: Settings,
) -> Result<(Store, Recovered), OpenError> {
    let lock = take_over(&*shared(files), &settings.dir)?;
    Store::open(shared(files), lock, settings, at(0))
}

/// What is outstanding by what can be read, push by push; also checks every content.
pub(super) fn outstanding(files: &MemoryFiles) -> (BTreeMap<u64, Attempts>, Recovered) {
    let reading = read(files, &PathBuf::from("/journal"), at(0)).unwrap();
    let recovered = reading.recovered().clone();
    let mut pushes = BTreeMap::new();
    for outstanding in reading {
        let outstanding = outstanding.unwrap();
        check(&outstanding);
        for (index, attempts) in &outstanding.pushes {
            let is_new = pushes.insert(outstanding.id(*index).0, *attempts).is_none();
            assert!(is_new, "twice: {}", outstanding.id(*index));
        }
    }
    assert_eq!(recovered.outstanding, pushes.len() as u64);
    (pushes, recovered)
}

/// A notification comes back as it was.
pub(super) fn check(found: &Outstanding) {
    let sent = accepted(found.first_id.0, found.parcel.count() as usize);
    assert_eq!(found.envelope, sent.envelope);
    assert_eq!(found.parcel, sent.parcel);
    assert_eq!(found.at, sent.at.unix);
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// A request: the numbers of tokens of its notifications.
    Append(Vec<usize>),
    /// Of what is outstanding, every so manyth push ends.
    Settle(usize),
    /// Of what is outstanding, every so manyth push was tried.
    Leave(usize),
    Sync,
    /// A piece of the checkpoint.
    Carry,
    /// The daemon is killed and starts again.
    Restart,
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => prop::collection::vec(1..4_usize, 1..4).prop_map(Operation::Append),
        3 => (1..6_usize).prop_map(Operation::Settle),
        1 => (1..6_usize).prop_map(Operation::Leave),
        3 => Just(Operation::Sync),
        3 => Just(Operation::Carry),
        1 => Just(Operation::Restart),
    ];
    prop::collection::vec(operation, 1..60)
}

/// What callers were told, and what was tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Requests that were handed over: the ids of each.
    pub(super) requests: Vec<Vec<u64>>,
    /// Ids whose requests are written and synced.
    pub(super) durable: BTreeSet<u64>,
    /// Ids whose settlements were handed over.
    pub(super) settling: BTreeSet<u64>,
    /// Ids whose settlements are written and synced.
    pub(super) settled: BTreeSet<u64>,
    pub(super) attempts: BTreeMap<u64, Attempts>,
    pub(super) durable_attempts: BTreeMap<u64, Attempts>,
    pub(super) answers: BTreeSet<String>,
    pub(super) written: BTreeSet<u64>,
    pub(super) written_settled: BTreeSet<u64>,
    pub(super) next_id: u64,
    pub(super) leaves: u16,
}

impl Ledger {
    fn written_and_open(&self) -> Vec<u64> {
        let open = self.written.difference(&self.settling);
        open.copied().collect()
    }

    fn is_synced(&mut self) {
        self.durable.extend(&self.written);
        self.settled.extend(&self.written_settled);
        self.durable_attempts = self.attempts.clone();
    }

    /// What is outstanding after a crash.
    pub(super) fn check(&self, files: &MemoryFiles) {
        let (found, recovered) = outstanding(files);
        for id in self.durable.difference(&self.settling) {
            assert!(found.contains_key(id), "lost: {id}\n{recovered:?}");
        }
        for id in found.keys() {
            assert!(!self.settled.contains(id), "back again: {id}");
        }
        let mut offered: BTreeSet<u64> = BTreeSet::new();
        for request in &self.requests {
            let open = |id: &&u64| !self.settling.contains(id);
            let kept = request
                .iter()
                .filter(open)
                .filter(|id| found.contains_key(id));
            let all = request.iter().filter(open).count();
            let kept = kept.count();
            assert!(kept == 0 || kept == all, "{kept} of {all}: {request:?}");
            offered.extend(request);
        }
        assert!(found.keys().all(|id| offered.contains(id)), "invented");
        let read = find(files, &PathBuf::from("/journal"), at(0).unix, Access::Read);
        let high_water = read.unwrap().fold.high_water(Node::default());
        assert!(high_water >= *self.durable.last().unwrap_or(&0));
        for (id, attempts) in &self.durable_attempts {
            if self.attempts.get(id) == Some(attempts) && found.contains_key(id) {
                assert_eq!(found[id], *attempts, "{id}");
            }
        }
    }
}

/// Runs operations until the machine goes off, or to their end.
pub(super) fn run(files: &MemoryFiles, operations: &[Operation], ledger: &mut Ledger) {
    if ledger.next_id == 0 {
        ledger.next_id = 1;
    }
    let Ok((mut store, _)) = open_with(files, roomy()) else {
        return;
    };
    for operation in operations {
        if matches!(operation, Operation::Restart) {
            drop(store);
            match open_with(files, roomy()) {
                Ok((opened, _)) => store = opened,
                Err(_) => return,
            }
            // What was with the system is synced before it is built on.
            ledger.is_synced();
            continue;
        }
        if step(&mut store, operation, ledger).is_none() {
            return;
        }
    }
}

fn step(store: &mut Store, operation: &Operation, ledger: &mut Ledger) -> Option<()> {
    let now = at(0).unix;
    match operation {
        Operation::Append(notifications) => append(store, notifications, ledger)?,
        Operation::Settle(every) => {
            let ids: Vec<u64> = ledger
                .written_and_open()
                .into_iter()
                .step_by(*every)
                .collect();
            ledger.settling.extend(&ids);
            let mut batch = store.batch();
            batch.settle(ids.iter().map(|id| (*id, Some(End::Succeeded))).collect());
            store.write(batch, now).ok()?;
            ledger.written_settled.extend(ids);
        }
        Operation::Leave(every) => {
            // Each is told from all others: what is found must be the last, not one like it.
            ledger.leaves += 1;
            let attempts = Attempts {
                attempts: 3,
                refusals: ledger.leaves,
                maybe_sent: true,
                first_attempt: Some(Duration::from_secs(ledger.next_id)),
                due: Some(Duration::from_secs(2 * ledger.next_id)),
                rest: every.is_multiple_of(2).then_some(Duration::from_secs(9)),
                ..Attempts::default()
            };
            let ids = ledger.written_and_open().into_iter().step_by(*every);
            let states: Vec<_> = ids.map(|id| (id, attempts)).collect();
            ledger.attempts.extend(states.iter().copied());
            let mut batch = store.batch();
            batch.leave(states);
            store.write(batch, now).ok()?;
        }
        Operation::Sync => {
            store.sync().ok()?;
            ledger.is_synced();
        }
        Operation::Carry => {
            if store.is_long(false) {
                store.rotate().ok()?;
                ledger.is_synced();
            }
            store.carry(300, now).ok()?;
        }
        Operation::Restart => {}
    }
    Some(())
}

fn append(store: &mut Store, notifications: &[usize], ledger: &mut Ledger) -> Option<()> {
    let mut request = Vec::new();
    let mut ids = Vec::new();
    for tokens in notifications {
        request.push(accepted(ledger.next_id, *tokens));
        ids.extend((ledger.next_id..).take(*tokens));
        ledger.next_id += *tokens as u64;
    }
    let key = format!("key of {}", ledger.next_id);
    let answer = KeptAnswer {
        key: key.as_str().into(),
        body_hash: [7; 32],
        answer: Box::from(*b"200"),
        at: at(0).unix,
    };
    let answer = Some(&answer).filter(|_| notifications.len().is_multiple_of(2));
    let group = Group::of(&request, answer)?;
    ledger.requests.push(ids.clone());
    let mut batch = store.batch();
    batch.add(&group);
    store.write(batch, at(0).unix).ok()?;
    ledger.written.extend(ids);
    if answer.is_some() {
        ledger.answers.insert(key);
    }
    Some(())
}

/// A journal with its thread.
pub(super) fn journal(files: &MemoryFiles, settings: Settings) -> (Journal, Recovered) {
    Journal::open(shared(files), settings, Moment::now()).unwrap()
}

/// Waits until something is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::yield_now();
    }
}
