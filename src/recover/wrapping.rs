//! Lines of a push log that a log collector has wrapped into lines of its own.
//!
//! Pure: no file, no clock.
//!
//! A collector wraps all lines of a file alike, so a file has one wrapping or none: that of its
//! first line in which one of a push log is found. Callers choose messages and tokens, and so could
//! write what looks like a line; therefore nothing is taken out of a line that is a push log's
//! itself, nor from anywhere but where a collector puts a whole line.

use std::borrow::Cow;

use serde::Deserialize;

/// How the lines of a file are wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// Each is a text in a JSON object, under that name.
    Member(MemberName),
    /// Each stands behind when, where and by whom it was written: by that program, if it is said.
    Head(Box<str>),
}

/// Where collectors put the line that they have read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberName {
    /// `log`: Docker's json-file, Fluent Bit.
    Log,
    /// `MESSAGE`: `journalctl -o json`.
    Journald,
    /// `message`: Fluentd, Vector, Logstash.
    Message,
}

/// What is under a wrapping.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unwrapped<'a> {
    /// This line.
    Line(Cow<'a, [u8]>),
    /// Another program's.
    OfAnother,
    /// It is not wrapped so.
    Nothing,
}

/// A collector's object, as far as it may have the line.
#[derive(Default, Deserialize)]
struct CollectorMembers<'a> {
    #[serde(borrow)]
    log: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "MESSAGE")]
    journald: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

impl Wrapping {
    /// The wrappings that this line may have.
    pub(super) fn of(line: &[u8]) -> impl Iterator<Item = Self> {
        let names = [MemberName::Log, MemberName::Journald, MemberName::Message];
        let is_object = line.starts_with(b"{");
        let members = names.into_iter().filter(move |_| is_object);
        let behind = behind_head(line).filter(|_| !is_object);
        let head = behind.map(|(program, _)| Self::Head(program.into()));
        members.map(Self::Member).chain(head)
    }

    /// What is under it.
    pub(super) fn unwrap<'a>(&self, line: &'a [u8]) -> Unwrapped<'a> {
        match self {
            Self::Member(name) => {
                let members: CollectorMembers<'a> =
                    serde_json::from_slice(line).unwrap_or_default();
                let text = match name {
                    MemberName::Log => members.log,
                    MemberName::Journald => members.journald,
                    MemberName::Message => members.message,
                };
                text.map_or(Unwrapped::Nothing, |text| {
                    Unwrapped::Line(match text {
                        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end().as_bytes()),
                        Cow::Owned(text) => Cow::Owned(text.trim_end().as_bytes().to_vec()),
                    })
                })
            }
            Self::Head(program) => match behind_head(line) {
                Some((by, line)) if *by == **program => Unwrapped::Line(Cow::Borrowed(line)),
                Some(_) => Unwrapped::OfAnother,
                None => Unwrapped::Nothing,
            },
        }
    }
}

/// The program that a line's head names, and what is behind the head: a JSON object.
///
/// The forms are those of syslog files (RFC 3164, RFC 5424, and with the time of RFC 3339), which
/// `journalctl` prints too; of Kubernetes' container logs; of `docker compose logs` and
/// `docker logs -t`.
fn behind_head(line: &[u8]) -> Option<(&str, &[u8])> {
    let at = line.iter().take(HEAD_MAX).position(|byte| *byte == b'{')?;
    let (head, behind) = line.split_at_checked(at)?;
    let head = str::from_utf8(head).ok()?.strip_suffix(' ')?;
    let mut words = [""; WORDS_MAX];
    let mut count = 0;
    for word in head.split_ascii_whitespace() {
        *words.get_mut(count)? = word;
        count += 1;
    }
    let program = match words.get(..count)? {
        [month, day, time, _, tag] if is_date(month, day) && is_clock(time) => tagged(tag)?,
        [time, _, tag] if is_rfc3339(time) && tag.ends_with(':') => tagged(tag)?,
        [version, time, _, program, _, _, "-"] if is_5424(version) && is_rfc3339(time) => program,
        // Of the rest of a line that was cut in parts it says P.
        [time, "stdout" | "stderr", "F"] | [time] if is_rfc3339(time) => "",
        [container, "|"] => container,
        _ => return None,
    };
    Some((program, behind))
}

/// The program in `program[17]:` or `program:`.
fn tagged(tag: &str) -> Option<&str> {
    let tag = tag.strip_suffix(':')?;
    Some(match tag.split_once('[') {
        Some((program, pid)) if pid.ends_with(']') => program,
        _ => tag,
    })
}

/// `Nov` and `3`, with a syslog's priority before them or not.
fn is_date(month: &str, day: &str) -> bool {
    let month = without_priority(month);
    let is_day = (1..=2).contains(&day.len()) && day.bytes().all(|byte| byte.is_ascii_digit());
    MONTHS.contains(&month) && is_day
}

