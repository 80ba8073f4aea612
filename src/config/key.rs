//! What is known of one key of the file.

use super::keys::APPS;
use crate::push::Provider;

/// One key of the file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table that it stands in, without brackets.
    pub section: &'static str,
    /// The key's name within the section.
    pub name: &'static str,
    /// The values it may have, and its default.
    pub allowed: Allowed,
    /// One sentence for the operator, without the final stop.
    pub meaning: &'static str,
    /// What was otherwise in Gaurun 0.14, if anything.
    pub gaurun: Option<Difference>,
    /// When a new value is in force.
    pub in_force: InForce,
    /// What becomes of the value that Gaurun's file has.
    pub migration: Migration,
    /// Section and name that forks of Gaurun have for it, the likeliest first.
    pub forks: &'static [(&'static str, &'static str)],
    /// The provider whose lanes have it; `None` for all.
    pub provider: Option<Provider>,
}

/// When a key's new value is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce {
    /// From the next reload on.
    AtReload,
    /// From the next reload on, if the files of the logs can be changed.
    AtReloadOfLogs,
    /// From the next start on.
    AtStart,
}

/// What becomes of a value of Gaurun's.
#[derive(Clone, Copy, Debug)]
pub enum Migration {
    /// The value means the same to us.
    Kept,
    /// The value has no effect any more, for this reason: only Gaurun has use for the key.
    Dropped(&'static str),
    /// Our default is better than what suited Gaurun.
    ByDefault,
}

/// The values that a key may have.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// `true` or `false`.
    Flag {
        /// The value when absent.
        default: bool,
    },
    /// A whole number.
    Number {
        /// The value when absent, or what absence means.
        default: NumberDefault,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A string; `""` counts as absent.
    Text {
        /// The value when absent.
        default: &'static str,
        /// What the string must look like.
        form: &'static str,
    },
    /// A list of strings; empty by default.
    List {
        /// What the list must look like.
        form: &'static str,
    },
    /// A string that no message may repeat; empty by default.
    Secret,
}

/// What a number is when the file does not give it.
#[derive(Clone, Copy, Debug)]
pub enum NumberDefault {
    /// This number.
    Is(u64),
    /// No fixed number.
    Absent {
        /// What absence means.
        means: &'static str,
        /// A likely value, to show how the key is written.
        example: u64,
    },
}

/// How a key differs from Gaurun 0.14's.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// What Gaurun does.
    pub was: &'static str,
    /// What Sterna does.
    pub is: &'static str,
    /// Why.
    pub why: &'static str,
}

impl Key {
    /// The key with its section, as messages name it: `core.port`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The section that the key stands in of an app, of the default one if that is empty.
    pub(super) fn section_in(&self, app: &str) -> String {
        match app {
            "" => self.section.to_owned(),
            app => format!("{APPS}.{app}.{}", self.section),
        }
    }

    /// Whether it is there for Gaurun's files alone.
    pub(super) fn is_only_gauruns(&self) -> bool {
        matches!(self.migration, Migration::Dropped(_))
    }

    /// Whether the key's value names a file or a directory.
    pub fn names_a_file(&self) -> bool {
        matches!(self.allowed, Allowed::Text { form, .. } if form.contains("a path"))
    }

    /// Whether the key's value names a file that has to be there: a credential, or whom to trust.
    pub fn names_a_credential(&self) -> bool {
        self.names_a_file() && self.name.ends_with("_path")
    }

    /// The default as the file would spell it; `None` if absence is not the same as any value.
    pub fn default_text(&self) -> Option<String> {
        match &self.allowed {
            Allowed::Flag { default } => Some(default.to_string()),
            Allowed::Number {
                default: NumberDefault::Is(default),
                ..
            } => Some(default.to_string()),
            Allowed::Number {
                default: NumberDefault::Absent { .. },
                ..
            } => None,
            Allowed::Text { default, .. } => Some(format!("\"{default}\"")),
            Allowed::List { .. } => Some("[]".to_owned()),
            Allowed::Secret => Some("\"\"".to_owned()),
        }
    }

    /// The values that are allowed, in words.
    pub fn range_text(&self) -> String {
        match &self.allowed {
            Allowed::Flag { .. } => "true or false".to_owned(),
            Allowed::Number { min, max, unit, .. } => format!("{min} to {max} {unit}"),
            Allowed::Text { form, .. } | Allowed::List { form } => (*form).to_owned(),
            Allowed::Secret => "a string".to_owned(),
        }
    }

    /// A number that is always there when absent from the file.
    pub(super) const fn number(
        default: u64,
        range: (u64, u64),
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::of_number(NumberDefault::Is(default), range, unit, meaning)
    }

    /// A number whose absence means something else than any number; an example of one.
    pub(super) const fn optional(
        (means, example): (&'static str, u64),
        range: (u64, u64),
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let default = NumberDefault::Absent { means, example };
        Self::of_number(default, range, unit, meaning)
    }

    const fn of_number(
        default: NumberDefault,
        (min, max): (u64, u64),
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::new(
            Allowed::Number {
                default,
                min,
                max,
                unit,
            },
            meaning,
        )
    }

    pub(super) const fn flag(default: bool, meaning: &'static str) -> Self {
        Self::new(Allowed::Flag { default }, meaning)
    }

    pub(super) const fn text(
        default: &'static str,
        form: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::new(Allowed::Text { default, form }, meaning)
    }

    /// The name of a file, a directory or a socket.
    pub(super) const fn file(meaning: &'static str) -> Self {
        Self::text("", "a path", meaning)
    }

    pub(super) const fn list(form: &'static str, meaning: &'static str) -> Self {
        Self::new(Allowed::List { form }, meaning)
    }

    pub(super) const fn secret(meaning: &'static str) -> Self {
        Self::new(Allowed::Secret, meaning)
    }

    const fn new(allowed: Allowed, meaning: &'static str) -> Self {
        Self {
            section: "",
            name: "",
            allowed,
            meaning,
            gaurun: None,
            in_force: InForce::AtReload,
            migration: Migration::Kept,
            forks: &[],
            provider: None,
        }
    }

    /// The key where it stands.
    pub(super) const fn named(self, section: &'static str, name: &'static str) -> Self {
        Self {
            section,
            name,
            ..self
        }
    }

    /// The key, with what it does otherwise than Gaurun's.
    pub(super) const fn unlike_gaurun(
        self,
        was: &'static str,
        is: &'static str,
        why: &'static str,
    ) -> Self {
        let gaurun = Some(Difference { was, is, why });
        Self { gaurun, ..self }
    }

    pub(super) const fn in_force(self, in_force: InForce) -> Self {
        Self { in_force, ..self }
    }

    pub(super) const fn migrated(self, migration: Migration) -> Self {
        Self { migration, ..self }
    }

    pub(super) const fn in_forks(self, forks: &'static [(&'static str, &'static str)]) -> Self {
        Self { forks, ..self }
    }

    /// The key, of that provider's lanes alone.
    pub(super) const fn only_of(self, provider: Provider) -> Self {
        let provider = Some(provider);
        Self { provider, ..self }
    }
}
