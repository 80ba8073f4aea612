//! What is known of one key of the file.

/// One key of the file.
#[derive(Debug)]
pub struct Key {
    /// The table that it stands in, without brackets.
    pub section: &'static str,
    /// Its name within the section.
    pub name: &'static str,
    /// The values it may have, and its default.
    pub allowed: Allowed,
    /// One sentence for the operator, without the final stop.
    pub meaning: &'static str,
    /// What was otherwise in Gaurun 0.14, if anything.
    pub gaurun: Option<Difference>,
}

/// The values that a key may have.
#[derive(Debug)]
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
#[derive(Debug)]
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
#[derive(Debug)]
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

    /// Whether its value names a file or a directory.
    pub fn names_a_file(&self) -> bool {
        matches!(self.allowed, Allowed::Text { form, .. } if form.contains("a path"))
    }

    /// Whether its value names a file that has to be there: a credential, or whom to trust.
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
        section: &'static str,
        name: &'static str,
        default: u64,
        (min, max): (u64, u64),
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let default = NumberDefault::Is(default);
        let allowed = Allowed::Number {
            default,
            min,
            max,
            unit,
        };
        Self {
            section,
            name,
            allowed,
            meaning,
            gaurun: None,
        }
    }

    /// A number whose absence means something else than any number.
    pub(super) const fn optional(
        section: &'static str,
        name: &'static str,
        default: NumberDefault,
        (min, max): (u64, u64),
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let allowed = Allowed::Number {
            default,
            min,
            max,
            unit,
        };
        Self {
            section,
            name,
            allowed,
            meaning,
            gaurun: None,
        }
    }

    pub(super) const fn flag(
        section: &'static str,
        name: &'static str,
        default: bool,
        meaning: &'static str,
    ) -> Self {
        Self {
            section,
            name,
            allowed: Allowed::Flag { default },
            meaning,
            gaurun: None,
        }
    }

    pub(super) const fn text(
        section: &'static str,
        name: &'static str,
        default: &'static str,
        form: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            section,
            name,
            allowed: Allowed::Text { default, form },
            meaning,
            gaurun: None,
        }
    }

    pub(super) const fn list(
        section: &'static str,
        name: &'static str,
        form: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            section,
            name,
            allowed: Allowed::List { form },
            meaning,
            gaurun: None,
        }
    }

    pub(super) const fn secret(
        section: &'static str,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            section,
            name,
            allowed: Allowed::Secret,
            meaning,
            gaurun: None,
        }
    }

    /// The same key, with what it does otherwise than Gaurun's.
    pub(super) const fn unlike_gaurun(
        self,
        was: &'static str,
        is: &'static str,
        why: &'static str,
    ) -> Self {
        Self {
            gaurun: Some(Difference { was, is, why }),
            ..self
        }
    }
}
