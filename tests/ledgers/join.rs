//! The join.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use crate::harness::lines::{self, Line};

/// A line of a provider's ledger.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) connection: u64,
    /// What the provider knows the push by.
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) processed: bool,
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// The HEADERS of the answer went out, which are believed whatever becomes of the rest.
    #[serde(default)]
    pub(crate) head: bool,
    /// All of the answer did. Unknown for those that were on their way when a connection was cut.
    pub(crate) answered: Option<bool>,
}

impl Entry {
    /// The push is on its way to the device.
    fn took(&self) -> bool {
        self.processed && self.status == 200
    }
}

/// What the join found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Pushes that were answered 200.
    pub(crate) accepted: usize,
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    /// Taken by the provider more than once.
    pub(crate) doubled: usize,
    /// Pushes sent again because nobody could know, as their lines say.
    pub(crate) maybe_sent: usize,
    /// What must not be.
    pub(crate) wrongs: Wrongs,
}

/// What must not be, each with the tokens of the pushes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrongs {
    /// No line says what became of it.
    lost: Vec<String>,
    /// More than one line does.
    settled_twice: Vec<String>,
    /// The line says `succeeded`, and the provider has not said so.
    false_success: Vec<String>,
    /// The line says `failed` and does not doubt it, and the provider has taken the push.
    false_failure: Vec<String>,
    /// Taken twice though the first answer went out, or without a word of doubt in the line.
    doubled_needlessly: Vec<String>,
    /// The provider saw it under several ids.
    renamed: Vec<String>,
    /// The provider saw what nobody pushed.
    invented: Vec<String>,
}

/// Joins: ids answered 200, the push log, the provider's entries. Each push is to a device token of
/// its own.
pub(crate) fn join(accepted: &[u64], log: &[Line], entries: &[Entry]) -> Findings {
    let mut tokens: BTreeMap<u64, &str> = BTreeMap::new();
    let mut outcomes: BTreeMap<u64, Vec<&Line>> = BTreeMap::new();
    for line in log {
        match line.kind() {
            "accepted-push" => drop(tokens.insert(line.id(), line.text_of("token"))),
            "succeeded-push" | "failed-push" => outcomes.entry(line.id()).or_default().push(line),
            _ => {}
        }
    }
    let mut seen: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.token.is_empty()) {
        seen.entry(&entry.token).or_default().push(entry);
    }
    let mut findings = Findings {
        accepted: accepted.len(),
        ..Findings::default()
    };
    for id in accepted {
        let token = *tokens.get(id).expect("each accepted push has its line");
        let seen = seen.remove(token).unwrap_or_default();
        let outcomes = outcomes.remove(id).unwrap_or_default();
        findings.enter(token, &outcomes, &seen);
    }
    let strangers = outcomes.keys().map(u64::to_string);
    let strangers = strangers.chain(seen.keys().map(|token| (*token).to_owned()));
    findings.wrongs.invented.extend(strangers);
    findings
}

impl Findings {
    fn enter(&mut self, token: &str, outcomes: &[&Line], seen: &[&Entry]) {
        let wrongs = &mut self.wrongs;
        let enter = |list: &mut Vec<String>| list.push(format!("{token}: {outcomes:?} {seen:?}"));
        let [outcome] = outcomes else {
            let none = outcomes.is_empty();
            return enter(if none {
                &mut wrongs.lost
            } else {
                &mut wrongs.settled_twice
            });
        };
        let takes: Vec<&&Entry> = seen.iter().filter(|entry| entry.took()).collect();
        let doubtful = outcome.text.contains("\"maybe_sent\":true");
        let told = takes
            .iter()
            .any(|entry| entry.head || entry.answered != Some(false));
        if outcome.kind() == "succeeded-push" {
            self.succeeded += 1;
            if !told {
                enter(&mut wrongs.false_success);
            }
        } else {
            self.failed += 1;
            let surely = takes.iter().any(|entry| entry.answered == Some(true));
            if surely || (!takes.is_empty() && !doubtful) {
                enter(&mut wrongs.false_failure);
            }
        }
        self.maybe_sent += usize::from(doubtful);
        self.doubled += usize::from(takes.len() > 1);
        let earlier = takes.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let answered = earlier.iter().any(|entry| entry.answered == Some(true));
        if answered || (!earlier.is_empty() && !doubtful) {
            enter(&mut wrongs.doubled_needlessly);
        }
        let ids: BTreeSet<&str> = seen.iter().map(|entry| &*entry.id).collect();
        if ids.iter().filter(|id| !id.is_empty()).count() > 1 {
            enter(&mut wrongs.renamed);
        }
    }

