//! What a caller has done wrong, in words: where in a body, what was expected there, and what is
//! there.
//!
//! Pure: no I/O, no clock. Only a body that could not be read is read a second time for that, since
//! the first reading keeps no account of where it is. What is shown of a body is short and, as far
//! as can be told, none of a secret; logs show none of its texts.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

mod reading;

use super::keyless::Keyless;
use super::keys::MAX_KEY;
use super::request::{FIELDS, names, text_of};
use crate::count;
use crate::pasted::{self, NOT_SHOWN};
use crate::texts::{self, reference};
use reading::{BODY, Fault, Form, Step, ValueShape, What};

/// Why nothing of a request is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// For the caller.
    pub answer: String,
    /// For logs.
    pub log: String,
    /// What all requests with the same mistake have in common.
    pub kind: String,
}

impl Mistake {
    /// A body that cannot be read; `error` is what its reader has said.
    pub(super) fn in_body(body: &[u8], error: &serde_json::Error, keyless: &Keyless<'_>) -> Self {
        let place = |line, column| format!(", at line {line} column {column}");
        Self::placed(body, error, keyless, place)
    }

    /// The same of a body that its caller has not sent as it is here: places in it tell nothing.
    pub(super) fn in_translated(
        body: &[u8],
        error: &serde_json::Error,
        keyless: &Keyless<'_>,
    ) -> Self {
        Self::placed(body, error, keyless, |_, _| String::new())
    }

    fn placed(
        body: &[u8],
        error: &serde_json::Error,
        keyless: &Keyless<'_>,
        shown: impl Fn(usize, usize) -> String,
    ) -> Self {
        let text = text_of(body);
        let Fault { path, what } = reading::find(&text).unwrap_or(Fault {
            // Text after the JSON value may be a fault, too.
            path: Vec::new(),
            what: What::Syntax,
        });
        let (at, complaint) = match what {
            What::Value(expected, rest) => {
                let at = text.len().saturating_sub(rest.len());
                (at, Complaint::of_value(expected, rest, keyless))
            }
            What::Syntax => {
                let instead = path.is_empty().then(|| instead_of_json(&text)).flatten();
                instead.unwrap_or_else(|| {
                    let at = offset(&text, error.line(), error.column());
                    (at, Complaint::of_syntax(error, &text, at))
                })
            }
        };
        let (line, column) = place(&text, at);
        let pointer = pointer(&path, keyless);
        let told = |there| {
            let told = complaint.told(there, &shown(line, column));
            format!("{pointer}: {told}")
        };
        let kind = format!(
            "{}: {}",
            kind_of(&path),
            complaint.told(&complaint.kind, "")
        );
        Self {
            answer: told(&complaint.there),
            log: told(&complaint.there_in_logs),
            kind,
        }
    }

    /// A request without a body.
    pub(super) fn no_body() -> Self {
        let expected = BODY.expected;
        Self::of_all(format!(
            "{WHOLE}: {expected} was expected, and there is nothing"
        ))
    }

    /// A body without notifications. `are_named` if their name is there; else `instead` is the name
    /// of what may have been meant for them.
    pub(super) fn no_notifications(are_named: bool, instead: Option<&str>) -> Self {
        let is_near = |name: &str| texts::nearest(name, ["notifications"].into_iter()).is_some();
        let is_field = |name: &str| FIELDS.iter().any(|field| names(name, field)) && !is_near(name);
        let (why, kind) = match instead {
            _ if are_named => ("\"notifications\" has none".to_owned(), "none"),
            None => ("\"notifications\" is missing".to_owned(), "missing"),
            Some(name) if is_field(name) => {
                let place = format!("{{\"notifications\":[{{{name:?}:…}}]}}");
                let why = format!("{name:?} is a field of a notification, as in {place}");
                (why, "a field of one")
            }
            Some(name) => {
                let why = format!("{name:?} is no field, \"notifications\" is");
                (why, "another name")
            }
        };
        Self {
            // Callers choose names.
            kind: format!("no notifications: {kind}"),
            ..Self::of_all(format!("no notifications: {why}"))
        }
    }

    /// A body that has names beside the notifications, where all that is ignored is an error.
    pub(super) fn beside(pointers: &[String], omitted: usize) -> Self {
        let more = match omitted {
            0 => String::new(),
            more => format!(" and {}", count::of(more, "other", "others")),
        };
        let listed = pointers.join(", ");
        Self {
            // Callers choose names.
            kind: "unknown fields beside the notifications".to_owned(),
            ..Self::of_all(format!("{listed}{more}: no field beside the notifications"))
        }
    }

    fn of_all(text: String) -> Self {
        Self {
            answer: text.clone(),
            log: text.clone(),
            kind: text,
        }
    }
}

