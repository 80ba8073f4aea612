//! Rows of a CSV file (RFC 4180): commas, quotation marks, and line ends of either kind.

use std::io::{self, Read};

use super::input_text::{BadRecord, InputText, NOT_UTF8};

/// The fields of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CsvRow {
    text: String,
    /// Where each field ends in the text.
    ends: Vec<usize>,
}

impl CsvRow {
    /// So many fields.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field of that number, from 0.
    pub(super) fn field(&self, number: usize) -> &str {
        let begin = number
            .checked_sub(1)
            .and_then(|before| self.ends.get(before).copied())
            .unwrap_or_default();
        let end = self.ends.get(number).copied().unwrap_or_default();
        self.text.get(begin..end).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Takes the fields of a row's text, which has no line end behind it.
    fn read(&mut self, mut text: &str) -> Result<(), &'static str> {
        self.clear();
        loop {
            if let Some(quoted) = text.strip_prefix('"') {
                text = self.read_quoted(quoted)?;
            } else {
                let end = memchr::memchr(b',', text.as_bytes()).unwrap_or(text.len());
                let (field, rest) = text.split_at_checked(end).unwrap_or((text, ""));
                self.text.push_str(field);
                text = rest;
            }
            self.end_field();
            match text.strip_prefix(',') {
                Some(rest) => text = rest,
                None if text.is_empty() => return Ok(()),
                None => return Err("text stands behind a closing quotation mark"),
            }
        }
    }

    /// Takes what stands up to the closing quotation mark; what stands behind it.
    fn read_quoted<'a>(&mut self, mut text: &'a str) -> Result<&'a str, &'static str> {
        loop {
            let (part, rest) = text.split_once('"').ok_or(UNCLOSED)?;
            self.text.push_str(part);
            match rest.strip_prefix('"') {
                Some(rest) => {
                    self.text.push('"');
                    text = rest;
                }
                None => return Ok(rest),
            }
        }
    }
}

/// Takes the next row that is not empty, and says where it begins; `None` at the end. Behind
/// one whose quotation marks are wrong the next one begins at the line after its first.
pub(super) fn next_row<R: Read>(
    text: &mut InputText<R>,
    row: &mut CsvRow,
) -> io::Result<Option<Result<u64, BadRecord>>> {
    loop {
        let line = text.line();
        // Not more is looked at than a row may have: each line may begin one that does not end.
        let unused = text.unused();
        let looked = unused.get(..=ROW_MAX).unwrap_or(unused);
        let is_all = text.is_at_end() && looked.len() == unused.len();
        let found = end_of_row(looked, is_all);
        let end = match found {
            RowEnd::At(end) if end <= ROW_MAX => end,
            RowEnd::Unclosed | RowEnd::Unknown if looked.len() <= ROW_MAX && !is_all => {
                text.read_on()?;
                continue;
            }
            _ => {
                text.pass_line()?;
                let why = match found {
                    RowEnd::Unclosed => UNCLOSED,
                    _ => "the row is too long",
                };
                return Ok(Some(Err(BadRecord { line, why })));
            }
        };
        if end == 0 {
            return Ok(None);
        }
        let bytes = text.unused().get(..end).unwrap_or_default();
        let content = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        match str::from_utf8(content).map(|content| (content.is_empty(), row.read(content))) {
            Ok((true, _)) => text.pass(end),
            Ok((false, Ok(()))) => {
                text.pass(end);
                return Ok(Some(Ok(line)));
            }
            Ok((false, Err(why))) => {
                // A quotation mark too many may have made it longer than it is.
                text.pass_line()?;
                return Ok(Some(Err(BadRecord { line, why })));
            }
            Err(_) => {
                text.pass(end);
                let why = NOT_UTF8;
                return Ok(Some(Err(BadRecord { line, why })));
            }
        }
    }
}

/// Where a row ends.
enum RowEnd {
    /// Behind so many bytes, its line end among them.
    At(usize),
    /// Not before what is there ends, at which a quotation mark is open.
    Unclosed,
    /// Not before what is there ends.
    Unknown,
}

fn end_of_row(bytes: &[u8], is_all: bool) -> RowEnd {
    let mut at = 0;
    // A quotation mark opens a field at its begin only: elsewhere it is an inch.
    let mut begins = 0;
    let mut is_open = false;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let found = if is_open {
            memchr::memchr(b'"', rest)
        } else {
            memchr::memchr3(b'"', b',', b'\n', rest)
        };
        let Some(found) = found.map(|found| at + found) else {
            return match (is_open, is_all) {
                (true, _) => RowEnd::Unclosed,
                (false, true) => RowEnd::At(bytes.len()),
                (false, false) => RowEnd::Unknown,
            };
        };
        at = found + 1;
        match bytes.get(found) {
            Some(b'\n') => return RowEnd::At(at),
            Some(b',') => begins = at,
            _ if is_open => {
                if bytes.get(at) == Some(&b'"') {
                    at += 1;
                } else if at == bytes.len() && !is_all {
                    return RowEnd::Unknown;
                } else {
                    is_open = false;
                }
            }
            _ => is_open = found == begins,
        }
    }
}

