//! What a compiler would print of a mistake in the file: text, place, line, caret, help.

use std::fmt::{self, Write};

use super::problem::{Diagnostic, Position, Severity, Shown};
use crate::texts::escaped;

/// Whether escape sequences may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// None at all.
    Plain,
    /// Those for colours.
    Colour,
}

impl Severity {
    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\u{1b}[1;31m",
            Self::Warning => "\u{1b}[1;33m",
            Self::Note => "\u{1b}[1;32m",
        }
    }
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

const BOLD: &str = "\u{1b}[1m";
const BLUE: &str = "\u{1b}[1;34m";
const OFF: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests;
