//! A line of the file as a message may show it: no secret, no control character, not long.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use unicode_width::UnicodeWidthChar;

use super::credential;
use super::key::{Allowed, Key};
use crate::pasted::{self, NOT_SHOWN};

/// A line of the file and what of it is meant. Columns are those of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, fit for a terminal.
    pub line: String,
    /// Columns of it before what is meant.
    pub before: usize,
    /// Columns of what is meant, at least one.
    pub width: usize,
}

impl Excerpt {
    /// Shows the line where `span` begins. `hidden` are the parts of the text that nobody may see.
    pub(super) fn of(text: &str, span: &Range<usize>, hidden: &[Range<usize>]) -> Self {
        Self::before_comment(text, span, hidden, !has_long_strings(text))
    }

    /// `quotes_hold` unless a quotation mark on the line may be one within a string.
    fn before_comment(
        text: &str,
        span: &Range<usize>,
        hidden: &[Range<usize>],
        quotes_hold: bool,
    ) -> Self {
        let line = line_around(text, span.start);
        let shown = less_comment(text.get(line.clone()).unwrap_or_default(), quotes_hold);
        let meant = span.start.saturating_sub(line.start);
        let first = first_shown(shown, meant);
        let mut view = View::default();
        if first > 0 {
            view.push(CUT, CUT_COLUMNS, false);
        }
        let mut masked = None;
        // Where a mistake has a place and no length, the caret stands below what comes next there.
        let mut at = 0;
        for (index, character) in shown.char_indices().skip_while(|(index, _)| *index < first) {
            if view.columns >= LINE_SHOWN_MAX {
                view.push(CUT, CUT_COLUMNS, false);
                break;
            }
            let offset = line.start.saturating_add(index);
            let mask = hidden.iter().position(|range| range.contains(&offset));
            let is_meant = span.contains(&offset);
            if mask.is_none() || masked != mask {
                at = view.columns;
            }
            if span.is_empty() && offset >= span.start {
                view.before.get_or_insert(at);
            }
            match mask {
                Some(mask) if masked == Some(mask) => {}
                Some(_) => view.push(NOT_SHOWN, NOT_SHOWN.len(), is_meant),
                None => view.push_character(character, is_meant),
            }
            masked = mask;
        }
        if seems_secret(&view.line) {
            // In a comment, or in the place of a key.
            let (line, width) = (NOT_SHOWN.to_owned(), NOT_SHOWN.len());
            return Self {
                line,
                before: 0,
                width,
            };
        }
        Self {
            before: view.before.unwrap_or(view.columns),
            width: view.meant.max(1),
            line: view.line,
        }
    }

    /// The same for a text that could not be read as TOML, so that it is not known what in it is
    /// secret: only what follows a key that is none is shown.
    pub(super) fn of_broken(text: &str, span: &Range<usize>, known: &[&Key]) -> Self {
        let line = line_around(text, span.start);
        let shown = text.get(line.clone()).unwrap_or_default();
        let hidden = hidden_of_broken(shown, has_long_strings(text), known);
        let begin = hidden.map(|offset| line.start.saturating_add(offset));
        let hidden: Vec<_> = begin
            .into_iter()
            .map(|begin| begin..line.end.max(begin))
            .collect();
        Self::before_comment(text, span, &hidden, false)
    }
}

fn has_long_strings(text: &str) -> bool {
    text.contains("\"\"\"") || text.contains("'''")
}

/// The line without its comment, in which anything may stand, as the value that was there before.
fn less_comment(line: &str, quotes_hold: bool) -> &str {
    let (mut quote, mut is_escaped) = (None, false);
    for (index, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') => return line.get(..index).unwrap_or_default().trim_end(),
            (None, '"' | '\'') if quotes_hold => quote = Some(character),
            (Some(open), _) if open == character && !is_escaped => quote = None,
            _ => {}
        }
        is_escaped = quote == Some('"') && character == '\\' && !is_escaped;
    }
    line
}

/// Whether a line, or a word of it, is a key.
fn seems_secret(line: &str) -> bool {
    // An escape of TOML says nothing.
    let line = line.replace('\\', " ");
    let mut words = line.split(|at: char| at.is_whitespace() || "\"'=,#{}".contains(at));
    pasted::is_content(&line) || words.any(pasted::is_secret)
}

