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

/// Whether a text may be a condition: it names some topics, and not too many.
pub(super) fn is_condition(text: &str) -> bool {
    (1..=MAX_CONDITION_TOPICS).contains(&text.matches(" in topics").count())
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
    matches!(key, "from" | "message_type") || key.starts_with("google.") || key.starts_with("gcm.")
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
            &["", "/topics/news", &"a".repeat(901)],
        );
        check(
            is_condition,
            &["'a' in topics", "'a' in topics && 'b' in topics"],
            &["", "a", &"'a' in topics || ".repeat(6)],
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
            &["from", "message_type", "google.x", "gcm.x"],
            &["", "From", "googles", "gcm", "message", "collapse_key"],
        );
    }
}
