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

/// One thing that keeps a configuration from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, unless it is about something that is not there.
    pub place: Option<Position>,
    /// The line there.
    pub excerpt: Option<Excerpt>,
    /// Key, value and what would be allowed, in one line.
    pub text: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// One that is about no place of the file. What follows a `; ` is the help.
    pub(super) fn whole(text: &str) -> Self {
        let (text, help) = with_help(text);
        Self {
            place: None,
            excerpt: None,
            text,
            help,
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
    /// The file's name.
    pub file: String,
    /// At least one, in the file's order, those without a place last.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(super) fn whole(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            problems: vec![Problem::whole(text)],
        }
    }
}

/// One line for each problem, `file:line:column: text`, as compilers write them.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write_at(
                f,
                &self.file,
                problem.place,
                &problem.text,
                problem.help.as_deref(),
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Something in a usable configuration that may not do what its writer expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file's name, or the command line.
    pub source: String,
    /// Where in the file.
    pub place: Option<Position>,
    /// The line there.
    pub excerpt: Option<Excerpt>,
    /// Key, value and what happens instead, in one line.
    pub text: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether it is told at whatever `log.level`.
    pub is_always_told: bool,
}

/// `file:line:column: text`
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(
            f,
            &self.source,
            self.place,
            &self.text,
            self.help.as_deref(),
        )
    }
}

/// One line.
pub(super) fn write_at(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    place: Option<Position>,
    text: &str,
    help: Option<&str>,
) -> fmt::Result {
    write!(f, "{}", Shown(file))?;
    if let Some(Position { line, column }) = place {
        write!(f, ":{line}:{column}")?;
    }
    write!(f, ": {text}")?;
    match help {
        Some(help) => write!(f, "; {help}"),
        None => Ok(()),
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
