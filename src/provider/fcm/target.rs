//! To whom a message goes: what Google takes as a registration, a topic, or a condition of topics.

use std::borrow::Cow;

use super::check_device_token;
use crate::provider::said::SaidValue;
use crate::provider::{Fault, Targets};
use crate::push::{Native, TargetKind};

/// Longest name of a topic, in characters, as Google documents it.
pub const TOPIC_MAX: usize = 900;

/// Most topics that a condition may name, as Google documents it.
pub const CONDITION_TOPICS_MAX: usize = 5;

/// Our limit: bytes of a condition, which stands in its log line. Five of the longest topics with
/// all that goes between them are half of that.
pub const CONDITION_MAX: usize = 8192;

/// The kinds of targets that FCM has, and the fields of a message that say them.
pub(super) const NAMES: [(TargetKind, &str); 4] = [
    (TargetKind::DeviceToken, "token"),
    (TargetKind::Fid, "fid"),
    (TargetKind::Topic, "topic"),
    (TargetKind::Condition, "condition"),
];

/// The field of a message that says a target of that kind.
pub(super) fn name(kind: TargetKind) -> &'static str {
    let found = NAMES.iter().find(|(known, _)| *known == kind);
    found.map_or("token", |(_, name)| *name)
}

/// The targets that a notification names beside device tokens.
pub(super) fn named(native: &Native) -> Result<Option<Targets>, Fault> {
    let mut found: Option<Targets> = None;
    for (kind, field) in NAMES {
        let Some(said) = SaidValue::of(native, field).filter(|said| said.json() != "null") else {
            continue;
        };
        if let Some(Targets { field, .. }) = found {
            return Err(said.fault(format!("stands beside {field}: a push has one target")));
        }
        let texts = if kind == TargetKind::Fid && !said.is_text() {
            said.texts()?
        } else {
            let text = said.word()?;
            let bare = text
                .strip_prefix(TOPICS)
                .filter(|_| kind == TargetKind::Topic);
            vec![bare.map_or_else(|| text.clone(), str::to_owned)]
        };
        found = Some(Targets {
            field,
            kind,
            texts: texts.into_iter().map(Into::into).collect(),
        });
    }
    Ok(found)
}

/// What stood before a topic in Google's older interfaces, and does in its libraries.
const TOPICS: &str = "/topics/";

/// Says why a text cannot be a target of that kind, if so.
pub fn check_target(kind: TargetKind, text: &str) -> Result<(), Cow<'static, str>> {
    match kind {
        TargetKind::DeviceToken => check_device_token(text).map_err(Cow::Borrowed),
        TargetKind::Fid => check_fid(text).map_err(Cow::Borrowed),
        TargetKind::Topic => check_topic(text).map_err(Cow::Borrowed),
        TargetKind::Condition => check_condition(text),
        TargetKind::Channel => Err("FCM has no broadcast channels".into()),
    }
}

/// An installation id is 22 characters of URL-safe base64 today; of what it is made of nothing is
/// promised but that, and its length not at all.
fn check_fid(fid: &str) -> Result<(), &'static str> {
    if fid.is_empty() {
        return Err("the installation id is empty");
    }
    if fid.len() > super::DEVICE_TOKEN_MAX {
        return Err("the installation id is longer than 4096 bytes");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !fid.bytes().all(fits) {
        return Err("the installation id has a character other than letters, digits and -_");
    }
    Ok(())
}

fn check_topic(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() {
        return Err("the topic is empty");
    }
    if topic.len() > TOPIC_MAX {
        return Err("the topic is longer than 900 characters");
    }
    if !topic.bytes().all(is_of_topic) {
        return Err("the topic has a character other than letters, digits and -_.~%");
    }
    Ok(())
}

fn is_of_topic(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)
}

/// Checks a condition such as `'a' in topics && !('b' in topics || 'c' in topics)`.
///
/// By a loop, not by recursion: a caller may open any number of parentheses.
fn check_condition(text: &str) -> Result<(), Cow<'static, str>> {
    if text.len() > CONDITION_MAX {
        return Err("the condition is longer than 8192 bytes".into());
    }
    let mut rest = text;
    let mut topics = 0;
    let mut open = 0_usize;
    // Before an operand, else behind one.
    let mut wants_operand = true;
    let place = |rest: &str| text.len() - rest.len();
    let expected = |what: &str, rest: &str| -> Cow<'static, str> {
        let found = match rest.chars().next() {
            Some(c) => format!("{c:?}"),
            None => "its end".to_owned(),
        };
        format!(
            "the condition has {found} at byte {}, and must have {what} there",
            place(rest)
        )
        .into()
    };
    loop {
        rest = rest.trim_ascii_start();
        if wants_operand {
            if let Some(behind) = rest.strip_prefix('!') {
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix('(') {
                open += 1;
                rest = behind;
            } else {
                rest = topic_in(rest).ok_or_else(|| expected("'TOPIC' in topics", rest))?;
                topics += 1;
                wants_operand = false;
            }
        } else if rest.is_empty() {
            break;
        } else if let Some(behind) = rest.strip_prefix(')').filter(|_| open > 0) {
            open -= 1;
            rest = behind;
        } else {
            let behind = ["&&", "||"]
                .iter()
                .find_map(|operator| rest.strip_prefix(operator));
            rest = behind.ok_or_else(|| expected("&& or ||", rest))?;
            wants_operand = true;
        }
    }
    if open > 0 {
        return Err("the condition has a parenthesis that is not closed".into());
    }
    if topics > CONDITION_TOPICS_MAX {
        return Err(format!(
            "the condition names {topics} topics, and FCM takes at most {CONDITION_TOPICS_MAX}"
        )
        .into());
    }
    Ok(())
}