/// The parts of a file's text that are secret, or may be: the values of all keys that are not known
/// to be none, and what is a key wherever it stands.
pub(super) fn hidden(
    table: &DeTable<'_>,
    is_there: fn(&Path) -> bool,
    known: &[&Key],
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    collect(table, (is_there, known), &mut found);
    found
}

fn collect(table: &DeTable<'_>, by: (fn(&Path) -> bool, &[&Key]), found: &mut Vec<Range<usize>>) {
    let (is_there, known) = by;
    for (name, value) in table {
        if pasted::is_secret(name.as_ref()) {
            found.push(name.span());
        }
        match value.as_ref() {
            DeValue::Table(_) | DeValue::Array(_) if names_a_secret(name.as_ref()) => {
                bury(value, found);
            }
            DeValue::Table(inner) => collect(inner, by, found),
            DeValue::Array(values) if values.iter().any(|value| value.as_ref().is_table()) => {
                let tables = values.iter().filter_map(|value| value.as_ref().as_table());
                for inner in tables {
                    collect(inner, by, found);
                }
            }
            DeValue::String(text) if names_no_file(name.as_ref(), text, is_there, known) => {
                found.push(value.span());
            }
            _ if is_open(name.as_ref(), known) && !holds_key(value.as_ref()) => {}
            value if is_plain(value) && !names_a_secret(name.as_ref()) => {}
            _ => found.push(value.span()),
        }
    }
}

/// Hides all names and values below a secret's name.
fn bury(value: &Spanned<DeValue<'_>>, found: &mut Vec<Range<usize>>) {
    match value.as_ref() {
        DeValue::Table(inner) => {
            for (name, value) in inner {
                found.push(name.span());
                bury(value, found);
            }
        }
        DeValue::Array(values) if values.iter().any(|value| value.as_ref().is_table()) => {
            values.iter().for_each(|value| bury(value, found));
        }
        _ => found.push(value.span()),
    }
}

fn names_no_file(name: &str, text: &str, is_there: fn(&Path) -> bool, known: &[&Key]) -> bool {
    let mut named = known.iter().filter(|key| key.name == name);
    named.any(|key| is_no_file_of(key, text, is_there))
}

/// Whether a text is none that may be shown as the name of the key's file.
pub(super) fn is_no_file_of(key: &Key, text: &str, is_there: fn(&Path) -> bool) -> bool {
    if key.names_a_credential() && credential::name(text).is_none() {
        return pasted::why_no_file(text, Path::new(text), is_there).is_some();
    }
    key.names_a_file() && pasted::has_lines(text)
}

/// Whether a text in a value is a key.
pub(super) fn holds_key(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => pasted::is_secret(text),
        DeValue::Array(values) => values.iter().any(|value| holds_key(value.as_ref())),
        DeValue::Table(values) => values
            .iter()
            .any(|(name, value)| pasted::is_secret(name.as_ref()) || holds_key(value.as_ref())),
        _ => false,
    }
}

/// Whether values of a key of this name may be shown. Not if it is misspelt: whoever wrote it may
/// have meant a secret's, whatever other key it resembles more.
fn is_open(name: &str, known: &[&Key]) -> bool {
    let mut named = known.iter().filter(|key| key.name == name).peekable();
    named.peek().is_some() && named.all(|key| !matches!(key.allowed, Allowed::Secret))
}

/// Whether a value is no text: of a name that is not known, a number and a flag are shown.
fn is_plain(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Boolean(_) | DeValue::Integer(_) | DeValue::Float(_) => true,
        DeValue::Array(values) => values.iter().all(|value| is_plain(value.as_ref())),
        _ => false,
    }
}

