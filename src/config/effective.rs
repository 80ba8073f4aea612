//! What is in force, key by key: what was written, what the command line said, and the defaults.
//!
//! Pure. Keys without effect have no place here, nor have those of a disabled platform.

use std::fmt::Write as _;

use serde_json::Map;

use super::Config;
use super::journal::OFF;
use super::section::Section;
use super::sections;
use super::value::{Setting, Value};

impl Config {
    /// Every key that has an effect, with what is in force for it, in the order of the
    /// documentation.
    pub fn effective(&self) -> Vec<Setting> {
        let setting = |app, key, value| vec![Setting { app, key, value }];
        // In the order of the file: the default app's, then by the names of the others.
        let mut lanes: Vec<_> = self.lanes.iter().collect();
        lanes.retain(|(id, _)| id.environment().is_none());
        lanes.sort_by_key(|(id, _)| (id.app(), id.provider()));
        let lanes = lanes.into_iter().map(|(id, lane)| {
            let mut sections = sections::LANES.into_iter();
            let keys = sections.find(|keys| keys.id.provider() == id.provider())?;
            let Some(lane) = lane else {
                return Some(setting(id.app(), &keys.enabled, Value::Flag(false)));
            };
            let mut settings = keys.settings(lane);
            for setting in &mut settings {
                setting.app = id.app();
            }
            Some(settings)
        });
        let off = |key| setting("", key, Value::Text(OFF.to_owned()));
        let journal = match &self.journal {
            None => off(&sections::JOURNAL.sync),
            Some(journal) => sections::JOURNAL.settings(journal),
        };
        let feedback = match &self.feedback {
            None => off(&sections::FEEDBACK.sync),
            Some(feedback) => sections::FEEDBACK.settings(feedback),
        };
        let all = [sections::CORE.settings(&self.core)]
            .into_iter()
            .chain(lanes.flatten());
        let rest = [
            journal,
            feedback,
            sections::LOG.settings(&self.log),
            sections::METRICS.settings(&self.metrics),
        ];
        let all = all.chain(rest);
        all.flatten().collect()
    }

    /// [`Config::effective`] as a JSON object of sections; `null` is the absence of a value.
    pub fn effective_json(&self) -> serde_json::Value {
        let mut sections = Map::new();
        for setting in self.effective() {
            let mut section = Some(&mut sections);
            for part in setting.section().split('.') {
                let place = section.map(|of| of.entry(part).or_insert_with(|| Map::new().into()));
                section = place.and_then(serde_json::Value::as_object_mut);
            }
            if let Some(section) = section {
                section.insert(setting.key.name.to_owned(), setting.value.json());
            }
        }
        sections.into()
    }

    /// [`Config::effective`] as a file, in which secrets and absent values are comments.
    pub fn effective_toml(&self) -> String {
        let mut out = String::new();
        let mut open = String::new();
        for setting in self.effective() {
            let section = setting.section();
            if open != section {
                let gap = if out.is_empty() { "" } else { "\n" };
                // Writing to a text cannot fail.
                let _written = writeln!(out, "{gap}[{section}]");
                open = section;
            }
            let name = setting.key.name;
            let _written = match &setting.value {
                Value::Absent => writeln!(out, "# {name}: not set"),
                Value::Secret(_) => writeln!(out, "# {name}: set, not shown"),
                shown => writeln!(out, "{name} = {shown}"),
            };
        }
        out
    }
}

#[cfg(test)]
mod tests;
