//! What a past line of a push log says of its registration token, where it does not say
//! `token_is`.
//!
//! Gaurun wrote the word of Google's legacy API, until 2018; after that it wrote nothing at all of
//! what the answer said of the token. Lines of ours have the word of FCM, and where that may mean a
//! token or a message, the sentence tells which.

use super::answer::{ROWS, refinements};
use crate::provider::{PastWord, Row, TokenEffect};

/// The words of the legacy API, and those of FCM that took their place.
const LEGACY: [(&str, &str, TokenEffect); 3] = [
    ("NotRegistered", "UNREGISTERED", TokenEffect::Dead),
    // Of the token alone: what was wrong with the message had words of its own.
    ("InvalidRegistration", "INVALID_ARGUMENT", TokenEffect::Dead),
    (
        "MismatchSenderId",
        "SENDER_ID_MISMATCH",
        TokenEffect::Suspect,
    ),
];

/// Reads `reason` and `error` of such a line.
pub(super) fn past_word(reason: &str, error: &str) -> Option<PastWord> {
    let (reason, token) = if reason.is_empty() {
        let mut legacy = LEGACY.iter();
        let (_, reason, token) = legacy.find(|(word, ..)| *word == error)?;
        (*reason, *token)
    } else {
        let row = row(reason, error)?;
        (row.reason, row.token)
    };
    (token != TokenEffect::Keep).then_some(PastWord {
        reason,
        token,
        gone_since_ms: None,
    })
}

/// The row of that word whose sentence it is; of another sentence, that of the word alone.
fn row(reason: &str, error: &str) -> Option<&'static Row> {
    let of_word = |row: &&Row| row.reason == reason && row.status != 0;
    let refined = refinements().into_iter().map(|(_, row)| row);
    let told = |row: &Row| {
        let rest = error.strip_prefix(row.meaning);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
    };
    let mut refined = refined.filter(of_word);
    refined
        .find(|row| told(row))
        .or_else(|| ROWS.iter().find(of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: &str, error: &str, expected: Option<(&'static str, TokenEffect)>) {
        let expected = expected.map(|(reason, token)| PastWord {
            reason,
            token,
            gone_since_ms: None,
        });
        assert_eq!(past_word(reason, error), expected, "{reason} {error}");
    }

    /// fcm.md's tables: what is about registration tokens, as Gaurun and as we have told it.
    #[test]
    fn every_word_of_the_tables_says_of_the_token_what_its_row_says() {
        let refined = refinements().into_iter().map(|(_, row)| row);
        for row in ROWS.iter().chain(refined).filter(|row| row.status != 0) {
            let said = row.token != TokenEffect::Keep;
            let expected = said.then_some((row.reason, row.token));
            check(row.reason, row.meaning, expected);
            let quoted = format!("{}: what Google said", row.meaning);
            check(row.reason, &quoted, expected);
        }
        check(
            "INVALID_ARGUMENT",
            "in other words",
            Some(("INVALID_ARGUMENT", TokenEffect::Suspect)),
        );
        check(
            "UNREGISTERED",
            "",
            Some(("UNREGISTERED", TokenEffect::Dead)),
        );
    }

    #[test]
    fn the_legacy_words_stand_alone_in_gauruns_lines() {
        for (word, reason, token) in LEGACY {
            check("", word, Some((reason, token)));
            check("", &format!("{word} "), None);
            check("shutdown", word, None);
        }
        for word in [
            "",
            "Unavailable",
            "InternalServerError",
            "MissingRegistration",
            "MessageTooBig",
            "InvalidDataKey",
            "InvalidPackageName",
            "DeviceMessageRateExceeded",
            "invalid status code 404: 404 Not Found",
            "UNREGISTERED",
        ] {
            check("", word, None);
        }
    }
}
