//! What callers are told when their requests cannot be kept is true after a crash: of what was
//! refused nothing is found again, and what may be found again was said not to be known.

use std::collections::BTreeSet;
use std::thread::{self, ScopedJoinHandle};

use super::script::{journal, open, outstanding, settings, until};
use crate::journal::fixture::{Loss, MemoryFiles, Part, accepted, at};
use crate::journal::{KeptAnswer, Refused, Settings, SyncPolicy};

/// Callers of a round. The first one is at its sync while the others come, so that theirs are
/// written together.
const CALLERS: u64 = 4;

/// What callers were told, by the ids of their requests.
#[derive(Debug, Default)]
struct Told {
    taken: Vec<BTreeSet<u64>>,
    refused: Vec<BTreeSet<u64>>,
    unknown: Vec<BTreeSet<u64>>,
}

impl Told {
    fn note(&mut self, ids: BTreeSet<u64>, result: &Result<(), Refused>) {
        match result {
            Ok(()) => self.taken.push(ids),
            Err(Refused { is_unknown, .. }) if *is_unknown => self.unknown.push(ids),
            Err(_) => self.refused.push(ids),
        }
    }

    fn check(&self, files: &MemoryFiles, sync: SyncPolicy, part: Part, case: &str) {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Torn(7), Loss::Torn(8)] {
            let files = files.reboot(loss);
            // Looked at, taken over, and taken over once more.
            for start in 0..3 {
                let (found, recovered) = outstanding(&files);
                let has =
                    |ids: &BTreeSet<u64>| ids.iter().filter(|id| found.contains_key(id)).count();
                let said = |ids| format!("{case}, {loss:?}, start {start}: {ids:?}, {self:?}");
                for ids in &self.refused {
                    assert_eq!(has(ids), 0, "back: {}", said(ids));
                    let mut answers = recovered.answers.iter();
                    assert!(answers.all(|kept| *kept.key != key(ids)), "{}", said(ids));
                }
                for ids in &self.unknown {
                    let found = has(ids);
                    assert!(found == 0 || found == ids.len(), "torn: {}", said(ids));
                }
                // By interval a power failure may take them, or a disk that forgets.
                let is_kept = sync == SyncPolicy::Group
                    || matches!(loss, Loss::Nothing) && part != Part::Undone;
                for ids in self.taken.iter().filter(|_| is_kept) {
                    assert_eq!(has(ids), ids.len(), "lost: {}", said(ids));
                }
                drop(open(&files));
            }
        }
    }
}

fn key(ids: &BTreeSet<u64>) -> String {
    format!("key of {ids:?}")
}

/// Three notifications, for the ids from that one on, and an answer.
fn ask(journal: &crate::journal::Journal, first: u64) -> (BTreeSet<u64>, Result<(), Refused>) {
    let request = [
        accepted(first, 2),
        accepted(first + 2, 1),
        accepted(first + 3, 3),
    ];
    let ids: BTreeSet<u64> = (first..first + 6).collect();
    let answer = KeptAnswer {
        key: key(&ids).into(),
        body_hash: [7; 32],
        answer: Box::from(*b"200"),
        at: at(0).unix,
    };
    (ids, journal.append(&request, Some(&answer)))
}

/// Callers of two rounds, on a disk of which the changes from that one on fail, so many.
fn rounds(files: &MemoryFiles, sync: SyncPolicy, (first, length): (u64, u64), part: Part) -> Told {
    let mut told = Told::default();
    let (journal, _) = journal(files, by(sync));
    let start = files.operations() + first;
    files.break_changes(start..start + length, part);
    for round in 0..2 {
        let results = thread::scope(|scope| {
            let held = files.hold_syncs();
            let mut callers = Vec::new();
            for number in 0..CALLERS {
                let (journal, first) = (&journal, 1 + 100 * round + 10 * number);
                let caller = scope.spawn(move || ask(journal, first));
                let ahead = callers.iter();
                let ahead = ahead.filter(|caller: &&ScopedJoinHandle<'_, _>| !caller.is_finished());
                // One of them is in the flusher's hands.
                let ahead = ahead.count();
                until("it is written, or waits, or is refused", || {
                    let waiting = || journal.inbox.lock().requests.len();
                    caller.is_finished() || files.is_syncing() && (ahead == 0 || waiting() >= ahead)
                });
                callers.push(caller);
            }
            drop(held);
            let results = callers.into_iter().map(|caller| caller.join().unwrap());
            results.collect::<Vec<_>>()
        });
        for (ids, result) in results {
            told.note(ids, &result);
        }
    }
    told
}

fn by(sync: SyncPolicy) -> Settings {
    let mut settings = settings();
    settings.sync = sync;
    // Long enough for all: nothing is carried meanwhile.
    settings.segment_bytes = 100_000;
    settings
}

#[test]
fn what_was_refused_is_never_recovered_and_what_is_unknown_is_said_to_be() {
    let mut seen = [0; 3];
    for sync in [SyncPolicy::Group, SyncPolicy::Interval] {
        for part in [Part::Nothing, Part::Half, Part::All, Part::Undone] {
            for length in [1, 2, 99] {
                for first in 0.. {
                    let files = MemoryFiles::default();
                    let told = rounds(&files, sync, (first, length), part);
                    let case = format!("{sync:?}: {length} changes from {first} on, {part:?}");
                    if files.broken() == 0 {
                        assert!(first > 3 && told.refused.is_empty() && told.unknown.is_empty());
                        break;
                    }
                    for (seen, told) in
                        seen.iter_mut()
                            .zip([&told.taken, &told.refused, &told.unknown])
                    {
                        *seen += told.len();
                    }
                    told.check(&files, sync, part, &case);
                }
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}");
}