/// `<14>1`
fn is_5424(version: &str) -> bool {
    version.starts_with('<') && without_priority(version) == "1"
}

fn without_priority(word: &str) -> &str {
    let behind = word.strip_prefix('<').and_then(|it| it.split_once('>'));
    behind.map_or(word, |(_, behind)| behind)
}

/// `08:48:18`
fn is_clock(text: &str) -> bool {
    has_form(text, b"00:00:00") && text.len() == 8
}

/// `2026-11-22T08:48:18`, with what says its fraction and zone behind it.
fn is_rfc3339(text: &str) -> bool {
    has_form(text, b"0000-00-00T00:00:00")
}

/// Whether a text begins so, a digit in the place of each 0.
fn has_form(text: &str, form: &[u8]) -> bool {
    let begin = text.as_bytes().get(..form.len());
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    begin.is_some_and(|begin| begin.iter().zip(form).all(fits))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Words of the longest of these heads.
const WORDS_MAX: usize = 7;

/// Our limit: bytes in which a head has its end.
const HEAD_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose line is found under the first wrapping of `line` that has one, and which it is.
    fn under(line: &str) -> Option<(Wrapping, String)> {
        Wrapping::of(line.as_bytes()).find_map(|wrapping| {
            let Unwrapped::Line(inner) = wrapping.unwrap(line.as_bytes()) else {
                return None;
            };
            let inner = String::from_utf8(inner.into_owned()).unwrap();
            Some((wrapping, inner))
        })
    }

    #[test]
    fn what_collectors_write_is_unwrapped() {
        let json = r#"{"level":"error"}"#;
        let text = r#"{\"level\":\"error\"}"#;
        let head = |program: &str| Wrapping::Head(program.into());
        for (line, wrapping) in [
            (
                format!(r#"{{"log":"{text}\n","stream":"stdout","time":"2026-11-22T08:48:18Z"}}"#),
                Wrapping::Member(MemberName::Log),
            ),
            (
                format!(r#"{{"__CURSOR":"s=1","MESSAGE":"{text}","_PID":"17"}}"#),
                Wrapping::Member(MemberName::Journald),
            ),
            (
                format!(r#"{{"@timestamp":"2026-11-22","message":"{text}","tags":["a"]}}"#),
                Wrapping::Member(MemberName::Message),
            ),
            (
                format!("Nov  2 08:48:18 host sterna[17]: {json}"),
                head("sterna"),
            ),
            (
                format!("<14>Nov 22 08:48:18 host gaurun: {json}"),
                head("gaurun"),
            ),
            (
                format!("2026-11-22T08:48:18.123456+01:00 host sterna[17]: {json}"),
                head("sterna"),
            ),
            (
                format!("<14>1 2026-11-22T08:48:18Z host sterna 17 - - {json}"),
                head("sterna"),
            ),
            (
                format!("2026-11-22T08:48:18.123456789Z stderr F {json}"),
                head(""),
            ),
            (format!("2026-11-22T08:48:18.123456789Z {json}"), head("")),
            (format!("push-1  | {json}"), head("push-1")),
        ] {
            let found = under(&line);
            assert_eq!(found, Some((wrapping, json.to_owned())), "{line}");
        }
    }

    #[test]
    fn what_no_collector_writes_is_not() {
        let json = r#"{"level":"error"}"#;
        for line in [
            "",
            "{",
            json,
            &format!("[{json}]"),
            &format!(r#"{{"text":"{}"}}"#, json.replace('"', "\\\"")),
            &format!(r#"{{"message":{json}}}"#),
            &format!(r#"{{"MESSAGE":[1,2],"x":{json}}}"#),
            &format!("sterna: {json}"),
            &format!("GET /{json}"),
            &format!("Nov 22 08:48:18 host sterna[17]: got {json}"),
            &format!("Nov 22 08:48:18 host sterna[17]:{json}"),
            &format!("Nox 22 08:48:18 host sterna[17]: {json}"),
            &format!("Nov 22 8:48:18 host sterna[17]: {json}"),
            &format!("2026-11-22T08:48:18Z stdout P {json}"),
            &format!("2026-11-22 08:48:18 host sterna: {json}"),
            &format!("{}{json}", "a ".repeat(HEAD_MAX)),
        ] {
            assert_eq!(under(line), None, "{line}");
        }
    }

    #[test]
    fn lines_of_other_programs_are_told_apart() {
        let wrapping = Wrapping::Head("sterna".into());
        let of = |line: &str| match wrapping.unwrap(line.as_bytes()) {
            Unwrapped::Line(_) => "ours",
            Unwrapped::OfAnother => "another's",
            Unwrapped::Nothing => "nothing",
        };
        assert_eq!(of("Nov 22 08:48:18 host sterna[9]: {}"), "ours");
        assert_eq!(of("Nov 22 08:48:18 host nginx[9]: {}"), "another's");
        assert_eq!(of("-- Boot 0 --"), "nothing");
    }
}
