//! A page as `man` reads it.
//!
//! Pure. Characters that roff takes for its own, or for other ones than a shell does, are escaped:
//! what is copied out of a page can be run.

use std::fmt::Write as _;

use super::markdown::{Block, Face, Mark, Text};

/// The page of this name and section.
pub(super) fn page(name: &str, section: u8, blocks: &[Block]) -> String {
    let name = escaped(name);
    let version = escaped(env!("CARGO_PKG_VERSION"));
    let mut page = format!(".TH \"{name}\" {section} \"\" \"Sterna {version}\" \"Sterna\"\n");
    for block in blocks {
        // A string takes whatever is written.
        let _written = match block {
            Block::Title(text) => {
                let text = running(text);
                let about = text
                    .split_once(": ")
                    .map_or(text.as_str(), |(_, about)| about);
                writeln!(page, ".SH NAME\n{name} \\- {about}")
            }
            Block::Heading { is_part, text } => {
                let request = if *is_part { "SS" } else { "SH" };
                writeln!(page, ".{request} \"{}\"", running(text))
            }
            Block::Paragraph { depth, mark, text } => {
                let text = running(text);
                let text = match mark {
                    Mark::Nothing if *depth == 0 => format!(".PP\n{text}"),
                    Mark::Nothing => format!(".IP \"\" 4\n{text}"),
                    Mark::Bullet => format!(".IP \"\\(bu\" 4\n{text}"),
                    Mark::Number(number) => format!(".IP \"{number}.\" 4\n{text}"),
                    Mark::Term(term) => format!(".TP\n{}\n{text}", running(term)),
                };
                nested(&mut page, *depth, &text)
            }
            Block::Verbatim { depth, text } => {
                let lines: Vec<String> = text.lines().map(line).collect();
                let text = format!(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE", lines.join("\n"));
                nested(&mut page, depth.saturating_add(1), &text)
            }
        };
    }
    page
}

/// What stands in a list within a list is set in by each outer one.
fn nested(page: &mut String, depth: usize, text: &str) -> std::fmt::Result {
    let outer = depth.saturating_sub(1);
    let (set_in, set_out) = (".RS 4\n".repeat(outer), ".RE\n".repeat(outer));
    write!(page, "{set_in}{text}\n{set_out}")
}

/// Text with its faces, a line of input for each of its own.
fn running(text: &Text) -> String {
    let spans = text.iter().map(|span| {
        let text = escaped(&span.text);
        match span.face {
            Face::Plain => text,
            Face::Bold => format!("\\fB{text}\\fR"),
            Face::Italic => format!("\\fI{text}\\fR"),
        }
    });
    let whole: String = spans.collect();
    let lines: Vec<String> = whole.split('\n').map(guarded).collect();
    lines.join("\n.br\n")
}

/// A line that is shown as it is.
fn line(text: &str) -> String {
    guarded(&escaped(text))
}

/// A line of text that roff would take for a request has a character of no width before it.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line.to_owned()
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped += "\\e",
            '-' => escaped += "\\-",
            '"' => escaped += "\\(dq",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '^' => escaped += "\\(ha",
            '~' => escaped += "\\(ti",
            _ => escaped.push(character),
        }
    }
    escaped
}
