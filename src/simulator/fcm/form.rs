//! The forms of single values: durations, colours, labels, names.

/// The longest life of a message: 28 days.
const MAX_TTL_SECS: u64 = 2_419_200;
/// Characters of a topic's name.
const MAX_TOPIC: usize = 900;
/// Topics in one condition.
const MAX_CONDITION_TOPICS: usize = 5;
/// Characters of an analytics label.
const MAX_LABEL: usize = 50;
/// Our limit: bytes of a registration token; Google names none.
const MAX_TOKEN: usize = 4_096;

/// The whole seconds of a Duration: digits, up to nine decimals, `s`.
pub(super) fn duration_secs(text: &str) -> Option<u64> {
    let number = text.strip_suffix('s')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let legal = digits(whole) && digits(decimals) && decimals.len() <= 9;
    legal.then(|| whole.parse().ok()).flatten()
}

/// Whether a Duration's text lies in a message's range of life.
pub(super) fn is_ttl(text: &str) -> bool {
    let above = |secs| {
        text.strip_suffix('s')
            .is_some_and(|text| text.parse() == Ok(secs))
    };
    // 2419200s itself is allowed, 2419200.5s is not.
    match duration_secs(text) {
        Some(MAX_TTL_SECS) => !text.contains('.') || above(2_419_200.0),
        Some(secs) => secs < MAX_TTL_SECS,
        None => false,
    }
}

/// Whether a text is `#rrggbb`.
pub(super) fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text is an analytics label.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && is_name(text)
}

/// Whether a text is a topic's bare name.
pub(super) fn is_topic(text: &str) -> bool {
    text.len() <= MAX_TOPIC && is_name(text)
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}

/// Whether a text is a condition: `'a' in topics`, a few of them, joined by `&&` and `||`, with `!`
/// and parentheses.
pub(super) fn is_condition(text: &str) -> bool {
    let (mut rest, mut topics, mut depth, mut is_complete) = (text.trim_ascii(), 0, 0_usize, false);
    while !rest.is_empty() {
        let Some((part, behind)) = condition_part(rest) else {
            return false;
        };
        rest = behind.trim_ascii_start();
        match (part, is_complete) {
            (ConditionPart::Not, false) => {}
            (ConditionPart::Open, false) => depth += 1,
            (ConditionPart::Topic, false) => (topics, is_complete) = (topics + 1, true),
            (ConditionPart::Close, true) if depth > 0 => depth -= 1,
            (ConditionPart::And | ConditionPart::Or, true) => is_complete = false,
            _ => return false,
        }
    }
    is_complete && depth == 0 && topics <= MAX_CONDITION_TOPICS
}

/// A part of a condition.
#[derive(Clone, Copy)]
enum ConditionPart {
    Not,
    Open,
    Close,
    And,
    Or,
    Topic,
}

/// The first part of a condition, and what stands behind it.
fn condition_part(text: &str) -> Option<(ConditionPart, &str)> {
    let signs = [
        ("!", ConditionPart::Not),
        ("(", ConditionPart::Open),
        (")", ConditionPart::Close),
        ("&&", ConditionPart::And),
        ("||", ConditionPart::Or),
    ];
    for (sign, part) in signs {
        if let Some(behind) = text.strip_prefix(sign) {
            return Some((part, behind));
        }
    }
    // The sheets have it in single quotes; which others Google takes is not written.
    let quote = ['\'', '"']
        .into_iter()
        .find(|quote| text.starts_with(*quote))?;
    let (topic, behind) = text.get(1..)?.split_once(quote)?;
    let behind = behind.trim_ascii_start().strip_prefix("in")?;
    let (space, behind) = behind.split_once("topics")?;
    let is_apart = !space.is_empty() && space.trim_ascii().is_empty();
    let ends = !behind.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
    (is_topic(topic) && is_apart && ends).then_some((ConditionPart::Topic, behind))
}

/// Whether a text has the form of a registration token: URL-safe base64 and colons.
pub(super) fn is_registration_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte);
    !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(legal)
}

/// Whether a text has the form of a Firebase installation id.
pub(super) fn is_fid(text: &str) -> bool {
    text.len() == 22
        && text.starts_with(['c', 'd', 'e', 'f'])
        && is_registration_token(text)
        && !text.contains(':')
}

/// Whether a data key belongs to Google.
pub(super) fn is_reserved(key: &str) -> bool {
    let is_word = matches!(key, "from" | "message_type");
    is_word || key.starts_with("google.") || key.starts_with("gcm.notification.")
}

#[cfg(test)]
mod tests {
    use super::{
        duration_secs, is_color, is_condition, is_fid, is_label, is_registration_token,
        is_reserved, is_topic, is_ttl,
    };

    fn check(judge: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(judge(text), "{text:?} should be good");
        }
        for text in bad {
            assert!(!judge(text), "{text:?} should be bad");
        }
    }

    #[test]
    fn durations_have_one_form() {
        check(
            |text| duration_secs(text).is_some(),
            &["0s", "3s", "3.5s", "3.123456789s", "0.0s"],
            &[
                "",
                "s",
                "3",
                "3m",
                "-1s",
                "+1s",
                ".5s",
                "3.s",
                "3.1234567890s",
                "3 s",
                "1e3s",
            ],
        );
    }

    #[test]
    fn messages_live_for_28_days_at_most() {
        check(
            is_ttl,
            &["0s", "2419200s", "2419199.9s", "2419200.0s"],
            &["2419201s", "2419200.5s"],
        );
    }

    #[test]
    fn names_and_colours() {
        check(
            is_color,
            &["#00ff00", "#ABCDEF"],
            &["", "#", "00ff00", "#00ff0", "#00ff0g"],
        );
        check(
            is_label,
            &["a", &"a".repeat(50)],
            &["", "a b", &"a".repeat(51)],
        );
        check(
            is_topic,
            &["news", "a-b_c.d~e%f"],
            &["", "/topics/news", "a b", "a!", "ä", "a'", &"a".repeat(901)],
        );
        check(
            is_condition,
            &[
                "'a' in topics",
                "'a' in topics && 'b' in topics",
                "'a' in topics && ('b' in topics || !('c-_.~%9' in  topics)) ",
                "!!'a' in topics||'b' in topics",
                &["'a' in topics"; 5].join(" || "),
            ],
            &[
                "",
                "a",
                "a in topics",
                "'a b' in topics",
                "'' in topics",
                "'a' intopics",
                "'a' in topic",
                "'a' in topicsx",
                "'a' in x topics",
                "'a in topics",
                "'a' in topics &&",
                "'a' in topics & 'b' in topics",
                "'a' in topics 'b' in topics",
                "('a' in topics",
                "'a' in topics)",
                "()",
                "! && 'a' in topics",
                &"(".repeat(100_000),
                &["'a' in topics"; 6].join(" || "),
            ],
        );
    }

    #[test]
    fn registration_tokens_and_installation_ids() {
        let long = "a".repeat(4_097);
        check(
            is_registration_token,
            &["a", "cQk3:APA91b_-"],
            &["", "a b", "a.b", "é", &long],
        );
        check(
            is_fid,
            &["c234567890123456789012"],
            &["", "g234567890123456789012", "c:34567890123456789012"],
        );
    }

    #[test]
    fn reserved_keys() {
        check(
            is_reserved,
            &[
                "from",
                "message_type",
                "google.x",
                "gcm.notification.e",
                "gcm.notification.",
            ],
            &[
                "",
                "From",
                "fromage",
                "googles",
                "gcm",
                "gcm.x",
                "gcm.notification",
                "message",
                "collapse_key",
            ],
        );
    }
}
