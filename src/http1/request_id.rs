//! `X-Request-Id`: a caller's own name for a request, or one that we give it.
//!
//! Pure: no I/O, no clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The id of one request: 1 to [`MAX_REQUEST_ID`] visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A caller's id. `None` if it is not one: it goes into logs and into our answer.
    pub fn of_caller(value: &[u8]) -> Option<Self> {
        let fits = (1..=MAX_REQUEST_ID).contains(&value.len());
        let text = str::from_utf8(value).ok().filter(|_| fits)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where ids come from for requests that bring none.
#[derive(Debug)]
pub struct RequestIds(AtomicU64);

impl RequestIds {
    /// Ids that begin at `start`: drawn at random, they do not repeat over restarts and daemons.
    pub const fn starting(start: u64) -> Self {
        Self(AtomicU64::new(start))
    }

    /// The next id: 16 hexadecimal digits.
    pub fn next(&self) -> RequestId {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{number:016x}").into())
    }
}

/// Our limit: characters of a caller's request id. UUIDs have 36, W3C trace parents 55.
pub const MAX_REQUEST_ID: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_id_is_taken_as_it_is_or_not_at_all() {
        let longest = "x".repeat(MAX_REQUEST_ID);
        for good in ["1", "7b2e-\"{}\\", &longest] {
            let id = RequestId::of_caller(good.as_bytes());
            assert_eq!(id.as_ref().map(RequestId::as_str), Some(good));
        }
        let too_long = format!("{longest}x");
        for bad in ["", "a b", "a\tb", "ä", "a\u{7f}", &too_long] {
            assert_eq!(RequestId::of_caller(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(RequestId::of_caller(b"a\xff"), None);
    }

    #[test]
    fn ids_of_our_own_do_not_repeat() {
        let ids = RequestIds::starting(u64::MAX);
        assert_eq!(ids.next().as_str(), "ffffffffffffffff");
        assert_eq!(ids.next().as_str(), "0000000000000000");
        assert_eq!(ids.next().as_str(), "0000000000000001");
    }
}
