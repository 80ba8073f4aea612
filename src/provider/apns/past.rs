//! What a past line of a push log says of its device token, where it does not say `token_is`.
//!
//! Gaurun wrote sentences alone, of which [`super::ROWS`] keeps those about device tokens to the
//! letter; lines of ours have had Apple's word from the start.

use super::answer::ROWS;
use crate::provider::{PastWord, TokenEffect};

/// Reads `reason` and `error` of such a line.
pub(super) fn past_word(reason: &str, error: &str) -> Option<PastWord> {
    let (sentence, since) = match error.split_once(SINCE) {
        Some((sentence, since)) => (sentence, gone_since(since)),
        None => (error, None),
    };
    let mut rows = ROWS.iter().filter(|row| row.token != TokenEffect::Keep);
    let row = rows.find(|row| match reason {
        "" => row.meaning == sentence,
        reason => row.reason == reason,
    })?;
    Some(PastWord {
        reason: row.reason,
        token: row.token,
        gone_since_ms: since.filter(|_| row.token == TokenEffect::Dead),
    })
}

/// The time in `2020-01-01 00:00:00 +0000 UTC)`, in milliseconds since the Unix epoch; `None` if
/// there is none, which Go wrote as the year 1.
fn gone_since(text: &str) -> Option<u64> {
    let text = text.strip_suffix(" UTC)")?;
    let at = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", text).ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// What stands between the sentence and the time of a 410.
const SINCE: &str = " (last invalid at ";

#[cfg(test)]
mod tests {
    use super::*;

    /// apns.md's table: what is about device tokens, as Gaurun and as we have told it.
    #[test]
    fn every_reason_about_a_device_token_is_known_by_its_word_and_by_gauruns_sentence() {
        let since = "device token is inactive for the specified topic (last invalid at \
                     2020-01-01 00:00:00 +0000 UTC)";
        let year_1 = since.replace("2020", "0001");
        let cut = since.replace("UTC)", "U");
        let inactive = "device token is inactive for the specified topic";
        let (dead, suspect) = (TokenEffect::Dead, TokenEffect::Suspect);
        for (sentence, reason, token, gone) in [
            (since, "Unregistered", dead, Some(1_577_836_800_000)),
            (&year_1, "Unregistered", dead, None),
            (&cut, "Unregistered", dead, None),
            (inactive, "Unregistered", dead, None),
            ("unknown error: ExpiredToken", "ExpiredToken", dead, None),
            ("bad device token", "BadDeviceToken", suspect, None),
            (
                "device token does not match the specified topic",
                "DeviceTokenNotForTopic",
                suspect,
                None,
            ),
        ] {
            let expected = Some(PastWord {
                reason,
                token,
                gone_since_ms: gone,
            });
            assert_eq!(past_word("", sentence), expected, "{sentence}");
            assert_eq!(past_word(reason, sentence), expected, "{sentence}");
            let bare = expected.map(|word| PastWord {
                gone_since_ms: None,
                ..word
            });
            assert_eq!(past_word(reason, "in other words"), bare, "{reason}");
        }
    }

    #[test]
    fn no_other_word_or_sentence_is_about_a_device_token() {
        for row in ROWS.iter().filter(|row| row.token == TokenEffect::Keep) {
            assert_eq!(past_word(row.reason, row.meaning), None, "{}", row.reason);
            assert_eq!(past_word("", row.meaning), None, "{}", row.reason);
        }
        for error in [
            "",
            "EOF",
            "unknown error: ",
            "unknown error: BadCollapseId",
            "Unregistered",
            "it was a bad device token",
            "bad device token, perhaps",
            " (last invalid at 2020-01-01 00:00:00 +0000 UTC)",
            "Post \"https://api.push.apple.com/3/device/bad device token\": dial tcp",
        ] {
            assert_eq!(past_word("", error), None, "{error}");
            for ours in ["expired", "purged", "shutdown", "unanswered"] {
                assert_eq!(past_word(ours, error), None, "{ours} {error}");
            }
        }
    }
}
