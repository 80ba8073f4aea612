//! What a compiler would print of a mistake in the file: text, place, line, caret, help.

use std::fmt::{self, Write};

use super::excerpt::Excerpt;
use super::problem::{ConfigError, Position, Shown, Warning, write_at};
use crate::texts::escaped;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but may not do what its writer expects.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// Its name, as it stands before the text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\u{1b}[1;31m",
            Self::Warning => "\u{1b}[1;33m",
            Self::Note => "\u{1b}[1;32m",
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

/// Whether escape sequences may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// None at all.
    Plain,
    /// Those for colours.
    Colour,
}

impl Diagnostic {
    /// Some lines, the last of them ended.
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        // Writing to a text cannot fail.
        let _written = self.write(style, &mut out);
        out
    }

    fn write(&self, style: Style, out: &mut String) -> fmt::Result {
        let paint = |colour: &'static str| match style {
            Style::Plain => "",
            Style::Colour => colour,
        };
        let (bold, blue, off) = (paint(BOLD), paint(BLUE), paint(OFF));
        let (severity, colour) = (self.severity.name(), paint(self.severity.colour()));
        let text = escaped(&self.text, char::is_control);
        writeln!(out, "{colour}{severity}{off}{bold}: {text}{off}")?;
        let number = self.place.map_or(0, |place| place.line).to_string();
        let gutter = " ".repeat(number.len());
        write!(out, "{gutter}{blue}-->{off} {}", Shown(&self.file))?;
        if let Some(Position { line, column }) = self.place {
            write!(out, ":{line}:{column}")?;
        }
        out.write_char('\n')?;
        if let (Some(excerpt), Some(_)) = (&self.excerpt, self.place) {
            let line = excerpt.line.trim_end();
            let (space, caret) = (" ".repeat(excerpt.before), "^".repeat(excerpt.width));
            writeln!(out, "{gutter} {blue}|{off}")?;
            let first = if line.is_empty() { "" } else { " " };
            writeln!(out, "{blue}{number} |{off}{first}{line}")?;
            writeln!(out, "{gutter} {blue}|{off} {space}{colour}{caret}{off}")?;
        }
        if let Some(help) = &self.help {
            let help = escaped(help, char::is_control);
            writeln!(out, "{gutter} {blue}={off} {bold}help{off}: {help}")?;
        }
        Ok(())
    }
}

/// `file:line:column: text; help`, for logs that have a line for each.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, &self.file, self.place, &self.text, self.help.as_deref())
    }
}

impl ConfigError {
    /// Its problems, each to be shown with its line.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let problems = self.problems.iter();
        problems
            .map(|problem| Diagnostic {
                severity: Severity::Error,
                file: self.file.clone(),
                place: problem.place,
                excerpt: problem.excerpt.clone(),
                text: problem.text.clone(),
                help: problem.help.clone(),
            })
            .collect()
    }
}

impl Warning {
    /// It, to be shown with its line.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            file: self.source.clone(),
            place: self.place,
            excerpt: self.excerpt.clone(),
            text: self.text.clone(),
            help: self.help.clone(),
        }
    }
}

const BOLD: &str = "\u{1b}[1m";
const BLUE: &str = "\u{1b}[1;34m";
const OFF: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests;