/// What stands behind `'TOPIC' in topics`, if the text begins with that.
fn topic_in(text: &str) -> Option<&str> {
    let quote = text
        .chars()
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'))?;
    let (topic, behind) = text.strip_prefix(quote)?.split_once(quote)?;
    check_topic(topic).ok()?;
    let behind = behind.trim_ascii_start().strip_prefix("in")?;
    let topics = behind.trim_ascii_start();
    let is_apart = topics.len() < behind.len();
    let behind = topics.strip_prefix("topics").filter(|_| is_apart)?;
    let goes_on = behind.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (!goes_on).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: TargetKind, text: &str) -> Result<(), String> {
        check_target(kind, text).map_err(Cow::into_owned)
    }

    #[test]
    fn a_topic_has_its_alphabet() {
        let topic = |text: &str| check(TargetKind::Topic, text);
        for good in ["news", "a", "A-_.~%09", &"t".repeat(TOPIC_MAX)] {
            assert_eq!(topic(good), Ok(()), "{good}");
        }
        for bad in ["", "/topics/news", "a b", "a!", "ä", "a'"] {
            assert!(topic(bad).is_err(), "{bad}");
        }
        let long = |len: usize| {
            let (begin, behind) = ("'a' in topics && ", "'b' in topics");
            let spaces = " ".repeat(len - begin.len() - behind.len());
            check_target(TargetKind::Condition, &format!("{begin}{spaces}{behind}"))
        };
        assert_eq!(long(CONDITION_MAX), Ok(()));
        let error = long(CONDITION_MAX + 1).unwrap_err();
        assert!(error.contains(&CONDITION_MAX.to_string()));
        let error = topic(&"t".repeat(TOPIC_MAX + 1)).unwrap_err();
        assert!(error.contains(&TOPIC_MAX.to_string()));
    }

    #[test]
    fn a_condition_is_read_as_google_reads_it() {
        let condition = |text: &str| check(TargetKind::Condition, text);
        for good in [
            "'a' in topics",
            "\"a\" in topics",
            " 'a'  in  topics && ('b' in topics || 'c' in topics) ",
            "!('a' in topics)&&!!'b' in topics",
            "'a' in topics||'b' in topics||'c' in topics||'d' in topics||'e' in topics",
            "(('a' in topics))",
        ] {
            assert_eq!(condition(good), Ok(()), "{good}");
        }
        for (bad, said) in [
            ("", "its end at byte 0"),
            (
                "a in topics",
                "'a' at byte 0, and must have 'TOPIC' in topics",
            ),
            ("'a' in topic", "'\\'' at byte 0"),
            ("'a' intopics", "'\\'' at byte 0"),
            ("'a' in topicsx", "'\\'' at byte 0"),
            ("'a b' in topics", "'\\'' at byte 0"),
            ("'a' in topics &&", "its end at byte 16"),
            (
                "'a' in topics & 'b' in topics",
                "'&' at byte 14, and must have && or || there",
            ),
            (
                "'a' in topics 'b' in topics",
                "at byte 14, and must have && or ||",
            ),
            ("('a' in topics", "a parenthesis that is not closed"),
            ("'a' in topics)", "')' at byte 13"),
            ("()", "')' at byte 1"),
            (&"(".repeat(8000), "its end at byte 8000"),
            (
                &["'a' in topics"; 6].join("||"),
                "names 6 topics, and FCM takes at most 5",
            ),
        ] {
            let error = condition(bad).unwrap_err();
            assert!(error.contains(said), "{bad:.50}: {error}");
        }
    }

    #[test]
    fn an_installation_id_is_url_safe_base64() {
        let fid = |text: &str| check(TargetKind::Fid, text);
        assert_eq!(fid("cQk3-_aB0123456789abcd"), Ok(()));
        for bad in ["", "a:b", "a b", "ä"] {
            assert!(fid(bad).is_err(), "{bad}");
        }
    }
}
