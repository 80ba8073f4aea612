//! The `retry-after` field: seconds, or a date (RFC 9110 §10.2.3).

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::time::Duration;

use super::AnswerHead;
use crate::moment::{Moment, http_date};

/// Longest wait that a provider can ask for. FCM gives up on a push an hour after its first
/// attempt, so that a longer wait would only be a slow failure.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The wait that a `retry-after` field asks for, if it can be read.
///
/// A date counts from the answer's own `date`, so that a wall clock that is wrong or has jumped,
/// here or there, changes no wait; from our clock only if there is none.
pub(super) fn parse(head: AnswerHead<'_>, now: Moment) -> Option<Duration> {
    let text = std::str::from_utf8(head.retry_after?).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds still mean "very long".
        let secs = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(secs).min(RETRY_AFTER_MAX));
    }
    let at = Duration::from_secs(http_date(text)?);
    let date = head.date.and_then(|date| std::str::from_utf8(date).ok());
    let date = date.and_then(|date| http_date(date.trim()));
    let wait = at.saturating_sub(date.map_or(now.unix, Duration::from_secs));
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// 1994-11-06 08:49:37 GMT less one minute.
    fn now() -> Moment {
        Moment {
            stood: Duration::ZERO,
            monotonic: Instant::now(),
            unix: Duration::from_secs(784_111_777 - 60),
        }
    }

    fn head(value: &[u8]) -> AnswerHead<'_> {
        AnswerHead {
            retry_after: Some(value),
            ..AnswerHead::default()
        }
    }

    fn check(value: &str, expected: Option<u64>) {
        let found = parse(head(value.as_bytes()), now());
        assert_eq!(found, expected.map(Duration::from_secs), "{value:?}");
    }

    #[test]
    fn seconds() {
        check("0", Some(0));
        check("30", Some(30));
        check(" 30 ", Some(30));
        check("3600", Some(3600));
    }

    #[test]
    fn all_three_date_forms() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(60));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(60));
        check("Sun Nov  6 08:49:37 1994", Some(60));
    }

    #[test]
    fn a_date_in_the_past_means_at_once() {
        check("Sun, 06 Nov 1994 08:40:00 GMT", Some(0));
    }

    #[test]
    fn a_long_wait_is_capped() {
        check("3601", Some(RETRY_AFTER_MAX.as_secs()));
        check("99999999999999999999999", Some(RETRY_AFTER_MAX.as_secs()));
        check(
            "Tue, 06 Nov 2040 08:49:37 GMT",
            Some(RETRY_AFTER_MAX.as_secs()),
        );
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        for value in ["", "-1", "1.5", "soon", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            check(value, None);
        }
        assert_eq!(parse(head(b"\xff\xfe"), now()), None);
        assert_eq!(parse(AnswerHead::default(), now()), None);
    }

    #[test]
    fn clock_jumps_change_no_date_that_comes_with_its_own() {
        for jump in [-31_536_000, -3600, 0, 3600, 31_536_000] {
            let now = Moment {
                unix: Duration::from_secs(now().unix_secs().strict_add_signed(jump)),
                ..now()
            };
            let head = AnswerHead {
                date: Some(b"Sun, 06 Nov 1994 08:48:37 GMT"),
                ..head(b"Sun, 06 Nov 1994 08:49:37 GMT")
            };
            assert_eq!(parse(head, now), Some(Duration::from_secs(60)), "{jump}");
            let unreadable = AnswerHead {
                date: Some(b"now"),
                ..head
            };
            let expected = u64::try_from(60 - jump).unwrap_or(0).min(3600);
            let expected = Some(Duration::from_secs(expected));
            assert_eq!(parse(unreadable, now), expected, "{jump}");
        }
    }
}
