//! The file as TOML: typed values by key, and everything that is wrong with them.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::cmp::Ordering;
use std::fmt::Display;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::credential;
use super::key::{Allowed, Key, NumberDefault};
use super::names::{UnknownName, Verdict};
use super::problem::{ConfigError, Place, Problem, Shown, Warning};

/// A parsed file whose values are being taken out.
///
/// A value that is not allowed is noted as a problem and read as its default, so that one reading
/// finds every problem; [`Document::finish`] then says whether there was one.
pub(super) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    table: DeTable<'t>,
    /// systemd's directory of credentials.
    credentials: Option<PathBuf>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl<'t> Document<'t> {
    /// Parses `text` and checks that every name in it is known.
    ///
    /// # Errors
    ///
    /// All syntax errors, if it is not TOML.
    pub(super) fn parse(file: &'t str, text: &'t str) -> Result<Self, ConfigError> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let errors = errors.iter().take(PROBLEMS_MAX);
            let problems = errors.map(|error| syntax_problem(text, error)).collect();
            return Err(ConfigError {
                file: file.to_owned(),
                problems,
            });
        }
        let table = table.into_inner();
        let mut document = Self {
            file,
            text,
            table,
            credentials: None,
            problems: vec![],
            warnings: vec![],
        };
        let unknown = UnknownName::all(&document.table);
        // One more than are noted, so that the excess is.
        for name in unknown.iter().take(PROBLEMS_MAX.saturating_add(1)) {
            let place = Some(place(text, name.offset));
            match name.verdict() {
                Verdict::Refused(text) => document.note(place, text),
                Verdict::NoEffect(text) => {
                    let source = file.to_owned();
                    document.warnings.push(Warning {
                        source,
                        place,
                        text,
                    });
                }
            }
        }
        Ok(document)
    }

    /// The value of a flag.
    pub(super) fn flag(&mut self, key: &'static Key) -> bool {
        let default = matches!(key.allowed, Allowed::Flag { default: true });
        match self.value(key) {
            None => default,
            Some(value) => value.as_ref().as_bool().unwrap_or_else(|| {
                self.refuse(key);
                default
            }),
        }
    }

    /// The value of a number, or its default if it has one.
    pub(super) fn number(&mut self, key: &'static Key) -> Option<u64> {
        let Allowed::Number {
            default, min, max, ..
        } = &key.allowed
        else {
            return None;
        };
        let default = match default {
            NumberDefault::Is(default) => Some(*default),
            NumberDefault::Absent { .. } => None,
        };
        let Some(value) = self.value(key) else {
            return default;
        };
        match integer(value.as_ref()) {
            Some(number) if (*min..=*max).contains(&number) => Some(number),
            _ => {
                self.refuse(key);
                default
            }
        }
    }

    /// The value of a string; `None` if it is absent or empty and has no default.
    pub(super) fn text(&mut self, key: &'static Key) -> Option<String> {
        let default = match key.allowed {
            Allowed::Text { default, .. } if !default.is_empty() => Some(default.to_owned()),
            _ => None,
        };
        let Some(value) = self.value(key) else {
            return default;
        };
        match value.as_ref().as_str() {
            None => {
                self.refuse(key);
                default
            }
            Some("") => default,
            Some(text) if text.contains(char::is_control) => {
                self.refuse_because(key, "it must not hold control characters");
                default
            }
            Some(text) => Some(text.to_owned()),
        }
    }

    /// From now on, [`Document::file`] finds what `credential:NAME` names in that directory.
    pub(super) fn find_credentials_in(&mut self, directory: Option<PathBuf>) {
        self.credentials = directory;
    }

    /// The path of a key file or certificate, which may be `credential:NAME`; `None` if it is
    /// absent or empty.
    pub(super) fn file(&mut self, key: &'static Key) -> Option<PathBuf> {
        let text = self.text(key)?;
        let Some(name) = credential::name(&text) else {
            return Some(PathBuf::from(text));
        };
        match credential::path(name, self.credentials.as_deref()) {
            Ok(path) => Some(path),
            Err(reason) => {
                self.refuse_because(key, reason);
                // The key is not absent; to say that too would mislead.
                Some(PathBuf::from(text))
            }
        }
    }

    /// Whether the file gives the key a value, if only an empty one.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.value(key).is_some()
    }

    /// Whether the file gives the key a string that is not empty.
    pub(super) fn has_text(&self, key: &Key) -> bool {
        self.value(key)
            .and_then(|value| value.as_ref().as_str())
            .is_some_and(|text| !text.is_empty())
    }

    /// Whether the file gives the key an empty string.
    pub(super) fn is_empty_text(&self, key: &Key) -> bool {
        self.value(key).and_then(|value| value.as_ref().as_str()) == Some("")
    }

    /// The whole number that the file gives the key, whatever its range.
    pub(super) fn any_number(&self, key: &Key) -> Option<u64> {
        integer(self.value(key)?.as_ref())
    }

    /// Notes that the key's value is not what it may be.
    pub(super) fn refuse(&mut self, key: &Key) {
        self.refuse_because(key, format_args!("must be {}", key.range_text()));
    }

    /// Notes that the key's value cannot be used, and why.
    pub(super) fn refuse_because(&mut self, key: &Key, reason: impl Display) {
        let text = match self.shown(key) {
            Some(value) => format!("{} = {value}: {reason}", key.path()),
            None => format!("{}: {reason}", key.path()),
        };
        let place = self.place(key);
        self.note(place, text);
    }

    /// Notes something that no key of the file is the place of.
    pub(super) fn refuse_whole(&mut self, text: impl Into<String>) {
        self.note(None, text.into());
    }

    /// Notes that the key's value does something else than it seems to.
    pub(super) fn warn(&mut self, key: &Key, text: impl Display) {
        let text = match self.shown(key) {
            Some(value) => format!("{} = {value}: {text}", key.path()),
            None => format!("{}: {text}", key.path()),
        };
        let (source, place) = (self.file.to_owned(), self.place(key));
        self.warnings.push(Warning {
            source,
            place,
            text,
        });
    }

    /// Warns of the first of these keys that the file gives a string, if any.
    pub(super) fn warn_first(&mut self, keys: &[&Key], text: &str) {
        if let Some(key) = keys.iter().find(|key| self.has_text(key)) {
            self.warn(key, text);
        }
    }

    /// Notes that what the command line says does something else than it seems to.
    pub(super) fn warn_flag(&mut self, text: String) {
        self.warnings.push(Warning {
            source: "command line".to_owned(),
            place: None,
            text,
        });
    }

    /// The value, if no problem was found, and the warnings.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Vec<Warning>), ConfigError> {
        match value {
            Some(value) if self.problems.is_empty() => {
                self.warnings.sort_by_key(|warning| warning.place);
                Ok((value, self.warnings))
            }
            _ => {
                self.problems
                    .sort_by_key(|problem| (problem.place.is_none(), problem.place));
                Err(ConfigError {
                    file: self.file.to_owned(),
                    problems: self.problems,
                })
            }
        }
    }

    fn value(&self, key: &Key) -> Option<&Spanned<DeValue<'t>>> {
        self.table
            .get(key.section)?
            .as_ref()
            .as_table()?
            .get(key.name)
    }

    fn place(&self, key: &Key) -> Option<Place> {
        self.value(key)
            .map(|value| place(self.text, value.span().start))
    }

    /// The key's value as the file spells it, unless it is a secret.
    fn shown(&self, key: &Key) -> Option<String> {
        let value = self.value(key)?;
        match key.allowed {
            Allowed::Secret => Some("(not shown)".to_owned()),
            _ => Some(Shown(self.text.get(value.span())?).to_string()),
        }
    }

    /// Notes a problem, unless it is known (a key may be read twice) or there are too many.
    fn note(&mut self, place: Option<Place>, text: String) {
        if self
            .problems
            .iter()
            .any(|known| (known.place, &known.text) == (place, &text))
        {
            return;
        }
        match self.problems.len().cmp(&PROBLEMS_MAX) {
            Ordering::Less => self.problems.push(Problem { place, text }),
            Ordering::Equal => {
                let text = "there are more problems than these".to_owned();
                self.problems.push(Problem { place: None, text });
            }
            Ordering::Greater => {}
        }
    }
}

/// The message of a syntax error, without the line, which may hold a secret.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().map(|span| place(text, span.start));
    Problem {
        place,
        text: format!("not valid TOML: {}", Shown(error.message())),
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The place of an octet of the text.
pub(super) fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before
        .rfind('\n')
        .map_or(0, |newline| newline.saturating_add(1));
    let line = before
        .bytes()
        .filter(|octet| *octet == b'\n')
        .count()
        .saturating_add(1);
    let column = before
        .get(line_start..)
        .unwrap_or("")
        .chars()
        .count()
        .saturating_add(1);
    Place { line, column }
}

/// Problems that are remembered: more than anyone mends in one go, and each costs a walk through
/// the text for its line.
pub(super) const PROBLEMS_MAX: usize = 100;
