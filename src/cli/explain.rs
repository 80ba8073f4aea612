//! `sterna explain`: what a reason of a log line means, from the tables that delivery works by.

mod entry;

use super::args::Explain;
use super::{ExitCode, print, report};
use crate::texts::{self, nearest};
use entry::Explained;

/// Prints what is known of the reason, or all reasons.
pub(super) fn run(explain: &Explain) -> ExitCode {
    let entries = Explained::all();
    let Some(word) = explain.reason.as_deref() else {
        return print(&listed(&entries, explain.json));
    };
    let found = find(word, &entries);
    if found.is_empty() {
        report(unknown(word, &entries));
        return ExitCode::Usage;
    }
    if explain.json {
        return print(&json(&found));
    }
    let texts: Vec<String> = found.iter().map(|entry| entry.text()).collect();
    print(&texts.join("\n"))
}

/// The entries that a word means. A provider's 5xx that no table has is judged as a 500.
fn find<'a>(word: &str, entries: &'a [Explained]) -> Vec<&'a Explained> {
    let of = |word: &str| -> Vec<&Explained> {
        let entries = entries.iter();
        entries.filter(|entry| entry.is(word)).collect()
    };
    let found = of(word);
    let is_server_error = matches!(word.as_bytes(), [b'5', b'0'..=b'9', b'0'..=b'9']);
    if found.is_empty() && is_server_error {
        of("500")
    } else {
        found
    }
}

fn listed(entries: &[Explained], as_json: bool) -> String {
    if as_json {
        return json(&entries.iter().collect::<Vec<_>>());
    }
    entries.iter().map(Explained::line).collect()
}

fn json(entries: &[&Explained]) -> String {
    // Strings and numbers can always be written.
    let text = serde_json::to_string_pretty(entries).unwrap_or_default();
    format!("{text}\n")
}

/// What is said of a word that is in no table.
fn unknown(word: &str, entries: &[Explained]) -> String {
    let lower: Vec<(String, &str)> = entries
        .iter()
        .map(|entry| (entry.reason.to_lowercase(), entry.reason))
        .collect();
    let near = nearest(word, lower.iter().map(|(lower, _)| lower.as_str()));
    let near = near.and_then(|near| lower.iter().find(|(lower, _)| lower == near));
    let shown = texts::first(word, WORD_SHOWN);
    match near {
        Some((_, reason)) => format!("no reason {shown:?} is known; did you mean {reason}?"),
        None => format!("no reason {shown:?} is known; `sterna explain` lists all"),
    }
}

/// Characters of an unknown word that are repeated.
const WORD_SHOWN: usize = 64;

#[cfg(test)]
mod tests;
