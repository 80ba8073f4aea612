//! A page as plain text of 80 columns.
//!
//! Pure.

use unicode_width::UnicodeWidthStr as _;

use super::markdown::{Block, Mark, Text};

/// The page.
pub(super) fn page(blocks: &[Block]) -> String {
    let mut page = String::new();
    for block in blocks {
        if !page.is_empty() {
            page.push('\n');
        }
        match block {
            Block::Title(text)
            | Block::Heading {
                is_part: false,
                text,
            } => {
                page += &wrapped("", 0, &plain(text));
            }
            Block::Heading { text, .. } => page += &wrapped("", 2, &plain(text)),
            Block::Paragraph { depth, mark, text } => {
                let indent = indent(*depth);
                let outer = indent.saturating_sub(2);
                let text = plain(text);
                page += &match mark {
                    Mark::Nothing => wrapped("", indent, &text),
                    Mark::Bullet => wrapped(&format!("{:outer$}- ", ""), indent, &text),
                    Mark::Number(number) => {
                        wrapped(&format!("{:outer$}{number}. ", ""), indent, &text)
                    }
                    Mark::Term(term) => {
                        let term = wrapped("", indent.saturating_sub(2), &plain(term));
                        term + &wrapped("", indent.saturating_add(2), &text)
                    }
                };
            }
            Block::Verbatim { depth, text } => {
                let indent = indent(*depth).saturating_add(2);
                for line in text.lines() {
                    page += format!("{:indent$}{line}", "").trim_end();
                    page.push('\n');
                }
            }
        }
    }
    page
}

/// Lines of at most [`COLUMNS`], the first after `lead` and the others after so many blanks.
pub(super) fn wrapped(lead: &str, indent: usize, text: &str) -> String {
    let mut lines = String::new();
    let mut line = format!("{lead:indent$}");
    let mut is_empty = true;
    let mut column = line.width();
    for paragraph in text.split('\n') {
        for word in paragraph.split_whitespace() {
            let width = word.width();
            if !is_empty && column.saturating_add(width) >= COLUMNS {
                lines += &line;
                lines.push('\n');
                line = format!("{:indent$}", "");
                column = indent;
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
                column = column.saturating_add(1);
            }
            line += word;
            column = column.saturating_add(width);
            is_empty = false;
        }
        lines += line.trim_end();
        lines.push('\n');
        line = format!("{:indent$}", "");
        column = indent;
        is_empty = true;
    }
    lines
}

pub(super) fn plain(text: &Text) -> String {
    text.iter().map(|span| span.text.as_str()).collect()
}

fn indent(depth: usize) -> usize {
    depth.saturating_mul(2).saturating_add(4)
}

/// Columns of a terminal that nobody has made wider.
const COLUMNS: usize = 80;
