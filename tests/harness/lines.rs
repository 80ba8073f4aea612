//! The lines of the access and error log.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::site::read_text;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// As it stands in the file, without its end.
    pub(crate) text: String,
    json: Value,
}

impl Line {
    /// The text at a key; empty if it is not there.
    pub(crate) fn text_of(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }

    /// The number at a key, if it is there.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.json[key].as_u64()
    }

    /// The number at a key, which may have decimals.
    pub(crate) fn float(&self, key: &str) -> f64 {
        self.json[key].as_f64().unwrap()
    }

    /// All of it.
    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// Its type; empty if it has none.
    pub(crate) fn kind(&self) -> &str {
        self.text_of("type")
    }

    /// The push's id.
    pub(crate) fn id(&self) -> u64 {
        self.number("id")
            .unwrap_or_else(|| panic!("no id: {}", self.text))
    }

    /// The line with its time replaced by `…`, which must have the form of Gaurun's, and without
    /// the request's id at its end, if it has one.
    pub(crate) fn timeless(&self) -> String {
        let time = self.text_of("time");
        let form: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(form, "0000/00/00 00:00:00 UTC", "{}", self.text);
        let text = self.text.replacen(time, "…", 1);
        match text.rsplit_once(",\"request_id\":\"") {
            Some((line, id)) => {
                assert_eq!(id.len(), 16 + "\"}".len(), "{text}");
                format!("{line}}}")
            }
            None => text,
        }
    }
}

/// The whole lines of a log file, each of which must be JSON.
pub(crate) fn read(path: &Path) -> Vec<Line> {
    let text = read_text(path);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| Line {
            text: line.to_owned(),
            json: serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")),
        })
        .collect()
}

/// The lines of a type.
pub(crate) fn of_kind<'a>(lines: &'a [Line], kind: &'a str) -> impl Iterator<Item = &'a Line> {
    lines.iter().filter(move |line| line.kind() == kind)
}

/// Fails if the sorted ids are not the same; names a few that differ.
#[track_caller]
pub(crate) fn check_same(found: &[u64], expected: &[u64]) {
    let beside = |these: &[u64], those: &[u64]| -> Vec<u64> {
        let missing = these.iter().filter(|id| those.binary_search(id).is_err());
        missing.copied().collect()
    };
    let (more, less) = (beside(found, expected), beside(expected, found));
    assert!(
        more.is_empty() && less.is_empty() && found.len() == expected.len(),
        "{} of {} ids: {} too many, such as {:?}, and {} missing, such as {:?}",
        found.len(),
        expected.len(),
        more.len(),
        &more[..more.len().min(5)],
        less.len(),
        &less[..less.len().min(5)],
    );
}

/// The ids of the lines of a type, sorted; each must be there once.
pub(crate) fn ids(lines: &[Line], kind: &str) -> Vec<u64> {
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for line in of_kind(lines, kind) {
        *times.entry(line.id()).or_default() += 1;
    }
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(
        repeated.is_empty(),
        "{kind} more than once for {} ids, such as {:?}",
        repeated.len(),
        repeated[0],
    );
    times.into_keys().collect()
}