fn names_a_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// From where on a line of broken TOML is hidden, if it is.
fn hidden_of_broken(line: &str, has_long_strings: bool, known: &[&Key]) -> Option<usize> {
    let indent = line.len().saturating_sub(line.trim_start().len());
    let rest = line.trim_start();
    if has_long_strings || rest.is_empty() || seems_secret(rest) {
        // Any line may be one of a long string.
        return Some(indent);
    }
    if rest.starts_with('#') || (rest.starts_with('[') && !rest.contains('=')) {
        return None;
    }
    let name = rest
        .split(|at: char| at == '=' || at.is_whitespace())
        .next()
        .unwrap_or_default();
    let after = rest.get(name.len()..).unwrap_or_default();
    // A second key on the line may be that of a secret.
    let is_single = rest.matches('=').count() <= 1 && !names_a_secret(after);
    if is_open(name, known) && is_single {
        return None;
    }
    let bare = |at: char| at.is_ascii_alphanumeric() || "_-.".contains(at);
    // Without an equals sign behind it it may be no name, but a secret on a line of its own, and
    // with two of them the base64 of one.
    let value = after.trim_start().strip_prefix('=');
    let has_value = value.is_some_and(|value| !value.starts_with('=') && !value.is_empty());
    let is_name = name.chars().all(bare) && (has_value || known.iter().any(|key| key.name == name));
    if !is_name {
        return Some(indent);
    }
    if value.is_some_and(is_plain_text) && !names_a_secret(name) {
        return None;
    }
    let gap = after
        .find(|at: char| at != '=' && !at.is_whitespace())
        .unwrap_or(after.len());
    Some(indent.saturating_add(name.len()).saturating_add(gap))
}

/// Whether only numbers and flags stand there.
fn is_plain_text(text: &str) -> bool {
    let mut words = text.split(|at: char| at.is_whitespace() || "[],".contains(at));
    let is_number = |word: &str| {
        word.starts_with(|at: char| at.is_ascii_digit() || "+-".contains(at))
            && word.parse::<f64>().is_ok()
    };
    words.all(|word| ["", "true", "false"].contains(&word) || is_number(word))
}

/// The line that holds a byte, without its end.
fn line_around(text: &str, offset: usize) -> Range<usize> {
    let offset = offset.min(text.len());
    let start = text
        .get(..offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |newline| newline.saturating_add(1));
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.find('\n').unwrap_or(rest.len());
    let line = rest.get(..length).unwrap_or_default();
    start..start.saturating_add(line.trim_end_matches('\r').len())
}

/// The first byte of a line that is shown, if something at `meant` is to be seen.
fn first_shown(line: &str, meant: usize) -> usize {
    let is_long = line.chars().nth(LINE_SHOWN_MAX).is_some();
    let before = line.get(..meant).unwrap_or(line);
    let first = before
        .char_indices()
        .rev()
        .nth(BEFORE_SHOWN_MAX)
        .map(|(index, _)| index);
    first.filter(|_| is_long).unwrap_or(0)
}

/// What is shown so far.
#[derive(Default)]
struct View {
    line: String,
    columns: usize,
    before: Option<usize>,
    meant: usize,
}

impl View {
    fn push(&mut self, text: &str, columns: usize, is_meant: bool) {
        if is_meant {
            self.before.get_or_insert(self.columns);
            self.meant = self.meant.saturating_add(columns);
        }
        self.line.push_str(text);
        self.columns = self.columns.saturating_add(columns);
    }

    fn push_character(&mut self, character: char, is_meant: bool) {
        if character == '\t' {
            return self.push(TAB, TAB.len(), is_meant);
        }
        if let Some(columns) = visible(character) {
            self.push(character.encode_utf8(&mut [0; 4]), columns, is_meant);
        } else {
            let escaped = character.escape_unicode().to_string();
            self.push(&escaped, escaped.len(), is_meant);
        }
    }
}

/// The columns of a character; `None` for one that a terminal would not show, or obey.
pub(super) fn visible(character: char) -> Option<usize> {
    character.width().filter(|columns| *columns > 0)
}

/// Parts of names that secrets have.
const SECRET_WORDS: [&str; 5] = ["pass", "phrase", "secret", "apikey", "api_key"];
const CUT: &str = "…";
const CUT_COLUMNS: usize = 1;
const TAB: &str = "    ";
/// Columns of a line that are shown, about: what a terminal has beside the line number.
pub(super) const LINE_SHOWN_MAX: usize = 100;
/// Characters of a longer line that are shown before what is meant.
const BEFORE_SHOWN_MAX: usize = 40;

#[cfg(test)]
mod tests;
