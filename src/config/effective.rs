//! What is in force, key by key: what was written, what the command line said, and the defaults.
//!
//! Pure. Keys without effect have no place here, nor have those of a disabled platform.

use std::fmt::Write as _;

use super::Config;
use super::journal::OFF;
use super::keys::SECTIONS;
use super::section::Section;
use super::sections;
use super::value::{Setting, Value};

impl Config {
    /// Every key that has an effect, with what is in force for it, in the order of the
    /// documentation.
    pub fn effective(&self) -> Vec<Setting> {
        let setting = |key, value| vec![Setting { key, value }];
        let lanes = sections::LANES
            .into_iter()
            .map(|keys| match self.lane(keys.id) {
                Some(lane) => keys.settings(lane),
                None => setting(&keys.enabled, Value::Flag(false)),
            });
        let off = || setting(&sections::JOURNAL.sync, Value::Text(OFF.to_owned()));
        let journal = self.journal.as_ref();
        let journal = journal.map_or_else(off, |journal| sections::JOURNAL.settings(journal));
        let all = [sections::CORE.settings(&self.core)]
            .into_iter()
            .chain(lanes);
        let all = all.chain([journal, sections::LOG.settings(&self.log)]);
        all.flatten().collect()
    }

    /// [`Config::effective`] as a JSON object of sections; `null` is the absence of a value.
    pub fn effective_json(&self) -> serde_json::Value {
        let mut sections = serde_json::Map::new();
        for Setting { key, value } in self.effective() {
            let section = sections.entry(key.section);
            let section = section.or_insert_with(|| serde_json::Map::new().into());
            if let Some(section) = section.as_object_mut() {
                section.insert(key.name.to_owned(), value.json());
            }
        }
        sections.into()
    }

    /// [`Config::effective`] as a file, in which secrets and absent values are comments.
    pub fn effective_toml(&self) -> String {
        let settings = self.effective();
        let mut out = String::new();
        for (section, _) in SECTIONS {
            let gap = if out.is_empty() { "" } else { "\n" };
            // Writing to a text cannot fail.
            let _written = writeln!(out, "{gap}[{section}]");
            for Setting { key, value } in settings.iter().filter(|it| it.key.section == section) {
                let name = key.name;
                let _written = match value {
                    Value::Absent => writeln!(out, "# {name}: not set"),
                    Value::Secret(_) => writeln!(out, "# {name}: set, not shown"),
                    shown => writeln!(out, "{name} = {shown}"),
                };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
