//! Names in the file that are no key's: misspelt ones, and those that Gaurun once knew.

use std::ops::Range;

use toml::de::DeTable;

use super::key::Key;
use super::keys::{APPS, APPS_MAX, FCM_V1, SECTIONS};
use super::problem::Shown;
use crate::push::{APP_NAME_MAX, DEFAULT_APP_NAME, Provider, is_app_name};
use crate::texts::nearest;

/// A name that is not known.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnknownName {
    /// Bytes of the text before it.
    pub(super) offset: usize,
    /// Bytes of the text up to its end.
    pub(super) end: usize,
    what: StrayName,
}

/// What of the file it is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum StrayName {
    /// A section at the top, or what is no table there.
    Section(String),
    /// A key of a section: where that stands, as which section it is known, and the key's name.
    Key {
        section: String,
        known_as: &'static str,
        name: String,
    },
    /// An app whose name is none.
    App(String),
    /// An app without a section.
    EmptyApp(String),
    /// An app beyond the last that may be.
    AppsOver,
    /// What an app has that is no section of it.
    OfApp { app: String, name: String },
}

/// What an unknown name leads to.
pub(super) enum Verdict {
    /// A warning with this text: a name that only Gaurun had.
    NoEffect(String),
    /// A warning with this text: nothing stands below it.
    Empty(String),
    /// A problem with this text, and what to do.
    Refused(String, String),
}

/// What is found of them in a file.
struct NameSearch<'k> {
    known: &'k [&'k Key],
    found: Vec<UnknownName>,
}

impl NameSearch<'_> {
    fn add(&mut self, Range { start, end }: Range<usize>, what: StrayName) {
        let offset = start;
        self.found.push(UnknownName { offset, end, what });
    }

    /// Looks through the keys of a section.
    fn section(&mut self, table: &DeTable<'_>, section: &str, known_as: &'static str) {
        for name in table.keys() {
            let mut known = self.known.iter();
            if !known.any(|key| (key.section, key.name) == (known_as, name.as_ref())) {
                let what = StrayName::Key {
                    section: section.to_owned(),
                    known_as,
                    name: name.as_ref().to_string(),
                };
                self.add(name.span(), what);
            }
        }
    }

    /// Looks through the apps.
    fn apps(&mut self, apps: &DeTable<'_>) {
        for (number, (app, value)) in apps.iter().enumerate() {
            let name = app.as_ref().to_string();
            let Some(table) = value.as_ref().as_table().filter(|_| is_app_name(&name)) else {
                self.add(app.span(), StrayName::App(name));
                continue;
            };
            if number == APPS_MAX {
                return self.add(app.span(), StrayName::AppsOver);
            }
            if table.is_empty() {
                self.add(app.span(), StrayName::EmptyApp(name.clone()));
            }
            for (section, value) in table {
                let known = Provider::of_platform(section.as_ref()).map(Provider::platform);
                if let Some((keys, known)) = value.as_ref().as_table().zip(known) {
                    self.section(keys, &format!("{APPS}.{name}.{known}"), known);
                } else {
                    let (app, name) = (name.clone(), section.as_ref().to_string());
                    self.add(section.span(), StrayName::OfApp { app, name });
                }
            }
        }
    }
}

impl UnknownName {
    /// All of them, in the file's order.
    pub(super) fn all(table: &DeTable<'_>, known: &[&Key]) -> Vec<Self> {
        let found = Vec::new();
        let mut search = NameSearch { known, found };
        for (section, value) in table {
            let mut sections = SECTIONS.iter();
            let is_known = sections.find(|known| known.0 == section.as_ref());
            match value.as_ref().as_table().zip(is_known) {
                Some((apps, (APPS, _))) => search.apps(apps),
                Some((keys, (known, _))) => search.section(keys, known, known),
                None => {
                    let name = section.as_ref().to_string();
                    search.add(section.span(), StrayName::Section(name));
                }
            }
        }
        search.found.sort();
        search.found
    }

    /// The name with its section.
    pub(super) fn path(&self) -> String {
        match &self.what {
            StrayName::Key { section, name, .. } => format!("{section}.{name}"),
            StrayName::Section(name) => name.clone(),
            StrayName::App(name) | StrayName::EmptyApp(name) => format!("{APPS}.{name}"),
            StrayName::AppsOver => APPS.to_owned(),
            StrayName::OfApp { app, name } => format!("{APPS}.{app}.{name}"),
        }
    }

