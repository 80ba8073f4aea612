//! Names in the file that are no key's: misspelt ones, and those that Gaurun once knew.

use std::ops::Range;

use toml::de::DeTable;

use super::key::Key;
use super::keys::{FCM_V1, SECTIONS};
use super::problem::Shown;
use crate::texts::nearest;

/// A name that is not known.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnknownName {
    /// Bytes of the text before it.
    pub(super) offset: usize,
    /// Bytes of the text up to its end.
    pub(super) end: usize,
    section: String,
    /// `None` if the section as a whole is not known, or is no table.
    name: Option<String>,
}

/// What an unknown name leads to.
pub(super) enum Verdict {
    /// A warning with this text.
    NoEffect(String),
    /// A problem with this text, and what to do.
    Refused(String, String),
}

impl UnknownName {
    /// All of them, in the file's order.
    pub(super) fn all(table: &DeTable<'_>, known: &[&Key]) -> Vec<Self> {
        let mut found = Vec::new();
        for (section, value) in table {
            let Range { start: offset, end } = section.span();
            let section = section.as_ref().to_string();
            let keys = value.as_ref().as_table();
            let Some(keys) = keys.filter(|_| SECTIONS.iter().any(|known| known.0 == section))
            else {
                let name = None;
                found.push(Self {
                    offset,
                    end,
                    section,
                    name,
                });
                continue;
            };
            for name in keys.keys() {
                let Range { start: offset, end } = name.span();
                let name = name.as_ref().to_string();
                let mut known = known.iter();
                if !known.any(|key| (key.section, key.name) == (&section, &name)) {
                    found.push(Self {
                        offset,
                        end,
                        section: section.clone(),
                        name: Some(name),
                    });
                }
            }
        }
        found.sort();
        found
    }

    /// The name with its section.
    pub(super) fn path(&self) -> String {
        match &self.name {
            Some(name) => format!("{}.{name}", self.section),
            None => self.section.clone(),
        }
    }

    /// What it leads to, and what to say.
    pub(super) fn verdict(&self, known: &[&Key]) -> Verdict {
        let (section, name) = (self.section.as_str(), self.name.as_deref());
        let retired = RETIRED
            .iter()
            .find(|retired| retired.section == section && retired.name == name);
        match (retired.map(|retired| retired.instead), name) {
            (Some(Some(instead)), None) => {
                Verdict::Refused(format!("{section}: unknown section"), instead.to_owned())
            }
            (Some(Some(instead)), Some(name)) => {
                Verdict::Refused(format!("{section}.{name}: unknown key"), instead.to_owned())
            }
            (Some(None), Some(name)) => Verdict::NoEffect(format!("{section}.{name}: {NO_LONGER}")),
            (Some(None), None) => Verdict::NoEffect(format!("{section}: {NO_LONGER}")),
            (None, Some(name)) => unknown_key(section, name, known),
            (None, None) => unknown_section(section, known),
        }
    }
}

const NO_LONGER: &str = "has no effect, as in Gaurun 0.14";

/// A name that some version of Gaurun knew, which its last release ignores.
struct Retired {
    section: &'static str,
    /// `None` for the section as a whole.
    name: Option<&'static str>,
    /// What to write instead, where the name must not be ignored.
    instead: Option<&'static str>,
}

impl Retired {
    const fn new(section: &'static str, name: Option<&'static str>) -> Self {
        let instead = None;
        Self {
            section,
            name,
            instead,
        }
    }

    const fn instead(self, instead: &'static str) -> Self {
        Self {
            instead: Some(instead),
            ..self
        }
    }
}

static RETIRED: [Retired; 7] = [
    Retired::new("api", None),
    Retired::new(FCM_V1, None).instead(
        "write android.service_account_path for credentials_file, android.project_id for project",
    ),
    // Ours, before compatible_with took its place.
    Retired::new("core", Some("gaurun_badge"))
        .instead("remove it, and if it was true write core.compatible_with = \"gaurun\" for it"),
    Retired::new("android", Some("use_fcm")),
    Retired::new("ios", Some("timeout_error")),
    Retired::new("ios", Some("keepalive_max")),
    Retired::new("ios", Some("keepalive_idle_timeout")),
];

fn unknown_section(name: &str, known: &[&Key]) -> Verdict {
    let shown = Shown(name);
    if SECTIONS.iter().any(|(known, _)| *known == name) {
        let text = format!("{shown}: must be a table, written as [{shown}]");
        let help = format!("the keys of {shown} stand below a line [{shown}]");
        return Verdict::Refused(text, help);
    }
    if let Some(key) = known.iter().find(|key| key.name == name) {
        let text = format!("{shown}: stands outside its section");
        return Verdict::Refused(text, format!("write it below [{}]", key.section));
    }
    let names: Vec<&str> = SECTIONS.iter().map(|(section, _)| *section).collect();
    let help = if let Some(known) = nearest(name, names.iter().copied()) {
        format!("did you mean [{known}]?")
    } else {
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        format!("known are {} and {last}", others.join(", "))
    };
    Verdict::Refused(format!("{shown}: unknown section"), help)
}

fn unknown_key(section: &str, name: &str, known: &[&Key]) -> Verdict {
    let own = known.iter().filter(|key| key.section == section);
    let own = own.map(|key| key.name);
    let elsewhere = known.iter().find(|key| key.name == name);
    let mut keys = known.iter();
    let help = if let Some(ours) = keys.find(|key| key.forks.contains(&(section, name))) {
        format!(
            "write {} for it, or have it done by: sterna check --migrate",
            ours.path()
        )
    } else if let Some(key) = elsewhere {
        format!("did you mean {}?", key.path())
    } else if let Some(known) = nearest(name, own) {
        format!("did you mean {section}.{known}?")
    } else {
        "etc/sterna.toml lists the known ones".to_owned()
    };
    Verdict::Refused(format!("{section}.{}: unknown key", Shown(name)), help)
}
