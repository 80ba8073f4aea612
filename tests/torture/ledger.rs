//! What must hold between what was answered, received, logged and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sterna::journal::{self, DiskFiles};
use sterna::moment::Moment;

use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text};
use crate::load::Load;

/// Whether a push that may have been sent is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resends {
    /// It is, and its line says so.
    AnyTime,
    /// It is not; its line says that nobody answered.
    Never,
}

/// What the lines of a push that tell its end say.
#[derive(Default)]
struct Ends {
    lines: usize,
    /// How many of them say that it may have been sent before.
    maybe_sent: usize,
    /// How many of them say that nobody has answered.
    unanswered: usize,
}

/// The kills, and what the journal held at each.
#[derive(Default)]
pub(crate) struct Ledger {
    kills: u32,
    /// At how many kills a push was outstanding in the journal, by id.
    outstanding_at: BTreeMap<u64, usize>,
    /// The most that was outstanding at a kill.
    most: usize,
}

impl Ledger {
    /// The daemon is dead: takes down what its journal says is outstanding.
    pub(crate) fn note_kill(&mut self, journal: &Path) {
        self.kills += 1;
        let outstanding = outstanding(journal);
        self.most = self.most.max(outstanding.len());
        for id in outstanding {
            *self.outstanding_at.entry(id).or_default() += 1;
        }
    }

    /// Joins the ledgers; what was found, in words.
    pub(crate) fn check(
        &self,
        load: &Load,
        simulated: &Simulated,
        site: &Site,
        resends: Resends,
    ) -> String {
        let lines = outcome_lines(site);
        let (ended, tokens) = (lines.len(), tokens_by_id(site));
        let mut received: BTreeMap<String, usize> = BTreeMap::new();
        for note in simulated.notes() {
            if note.status == 200 || note.status == 410 {
                *received.entry(note.device_token).or_default() += 1;
            }
        }
        let mut lost = Vec::new();
        for (id, token) in load.answered() {
            let is_told = lines.get(id).is_some_and(|ends| {
                received.contains_key(token)
                    || (resends == Resends::Never && ends.unanswered == ends.lines)
            });
            if !is_told {
                lost.push(*id);
            }
            assert_eq!(
                tokens.get(id),
                Some(token),
                "the log has another token for {id}"
            );
        }
        assert!(
            lost.is_empty(),
            "{} are lost, such as {:?}",
            lost.len(),
            lost[0]
        );
        let ids: BTreeMap<&String, u64> = tokens.iter().map(|(id, token)| (token, *id)).collect();
        let mut doubled = 0;
        for (token, times) in &received {
            let id = ids
                .get(token)
                .unwrap_or_else(|| panic!("{token} was never accepted"));
            let allowed = match resends {
                Resends::AnyTime => 1 + self.outstanding_at.get(id).copied().unwrap_or(0),
                Resends::Never => 1,
            };
            assert!(
                *times <= allowed,
                "{id} was received {times} times, {allowed} are allowed"
            );
            let is_told = lines.get(id).is_some_and(|ends| ends.maybe_sent > 0);
            assert!(
                *times == 1 || is_told,
                "{id} was received {times} times untold"
            );
            doubled += times - 1;
        }
        let (mut unanswered, mut maybe_sent) = (0, 0);
        for (id, ends) in &lines {
            assert_eq!(ends.lines, 1, "{id} has so many outcome lines");
            unanswered += ends.unanswered;
            maybe_sent += ends.maybe_sent;
        }
        let refused: BTreeSet<&String> = load.unanswered().iter().collect();
        for (id, token) in &tokens {
            let was_asked = load.answered().contains_key(id) || refused.contains(token);
            assert!(was_asked, "{id} was accepted from nobody");
            assert!(lines.contains_key(id), "{id} was accepted and has no end");
        }
        format!(
            "{} kills: {} pushes answered 200, {ended} ended, lost 0, received again {doubled}, \
             each with one outcome line, with maybe_sent {maybe_sent}, unanswered \
             {unanswered}; at most {} outstanding at a kill",
            self.kills,
            load.answered().len(),
            self.most,
        )
    }
}

/// The daemon has ended by itself: nothing may be outstanding.
pub(crate) fn check_end(journal: &Path) {
    assert_eq!(outstanding(journal), BTreeSet::new());
}

/// Pushes that were answered with 200 and have no line yet that says how they ended.
pub(crate) fn unsettled(answered: &BTreeMap<u64, String>, site: &Site) -> usize {
    let lines = outcome_lines(site);
    let missing = answered.keys().filter(|id| !lines.contains_key(id));
    missing.count()
}

/// The ids of the pushes that a journal has as outstanding.
fn outstanding(journal: &Path) -> BTreeSet<u64> {
    let reading = journal::read(&DiskFiles, journal, Moment::now()).unwrap();
    assert_eq!(reading.recovered().damaged, 0, "{}", reading.recovered());
    let mut ids = BTreeSet::new();
    for notification in reading {
        let notification = notification.unwrap();
        let pushes = notification.pushes.iter();
        ids.extend(pushes.map(|(index, _)| notification.id(*index).0));
    }
    ids
}

/// What the lines of each push say that tell its end.
fn outcome_lines(site: &Site) -> BTreeMap<u64, Ends> {
    let mut ends = BTreeMap::<u64, Ends>::new();
    for line in lines(site) {
        if matches!(
            line["type"].as_str(),
            Some("succeeded-push" | "failed-push")
        ) {
            let one = ends.entry(line["id"].as_u64().unwrap()).or_default();
            one.lines += 1;
            one.maybe_sent += usize::from(line["maybe_sent"] == true);
            one.unanswered += usize::from(line["reason"] == "unanswered");
        }
    }
    ends
}

/// The device token of each push that any line names.
fn tokens_by_id(site: &Site) -> BTreeMap<u64, String> {
    let mut tokens = BTreeMap::new();
    for line in lines(site) {
        if let (Some(id), Some(token)) = (line["id"].as_u64(), line["token"].as_str()) {
            tokens.insert(id, token.to_owned());
        }
    }
    tokens
}

/// Both logs' lines. A kill may cut the last line of a process; the next one's first line follows
/// it without a newline then.
fn lines(site: &Site) -> Vec<Value> {
    let mut found = Vec::new();
    for log in ["access.log", "error.log"] {
        for line in read_text(&site.path(log)).lines() {
            let start = line.rfind("{\"level\":").unwrap_or(0);
            let (cut, whole) = line.split_at(start);
            found.extend(serde_json::from_str::<Value>(whole).ok());
            found.extend(serde_json::from_str::<Value>(cut).ok());
        }
    }
    found
}