/// A sentence in its parts, less where it is.
struct Complaint {
    what: String,
    /// What stands there; empty if nothing is to be said of it.
    there: String,
    there_in_logs: String,
    /// What kind of thing it is.
    kind: String,
    advice: &'static str,
}

impl Complaint {
    /// A value of another form than was expected, at the begin of `rest`.
    fn of_value(expected: &ValueShape, rest: &str, keyless: &Keyless<'_>) -> Self {
        let value = reading::value(rest).unwrap_or_default();
        let inner = |open| {
            let inner = rest.strip_prefix(open).unwrap_or_default();
            inner.trim_ascii_start()
        };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let mut wanted = expected.expected;
        let mut advice = "";
        let mut is_text = false;
        let (there, kind) = match rest.chars().next() {
            Some('{') => {
                let name = reading::value(inner('{')).unwrap_or_default();
                let name = name.trim_matches('"');
                // An empty one has no name.
                if is_number(name) && matches!(expected.form, Form::Array(_) | Form::Texts) {
                    advice = LIST;
                }
                let kind = if inner('{').starts_with('}') {
                    "an empty object"
                } else {
                    "an object"
                };
                (kind.to_owned(), kind)
            }
            Some('[') if inner('[').starts_with(']') => {
                if matches!(expected.form, Form::Object(_)) {
                    advice = EMPTY;
                }
                ("an empty array".to_owned(), "an empty array")
            }
            Some('[') => ("an array".to_owned(), "an array"),
            Some('"') => {
                let text: String = serde_json::from_str(value).unwrap_or_default();
                match expected.form {
                    Form::Integer | Form::Platform => advice = UNQUOTED,
                    Form::Flag => advice = BARE,
                    Form::Object(_) | Form::Array(_) | Form::Texts
                        if text.starts_with(['{', '[']) =>
                    {
                        advice = TWICE;
                    }
                    _ => {}
                }
                is_text = !reads_as_number_or_flag(&text);
                let text = excerpt(&text, keyless);
                (format!("the string {text:?}"), "a string")
            }
            Some('t' | 'f') => (value.to_owned(), "true or false"),
            _ => {
                match expected.form {
                    Form::Integer if is_number(value.trim_start_matches('-')) => {
                        wanted = "an integer of 64 bits";
                    }
                    Form::Integer | Form::Platform | Form::Word => advice = WHOLE_NUMBER,
                    Form::Text => advice = IN_QUOTES,
                    Form::Flag => advice = BARE,
                    _ => {}
                }
                let number = excerpt(value, keyless);
                (format!("the number {number}"), "a number")
            }
        };
        // A text may be one that no log may have, as may be what stands where one belongs.
        let is_shown =
            !is_text && matches!(expected.form, Form::Integer | Form::Platform | Form::Flag);
        Self {
            what: format!("{wanted} was expected"),
            there_in_logs: if is_shown { &*there } else { kind }.to_owned(),
            there,
            kind: kind.to_owned(),
            advice,
        }
    }

    /// What is no JSON, at an offset of the text.
    fn of_syntax(error: &serde_json::Error, text: &str, at: usize) -> Self {
        let reason = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = reason.strip_suffix(&*place).unwrap_or(&reason);
        let next = text.get(at..).and_then(|rest| rest.chars().next());
        let (what, there, advice) = if error.is_eof() {
            let what = format!("the JSON ends too early ({reason})");
            (what, String::new(), "was the body cut off?")
        } else if error.is_data() {
            // No other reading has found that: what it quotes may be anything.
            ("a value was not expected".to_owned(), String::new(), "")
        } else {
            let there = match next {
                Some(char::REPLACEMENT_CHARACTER) => "what is not UTF-8".to_owned(),
                Some(next) => format!("{:?}", next.to_string()),
                None => String::new(),
            };
            let is_bare = next == Some('\'') || reason.starts_with("key must be");
            let advice = if is_bare { DOUBLE_QUOTES } else { "" };
            (format!("this is no JSON ({reason})"), there, advice)
        };
        Self {
            what,
            there,
            there_in_logs: String::new(),
            kind: String::new(),
            advice,
        }
    }

    fn told(&self, there: &str, place: &str) -> String {
        let mut told = self.what.clone();
        if !there.is_empty() {
            told.push_str(", and there is ");
            told.push_str(there);
        }
        told.push_str(place);
        if !self.advice.is_empty() {
            told.push_str("; ");
            told.push_str(self.advice);
        }
        told
    }
}

