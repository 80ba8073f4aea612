//! The file as TOML: typed values by key, and everything that is wrong with them.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

mod apps;
mod forks;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::credential;
use super::excerpt::{self, Excerpt};
use super::key::{Allowed, Key, NumberDefault};
use super::keys::{FCM_V1, GAURUN, SECTIONS};
use super::names::{UnknownName, Verdict};
use super::problem::{ConfigError, Cut, Diagnostic, Position, Severity, Shown, Warning, with_help};
use crate::pasted::{self, NO_KEY_HERE, NOT_SHOWN};
use crate::texts::{toml_list, toml_string};

/// A parsed file whose values are being taken out.
///
/// A value that is not allowed is noted as a problem and read as its default, so that one reading
/// finds every problem; [`Document::finish`] then says whether there was one.
pub(super) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    table: DeTable<'t>,
    /// All keys that a file may have.
    known: &'static [&'static Key],
    /// The app whose sections are being taken, if not the default one's.
    app: Option<String>,
    /// systemd's directory of credentials.
    credentials: Option<PathBuf>,
    /// Whether credentials have to be named, and to be there.
    needs_credentials: bool,
    /// Whether there is something of that name.
    is_there: fn(&Path) -> bool,
    /// What of the text no message may show.
    hidden: Vec<Range<usize>>,
    /// Names that earlier versions of Gaurun had, and where they are.
    gauruns: Vec<(Range<usize>, String)>,
    problems: Vec<Diagnostic>,
    warnings: Vec<Warning>,
}

