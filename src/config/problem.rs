//! What is wrong, or only surprising, in a configuration.

use std::fmt;

use super::excerpt::{Excerpt, visible};
use crate::pasted;

/// Where a file says something: both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line of the file.
    pub line: usize,
    /// Column of the line.
    pub column: usize,
}

/// How bad what is said of a configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but may not do what its writer expects.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The severity's name, as it stands before the text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing to be said of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file's name, or the command line.
    pub file: String,
    /// Where in the file.
    pub place: Option<Position>,
    /// The line there.
    pub excerpt: Option<Excerpt>,
    /// Key, value and what is wrong.
    pub text: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something about no place of the file. What follows a `; ` is the help.
    pub(super) fn whole(severity: Severity, file: &str, sentence: &str) -> Self {
        let (text, help) = with_help(sentence);
        Self {
            severity,
            file: file.to_owned(),
            place: None,
            excerpt: None,
            text,
            help,
        }
    }
}

/// `file:line:column: text; help`, for logs that have a line for each.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.file))?;
        if let Some(Position { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Takes a sentence apart at its first `; `: what is wrong, and what to do.
pub(super) fn with_help(sentence: &str) -> (String, Option<String>) {
    match sentence.split_once("; ") {
        Some((text, help)) => (text.to_owned(), Some(help.to_owned())),
        None => (sentence.to_owned(), None),
    }
}

/// Why there is no configuration: every problem that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one, in the file's order, those without a place last.
    pub problems: Vec<Diagnostic>,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(super) fn whole(file: &str, text: &str) -> Self {
        Self {
            problems: vec![Diagnostic::whole(Severity::Error, file, text)],
        }
    }
}

/// One line for each problem, `file:line:column: text`, as compilers write them.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Something in a usable configuration that may not do what its writer expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What there is to say, of the file or the command line.
    pub diagnostic: Diagnostic,
    /// Whether it is told at whatever `log.level`.
    pub is_always_told: bool,
}

/// `file:line:column: text`
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

/// Text from outside, as a message shows it: as [`Cut`], and not at all if it is a key.
pub(super) struct Shown<'t>(pub(super) &'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cut(pasted::shown(self.0)).fmt(f)
    }
}

/// Text that is known to be no key: on one line, without control characters, not long.
pub(super) struct Cut<'t>(pub(super) &'t str);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, character) in self.0.chars().enumerate() {
            if count == VALUE_SHOWN_MAX {
                return f.write_str("…");
            }
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else if visible(character).is_none() {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Characters of a name or value that a message repeats: enough to recognise it by.
pub(super) const VALUE_SHOWN_MAX: usize = 200;