/// What comes in the place of JSON, and where it begins.
fn instead_of_json(text: &str) -> Option<(usize, Complaint)> {
    let begin = text.trim_start();
    let is_of_name = |at: char| at.is_ascii_alphanumeric() || "%_.[]+-".contains(at);
    let value = begin.trim_start_matches(is_of_name);
    let is_form = value.len() < begin.len() && value.starts_with('=');
    let (there, advice) = match begin.chars().next() {
        None => ("nothing", ""),
        Some('-') if begin.contains("form-data") => ("a multipart form", FORM),
        _ if is_form => ("a form", FORM),
        Some('\u{feff}') => ("a byte order mark", "JSON begins without one"),
        // What is not UTF-8 has been replaced.
        _ if PACKED.iter().any(|packed| begin.starts_with(packed)) => {
            ("compressed data", "POST /push takes JSON as it is")
        }
        _ if begin.chars().take(4).any(|at| at == '\0') => ("UTF-16 or UTF-32", "JSON is UTF-8"),
        _ => return None,
    };
    let complaint = Complaint {
        what: format!("{} was expected", BODY.expected),
        there: there.to_owned(),
        there_in_logs: there.to_owned(),
        kind: there.to_owned(),
        advice,
    };
    Some((text.len().saturating_sub(begin.len()), complaint))
}

/// The begin of a text as a message may show it.
fn excerpt(text: &str, keyless: &Keyless<'_>) -> String {
    // A key that begins in what is shown has its end in this.
    let most = SHOWN_MAX.saturating_add(MAX_KEY);
    let begin = texts::first(text, most);
    if pasted::is_content(begin) {
        return NOT_SHOWN.to_owned();
    }
    let quoted = pasted::quoted(&keyless.text(begin), most);
    texts::shortened(&quoted, SHOWN_MAX).into_owned()
}

/// Whether a text is a number or a flag in quotation marks: what is shown of it is no device token
/// and none of a message.
fn reads_as_number_or_flag(text: &str) -> bool {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    matches!(text, "true" | "false" | "null")
        || (text.len() <= NUMBER_MAX && text.bytes().all(is_of_number))
}

/// The JSON pointer (RFC 6901).
fn pointer(path: &[Step], keyless: &Keyless<'_>) -> String {
    if path.is_empty() {
        return WHOLE.to_owned();
    }
    let steps = path.iter().map(|step| match step {
        Step::Item(place) => format!("/{place}"),
        Step::Field(name) | Step::Other(name) => format!("/{}", reference(&keyless.text(name))),
    });
    steps.collect()
}

/// The pointer of all places of the kind.
fn kind_of(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Item(_) => "/0".to_owned(),
        // Go folds it, too.
        Step::Field(name) => format!("/{}", name.to_lowercase().replace('ſ', "s")),
        Step::Other(_) => "/…".to_owned(),
    });
    steps.collect()
}

/// The byte that the reader means by a line and a column.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before = line.saturating_sub(2);
    let begin = if line < 2 {
        0
    } else {
        let mut ends = text.match_indices('\n');
        ends.nth(before).map_or(0, |(end, _)| end.saturating_add(1))
    };
    // Column 0 is the end of the line before.
    let at = begin.saturating_add(column).saturating_sub(1);
    let mut here = (0..=at.min(text.len())).rev();
    here.find(|at| text.is_char_boundary(*at))
        .unwrap_or_default()
}

/// Line and column of a byte, from 1, the column in characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let lines = before.matches('\n').count();
    (
        lines.saturating_add(1),
        line.chars().count().saturating_add(1),
    )
}

/// The place of a fault that is none of a value in the body.
const WHOLE: &str = "the body";

const LIST: &str = "PHP makes an object of an array unless its keys are 0, 1, 2, …, as \
                    array_values() makes them, and with JSON_FORCE_OBJECT of each";
const EMPTY: &str = "PHP makes that of an empty array; new stdClass is an empty object";
const UNQUOTED: &str = "a number stands without quotation marks; PHP writes it so after (int)";
const WHOLE_NUMBER: &str = "an integer has no point and no exponent; PHP writes it so after (int)";
const IN_QUOTES: &str = "a string stands in quotation marks; PHP writes it so after (string), \
                         and without JSON_NUMERIC_CHECK";
const BARE: &str = "PHP writes that so after (bool)";
const DOUBLE_QUOTES: &str = "names and strings stand in double quotation marks";
const TWICE: &str = "that is JSON within a string: was it encoded twice?";
const FORM: &str = "POST /push takes JSON, as PHP's json_encode() writes it";

/// Characters of the longest number that a field takes, a sign among them.
const NUMBER_MAX: usize = 20;

/// How gzip, zlib and Zstandard begin, as far as it is UTF-8.
const PACKED: [&str; 4] = [
    "\u{1f}\u{fffd}",
    "x\u{fffd}",
    "x\u{1}",
    "(\u{fffd}/\u{fffd}",
];

/// Our limit: characters of a body that a message shows.
const SHOWN_MAX: usize = 32;

#[cfg(test)]
mod tests;