impl<'t> Document<'t> {
    /// Parses `text` and checks that every name in it is `known`. What is no name of a file that
    /// `is_there` is not shown where one has to be.
    ///
    /// # Errors
    ///
    /// All syntax errors, if it is not TOML.
    pub(super) fn parse(
        file: &'t str,
        text: &'t str,
        is_there: fn(&Path) -> bool,
        known: &'static [&'static Key],
    ) -> Result<Self, ConfigError> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let errors = errors.iter().take(PROBLEMS_MAX);
            let problems = errors
                .map(|error| syntax_problem((file, text), error, known))
                .collect();
            return Err(ConfigError { problems });
        }
        let table = table.into_inner();
        let mut document = Self {
            file,
            text,
            hidden: excerpt::hidden(&table, is_there, known),
            table,
            known,
            app: None,
            credentials: None,
            needs_credentials: true,
            is_there,
            gauruns: vec![],
            problems: vec![],
            warnings: vec![],
        };
        let unknown = UnknownName::all(&document.table, known);
        // One more than are noted, so that the excess is.
        for name in unknown.iter().take(PROBLEMS_MAX.saturating_add(1)) {
            let span = Some(name.offset..name.end);
            match name.verdict(known) {
                Verdict::Refused(text, help) => document.note(span.as_ref(), text, Some(help)),
                Verdict::Empty(text) => document.note_warning(span.as_ref(), text, None),
                Verdict::NoEffect(text) => {
                    document
                        .gauruns
                        .extend(span.clone().map(|span| (span, name.path())));
                    document.note_warning(span.as_ref(), text, None);
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
        let Some(text) = value.as_ref().as_str() else {
            self.refuse(key);
            return default;
        };
        if text.is_empty() {
            return default;
        }
        let control = || text.contains(char::is_control).then(|| CONTROL.into());
        if let Some(reason) = self.pasted(key, text).or_else(control) {
            self.refuse_because(key, reason);
            return default;
        }
        Some(text.to_owned())
    }

    /// The mode of a file, of which these bits are needed; `None` if it is absent or empty and has
    /// no default.
    pub(super) fn mode(&mut self, key: &'static Key, needed: u32) -> Option<u32> {
        let text = self.text(key)?;
        let mode = u32::from_str_radix(&text, 8).ok();
        // Signs are not octal digits, whatever the parser says.
        let is_mode = |mode: &u32| *mode <= 0o777 && !text.starts_with('+');
        let mode = mode.filter(|mode| is_mode(mode) && mode & needed == needed);
        if mode.is_none() {
            self.refuse(key);
        }
        mode
    }

    /// A list of up to `most` strings that all fit; empty if it is absent.
    pub(super) fn list(
        &mut self,
        key: &'static Key,
        most: usize,
        fits: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let texts = strings(value.as_ref()).filter(|texts| texts.len() <= most);
        if let Some(texts) = texts
            && texts.iter().all(|text| fits(text))
        {
            return texts.into_iter().map(str::to_owned).collect();
        }
        self.refuse(key);
        Vec::new()
    }

    /// From now on, [`Document::file`] finds what `credential:NAME` names in the environment's
    /// directory.
    pub(super) fn look_around(&mut self, environment: &Environment) {
        self.credentials
            .clone_from(&environment.credentials_directory);
        self.needs_credentials = environment.needs_credentials;
    }

    /// Whether a credential that is not named is a problem.
    pub(super) fn needs_credentials(&self) -> bool {
        self.needs_credentials
    }

    /// Why a text is not to be used as the key's value, and not to be shown, if it is a key or a
    /// token itself.
    fn pasted(&self, key: &Key, text: &str) -> Option<Cow<'static, str>> {
        if matches!(key.allowed, Allowed::Secret) {
            return None;
        }
        if !key.names_a_file() {
            let is_content = pasted::is_content(text);
            return is_content.then(|| must_be(key).into());
        }
        let credential = credential::name(text);
        if credential.is_none() && key.names_a_credential() {
            return pasted::why_no_file(text, Path::new(text), self.is_there).map(Cow::from);
        }
        let path = credential.zip(self.credentials.as_deref());
        let path = path.map_or_else(|| PathBuf::from(text), |(name, dir)| dir.join(name));
        let why = pasted::why_no_path(text, &path, self.is_there)?;
        let is_for_keys = key.names_a_credential();
        Some(Cow::from(if is_for_keys { why } else { NO_KEY_HERE }))
    }

    /// The path of a key file or certificate, which may be `credential:NAME`; `None` if it is
    /// absent or empty.
    pub(super) fn file(&mut self, key: &'static Key) -> Option<PathBuf> {
        if !self.needs_credentials {
            // Nobody opens it, and nobody says where it is.
            return self.has_text(key).then(|| PathBuf::from(NOT_SHOWN));
        }
        let pasted = self.written(key).and_then(|text| self.pasted(key, text));
        if let Some(reason) = pasted {
            self.refuse_because(key, reason);
            // The key is not absent; to say that too would mislead.
            return Some(PathBuf::from(NOT_SHOWN));
        }
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

    /// Whether this very path is what the file gives the key.
    pub(super) fn says(&self, key: &Key, path: &Path) -> bool {
        self.written(key)
            .is_some_and(|text| Path::new(text) == path)
    }

    /// Whether the file has a name that only Gaurun had; the first of them is told.
    pub(super) fn assume_gaurun(&mut self, key: &Key) -> bool {
        let only_gauruns = self.known.iter().filter(|key| key.is_only_gauruns());
        let known = only_gauruns.filter_map(|key| {
            let span = self.span(key)?;
            Some((span, key.path()))
        });
        let retired = self.gauruns.iter().cloned();
        let first = known.chain(retired).min_by_key(|(span, _)| span.start);
        let Some((span, path)) = first else {
            return false;
        };
        let text = format!(
            "{} = {GAURUN:?} is assumed, since only Gaurun had {path}",
            key.path()
        );
        let help = format!(
            "write that below [{}], or \"\" for Sterna's own answers to callers",
            key.section
        );
        self.note_warning(Some(&span), text, Some(help));
        if let Some(warning) = self.warnings.last_mut() {
            warning.is_always_told = true;
        }
        true
    }

    /// Whether the file gives the key a value, if only an empty one.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.value(key).is_some()
    }

    /// Whether the file gives the key a string that is not empty.
    pub(super) fn has_text(&self, key: &Key) -> bool {
        self.written(key).is_some_and(|text| !text.is_empty())
    }

    /// Whether the file gives the key an empty string.
    pub(super) fn is_empty_text(&self, key: &Key) -> bool {
        self.written(key) == Some("")
    }

    /// The whole number that the file gives the key, whatever its range.
    pub(super) fn any_number(&self, key: &Key) -> Option<u64> {
        integer(self.value(key)?.as_ref())
    }

    /// Whether the key's value is a secret, or one that was put there by mistake.
    pub(super) fn hides(&self, key: &Key) -> bool {
        let hidden = |value: &Spanned<DeValue<'_>>| {
            let value = value.as_ref();
            let is_no_file = |text| excerpt::is_no_file_of(key, text, self.is_there);
            excerpt::holds_key(value) || value.as_str().is_some_and(is_no_file)
        };
        matches!(key.allowed, Allowed::Secret) || self.value(key).is_some_and(hidden)
    }

    /// The key's value as the file spells it, all of it and on one line.
    pub(super) fn spelt(&self, key: &Key) -> Option<String> {
        let value = self.value(key)?;
        match (value.as_ref().as_str(), &key.allowed) {
            _ if self.hides(key) => Some(NOT_SHOWN.to_owned()),
            (Some(text), _) => Some(toml_string(text)),
            (None, Allowed::List { .. }) => Some(toml_list(&strings(value.as_ref())?)),
            (None, _) => Some(Cut(self.text.get(value.span())?).to_string()),
        }
    }

    /// Whether the file has any section that is known, or a fork's.
    pub(super) fn has_section(&self) -> bool {
        let mut known = SECTIONS.iter().map(|(section, _)| *section).chain([FCM_V1]);
        known.any(|section| self.table.contains_key(section))
    }

    /// What the file says of a flag, if it is one.
    pub(super) fn bare_flag(&self, key: &Key) -> Option<bool> {
        self.value(key)?.as_ref().as_bool()
    }

    /// Notes that the key's value is not what it may be.
    pub(super) fn refuse(&mut self, key: &Key) {
        self.refuse_because(key, must_be(key));
    }

    /// Notes that the key's value cannot be used, and why.
    pub(super) fn refuse_because(&mut self, key: &Key, reason: impl Display) {
        let (text, help) = self.about(key, reason);
        self.note(self.span(key).as_ref(), text, help);
    }

    /// Notes something that no key of the file is the place of.
    pub(super) fn refuse_whole(&mut self, text: impl AsRef<str>) {
        let (text, help) = with_help(text.as_ref());
        self.note(None, text, help);
    }

    /// Notes that the key's value does something else than it seems to.
    pub(super) fn warn(&mut self, key: &Key, text: impl Display) {
        let (text, help) = self.about(key, text);
        self.note_warning(self.span(key).as_ref(), text, help);
    }

    /// Warns of the first of these keys that the file gives a string, if any.
    pub(super) fn warn_first(&mut self, keys: &[&Key], text: &str) {
        if let Some(key) = keys.iter().find(|key| self.has_text(key)) {
            self.warn(key, text);
        }
    }

    /// Notes that what the command line says does something else than it seems to.
    pub(super) fn warn_flag(&mut self, text: String) {
        let mut diagnostic = self.diagnostic(Severity::Warning, None, text, None);
        "command line".clone_into(&mut diagnostic.file);
        self.warnings.push(Warning {
            diagnostic,
            is_always_told: false,
        });
    }

    /// What was found: the problems and the warnings, in the file's order.
    pub(super) fn findings(mut self) -> (Vec<Diagnostic>, Vec<Warning>) {
        self.warnings
            .sort_by_key(|warning| warning.diagnostic.place);
        self.problems
            .sort_by_key(|problem| (problem.place.is_none(), problem.place));
        (self.problems, self.warnings)
    }

    fn value(&self, key: &Key) -> Option<&Spanned<DeValue<'t>>> {
        self.section_table(key)?.get(key.name)
    }

    /// The string that the file gives the key, if it is one.
    fn written(&self, key: &Key) -> Option<&str> {
        self.value(key)?.as_ref().as_str()
    }

    fn span(&self, key: &Key) -> Option<Range<usize>> {
        self.value(key).map(Spanned::span)
    }

    fn diagnostic(
        &self,
        severity: Severity,
        span: Option<&Range<usize>>,
        text: String,
        help: Option<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            file: self.file.to_owned(),
            place: span.map(|span| place(self.text, span.start)),
            excerpt: span.map(|span| Excerpt::of(self.text, span, &self.hidden)),
            text,
            help,
        }
    }

    /// Something to be said of a key's value, where it stands.
    pub(super) fn said(&self, severity: Severity, key: &Key, sentence: impl Display) -> Diagnostic {
        let (text, help) = self.about(key, sentence);
        self.diagnostic(severity, self.span(key).as_ref(), text, help)
    }

    /// Key, value and a sentence about them, and what that advises.
    fn about(&self, key: &Key, sentence: impl Display) -> (String, Option<String>) {
        let (sentence, help) = with_help(&sentence.to_string());
        let text = match self.shown(key) {
            Some(value) => format!("{} = {value}: {sentence}", self.path(key)),
            None => format!("{}: {sentence}", self.path(key)),
        };
        (text, help)
    }

    /// The key's value as the file spells it, unless it is a secret.
    fn shown(&self, key: &Key) -> Option<String> {
        let value = self.value(key)?;
        if self.hides(key) {
            return Some(NOT_SHOWN.to_owned());
        }
        Some(Cut(self.text.get(value.span())?).to_string())
    }

    fn note_warning(&mut self, span: Option<&Range<usize>>, text: String, help: Option<String>) {
        let diagnostic = self.diagnostic(Severity::Warning, span, text, help);
        self.warnings.push(Warning {
            diagnostic,
            is_always_told: false,
        });
    }

    /// Notes a problem, unless it is known (a key may be read twice) or there are too many.
    fn note(&mut self, span: Option<&Range<usize>>, text: String, help: Option<String>) {
        let problem = self.diagnostic(Severity::Error, span, text, help);
        if self.problems.contains(&problem) {
            return;
        }
        match self.problems.len().cmp(&PROBLEMS_MAX) {
            Ordering::Less => self.problems.push(problem),
            Ordering::Equal => {
                let text = "there are more problems than these";
                let problem = Diagnostic::whole(Severity::Error, self.file, text);
                self.problems.push(problem);
            }
            Ordering::Greater => {}
        }
    }
}

