//! One batch: its body, its signature, and what its answer means.
//!
//! Pure.

use std::time::Duration;

use aws_lc_rs::hmac;

use crate::feed::{FeedPage, FeedStream};
use crate::jitter::half_to_all;
use crate::moment::http_date;

/// The field of a request that has its signature.
pub(super) const SIGNATURE: &str = "Sterna-Signature";

/// Our limit: records and gaps of a batch.
pub(super) const BATCH_RECORDS: usize = 1000;
/// Wait after the first post that came to nothing; doubles with each further one, …
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// … up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// Our limit: the longest wait that the place can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The body of a batch.
pub(super) fn body(stream: FeedStream, page: &FeedPage) -> Vec<u8> {
    let mut out = format!("{{\"stream\":\"{}\",\"records\":[", stream.word()).into_bytes();
    out.extend_from_slice(&page.records);
    let rest = format!("],\"next\":\"{}\",\"more\":{}}}\n", page.next, page.more);
    out.extend_from_slice(rest.as_bytes());
    out
}

/// How many records to post after so many were too large a body, …
pub(super) fn fewer(items: usize) -> usize {
    (items / 2).max(1)
}

/// … and after so many that were taken; nothing if that is a whole batch.
pub(super) fn more(items: usize) -> Option<usize> {
    let more = items + items / 8 + 1;
    (more < BATCH_RECORDS).then_some(more)
}

/// The signature of a body that is sent at that time, in seconds since the Unix epoch.
pub(super) fn signature(key: &hmac::Key, at: u64, body: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut signing = hmac::Context::with_key(key);
    signing.update(format!("{at}.").as_bytes());
    signing.update(body);
    let mut text = format!("t={at},v1=");
    for byte in signing.sign().as_ref() {
        let _ = write!(text, "{byte:02x}"); // memory takes it
    }
    text
}

/// What came of a post.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// It is taken.
    Taken,
    /// The place takes no body of that size.
    TooLarge,
    /// It is not taken, for this reason; the place may have asked to wait.
    Refused(String, Option<Duration>),
}

impl Posted {
    /// What an answer means that came at `now`, in seconds since the Unix epoch.
    pub(super) fn of(status: u16, retry_after: Option<&str>, now: u64) -> Self {
        let until = |text| http_date(text).map(|at| at.saturating_sub(now));
        let wait = retry_after.map(str::trim);
        let wait = wait.and_then(|text| text.parse().ok().or_else(|| until(text)));
        let wait = wait.map(|secs| Duration::from_secs(secs).min(RETRY_AFTER_MAX));
        match status {
            200..=299 => Self::Taken,
            413 => Self::TooLarge,
            300..=399 => {
                let text = format!(
                    "it answers {status}, a redirect, and none is followed: name the place itself"
                );
                Self::Refused(text, wait)
            }
            _ => Self::Refused(format!("it answers {status}"), wait),
        }
    }
}

/// How long to wait after so many posts in a row that came to nothing; `random` is uniform.
pub(super) fn backoff(failures: u32, asked: Option<Duration>, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = BACKOFF_FIRST
        .saturating_mul(1 << doublings)
        .min(BACKOFF_MAX);
    half_to_all(longest, random).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_signed_as_openssl_does_it() {
        let page = FeedPage {
            records: b"{\"cursor\":\"c\"}".to_vec(),
            items: 1,
            next: "dead-tokens.1.2".to_owned(),
            more: false,
            oldest: None,
        };
        let body = body(FeedStream::DeadTokens, &page);
        assert_eq!(
            String::from_utf8(body.clone()).unwrap(),
            "{\"stream\":\"dead-tokens\",\"records\":[{\"cursor\":\"c\"}],\"next\":\
             \"dead-tokens.1.2\",\"more\":false}\n"
        );
        // printf '%s\n' '1795337298.BODY' | openssl dgst -sha256 -hmac 'one secret of many'
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"one secret of many");
        assert_eq!(
            signature(&key, 1_795_337_298, &body),
            "t=1795337298,v1=4b5d070abe9f1fe018634318a956691e847ab41cdf6b522c510f1b40b8b39748"
        );
    }

    #[test]
    fn nothing_but_a_2xx_is_taken_and_waits_are_bounded() {
        for (status, taken) in [
            (200, true),
            (204, true),
            (299, true),
            (100, false),
            (301, false),
            (400, false),
            (410, false),
            (500, false),
        ] {
            let posted = Posted::of(status, None, 0);
            assert_eq!(posted == Posted::Taken, taken, "{status}");
        }
        let wait = |text| match Posted::of(503, Some(text), 784_111_770) {
            Posted::Refused(_, wait) => wait.map(|wait| wait.as_secs()),
            Posted::Taken | Posted::TooLarge => None,
        };
        assert_eq!(
            ["7", " 7 ", "99999", "-1", "soon"].map(wait),
            [Some(7), Some(7), Some(600), None, None]
        );
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:20 GMT"), Some(0));
        let almost = Duration::from_millis(1);
        let longest = |failures| (backoff(failures, None, u64::MAX) + almost).as_secs();
        assert_eq!([1, 2, 3, 9, 10, 99].map(longest), [1, 2, 4, 256, 300, 300]);
        assert_eq!(backoff(1, None, 0), Duration::from_millis(500));
        let asked = Some(Duration::from_secs(60));
        assert_eq!(backoff(1, asked, 0), Duration::from_secs(60));
    }

    #[test]
    fn a_body_that_is_too_large_is_halved_down_to_one_record_and_grows_again() {
        assert_eq!(Posted::of(413, None, 0), Posted::TooLarge);
        let mut items = BATCH_RECORDS;
        for _ in 0..10 {
            items = fewer(items);
        }
        assert_eq!((items, fewer(1)), (1, 1));
        let mut steps = 0;
        while let Some(grown) = more(items) {
            assert!(grown > items && grown < BATCH_RECORDS);
            (items, steps) = (grown, steps + 1);
        }
        assert!(steps < 60, "{steps}");
    }
}
