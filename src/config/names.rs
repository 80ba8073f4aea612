//! Names in the file that are no key's: misspelt ones, and those that Gaurun once knew.

use toml::de::DeTable;

use super::all_keys;
use super::keys::SECTIONS;
use super::nearest::nearest;
use super::problem::Shown;

/// A name that is not known.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnknownName {
    /// Octets of the text before it.
    pub(super) offset: usize,
    section: String,
    /// `None` if the section as a whole is not known, or is no table.
    name: Option<String>,
}

/// What an unknown name leads to.
pub(super) enum Verdict {
    /// A warning with this text.
    NoEffect(String),
    /// A problem with this text.
    Refused(String),
}

impl UnknownName {
    /// All of them, in the file's order.
    pub(super) fn all(table: &DeTable<'_>) -> Vec<Self> {
        let mut found = Vec::new();
        for (section, value) in table {
            let offset = section.span().start;
            let section = section.as_ref().to_string();
            let keys = value.as_ref().as_table();
            let Some(keys) = keys.filter(|_| SECTIONS.iter().any(|known| known.0 == section))
            else {
                let name = None;
                found.push(Self {
                    offset,
                    section,
                    name,
                });
                continue;
            };
            for name in keys.keys() {
                let offset = name.span().start;
                let name = name.as_ref().to_string();
                let known = |section: &str, name: &str| {
                    all_keys().any(|key| key.section == section && key.name == name)
                };
                if !known(&section, &name) {
                    found.push(Self {
                        offset,
                        section: section.clone(),
                        name: Some(name),
                    });
                }
            }
        }
        found.sort();
        found
    }

    /// What it leads to, and what to say.
    pub(super) fn verdict(&self) -> Verdict {
        let (section, name) = (self.section.as_str(), self.name.as_deref());
        let retired = RETIRED
            .iter()
            .find(|retired| retired.section == section && retired.name == name);
        match (retired.map(|retired| retired.instead), name) {
            (Some(Some(instead)), _) => {
                Verdict::Refused(format!("{section}: unknown section; {instead}"))
            }
            (Some(None), Some(name)) => Verdict::NoEffect(format!("{section}.{name}: {NO_LONGER}")),
            (Some(None), None) => Verdict::NoEffect(format!("{section}: {NO_LONGER}")),
            (None, Some(name)) => Verdict::Refused(unknown_key(section, name)),
            (None, None) => Verdict::Refused(unknown_section(section)),
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

static RETIRED: [Retired; 6] = [
    Retired::new("api", None),
    Retired::new("fcm_v1", None).instead(
        "write android.service_account_path for credentials_file, android.project_id for project",
    ),
    Retired::new("android", Some("use_fcm")),
    Retired::new("ios", Some("timeout_error")),
    Retired::new("ios", Some("keepalive_max")),
    Retired::new("ios", Some("keepalive_idle_timeout")),
];

fn unknown_section(name: &str) -> String {
    let shown = Shown(name);
    if SECTIONS.iter().any(|(known, _)| *known == name) {
        return format!("{shown}: must be a table, written as [{shown}]");
    }
    if let Some(key) = all_keys().find(|key| key.name == name) {
        return format!(
            "{shown}: stands outside its section; write it below [{}]",
            key.section
        );
    }
    match nearest(name, SECTIONS.iter().map(|(section, _)| *section)) {
        Some(known) => format!("{shown}: unknown section; did you mean [{known}]?"),
        None => format!("{shown}: unknown section; known are core, ios, android and log"),
    }
}

fn unknown_key(section: &str, name: &str) -> String {
    let shown = Shown(name);
    let own = all_keys()
        .filter(|key| key.section == section)
        .map(|key| key.name);
    if let Some(key) = all_keys().find(|key| key.name == name) {
        let belongs = key.path();
        return format!("{section}.{shown}: unknown key; did you mean {belongs}?");
    }
    match nearest(name, own) {
        Some(known) => format!("{section}.{shown}: unknown key; did you mean {section}.{known}?"),
        None => format!("{section}.{shown}: unknown key; etc/sterna.toml lists the known ones"),
    }
}