    /// Nothing lost, nothing doubled without need, nothing told falsely.
    #[track_caller]
    pub(crate) fn check(&self, what: &str) {
        assert!(self.wrongs == Wrongs::default(), "{what}: {self:#?}");
        assert_eq!(self.succeeded + self.failed, self.accepted, "{what}");
    }
}

/// Connections to one provider, as its entries show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    /// That carried a request.
    pub(crate) used: usize,
    /// That ended with an answer owing.
    pub(crate) cut: usize,
}

impl Connections {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let used: BTreeSet<u64> = entries.iter().map(|entry| entry.connection).collect();
        let owing = entries.iter().filter(|entry| entry.answered == Some(false));
        let cut: BTreeSet<u64> = owing.map(|entry| entry.connection).collect();
        Self {
            used: used.len(),
            cut: cut.len(),
        }
    }
}

/// The join of one push, from the tails of its lines and what the provider wrote of it.
fn joined(outcomes: &[&str], entries: &[(u16, Option<bool>)]) -> Wrongs {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut log = String::from("{\"id\":7,\"type\":\"accepted-push\",\"token\":\"ab\"}\n");
    for outcome in outcomes {
        writeln!(log, "{{\"id\":7,\"token\":\"ab\",{outcome}}}").unwrap();
    }
    std::fs::write(&path, log).unwrap();
    let entry = |(at, (status, answered)): (usize, &(u16, Option<bool>))| Entry {
        connection: u64::try_from(at).unwrap(),
        id: "x".to_owned(),
        token: "ab".to_owned(),
        processed: true,
        status: *status,
        reason: String::new(),
        head: false,
        answered: *answered,
    };
    let entries: Vec<_> = entries.iter().enumerate().map(entry).collect();
    join(&[7], &lines::read(&path), &entries).wrongs
}

#[test]
fn the_join_finds_what_is_wrong_and_nothing_else() {
    const SUCCEEDED: &str = "\"type\":\"succeeded-push\"";
    const DOUBTED: &str = "\"type\":\"succeeded-push\",\"maybe_sent\":true";
    const FAILED: &str = "\"type\":\"failed-push\"";
    const MAYBE: &str = "\"type\":\"failed-push\",\"maybe_sent\":true";
    const OUT: (u16, Option<bool>) = (200, Some(true));
    const OWING: (u16, Option<bool>) = (200, Some(false));
    const REFUSED: (u16, Option<bool>) = (503, Some(true));
    for (outcomes, entries) in [
        (&[SUCCEEDED][..], &[OUT][..]),
        (&[SUCCEEDED], &[REFUSED, OUT]),
        (&[DOUBTED], &[OWING, OUT]),
        (&[DOUBTED], &[(200, None), OUT]),
        (&[FAILED], &[REFUSED]),
        (&[FAILED], &[]),
        (&[MAYBE], &[OWING]),
    ] {
        let wrongs = joined(outcomes, entries);
        assert_eq!(wrongs, Wrongs::default(), "{outcomes:?} {entries:?}");
    }
    let counts = |outcomes: &[&str], entries: &[(u16, Option<bool>)]| {
        let wrongs = joined(outcomes, entries);
        [
            wrongs.lost,
            wrongs.settled_twice,
            wrongs.false_success,
            wrongs.false_failure,
            wrongs.doubled_needlessly,
        ]
        .map(|pushes| pushes.len())
    };
    assert_eq!(counts(&[], &[OUT]), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&[SUCCEEDED, SUCCEEDED], &[OUT]), [0, 1, 0, 0, 0]);
    assert_eq!(counts(&[SUCCEEDED], &[]), [0, 0, 1, 0, 0]);
    assert_eq!(counts(&[SUCCEEDED], &[REFUSED]), [0, 0, 1, 0, 0]);
    assert_eq!(counts(&[SUCCEEDED], &[OWING]), [0, 0, 1, 0, 0]);
    assert_eq!(counts(&[FAILED], &[OUT]), [0, 0, 0, 1, 0]);
    assert_eq!(counts(&[MAYBE], &[OUT]), [0, 0, 0, 1, 0]);
    assert_eq!(counts(&[FAILED], &[OWING]), [0, 0, 0, 1, 0]);
    assert_eq!(counts(&[SUCCEEDED], &[OWING, OUT]), [0, 0, 0, 0, 1]);
    assert_eq!(counts(&[DOUBTED], &[OUT, OUT]), [0, 0, 0, 0, 1]);
}