/// What is said of a value that a key cannot have.
fn must_be(key: &Key) -> String {
    format!("must be {}", key.range_text())
}

/// The message of a syntax error; of its line only what cannot be a secret.
fn syntax_problem(
    (file, text): (&str, &str),
    error: &toml::de::Error,
    known: &[&Key],
) -> Diagnostic {
    let span = error.span();
    Diagnostic {
        severity: Severity::Error,
        file: file.to_owned(),
        place: span.as_ref().map(|span| place(text, span.start)),
        excerpt: span
            .as_ref()
            .map(|span| Excerpt::of_broken(text, span, known)),
        text: format!("not valid TOML: {}", Shown(error.message())),
        help: None,
    }
}

/// The strings of a list that holds nothing else.
fn strings<'v>(value: &'v DeValue<'_>) -> Option<Vec<&'v str>> {
    let values = value.as_array()?.iter();
    values.map(|value| value.as_ref().as_str()).collect()
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The place of a byte of the text.
pub(super) fn place(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before
        .rfind('\n')
        .map_or(0, |newline| newline.saturating_add(1));
    let line = before
        .bytes()
        .filter(|byte| *byte == b'\n')
        .count()
        .saturating_add(1);
    let column = before
        .get(line_start..)
        .unwrap_or("")
        .chars()
        .count()
        .saturating_add(1);
    Position { line, column }
}

const CONTROL: &str = "it must not hold control characters";

/// Problems that are remembered: more than anyone mends in one go, and each costs a walk through
/// the text for its line.
pub(super) const PROBLEMS_MAX: usize = 100;