    /// What it leads to, and what to say.
    pub(super) fn verdict(&self, known: &[&Key]) -> Verdict {
        let (section, name) = match &self.what {
            StrayName::Section(section) => (section.as_str(), None),
            StrayName::Key { section, name, .. } => (section.as_str(), Some(name.as_str())),
            StrayName::App(name) => return no_app(name),
            StrayName::EmptyApp(_) => {
                let text = "has no effect: an app has a section ios, android or both below it";
                return Verdict::Empty(format!("{}: {text}", self.path()));
            }
            StrayName::AppsOver => {
                let text = format!("{APPS}: more than {APPS_MAX} apps");
                return Verdict::Refused(text, "divide them among several daemons".to_owned());
            }
            StrayName::OfApp { app, name } => return no_section_of_app(app, name, known),
        };
        let retired = RETIRED
            .iter()
            .find(|retired| retired.section == section && retired.name == name);
        match (retired.map(|retired| retired.instead), &self.what) {
            (Some(Some(instead)), _) => {
                let what = if name.is_some() { "key" } else { "section" };
                let text = format!("{}: unknown {what}", self.path());
                Verdict::Refused(text, instead.to_owned())
            }
            (Some(None), _) => Verdict::NoEffect(format!("{}: {NO_LONGER}", self.path())),
            (
                None,
                StrayName::Key {
                    section,
                    known_as,
                    name,
                },
            ) => unknown_key((section, known_as), name, known),
            (None, _) => unknown_section(section, known),
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

fn unknown_key((section, known_as): (&str, &str), name: &str, known: &[&Key]) -> Verdict {
    let own = known.iter().filter(|key| key.section == known_as);
    let own = own.map(|key| key.name);
    let elsewhere = known.iter().find(|key| key.name == name);
    let mut keys = known.iter();
    let is_default = section == known_as;
    let forked = keys.find(|key| key.forks.contains(&(known_as, name)));
    let help = if let Some(ours) = forked.filter(|_| is_default) {
        format!(
            "write {} for it, or have it done by: sterna check --migrate",
            ours.path()
        )
    } else if let Some(ours) = forked {
        format!("write {section}.{} for it", ours.name)
    } else if let Some(key) = elsewhere {
        let app = section.strip_suffix(known_as).unwrap_or_default();
        format!(
            "did you mean {}{}?",
            if is_lanes(key) { app } else { "" },
            key.path()
        )
    } else if let Some(known) = nearest(name, own) {
        format!("did you mean {section}.{known}?")
    } else {
        "etc/sterna.toml lists the known ones".to_owned()
    };
    Verdict::Refused(format!("{section}.{}: unknown key", Shown(name)), help)
}

/// Whether an app has that key.
fn is_lanes(key: &Key) -> bool {
    Provider::of_platform(key.section).is_some()
}

fn no_app(name: &str) -> Verdict {
    let shown = Shown(name);
    if is_app_name(name) {
        let text = format!("{APPS}.{shown}: must be a table with the sections of an app");
        let help = format!("write [{APPS}.{shown}.ios] or [{APPS}.{shown}.android]");
        return Verdict::Refused(text, help);
    }
    if name == DEFAULT_APP_NAME {
        let text = format!("{APPS}.{shown}: is the app of [ios] and [android]");
        let help = "write its keys below these, or give it another name";
        return Verdict::Refused(text, help.to_owned());
    }
    let text = format!("{APPS}.{shown}: no app can be called so");
    let help = format!(
        "a name is 1 to {APP_NAME_MAX} lower-case letters, digits, hyphens and underscores, does \
         not begin with one of the last two, and is not ios or android: [{APPS}.shop.ios]"
    );
    Verdict::Refused(text, help)
}

fn no_section_of_app(app: &str, name: &str, known: &[&Key]) -> Verdict {
    let (at, shown) = (format!("{APPS}.{app}"), Shown(name));
    let sections = Provider::ALL.map(Provider::platform);
    if sections.contains(&name) {
        let text = format!("{at}.{shown}: must be a table, written as [{at}.{shown}]");
        let help = format!("the keys of {at}.{shown} stand below a line [{at}.{shown}]");
        return Verdict::Refused(text, help);
    }
    let of_lane = |section: &&&str| {
        let mut known = known.iter();
        known.any(|key| key.section == **section && key.name == name)
    };
    if let Some(section) = sections.iter().find(of_lane) {
        let text = format!("{at}.{shown}: stands outside its section");
        return Verdict::Refused(text, format!("write it below [{at}.{section}]"));
    }
    let help = match nearest(name, sections.into_iter()) {
        Some(known) => format!("did you mean [{at}.{known}]?"),
        None => format!("an app has {}", sections.join(" and ")),
    };
    Verdict::Refused(format!("{at}.{shown}: unknown section"), help)
}