/// What is said of a row whose quotation mark is not closed.
pub(super) const UNCLOSED: &str = "a quotation mark is not closed";

/// Our limit: bytes of a row.
pub(super) const ROW_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row, in brackets and with its line, or what is wrong with it.
    fn rows(bytes: &[u8]) -> Vec<String> {
        let mut told = Vec::new();
        // Whole, and in small parts.
        for part in [usize::MAX, 1 + bytes.len() / 100] {
            let mut text = InputText::begin(Parts { bytes, part }).unwrap();
            let mut row = CsvRow::default();
            let mut rows = Vec::new();
            while let Some(found) = next_row(&mut text, &mut row).unwrap() {
                rows.push(match found {
                    Ok(line) => {
                        let fields: Vec<_> = (0..row.len()).map(|at| row.field(at)).collect();
                        format!("{line} {fields:?}")
                    }
                    Err(bad) => format!("{} {}", bad.line, bad.why),
                });
            }
            assert_eq!(text.used(), bytes.len() as u64);
            told.push(rows);
        }
        assert_eq!(told.first(), told.last());
        told.pop().unwrap()
    }

    struct Parts<'a> {
        bytes: &'a [u8],
        part: usize,
    }

    impl Read for Parts<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = into.len().min(self.part);
            self.bytes.read(&mut into[..most])
        }
    }

    #[test]
    fn rows_are_read_as_rfc_4180_has_them() {
        for (text, expected) in [
            ("", vec![]),
            ("a,b\n", vec![r#"1 ["a", "b"]"#]),
            ("a,b", vec![r#"1 ["a", "b"]"#]),
            ("\u{feff}a\r\nb\r\n", vec![r#"1 ["a"]"#, r#"2 ["b"]"#]),
            ("\n\r\n\na\n\n", vec![r#"4 ["a"]"#]),
            (",\n", vec![r#"1 ["", ""]"#]),
            ("\"a,\"\"b\"\"\",c\n", vec![r#"1 ["a,\"b\"", "c"]"#]),
            (
                "\"a\r\nb\",\"\"\nc,d\n",
                vec![r#"1 ["a\r\nb", ""]"#, r#"3 ["c", "d"]"#],
            ),
            ("5\" tall,\"6\"\"\"\n", vec![r#"1 ["5\" tall", "6\""]"#]),
            ("é,\"ü\"\n", vec![r#"1 ["é", "ü"]"#]),
        ] {
            assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_used_costs_no_other() {
        for (bytes, expected) in [
            (
                &b"a\n\xff,b\nc\n"[..],
                [r#"1 ["a"]"#, "2 it is not UTF-8", r#"3 ["c"]"#],
            ),
            (
                b"a\n\"b\"x,y\nc\n",
                [
                    r#"1 ["a"]"#,
                    "2 text stands behind a closing quotation mark",
                    r#"3 ["c"]"#,
                ],
            ),
            (
                b"a\n\"b,c\nd,\"e\"\n",
                [
                    r#"1 ["a"]"#,
                    "2 text stands behind a closing quotation mark",
                    r#"3 ["d", "e"]"#,
                ],
            ),
            (
                b"a\n\"b,c\nd,e",
                [
                    r#"1 ["a"]"#,
                    "2 a quotation mark is not closed",
                    r#"3 ["d", "e"]"#,
                ],
            ),
        ] {
            assert_eq!(rows(bytes), expected);
        }
    }

    #[test]
    fn a_row_has_a_limit_and_an_open_quotation_mark_costs_its_line() {
        let long = "x".repeat(ROW_MAX - 1);
        assert_eq!(rows(format!("{long}\na\n").as_bytes()).len(), 2);
        let over = format!("{long}xx\na\n");
        assert_eq!(
            rows(over.as_bytes()),
            ["1 the row is too long", r#"2 ["a"]"#]
        );
        let open = format!("\"b\n{}a\n", "c,d\n".repeat(20_000));
        let read = rows(open.as_bytes());
        assert_eq!(read[0], "1 a quotation mark is not closed");
        assert_eq!(read[1], r#"2 ["c", "d"]"#);
        assert_eq!(read.len(), 20_002);
    }
}
