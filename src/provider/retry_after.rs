//! The `retry-after` field: seconds, or a date (RFC 9110 §10.2.3).

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::time::Duration;

use crate::moment::{Moment, http_date};

/// Longest wait that a provider can ask for. FCM gives up on a push an hour after its first
/// attempt, so that a longer wait would only be a slow failure.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The wait that a `retry-after` field asks for, if it can be read.
pub(super) fn parse(value: Option<&[u8]>, now: Moment) -> Option<Duration> {
    let text = std::str::from_utf8(value?).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        // More digits than a u64 holds still mean "very long".
        let secs = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(secs).min(RETRY_AFTER_MAX));
    }
    let at = http_date(text)?;
    let wait = Duration::from_secs(at).saturating_sub(now.unix);
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// 1994-11-06 08:49:37 GMT less one minute.
    fn now() -> Moment {
        Moment {
            monotonic: Instant::now(),
            unix: Duration::from_secs(784_111_777 - 60),
        }
    }

    fn check(value: &str, expected: Option<u64>) {
        let found = parse(Some(value.as_bytes()), now());
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
        assert_eq!(parse(Some(b"\xff\xfe"), now()), None);
        assert_eq!(parse(None, now()), None);
    }
}
